"""On what a run was computed, and with which versions, from the provenance beside its results."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origins:
    """Devices; versions by package; digests of the code by rule. Several where the jobs differ."""

    devices: list[str]
    packages: dict[str, list[str]]
    code: dict[str, list[str]]


def read_origins(run: str | Path) -> Origins:
    """Return what the files `*.provenance.json` of a run's folder say; see `recorded`."""
    devices, packages, code = set(), {}, {}
    for path in sorted(Path(run).rglob("*.provenance.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        devices.add(record["device"])
        for package, version in record["packages"].items():
            packages.setdefault(package, set()).add(version)
        code.setdefault(record["rule"], set()).add(str(record["params"].get("code", "")))
    return Origins(sorted(devices), _sorted(packages), _sorted(code))


def _sorted(sets: dict[str, set[str]]) -> dict[str, list[str]]:
    return {name: sorted(sets[name]) for name in sorted(sets)}
