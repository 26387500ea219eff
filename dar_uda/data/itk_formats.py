"""MetaImage and NRRD files as SimpleITK reads them, their headers and their compressed voxels looked at first."""

import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.contents import foreign_content
from dar_uda.data.grid import LPS_TO_RAS, Grid
from dar_uda.data.labels import EXPORT, is_slicer
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError, check_name, reading

READERS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
"""SimpleITK's reader by the file's ending."""
LONGEST_HEADER, CHUNK = 2**22, 2**20
"""In bytes. Slicer writes about 600 for every segment."""
FIELD = re.compile(r"([A-Za-z \t]+)(?::(?!=)|=)(.*)")
"""`name: value` of NRRD, `name = value` of MetaImage. NRRD's `name:=value` is a remark of whoever wrote the file."""
ONE_FILE = re.compile(r"(?!\.\.?$)[^/\\% ]+( [^/\\%0-9 ]+)*")
"""No folder, no list, no pattern of numbered files."""
SPACES = (
    *("left-posterior-superior", "lps", "right-anterior-superior", "ras"),
    *("left-anterior-superior", "las"),
)
"""Spaces of NRRD whose directions ITK knows; it takes any other for the first."""
ENCODINGS = ("raw", "gzip", "gz", "ascii", "text", "txt", "hex")
MILLIMETERS = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "?"}
EITHER_WRAPPING = zlib.MAX_WBITS + 32
"""zlib's own header or gzip's."""


@dataclass(frozen=True)
class Header:
    """What a MetaImage or NRRD file says of itself.

    Attributes:
        fields: By name, in lower case without spaces.
        end: Where the header ends, in bytes.
    """

    path: Path
    fields: dict[str, str]
    end: int

    @property
    def detached(self) -> Path | None:
        """The file beside this one that holds the voxels; None where this one does."""
        name = self.fields.get("elementdatafile") or self.fields.get("datafile") or "LOCAL"
        name = name.removeprefix("./")
        if not ONE_FILE.fullmatch(name) or name in ("LIST", "SKIPLIST"):
            raise UnreadableFileError(
                f"DAR-136: {self.path} names its voxels as {name[:60]!r}; expected one file beside it: convert it to "
                ".nii.gz"
            )
        return None if name == "LOCAL" else self.path.with_name(name)

    @property
    def compressed(self) -> bool:
        gzipped = self.fields.get("encoding", "").lower() in ("gzip", "gz")
        return gzipped or self.fields.get("compresseddata", "")[:1] in ("T", "t", "1")

    @property
    def placed(self) -> bool:
        """Whether it says how the volume lies in space."""
        if "spacedirections" in self.fields:
            return self.fields.get("space", "").lower() in SPACES
        return any(name in self.fields for name in ("transformmatrix", "orientation", "rotation"))


def read_header(path: Path) -> Header:
    """Return the header of a MetaImage or NRRD file.

    Raises:
        UnreadableFileError: It has no voxel sizes, or names voxels elsewhere than in a file beside it.
    """
    if reason := foreign_content(path):
        raise UnreadableFileError(f"{path} {reason}")
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    ends = re.search(rb"\r?\n\r?\n" if nrrd else rb"ElementDataFile[^\n]*\n?", head)
    end = ends.end() if ends else len(head)
    lines = map(FIELD.match, head[:end].decode("latin-1").split("\n"))
    header = Header(path, {"".join(line[1].lower().split()): line[2].strip() for line in lines if line}, end)
    _check_spacing(header)
    _check_units(header)
    if (encoding := header.fields.get("encoding", "raw")).lower() not in ENCODINGS:
        raise UnreadableFileError(
            f"DAR-132: {path} has the encoding {encoding[:60]!r}; expected raw or gzip: save it so"
        )
    if header.detached and not header.detached.is_file():
        raise UnreadableFileError(
            f"DAR-136: {path} says its voxels are in {header.detached.name}, which is not beside it"
        )
    return header


def _check_spacing(header: Header) -> None:
    sizes = header.fields.get("elementspacing") or header.fields.get("elementsize") or header.fields.get("spacings")
    if sizes is None and "spacedirections" in header.fields:
        return
    try:
        right = min(float(size) for size in (sizes or "").split()) > 0
    except ValueError:
        right = False
    if not right:
        raise UnreadableFileError(
            f"DAR-135: {header.path} has the voxel sizes {sizes!r}, expected three above 0 mm: correct its header"
        )


