"""A split into training and test cases by patient."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dar_uda.data.layouts.case import Case


def draw_split(cases: Sequence[Case], test_fraction: float, seed: int) -> list[Case]:
    """Return the cases, those without a split given one.

    A share of the patients is drawn for testing, at least one and not all; separately for the patients of each set of
    domains, so that every domain has test cases. Where patients of such a set have labels, only those are drawn: a test
    case without a label has no score. A patient's cases stay together. A split that a case has stays.

    Args:
        test_fraction: Between 0 and 1.
        seed: The same seed draws the same patients, in whatever order the cases come.
    """
    open_cases = [case for case in cases if case.split is None]
    domains, labeled = defaultdict(set), set()
    for case in open_cases:
        domains[case.patient].add(case.domain)
        labeled |= {case.patient} if case.label else set()
    groups = defaultdict(list)
    for patient in sorted(domains):
        groups[tuple(sorted(domains[patient]))].append(patient)
    rng = np.random.default_rng(seed)
    test = set()
    for _, group in sorted(groups.items()):
        patients = [patient for patient in group if patient in labeled] or group
        count = min(max(1, round(test_fraction * len(patients))), len(patients) - 1)
        test |= {patients[k] for k in rng.permutation(len(patients))[:count]}
    return [case if case.split else replace(case, split="test" if case.patient in test else "train") for case in cases]
