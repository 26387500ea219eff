"""The checks of `dar-uda check` on one scan that stands alone: warnings are logged, errors are raised."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dar_uda.data.checks.image import Problem, problems_of_grid, problems_of_values
from dar_uda.data.volume import Volume

logger = logging.getLogger(__name__)


def problems_of_scan(
    path: Path, volume: Volume, window: Sequence[float] | None, slice_axis: int | None
) -> Iterator[Problem]:
    """Yield what is wrong with a scan.

    Args:
        window: See `problems_of_values`.
        slice_axis: See `problems_of_grid`.
    """
    yield from problems_of_grid(path, volume.grid, slice_axis)
    yield from problems_of_values(path, volume.array, window)


def warn_or_refuse(problems: Iterable[Problem]) -> None:
    """Log the warnings among some problems, and raise the errors.

    Raises:
        ValueError: There are errors; the message has them all.
    """
    errors = []
    for kind, found in problems:
        text = f"{kind.title}: {found}. To do: {kind.fix}."
        if kind.stops:
            errors.append(text)
        else:
            logger.warning(text)
    if errors:
        raise ValueError("\n".join(errors))
