"""Whether the scans of a table are cut in one plane: within a domain, and across domains."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.checks.finding import OTHER_PLANE, OTHER_PLANE_OF_DOMAIN, Finding
from dar_uda.data.grid import Grid
from dar_uda.data.planes import ALIKE, angle_between, axis_alike, normal_of, plane_of, usual_normal


@dataclass(frozen=True)
class PlacedCase:
    """A case and the grid of its image."""

    name: str
    domain: str
    image: str | Path
    grid: Grid


def findings_of_planes(cases: Sequence[PlacedCase], slice_axes: Mapping[str, int | None] | None) -> Iterator[Finding]:
    """Yield the cases that are cut unlike most of their domain, and the domains that are cut unlike another.

    Args:
        slice_axes: By domain, the configured axis; None: the config is not known, so that domains only warn.
    """
    axes = slice_axes or {}
    names = dict.fromkeys(case.domain for case in cases)
    domains = {domain: [case for case in cases if case.domain == domain] for domain in names}
    usual = {
        domain: usual_normal([normal_of(case.grid, axes.get(domain)) for case in own])
        for domain, own in domains.items()
    }
    for domain, own in domains.items():
        yield from _within(own, usual[domain], axes.get(domain))
    for domain, other in permutations(domains, 2):
        if angle_between(usual[domain], usual[other]) > ALIKE:
            found = _across(domains[domain], usual[domain], other, usual[other])
            yield found if slice_axes is not None else replace(found, kind=replace(found.kind, stops=False))


def _within(cases: Sequence[PlacedCase], usual: NDArray[np.float64], slice_axis: int | None) -> Iterator[Finding]:
    for case in cases:
        normal = normal_of(case.grid, slice_axis)
        angle = angle_between(normal, usual)
        if angle > ALIKE:
            names = plane_of(normal), plane_of(usual)
            text = f"{case.image} has {names[0]} slices, most have {names[1]} ones"
            if names[0] == names[1]:
                text += f" at {angle:.0f} degrees to these"
            yield Finding(OTHER_PLANE, case.domain, case.name, text)


def _across(
    cases: Sequence[PlacedCase], normal: NDArray[np.float64], other: str, wanted: NDArray[np.float64]
) -> Finding:
    [(axis, count)] = Counter(axis_alike(case.grid, wanted) for case in cases).most_common(1)
    text = (
        f"most have {plane_of(normal)} slices, those of {other} {plane_of(wanted)} ones: "
        f"{angle_between(normal, wanted):.0f} degrees apart. `tasks.TASK.domains.{cases[0].domain}.slice_axis: {axis}` "
        f"cuts {count} of them like {other}"
    )
    return Finding(OTHER_PLANE_OF_DOMAIN, cases[0].domain, f"all {len(cases)}", text)
