"""Write docs/intervals.md: what the intervals, tests and marks of tables hold, by simulation."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dar_uda.evaluation.differences import SIGNIFICANCE, as_good_as_the_best, p_value
from dar_uda.evaluation.gap import gap_closed
from dar_uda.evaluation.intervals import FEWEST_CASES, LOG, LOGIT, PLAIN, Scale, mean_interval
from dar_uda.evaluation.quantities import METRICS
from docs.config_keys import REPOSITORY

PAGE = REPOSITORY / "docs" / "intervals.md"
CASES, SEEDS = (2, 3, 5, 7, 25), (1, 3)
REPEATS = 2000
HEAD = f"""# What the intervals hold

<!-- Written by `python -m docs.coverage`, which takes a minute or two. Change that. -->

How often the intervals of `summary.tsv` and of the pages cover the true mean ([outputs.md](outputs.md) defines them).
Each number is from {REPEATS} simulated tables, with the functions that make the tables of a run.
It is uncertain by ±0.01.

- `values` is the distribution of the values.
  Cases contribute 70 % of the variance, seeds 20 % and chance 10 %, on the scale of a normal distribution.
- With several seeds, the true mean is over all cases and trainings.
  With one seed (`95% t, cases only`) it is over all cases under this training: cases contribute 90 %, seeds nothing.
- With fewer than {FEWEST_CASES} cases the tables show the range from the lowest to the highest case, and call it so.
  Its coverage, in brackets, says why it is not called a 95 % interval.
- The other columns are numbers of cases.
  `5, plain` is what the interval covers without the logit (Dice) or the logarithm (ASD).

| values | seeds | 2 | 3 | 5 | 7 | 25 | 5, plain |
|---|--:|--:|--:|--:|--:|--:|--:|
"""
TAIL = """
Rare failures are beyond these intervals, and beyond the tests below.
Where one case in ten fails, most tables of five cases contain no failure, and nothing in them tells how likely one is.
Look at the worst case, and use more cases.

## Differences, marks, patients

Values are normal with mean 0.7 and standard deviation 0.1; methods have 36 % of their variance in common.
In the last two rows trainings contribute 20 % of the variance, and one or two of them do not show how much: use three.

