"""What one variant has over another, case by case: python -m benchmarks.ideas.paired FIRST SECOND.

Each is VARIANT[@RUN][:STAGE], such as `bent_both:iteration-2`; without a stage `first`, without a run every run. A
line for every run, direction and seed in which both are recorded: how many cases, the mean of second minus first with
its 95 % t interval over cases, which holds for these very trainings, and in how many cases the second is better.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from scipy.stats import t

from benchmarks.ideas.record import cases_table

PLACE = ["run", "direction", "seed", "code"]


@dataclass(frozen=True)
class Paired:
    """Second minus first, over the cases of a run in a direction under a seed; `low` and `high` bound the mean.

    With `other_code`, both were made by different code, and mostly from translators of different trainings.
    """

    run: str
    direction: str
    seed: int
    mean: float
    low: float
    high: float
    better: int
    cases: int
    other_code: bool

    def __str__(self) -> str:
        interval = f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.run} {self.direction} seed {self.seed}: {interval}, better in {self.better} of {self.cases}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    given = parser.parse_args()
    found = [str(each) for each in paired(read_cases_table(), given.first, given.second)]
    print("\n".join(found) or "Nowhere are both recorded.")


def read_cases_table() -> pd.DataFrame:
    """Return the rows of `cases.tsv`."""
    return pd.read_csv(cases_table(), sep="\t", keep_default_na=False)


def paired(rows: pd.DataFrame, first: str, second: str) -> Iterator[Paired]:
    """Yield what the second has over the first, for every place in which both are recorded.

    Args:
        rows: Of `cases.tsv`.
        first, second: `VARIANT[@RUN][:STAGE]`; with a run on either side the run may differ, and that of the second is
            returned. The code may differ in directions and seeds where no code has both: there each of the first is
            paired with each of the second.
    """
    given, other = _of(rows, first), _of(rows, second)
    place = ["direction", "seed"] if "@" in first + second else PLACE
    both = given.merge(other, on=[*place, "case"], suffixes=("_first", ""))
    if "code_first" in both:
        is_same = both["code_first"] == both["code"]
        both = both[is_same | ~is_same.groupby([both[name] for name in place]).transform("any")]
    both["difference"] = both["dice"] - both["dice_first"]
    others = [f"{name}_first" for name in PLACE if name not in place]
    for _, cases in both.groupby([*PLACE, *others], sort=False):
        values, of = cases["difference"], cases.iloc[0]
        half = t.ppf(0.975, len(values) - 1) * values.sem()
        bounds = values.mean(), values.mean() - half, values.mean() + half
        counts, other_code = (int((values > 0).sum()), len(values)), of.get("code_first", of["code"]) != of["code"]
        yield Paired(of["run"], of["direction"], int(of["seed"]), *bounds, *counts, other_code)


def _of(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    variant_and_run, _, stage = name.partition(":")
    variant, _, run = variant_and_run.partition("@")
    here = rows[(rows["variant"] == variant) & (rows["stage"] == (stage or "first"))]
    return here[here["run"] == run] if run else here


if __name__ == "__main__":
    main()
