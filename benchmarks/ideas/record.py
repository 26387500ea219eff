"""The tables of trials: means of structures, and means of cases."""

import csv
import fcntl
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import torch

TABLE = Path(__file__).parent / "measured" / "trials.tsv"
KEY = ["variant", "settings", "run", "direction", "seed", "code", "stage"]
COLUMNS, CASE_COLUMNS = [*KEY, "structure", "dice", "minutes", "date", "device"], [*KEY, "case", "dice"]


@dataclass(frozen=True)
class Key:
    """What was measured: a variant with its settings, in a run (task, budget and cases), direction and seed.

    Attributes:
        code: Digest of the package's training of segmenters. The looks of this folder are not in it: a changed one gets
            a new name.
    """

    variant: str
    settings: str
    run: str
    direction: str
    seed: int
    code: str


def is_recorded(key: Key, stage: str) -> bool:
    """Return whether the table has a stage of a trial."""
    if not TABLE.exists():
        return False
    with TABLE.open(newline="") as file:
        wanted = [*map(str, astuple(key)), stage]
        return any(row[: len(wanted)] == wanted for row in csv.reader(file, delimiter="\t"))


def cases_table() -> Path:
    """Return the table of the cases' means, beside that of the structures' means."""
    return TABLE.with_name("cases.tsv")


def record(key: Key, stage: str, dice: pd.DataFrame, minutes: float, device: torch.device) -> None:
    """Append rows to both tables: one per case; one per structure, and one of their mean.

    Args:
        dice: `case structure dice`, every case with every structure.
        minutes: Of the stage's training: of CPU time, and on a card of wall time.
    """
    means = dice.groupby("structure", sort=False)["dice"].mean().to_dict()
    means["mean"] = sum(means.values()) / len(means)
    print(key.variant, key.direction, f"seed {key.seed} {stage}: {minutes:.1f} min", _in_words(means), flush=True)
    start, today = [*astuple(key), stage], datetime.now().date()
    by_case = dice.groupby("case", sort=False)["dice"].mean()
    _append(cases_table(), CASE_COLUMNS, ([*start, case, f"{value:.4f}"] for case, value in by_case.items()))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    rows = ([*start, structure, f"{value:.4f}", f"{minutes:.1f}", today, name] for structure, value in means.items())
    _append(TABLE, COLUMNS, rows)


def _append(table: Path, columns: list[str], rows: Iterable[list[object]]) -> None:
    with table.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(columns)
        writer.writerows(rows)


def _in_words(dice: Mapping[str, float]) -> str:
    return ", ".join(f"{structure} {value:.3f}" for structure, value in dice.items())
