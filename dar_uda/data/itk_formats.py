"""MetaImage and NRRD files: their headers are parsed here, and ITK is given the checked fields alone.

ITK says from these fields what a voxel is and how the volume lies in space. The voxels are read here: ITK never opens
the file of a user, nor one that its header names.
"""

import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.ceiling import check_voxels
from dar_uda.data.contents import GZIP, foreign_content
from dar_uda.data.grid import LPS_TO_RAS, Grid
from dar_uda.data.labels import EXPORT, is_slicer
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError, check_name, reading

READERS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
"""SimpleITK's reader by the file's ending."""
LONGEST_HEADER, MOST_LINES = 2**22, 2**14
"""In bytes, and lines. Slicer writes about 600 bytes in ten lines for every segment."""
PIECE, CHUNK, MOST_STREAMS = 2**16, 2**20, 2**16
"""Bytes of packed voxels that are read at a time, and unpacked; streams behind each other that gzip allows."""
LONGEST_FIELD, MOST_AXES = 400, 10
"""Characters of a field and axes of a volume that ITK is given: it writes longer ones over its own memory, or hangs."""
OF_META, OF_NRRD = re.compile(r"\s*([A-Za-z]+)[ \t]*[=:](.*)"), re.compile(r"([A-Za-z][A-Za-z \t]*):(?!=)(.*)")
"""`name = value` of MetaImage, `name: value` of NRRD. NRRD's `name:=value` is a remark of whoever wrote the file."""
META_FIELDS = (
    *("NDims", "DimSize", "ElementSpacing", "ElementSize", "TransformMatrix", "Rotation", "Orientation"),
    *("Offset", "Position", "Origin", "ElementNumberOfChannels", "ElementType"),
)
"""What ITK is given of a MetaImage's header, in this order; names are as they are written here."""
NRRD_FIELDS = (
    *("type", "dimension", "space", "space dimension", "sizes", "space directions", "space origin", "kinds"),
    *("centers", "centerings", "spacings", "axis mins", "axis maxs"),
)
"""What ITK is given of an NRRD's header; names are in any case, spaces in them do not count."""
PRINTED = re.compile(r"[ -~\t]*")
KNOWN = {
    **{name: name.lower() for name in META_FIELDS},
    **{name: name.lower() for name in ("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB")},
    **{name: name.lower() for name in ("CompressedData", "CompressedDataSize", "HeaderSize", "DistanceUnits")},
    "ElementDataFile": "elementdatafile",
}
"""The fields of a MetaImage that count, as they are written, and how they are called here."""
KNOWN_OF_NRRD = {"".join(name.split()) for name in NRRD_FIELDS} | {
    *("endian", "encoding", "datafile", "byteskip", "lineskip", "spaceunits"),
}
NUMBER, SIZE = re.compile("-?[0-9]{1,18}"), re.compile("0*[1-9][0-9]{0,17}")
ONE_FILE = re.compile(r"(?!/)[^\\%\x00-\x1f\x7f]+")
"""No absolute path, no pattern of numbered files."""
META_TYPES = {
    f"MET_{name}"
    for name in ("CHAR", "SHORT", "INT", "LONG", "LONG_LONG", "UCHAR", "USHORT", "UINT", "ULONG", "ULONG_LONG")
} | {"MET_FLOAT", "MET_DOUBLE"}
"""Types of one number; ITK takes texts and arrays for some of these."""
OF_VOXELS = ("datafile", "elementdatafile")
"""The fields that name the file of the voxels: ITK is not given them, and names are in any letters."""
SPACES = (
    *("left-posterior-superior", "lps", "right-anterior-superior", "ras"),
    *("left-anterior-superior", "las"),
)
"""Spaces of NRRD whose directions ITK knows; it takes any other for the first."""
PACKED, TEXT = ("gzip", "gz"), ("ascii", "text", "txt")
ENCODINGS = ("raw", *PACKED, *TEXT, "hex")
MILLIMETERS = {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "?"}
EITHER_WRAPPING = zlib.MAX_WBITS + 32
"""zlib's own header or gzip's."""
DEFLATE_RATIO = 1040
"""No packed stream holds more bytes than this many times its own."""


