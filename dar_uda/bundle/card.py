"""The page that tells a stranger what a bundle is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def model_card(facts: Mapping[str, Any], metrics: Path) -> str:
    """Return the model card, Markdown.

    Args:
        facts: What `bundle.json` holds.
        metrics: TSV of `score_method`; need not exist.
    """
    source = facts["direction"].partition("-to-")[0]
    lines = [
        f"# {facts['method']}, {facts['direction']}, task {facts['task']}",
        "",
        f"Segments {', '.join(facts['structures'])} in scans of the domain `{facts['domain']}`. Made by DAR-UDA's "
        f"method `{facts['method']}` with labels of `{source}`; how, tells `provenance.json`.",
        "",
        "    dar-uda predict FOLDER_OF_THIS_PAGE SCAN... -o masks",
        "",
        f"Classes in the masks: {', '.join(f'{i} {name}' for i, name in enumerate(facts['structures'], start=1))}.",
        "",
        f"Licence of the weights: {facts['licence']}",
        "",
        "## How good",
        "",
        *_scores(facts["structures"], metrics),
        "",
        "## What it is not",
        "",
        "A medical device. It knows scans like those of its training; `dar-uda predict` warns of scans that look "
        "unlike them, by their brightness alone. Look at every mask.",
    ]
    return "\n".join(lines) + "\n"


def _scores(structures: list[str], metrics: Path) -> list[str]:
    if not metrics.exists():
        return ["No test case had a reference: nobody knows."]
    table = pd.read_csv(metrics, sep="\t", dtype={"case": str})
    rows = [
        f"Means over the {table['case'].nunique()} test cases of the run:",
        "",
        "| structure | Dice | ASD mm |",
        "|---|--:|--:|",
    ]
    for structure in structures:
        of = table[table["structure"] == structure]
        rows.append(f"| {structure} | {of['dice'].mean():.3f} | {of['asd_mm'].mean():.2f} |")
    return rows
