"""The contours of a DICOM RTSTRUCT, drawn on the grid of its image."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dar_uda.data.dicom.bounds import check_items
from dar_uda.data.dicom.drawn import Drawn, Voxels
from dar_uda.data.dicom.header import Header, read_entries
from dar_uda.data.dicom.polygons import inside
from dar_uda.data.dicom.series import FARTHEST
from dar_uda.data.geometry import slice_axis_of
from dar_uda.data.grid import LPS_TO_RAS, Grid
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError

ENTRIES = (
    *("SpecificCharacterSet", "FrameOfReferenceUID", "ReferencedFrameOfReferenceSequence"),
    *("StructureSetROISequence", "ROIContourSequence"),
)
AREAS = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""The kinds of contours that have an inside; points and open lines have none."""
OFF_SLICE = 0.2
"""How far a contour may lie from its slice, in slices."""
DIGITS = 6
"""Of an index: a point that is meant to lie on the center of a pixel does so, whatever the arithmetic adds."""
MOST_POINTS = 10**7
COPIES = 8
"""Times the size of the file that reading it takes, at most."""


class Contours(Drawn):
    """An RTSTRUCT: its structures have the numbers and names of its regions of interest (ROI)."""

    def __init__(self, path: Path):
        need_memory(COPIES * path.stat().st_size, f"{path}: its contours")
        check_items(path)
        self.path = path
        self._entries = read_entries(path, ENTRIES)

    def names(self) -> dict[int, str]:
        items = self._entries.get("StructureSetROISequence") or ()
        return {int(item.ROINumber): str(item.get("ROIName") or "") for item in items}

    def spaces(self) -> dict[int, str]:
        items = self._entries.get("StructureSetROISequence") or ()
        spaces = {int(item.ROINumber): str(item.get("ReferencedFrameOfReferenceUID") or "") for item in items}
        return {number: space for number, space in spaces.items() if space}

    def series(self) -> set[str]:
        return {
            str(series.SeriesInstanceUID)
            for space in self._entries.get("ReferencedFrameOfReferenceSequence") or ()
            for study in space.get("RTReferencedStudySequence") or ()
            for series in study.get("RTReferencedSeriesSequence") or ()
        }

    def draw(self, grid: Grid, numbers: Sequence[int]) -> Iterator[tuple[int, Voxels]]:
        items = {int(item.ReferencedROINumber): item for item in self._entries.ROIContourSequence}
        points = 0
        for number in numbers:
            for slice_, contours in self._slices(items.get(number, Dataset()), grid).items():
                points += sum(map(len, contours))
                if points > MOST_POINTS:
                    raise UnreadableFileError(f"DAR-441: {self.path} has more than {MOST_POINTS} points: simplify it")
                yield number, _voxels(contours, slice_, grid)

    def _slices(self, roi: Dataset, grid: Grid) -> dict[int, list[NDArray[np.float64]]]:
        """Return the contours of a structure by their slice, each as indices in the plane (points, 2)."""
        axis, _ = slice_axis_of(grid)
        to_index = np.linalg.inv(grid.affine) @ LPS_TO_RAS
        slices = defaultdict(list)
        for item in roi.get("ContourSequence") or ():
            contour = Header(self.path, item, "", "")
            if contour.text("ContourGeometricType") in AREAS:
                index = self._points(contour) @ to_index[:3, :3].T + to_index[:3, 3]
                slices[self._slice(index[:, axis], grid.shape[axis])].append(np.delete(index, axis, 1).round(DIGITS))
        return slices

    def _points(self, contour: Header) -> NDArray[np.float64]:
        """Return the points of a contour in mm, LPS (points, 3)."""
        text = contour.text("ContourData")
        try:
            points = np.array(text.split("\\"), dtype=np.float64).reshape(-1, 3)
        except ValueError:
            points = np.full((1, 3), np.nan)
        if not np.isfinite(points).all() or np.abs(points).max() > FARTHEST:
            raise UnreadableFileError(
                f"DAR-440: {self.path}: the points of a contour are not three numbers each, within 1 km: export it "
                "again"
            )
        return points

    def _slice(self, depths: NDArray[np.float64], slices: int) -> int:
        """Return the slice on which all points of a contour lie."""
        middle = round(float(depths.mean()))
        if np.abs(depths - middle).max() > OFF_SLICE or not 0 <= middle < slices:
            low, high = (f"{end:.2f}" for end in (depths.min(), depths.max()))
            raise ValueError(
                f"DAR-439: {self.path}: a contour lies at {low} to {high} of the image's slices 0 to {slices - 1}, "
                "expected on one of them: name the series on which it was drawn as image"
            )
        return middle


def _voxels(contours: Sequence[NDArray[np.float64]], slice_: int, grid: Grid) -> Voxels:
    axis, _ = slice_axis_of(grid)
    in_plane = [size for other, size in enumerate(grid.shape) if other != axis]
    found = list(np.nonzero(inside(contours, (in_plane[0], in_plane[1]))))
    found.insert(axis, np.full(len(found[0]), slice_))
    return found[0], found[1], found[2]
