"""The files of external rows: which cases have one, and in which directions tables have the row."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dar_uda.data.cases_table import problems_of_path
from dar_uda.plan.cases import Cases, is_result, path_from
from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.external import External
from dar_uda.plan.task import Direction


def files_of(external: External, direction: str, cases: Sequence[str]) -> dict[str, str]:
    """Return the file of each case that has one, from the working directory."""
    files = {case: path_from("", external.path(direction, case)) for case in cases}
    return {case: file for case, file in files.items() if os.path.exists(file)}  # noqa: PTH110 (a name that is too long)


def has_row_in(external: External, direction: Direction, cases: Cases) -> bool:
    """Return whether tables have the row in a direction: as its config says, or else where a test case has a file."""
    if external.directions:
        return str(direction) in external.directions
    return bool(files_of(external, str(direction), cases.of(direction.target, "test")))


def check_external_files(config: Config, cases: Cases) -> None:
    """Stop where the files of an external row cannot be what its config means.

    Raises:
        PlanError: A direction that it names has no file, or none has any; or files are results of the workflow, or
            have names that a run cannot take.
    """
    for external in config.external.values():
        expected = {
            str(direction): cases.of(direction.target, "test")
            for direction in config.task.both_directions
            if str(direction) in (external.directions or map(str, config.task.both_directions))
        }
        expected = {direction: names for direction, names in expected.items() if names}
        empty = [direction for direction, names in expected.items() if not files_of(external, direction, names)]
        if empty and (external.directions or len(empty) == len(expected)):
            raise PlanError(
                f"DAR-053: External row {external.name} has no mask of a test case in direction "
                f"{' or '.join(empty)}: found no file such as {external.path(empty[0], expected[empty[0]][0])} (in "
                f"{Path.cwd()}). Correct `masks`, or name in `directions` those that have masks."
            )
        for direction, names in expected.items():
            _check_paths(external, files_of(external, direction, names).values(), config.run)


def _check_paths(external: External, files: Iterable[str], run: str) -> None:
    for file in files:
        if is_result(file, run):
            raise PlanError(
                f"DAR-054: External row {external.name}: {file} is a result of the workflow, which it may write over: "
                "copy the masks elsewhere."
            )
        for problem in problems_of_path(file):
            raise PlanError(f"DAR-054: External row {external.name}: {file!r} {problem}.")
