"""What a DICOM file may make pydicom keep in memory: seen while its bytes pass, before they are parsed."""

import io
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dar_uda.data.ceiling import RAISE, most_unpacked
from dar_uda.data.reading import UnreadableFileError

ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""What an item of a sequence begins with, in either order of bytes."""
FEW_ITEMS, BYTES_OF_ITEM = 2**13, 24
"""So many items do no harm; of more each has so many bytes at least, on average. pydicom takes some 2000 for each."""
CHUNK = 2**20


class CountedFile(io.BufferedReader):
    """A DICOM file that counts the items of sequences that are read from it one by one.

    Raises:
        UnreadableFileError: A read finds that they are too many for the size of the file, see `BYTES_OF_ITEM`; or the
            file is opened, and holds too many bytes packed, see `most_unpacked`.
    """

    def __init__(self, path: Path):
        _check_unpacked(path)
        super().__init__(io.FileIO(str(path)))
        self._path, self._items, self._size = path, 0, path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if content[:4] in ITEMS:
            self._items += 1
            _check_items(self._path, self._items, self._size)
        return content


def check_items(path: Path) -> None:
    """Raise where a file has too many items of sequences for its size, whichever would be read.

    Raises:
        UnreadableFileError: It has, see `BYTES_OF_ITEM`.
    """
    with path.open("rb") as file:
        _check_items(path, _counted(iter(partial(file.read, CHUNK), b""))[0], path.stat().st_size)


def _check_unpacked(path: Path) -> None:
    """Raise where a deflated file holds too many bytes, or items."""
    with path.open("rb") as file:
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        items, size = _counted(_unpacked(path, file))
        _check_items(path, items, size)


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    stream, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
    while rest := rest or file.read(CHUNK):
        part = stream.decompress(rest, CHUNK)
        size += len(part)
        if size > most_unpacked():
            raise UnreadableFileError(
                f"DAR-514: {path} holds more than {most_unpacked()} bytes, deflated: look whether it is what it should "
                f"be; {RAISE}"
            )
        yield part
        rest = stream.unconsumed_tail
        if stream.eof:
            return


def _counted(parts: Iterator[bytes]) -> tuple[int, int]:
    """Return how often what begins an item is in the parts of a file, and how many bytes they are."""
    items, size, before = 0, 0, b""
    for part in parts:
        whole = before + part
        items += sum(map(whole.count, ITEMS))
        size += len(part)
        before = whole[-3:]
    return items, size


def _check_items(path: Path, items: int, size: int) -> None:
    if items > FEW_ITEMS and items * BYTES_OF_ITEM > size:
        raise UnreadableFileError(
            f"DAR-515: {path} has {items} items of sequences or more in {size} bytes: they would be empty; export it "
            "again"
        )
