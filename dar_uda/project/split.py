"""Which cases train and which test, by patient."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dar_uda.data.layouts.case import Case
from dar_uda.data.layouts.split import draw_split
from dar_uda.data.splits import is_in
from dar_uda.project.choice import Choice

FEWEST = 3
"""Test cases without a warning."""


def choose_split(cases: Sequence[Case], domains: tuple[str, str], test_fraction: float, seed: int) -> Choice:
    """Return the cases with their split, and why: all of the source train, of the target a part tests.

    Without labels of the target, or with those of one patient alone, all of its scans are both. A split that a case
    has, as in a cases table or a published one, stays.

    Args:
        domains: Source and target.
        test_fraction: Of the target's labeled patients.
        seed: Of that draw.
    """
    source, target = domains
    own = [case if case.split else replace(case, split="train") for case in cases if case.domain == source]
    others = [case for case in cases if case.domain == target]
    labeled = {case.patient for case in others if case.label}
    if all(case.split for case in others):
        return Choice([*own, *others], "The split is that of the table or of the data set.")
    if len(labeled) < 2:
        both = [replace(case, split="both") for case in others]
        what = "has labels of one patient alone" if labeled else "has no labels"
        return Choice(
            [*own, *both],
            f"{source} trains. {target} {what}: all of its {len(both)} scans are trained on, unlabeled, and segmented "
            "(split: both).",
        )
    drawn = draw_split(others, test_fraction, seed)
    tests = sum(case.split == "test" for case in drawn)
    return Choice(
        [*own, *drawn],
        f"{source} trains. Of {target}, {tests} of {len(drawn)} cases test, drawn by patient among those with labels "
        f"(fraction {test_fraction:g}, seed {seed}); the others train; their labels are for supervised "
        "alone, if it is among the methods.",
    )


def split_in_words(cases: Sequence[Case], target: str) -> Iterator[str]:
    """Yield how many test cases the split of a target leaves, and a warning where they are few.

    Where any has a label, those with one count: the others have no score.
    """
    tests = [case for case in cases if case.domain == target and is_in(case.split or "", "test")]
    labeled = sum(case.label is not None for case in tests)
    yield f"test cases of {target}: {len(tests)}, with a label: {labeled}"
    if (count := labeled or len(tests)) < FEWEST:
        yield (
            f"WARNING: {target} has {count} test case{'' if count == 1 else 's'}{' with a label' if labeled else ''}, "
            f"fewer than {FEWEST}: a mean over so few says little, and its interval is wide or absent. Have more cases "
            "test (a higher --test-fraction, or `split` in cases.tsv), or add scans (DAR-541)"
        )
