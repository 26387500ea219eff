"""Whether adaptation helped over the network without it, without labels: a verdict for every method of a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.case_means import ordered_methods
from dar_uda.evaluation.confidence import read_table, with_expected_dice
from dar_uda.evaluation.intervals import PLAIN, mean_interval
from dar_uda.evaluation.means import finite_mean
from dar_uda.jobs.files import write_beside

HELPED, HARMED, UNDECIDED = "helped", "harmed", "undecided"
COLUMNS = ["direction", "method", "floor", "patients", "gain", "low", "high", "interval", "verdict"]


def write_adaptation(
    confidence: Sequence[dict], floors: Mapping[str, str], choices: Mapping[str, str], table: str | Path
) -> None:
    """Write `adaptation_of`, four decimals; `choices` is what every row says of the run, by column."""
    with write_beside(table) as partial:
        frame = adaptation_of(confidence, floors).assign(**choices)
        frame.to_csv(partial, sep="\t", index=False, float_format="%.4f")


def read_adaptation(table: str | Path) -> pd.DataFrame:
    """Return the rows that `write_adaptation` wrote, an end that is not known as NaN; none where there is no file."""
    if not Path(table).exists():
        return pd.DataFrame(columns=COLUMNS)
    text, numbers = dict.fromkeys(["direction", "method", "floor", "interval", "verdict"], str), ("gain", "low", "high")
    empty = {name: [""] for name in numbers}
    return pd.read_csv(table, sep="\t", dtype=text, keep_default_na=False, na_values=empty)[COLUMNS]


def adaptation_of(confidence: Sequence[dict], floors: Mapping[str, str]) -> pd.DataFrame:
    """Return for every adapted method how much higher a Dice it lets expect than its floor, and a verdict.

    The gain is the mean over the patients of the difference in expected Dice, of which agreement is left out: a floor
    that is right alone agrees with no network that adaptation has led astray. `helped` where its interval (see
    `mean_interval`) lies above 0, `harmed` where it lies below, else `undecided`.

    Args:
        confidence: One `{"direction", "method", "seed", "path"}` per table of `measure_confidence`.
        floors: The method without adaptation by adapted method. A direction without it has no rows.
    """
    rows = []
    for direction, method in ordered_methods(confidence):
        pair = [_by_patient(confidence, direction, name) for name in (method, floors.get(method))]
        if all(len(one) for one in pair):
            values = pair[0] - pair[1]
            rows.append([direction, method, floors[method], values.shape[1], *verdict_of(values)])
    return pd.DataFrame(rows, columns=COLUMNS)


def verdict_of(values: NDArray[np.float64]) -> tuple[float, float, float, str, str]:
    """Return mean, ends and kind of its interval, and the verdict of differences of shape (seeds, patients)."""
    gain, interval = float(finite_mean(values, axis=0).mean()), mean_interval(values, PLAIN)
    verdict = HELPED if interval.low > 0 else HARMED if interval.high < 0 else UNDECIDED
    return gain, *interval, verdict


def verdicts_in_words(adaptation: pd.DataFrame) -> list[str]:
    """Return a sentence for every row."""
    said = {
        HELPED: "adaptation helped over",
        HARMED: "adaptation did harm, compared with",
        UNDECIDED: "it is undecided whether adaptation helped over",
    }
    return [
        f"`{row.method}`: without labels, {said[row.verdict]} `{row.floor}`: expected Dice {row.gain:+.3f} "
        + (f"[{row.low:+.3f}, {row.high:+.3f}] ({row.interval})" if row.interval else "(one patient, no interval)")
        for row in adaptation.itertuples()
    ]


def _by_patient(confidence: Sequence[dict], direction: str, method: str | None) -> NDArray[np.float64]:
    """Return the expected Dice without agreement of one method, (seeds, patients); empty where it has no tables."""
    files = [entry["path"] for entry in confidence if (entry["direction"], entry["method"]) == (direction, method)]
    return np.array([_patients_of(path).to_numpy() for path in files])


def _patients_of(path: str | Path) -> pd.Series:
    """Return the mean of every patient: over the structures of a case, then over the cases."""
    alone = with_expected_dice(read_table(path).assign(agreement=np.nan))
    return alone.groupby(["patient", "case"])["expected_dice"].mean().groupby("patient").mean()
