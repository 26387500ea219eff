"""Stored values by DICOM's standard (PS3.3 C.7.6.3 and C.11.1, PS3.5 8): each table row is worked out by hand."""

import io
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from dar_uda.data.dicom.compressed import _size_of_jpeg, _size_of_jpeg_2000
from dar_uda.data.dicom.pixels import read_pixels
from tests.data.dicom_files import make_slice, save_slice

WORDS = np.array([[0, 1, 1023, 1024], [2047, 2048, 4094, 4095]], "<u2")
HU = [[-1024, -1023, -1, 0], [1023, 1024, 3070, 3071]]
AS_SIGNED = [[0, 1, 1023, 1024], [2047, -2048, -2, -1]]
RESCALED = {"RescaleSlope": "1", "RescaleIntercept": "-1024"}
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def float_pixels(keyword, kind):
    """Return the entries of pixels that are floating-point numbers."""
    absent = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
    return {**absent, keyword: np.array([[0.5, -2], [1e-3, 7]], kind).tobytes()}


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        pytest.param(WORDS, {}, WORDS.tolist(), id="as stored"),
        pytest.param(WORDS, RESCALED, HU, id="rescaled"),
        pytest.param(WORDS, {**RESCALED, "PhotometricInterpretation": "MONOCHROME1"}, HU, id="MONOCHROME1"),
        pytest.param(WORDS, {**RESCALED, "PixelPaddingValue": 0}, HU, id="padding is a value as others"),
        pytest.param(
            WORDS, {**RESCALED, "PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1023}, HU, id="a range of padding"
        ),
        pytest.param(WORDS, {"bits": 12, "signed": True}, AS_SIGNED, id="12 bits, signed"),
        pytest.param(WORDS | 0xA000, {"bits": 12}, WORDS.tolist(), id="bits above the highest"),
        pytest.param(WORDS | 0x7000, {"bits": 12, "signed": True}, AS_SIGNED, id="bits above the highest, signed"),
        pytest.param(WORDS << 4, {"bits": 12, "high": 15}, WORDS.tolist(), id="highest bit 15 of 12"),
        pytest.param(WORDS << 4 | 9, {"bits": 12, "high": 15, "signed": True}, AS_SIGNED, id="the same, signed"),
        pytest.param(WORDS << 2 | 0x8001, {"bits": 12, "high": 13}, WORDS.tolist(), id="bits on both sides"),
        pytest.param(np.array([[0, 255]], "u1"), {}, [[0, 255]], id="8 bits"),
        pytest.param(np.array([[0, 255]], "u1"), {"signed": True}, [[0, -1]], id="8 bits, signed"),
        pytest.param(np.array([[0, 2**32 - 1]], "<u4"), {"bits": 32}, [[0, 2**32 - 1]], id="32 bits"),
        pytest.param(
            np.array([[1, 2**32 - 1]], "<u4"),
            {"bits": 32, "signed": True, **RESCALED},
            [[-1023, -1025]],
            id="32, signed",
        ),
        pytest.param(np.array([[65535]], "<u2"), {"RescaleSlope": "2"}, [[131070]], id="beyond 16 bits"),
        pytest.param(
            WORDS[:1], {"RescaleSlope": ".5", "RescaleIntercept": "1e1"}, [[10, 10.5, 521.5, 522]], id="halves"
        ),
        pytest.param(WORDS[:1], {"RescaleIntercept": "-1024"}, HU[:1], id="slope absent"),
        pytest.param(WORDS[:1], {"RescaleSlope": "2"}, [[0, 2, 2046, 2048]], id="intercept absent"),
        pytest.param(WORDS[:1], {"RescaleSlope": "", "RescaleIntercept": ""}, WORDS[:1].tolist(), id="both empty"),
        pytest.param(WORDS[:1], {"RescaleSlope": "-1"}, [[0, -1, -1023, -1024]], id="slope below 0"),
        pytest.param(WORDS[:1], {"DoseGridScaling": ".25"}, [[0, 0.25, 255.75, 256]], id="dose"),
        pytest.param(WORDS, {"WindowCenter": "40", "WindowWidth": "400"}, WORDS.tolist(), id="a window is not applied"),
        pytest.param(WORDS, {"HighBit": None, "bits": 12}, WORDS.tolist(), id="highest bit absent"),
        pytest.param(
            WORDS, {"PhotometricInterpretation": None, "SamplesPerPixel": None}, WORDS.tolist(), id="not said"
        ),
        pytest.param(WORDS, {"PhotometricInterpretation": "GRAYSCALE"}, WORDS.tolist(), id="gray by another name"),
        pytest.param(WORDS, {"NumberOfFrames": 1}, WORDS.tolist(), id="one frame, said"),
        pytest.param(
            np.zeros((2, 2), "<f4"), float_pixels("FloatPixelData", "<f4"), [[0.5, -2], [1e-3, 7]], id="float"
        ),
        pytest.param(
            np.zeros((2, 2), "<f8"), float_pixels("DoubleFloatPixelData", "<f8"), [[0.5, -2], [1e-3, 7]], id="double"
        ),
    ],
)
def test_values_are_those_stored_and_rescaled(tmp_path, words, options, expected):
    array = read_pixels(save_slice(make_slice(words, **options), tmp_path / "1.dcm"))
    assert array.dtype.kind != "f" or array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array(expected, array.dtype))


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda uid: uid.name)
@pytest.mark.parametrize("kind", ["u1", "<u2", "<u4"])
@pytest.mark.parametrize("shape", [(3, 5), (4, 6)])
def test_values_are_the_same_in_every_order_of_bytes(tmp_path, syntax, kind, shape):
    words = np.random.default_rng(0).integers(0, 2 ** (8 * np.dtype(kind).itemsize), shape).astype(kind)
    padded = words.tobytes() + b"\0" * (words.nbytes % 2)
    path = save_slice(make_slice(words, bits=32, PixelData=padded), tmp_path / "1.dcm", syntax)
    np.testing.assert_array_equal(read_pixels(path), words)


