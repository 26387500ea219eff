"""A DICOM SEG or RTSTRUCT as the label map of its image."""

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.contents import is_dicom
from dar_uda.data.dicom.drawn import Drawn
from dar_uda.data.dicom.header import read_header
from dar_uda.data.dicom.objects import kind_of_label
from dar_uda.data.dicom.rtstruct import Contours
from dar_uda.data.dicom.seg import Segments
from dar_uda.data.dicom.series import open_series
from dar_uda.data.grid import Grid
from dar_uda.data.reading import UnreadableFileError

logger = logging.getLogger(__name__)
KINDS: dict[str, type[Segments] | type[Contours]] = {"SEG": Segments, "RTSTRUCT": Contours}
HIGHEST = 65535
SPACE = "frame of reference (FrameOfReferenceUID)"
CODE = re.compile("DAR-[0-9]")
"""What the errors of this package begin with."""


def is_drawn(path: Path) -> bool:
    """Return whether a file is a DICOM SEG or RTSTRUCT."""
    return path.is_file() and is_dicom(path) and kind_of_label(read_header(path)) in KINDS


def names_of(path: Path) -> dict[int, str]:
    """Return the names of the structures in a SEG or RTSTRUCT by their numbers.

    Raises:
        UnreadableFileError: It cannot be read.
    """
    with _reading(path):
        return _open(path).names()


def read_drawn(
    path: Path, image: Path | None, grid: Grid, numbers: Sequence[Sequence[int]] | None
) -> NDArray[np.uint16]:
    """Return the number of a structure for each voxel of an image, 0 where there is none.

    Args:
        image: On which the structures were drawn; None: it is not at hand, and only places tell whether they fit.
        grid: Its grid.
        numbers: Those of each class. Where structures of two classes overlap, that of the later class counts. None:
            all structures, in the order of their numbers.

    Raises:
        ValueError: The file cannot be read, or was not drawn on this image.
    """
    with _reading(path):
        drawn = _open(path)
        elsewhere = _check_series(drawn, image) if image else set()
        there = {number for number in drawn.names() if 0 < number <= HIGHEST}
        classes = [[number] for number in sorted(there - elsewhere)] if numbers is None else numbers
        if image and not elsewhere.isdisjoint(chain.from_iterable(classes)):
            _refuse(drawn, image, SPACE)
        class_of = np.zeros(HIGHEST + 1, np.int64)
        for index, group in enumerate(classes, start=1):
            class_of[list(group)] = index
        array = np.zeros(grid.shape, np.uint16)
        for number, voxels in drawn.draw(grid, [n for group in classes for n in group if n in there]):
            if numbers is not None and not np.isin(class_of[array[voxels]], [0, class_of[number]]).all():
                _warn_once(f"DAR-436: {path}: structures overlap; where they do, the one later in `labels` counts")
            array[voxels] = number
        return array


def _open(path: Path) -> Drawn:
    return KINDS[kind_of_label(read_header(path))](path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pydicom raises into an error that cites no header; let no warning through that does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:  # a dozen kinds for files that are broken; their texts may cite a header
            if isinstance(error, MemoryError) or CODE.match(str(error)):
                raise
            raise UnreadableFileError(
                f"DAR-442: {path}: its structures cannot be read: it was cut short or damaged; copy or export it again"
            ) from None


def _check_series(drawn: Drawn, image: Path) -> set[int]:
    """Return the structures that lie in another space than a DICOM image; raise where all do, or the series differs."""
    if not image.is_dir() and not is_dicom(image):
        return set()
    slices = open_series(image).slices
    own, series = {one.space for one in slices} - {""}, {one.series[0] for one in slices} - {""}
    spaces, named = drawn.spaces(), drawn.series()
    if spaces and own and own.isdisjoint(spaces.values()):
        _refuse(drawn, image, SPACE)
    if named and series and named.isdisjoint(series):
        _refuse(drawn, image, "series (SeriesInstanceUID)")
    return {number for number, space in spaces.items() if own and space not in own}


def _refuse(drawn: Drawn, image: Path, what: str) -> None:
    raise ValueError(
        f"DAR-435: {drawn.path} was drawn on another {what} than {image} has: name the series on which it was drawn as "
        "image; if it was resampled onto this one, export it as a NIfTI label map"
    )


@lru_cache
def _warn_once(text: str) -> None:
    logger.warning(text)