| share of tables in which | seeds | 5 | 7 | 25 |
|---|--:|--:|--:|--:|
"""
END = """
"Bold" is the best of a column with all that do not differ from it: the method that is the best is nearly always among
them, also where another one has the best mean by chance. With few patients, much that is worse is bold too.
"""


class Values(NamedTuple):
    """A distribution of values, by its quantiles and its mean, and the scale of their interval."""

    quantiles: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    mean: float
    scale: Scale


def _failing(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    good = stats.beta(40, 8).ppf(np.clip((probabilities - 0.1) / 0.9, 0, 1))
    return np.where(probabilities < 0.1, 0.05, good)


def _of(distribution: stats.rv_continuous, scale: Scale) -> Values:
    return Values(distribution.ppf, float(distribution.mean()), scale)


DISTRIBUTIONS = {
    "Dice, normal, mean 0.7, SD 0.1": _of(stats.norm(0.7, 0.1), LOGIT),
    "Dice, beta(4, 1), mean 0.8, SD 0.16": _of(stats.beta(4, 1), LOGIT),
    "Dice, beta(2, 0.5), mean 0.8, SD 0.21": _of(stats.beta(2, 0.5), LOGIT),
    "ASD, log-normal, median 2 mm, factor 1.6": _of(stats.lognorm(np.log(1.6), scale=2), LOG),
}
FAILURES = {"Dice, one case in ten fails": Values(_failing, 0.1 * 0.05 + 0.9 * 40 / 48, LOGIT)}
GAPS = {"gap closed, 70 % of a gap of 0.3": 0.3}
SMALL_GAPS = {"gap closed, 70 % of a gap of 0.15, where it is printed": 0.15}
TESTED = [cases for cases in CASES if cases >= FEWEST_CASES]
COVERS, ERRS, KEEPS = "covers", "errs", "keeps"
"""What a share is of: intervals that should cover the truth, false differences, best methods that should be marked."""
ROWS = 5


def coverage(values: Values, scale: Scale, seeds: int, cases: int) -> float:
    """Return how often the interval on a scale covers the mean."""
    tables = values.quantiles(stats.norm.cdf(_normal(seeds, cases)))
    return _covered((mean_interval(table, scale)[:2] for table in tables), values.mean)


def gap_coverage(seeds: int, cases: int, gap: float) -> float:
    """Return how often the interval of the gap closed covers 0.7, of those that are printed."""
    shared, floor, method, ceiling = (_normal(seeds, cases, number) for number in range(4))
    floors = 0.5 + 0.1 * (0.6 * shared + 0.8 * floor)
    methods = 0.5 + 0.7 * gap + 0.07 * (0.6 * shared + 0.8 * method)
    ceilings = 0.5 + gap + 0.04 * (0.6 * shared + 0.8 * ceiling)
    return _covered((gap_closed(*tables)[1:] for tables in zip(methods, floors, ceilings, strict=True)), 0.7)


def rows() -> Iterator[tuple[str, int, list[float], float]]:
    """Yield what intervals cover: values, number of seeds, by number of cases as printed, and on the plain scale."""
    for name, values in (DISTRIBUTIONS | FAILURES).items():
        for seeds in SEEDS:
            printed = [coverage(values, values.scale, seeds, cases) for cases in CASES]
            yield name, seeds, printed, coverage(values, PLAIN, seeds, FEWEST_CASES)
    for name, gap in (GAPS | SMALL_GAPS).items():
        for seeds in SEEDS:
            yield name, seeds, [gap_coverage(seeds, n, gap) if n >= FEWEST_CASES else np.nan for n in CASES], np.nan


def statements() -> Iterator[tuple[str, str, int, list[float]]]:
    """Yield what differences, marks and patients hold: kind, statement, number of seeds, by number of patients."""
    for seeds in SEEDS:
        pairs = {n: [_methods(seeds, n, place) for place in range(2)] for n in TESTED}
        yield (
            *(COVERS, "the interval of a difference of two equal methods covers 0", seeds),
            [_covered((mean_interval(a - b, PLAIN)[:2] for a, b in zip(*pairs[n], strict=True)), 0) for n in TESTED],
        )
        yield (
            *(ERRS, f"two equal methods differ (p < {SIGNIFICANCE}, one comparison)", seeds),
            [_differing(*pairs[n]) for n in TESTED],
        )
        equal, better = ([_marked(seeds, n, lead) for n in TESTED] for lead in (0.0, 0.05))
        yield KEEPS, f"of {ROWS} equal methods a given one is bold", seeds, [float(one[:, 0].mean()) for one in equal]
        yield (
            "",
            f"of {ROWS} equal methods one is not bold",
            seeds,
            [float((~one).any(axis=1).mean()) for one in equal],
        )
        name = f"of {ROWS} methods the one that is better by 0.05 is bold"
        yield KEEPS, name, seeds, [float(one[:, 0].mean()) for one in better]
        name = "the interval covers the mean of patients with two scans"
        yield COVERS, name, seeds, [_of_patients(seeds, n, by_patient=True) for n in TESTED]
        name = "the same with each scan as if of another patient"
        yield "", name, seeds, [_of_patients(seeds, n, by_patient=False) for n in TESTED]
    yield from _few_seeds()


def _few_seeds() -> Iterator[tuple[str, str, int, list[float]]]:
    """Yield how often two equal methods differ, of too few trainings to tell how much trainings differ."""
    name = f"two methods that are equal on average over trainings differ (p < {SIGNIFICANCE})"
    for seeds in (1, 2):
        pairs = {n: [_methods(2, n, place)[:, :seeds] for place in range(2)] for n in TESTED}
        yield "", name, seeds, [_differing(*pairs[n]) for n in TESTED]


def _differing(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.mean([p_value(a - b) < SIGNIFICANCE for a, b in zip(first, second, strict=True)]))


def _methods(seeds: int, patients: int, place: int) -> NDArray[np.float64]:
    shared, own = _normal(seeds, patients, 100), _normal(seeds, patients, 101 + place)
    return 0.7 + 0.1 * (0.6 * shared + 0.8 * own)


def _marked(seeds: int, patients: int, lead: float) -> NDArray[np.bool_]:
    """Return which methods are bold, shape (tables, `ROWS`), where the first is better than the others by `lead`."""
    methods = [_methods(seeds, patients, place) + (lead if place == 0 else 0) for place in range(ROWS)]
    names = [str(place) for place in range(ROWS)]
    marked = [
        as_good_as_the_best(dict(zip(names, one, strict=True)), METRICS["dice"]) for one in zip(*methods, strict=True)
    ]
    return np.array([[name in one for name in names] for one in marked])


def _of_patients(seeds: int, patients: int, *, by_patient: bool) -> float:
    """Return how often the interval covers the mean of patients with two scans, 80 % of whose variance is common."""
    both = _normal(seeds, patients, 200)
    scans = [0.7 + 0.1 * (0.8**0.5 * both + 0.2**0.5 * _normal(seeds, patients, 201 + scan)) for scan in range(2)]
    values = np.mean(scans, axis=0) if by_patient else np.concatenate(scans, axis=2)
    return _covered((mean_interval(table, LOGIT)[:2] for table in values), 0.7)


def page(
    found: Iterable[tuple[str, int, list[float], float]], said: Iterable[tuple[str, str, int, list[float]]]
) -> str:
    """Return the page of `rows` and `statements`."""
    lines = []
    for name, seeds, printed, plain in found:
        ranges = [f"({share:.2f})" for cases, share in zip(CASES, printed, strict=True) if cases < FEWEST_CASES]
        intervals = [f"{share:.3f}" for share in [*printed[len(ranges) :], plain]]
        cells = [cell.replace("(nan)", "–").replace("nan", "–") for cell in ranges + intervals]
        lines.append(f"| {name} | {seeds} | {' | '.join(cells)} |\n")
    shares = [f"| {name} | {seeds} | {' | '.join(f'{one:.3f}' for one in by)} |\n" for _, name, seeds, by in said]
    return HEAD + "".join(lines) + TAIL + "".join(shares) + END


def _normal(seeds: int, cases: int, stream: int = 0) -> NDArray[np.float64]:
    """Return tables of shape (seeds, cases) of standard normal numbers that cases and seeds have in common."""
    rng = np.random.default_rng([seeds, cases, stream])
    share = 0.2 if seeds > 1 else 0.0
    of_cases, of_seeds = rng.normal(size=(REPEATS, 1, cases)), rng.normal(size=(REPEATS, seeds, 1))
    rest = rng.normal(size=(REPEATS, seeds, cases))
    return (0.9 - share) ** 0.5 * of_cases + share**0.5 * of_seeds + 0.1**0.5 * rest


def _covered(intervals: Iterator[tuple[float, float]], mean: float) -> float:
    ends = np.array([ends for ends in intervals if not np.isnan(ends[0])])
    return float(((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean())


if __name__ == "__main__":
    PAGE.write_text(page(rows(), statements()), encoding="utf-8")
