"""Which numbers the structures of a task have in a label file."""

from collections.abc import Sequence
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

    Names are compared without regard to capitals and to spaces around them; a structure that the file does not hold
    has no number. In files without names, a class has its numbers.

    Raises:
        ValueError: A class has names alone, and the file has none; or a structure's number is none of a label map.
    """
    if not any(isinstance(value, str) for group in values for value in group):
        return [[int(value) for value in group] for group in values]
    if not is_drawn(Path(path)):
        return [_numbers_alone(path, group) for group in values]
    from dar_uda.data.dicom.labels import names_of

    named: dict[str, list[int]] = {}
    for number, name in names_of(Path(path)).items():
        named.setdefault(name.strip().casefold(), []).append(number)

    def numbers(value: int | str) -> list[int]:
        return [value] if isinstance(value, int) else named.get(value.casefold(), [])

    return [[number for value in group for number in numbers(value)] for group in values]


def _numbers_alone(path: str | Path, group: Sequence[int | str]) -> list[int]:
    numbers = [value for value in group if isinstance(value, int)]
    if group and not numbers:
        raise ValueError(
            f"DAR-434: {path} has no names of structures, as a DICOM SEG and an RTSTRUCT have; found {group[0]!r} in "
            "`labels`, expected a number too, such as [1, Liver]"
        )
    return numbers
