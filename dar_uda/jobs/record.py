"""What the provenance of a result says, and where the files that it names are now."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dar_uda.jobs.provenance import FORMAT, provenance_path


@dataclass(frozen=True)
class Record:
    """The provenance of a result of a run, which may have been moved, copied or renamed since, or lie behind a link.

    Attributes:
        run: Folder of the run as it lies on the disk now.
        origin: The same folder as its provenance names it.
        facts: What the file holds, see `recorded`.
    """

    run: Path
    origin: Path
    facts: dict[str, Any]

    @property
    def wildcards(self) -> dict[str, str]:
        return self.facts["wildcards"]

    @property
    def params(self) -> dict[str, Any]:
        return self.facts["params"]

    @property
    def inputs(self) -> list[str]:
        return list(self.facts["inputs"])

    @property
    def has_present_names(self) -> bool:
        """Whether its values and files have the names that this version gives them."""
        return bool(self.facts.get("format") == FORMAT)

    def check_names(self) -> None:
        """Stop where `has_present_names` is false.

        Raises:
            ValueError: It is.
        """
        if not self.has_present_names:
            raise ValueError(
                f"DAR-326: {self.run} was made by a version of DAR-UDA that used other names: view and export it with "
                "that version, or run its snakemake command again to make its results with this version"
            )

    def locate(self, name: str) -> Path:
        """Return a file of the provenance: below the run wherever that is now, else from its working directory."""
        if Path(name).is_relative_to(self.origin):
            return self.run / Path(name).relative_to(self.origin)
        if (here := Path.cwd() / self.origin).exists() and here.samefile(self.run):
            return Path.cwd() / name
        return Path(*self.run.parts[: -len(self.origin.parts)]) / name


def parts_of(record: Record) -> list[Record]:
    """Return the provenance of the results that a job only gathered, its own where it made its result itself."""
    if not record.facts["rule"].startswith("gather_"):
        return [record]
    paths = [provenance_path(record.locate(name)) for name in record.inputs]
    return [read_record(record.run, path) for path in paths if path.exists()]


def read_record(run: Path, path: Path) -> Record:
    """Return a file of provenance below `run`."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    depth = len(path.relative_to(run).parts)
    origin = Path(*Path(next(iter(facts["outputs"]))).parts[:-depth])
    return Record(run, origin, facts)


def plain(path: str | Path) -> Path:
    """Return an absolute path without `..`; links stay, as far as they lead to the same place without it."""
    path = Path(path)
    short = Path(os.path.normpath(path.absolute()))
    same = short.exists() and short.samefile(path) if path.exists() else True
    return short if same else path.resolve()