@dataclass(frozen=True)
class Header:
    """What a MetaImage or NRRD file says of itself.

    Attributes:
        fields: Those that count, by name, in lower case without spaces.
        end: Where the header ends, in bytes.
    """

    path: Path
    fields: Mapping[str, str]
    end: int

    @property
    def is_nrrd(self) -> bool:
        return _is_nrrd(self.path)

    @property
    def detached(self) -> Path | None:
        """The file beside this one, or in a folder below, that holds the voxels; None where this one does."""
        written = self.fields.get("datafile" if self.is_nrrd else "elementdatafile", "")
        name = os.fsdecode(written.encode("latin-1")).removeprefix("./")
        if name in (("",) if self.is_nrrd else ("LOCAL", "Local", "local")):
            return None
        one = ONE_FILE.fullmatch(name) and name.split()[0] not in ("LIST", "SKIPLIST")
        if not one or not self._is_below(name):
            raise UnreadableFileError(
                f"DAR-136: {self.path} names its voxels as {name[:60]!r}; expected one file beside it, or in a folder "
                "there: convert it to .nii.gz"
            )
        return self.path.parent / name

    def _is_below(self, name: str) -> bool:
        """Return whether a file lies in the header's folder; what lies right beside the header may be a link."""
        folder = self.path.parent.resolve()
        return name == Path(name).name or (folder / name).resolve().is_relative_to(folder)

    @property
    def encoding(self) -> str:
        """How the voxels are stored, as NRRD calls it."""
        if self.is_nrrd:
            return self.fields.get("encoding", "raw").lower()
        is_text = not self.is_set("binarydata", "True")
        return "gzip" if self.is_set("compresseddata") else "text" if is_text else "raw"

    @property
    def byte_order(self) -> str:
        """NumPy's sign of the order of the bytes of a number."""
        if self.is_nrrd:
            return ">" if self.fields.get("endian", "").lower() == "big" else "<"
        return ">" if self.is_set("binarydatabyteordermsb") or self.is_set("elementbyteordermsb") else "<"

    @property
    def placed(self) -> bool:
        """Whether it says how the volume lies in space."""
        if "spacedirections" in self.fields:
            return self.fields.get("space", "").lower() in SPACES
        return any(name in self.fields for name in ("transformmatrix", "orientation", "rotation"))

    def is_set(self, name: str, default: str = "") -> bool:
        """Return whether a truth value of a MetaImage is true."""
        return self.fields.get(name, default)[:1] in ("T", "t", "1")

    def skipped(self) -> int:
        """Return how many bytes the file of the voxels has before them, -1: all that are not voxels.

        Raises:
            UnreadableFileError: The header says it of packed voxels, of its own file, or in lines.
        """
        text = self.fields.get("byteskip" if self.is_nrrd else "headersize", "0")
        skipped = int(text) if NUMBER.fullmatch(text) else -2
        alone = self.detached is not None and self.encoding == "raw"
        if self.fields.get("lineskip", "0") != "0" or skipped < -1 or (skipped and not alone):
            raise UnreadableFileError(
                f"DAR-513: {self.path} has voxels behind {text[:60]!r} bytes or behind lines of other content; "
                "expected a number of bytes before raw voxels in a file beside it: convert it to .nii.gz"
            )
        return skipped


def read_header(path: Path) -> Header:
    """Return the header of a MetaImage or NRRD file.

    Raises:
        UnreadableFileError: It has no voxel sizes, or names voxels elsewhere than in a file beside it.
    """
    check_name(path)
    if reason := foreign_content(path):
        raise UnreadableFileError(f"{path} {reason}")
    header = _parsed(path)
    _check_sizes(header)
    _check_spacing(header)
    _check_units(header)
    _check_type(header)
    if header.encoding not in ENCODINGS:
        raise UnreadableFileError(
            f"DAR-132: {path} has the encoding {header.encoding[:60]!r}; expected raw or gzip: save it so"
        )
    if header.detached and not header.detached.is_file():
        raise UnreadableFileError(
            f"DAR-136: {path} says its voxels are in {header.detached.name}, which is not beside it"
        )
    return header


