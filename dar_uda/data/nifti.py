"""NIfTI files: their grid and their values."""

import gzip
import math
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dar_uda.data.ceiling import check_voxels
from dar_uda.data.contents import foreign_content
from dar_uda.data.grid import Grid, geometry_fields
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError, reading

MILLIMETERS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
"""By NIfTI's code of the spatial unit: none given, meter, millimeter, micron."""
SINGLES, PAIRS = (nib.Nifti1Image, nib.Nifti2Image), (nib.Nifti1Pair, nib.Nifti2Pair)
ENDINGS = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
OTHER_OF_PAIR = {
    ".hdr": (".img", ".img.gz"),
    ".hdr.gz": (".img.gz",),
    ".img": (".hdr",),
    ".img.gz": (".hdr.gz", ".hdr"),
}
"""What the other file of a pair may end in, by the ending of the one that is given."""
LONGEST_FIELDS, LONGEST_HEADER = 540, 2**24
"""Bytes of the fields of a header, and of all that may precede the voxels: its extensions are never used."""
FORM_CODES = range(6)
CHUNK = 2**22
DEFLATE_RATIO = 1040
"""No gzip stream holds more bytes than this many times its own."""


def open_nifti(path: Path) -> nib.Nifti1Pair:
    """Return the opened file, its values unread.

    Raises:
        UnreadableFileError: It is not a NIfTI file, or shorter than its header says.
    """
    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _load(path)
        except (nib.filebasedimages.ImageFileError, gzip.BadGzipFile, EOFError) as error:
            if reason := foreign_content(path):
                raise UnreadableFileError(f"{path} {reason}") from error
            raise UnreadableFileError(
                f"DAR-120: {path} is not a NIfTI file; expected .nii, .nii.gz, .mha, .nrrd or a folder of DICOM files"
            ) from error
        if not isinstance(image, nib.Nifti1Pair):
            raise UnreadableFileError(
                f"DAR-120: {path} is {type(image).__name__}, expected NIfTI: convert it to .nii.gz"
            )
        _check_header(image, path)
        _check_length(image, path)
        return image


def _load(path: Path) -> nib.Nifti1Pair:
    """Return the file as nibabel reads it, after a look at the ending, the first bytes and the length of the header.

    nibabel would try each format that it knows, and open what such a file names. It is given the fields of the header
    alone: of extensions it would read as much as they say, and a million of them one by one.
    """
    if not path.name.lower().endswith(ENDINGS):
        raise nib.filebasedimages.ImageFileError(path)
    header, voxels = _files_of(path)
    with nib.openers.ImageOpener(header) as file:
        head = file.read(LONGEST_FIELDS)
        length = len(head) + len(file.read(LONGEST_HEADER)) if header != voxels else 0
    for kind in SINGLES if header == voxels else PAIRS:
        size = kind.header_class.sizeof_hdr
        if len(head) >= size and kind.header_class.may_contain_header(head):
            fields = kind.header_class(head[:size], check=False)
            if not max(length, float(fields["vox_offset"]) if header == voxels else 0) <= LONGEST_HEADER:
                raise UnreadableFileError(
                    f"DAR-512: {path} has a header longer than {LONGEST_HEADER} bytes, expected a few hundred and "
                    "remarks: export it again without its header extensions"
                )
            fields = kind.header_class(head[:size])
            files = kind.make_file_map({"image": str(voxels), "header": str(header)})
            return kind(kind.ImageArrayProxy(str(voxels), fields.copy()), None, fields, file_map=files)
    raise nib.filebasedimages.ImageFileError(path)


def _files_of(path: Path) -> tuple[Path, Path]:
    """Return the files of the header and of the voxels: one, or those of a pair, of which either may be given."""
    name = path.name.lower()
    ending = next((ending for ending in OTHER_OF_PAIR if name.endswith(ending)), None)
    if ending is None:
        return path, path
    stem, names = path.name[: -len(ending)], OTHER_OF_PAIR[ending]
    others = [file for file in sorted(path.parent.iterdir()) if file.name.startswith(stem)]
    found = [file for other in names for file in others if file.name[len(stem) :].lower() == other]
    if not found:
        what = "voxels are" if ending.startswith(".hdr") else "header is"
        raise UnreadableFileError(
            f"DAR-136: {path} says its {what} in {stem}{names[0]}, which is not beside it: copy both"
        )
    return (path, found[0]) if ending.startswith(".hdr") else (found[0], path)


def nifti_grid(image: nib.Nifti1Pair, path: Path, index: int | None = None) -> Grid:
    """Return the grid of a NIfTI file, in mm; single trailing axes are dropped.

    Args:
        index: Of the volume in a 4D file; None: the file is one volume.

    Raises:
        UnreadableFileError: The file holds no 3D volume of real numbers, or not that one, or its place in space makes
            no sense.
    """
    with reading(path, "correct its header"):
        shape = _shape_of_volume(image.shape, path, index)
        check_voxels(path, shape)
        if image.get_data_dtype().kind not in "iuf":
            raise UnreadableFileError(
                f"DAR-130: {path} holds {image.get_data_dtype()}, expected one real number per voxel: convert it"
            )
        code = int(image.header["xyzt_units"]) & 7
        if code not in MILLIMETERS:
            raise UnreadableFileError(
                f"DAR-137: {path} has the spatial unit {code}, expected mm: correct xyzt_units of its header"
            )
        affine = np.diag([MILLIMETERS[code]] * 3 + [1.0]) @ np.array(image.header.get_best_affine(), dtype=np.float64)
        if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
            raise UnreadableFileError(
                f"DAR-138: {path} has the affine {affine.tolist()}, which has no inverse: correct its header"
            )
        fields = geometry_fields(image.header)
        return Grid(tuple(int(size) for size in shape), affine, fields, slice_axis_in(image.header))


