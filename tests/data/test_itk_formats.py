"""What headers of NRRD and MetaImage say of place, unit, layers and packing."""

import bz2
import gzip
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.checks.cases import check_cases
from dar_uda.data.companions import companions
from dar_uda.data.itk_formats import CHUNK, MOST_LINES, MOST_STREAMS, PIECE, read_header
from dar_uda.data.volume import read_label, read_volume

VALUES = np.arange(120, dtype="<i2")
IN_RAS = {
    "left-posterior-superior": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
}


def write_nrrd(path, space="space: left-posterior-superior", data=None, **changes):
    """Write 4 x 5 x 6 voxels of 1 x 2 x 3 mm with the origin (5, 6, 7)."""
    fields = {
        "type": "short",
        "dimension": "3",
        "sizes": "4 5 6",
        "space directions": "(1,0,0) (0,2,0) (0,0,3)",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(5,6,7)",
        **{name.replace("_", " "): value for name, value in changes.items()},
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    place = ("type", "dimension")  # before the space, all else behind it
    lines = [f"{name}: {fields.pop(name)}" for name in place] + ([space] if space else [])
    lines += [f"{name}: {value}" for name, value in fields.items()]
    path.write_bytes("\n".join(["NRRD0005", *lines, "", ""]).encode() + (VALUES.tobytes() if data is None else data))
    return path


@pytest.mark.parametrize("space", [*IN_RAS, *("LPS", "RAS", "LAS"), "Right-Anterior-Superior"])
def test_the_spaces_of_nrrd_are_read_as_places_in_ras(tmp_path, space):
    path = write_nrrd(tmp_path / "a.nrrd", f"space: {space}")
    whole = {"L": "left", "R": "right", "P": "posterior", "A": "anterior", "S": "superior"}
    name = "-".join(whole[letter] for letter in space) if space.isupper() else space.lower()
    signs = np.array(IN_RAS[name])
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array.ravel(order="F"), VALUES)
    np.testing.assert_allclose(volume.grid.affine[:3], np.c_[np.diag(signs * (1, 2, 3)), signs * (5, 6, 7)])
    assert read_header(path).placed


@pytest.mark.parametrize(
    ("space", "changes"),
    [
        ("space dimension: 3", {}),
        ("space: scanner-xyz", {}),
        ("space: 3D-right-handed", {}),
        ("", {"space directions": None, "space origin": None, "spacings": "1 2 3"}),
    ],
)
def test_a_space_that_says_no_directions_is_warned_of(tmp_path, space, changes):
    path = write_nrrd(tmp_path / "a.nrrd", space, **changes)
    assert not read_header(path).placed
    lines = check_cases([{"name": "a", "domain": "mr", "image": path, "label": ""}], {}, {}, processes=1)
    assert lines[0].startswith("WARNING: DAR-099: Headers without a place (1)") and str(path) in lines[1]


@pytest.mark.parametrize(
    ("matrix", "orientation", "placed"),
    [(True, "RAI", True), (True, "???", True), (False, "RAI", False), (False, "LPI", False)],
)
def test_a_metaimage_is_placed_by_its_matrix_alone(tmp_path, matrix, orientation, placed):
    path = tmp_path / "a.mha"
    sitk.WriteImage(sitk.GetImageFromArray(VALUES.reshape(6, 5, 4)), str(path))
    content = path.read_bytes().replace(
        b"AnatomicalOrientation = RAI", f"AnatomicalOrientation = {orientation}".encode()
    )
    path.write_bytes(content if matrix else content.replace(b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b""))
    np.testing.assert_array_equal(read_volume(path).array.ravel(order="F"), VALUES)
    assert read_header(path).placed == placed


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space units": '"m" "m" "m"'}, "has sizes in .*expected mm"),
        (
            {"encoding": "bzip2", "data": bz2.compress(VALUES.tobytes())},
            "has the encoding 'bzip2'; expected raw or gzip",
        ),
        ({"encoding": "gzip", "data": gzip.compress(VALUES.tobytes())[:-12]}, "ends in the middle of its voxels"),
        (
            {"encoding": "gzip", "data": gzip.compress(VALUES[:100].tobytes())},
            "holds 200 bytes of voxels, expected 240",
        ),
        ({"data": VALUES[:100].tobytes()}, "holds at most 200 bytes of voxels, expected 240"),
    ],
)
def test_an_nrrd_of_other_units_packing_or_length_is_refused(tmp_path, changes, told):
    with pytest.raises(ValueError, match=f"a.nrrd {told}"):
        read_volume(write_nrrd(tmp_path / "a.nrrd", **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"space units": '"mm" "mm" "mm"'},
        {"measurement frame": "(1,0,0) (0,1,0) (0,0,1)"},
        {"encoding": "gzip", "data": gzip.compress(VALUES.tobytes())},
        {"encoding": "hex", "data": VALUES.tobytes().hex().encode()},
        {
            "dimension": "4",
            "sizes": "1 4 5 6",
            "space directions": "none (1,0,0) (0,2,0) (0,0,3)",
            "kinds": "list domain domain domain",
        },
    ],
)
def test_an_nrrd_of_these_kinds_is_read(tmp_path, changes):
    volume = read_volume(write_nrrd(tmp_path / "a.nrrd", **changes))
    np.testing.assert_array_equal(volume.array.ravel(order="F"), VALUES)
    np.testing.assert_allclose(np.diag(volume.grid.affine)[:3], (-1, -2, 3))


