"""How the intensities of a domain become [0, 1]: by a window in HU, or by a percentile."""

from collections.abc import Sequence

import numpy as np

from dar_uda.project.choice import Choice, listed_numbers
from dar_uda.project.survey import PERCENTILE, Facts

AIR = (-1250.0, -750.0)
"""HU between which the air of a CT lies."""
WIDENED = 0.5
"""Of the foreground's width: by so much the window reaches beyond it at both ends."""
STEP = 10


def is_hu(facts: Facts) -> bool:
    """Return whether a scan is in HU: its air is at -1000, or its DICOM header says that it is a CT."""
    return facts.modality == "CT" or AIR[0] <= facts.air <= AIR[1]


def choose_intensity(facts: Sequence[Facts]) -> Choice:
    """Return `window` or `percentile` for the scans of one domain.

    Raises:
        ValueError: Some scans are in HU and others are not, or their DICOM headers name several modalities.
    """
    domain = facts[0].case.domain
    modalities = {one.modality for one in facts if one.modality}
    in_hu = [one for one in facts if is_hu(one)]
    if len(modalities) > 1 or 0 < len(in_hu) < len(facts):
        others = [one for one in facts if one not in in_hu] or list(facts)
        raise ValueError(
            f"DAR-406: Scans of domain {domain} are of different kinds: {len(in_hu)} are in HU and "
            f"{len(facts) - len(in_hu)} are not{f', modalities {sorted(modalities)}' if modalities else ''}, such as "
            f"{(in_hu or list(facts))[0].case.image} and {others[-1].case.image}; expected one kind in a domain: move "
            "the others to a folder of their own, or, if all are CT, bring them to HU"
        )
    air = listed_numbers([round(one.air, 2) + 0.0 for one in facts])
    if not in_hu:
        return Choice(
            {"percentile": PERCENTILE},
            f"Not in HU: the darkest values are {air}, and air in HU is near -1000. 0 is air, 1 the level that "
            f"{PERCENTILE} % of a usual scan do not exceed. If this is a CT, set window: [low, high] in its unit.",
        )
    measured = [one for one in facts if one.structures] or list(facts)
    low, high = np.median([one.foreground for one in measured], axis=0)
    what = "in labels" if measured[0].structures else "of the body"
    window = [
        int(np.floor((low - WIDENED * (high - low)) / STEP)) * STEP,
        int(np.ceil((high + WIDENED * (high - low)) / STEP)) * STEP,
    ]
    return Choice(
        {"window": window},
        f"In HU: {'DICOM says CT' if modalities else f'air is at {air}'}. 99 % of the values {what} lie from {low:.0f} "
        f"to {high:.0f} (median of {len(measured)} scans); the window is half of that wider at both ends, so that what "
        "surrounds the structures keeps its contrast.",
    )