def _shape_of_volume(shape: tuple[int, ...], path: Path, index: int | None) -> tuple[int, ...]:
    """Return the shape of the file's volume, or of one of those along its fourth axis."""
    axes = list(shape)
    while len(axes) > 3 and axes[-1] == 1:
        axes.pop()
    if len(axes) not in (3, 4) or min(axes) < 1:
        raise UnreadableFileError(f"DAR-129: {path} has shape {shape}, expected 3 axes: save one volume of it alone")
    volumes = axes[3] if len(axes) == 4 else 1
    if index is None and volumes > 1:
        raise UnreadableFileError(
            f"DAR-129: {path} has shape {shape}, expected 3 axes: name one of its {volumes} volumes, counted from 0, "
            f"as in {path}/0"
        )
    if index is not None and index >= volumes:
        raise UnreadableFileError(
            f"DAR-433: {path}/{index}: the file has {volumes} volumes, counted from 0; expected 0 to {volumes - 1}: "
            f"correct the number behind the file's name, as in {path}/{volumes - 1}"
        )
    return tuple(axes[:3])


def slice_axis_in(header: nib.Nifti1Header) -> int | None:
    """Return the slice axis of dim_info; None where it is not set, or names one axis for two directions."""
    frequency, phase, slices = header.get_dim_info()
    return None if slices in (frequency, phase) else slices


def nifti_values(image: nib.Nifti1Pair, grid: Grid, path: Path, index: int | None = None) -> NDArray:
    """Return the values in the grid's shape, see `nifti_grid`: as stored without a scaling, else float32."""
    shape = " x ".join(map(str, grid.shape))
    need_memory(math.prod(grid.shape) * image.get_data_dtype().itemsize, f"{path}: its {shape} voxels")
    with reading(path), np.errstate(all="ignore"):
        _check_whole(image)
        array = np.asanyarray(image.dataobj if index is None else _volume(image.dataobj, index))
        if array.dtype.kind == "f":
            array = array.astype(np.float32, copy=False)
        return array.reshape(grid.shape, order="F")


def _volume(values: nib.arrayproxy.ArrayProxy, index: int) -> NDArray:
    """Return one of the volumes along the fourth axis, the only one where there are three."""
    return values[(..., index, *(0 for _ in values.shape[4:]))] if len(values.shape) > 3 else values[...]


def _check_whole(image: nib.Nifti1Pair) -> None:
    """Raise where a gzip stream does not end with the checksum of what it holds: nibabel stops before."""
    for file in {Path(holder.filename) for holder in image.file_map.values()}:
        if file.suffix.lower() == ".gz":
            with reading(file), gzip.open(file) as stream:
                while stream.read(CHUNK):
                    pass


def _check_header(image: nib.Nifti1Pair, path: Path) -> None:
    """Raise where the header as it stands in the file has a value that nibabel would replace by another."""
    kind = type(image.header)
    file = image.file_map["header" if "header" in image.file_map else "image"]
    with file.get_prepare_fileobj("rb") as stream:
        raw = kind(stream.read(kind.sizeof_hdr), check=False)
    pixdim = raw["pixdim"]
    expected = {
        "sizeof_hdr": (int(raw["sizeof_hdr"]) == kind.sizeof_hdr, f"{kind.sizeof_hdr}"),
        "vox_offset": (raw["vox_offset"] == 0 or raw["vox_offset"] >= _first_voxel(image), "the place of the voxels"),
        "sform_code": (int(raw["sform_code"]) in FORM_CODES, "0 to 5"),
        "qform_code": (int(raw["qform_code"]) in FORM_CODES, "0 to 5"),
        "pixdim": (
            bool(raw["sform_code"]) or (min(pixdim[1:4]) > 0 and pixdim[0] in (-1, 0, 1)),
            "sizes above 0, the first -1 or 1",
        ),
    }
    for name, (right, what) in expected.items():
        if not right:
            found = raw[name][:4].tolist() if name == "pixdim" else raw[name].item()
            raise UnreadableFileError(f"DAR-128: {path}: {name} of its header is {found}, expected {what}: correct it")


def _first_voxel(image: nib.Nifti1Pair) -> int:
    return image.header.single_vox_offset if isinstance(image, nib.Nifti1Image) else 0


def _check_length(image: nib.Nifti1Pair, path: Path) -> None:
    """Raise where the file cannot hold what its header says, before memory is taken for it."""
    file = Path(image.file_map["image"].filename)
    needed = int(np.prod([int(size) for size in image.shape], dtype=object)) * image.get_data_dtype().itemsize
    suffix = file.suffix.lower()
    room = file.stat().st_size * (DEFLATE_RATIO if suffix == ".gz" else 1)
    if suffix in (".gz", ".nii", ".img") and needed > room:
        raise UnreadableFileError(
            f"DAR-127: {path} holds fewer than the {needed} bytes of voxels that its header says: it was cut short, "
            "or its header is broken; copy or export it again"
        )
