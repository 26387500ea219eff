"""A cases table of which every labeled case trains and is tested: python -m benchmarks.ideas.transductive TABLE NEW."""

import csv
import sys
from pathlib import Path


def write_transductive(table: Path, new: Path) -> None:
    """Write the cases of `table` with absolute paths, those with a label as `both`, the others as `train`."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with new.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            paths = {
                what: str((table.parent / row[what]).resolve()) if row[what] else "" for what in ("image", "label")
            }
            writer.writerow({**row, **paths, "split": "both" if row["label"] else "train"})


if __name__ == "__main__":
    write_transductive(*map(Path, sys.argv[1:]))
