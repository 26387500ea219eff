"""The structures of a task and their values in the label files of both domains."""

from collections import Counter
from collections.abc import Collection, Sequence

from dar_uda.project.choice import Choice
from dar_uda.project.names import Values
from dar_uda.project.survey import Facts

MOST_LISTED = 20


def choose_structures(
    domains: tuple[str, str],
    facts: Sequence[Facts],
    given: tuple[Values, Values],
    described: tuple[tuple[Values, str], tuple[Values, str]],
) -> tuple[Choice, Choice]:
    """Return the structures with their values in the source's files, and in the target's where they differ.

    Args:
        domains: Source and target.
        facts: Of all cases of both.
        given: Of the options `--labels` and `--target-labels`, empty where they were not.
        described: What the folders of source and target say, and in which file: see `read_names`.

    Raises:
        ValueError: No label of the source, values without names, or values of the target that are not the source's.
    """
    source, target = (_counts(facts, domain) for domain in domains)
    if not source:
        raise ValueError(_unlabeled(domains, bool(target)))
    values, origin = (given[0], "--labels") if given[0] else described[0]
    if not values:
        raise ValueError(
            f"DAR-404: The labels of {domains[0]} hold the values {_listed(source)}, and no file says which structures "
            f"these are: name them, as in --labels {_example(source)}; a value without a name counts as background"
        )
    named = {value for own in values.values() for value in own}
    if absent := {name: own for name, own in values.items() if not source.keys() & set(own)}:
        raise ValueError(
            f"DAR-410: {origin} names {_written(absent)}, which no label of {domains[0]} holds; found the values "
            f"{_listed(source)}: correct the values, or leave the structure out"
        )
    others = sorted(source.keys() - named)
    reason = f"Values in the labels of {domains[0]}, names of {origin}. Labels that hold them: " + ", ".join(
        f"{name} {max(source[value] for value in own if value in source)}" for name, own in values.items()
    )
    reason += f". Without a name, so background: {_listed(others)}" if others else ""
    return Choice(values, f"{reason}."), _of_target(
        domains, values, named | set(others), target, given[1], described[1]
    )


def _of_target(
    domains: tuple[str, str],
    values: Values,
    known: Collection[int],
    found: Counter[int],
    given: Values,
    described: tuple[Values, str],
) -> Choice:
    if unknown := given.keys() - values.keys():
        raise ValueError(
            f"DAR-410: --target-labels names {', '.join(sorted(unknown))}; expected structures of the source, "
            f"{', '.join(values)}: correct the names, or add the structure to --labels"
        )
    own = given or {name: numbers for name, numbers in described[0].items() if name in values}
    origin = "--target-labels" if given else described[1]
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


def _listed(values: Collection[int]) -> str:
    shown = sorted(values)[:MOST_LISTED]
    return ", ".join(map(str, shown)) + (", ..." if len(values) > MOST_LISTED else "")


def _written(values: Values) -> str:
    return ",".join(f"{name}={','.join(map(str, own))}" for name, own in values.items())


def _example(found: Collection[int], names: Collection[str] = ()) -> str:
    own = list(names) or [f"name_of_{value}" for value in sorted(found)]
    return ",".join(f"{name}={value}" for name, value in zip(own, sorted(found)[:MOST_LISTED], strict=False))
