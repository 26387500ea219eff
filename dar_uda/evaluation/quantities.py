"""What every number of the tables means: tables, pages, report and model cards read it here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dar_uda.evaluation.cells import MILLIMETERS, SCORE, SIGNED
from dar_uda.evaluation.intervals import FEWEST_CASES, LOG, LOGIT, PLAIN, Scale
from dar_uda.evaluation.score import FAILED_DICE

MEAN = "mean"
"""The row of a table in which a case's value is the mean over the structures that it has."""
HIGHEST, LOWEST, UNRANKED = "highest", "lowest", "unranked"


@dataclass(frozen=True)
class Metric:
    """A metric of a structure in a case.

    Attributes:
        name: In the config's `metrics`, and at the start of columns of the summary.
        column: In the metrics table.
        title: In headers, with the unit.
        best: `HIGHEST` or `LOWEST`; `UNRANKED` where a value says in which way masks err, not how much.
        scale: On which the interval of its mean is computed.
        form: Writes a value.
        needs_both_masks: Whether a structure that the prediction lacks has no value, rather than the worst one.
        meaning: A sentence for those who read a table.
    """

    name: str
    column: str
    title: str
    best: str
    scale: Scale
    form: Callable[[Any], str]
    needs_both_masks: bool
    meaning: str


@dataclass(frozen=True)
class Count:
    """A count of (case, seed, structure) triples.

    Attributes:
        name: Column of the summary.
        of: Column with the number of triples in which it could happen.
        title: In headers.
        meaning: A sentence for those who read a table.
    """

    name: str
    of: str
    title: str
    meaning: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "dice",
            "dice",
            "Dice",
            HIGHEST,
            LOGIT,
            SCORE,
            False,
            "Dice: how much mask and reference overlap in 3D, from 0 to 1 (the same voxels).",
        ),
        Metric(
            *("asd", "asd_mm", "ASD mm", LOWEST, LOG, MILLIMETERS, True),
            "ASD: average distance between the surfaces of mask and reference, both ways; 0 is perfect.",
        ),
        Metric(
            *("hd95", "hd95_mm", "HD95 mm", LOWEST, LOG, MILLIMETERS, True),
            "HD95: distance between the surfaces that 95 % of their voxels keep.",
        ),
        Metric(
            *("nsd", "nsd", "NSD", HIGHEST, LOGIT, SCORE, False),
            "NSD, normalized surface Dice: part of both surfaces within a structure's tolerance (mm) of the other.",
        ),
        Metric(
            *("asd_area", "asd_area_mm", "ASD by area mm", LOWEST, LOG, MILLIMETERS, True),
            "ASD by area: the ASD with every piece of surface counted by its area.",
        ),
        Metric(
            *("rvd", "rvd", "RVD", UNRANKED, PLAIN, SIGNED, False),
            "RVD, relative volume difference: +0.1 is a mask 10 % larger than the reference.",
        ),
    )
}
FALSE_NEGATIVES, FAILURES, FALSE_ALARMS = COUNTS = (
    Count(
        *("false_negatives", "references", "false negatives"),
        "False negatives: how often, over cases, structures and seeds, the mask is empty and the reference is not.",
    ),
    Count(
        *("failures", "references", f"Dice < {FAILED_DICE}"),
        f"Dice < {FAILED_DICE}: how often the Dice is that low, false negatives among them.",
    ),
    Count(
        *("false_alarms", "absences", "false alarms"),
        "False alarms: how often the reference is empty and the mask is not; Dice and distances leave these out.",
    ),
)


def meanings(metrics: Sequence[str]) -> list[str]:
    """Return what metrics, counts, means and intervals mean, in paragraphs, for those who read a table of `metrics`."""
    return [
        " ".join([*(METRICS[name].meaning for name in metrics), *(count.meaning for count in COUNTS)]),
        "Means: over the patients, whose cases are averaged first, and each first over the seeds; a case's mean is "
        "over the structures that it has. `n` counts the cases whose reference has a structure. A metric with k of N "
        "comes from k values, without those of empty masks and, in NSD, of structures without a tolerance.",
        'In brackets behind a mean, "95% t": the 95 % interval for other cases and other trainings, by a t '
        'distribution; "95% t, cases only", with one seed: for other cases and this very training; "range": from the '
        f"lowest to the highest patient, where fewer than {FEWEST_CASES} have a value or the values do not spread. "
        "With two seeds intervals hold less than they say, and small p-values are too frequent: use three.",
    ]
