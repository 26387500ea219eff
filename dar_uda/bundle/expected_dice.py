"""The Dice to expect of the masks in a folder, a table of it, the lowest first: which to look at."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.confidence import FIRST, look_first
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.permissions import no_wider_than

logger = logging.getLogger(__name__)
FILE = "expected_dice.tsv"
COLUMNS = ["image", "structure", "tta_inconsistency", "volume_ratio", "confidence", "expected_dice"]


def add_expected_dice(path: Path, image: str, rows: pd.DataFrame) -> None:
    """Put the rows of a scan in place of those that the file has of it, and sort all, the least sure first.

    Args:
        rows: See `Segmenter.predict_with_expected_dice`; those without a confidence are left out.
    """
    before, rows = read_expected_dice(path), rows.dropna(subset="confidence").assign(image=image)
    if before.empty and rows.empty:
        return
    both = before[before["image"] != image], rows[COLUMNS]
    joined = pd.concat([part for part in both if not part.empty]).astype(dict.fromkeys(COLUMNS[2:], float))
    with no_wider_than([path], path.parent), write_beside(path) as partial:
        joined.sort_values("confidence", kind="stable").to_csv(partial, sep="\t", index=False, float_format="%.4f")


def read_expected_dice(path: Path) -> pd.DataFrame:
    """Return the rows of the file; none where there is no file.

    Raises:
        ValueError: The file is another one, or a folder.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        numbers = {name: [""] for name in COLUMNS[2:]}
        text = {"image": str, "structure": str}
        table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values=numbers)
    except (ValueError, IsADirectoryError):
        table = pd.DataFrame()
    if list(table.columns) != COLUMNS:
        raise ValueError(
            f"DAR-480: {path}: expected the columns {', '.join(COLUMNS)}, which `dar-uda predict` writes: "
            "give another folder with -o, or move that away"
        )
    return table


def log_first(path: Path, images: Sequence[str]) -> None:
    """Log which of these scans to look at first, and why."""
    table = read_expected_dice(path)
    table = table[table["image"].isin(images)].rename(columns={"image": "case"}).assign(agreement=float("nan"))
    for row in look_first(table, FIRST).itertuples():
        logger.info(
            "Look at these first: %s, %s, expected Dice %.2f: %s",
            row.case,
            row.structure,
            row.expected_dice,
            row.reason,
        )
