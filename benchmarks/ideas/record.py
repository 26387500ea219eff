"""The table of trials."""

import csv
import fcntl
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

TABLE = Path(__file__).parent / "measured" / "trials.tsv"
COLUMNS = ["variant", "settings", "run", "direction", "seed", "code", "stage", "structure", "dice", "minutes", "date"]


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


def record(key: Key, stage: str, dice: Mapping[str, float], minutes: float) -> None:
    """Append a row per structure and one of their mean; the CPU minutes are those of the stage's training."""
    print(key.variant, key.direction, f"seed {key.seed} {stage}: {minutes:.1f} min", _in_words(dice), flush=True)
    with TABLE.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        if file.tell() == 0:
            rows.writerow(COLUMNS)
        today = datetime.now().date()
        for structure, value in dice.items():
            rows.writerow([*astuple(key), stage, structure, f"{value:.4f}", f"{minutes:.1f}", today])


def _in_words(dice: Mapping[str, float]) -> str:
    return ", ".join(f"{structure} {value:.3f}" for structure, value in dice.items())
