"""Write the table of docs/outputs.md: what TTA inconsistency says of Dice, from measured rows of the phantom."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from docs.config_keys import REPOSITORY

PAGE = REPOSITORY / "docs" / "outputs.md"
ROWS = REPOSITORY / "docs" / "data" / "tta_inconsistency.tsv"
BEGIN = "<!-- Written by `python -m docs.inconsistency` from docs/data/tta_inconsistency.tsv. -->\n"
END = "<!-- End of what it writes. -->\n"
DRAWS = 2000
WORST = 4
"""The worst case in so many counts as bad."""

Values = NDArray[np.float64]


def read_rows() -> pd.DataFrame:
    """Return the measured rows: `seed method case scanner structure dice tta_inconsistency`."""
    return pd.read_csv(ROWS, sep="\t", comment="#", dtype={"seed": str})


def with_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, and below them the mean of every case as the pages show it, without structures that no mask has.

    In the rows of such structures the inconsistency, empty in the file, is 1: nothing was found.
    """
    keys = ["seed", "method", "case", "scanner"]
    means = rows.groupby(keys, sort=False)[["dice", "tta_inconsistency"]].mean().reset_index()
    filled = rows.fillna({"tta_inconsistency": 1.0})
    return pd.concat([filled, means.assign(structure="mean of the case")], ignore_index=True)


def rank_correlation(first: Values, second: Values) -> Values:
    """Return Spearman's rank correlation along the last axis; equal values share their mean rank."""
    ranks = (rankdata(values, axis=-1) for values in (first, second))
    x, y = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def interval(dice: Values, changes: Values) -> tuple[float, float]:
    """Return the 95 % interval of the rank correlation over cases, averaged over seeds: a bootstrap over cases.

    Args:
        dice, changes: (seeds, cases); a case is drawn for all seeds at once.
    """
    drawn = np.random.default_rng(0).integers(dice.shape[1], size=(DRAWS, dice.shape[1]))
    means = rank_correlation(dice[:, drawn], changes[:, drawn]).mean(axis=0)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def found_of_worst(dice: Values, changes: Values) -> int:
    """Return how many of the cases with the lowest Dice are among the same number with the highest inconsistency.

    Args:
        dice, changes: (cases,).
    """
    count = len(dice) // WORST
    worst, flagged = np.argsort(dice, kind="stable")[:count], np.argsort(-changes, kind="stable")[:count]
    return len({*worst.tolist()} & {*flagged.tolist()})


def lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the table: a row per method and structure."""
    table = with_means(rows)
    yield "| method | structure | lowest to highest Dice | rank correlation, 95 % | by seed | worst quarter found |\n"
    yield "|---|---|--:|--:|--:|--:|\n"
    for method, structure in product(table["method"].unique(), table["structure"].unique()):
        part = table[(table["method"] == method) & (table["structure"] == structure)]
        dice, changes = (
            part.pivot(index="seed", columns="case", values=name).to_numpy() for name in ("dice", "tta_inconsistency")
        )
        by_seed, (low, high) = rank_correlation(dice, changes), interval(dice, changes)
        found, count = sum(map(found_of_worst, dice, changes)), dice.shape[0] * (dice.shape[1] // WORST)
        yield (
            f"| {method} | {structure} | {dice.min():.2f} to {dice.max():.2f} "
            f"| {by_seed.mean():.2f} [{low:.2f}, {high:.2f}] | {', '.join(f'{value:.2f}' for value in by_seed)} "
            f"| {found} of {count} |\n"
        )


def page(rows: pd.DataFrame) -> str:
    """Return docs/outputs.md with the table of these rows."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "\n" + "".join(lines(rows)) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(read_rows()), encoding="utf-8")
