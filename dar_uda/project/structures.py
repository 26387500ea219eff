"""The structures of a task and their values in the label files of both domains."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from dar_uda.data.layouts.case import Case
from dar_uda.data.volume import read_label
from dar_uda.project.choice import Choice
from dar_uda.project.names import Values
from dar_uda.project.survey import Facts

MOST_LISTED = 20


@dataclass(frozen=True)
class Said:
    """What the user and the folders say of the structures, before any scan is read.

    Attributes:
        given: Of the options `--labels` and `--target-labels`, empty where they were not.
        described: What the folders of source and target say, and in which file: see `read_names`.
    """

    given: tuple[Values, Values]
    described: tuple[tuple[Values, str], tuple[Values, str]]

    def of_source(self) -> tuple[Values, str]:
        """Return the structures with their values in the source's files, and what says so."""
        return (self.given[0], "--labels") if self.given[0] else self.described[0]

    def of_target(self) -> tuple[Values, str]:
        """Return the structures whose values in the target's files are said, with these, and what says so."""
        if self.given[1]:
            return self.given[1], "--target-labels"
        names = self.of_source()[0]
        values, origin = self.described[1]
        return {name: own for name, own in values.items() if name in names}, origin

    def values(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return the values of each structure in the files of source and target."""
        source = self.of_source()[0]
        return list(source.values()), list({**source, **self.of_target()[0]}.values())


def check_said(domains: tuple[str, str], cases: Sequence[Case], said: Said) -> None:
    """Raise what can be seen before the scans are read; of all labels, at most one is read, to cite its values.

    Raises:
        ValueError: No label of the source, no names of structures, or values of a structure that has no name.
    """
    labeled = [[case for case in cases if case.domain == domain and case.label] for domain in domains]
    if not labeled[0]:
        raise ValueError(_unlabeled(domains, bool(labeled[1])))
    values, _ = said.of_source()
    if not values:
        raise ValueError(_unnamed(labeled[0][0]))
    if unknown := said.given[1].keys() - values.keys():
        raise ValueError(
            f"DAR-410: --target-labels names {', '.join(sorted(unknown))}; expected structures of the source, "
            f"{', '.join(values)}: correct the names, or add the structure to --labels"
        )


def choose_structures(domains: tuple[str, str], facts: Sequence[Facts], said: Said) -> tuple[Choice, Choice]:
    """Return the structures with their values in the source's files, and in the target's where they differ.

    Args:
        domains: Source and target.
        facts: Of all cases of both.
        said: As `check_said` lets it pass.

    Raises:
        ValueError: Values that no label of the source holds, or values of the target that are not the source's.
    """
    source, target = (_counts(facts, domain) for domain in domains)
    values, origin = said.of_source()
    named = {value for own in values.values() for value in own}
    if absent := {name: own for name, own in values.items() if not source.keys() & set(own)}:
        raise ValueError(
            f"DAR-410: {origin} names {_written(absent)}, which no label of {domains[0]} holds; found the values "
            f"{_listed(source) or 'none'}: correct the values, or leave the structure out"
        )
    others = sorted(source.keys() - named)
    reason = f"Values in the labels of {domains[0]}, names of {origin}. Labels that hold them: " + ", ".join(
        f"{name} {max(source[value] for value in own if value in source)}" for name, own in values.items()
    )
    reason += f". Without a name, so background: {_listed(others)}" if others else ""
    return Choice(values, f"{reason}."), _of_target(domains, values, named | set(others), target, *said.of_target())


def _of_target(
    domains: tuple[str, str],
    values: Values,
    known: Collection[int],
    found: Counter[int],
    own: Values,
    origin: str,
) -> Choice:
    differing = {name: numbers for name, numbers in own.items() if set(numbers) != set(values[name])}
    if own:
        return Choice(differing, f"Values in the labels of {domains[1]}, of {origin}.")
    if strange := sorted(found.keys() - set(known)):
        raise ValueError(
            f"DAR-405: The labels of {domains[1]} hold the values {_listed(found)}, those of {domains[0]} "
            f"{_written(values)}; found {_listed(strange)} in {domains[1]} alone: say the values of the target, as in "
            f"--target-labels {_example(found, values)}"
        )
    return Choice({}, "")


def _counts(facts: Sequence[Facts], domain: str) -> Counter[int]:
    """Return how many labels of a domain hold each value."""
    return Counter(value for one in facts if one.case.domain == domain for value in one.values)


def _unlabeled(domains: tuple[str, str], target_is_labeled: bool) -> str:
    source, target = domains
    if target_is_labeled:
        return (
            f"DAR-403: No scan of the source {source} has a label, and scans of the target {target} have: the first "
            f"folder is that with the labels; exchange the two: dar-uda init {target}=... {source}=..."
        )
    return (
        f"DAR-403: No scan of the source {source} has a label, and none of the target {target}; expected labels of the "
        "source: put each beside its scan under the scan's name with _label at the end, such as p1.nii.gz and "
        "p1_label.nii.gz"
    )


def _unnamed(case: Case) -> str:
    assert case.label is not None  # nosec B101 # for mypy: the caller asks about labels that are there
    values = [int(value) for value in np.unique(np.rint(read_label(case.label, case.image).array)) if value]
    return (
        f"DAR-404: The labels of {case.domain} hold numbers, {case.label} the values {_listed(values) or 'none'}, and "
        "no file says which structures these are: name them, as in --labels "
        f"{_example(values) or 'liver=1,spleen=2'}; a value without a name counts as background"
    )


def _listed(values: Collection[int]) -> str:
    shown = sorted(values)[:MOST_LISTED]
    return ", ".join(map(str, shown)) + (", ..." if len(values) > MOST_LISTED else "")


def _written(values: Values) -> str:
    return ",".join(f"{name}={','.join(map(str, own))}" for name, own in values.items())


def _example(found: Collection[int], names: Collection[str] = ()) -> str:
    own = list(names) or [f"name_of_{value}" for value in sorted(found)]
    return ",".join(f"{name}={value}" for name, value in zip(own, sorted(found)[:MOST_LISTED], strict=False))
