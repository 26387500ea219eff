"""The files of external rows: which cases have one, and in which directions tables have the row."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dar_uda.data.cases_table import problems_of_path
from dar_uda.plan.cases import Cases, is_result, path_from
from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.external import DIRECTION, External
from dar_uda.plan.task import Direction


def files_of(external: External, direction: str, cases: Sequence[str]) -> dict[str, str]:
    """Return the file of each case that has one, from the working directory; a link to nothing is an error later."""
    files = {case: path_from("", external.path(direction, case)) for case in cases}
    return {case: file for case, file in files.items() if os.path.lexists(file)}


def has_row_in(external: External, direction: Direction, cases: Cases) -> bool:
    """Return whether tables have the row in a direction: as its config says, or else where a test case has a file."""
    if external.directions:
        return str(direction) in external.directions
    return bool(files_of(external, str(direction), cases.of(direction.target, "test")))


def lacking_files(external: External, direction: Direction, cases: Cases) -> str | None:
    """Return that no test case of a direction has a file, where the config leaves the directions to the files."""
    names = cases.of(direction.target, "test")
    if external.directions or not names or has_row_in(external, direction, cases):
        return None
    return f"no file of its `masks` for a case such as {names[0]}"


def check_external_files(config: Config, cases: Cases, has_files: bool = True) -> None:
    """Stop where the files of an external row cannot be what its config means.

    Args:
        has_files: Whether this machine has the user's files; where it has not, rows need `directions`.

    Raises:
        PlanError: A direction that it names has no file, or none has any; a file serves two directions; or files are
            results of the workflow, or have names that a run cannot take.
    """
    for external in config.external.values():
        expected = {
            str(direction): cases.of(direction.target, "test")
            for direction in config.task.both_directions
            if str(direction) in (external.directions or map(str, config.task.both_directions))
        }
        expected = {direction: names for direction, names in expected.items() if names}
        files = {direction: files_of(external, direction, names) for direction, names in expected.items()}
        if has_files:
            _check_found(external, expected, files)
            _check_apart(external, files)
            for direction in files:
                _check_paths(external, files[direction].values(), config.run)
        elif not external.directions and not any(files.values()):
            raise PlanError(
                f"DAR-058: External row {external.name} has no file on this machine, where jobs would make tables "
                "without it; expected files here too, or `directions` in its entry of the config: add them."
            )


def _check_found(
    external: External, expected: Mapping[str, Sequence[str]], files: Mapping[str, Mapping[str, str]]
) -> None:
    empty = [direction for direction, found in files.items() if not found]
    if empty and (external.directions or len(empty) == len(expected)):
        raise PlanError(
            f"DAR-053: External row {external.name} has no mask of a test case in direction {' or '.join(empty)}: "
            f"found no file such as {external.path(empty[0], expected[empty[0]][0])} (in {Path.cwd()}). Correct "
            "`masks`, or name in `directions` those that have masks."
        )


def _check_apart(external: External, files: Mapping[str, Mapping[str, str]]) -> None:
    """Stop where a file would be the mask of a case of each domain, and no `directions` say of which."""
    if external.directions or len(files) < 2:
        return
    if shared := sorted(set.intersection(*(set(found.values()) for found in files.values()))):
        raise PlanError(
            f"DAR-057: External row {external.name}: {shared[0]} would be a mask in the directions "
            f"{' and '.join(files)}, whose test cases share a name; expected masks of one domain in a file. Name in "
            f"`directions` the one that they are of, or write {DIRECTION} into `masks`."
        )


def _check_paths(external: External, files: Iterable[str], run: str) -> None:
    for file in files:
        if is_result(file, run):
            raise PlanError(
                f"DAR-054: External row {external.name}: {file} is a result of the workflow, which it may write over: "
                "copy the masks elsewhere."
            )
        for problem in problems_of_path(file):
            raise PlanError(f"DAR-054: External row {external.name}: {file!r} {problem}.")
