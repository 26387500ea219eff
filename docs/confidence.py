"""Write the tables of docs/confidence.md: how well signals without labels sort masks, from measured rows of runs."""

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from dar_uda.evaluation.adaptation import HELPED, UNDECIDED, verdict_of
from dar_uda.evaluation.confidence import confidence_of, parts_of, with_expected_dice
from docs.config_keys import REPOSITORY
from docs.measure_confidence import ADAPTED

PAGE = REPOSITORY / "docs" / "confidence.md"
ROWS = REPOSITORY / "docs" / "data" / "confidence.tsv"
BEGIN = "<!-- Written by `python -m docs.confidence` from docs/data/confidence.tsv. -->\n"
END = "<!-- End of what it writes. -->\n"
GROUP = ["run", "direction", "method"]
WORST = 10
"""The worst pair in so many counts as bad."""
CLEAR = 0.2
"""Methods whose mean Dice lies farther apart differ clearly."""
DRAWS = 200
TITLES = {
    "tta_inconsistency": "TTA",
    "volume_ratio": "volume",
    "agreement": "agreement",
    "confidence": "confidence",
    "out_of_distribution": "OOD",
    "source_only_agreement": "with source_only",
    "first_iteration_agreement": "with first iteration",
}


def read_rows() -> pd.DataFrame:
    """Return the measured rows, each signal as a number that is high where a mask should be good.

    `alone` is the Dice to expect without agreement. Pairs without a reference have no row.
    """
    rows = pd.read_csv(ROWS, sep="\t", comment="#", dtype={"seed": str}).dropna(subset="dice")
    alone = with_expected_dice(rows.assign(agreement=np.nan))["expected_dice"]
    odd = -rows["out_of_distribution"]
    return with_expected_dice(rows).assign(**parts_of(rows), out_of_distribution=odd, alone=alone)


def found_of_worst(dice: pd.Series, signal: pd.Series, share: int = 1) -> tuple[int, int, float]:
    """Return how many of the worst tenth are among the lowest `share` tenths of a signal, of how many, and by chance.

    Pairs with the same Dice as the last of the worst tenth count as found too, up to as many as a tenth has.
    """
    count = max(1, round(len(dice) / WORST))
    is_worst = dice <= dice.sort_values().iloc[count - 1]
    found = is_worst.loc[signal.sort_values(kind="stable").index[: share * count]].sum()
    return min(int(found), count), count, count * is_worst.mean()


