import re
import struct
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.png_labels import png_files, png_of_slices
from dar_uda.data.volume import read_label, read_volume
from tests.data.dicom_files import NAMES, write_series

GRAYS_BY_NUMBER = (63, 126, 189, 252, 0)
IN_SPACE = (4, 2, 5, 1, 3)
"""The numbers of the DICOM files, whose order is not that of the slices."""


def write_numbered_series(folder):
    write_series(folder)
    for name, number in zip(NAMES, IN_SPACE, strict=True):
        (folder / name).rename(folder / f"IM{number:04}.dcm")


def write_pngs(folder, grays=GRAYS_BY_NUMBER, shape=(6, 8), name="IMG-{}.png"):
    """Write one PNG per gray value, named IMG-0, IMG-1, ..., of that value with 7 in its first pixel."""
    folder.mkdir()
    for number, gray in enumerate(grays):
        pixels = np.full(shape, gray, np.uint8)
        pixels[0, 0] = 7
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(folder / "x.png"))
        (folder / "x.png").rename(folder / name.format(number, number + 1))
    return folder


@pytest.mark.parametrize("name", ["IMG-{}.png", "{1}.png", "slice_{1:03}_mask.PNG", "IM{1:04}.dcm.png", "im{1:04}.png"])
def test_png_files_pair_by_number_and_lie_in_the_order_of_positions(tmp_path, name):
    write_numbered_series(tmp_path / "series")
    label = read_label(write_pngs(tmp_path / "ground", name=name), tmp_path / "series")
    assert label.array.shape == (8, 6, 5)
    assert label.array[1, 1].tolist() == [252, 126, 0, 63, 189]  # of the numbers 4, 2, 5, 1, 3
    assert (label.array[0, 0] == 7).all()
    np.testing.assert_array_equal(label.grid.affine, read_volume(tmp_path / "series").grid.affine)


