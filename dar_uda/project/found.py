"""What two folders hold, and whether a run can be made of it."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from dar_uda.data.checks.finding import report
from dar_uda.data.checks.planes import PlacedCase, findings_of_planes
from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.table import check_names, printable
from dar_uda.project.recognize import NAMES_TELL_DOMAIN, domain_and_place, find, recognize
from dar_uda.project.survey import Facts

LISTED = 8
Places = tuple[tuple[str, Path], tuple[str, Path]]
"""Domain and folder, or cases table, of source and target."""


def read_places(source: str, target: str) -> Places:
    """Return domain and place of source and target, from `DOMAIN=FOLDER` or `DOMAIN=TABLE`.

    Raises:
        ValueError: One has no such form, or the two are one.
    """
    first, second = domain_and_place(source), domain_and_place(target)
    if first[0] == second[0]:
        raise ValueError(
            f"DAR-408: Source and target have one domain, {first[0]}: give the two kinds of scans different names, "
            f"such as {first[0]}={first[1]} and {first[0]}2={second[1]}"
        )
    tells_apart = first[1].is_file() or recognize(first[1]) in NAMES_TELL_DOMAIN
    if first[1].resolve() == second[1].resolve() and not tells_apart:
        raise ValueError(
            f"DAR-408: Source and target are one folder, {first[1]}: give the scans of {first[0]} and of {second[0]} a "
            "folder each, or a cases table that says which is which"
        )
    return first, second


def find_cases(places: Places) -> tuple[list[str], list[Case]]:
    """Return what was found in words, and the cases.

    Raises:
        ValueError: See `find`; or two cases of a domain have one name.
    """
    lines, cases = [], []
    for domain, place in places:
        layout, found = find(domain, place)
        labeled = sum(case.label is not None for case in found.cases)
        lines.append(f"{domain}: {len(found.cases)} scans, {labeled} with a label, in {place} (layout {layout})")
        lines += _left_out(found)
        cases += found.cases
    check_names([(case.domain, case.name, case.image) for case in cases])
    return lines, cases


def _left_out(found: Found) -> list[str]:
    lines = [printable(f"  left out: {path} {reason}") for path, reason in found.left_out[:LISTED]]
    more = len(found.left_out) - LISTED
    return [*lines, *([f"  left out: {more} more"] if more > 0 else []), *(f"  {line}" for line in found.remarks)]


def check_facts(facts: Sequence[Facts]) -> list[str]:
    """Return the warnings about the cases.

    Raises:
        ValueError: Something stops a run; the message has all of it.
    """
    findings = [finding for one in facts for finding in one.findings]
    placed = [PlacedCase(one.case.name, one.case.domain, one.case.image, one.grid) for one in facts if one.grid]
    findings += findings_of_planes(placed, None)
    lines = list(report(findings, len(facts)))
    if any(finding.kind.stops for finding in findings):
        raise ValueError("\n".join(["DAR-413: These scans cannot be used as they are.", *lines]))
    same = defaultdict(list)
    for one in facts:
        same[one.digest].append(one.case)
    if twice := [cases for cases in same.values() if len(cases) > 1]:
        pairs = "".join(f"\n  {' and '.join(str(case.image) for case in cases)}" for cases in twice[:LISTED])
        raise ValueError(f"DAR-407: One scan is there several times; expected it once: move all but one away:{pairs}")
    return lines if len(lines) > 1 else []
