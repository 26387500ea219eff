"""Headers of MHD and NHDR that hide from a check that their voxels are another file's, outside of their folder."""

import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.volume import read_grid, read_volume
from tests.faults.limited import run_limited

SECRET = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
META = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
NRRD = "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nspacings: 1 1 1\nencoding: raw\n"
PADDING = 2**22
"""Bytes of a header after which an earlier check did not look."""
MHD = {
    "a remark names the field": "Comment = ElementDataFile = LOCAL\n",
    "another name begins as the field": "ElementDataFileRemark = 1\n",
    "the field is written in small letters before": "elementdatafile = LOCAL\nElementDataFiles = LOCAL\n",
    "a form feed precedes the field": "\f",
    "a vertical tab precedes the field": "\v",
    "remarks push it far back": f"Comment = {'a' * 400}\n" * (PADDING // 400),
}
NHDR = {
    "a remark is called as the field": ("", "datafile=voxels:=1\n"),
    "a line of a carriage return precedes it": ("\r\n", "\n"),
    "remarks push it far back": (f"# {'a' * 400}\n" * (PADDING // 400), ""),
}


@pytest.fixture
def folder(tmp_path):
    """A data set beside the voxels of somebody else; files with odd names may be in it."""
    (tmp_path / "secret.raw").write_bytes(SECRET.tobytes())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "voxels:=1").write_bytes(bytes(24))
    return tmp_path / "set"


def check_refused(path):
    for read in (read_grid, read_volume):
        try:
            found = read(path)
        except ValueError as error:
            assert "DAR-" in str(error) and path.name in str(error)
        else:
            assert read is read_grid or not np.array_equal(found.array, SECRET.T)


@pytest.mark.parametrize("way", MHD)
def test_a_metaimage_does_not_reach_a_file_outside_of_its_folder(folder, way):
    path = folder / "a.mhd"
    path.write_bytes(f"{META}{MHD[way]}ElementDataFile = ../secret.raw\n".encode())
    check_refused(path)


@pytest.mark.parametrize("way", NHDR)
def test_an_nrrd_does_not_reach_a_file_outside_of_its_folder(folder, way):
    before, after = NHDR[way]
    path = folder / "a.nhdr"
    path.write_bytes(f"{NRRD}{before}data file: ../secret.raw\n{after}".encode())
    check_refused(path)


@pytest.mark.parametrize("order", ["LSB", "MSB"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_voxels_are_those_that_itk_reads_itself(tmp_path, kind, order):
    """By both ways to write their order, packed and not, in the file and beside it, behind other bytes and as text."""
    values = (np.arange(24) * 10 - 3 * (kind[0] != "u")).astype(kind).reshape(2, 3, 4)
    big = order == "MSB"
    stored = values.astype(values.dtype.newbyteorder(">" if big else "<")).tobytes()
    name = {"uint8": "UCHAR", "int16": "SHORT", "uint16": "USHORT", "int32": "INT", "float32": "FLOAT"}
    of_nrrd = {"uint8": "uint8", "float32": "float", "float64": "double"}
    meta = f"{META}ElementByteOrderMSB = {big}\n".replace("UCHAR", name.get(kind, "DOUBLE"))
    nrrd = f"{NRRD}endian: {'big' if big else 'little'}\n".replace("uint8", of_nrrd.get(kind, kind))
    text = (" ".join(map(str, values.ravel())) + "\n").encode()
    (tmp_path / "a.raw").write_bytes(b"12345" + stored)
    for ending, content in {
        "mha": f"{meta}ElementDataFile = LOCAL\n".encode() + stored,
        "mhd": f"{meta}HeaderSize = 5\nElementDataFile = a.raw\n".encode(),
        "end.mhd": f"{meta}HeaderSize = -1\nElementDataFile = a.raw\n".encode(),
        "text.mha": f"{meta}BinaryData = False\nElementDataFile = LOCAL\n".encode() + text,
        "nrrd": f"{nrrd}\n".encode() + stored,
        "nhdr": f"{nrrd}byte skip: 5\ndata file: a.raw\n".encode(),
        "end.nhdr": f"{nrrd}byte skip: -1\ndata file: a.raw\n".encode(),
        "text.nrrd": f"{nrrd}\n".replace("raw", "ascii").encode() + text,
    }.items():
        path = tmp_path / f"a.{ending}"
        path.write_bytes(content)
        np.testing.assert_array_equal(read_volume(path).array, values.T, err_msg=ending)
        if ending != "text.mha":  # ITK swaps the bytes of what it reads as text
            itk = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            np.testing.assert_array_equal(itk, values, err_msg=ending)


def test_a_field_that_counts_is_there_once(tmp_path):
    (tmp_path / "a.mha").write_bytes(f"{META}DimSize = 1 1 1\nElementDataFile = LOCAL\n".encode() + bytes(24))
    with pytest.raises(ValueError, match=r"DAR-513: .*a.mha has the field 'DimSize' twice"):
        read_volume(tmp_path / "a.mha")


HARMFUL = {
    "axes.mha": META.replace("NDims = 3", "NDims = -1"),
    "many.mha": META.replace("NDims = 3", "NDims = 4294967299"),
    "none.mha": META.replace("4 3 2", "0 3 2"),
    "part.mha": META.replace("4 3 2", "4.5 3 2"),
    "few.mha": META.replace("4 3 2", "4 3"),
    "type.nrrd": NRRD.replace("uint8", "a" * 10**6),
    "space.nrrd": f"{NRRD}space: {'a' * 10**6}\n",
    "kinds.nrrd": f"{NRRD}kinds: {'a' * 10**6}\n",
    "origin.nrrd": f"{NRRD}space origin: ({'1,' * 10**6}1)\n",
    "half.nrrd": NRRD.replace("4 3 2", "4.5 3 2"),
    "axes.nrrd": NRRD.replace("dimension: 3", "dimension: -1"),
}
"""Headers on which ITK goes on for ever or writes over its own memory; or takes another size than is written."""


def test_headers_that_end_or_hold_the_process_are_refused(tmp_path):
    for name, header in HARMFUL.items():
        end = "ElementDataFile = LOCAL\n" if name.endswith("mha") else "\n"
        (tmp_path / name).write_bytes(f"{header}{end}".encode() + bytes(24))
    outcomes, _ = run_limited(read_grid, [tmp_path / name for name in HARMFUL])
    for name, (outcome, told) in zip(HARMFUL, outcomes, strict=True):
        assert outcome == "refused" and "DAR-513" in told and name in told, (outcome, told)


@pytest.mark.parametrize("name", ["größe.raw", "patient 3.raw", "a b.raw"])
def test_voxels_beside_a_header_may_have_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(SECRET.tobytes())
    (tmp_path / "a.mhd").write_text(f"{META}ElementDataFile = {name}\n", encoding="utf-8")
    (tmp_path / "a.nhdr").write_text(f"{NRRD}data file: {name}\n", encoding="utf-8")
    for header in ("a.mhd", "a.nhdr"):
        np.testing.assert_array_equal(read_volume(tmp_path / header).array, SECRET.T)