def paired(folder, pngs, slices):
    """Return the names of the PNG files that belong to DICOM files of these names; None where they are refused."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name in pngs:
        (folder / name).touch()
    try:
        return [path.name for path in png_of_slices(folder, "series", [folder / name for name in slices])]
    except ValueError as error:
        assert re.search("names leave open .* rename every PNG file as its DICOM file, such as ", str(error))
        return None


@pytest.mark.parametrize(
    ("pngs", "slices"),
    [
        ([f"{k}.png" for k in range(1, 13)], [f"IM{k:04}.dcm" for k in range(1, 13)]),
        ([f"liver_GT_{k:03}.png" for k in range(12)], [f"i{k:04},0000b.dcm" for k in range(12)]),
        ([f"liver_GT_{k:03}.png" for k in range(12)], [f"IMG-0002-{k + 1:05}.dcm" for k in range(12)]),
        ([f"IMG-0004-{k:05}.png" for k in range(2, 26, 2)], [f"IMG-0004-{k:05}.dcm" for k in range(2, 26, 2)]),
        ([f"p11_seg{k}.png" for k in range(1, 13)], [f"P011_IM{k}" for k in range(1, 13)]),
        ([f"1-{k}.png" for k in range(1, 13)], [f"1-{k:02}" for k in range(1, 13)]),
        ([f"1.2.840.7.{k}.png" for k in (3, 1, 20)], [f"1.2.840.7.{k}" for k in (3, 1, 20)]),
        (["b.png", "a.png", "c.png"], ["b.dcm", "a.dcm", "c.dcm"]),
    ],
)
def test_names_of_one_order_pair_in_it(tmp_path, pngs, slices):
    assert paired(tmp_path / "ground", pngs, slices) == pngs


@pytest.mark.parametrize(
    ("pngs", "slices"),
    [
        (["1.png", "2.png", "3.png"], ["a.dcm", "b.dcm", "c.dcm"]),  # no numbers
        (["1.png", "2.png", "3.png"], ["IM0002", "IM0003", "IM0004"]),  # another slice is missing on either side
        (["1.png", "2.png", "3.png"], ["IM2", "IM4", "IM6"]),
        (["0.png", "2.png", "4.png"], ["IM1", "IM3", "IM5"]),  # the other echo of a dual series
        (["1.png", "2.png", "4.png"], ["IM1", "IM2", "IM3"]),
        (["1.png", "01.png", "2.png"], ["IM1", "IM2", "IM3"]),  # two files of one number
        (["1_1.png", "1_2.png", "2_1.png"], ["IM1", "IM2", "IM3"]),  # two numbers vary
        (["s1_z9.png", "s2_z8.png", "s3_z7.png"], ["IM1", "IM2", "IM3"]),
        ([f"IM-0002-{k}.png" for k in (1, 2)], [f"IM-0001-{k}.dcm" for k in (1, 2)]),  # another series
        ([f"p11_seg{k}.png" for k in (1, 2)], [f"p10_IM{k}" for k in (1, 2)]),  # another patient
        (["1.png", "2.png", "3.png"], ["IM_0009", "IM_000A", "IM_000B"]),  # hexadecimal
        (["1.png", "2.png", "slice3.png"], ["IM1", "IM2", "IM3"]),
        (["1.png", "2.png", "3.png"], ["1.3.12.55.dcm", "1.3.12.7.dcm", "1.3.12.901.dcm"]),  # unique identifiers
    ],
)
def test_names_that_leave_the_pairs_open_are_refused_with_the_remedy(tmp_path, pngs, slices):
    assert paired(tmp_path / "ground", pngs, slices) is None


def test_of_300_random_series_each_pairs_by_number_or_is_refused(tmp_path):
    """The number of each file is known when its name is made; text around it, width, gaps and first number vary."""
    rng = np.random.default_rng(25)
    texts = ["", "IM", "IMG-0004-", "i_", "1.2.840.", "slice 3 of 7 ", "übung"]
    read = 0
    for _ in range(300):
        count = int(rng.integers(2, 15))
        numbers = np.sort(rng.choice(np.arange(2 * count), count, replace=False)) if rng.random() < 0.3 else None
        first = numbers if numbers is not None else np.arange(count) + rng.integers(0, 3)
        second = first if rng.random() < 0.5 else np.arange(count) + rng.integers(0, 3)
        before, after = rng.choice(texts, 2), rng.choice(["", "b", "_mask", ",0000b"], 2)
        widths = rng.choice([1, 4, 5], 2)
        slices = [f"{before[0]}{k:0{widths[0]}}{after[0]}.dcm" for k in first]
        pngs = [f"{before[1]}{k:0{widths[1]}}{after[1]}{rng.choice(['.png', '.PNG'])}" for k in second]
        order = rng.permutation(count)
        found = paired(tmp_path / "ground", pngs, [slices[k] for k in order])
        same = list(first) == list(second)
        counts = np.ptp(first) == np.ptp(second) == count - 1 and {first[0], second[0]} == {0, 1}
        assert (found is None) == (not same and not counts), (pngs, slices)
        if found:
            read += 1
            assert found == [pngs[k] for k in order], (pngs, slices)
    assert 100 < read < 280


def test_hidden_files_and_folders_are_not_png_files(tmp_path):
    write_pngs(tmp_path / "ground", [1, 2], name="{}.PNG")
    (tmp_path / "ground" / "._0.png").touch()
    assert [path.name for path in png_files(tmp_path / "ground")] == ["0.PNG", "1.PNG"]


def test_a_png_too_few_is_refused_with_both_counts(tmp_path):
    write_series(tmp_path / "series")
    with pytest.raises(ValueError, match=r"ground holds 4 PNG files, its series .*series 5 slices"):
        read_label(write_pngs(tmp_path / "ground", [1, 2, 3, 4]), tmp_path / "series")


def test_a_png_of_another_size_is_refused_by_name(tmp_path):
    write_numbered_series(tmp_path / "series")
    with pytest.raises(ValueError, match=r"IMG-\d.png has 1 channels of \(6, 8\) pixels, expected 1 of \(8, 6\)"):
        read_label(write_pngs(tmp_path / "ground", shape=(8, 6)), tmp_path / "series")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_gray(path, bits, significant=None):
    """Write 8 x 6 pixels of value 1 in `bits` bits each."""
    rows = {1: b"\xff", 2: b"\x55\x55", 4: b"\x11" * 4, 8: b"\x01" * 8, 16: b"\x00\x01" * 8}[bits]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, bits, 0, 0, 0, 0))
    header += chunk(b"sBIT", bytes([significant])) if significant else b""
    data = chunk(b"IDAT", zlib.compress((b"\x00" + rows) * 6)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)


@pytest.mark.parametrize(
    ("bits", "significant"),
    [(8, None), (16, None), (8, 8), (16, 16), (1, None), (2, None), (4, None), (8, 6), (16, 12)],
)
def test_a_png_is_read_with_its_stored_values_or_refused(tmp_path, bits, significant):
    """ITK scales values of 2 and 4 bits, and drops what sBIT calls not significant; 1 bit is 255 everywhere."""
    write_numbered_series(tmp_path / "series")
    (tmp_path / "ground").mkdir()
    for k in range(5):
        write_gray(tmp_path / "ground" / f"{k}.png", bits, significant)
    if bits not in (2, 4) and significant in (None, bits):
        assert (read_label(tmp_path / "ground", tmp_path / "series").array == (255 if bits == 1 else 1)).all()
    else:
        with pytest.raises(ValueError, match=rf"\d.png has {significant or bits} bits per pixel, expected 8 or 16"):
            read_label(tmp_path / "ground", tmp_path / "series")


def test_png_files_without_a_series_and_a_folder_without_png_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder of DICOM files"):
        read_label(write_pngs(tmp_path / "ground"), tmp_path / "scan.nii.gz")
    with pytest.raises(ValueError, match="series holds no PNG file"):
        write_series(tmp_path / "series")
        read_label(tmp_path / "series", tmp_path / "series")
