"""Files whose name says volume and whose content says something else: named, with the remedy."""

import bz2
import gzip
import io
import lzma
import zipfile

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.volume import read_volume

VALUES = np.arange(2000, dtype=np.int16).reshape(20, 10, 10)
PLAIN = nib.Nifti1Image(VALUES, np.diag([-1.0, -1.0, 3.0, 1.0])).to_bytes()
PACKED = gzip.compress(PLAIN, mtime=0)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.nii", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nii", PLAIN),
        ("a.NII", PLAIN),
        ("a.nii.gz", PACKED),
        ("A.NII.GZ", PACKED),
        ("members.nii.gz", gzip.compress(PLAIN[:1000], mtime=0) + gzip.compress(PLAIN[1000:], mtime=0)),
        ("zeros.nii.gz", PACKED + bytes(512)),
        ("two.nii", nib.Nifti2Image(VALUES, np.eye(4)).to_bytes()),
    ],
)
def test_what_is_a_volume_is_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read_volume(tmp_path / name).array, VALUES)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("plain.nii.gz", PLAIN, r"is not packed with gzip: rename it to plain.nii \(DAR-121\)$"),
        ("PLAIN.NII.GZ", PLAIN, r"is not packed with gzip: rename it to PLAIN.NII \(DAR-121\)$"),
        ("two.nii.gz", nib.Nifti2Image(VALUES, np.eye(4)).to_bytes(), r"gzip: rename it to two.nii \(DAR-121\)$"),
        ("packed.nii", PACKED, r"is packed with gzip: rename it to packed.nii.gz \(DAR-121\)$"),
        ("packed.nrrd", PACKED, "is packed with gzip: unpack it"),
        ("twice.nii.gz", gzip.compress(PACKED, mtime=0), "is packed with gzip twice: unpack it once"),
        ("a.nii.gz", bz2.compress(PLAIN), "is packed with bzip2: unpack it"),
        ("a.nii.gz", lzma.compress(PLAIN), "is packed with xz or zstd: unpack it"),
        ("a.nii.gz", zipped(PLAIN), "is a zip archive: unpack it"),
        ("a.mha", zipped(PLAIN), "is a zip archive: unpack it"),
        ("a.nii.gz", b"\n<!DOCTYPE html><html>Forbidden", "is a web page or XML, not the volume: download it again"),
        ("a.nii.gz", gzip.compress(b"<HTML>Forbidden", mtime=0), "is a web page or XML"),
        ("a.nrrd", b"<html>Forbidden", "is a web page or XML"),
        ("a.nii.gz", LFS, "is a pointer of Git LFS, not the volume: fetch it"),
        ("a.mha", LFS, "is a pointer of Git LFS"),
        ("a.nii.gz", b"/annex/objects/MD5E-s12--ab.nii.gz\n", "is a pointer of git-annex, not the volume: fetch it"),
        ("a.nii.gz", b"../.git/annex/objects/x/y/MD5E-s12--ab.nii.gz", "is a pointer of git-annex"),
        ("a.nii.gz", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(99), "is what a Mac stores beside a file"),
        ("a.nii.gz", b"", r"is empty \(0 bytes\): copy or download it again"),
        ("a.nii", b"", r"is empty \(0 bytes\)"),
        ("a.mha", b"", r"is empty \(0 bytes\)"),
        ("a.nii.gz", PACKED[:60], "was cut short: copy or export it again"),
        ("a.nii.gz", PACKED[:-30], "cannot be read"),
        ("a.nii.gz", b"hello", "is not a NIfTI file"),
    ],
)  # fmt: skip
def test_what_is_something_else_is_refused_by_name_with_what_to_do(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*{told}" if "cannot" not in told else told):
        read_volume(tmp_path / name)


def test_a_link_whose_file_is_not_fetched_is_named(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to(".git/annex/objects/a.nii.gz")
    with pytest.raises(FileNotFoundError, match=r"a.nii.gz is a link to .git/annex/.*not there; fetch it"):
        read_volume(tmp_path / "a.nii.gz")


def test_the_voxels_of_a_pair_must_be_beside_it_and_whole(tmp_path):
    nib.save(nib.Nifti1Pair(VALUES, np.eye(4)), tmp_path / "a.img")
    content = (tmp_path / "a.img").read_bytes()
    np.testing.assert_array_equal(read_volume(tmp_path / "a.hdr").array, VALUES)
    (tmp_path / "a.img").unlink()
    with pytest.raises(ValueError, match=r"a.hdr says its voxels are in a.img, which is not beside it"):
        read_volume(tmp_path / "a.hdr")
    (tmp_path / "b.hdr.gz").write_bytes(gzip.compress((tmp_path / "a.hdr").read_bytes()))
    packed = bytearray(gzip.compress(content, mtime=0))
    (tmp_path / "b.img.gz").write_bytes(packed)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.hdr.gz").array, VALUES)
    packed[-6] ^= 4  # of the checksum
    (tmp_path / "b.img.gz").write_bytes(packed)
    with pytest.raises(ValueError, match=r"b.img.gz cannot be read \(CRC check failed"):
        read_volume(tmp_path / "b.hdr.gz")
