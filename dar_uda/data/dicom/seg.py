"""The segments of a DICOM SEG, on the grid of its image."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.dicom.bounds import check_items
from dar_uda.data.dicom.drawn import Drawn, Voxels
from dar_uda.data.dicom.frames import PLACE, frames_of, has_frames
from dar_uda.data.dicom.header import Header, read_entries, read_header
from dar_uda.data.dicom.pixels import DECOMPRESS, format_of, stored_frames
from dar_uda.data.dicom.series import DicomSlice, placed
from dar_uda.data.geometry import GRID_TOLERANCE
from dar_uda.data.grid import LPS_TO_RAS, Grid
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError, reading

ENTRIES = ("SpecificCharacterSet", "FrameOfReferenceUID", "SegmentationType", "SegmentSequence")
SERIES = "ReferencedSeriesSequence"
GROUPS = {
    **PLACE,
    "PixelMeasuresSequence": ("PixelSpacing", "SpacingBetweenSlices"),
    "SegmentIdentificationSequence": ("ReferencedSegmentNumber",),
}
WORDS = (1, 8, 16)
KINDS = ("BINARY", "LABELMAP")


class Segments(Drawn):
    """A SEG: its structures have the numbers and labels of its segments."""

    def __init__(self, path: Path):
        check_items(path)
        self.path = path
        self._entries = read_entries(path, (*ENTRIES, SERIES))

    def names(self) -> dict[int, str]:
        items = self._entries.get("SegmentSequence") or ()
        return {int(item.SegmentNumber): str(item.get("SegmentLabel") or "") for item in items}

    def spaces(self) -> dict[int, str]:
        space = str(self._entries.get("FrameOfReferenceUID") or "")
        return dict.fromkeys(self.names(), space) if space else {}

    def series(self) -> set[str]:
        return {str(item.SeriesInstanceUID) for item in self._entries.get(SERIES) or ()}

    def draw(self, grid: Grid, numbers: Sequence[int]) -> Iterator[tuple[int, Voxels]]:
        kind = str(self._entries.get("SegmentationType") or "")
        header = read_header(self.path)
        if kind not in KINDS or not has_frames(header):
            raise UnreadableFileError(
                f"DAR-437: {self.path} is a SEG of the type {kind[:16] or 'none'}, expected {' or '.join(KINDS)}, with "
                "the place of each frame: export it so, or as a NIfTI label map"
            )
        frames = frames_of(header, GROUPS)
        pixels = format_of(header, len(frames), WORDS)
        need_memory(2 * self.path.stat().st_size, f"{self.path}: its segments")
        places = [placed(frame, (pixels.columns, pixels.rows)) for frame in frames]
        for frame, place in zip(frames, places, strict=True):
            self._check_spacing(frame, place, grid)
        self._check_places(frames, places, grid)
        wanted = set(numbers)
        parts: dict[int, list[tuple[DicomSlice, NDArray[np.uint8]]]] = defaultdict(list)  # of 8 pixels a byte
        with reading(self.path, DECOMPRESS):
            stored = stored_frames(read_header(self.path, with_pixels=True), pixels, len(frames))
            for frame, place, values in zip(frames, places, stored, strict=True):
                own = [frame.whole("ReferencedSegmentNumber")] if kind == "BINARY" else np.unique(values).tolist()
                for number in wanted.intersection(own):
                    mask = values != 0 if kind == "BINARY" else values == number
                    parts[number].append((place, np.packbits(mask)))
        for number in numbers:
            for place, packed in parts.pop(number, ()):
                pixels_of_frame = np.unpackbits(packed, count=pixels.rows * pixels.columns)
                mask = pixels_of_frame.reshape(pixels.rows, pixels.columns).astype(bool)
                yield number, self._voxels(mask, place, grid)

    def _check_places(self, frames: Sequence[Header], places: Sequence[DicomSlice], grid: Grid) -> None:
        """Raise where a segment has several frames at one place: whatever their number, each may be full."""
        seen = set()
        for frame, place in zip(frames, places, strict=True):
            start, _ = _steps(place, grid)
            one = frame.raw("ReferencedSegmentNumber"), *np.rint(start).astype(np.int64).tolist()
            if one in seen:
                raise UnreadableFileError(
                    f"DAR-516: {self.path} has several frames of a segment at one place, expected one: export it again"
                )
            seen.add(one)

    def _voxels(self, mask: NDArray[np.bool_], place: DicomSlice, grid: Grid) -> Voxels:
        """Return the image's voxels of the pixels of a frame."""
        start, steps = _steps(place, grid)
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * (np.array(place.size) - 1)
        whole_start, whole_steps = np.rint(start).astype(np.int64), np.rint(steps).astype(np.int64)
        off = np.abs(start - whole_start + corners @ (steps - whole_steps).T).max()
        found = whole_start + np.argwhere(mask)[:, ::-1] @ whole_steps.T
        along_axes = np.array_equal(whole_steps.T @ whole_steps, np.eye(2))
        if not along_axes or off > GRID_TOLERANCE or (found < 0).any() or (found >= grid.shape).any():
            self._refuse("a frame does not lie on the image's voxels")
        return found[:, 0], found[:, 1], found[:, 2]

    def _check_spacing(self, frame: Header, place: DicomSlice, grid: Grid) -> None:
        """Raise where a SEG says that its slices are not as far apart as the image's."""
        if "SpacingBetweenSlices" not in frame:
            return
        given = abs(float(frame.numbers("SpacingBetweenSlices", 1)[0]))
        normal = np.cross(*place.rows_columns)
        between = float(np.abs((LPS_TO_RAS @ grid.affine)[:3, :3].T @ normal).max())
        if given and abs(given - between) > GRID_TOLERANCE * between:
            self._refuse(f"its slices are {given:.4g} mm apart, those of the image {between:.4g}")

    def _refuse(self, found: str) -> None:
        raise ValueError(
            f"DAR-438: {self.path}: {found}: resample it onto the image, or name the series on which it was drawn as "
            "image"
        )


def _steps(place: DicomSlice, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the index of a frame's first pixel in the image, and by how much the next column and row are further."""
    to_index = np.linalg.inv(grid.affine) @ LPS_TO_RAS
    start = to_index[:3, :3] @ np.array(place.position, dtype=float) + to_index[:3, 3]
    return start, to_index[:3, :3] @ (place.rows_columns.T * place.spacing)