def _check_units(header: Header) -> None:
    units = header.fields.get("spaceunits") or header.fields.get("distanceunits") or ""
    if not set(re.findall(r'[^\s"]+', units.lower())) <= MILLIMETERS:
        raise UnreadableFileError(
            f"DAR-132: {header.path} has sizes in {units[:60]!r}, expected mm: correct its header"
        )


def read_itk_grid(path: Path) -> Grid:
    """Return the grid from the header alone.

    Raises:
        UnreadableFileError: The file is broken, or holds no 3D volume of one number a voxel.
    """
    read_header(path)
    reader = _reader(path)
    with reading(path):
        reader.ReadImageInformation()
    return _grid(reader, path)


def read_itk(path: Path) -> tuple[NDArray, Grid]:
    """Return values and grid, see `read_itk_grid`; the array's axes are the file's."""
    grid = read_itk_grid(path)
    need_memory(math.prod(grid.shape), f"{path}: its {' x '.join(map(str, grid.shape))} voxels, of a byte at least,")
    _check_whole(path)
    with reading(path):
        array = sitk.GetArrayFromImage(_reader(path).Execute()).T.reshape(grid.shape)
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), grid


def _check_whole(path: Path) -> None:
    """Raise where compressed voxels do not end with the checksum of what they hold, or are fewer than the header says.

    ITK looks at neither in a MetaImage, and fills the rest of the volume with what lies in memory.
    """
    header = read_header(path)
    if not header.compressed:
        return
    with reading(path), (header.detached or path).open("rb") as file:
        start = file.seek(0 if header.detached else header.end)
        stream, voxels = zlib.decompressobj(EITHER_WRAPPING), 0
        while not stream.eof:
            rest = stream.unconsumed_tail or file.read(CHUNK)
            if not rest:
                raise UnreadableFileError(f"DAR-131: {path} ends in the middle of its voxels: copy or export it again")
            voxels += len(stream.decompress(rest, CHUNK))
        size = file.tell() - start - len(stream.unused_data)
    if "compresseddata" not in header.fields:
        return
    if voxels < (needed := _bytes_of_voxels(path)):
        raise UnreadableFileError(
            f"DAR-131: {path} holds {voxels} bytes of voxels, expected {needed}: copy or export it again"
        )
    stated = header.fields.get("compresseddatasize", "")
    if not (re.fullmatch("[0-9]{1,18}", stated) and int(stated) >= size):
        raise UnreadableFileError(
            f"DAR-131: {path} has the CompressedDataSize {stated[:60]!r}, expected {size} bytes: export it again"
        )


def _bytes_of_voxels(path: Path) -> int:
    reader = _reader(path)
    reader.ReadImageInformation()
    voxel = sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], reader.GetPixelID(), reader.GetNumberOfComponents()))
    return math.prod(reader.GetSize()) * voxel.nbytes


def _reader(path: Path) -> sitk.ImageFileReader:
    check_name(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[path.suffix.lower()])
    reader.SetFileName(str(path))
    return reader


def _grid(reader: sitk.ImageFileReader, path: Path) -> Grid:
    size, dimension = list(reader.GetSize()), reader.GetDimension()
    if dimension < 3 or any(extent != 1 for extent in size[3:]):
        raise UnreadableFileError(
            f"DAR-129: {path} has shape {tuple(size)}, expected 3 axes: save one volume of it alone"
        )
    if reader.GetNumberOfComponents() != 1:
        count = reader.GetNumberOfComponents()
        if is_slicer(path):
            raise UnreadableFileError(
                f"DAR-183: {path} has {count} layers, since its segments overlap, expected one: {EXPORT}"
            )
        raise UnreadableFileError(f"DAR-130: {path} holds {count} numbers per voxel, expected one: convert it")
    directions = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = reader.GetOrigin()[:3]
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise UnreadableFileError(
            f"DAR-138: {path} has the affine {affine.tolist()}, which has no inverse: correct its header"
        )
    return Grid(tuple(size[:3]), LPS_TO_RAS @ affine)
