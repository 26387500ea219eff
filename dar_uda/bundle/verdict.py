"""Whether adaptation helped in the run that a bundle comes from, without labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dar_uda.evaluation.adaptation import COLUMNS, read_adaptation, verdicts_in_words
from dar_uda.plan.paths import Paths


def verdict_of(run: Path, direction: str, method: str) -> dict[str, Any] | None:
    """Return the row of a run's `tables/adaptation.tsv` for a method, by column; None where it has none."""
    table = read_adaptation(run / Paths().adaptation_table)
    rows = table[(table["direction"] == direction) & (table["method"] == method)].astype(object)
    kept = rows[COLUMNS[2:]].where(rows.notna(), None).to_dict("records")
    return kept[0] if kept else None


def verdict_in_words(facts: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the verdict that a bundle carries; none where it carries none.

    Args:
        facts: What `bundle.json` holds.
    """
    verdict = facts.get("adaptation")
    if not verdict:
        return []
    said = verdicts_in_words(pd.DataFrame([{"method": facts["method"], **verdict}]))
    return [f"In the run of this bundle (test patients: {verdict['patients']}), {said[0]}."]