def test_bytes_of_a_big_endian_ow_are_swapped_in_pairs(tmp_path):
    """PS3.5 A.3 and figure D: the first pixel is the lower half of a word, which comes second in the file."""
    dataset = make_slice(np.array([[1, 2, 3, 4]], "u1"), PixelData=bytes([2, 1, 4, 3]))
    dataset["PixelData"].VR = "OW"
    assert read_pixels(save_slice(dataset, tmp_path / "1.dcm", ExplicitVRBigEndian)).tolist() == [[1, 2, 3, 4]]


def by_simpleitk(values, compressor, path):
    """Return the transfer syntax and the one frame of what SimpleITK compresses."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    writer.SetUseCompression(True)
    writer.SetCompressor(compressor)
    writer.Execute(sitk.GetImageFromArray(values[None]))
    dataset = dcmread(path)
    return dataset.file_meta.TransferSyntaxUID, next(generate_frames(dataset.PixelData, number_of_frames=1))


def compressed(values, how, path, signed=False, bits=16):
    """Return a slice whose pixels are compressed without loss."""
    dataset = make_slice(values, signed=signed, bits=bits)
    if how in ("JPEG", "JPEG2000"):
        syntax, frame = by_simpleitk(values, how, path)
    else:
        dataset.compress(how)
        syntax, frame = how, next(generate_frames(dataset.PixelData, number_of_frames=1))
    return with_frame(dataset, syntax, frame)


def with_frame(dataset, syntax, frame, fragments=1):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame], fragments_per_frame=fragments)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


COMPRESSIONS = [RLELossless, JPEGLSLossless, "JPEG", "JPEG2000"]


@pytest.mark.parametrize("how", COMPRESSIONS)
@pytest.mark.parametrize(
    ("kind", "bits", "low", "high"),
    [
        ("u1", 8, 0, 256),
        ("<u2", 16, 0, 2**16),
        ("<u2", 12, 0, 4096),
        ("<i2", 16, -(2**15), 2**15),
        ("<i2", 13, -4096, 4096),
    ],
)
def test_compressed_values_are_those_that_were_compressed(tmp_path, how, kind, bits, low, high):
    values = np.random.default_rng(0).integers(low, high, (20, 24)).astype(kind)
    dataset = compressed(values, how, tmp_path / "made.dcm", kind == "<i2", bits)
    path = save_slice(dataset, tmp_path / "1.dcm")
    np.testing.assert_array_equal(read_pixels(path), values)


def test_a_frame_in_several_fragments_is_read(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    dataset = compressed(values, RLELossless, tmp_path / "made.dcm")
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    path = save_slice(with_frame(dataset, RLELossless, frame, fragments=3), tmp_path / "1.dcm")
    np.testing.assert_array_equal(read_pixels(path), values)


def test_baseline_jpeg_is_read_as_pillow_reads_it(tmp_path):
    values = np.add.outer(np.arange(20) * 5, np.arange(24) * 4).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=95)
    path = save_slice(with_frame(make_slice(values), JPEGBaseline8Bit, stream.getvalue()), tmp_path / "1.dcm")
    assert np.abs(read_pixels(path) - np.asarray(Image.open(stream)).astype(int)).max() <= 1


@pytest.mark.parametrize("how", COMPRESSIONS)
@pytest.mark.parametrize("rows", [10, 40])
def test_compressed_pixels_of_another_count_than_the_header_says_are_refused(tmp_path, how, rows):
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    dataset = compressed(values, how, tmp_path / "made.dcm")
    dataset.Rows = rows
    with pytest.raises(ValueError, match=r"1\.dcm.*(copy|export) it again"):
        read_pixels(save_slice(dataset, tmp_path / "1.dcm"))


@pytest.mark.parametrize("how", COMPRESSIONS[1:])
@pytest.mark.parametrize("zeros", [1, 6, 64])
def test_zeros_behind_a_compressed_frame_do_not_count(tmp_path, how, zeros):
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    dataset = compressed(values, how, tmp_path / "made.dcm")
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1)) + bytes(zeros)
    path = save_slice(with_frame(dataset, dataset.file_meta.TransferSyntaxUID, frame), tmp_path / "1.dcm")
    np.testing.assert_array_equal(read_pixels(path), values)


@pytest.mark.parametrize("how", COMPRESSIONS)
@pytest.mark.parametrize("cut", [2, 3, 30, 200, 400])
def test_a_compressed_frame_that_was_cut_short_is_refused(tmp_path, how, cut):
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    dataset = compressed(values, how, tmp_path / "made.dcm")
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    path = save_slice(with_frame(dataset, dataset.file_meta.TransferSyntaxUID, frame[:-cut]), tmp_path / "1.dcm")
    with pytest.raises(ValueError, match=r"1\.dcm (was cut short|cannot be read).*copy it again"):
        read_pixels(path)


@pytest.mark.parametrize("bits", [17, 107, 230])
def test_a_jpeg_that_says_more_bits_than_the_header_is_refused_before_gdcm_sees_it(tmp_path, bits):
    """Precision is the byte after the marker and the length of a frame header; GDCM ends the process at such a one."""
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    path = save_slice(compressed(values, "JPEG", tmp_path / "made.dcm"), tmp_path / "1.dcm")
    rewritten(path, b"\xff\xc3\x00\x0b\x10", b"\xff\xc3\x00\x0b" + bytes([bits]))
    with pytest.raises(ValueError, match=r"1\.dcm: its compressed pixels say another size than its header"):
        read_pixels(path)


LUT = Dataset()
LUT.LUTDescriptor, LUT.ModalityLUTType = [4, 0, 16], "HU"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"PixelData": WORDS.tobytes()[:8]}, "holds 8 bytes of pixels, expected 16 for 2 rows of 4 pixels of 16 bits"),
        ({"PixelData": WORDS.tobytes() + b"\0\0"}, "holds 18 bytes of pixels, expected 16"),
        ({"PixelData": b""}, "holds 0 bytes of pixels, expected 16"),
        ({"PixelData": None}, "ends before its pixels: it was cut short, or holds none; copy it again"),
        ({"BitsAllocated": 32}, "holds 16 bytes of pixels, expected 32"),
        ({"BitsAllocated": 12}, "BitsAllocated 12, .* expected words of 8, 16 or 32 bits"),
        ({"BitsStored": 17}, "BitsStored 17"),
        ({"HighBit": 10, "BitsStored": 12}, "HighBit 10"),
        ({"HighBit": 16}, "HighBit 16"),
        ({"PixelRepresentation": 2}, "PixelRepresentation 2"),
        ({"PixelRepresentation": None}, "PixelRepresentation holds nothing, expected one whole number"),
        ({"BitsStored": None}, "BitsStored holds nothing"),
        ({"Rows": 0}, "says 0 rows"),
        ({"NumberOfFrames": 2}, "holds 2 frames, expected 1 slice a file"),
        ({"SamplesPerPixel": 3}, "holds a color image"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "holds a color image"),
        ({"ModalityLUTSequence": [LUT]}, "gives its values by a table"),
        ({"RescaleSlope": "0"}, "RescaleSlope holds 0.*expected a slope other than 0"),
        ({"RescaleSlope": "1e999"}, "RescaleSlope holds inf"),
        ({"RescaleSlope": ["1", "2"]}, "RescaleSlope holds .*expected a number"),
        ({"FloatPixelData": b"1234"}, "holds FloatPixelData and PixelData, expected one image"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_its_name(tmp_path, options, message):
    path = save_slice(make_slice(WORDS, **options), tmp_path / "1.dcm")
    with pytest.raises(ValueError, match=rf"1\.dcm.*{message}"):
        read_pixels(path)


def test_an_empty_table_of_values_changes_none(tmp_path):
    path = save_slice(make_slice(WORDS, ModalityLUTSequence=[]), tmp_path / "1.dcm")
    np.testing.assert_array_equal(read_pixels(path), WORDS)


def rewritten(path, old, new):
    """Replace bytes of a file, which has them once."""
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


PIXELS_HEAD = b"\xe0\x7f\x10\x00OW\0\0\x10\0\0\0"


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (b"\xe0\x7f\x10\x00UT\0\0\x10\0\0\0", "VR UT and a length, which does not fit"),
        (b"\xe0\x7f\x10\x00OF\0\0\x10\0\0\0", "VR OF and a length, which does not fit"),
        (b"\xe0\x7f\x10\x00OW\0\0\x20\0\0\0", "was cut short: 16 bytes of its 32 bytes of pixels are there"),
        (b"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\xff", "was cut short, or holds none"),
    ],
)
def test_pixels_of_another_kind_or_length_than_can_be_are_refused(tmp_path, new, message):
    path = rewritten(save_slice(make_slice(WORDS), tmp_path / "1.dcm"), PIXELS_HEAD, new)
    with pytest.raises(ValueError, match=rf"1\.dcm.*{message}"):
        read_pixels(path)


@pytest.mark.parametrize("text", ["a ", "0x1 ", "1_0 ", "nan ", "1,0 "])
def test_a_slope_that_is_not_a_number_is_refused(tmp_path, text):
    path = save_slice(make_slice(WORDS, RescaleSlope="8888"), tmp_path / "1.dcm")
    rewritten(path, b"8888", text.ljust(4).encode())
    with pytest.raises(ValueError, match=r"RescaleSlope holds .*expected a number"):
        read_pixels(path)


@pytest.mark.parametrize("syntax", [*NATIVE, *COMPRESSIONS])
def test_a_file_cut_anywhere_is_refused_as_cut_short(tmp_path, syntax):
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype("<u2")
    dataset = make_slice(values) if syntax in NATIVE else compressed(values, syntax, tmp_path / "made.dcm")
    whole = save_slice(dataset, tmp_path / "whole.dcm", syntax if syntax in NATIVE else None)
    content = whole.read_bytes()
    end = len(content) - (8 if syntax not in NATIVE else 1 if syntax == DeflatedExplicitVRLittleEndian else 0)
    path = tmp_path / "cut.dcm"
    for length in [0, 1, 100, *range(140, end - 900, 7), *range(end - 900, end, 97), end - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cut\.dcm") as refused:
            read_pixels(path)
        assert length < 132 or "cut short" in str(refused.value), (length, str(refused.value))


FRAME = bytes.fromhex("ffc0 0011 08 0002 0002 01 011100 00000000000000")
LARGE_FRAME = bytes.fromhex("ffc0 0011 08 4000 4000 01 011100 00000000000000")


@pytest.mark.parametrize("before", ["ff01", "ffff", "ffd0", "ff00"])
def test_a_jpeg_frame_is_not_hidden_behind_a_marker_without_length(before):
    """Libraries go on behind such a marker: they would decode the frame that follows it."""
    assert _size_of_jpeg(b"\xff\xd8" + FRAME) == (8, 2, 2, 1)
    start = b"\xff\xd8" + bytes.fromhex(before) + LARGE_FRAME
    assert _size_of_jpeg(start + bytes(0xFFC0 + 4 - len(start)) + FRAME * 2) is None


def test_a_jpeg_2000_stream_is_not_hidden_behind_another():
    size = b"\xff\x4f\xff\x51" + struct.pack(">HHIIIIIIIIHBBB", 41, 0, 2, 2, 0, 0, 2, 2, 0, 0, 1, 15, 1, 1)
    assert _size_of_jpeg_2000(size + b"\xff\xd9") == (16, 2, 2, 1)
    assert _size_of_jpeg_2000(bytes(12) + size) == (16, 2, 2, 1)  # within a JP2 file
    assert _size_of_jpeg_2000(bytes(12) + size + size) is None
