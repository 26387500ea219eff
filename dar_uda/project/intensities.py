"""How the intensities of a domain become [0, 1]: by a window in HU, or by a percentile."""

from collections.abc import Collection, Sequence

import numpy as np

from dar_uda.project.choice import Choice, listed_numbers
from dar_uda.project.survey import PERCENTILE, Facts

AIR = (-1250.0, -750.0)
"""HU between which the air of a CT lies."""
WIDENED = 0.5
"""Of the foreground's width: by so much the window reaches beyond it at both ends."""
BOTH_ENDS = "is half of that wider at both ends"
STEP = 10
DARKEST = -1000
"""HU of air: nothing of a patient is darker."""


def is_hu(facts: Facts) -> bool:
    """Return whether a scan is in HU: its air is at -1000, or its DICOM header says that it is a CT."""
    return facts.modality == "CT" or AIR[0] <= facts.air <= AIR[1]


def choose_intensity(facts: Sequence[Facts], structures: Collection[int], said_hu: bool) -> Choice:
    """Return `window` or `percentile` for the scans of one domain.

    Args:
        structures: Values of the task's structures in the labels of the source.
        said_hu: Whether the user says that all scans are in HU, as of scans without air, cropped to the body.

    Raises:
        ValueError: Some scans are in HU and others are not, or their DICOM headers name several modalities.
    """
    domain = facts[0].case.domain
    modalities = {one.modality for one in facts if one.modality}
    in_hu = [one for one in facts if said_hu or is_hu(one)]
    if len(modalities) > 1 or 0 < len(in_hu) < len(facts):
        others = [one for one in facts if one not in in_hu] or list(facts)
        raise ValueError(
            f"DAR-406: Scans of domain {domain} are of different kinds: {len(in_hu)} are in HU and "
            f"{len(facts) - len(in_hu)} are not{f', modalities {sorted(modalities)}' if modalities else ''}, such as "
            f"{(in_hu or list(facts))[0].case.image} and {others[-1].case.image}; expected one kind in a domain: move "
            "the others to a folder of their own; or, if all are in HU and some are cropped to the body, give "
            f"--hu {domain}"
        )
    air = listed_numbers([round(one.air, 2) + 0.0 for one in facts])
    if not in_hu:
        return Choice(
            {"percentile": PERCENTILE},
            f"Not in HU: the darkest values are {air}, and air in HU is near -1000. 0 is air, 1 the level that "
            f"{PERCENTILE} % of a usual scan do not exceed. If this is a CT in HU, give --hu {domain}; in another "
            "unit, set window: [low, high].",
        )
    low, high, what = _foreground(facts, structures)
    dark, bright = low - WIDENED * (high - low), high + WIDENED * (high - low)
    origin = f"--hu {domain}" if said_hu else "DICOM says CT" if modalities else f"air is at {air}"
    widened = f"begins at {DARKEST}, air, and is half of that wider at the upper end" if dark < DARKEST else BOTH_ENDS
    return Choice(
        {"window": [max(DARKEST, int(np.floor(dark / STEP)) * STEP), int(np.ceil(bright / STEP)) * STEP]},
        f"In HU: {origin}. 99 % of the values {what} lie from {low:.0f} to {high:.0f}; the window {widened}, so that "
        "what surrounds the structures keeps its contrast.",
    )


def _foreground(facts: Sequence[Facts], structures: Collection[int]) -> tuple[float, float, str]:
    """Return the darkest and the brightest of the structures, by their medians over scans, or of the bodies."""
    ranges = [
        np.median([one.structures[value].intensities for one in facts if value in one.structures], axis=0)
        for value in {value for one in facts for value in one.structures} & set(structures)
    ]
    if not ranges:
        low, high = np.median([one.foreground for one in facts], axis=0)
        return float(low), float(high), f"of the body (median of {len(facts)} scans)"
    low, high = np.min(ranges, axis=0)[0], np.max(ranges, axis=0)[1]
    return float(low), float(high), "of each structure (median of the labeled scans)"
