"""Pack runs for trials on a lent machine with a card: python -m benchmarks.ideas.kit FOLDER CONFIG ....

FOLDER gets wheels, and of the run of each CONFIG an archive: its config, cases table, labels, and volumes on the
network grid. These must lie below the working directory:
snakemake --configfile CONFIG --until preprocess_label measure_structures
"""

import csv
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.gpu.kit import download_wheels
from benchmarks.gpu.wheels import NAMES
from benchmarks.ideas.__main__ import plan_of
from dar_uda.plan.cases import Case
from dar_uda.plan.plan import Plan
from dar_uda.plan.volumes import IMAGE
from dar_uda.preprocessing.slices import extract_slices

PLANNING = ("jsonschema", "jsonschema-specifications", "referencing", "rpds-py", "attrs")
"""What the plan of a run imports beside that."""
COLUMNS = ["case", "domain", "image", "label", "split"]


def main(arguments: Sequence[str]) -> None:
    folder, *configs = map(Path, arguments)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    download_wheels(folder / "wheels", [*NAMES, *PLANNING])
    for config in configs:
        pack(config, folder)
    mib = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    print(f"{folder}: {mib:.1f} MiB")


def pack(config: Path, folder: Path) -> None:
    """Write the archive of a run, whose paths are from the working directory of the other machine."""
    plan = plan_of(config)
    run = plan.config.run
    with tarfile.open(folder / f"{run}.tar.xz", "w:xz") as archive, tempfile.TemporaryDirectory() as scratch:
        described = _described(config, plan, Path(scratch))
        archive.add(described, f"kit/{run}")
        for name in ("cases", "structures"):
            archive.add(f"{plan.paths.folder}/{name}", f"{plan.paths.folder}/{name}")


def unpack(kit: Path) -> None:
    """Unpack all runs of a kit into the working directory, and cut their slices.

    Raises:
        FileNotFoundError: There is none.
    """
    if not (archives := sorted(kit.glob("*.tar.xz"))):
        raise FileNotFoundError(f"{kit}: found no .tar.xz, expected a folder that `benchmarks.ideas.kit` wrote")
    for path in archives:
        with tarfile.open(path) as archive:
            archive.extractall(filter="data")
        plan = plan_of(config_of(path.name.removesuffix(".tar.xz")))
        for domain in plan.config.task.domains:
            names = plan.cases.of(domain, "train")
            slices, table = (Path(plan.paths.slices(domain, suffix)) for suffix in ("npy", "tsv"))
            slices.parent.mkdir(exist_ok=True)
            extract_slices(plan.paths.cases(domain, names, IMAGE), names, slices, table)


def config_of(run: str) -> Path:
    """Return the config file of an unpacked run."""
    return Path("kit", run, "config.yaml")


def _described(config: Path, plan: Plan, scratch: Path) -> Path:
    """Write config, cases table and labels; images, which a plan must find and no trial reads, are empty files.

    The order of the structures in the config is that of the classes in the volumes.
    """
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    cases = f"kit/{plan.config.run}/cases.tsv"
    (scratch / "config.yaml").write_text(yaml.safe_dump({**values, "cases": cases}, sort_keys=False), encoding="utf-8")
    with (scratch / "cases.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(case, scratch) for case in plan.cases.all)
    return scratch


def _row(case: Case, scratch: Path) -> dict[str, str]:
    row = {"case": case.name, "domain": case.domain, "split": case.split, "label": ""}
    for what in ("image", "label") if case.label else ("image",):
        of_case = Path(getattr(case, what))
        path = Path(what, case.domain, f"{case.name}{''.join(of_case.suffixes)}")
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        if what == "label":
            shutil.copy(of_case, scratch / path)
        else:
            (scratch / path).touch()
        row[what] = str(path)
    return row


if __name__ == "__main__":
    main(sys.argv[1:])
