"""What one variant has over another, case by case: python -m benchmarks.ideas.paired FIRST[:STAGE] SECOND[:STAGE].

A line for every run, direction and seed in which both are recorded: how many cases, the mean of second minus first with
its 95 % t interval over cases, which holds for these very trainings, and in how many cases the second is better.
"""

import argparse
from collections.abc import Iterator

import pandas as pd
from scipy.stats import t

from benchmarks.ideas.record import cases_table

PLACE = ["run", "direction", "seed", "code"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    given = parser.parse_args()
    rows = pd.read_csv(cases_table(), sep="\t", keep_default_na=False)
    print("\n".join(paired(rows, given.first, given.second)) or "Nowhere are both recorded.")


def paired(rows: pd.DataFrame, first: str, second: str) -> Iterator[str]:
    """Yield a line for every place in which both are recorded.

    Args:
        rows: Of `cases.tsv`.
        first, second: Variants, with a stage such as `:iteration-2`; without one, `first`.
    """
    both = _of(rows, first).merge(_of(rows, second), on=[*PLACE, "case"], suffixes=("_first", "_second"))
    both["difference"] = both["dice_second"] - both["dice_first"]
    for place, cases in both.groupby(PLACE, sort=False):
        values = cases["difference"]
        half = t.ppf(0.975, len(values) - 1) * values.sem()
        interval = f"[{values.mean() - half:+.3f}, {values.mean() + half:+.3f}]"
        where = f"{place[0]} {place[1]} seed {place[2]}"
        yield f"{where}: {values.mean():+.3f} {interval}, better in {(values > 0).sum()} of {len(values)}"


def _of(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    variant, _, stage = name.partition(":")
    return rows[(rows["variant"] == variant) & (rows["stage"] == (stage or "first"))]


if __name__ == "__main__":
    main()
