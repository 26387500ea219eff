"""Small files that would take far more memory than their size, and what a reader takes before it refuses one."""

import bz2
import gzip
import json
import os
import resource
import struct
import sys
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from dar_uda.data.layouts.case import Case
from dar_uda.data.volume import read_grid, read_label, read_volume
from dar_uda.project.survey import read_facts
from tests.data.dicom_files import make_slice, save_series, save_slice
from tests.data.enhanced_files import item
from tests.data.label_objects import make_rtstruct, save_scan

SIDE = (1024, 1024, 600)
"""Voxels of a scan that is larger than any that is read without a word."""
MOST_TAKEN = 6 * 2**30
ZEROS = bytes(2**20)


def nothing(mebibytes, wrapped=True):
    """Return as many MiB of zeros, deflated to about a thousandth, with zlib's header and checksum or without."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(mebibytes):
        checksum = zlib.adler32(ZEROS, checksum)
    raw = block * mebibytes + packer.flush()
    return b"\x78\x9c" + raw + struct.pack(">I", checksum) if wrapped else raw


LARGE = nothing(600)


def header_of(shape, offset=352, kind="uint8"):
    """Return the header of a NIfTI file."""
    header = nib.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(shape)
    header["magic"], header["vox_offset"], header["sform_code"] = b"n+1", offset, 1
    header["srow_x"][0] = header["srow_y"][1] = header["srow_z"][2] = 1
    return header.binaryblock


def gzip_nifti(path):
    """A gzip NIfTI of zeros (members of gzip may follow each other)."""
    return path.with_suffix(".nii.gz"), gzip.compress(header_of(SIDE) + bytes(4)) + gzip.compress(ZEROS) * 600


def bzip2_nifti(path):
    return path.with_suffix(".nii.bz2"), bz2.compress(header_of(SIDE) + bytes(4)) + bz2.compress(ZEROS * 8) * 75


def zstandard_nifti(path):
    """A NIfTI with an ending that nibabel unpacks where a package for it is installed."""
    return path.with_suffix(".nii.zst"), b"\x28\xb5\x2f\xfd" + bytes(200)


def nifti_extension(path):
    """A volume of 8 voxels behind an extension of 600 MiB."""
    size = 600 * 2**20
    head = header_of((2, 2, 2), offset=352 + size) + b"\1\0\0\0" + struct.pack("<ii", size, 6)
    return path.with_suffix(".nii.gz"), gzip.compress(head) + gzip.compress(ZEROS) * 600 + gzip.compress(bytes(8))


def nifti_extensions(path):
    """A volume of 8 voxels behind a million extensions of 16 bytes."""
    count = 2**20 - 100
    head = header_of((2, 2, 2), offset=352 + 16 * count) + b"\1\0\0\0"
    content = head + struct.pack("<ii8s", 16, 6, b"") * count
    return path.with_suffix(".nii.gz"), gzip.compress(content)


def nifti_pair_extension(path):
    """A pair of which the header goes on for 600 MiB."""
    header = bytearray(header_of((2, 2, 2), offset=0))
    header[344:348] = b"ni1\0"
    path.with_suffix(".img.gz").write_bytes(gzip.compress(bytes(8)))
    head = bytes(header) + b"\1\0\0\0" + struct.pack("<ii", 600 * 2**20, 6)
    return path.with_suffix(".hdr.gz"), gzip.compress(head) + gzip.compress(ZEROS) * 600


def nrrd(path, sizes="1024 1024 600", packed=LARGE, encoding="gzip"):
    lines = ["NRRD0004", "type: uint8", "dimension: 3", f"sizes: {sizes}", "spacings: 1 1 1", f"encoding: {encoding}"]
    return path.with_suffix(".nrrd"), "\n".join([*lines, "", ""]).encode() + packed


def raw_nrrd(path):
    """A header without voxels."""
    return nrrd(path, "800 800 800", b"", "raw")


def text_nrrd(path):
    return nrrd(path, "800 800 800", b"0 0 0", "ascii")


def metaimage(path, size="1024 1024 600", packed=LARGE):
    lines = ["ObjectType = Image", "NDims = 3", f"DimSize = {size}", "ElementSpacing = 1 1 1", "CompressedData = True"]
    lines += [f"CompressedDataSize = {len(packed)}", "ElementType = MET_UCHAR", "ElementDataFile = LOCAL", ""]
    return path.with_suffix(".mha"), "\n".join(lines).encode() + packed


def short_metaimage(path):
    """A header of 512 million voxels, and eight voxels."""
    return metaimage(path, "800 800 800", zlib.compress(bytes(8)))


def rle(path):
    """A DICOM slice that says it has 16384 rows and columns, and a hundred bytes of pixels."""
    one = make_slice(np.zeros((2, 2), "<u2"), Rows=16384, Columns=16384)
    stream = struct.pack("<16I", 2, 64, 80, *[0] * 13) + b"\x81\0" * 16
    one.PixelData = encapsulate([stream])
    one["PixelData"].is_undefined_length = True
    path.mkdir()
    save_slice(one, path / "1.dcm", RLELossless)
    two = pydicom.dcmread(path / "1.dcm")
    two.ImagePositionPatient = [0, 0, 2]
    two.SOPInstanceUID += ".1"
    two.save_as(path / "2.dcm")
    return path, None


def deflated(path):
    """A DICOM slice of four pixels, deflated with 600 MiB of zeros behind."""
    save_series(path, [make_slice(np.zeros((2, 2), "<u2")) for _ in range(2)])
    for file in path.iterdir():
        save_slice(pydicom.dcmread(file), file, DeflatedExplicitVRLittleEndian)
        content = file.read_bytes()
        meta = 144 + struct.unpack("<I", content[140:144])[0]
        dataset = zlib.decompress(content[meta:], -zlib.MAX_WBITS)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        long = struct.pack("<HH2sHI", 0x7FE1, 0x10, b"OB", 0, 600 * 2**20)
        head = packer.compress(dataset + long) + packer.flush(zlib.Z_FULL_FLUSH)
        file.write_bytes(content[:meta] + head + nothing(600, wrapped=False))
    return path, None


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_labels(path, size, *more, packed=None):
    """A folder with a PNG for each of two slices of 2 x 2 pixels."""
    save_series(path / "series", [make_slice(np.zeros((2, 2), "<u2")) for _ in range(2)])
    (path / "label").mkdir()
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    packed = zlib.compress(bytes(6)) if packed is None else packed
    content = b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    for name in ("000.png", "001.png"):
        (path / "label" / name).write_bytes(content)
    return path / "label", None


def large_png(path):
    return png_labels(path, (24000, 24000), packed=nothing(550))


def _stream(path, syntax, stream):
    """A series whose slices of 2 x 2 pixels have streams that say 16384 x 16384."""
    slices = [make_slice(np.zeros((2, 2), "<u2")) for _ in range(2)]
    for k, one in enumerate(slices):
        one.PixelData = encapsulate([stream])
        one["PixelData"].is_undefined_length = True
        one.ImagePositionPatient = [0, 0, k]
        save_slice(one, path / f"{k}.dcm", syntax)
    return path, None


def jpeg_2000(path):
    size = struct.pack(">HHIIIIIIIIHBBB", 41, 0, 16384, 16384, 0, 0, 16384, 16384, 0, 0, 1, 15, 1, 1)
    return _stream(path, JPEG2000Lossless, b"\xff\x4f\xff\x51" + size + b"\xff\xd9")


def jpeg_ls(path):
    frame = struct.pack(">HBHHBBBB", 11, 16, 16384, 16384, 1, 1, 0x11, 0)
    return _stream(path, JPEGLSLossless, b"\xff\xd8\xff\xf7" + frame + b"\xff\xd9")


def seg(path, count=400, side=512):
    """A SEG of many full frames, run-length encoded, all at one place."""
    scan = save_scan(path / "series", shape=(6, side, side))
    frames = [
        item(
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[-20, 30, -100])]),
            SegmentIdentificationSequence=Sequence([item(ReferencedSegmentNumber=1)]),
        )
        for _ in range(count)
    ]
    shared = item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=["0.7", "0.9"])]),
    )
    run = (b"\x81\1" * (side * side // 128 + 1))[: 2 * (side * side // 128)]
    label = make_slice(
        np.ones((2, 2), "u1"),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        Modality="SEG",
        Rows=side,
        Columns=side,
        NumberOfFrames=count,
        SegmentationType="LABELMAP",
        SegmentSequence=Sequence([item(SegmentNumber=1, SegmentLabel="a")]),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )
    label.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + run] * count)
    label["PixelData"].is_undefined_length = True
    save_slice(label, path / "label.dcm", RLELossless)
    assert scan.is_dir()
    return path / "label.dcm", None


def rtstruct(path, count=60000):
    """An RTSTRUCT of tens of thousands of empty items."""
    save_scan(path / "series")
    save_slice(make_rtstruct({1: ("a", [])}), path / "label.dcm")
    content = (path / "label.dcm").read_bytes()
    place = content.index(struct.pack("<HH", 0x3006, 0x39))
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count
    (path / "label.dcm").write_bytes(
        content[:place] + struct.pack("<HH2sHI", 0x3006, 0x39, b"SQ", 0, len(items)) + items
    )
    return path / "label.dcm", None


def label_value(path):
    """A label of 8 voxels whose highest value would be the length of a list."""
    nib.save(nib.Nifti1Image(np.arange(8, dtype="<i2").reshape(2, 2, 2), np.eye(4)), path.with_suffix(".scan.nii"))
    values = np.array([0] * 7 + [300_000_000], "<i4").reshape(2, 2, 2)
    return path.with_suffix(".nii"), nib.Nifti1Image(values, np.eye(4)).to_bytes()


BOMBS = {
    make.__name__: make
    for make in (
        *(gzip_nifti, bzip2_nifti, zstandard_nifti, nifti_extension, nifti_extensions, nifti_pair_extension),
        *(nrrd, raw_nrrd, text_nrrd, metaimage, short_metaimage),
        *(rle, deflated, jpeg_2000, jpeg_ls, large_png, seg, rtstruct, label_value),
    )
}


def taken_by(function):
    """Return the MiB that a function took at most above the start, in a process of its own, and the error it raised."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_TAKEN, MOST_TAKEN))
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error = "nothing was raised"
        try:
            function()
        except (ValueError, FileNotFoundError) as raised:
            error = str(raised)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
        os.write(sender, json.dumps([taken, error]).encode())
        os._exit(0)
    os.close(sender)
    os.waitpid(child, 0)
    with os.fdopen(receiver) as answer:
        return json.loads(answer.read() or '[-1, "the process ended"]')


def read_bomb(path):
    """Read a file as a run does: a scan, or a label of the series beside it."""
    if (scan := path.with_suffix(".scan.nii")).is_file():
        facts = read_facts(Case("a", "ct", "a", scan, path), is_source=True, values=[])
        raise ValueError([f"{one.kind}: {one.found}" for one in facts.findings])
    if (path.parent / "series").is_dir():
        read_label(path, path.parent / "series")
    else:
        read_grid(path)
        read_volume(path)


def main(folder):
    """Print for each bomb the MiB that refusing it took, and the error."""
    import SimpleITK  # noqa: F401  libraries count as there at the start

    taken = {}
    for name, make in BOMBS.items():
        path, content = make(folder / name)
        if content is not None:
            path.write_bytes(content)
        taken[name] = taken_by(lambda path=path: read_bomb(path))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
