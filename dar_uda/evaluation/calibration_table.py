"""The calibration of every method, from the counts of all cases and seeds."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dar_uda.evaluation.calibration import COUNTS, expected_calibration_error, read_calibration
from dar_uda.evaluation.case_means import ordered_methods
from dar_uda.evaluation.intervals import LOGIT, mean_interval
from dar_uda.evaluation.means import finite_mean
from dar_uda.jobs.files import write_beside

COLUMNS = [
    *("direction", "method", "structure", "n", "patients", "seeds"),
    *("ece", "ece_low", "ece_high", "ece_interval", "ece_pooled"),
]


def tabulate_calibration(
    calibration: Sequence[dict], structures: Sequence[str], choices: Mapping[str, str], table: str | Path
) -> None:
    """Write the expected calibration error (ECE) of methods and directions, a row per structure.

    Args:
        calibration, structures: See `calibration_errors`.
        choices: What every row says of the run, by column: protocol and the choice of the weights.
        table: Output TSV with the columns `COLUMNS` and those of `choices`, six decimals.
    """
    with write_beside(table) as partial:
        calibration_errors(calibration, structures).assign(**choices).to_csv(
            partial, sep="\t", index=False, float_format="%.6f"
        )


def calibration_errors(calibration: Sequence[dict], structures: Sequence[str]) -> pd.DataFrame:
    """Return the ECE of methods and directions, columns `COLUMNS`.

    - `n`, `patients`: cases whose reference has the structure, and of how many patients. `ece` is over these alone, so
      that all methods have it for the same cases.
    - `ece`: of every case, mean over a patient's cases, then over the seeds, then over the patients; `ece_low`,
      `ece_high`, `ece_interval`: see `mean_interval`, on the scale `LOGIT`.
    - `ece_pooled`: of the counts of all cases together, also of those whose reference does not have the structure;
      mean over the seeds. It is lower: what is too much in one case and too little in another cancels.

    Args:
        calibration: One `{"direction", "method", "seed", "path"}` per file of `measure_calibration`.
        structures: Names, in the order of the rows.
    """
    rows = []
    for direction, method in ordered_methods(calibration):
        bins = read_bins(entry for entry in calibration if (entry["direction"], entry["method"]) == (direction, method))
        for structure in structures:
            statistics = _statistics(bins[bins["structure"] == structure])
            rows.append({"direction": direction, "method": method, "structure": structure, **statistics})
    return pd.DataFrame(rows, columns=COLUMNS)


def read_bins(entries: Iterable[dict]) -> pd.DataFrame:
    """Return the rows of a method's files of `measure_calibration`, with the column `seed`."""
    by_seed = {entry["seed"]: read_calibration(entry["path"]) for entry in entries}
    return pd.concat(by_seed, names=["seed"]).reset_index("seed")


def pooled(bins: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the sums of `COUNTS` over the rows that share the columns `by`."""
    return bins.groupby(list(by), sort=False)[COUNTS].sum().reset_index()


def _statistics(bins: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of a row but its keys, from a method's bins of one structure."""
    of_cases = ["seed", "case", "patient"]
    has_reference = bins.groupby(of_cases, sort=False)["reference_voxels"].sum() > 0
    errors = expected_calibration_error(bins, of_cases)[has_reference].rename("ece").reset_index()
    values = errors.pivot_table("ece", "seed", "patient").to_numpy()
    interval = mean_interval(values, LOGIT)
    return {
        "n": errors["case"].nunique(),
        "patients": errors["patient"].nunique(),
        "seeds": bins["seed"].nunique(),
        "ece": float(finite_mean(finite_mean(values, axis=0), axis=0)),
        "ece_low": interval.low,
        "ece_high": interval.high,
        "ece_interval": interval.kind,
        "ece_pooled": expected_calibration_error(pooled(bins, ["seed", "bin"]), ["seed"]).mean(),
    }