def _parsed(path: Path) -> Header:
    """Return the fields of a header, line by line up to the line that ends it.

    Raises:
        UnreadableFileError: It does not begin as an NRRD, has no end, or has a field that counts twice, or with control
            characters.
    """
    nrrd, fields, end = _is_nrrd(path), dict[str, str](), 0
    for line in _lines(path):
        end += len(line)
        text = line.decode("latin-1").rstrip("\r\n")
        if nrrd and end == len(line) and not text.startswith("NRRD000"):
            raise UnreadableFileError(
                f"DAR-513: {path} does not begin with NRRD000: it is no NRRD file; export it again"
            )
        if nrrd and not text:
            break
        match = (OF_NRRD if nrrd else OF_META).match(text)
        name = match and _known(match[1], nrrd)
        if not match or not name:
            continue
        if name in fields or not (name in OF_VOXELS or _is_given(match[2])):
            raise UnreadableFileError(
                f"DAR-513: {path} has the field {match[1].strip()!r} twice, or with control characters in it, or "
                f"with more than {LONGEST_FIELD} characters: export it again"
            )
        fields[name] = match[2].strip()
        if name == "elementdatafile":
            break
    return Header(path, fields, end)


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file.

    Raises:
        UnreadableFileError: They are more than a header's.
    """
    left = LONGEST_HEADER
    with path.open("rb") as file:
        for _ in range(MOST_LINES):
            line = file.readline(left)
            left -= len(line)
            if not line and left:
                return
            if not left:
                break
            yield line
    raise UnreadableFileError(
        f"DAR-512: {path} has a header longer than {LONGEST_HEADER} bytes or {MOST_LINES} lines: export it again"
    )


def _is_nrrd(path: Path) -> bool:
    return READERS[path.suffix.lower()] == "NrrdImageIO"


def _is_given(value: str) -> bool:
    """Return whether ITK may be given the value of a field."""
    return len(value) <= LONGEST_FIELD and PRINTED.fullmatch(value) is not None


def _known(written: str, nrrd: bool) -> str | None:
    """Return how a field is called here; None where it does not count."""
    name = "".join(written.split()).lower()
    return (name if name in KNOWN_OF_NRRD else None) if nrrd else KNOWN.get(written.strip())


def _check_sizes(header: Header) -> None:
    axes, name = ("dimension", "sizes") if header.is_nrrd else ("ndims", "dimsize")
    count, sizes = header.fields.get(axes, ""), header.fields.get(name, "").split()
    most = MOST_AXES if SIZE.fullmatch(count) else 0
    if not (all(map(SIZE.fullmatch, sizes)) and 0 < len(sizes) <= most and int(count) == len(sizes)):
        raise UnreadableFileError(
            f"DAR-513: {header.path} has the sizes {sizes[: MOST_AXES + 1]} of {count[:60]!r} axes, expected as many "
            f"whole numbers above 0, {MOST_AXES} at most: correct its header, or export it again"
        )


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


def _check_type(header: Header) -> None:
    kind, order = header.fields.get("elementtype", ""), header.fields.get("endian", "little")
    if not header.is_nrrd and kind not in META_TYPES:
        raise UnreadableFileError(
            f"DAR-132: {header.path} has the ElementType {kind[:60]!r}, expected a number's, such as MET_SHORT: "
            "convert it to .nii.gz"
        )
    if order.lower() not in ("little", "big"):
        raise UnreadableFileError(
            f"DAR-132: {header.path} has the endian {order[:60]!r}, expected little or big: correct its header"
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
        UnreadableFileError: The file is broken, or holds no 3D volume of one number per voxel.
    """
    return _described(read_header(path))[0]


def read_itk(path: Path) -> tuple[NDArray, Grid]:
    """Return values and grid, see `read_itk_grid`; the array's axes are the file's."""
    header = read_header(path)
    grid, kind = _described(header)
    with reading(path), (header.detached or path).open("rb") as file:
        array = _voxels(header, file, kind.newbyteorder(header.byte_order), math.prod(grid.shape))
    array = array.reshape(grid.shape, order="F").astype(np.float32 if kind.kind == "f" else kind, copy=False)
    return array, grid


def _voxels(header: Header, file: BinaryIO, kind: np.dtype, count: int) -> NDArray:
    """Return the numbers in the file of the voxels, in its order.

    Raises:
        UnreadableFileError: It holds fewer; which is seen before memory is taken for more than it can hold.
    """
    path, needed = header.path, count * kind.itemsize
    size = os.fstat(file.fileno()).st_size
    start, skipped = (0 if header.detached else header.end), header.skipped()
    start = size - needed if skipped < 0 else start + skipped
    per_byte = {"raw": 1.0, "hex": 0.5, **dict.fromkeys(PACKED, DEFLATE_RATIO), **dict.fromkeys(TEXT, kind.itemsize)}
    if not needed <= max(size - start, 0) * per_byte[header.encoding] or start < 0:
        raise _too_few(path, f"at most {int(max(size - start, 0) * per_byte[header.encoding])}", needed)
    need_memory(needed, f"{path}: its {count} voxels")
    file.seek(start)
    if header.encoding in PACKED:
        voxels, packed = _unpacked(path, file, needed)
        _check_size_of_packed(header, packed, size - start)
        return voxels.view(kind)
    if header.encoding == "hex":
        return np.frombuffer(bytes.fromhex(file.read(3 * needed).decode("ascii"))[:needed], kind, count).copy()
    array = np.fromfile(file, kind if header.encoding == "raw" else kind.newbyteorder("="), count, **_separated(header))
    if array.size < count:
        raise _too_few(path, str(array.nbytes), needed)
    return array


