"""The intervals of tables cover what they say, and docs/intervals.md shows what they cover."""

import pytest

from dar_uda.evaluation.intervals import FEWEST_CASES
from docs.coverage import CASES, COVERS, ERRS, FAILURES, KEEPS, PAGE, SMALL_GAPS, page, rows, statements

PRINTED = [index for index, cases in enumerate(CASES) if cases >= FEWEST_CASES]


@pytest.mark.slow
def test_intervals_cover_the_mean_as_often_as_they_say_and_the_page_has_these_numbers():
    found = list(rows())
    covered = {(name, seeds, CASES[at]): printed[at] for name, seeds, printed, _ in found for at in PRINTED}
    outside = {
        row: share
        for row, share in covered.items()
        if row[0] not in FAILURES | SMALL_GAPS and not 0.92 <= share <= 0.98
    }
    assert len(covered) > 30 and outside == {}
    said = list(statements())
    limits = {COVERS: (0.92, 0.98), ERRS: (0, 0.08), KEEPS: (0.95, 1)}
    assert [
        row for row in said if row[0] and not all(limits[row[0]][0] <= one <= limits[row[0]][1] for one in row[3])
    ] == []
    assert PAGE.read_text(encoding="utf-8") == page(found, said), "run `python -m docs.coverage`"
