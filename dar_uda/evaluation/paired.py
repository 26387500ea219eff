"""How much two sets of masks of the same cases differ: differences of every structure and metric, and their tables."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from dar_uda.evaluation.case_means import Cases
from dar_uda.evaluation.cells import Table
from dar_uda.evaluation.differences import COUNTS, SIGNIFICANCE, Difference, compare, holm, parts_of
from dar_uda.evaluation.intervals import FEWEST_CASES
from dar_uda.evaluation.quantities import MEAN, METRICS
from dar_uda.evaluation.score_tables import paired_table
from dar_uda.jobs.files import write_beside

COLUMNS = ["predictions", "against", "structure", "metric", *Difference._fields, "p_holm"]


def paired_differences(first: tuple[str, Cases], second: tuple[str, Cases], structures: list[str]) -> pd.DataFrame:
    """Return the first's mean minus the second's of every metric that has values, by structure, columns `COLUMNS`.

    p-values are corrected by Holm over the structures, within a metric. The row `MEAN` is one test, of what the
    structures have in common: its `p_holm` is its `p`. Metrics answer different questions and are not corrected for.

    Args:
        first, second: Name and scores of each, of the same cases and references.
    """
    (name, cases), (other, others) = first, second
    rows = []
    for metric, (structure, part) in product(METRICS, parts_of(structures)):
        found = compare(cases.of_structures(part), others.of_structures(part), METRICS[metric])
        rows.append([name, other, structure, metric, *found, np.nan])
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame = frame[frame.groupby("metric")["n"].transform("max") > 0].astype(COUNTS)
    is_mean = frame["structure"] == MEAN
    frame["p_holm"] = frame["p"].where(
        is_mean, frame[~is_mean].groupby("metric")["p"].transform(lambda values: holm(values.to_numpy()))
    )
    return frame


def write_paired_differences(differences: pd.DataFrame, table: str | Path) -> None:
    """Write what `paired_differences` returns as TSV, six decimals."""
    with write_beside(table) as partial:
        differences.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def paired_tables(differences: pd.DataFrame) -> Iterator[Table]:
    """Yield a table per metric of `paired_differences`, one row per structure."""
    for metric, rows in differences.groupby("metric", sort=False):
        pair = f"{rows['predictions'].iloc[0]} minus {rows['against'].iloc[0]}"
        yield paired_table(rows, "structure", f"{METRICS[str(metric)].title}: {pair}")


def meaning_of_pairs() -> str:
    """Return what the numbers of `paired_tables` mean, for those who read one."""
    return (
        "Differences: the mean over the n patients who have a value of both; distances leave out empty masks, so look "
        "at the false negatives first. Better and worse count patients. p (Holm): a paired t-test over the patients, "
        f"from {FEWEST_CASES} on, corrected for the number of structures in the table. The row `mean` is one test and "
        "is not corrected. Nothing is corrected for the number of metrics: choose the one that counts before you look. "
        f"A p-value above {SIGNIFICANCE} does not show that both are equal: read the interval."
    )