@pytest.mark.parametrize("flag", [b"True", b"TRUE", b"1"])
@pytest.mark.parametrize(
    ("kept", "stated", "told"),
    [
        (120, 0, None),
        (120, 500, "has the CompressedDataSize .*, expected .* bytes: export it again"),
        (120, -30, "has the CompressedDataSize .*, expected .* bytes: export it again"),
        (120, None, "has the CompressedDataSize '', expected"),
        (100, 0, "holds 200 bytes of voxels, expected 240: copy or export it again"),
    ],
)
def test_packed_voxels_of_a_metaimage_are_as_many_as_its_header_says(tmp_path, flag, kept, stated, told):
    """ITK fills the rest with what lies in memory; `stated` is how much the stated size exceeds the true one."""
    path = tmp_path / "a.mha"
    sitk.WriteImage(sitk.GetImageFromArray(VALUES.reshape(6, 5, 4)), str(path), useCompression=True)
    lines = path.read_bytes().partition(b"ElementDataFile")[0].splitlines()
    data = zlib.compress(VALUES[:kept].tobytes())
    kept_lines = [line for line in lines if not line.startswith(b"Compressed")]
    kept_lines += [b"CompressedData = " + flag]
    kept_lines += [] if stated is None else [b"CompressedDataSize = %d" % (len(data) + stated)]
    path.write_bytes(b"\n".join([*kept_lines, b"ElementDataFile = LOCAL\n"]) + data)
    if told is None:
        np.testing.assert_array_equal(read_volume(path).array.ravel(order="F"), VALUES)
    else:
        with pytest.raises(ValueError, match=f"a.mha {told}"):
            read_volume(path)


def test_slicers_segmentations_are_read_or_refused_with_what_to_do_in_slicer(tmp_path):
    scan = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 500, (10, 20, 20)).astype(np.int16))
    label = np.zeros((10, 20, 20), np.uint8)
    label[3:7, 5:15, 5:15] = 2
    image = sitk.GetImageFromArray(label)
    for one in (scan, image):
        one.SetSpacing((1, 1, 3))
    image.SetMetaData("Segment0_LabelValue", "2")
    sitk.WriteImage(scan, str(tmp_path / "scan.nrrd"))
    sitk.WriteImage(image, str(tmp_path / "whole.seg.nrrd"))
    sitk.WriteImage(image[5:15, 5:15, 3:7], str(tmp_path / "cropped.seg.nrrd"))
    sitk.WriteImage(sitk.Compose(image, image), str(tmp_path / "layers.seg.nrrd"))
    np.testing.assert_array_equal(read_label(tmp_path / "whole.seg.nrrd", tmp_path / "scan.nrrd").array, label.T)
    case = {"name": "a", "domain": "ct", "image": tmp_path / "scan.nrrd"}
    remedy = "in Slicer, module Segmentations, .* export it as a labelmap with the scan as reference volume"
    for name, told in (
        ("cropped", "Slicer crops a segmentation"),
        ("layers", "has 2 layers, since its segments overlap"),
    ):
        with pytest.raises(ValueError, match=rf"(?s){name}.seg.nrrd.*{told}.*{remedy}"):
            check_cases([{**case, "label": tmp_path / f"{name}.seg.nrrd"}], {}, {}, processes=1)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_a_header_of_slicer_with_hundreds_of_segments_is_read(tmp_path, encoding):
    tags = "TerminologyEntry:Segmentation category and type - Total Segmentator~SCT^123037004^Anatomical Structure"
    segments = {f"Segment{k}_{name}": tags for k in range(300) for name in ("Name", "Extent", "Tags")}
    data = gzip.compress(VALUES.tobytes()) if encoding == "gzip" else None
    path = write_nrrd(tmp_path / "a.seg.nrrd", data=data, encoding=encoding)
    header, blank, voxels = path.read_bytes().partition(b"\n\n")
    path.write_bytes(header + "".join(f"\n{name}:={text}" for name, text in segments.items()).encode() + blank + voxels)
    assert path.stat().st_size > 2**16
    np.testing.assert_array_equal(read_volume(path).array, VALUES.reshape(6, 5, 4).T)