def _separated(header: Header) -> dict[str, str]:
    return {"sep": " "} if header.encoding in TEXT else {}


def _unpacked(path: Path, file: BinaryIO, needed: int) -> tuple[NDArray[np.uint8], int]:
    """Return as many bytes as are needed of packed streams, and how long these are.

    They are read up to their checksums, but where more than a chunk lies behind the voxels.

    Raises:
        UnreadableFileError: They end before, hold fewer, or are too many.
    """
    voxels, filled, surplus, start = np.empty(needed, np.uint8), 0, 0, file.tell()
    stream, rest, streams = zlib.decompressobj(EITHER_WRAPPING), b"", 1
    while surplus <= CHUNK:
        rest = rest if len(rest) >= len(GZIP) else rest + file.read(PIECE)
        if stream.eof and not rest.startswith(GZIP):
            break
        if stream.eof:
            stream, streams = zlib.decompressobj(EITHER_WRAPPING), streams + 1
        if streams > MOST_STREAMS:
            raise UnreadableFileError(
                f"DAR-131: {path} has its voxels in more than {MOST_STREAMS} packed streams, expected one: copy or "
                "export it again"
            )
        part = stream.decompress(rest, CHUNK)
        if not (rest or part or stream.eof):
            raise UnreadableFileError(f"DAR-131: {path} ends in the middle of its voxels: copy or export it again")
        rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        kept = np.frombuffer(part, np.uint8)[: needed - filled]
        voxels[filled : filled + kept.size] = kept
        filled, surplus = filled + kept.size, surplus + len(part) - kept.size
    if filled < needed:
        raise _too_few(path, str(filled), needed)
    return voxels, file.tell() - start - len(rest)


def _check_size_of_packed(header: Header, packed: int, there: int) -> None:
    """Raise where a MetaImage says another size of its packed voxels than the stream has."""
    stated = header.fields.get("compresseddatasize", "")
    if not header.is_nrrd and not (NUMBER.fullmatch(stated) and packed <= int(stated) <= there):
        raise UnreadableFileError(
            f"DAR-131: {header.path} has the CompressedDataSize {stated[:60]!r}, expected {packed} bytes: export it "
            "again"
        )


def _too_few(path: Path, found: str, needed: int) -> UnreadableFileError:
    return UnreadableFileError(
        f"DAR-131: {path} holds {found} bytes of voxels, expected {needed}: copy or export it again"
    )


def _described(header: Header) -> tuple[Grid, np.dtype]:
    """Return the grid, and the type of a voxel, as ITK reads them from the fields that were checked."""
    names = NRRD_FIELDS if header.is_nrrd else META_FIELDS
    fields = [(name, header.fields.get("".join(name.lower().split()))) for name in names]
    with TemporaryDirectory(prefix="dar-uda-") as folder, reading(header.path):
        copy = Path(folder) / ("header.nrrd" if header.is_nrrd else "header.mha")
        if header.is_nrrd:
            lines = ["NRRD0005", *(f"{name}: {value}" for name, value in fields if value)]
            lines += [f"endian: {'big' if header.byte_order == '>' else 'little'}", "encoding: raw", "", ""]
        else:
            lines = ["ObjectType = Image", *(f"{name} = {value}" for name, value in fields if value)]
            lines += ["ElementDataFile = LOCAL", ""]
        copy.write_text("\n".join(lines), encoding="ascii")
        reader = sitk.ImageFileReader()
        reader.SetImageIO(READERS[header.path.suffix.lower()])
        reader.SetFileName(str(copy))
        reader.ReadImageInformation()
        grid = _grid(reader, header.path)
        return grid, sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], reader.GetPixelID())).dtype


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
    check_voxels(path, size)
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = reader.GetOrigin()[:3]
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise UnreadableFileError(
            f"DAR-138: {path} has the affine {affine.tolist()}, which has no inverse: correct its header"
        )
    return Grid(tuple(size[:3]), LPS_TO_RAS @ affine)
