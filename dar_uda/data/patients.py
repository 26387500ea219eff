"""Patients of whom a cases table has several scans."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

LISTED = 5
"""Cases that a message names."""


def problems_of_split(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the patients who have training cases and test cases in one domain; a case without a patient is its own."""
    cases: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cases[row["domain"], row["patient"] or row["case"]][row["split"]].append(row["case"])
    for (domain, patient), of_split in cases.items():
        train, test = of_split["train"], of_split["test"]
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
