"""Random valid series: what is read equals what was written, by a computation that shares no code with the reader."""

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dar_uda.data.volume import read_grid, read_volume
from tests.data.dicom_files import make_slice, save_slice

SYNTAXES = [
    *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless)
]
CLASSES = ["1.2.840.10008.5.1.4.1.1." + end for end in ("2", "4", "128", "20", "7", "1.1", "481.2", "481.1", "12.1")]
NUMBER = 200


def word_of(value, bits, high, rng):
    """Return a word of 8, 16 or 32 bits that holds a value at its place and anything around it, a Python integer."""
    allocated = 8 if high < 8 else 16 if high < 16 else 32
    low = high - bits + 1
    mask = ((1 << bits) - 1) << low
    return (int(rng.integers(0, 1 << allocated)) & ~mask) | ((value & ((1 << bits) - 1)) << low)


def compress_words(dataset):
    """Compress whole words, what lies around the values too."""
    bits, dataset.BitsStored = dataset.BitsStored, dataset.BitsAllocated
    high, dataset.HighBit = dataset.HighBit, dataset.BitsAllocated - 1
    sign, dataset.PixelRepresentation = dataset.PixelRepresentation, 0
    dataset.compress(RLELossless)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, high, sign


def directions(rng):
    """Return two random directions at right angles."""
    first, second = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
    return first, second


def write_random_series(folder, rng):
    """Write a series with a random choice of all that a header can say; return its values and its affine in RAS."""
    rows, columns, count = (int(rng.integers(2, end)) for end in (9, 9, 4))
    allocated = int(rng.choice([8, 16, 32]))
    bits = int(rng.integers(allocated // 2 + 1, allocated + 1))
    high = int(rng.integers(bits - 1, allocated))
    signed, syntax = bool(rng.integers(2)), SYNTAXES[rng.integers(len(SYNTAXES) - (allocated == 32))]  # no RLE of 32
    spacing, step = [float(f"{size:.6g}") for size in rng.uniform(0.1, 3, 2)], rng.uniform(0.3, 8)
    row, column = directions(rng)
    origin = rng.uniform(-300, 300, 3)
    normal = np.cross(row, column)
    values = np.empty((columns, rows, count))
    order = rng.permutation(count)
    for k in range(count):
        low, end = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
        stored = rng.integers(low, end, (rows, columns))
        words = np.array([[word_of(int(value), bits, high, rng) for value in line] for line in stored])
        slope = ["1", "2", "-1", "0.5", "1.25E-2"][rng.integers(5)]
        intercept = ["0", "-1024", "3.5", "1E2"][rng.integers(4)]
        position = origin + k * step * normal
        dataset = make_slice(
            words.astype(f"<u{allocated // 8}"),
            signed=signed,
            bits=bits,
            high=high,
            spacing=spacing,
            SOPClassUID=CLASSES[rng.integers(len(CLASSES))],
            PhotometricInterpretation=["MONOCHROME1", "MONOCHROME2"][rng.integers(2)],
            RescaleSlope=slope,
            RescaleIntercept=intercept,
            ImageOrientationPatient=[f"{value:.10f}" for value in (*row, *column)],
            ImagerPixelSpacing=[0.05, 0.07],
            SliceThickness=rng.choice(["", "99"]),
            SliceLocation=str(int(rng.integers(100))),
            InstanceNumber=int(order[k]),
        )
        if syntax == RLELossless:
            compress_words(dataset)
        elif words.size * allocated // 8 % 2:
            dataset.PixelData += b"\0"
        if rng.integers(2):
            dataset.add_new(0x00280120, "SS" if signed else "US", int(stored[0, 0]) if abs(stored[0, 0]) < 2**15 else 0)
        dataset.ImagePositionPatient = [f"{value:.8f}" for value in position]
        save_slice(dataset, folder / f"{order[k]}.dcm", None if syntax == RLELossless else syntax)
        values[..., k] = [[float(slope) * int(v) + float(intercept) for v in line] for line in stored.T]
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row * spacing[1], column * spacing[0], normal * step], axis=1)
    affine[:3, 3] = origin
    return values, np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_series_are_read_as_they_were_written(tmp_path):
    rng = np.random.default_rng(25)
    for number in range(NUMBER):
        folder = tmp_path / str(number)
        values, affine = write_random_series(folder, rng)
        volume = read_volume(folder)
        np.testing.assert_allclose(volume.array, values, rtol=1e-6, atol=1e-6, err_msg=str(number))
        np.testing.assert_allclose(volume.grid.affine, affine, atol=1e-5, err_msg=str(number))
        np.testing.assert_array_equal(read_grid(folder).affine, volume.grid.affine)


def end_of_pixels(content, syntax):
    """Return how many bytes of a file hold header and pixels: what follows may be lost."""
    return len(content) - {RLELossless: 8, DeflatedExplicitVRLittleEndian: 1}.get(syntax, 0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_cuts_are_refused_by_the_name_of_the_file(tmp_path):
    rng = np.random.default_rng(26)
    for number in range(NUMBER):
        folder = tmp_path / str(number)
        syntax = SYNTAXES[rng.integers(len(SYNTAXES))]
        for k in range(3):
            stored = rng.integers(0, 2**16, (8, 9)).astype("<u2")
            dataset = make_slice(stored, (0, 0, 2.5 * k))
            if syntax == RLELossless:
                dataset.compress(syntax)
            save_slice(dataset, folder / f"{k}.dcm", None if syntax == RLELossless else syntax)
        victim = folder / f"{rng.integers(3)}.dcm"
        content = victim.read_bytes()
        end = end_of_pixels(content, syntax)
        length = int(rng.integers(end - 144 if rng.integers(2) else 0, end))
        victim.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"{number}/{victim.name} ") as refused:
            read_volume(folder)
        assert length < 132 or "cut short" in str(refused.value), (number, str(refused.value))
