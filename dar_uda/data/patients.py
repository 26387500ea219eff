"""Patients of whom a cases table has several scans."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from dar_uda.data.splits import is_in

LISTED = 5
"""Cases that a message names."""


def problems_of_split(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the patients who have training cases and cases that only test in one domain.

    A case with split `both` is a training case, whose patient trainings may see. A case without a patient is its own.
    """
    cases: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        cases[row["domain"], row["patient"] or row["case"]].append(row)
    for (domain, patient), own in cases.items():
        train = [row["case"] for row in own if is_in(row["split"], "train")]
        test = [row["case"] for row in own if row["split"] == "test"]
        if train and test and set(train) != set(test):  # else it is one case, which stands twice
            yield (
                f"DAR-047: patient {patient[:60]!r} of domain {domain} has training cases ({listed(train)}) and test "
                f"cases ({listed(test)}); move them all to one split, or, if these are scans of different patients, "
                "give the patients different names in column `patient`"
            )


def listed(names: Sequence[str]) -> str:
    """Return names as a message lists them: the first ones, and how many others there are."""
    others = [f"{len(names) - LISTED} more"] if len(names) > LISTED else []
    return ", ".join([*names[:LISTED], *others])