def interval(rows: pd.DataFrame, signal: str) -> tuple[float, float]:
    """Return the 95 % interval of the rank correlation: a bootstrap over cases, all seeds and structures of a case."""
    pairs = [group[["dice", signal]].to_numpy() for _, group in rows.groupby("case")]
    drawn = np.random.default_rng(0).integers(len(pairs), size=(DRAWS, len(pairs)))
    found = [spearmanr(*np.concatenate([pairs[place] for place in places]).T).statistic for places in drawn]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def ranking(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the tables of rank correlations and of the worst tenth that is found."""
    groups = list(_groups(rows))
    yield _line(["run", "direction", "method", "pairs", *TITLES.values(), "confidence, 95 %"])
    yield _line([*["---"] * 3, *["--:"] * (len(TITLES) + 2)])
    for names, group in groups:
        cells = [_correlation(group, signal) for signal in TITLES]
        yield _line([*names, str(len(group)), *cells, "[{:+.2f}, {:+.2f}]".format(*interval(group, "confidence"))])
    yield "\n"
    yield _line(["run", "direction", "method", "worst", "chance", *TITLES.values(), "confidence, lowest fifth"])
    yield _line([*["---"] * 3, *["--:"] * (len(TITLES) + 3)])
    for names, group in groups:
        found = [_found(group, signal) for signal in TITLES]
        _, count, chance = found_of_worst(group["dice"], group["confidence"])
        fifth = found_of_worst(group["dice"], group["confidence"], 2)[0]
        yield _line([*names, str(count), f"{chance:.1f}", *found, str(fifth)])


def verdicts(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the table of verdicts on pairs of methods beside the difference in Dice."""
    compared = pd.DataFrame(_compared(rows))
    yield _line(["pairs of methods", "differ in mean Dice by", "pairs", "right", "undecided", "wrong"])
    yield _line([*["---"] * 2, *["--:"] * 4])
    with_floor = compared["floor"]
    kinds = {"adapted and `source_only`": with_floor, "other pairs": ~with_floor}
    for title, chosen in kinds.items():
        for clear, said in ((True, f"more than {CLEAR}"), (False, f"{CLEAR} or less")):
            part = compared[chosen & ((compared["true"].abs() > CLEAR) == clear)]
            counts = [str((part["outcome"] == one).sum()) for one in ("right", UNDECIDED, "wrong")]
            yield _line([title, said, str(len(part)), *counts])


def _compared(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Yield every two methods of a run, seed and direction: true difference, verdict of the first over the second."""
    for _, group in rows.groupby(["run", "direction", "seed"], sort=False):
        means = group.groupby(["method", "case"])[["dice", "alone"]].mean()
        for first, second in combinations(group["method"].unique(), 2):
            difference = means.loc[second] - means.loc[first]
            true, (gain, *_, verdict) = difference["dice"].mean(), verdict_of(difference[["alone"]].to_numpy().T)
            said = 1 if verdict == HELPED else -1
            outcome = UNDECIDED if verdict == UNDECIDED else "right" if said * true > 0 else "wrong"
            yield {"floor": "source_only" in (first, second), "true": true, "gain": gain, "outcome": outcome}


def fitted_lines() -> dict[tuple[bool, bool], tuple[float, float]]:
    """Return slope and offset from confidence to Dice of the phantom's pairs, as `LINES` has them, by least squares."""
    phantom = pd.read_csv(ROWS, sep="\t", comment="#").dropna(subset="dice").query("run == 'phantom'")
    left_out = {(True, True): [], (True, False): ["agreement"], (False, False): ["agreement", "tta_inconsistency"]}
    fits = {
        known: np.polyfit(confidence_of(phantom.assign(**dict.fromkeys(names, np.nan))), phantom["dice"], 1)
        for known, names in left_out.items()
    }
    return {known: (float(slope), float(offset)) for known, (slope, offset) in fits.items()}


def expected(rows: pd.DataFrame) -> Iterator[str]:
    """Yield how far the expected Dice lies from the true one, beside the best one number for all pairs."""
    heads = ["mean Dice", "expected", "without agreement", "error", "without agreement", "error of one number"]
    yield _line(["run", "direction", "method", *heads])
    yield _line([*["---"] * 3, *["--:"] * len(heads)])
    for names, group in rows.groupby(GROUP, sort=False):
        dice, columns = group["dice"], ("expected_dice", "alone")
        errors = [(group[name] - dice).abs().mean() for name in columns]
        means = [dice.mean(), *(group[name].mean() for name in columns)]
        yield _line([*names, *(f"{value:.2f}" for value in [*means, *errors, (dice - dice.median()).abs().mean()])])


def _groups(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Yield the pairs of every run and direction: those of the adapted methods together, then those of each method."""
    for (run, direction), group in rows.groupby(["run", "direction"], sort=False):
        yield (run, direction, "adapted, pooled"), group[group["method"].isin(ADAPTED)]
        for method, part in group.groupby("method", sort=False):
            yield (run, direction, method), part


def _correlation(group: pd.DataFrame, signal: str) -> str:
    known = group.dropna(subset=signal)
    return f"{spearmanr(known[signal], known['dice']).statistic:+.2f}" if len(known) else ""


def _found(group: pd.DataFrame, signal: str) -> str:
    known = group.dropna(subset=signal)
    return str(found_of_worst(known["dice"], known[signal])[0]) if len(known) else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def rewritten(page: str) -> str:
    """Return the page with the tables of the present rows between its marks."""
    rows = read_rows()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    tables = ("".join(part(rows)) for part in (ranking, verdicts, expected))
    return f"{before}{BEGIN}\n{chr(10).join(tables)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