def test_a_remark_that_is_called_as_a_field_is_none(tmp_path):
    path = write_nrrd(tmp_path / "a.nrrd")
    path.write_bytes(path.read_bytes().replace(b"\n\n", b"\nspace units:=inch\nspacings:=many\n\n", 1))
    np.testing.assert_allclose(np.diag(read_volume(path).grid.affine), (-1, -2, 3, 1))


@pytest.mark.parametrize("name", ["a.raw", "./a.raw", "data/a.raw", "./data/of a/a.raw", "data/../a.raw"])
def test_voxels_beside_an_nhdr_or_below_may_be_named_by_a_relative_path(tmp_path, name):
    path = write_nrrd(tmp_path / "a.nhdr", data=b"", data_file=name)
    (tmp_path / "data" / "of a").mkdir(parents=True)
    (tmp_path / name).write_bytes(VALUES.tobytes())
    np.testing.assert_array_equal(read_volume(path).array, VALUES.reshape(6, 5, 4).T)
    (companion,) = companions(path)
    assert companion.samefile(tmp_path / name)


def test_voxels_behind_a_link_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "other" / "a.raw").write_bytes(VALUES.tobytes())
    (tmp_path / "set" / "data").symlink_to(tmp_path / "other")
    path = write_nrrd(tmp_path / "set" / "a.nhdr", data=b"", data_file="data/a.raw")
    with pytest.raises(ValueError, match="DAR-136: .*a.nhdr names its voxels as 'data/a.raw'; expected one file"):
        read_volume(path)


@pytest.mark.parametrize("order", ["middle", "Little endian", "1"])
def test_an_order_of_bytes_that_is_none_is_refused(tmp_path, order):
    path = write_nrrd(tmp_path / "a.nrrd", endian=order)
    with pytest.raises(ValueError, match=f"DAR-132: .*a.nrrd has the endian '{order}', expected little or big"):
        read_volume(path)


@pytest.mark.parametrize(("ending", "first"), [("mha", ""), ("mhd", ""), ("nrrd", "NRRD0005\n")])
def test_a_header_of_too_many_lines_is_refused(tmp_path, ending, first):
    path = tmp_path / f"a.{ending}"
    path.write_text(first + ("#" if first else "") + "\n" + "#\n" * MOST_LINES + "NDims = 3\n")
    with pytest.raises(ValueError, match=rf"DAR-512: .*a.{ending} has a header longer than .* {MOST_LINES} lines"):
        read_header(path)


def write_packed(path, data):
    """Write an NRRD of 100,000 bytes, packed so."""
    return write_nrrd(path, data=data, type="uint8", sizes="100 100 10", encoding="gzip")


def test_streams_behind_each_other_are_read_wherever_they_meet(tmp_path):
    """Also where the first two bytes of one do not come in one piece."""
    values = np.arange(100_000, dtype=np.uint32).astype(np.uint8).tobytes()
    first = next(size for size in range(PIECE - 100, PIECE) if len(gzip.compress(values[:size], 0)) == PIECE - 1)
    streams = [gzip.compress(part, 0) for part in (values[:first], b"", values[first:])]
    path = write_packed(tmp_path / "a.nrrd", b"".join(streams))
    assert read_volume(path).array.tobytes(order="F") == values


def test_voxels_in_too_many_packed_streams_are_refused(tmp_path):
    path = write_packed(tmp_path / "a.nrrd", gzip.compress(b"") * (MOST_STREAMS + 1) + gzip.compress(bytes(100_000)))
    with pytest.raises(ValueError, match=f"DAR-131: .*a.nrrd has its voxels in more than {MOST_STREAMS} packed"):
        read_volume(path)


@pytest.mark.parametrize(("surplus", "is_read"), [(0, False), (CHUNK // 2, False), (8 * CHUNK, True)])
def test_what_lies_far_behind_packed_voxels_is_not_unpacked(tmp_path, surplus, is_read):
    """The last byte is a checksum's: a stream that is read to its end is refused."""
    data = gzip.compress(bytes(100_000 + surplus), 0)[:-8] + bytes(8)
    path = write_packed(tmp_path / "a.nrrd", data)
    if is_read:
        assert not read_volume(path).array.any()
    else:
        with pytest.raises(ValueError, match="a.nrrd.*copy or export it again"):
            read_volume(path)
