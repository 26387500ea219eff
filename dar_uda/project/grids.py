"""The grid of the networks: its field, spacing and size, the body or the region to which it is cut."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dar_uda.project.choice import Choice, listed_numbers
from dar_uda.project.survey import Facts

PIXELS = {"demo": 64, "laptop": 112, "gpu": 256, "paper": 512}
"""Side of a slice for which each shipped budget was made."""
LEAST_PIXELS, MULTIPLE = 64, 16
MARGIN = 20.0
"""mm beyond the structures of the source: scans are not centered alike."""
SEEN = 0.9
"""A body is seen where it fills less of one side of the scan; there is air at its edge."""
MOST_SEEN = 0.8
"""Of the scans of a domain."""
WIDTHS_DIFFER = 0.1
AROUND_BODY = 1.12
FEW_SLICES = 20
SLICE_BY_PIXEL = 2.0
THICK = 6.0
"""mm: slices are made no thicker than this, or than those of the scans."""
SMALL_FIELD = 0.5
"""Of the field of view: a region is cut out where the structures of the source lie in less."""
FINE = 4.0
"""Pixels of thickness below which a structure is tiny."""
SPACING_STEP = 0.05


@dataclass(frozen=True)
class Field:
    """What the square of the grid spans.

    Attributes:
        side: mm.
        reason: Why it is that wide.
        keys: `body_width` or `region_margin` of the grid, if any.
    """

    side: float
    reason: str
    keys: dict[str, float]


def choose_grid(facts: Sequence[Facts], domains: tuple[str, str], structures: Collection[int], budget: str) -> Choice:
    """Return the grid of a budget: `spacing`, `size` and, where they help, `body_width` or `region_margin`.

    Args:
        facts: Of all cases.
        domains: Source and target.
        structures: Values of the task's structures in the labels of the source.
        budget: One of `PIXELS`; another has as many pixels as `laptop`.
    """
    by_domain = [[one for one in facts if one.case.domain == domain] for domain in domains]
    pixels = PIXELS.get(budget, PIXELS["laptop"])
    finest = min(_median(own, lambda one: min(one.spacing[:2])) for own in by_domain)
    thinnest = thinnest_of(by_domain[0], structures)
    field = _field(by_domain, domains, structures, thinnest, pixels)
    in_plane = max(math.ceil(field.side / pixels / SPACING_STEP - 1e-6) * SPACING_STEP, finest)
    size = max(LEAST_PIXELS, min(pixels, math.ceil(field.side / in_plane / MULTIPLE) * MULTIPLE))
    depth, why = _slice_spacing(by_domain, domains, in_plane)
    spacing = [round(in_plane, 3), round(in_plane, 3), depth]
    reason = (
        f"{field.reason} {size} pixels of {in_plane:.3g} mm span {size * in_plane:.0f} mm; pixels of the scans are "
        f"{finest:.3g} mm at the finest. {why} The thinnest structure is {thinnest / in_plane:.1f} pixels thick."
    )
    return Choice({"spacing": spacing, "size": size, **field.keys}, reason)


def _field(
    by_domain: Sequence[Sequence[Facts]],
    domains: tuple[str, str],
    structures: Collection[int],
    thinnest: float,
    pixels: int,
) -> Field:
    view = max(_median(own, lambda one: max(one.sides[:2])) for own in by_domain)
    low, high = _box(by_domain[0], structures)
    farthest = 2 * float(np.abs([low[:2], high[:2]]).max()) + 2 * MARGIN
    region = float((high - low)[:2].max()) + 2 * MARGIN
    seen = [[one.body[0] for one in own if one.body and _is_seen(one.body, one)] for own in by_domain]
    if thinnest < FINE * min(view, farthest) / pixels and region < SMALL_FIELD * view:
        reason = (
            f"Tiny structures ({thinnest:.1f} mm thick) in a small part of the scan: the labels of {domains[0]} lie in "
            f"{region - 2 * MARGIN:.0f} mm, to which every scan is cut with a margin of {MARGIN:.0f} mm. If target "
            "scans are centered otherwise, raise region_margin."
        )
        return Field(region, reason, {"region_margin": MARGIN})
    if all(len(widths) >= MOST_SEEN * len(own) for widths, own in zip(seen, by_domain, strict=True)):
        widths = [float(np.median(own)) for own in seen]
        body = math.ceil(max(widths) / 10 - 0.5) * 10
        text = " and ".join(f"{width:.0f} mm in {domain}" for width, domain in zip(widths, domains, strict=True))
        if abs(widths[0] - widths[1]) > WIDTHS_DIFFER * max(widths):
            reason = f"Bodies are {text} wide (median): body_width brings all to one width and into the middle."
            return Field(body * AROUND_BODY, reason, {"body_width": body})
    side = min(view, farthest)
    reason = (
        f"Scans span {view:.0f} mm in-plane, the structures of {domains[0]} lie within {farthest / 2 - MARGIN:.0f} mm "
        f"of their center; with a margin of {MARGIN:.0f} mm the field is {side:.0f} mm. No body_width: "
        + ("bodies are alike in width." if all(seen) else "air around the body is not in most scans.")
    )
    return Field(side, reason, {})


def _is_seen(body: tuple[float, float], facts: Facts) -> bool:
    return min(body[0] / facts.sides[0], body[1] / facts.sides[1]) < SEEN


def _slice_spacing(
    by_domain: Sequence[Sequence[Facts]], domains: tuple[str, str], in_plane: float
) -> tuple[float | None, str]:
    """Return the distance of slices in mm, None for that of each scan, and why."""
    spacings = [_median(own, lambda one: one.spacing[2]) for own in by_domain]
    slices = [_median(own, lambda one: one.slices) for own in by_domain]
    text = " and ".join(
        f"{listed_numbers([one.spacing[2] for one in own])} mm in {domain} ({count:.0f} slices)"
        for own, domain, count in zip(by_domain, domains, slices, strict=True)
    )
    if min(slices) < FEW_SLICES:
        return None, f"Slices lie {text} apart: so few stay as each scan has them."
    depth = round(max(min(SLICE_BY_PIXEL * in_plane, THICK), min(spacings)), 1)
    return depth, (
        f"Slices lie {text} apart: {depth:g} mm, the finer of these or, up to {THICK:g} mm, {SLICE_BY_PIXEL:g} pixels."
    )


def _median(facts: Sequence[Facts], number: Any) -> float:
    return float(np.median([number(one) for one in facts]))


def _box(facts: Sequence[Facts], structures: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges in mm from the scan's center that hold the structures of all labels."""
    extents = [extent for one in facts for value, extent in one.structures.items() if value in structures]
    return np.min([each.low for each in extents], axis=0), np.max([each.high for each in extents], axis=0)


def thinnest_of(facts: Sequence[Facts], structures: Collection[int]) -> float:
    """Return the median thickness in mm of the thinnest structure."""
    values = {value for one in facts for value in one.structures} & set(structures)
    return min(
        float(np.median([one.structures[value].thickness for one in facts if value in one.structures]))
        for value in values
    )
