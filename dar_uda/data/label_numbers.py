"""Which numbers the structures of a task have in a label file."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from dar_uda.data.contents import is_dicom


def is_drawn(path: Path) -> bool:
    """Return whether a label is a DICOM SEG or RTSTRUCT, whose structures have numbers and names."""
    if not path.is_file() or not is_dicom(path):
        return False
    from dar_uda.data.dicom.labels import is_drawn

    return is_drawn(path)


def numbers_of(path: str | Path, values: Sequence[Sequence[int | str]]) -> list[list[int]]:
    """Return the label values of each class in a label: names become the numbers of a SEG's or RTSTRUCT's structures.

    A class that has names and numbers has its names in a file with names, where another structure may have the number,
    and its numbers in any other. Names are compared without regard to capitals, to spaces around them and to how
    accents are encoded; a structure that the file does not hold has no number.

    Raises:
        ValueError: A class has names alone, and the file has none; or a structure's number is none of a label map.
    """
    if not any(isinstance(value, str) for group in values for value in group):
        return [[int(value) for value in group] for group in values]
    if not is_drawn(Path(path)):
        return [_numbers_alone(path, group) for group in values]
    from dar_uda.data.dicom.labels import HIGHEST, names_of

    named: dict[str, list[int]] = {}
    for number, name in names_of(Path(path)).items():
        named.setdefault(_alike(name), []).append(number)
    numbers = [_numbers_named(group, named) for group in values]
    for group, found in zip(values, numbers, strict=True):
        if odd := [number for number in found if not 0 < number <= HIGHEST]:
            raise ValueError(
                f"DAR-447: {path}: the structure that `labels` calls {group[0]!r} has the number {odd[0]}, expected 1 "
                f"to {HIGHEST}: export it with other numbers, or as a NIfTI label map"
            )
    return numbers


def check_numbering(paths: Sequence[Path], values: Sequence[Sequence[int | str]]) -> None:
    """Raise where SEG or RTSTRUCT files number a structure differently that a class has by its number alone.

    The message cites no name that a file holds: people write what they like there.

    Raises:
        ValueError: They do.
    """
    from dar_uda.data.dicom.labels import names_of

    alone = {value for group in values if not any(isinstance(one, str) for one in group) for value in group}
    files = {path: {number: _alike(name) for number, name in names_of(path).items()} for path in paths}
    for number in sorted(map(int, alone)):
        named = {own[number]: path for path, own in files.items() if number in own}
        moved = [path for path, own in files.items() if number not in own and named.keys() & set(own.values()) - {""}]
        if len(differing := [*named.values(), *moved]) > 1:
            raise ValueError(
                f"DAR-542: {differing[0]} and {differing[1]} number their structures differently, {number} among them; "
                f"expected `labels` to go by name: write the structure's name in the files behind its number, as in "
                f"[{number}, Liver]"
            )


def _numbers_named(group: Sequence[int | str], named: Mapping[str, list[int]]) -> list[int]:
    names = dict.fromkeys(_alike(value) for value in group if isinstance(value, str))
    if not names:
        return [int(value) for value in group]
    return [number for name in names for number in named.get(name, ())]


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _numbers_alone(path: str | Path, group: Sequence[int | str]) -> list[int]:
    numbers = [value for value in group if isinstance(value, int)]
    if group and not numbers:
        raise ValueError(
            f"DAR-434: {path} has no names of structures, as a DICOM SEG and an RTSTRUCT have; found {group[0]!r} in "
            "`labels`, expected a number too, such as [1, Liver]"
        )
    return numbers
