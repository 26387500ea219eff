"""Packages that a machine without a network lacks, from the wheels of the kit."""

import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = ("nibabel", "adabelief-pytorch", "colorama", "tabulate", "joblib", "safetensors", "packaging", "PyYAML")
"""What the stages import, themselves or through another, and a machine with torch, NumPy, pandas and SciPy may lack."""
OF_PEERS = ("monai", "dynamic_network_architectures", "nnunetv2")
"""What the networks of other tools need beyond that."""


def unpack_missing(wheels: Path, site: Path) -> Iterator[Path]:
    """Unpack the wheels whose package is not installed into a folder, and yield that folder if there are any."""
    missing = [wheel for wheel in sorted(wheels.glob("*.whl")) if not _installed(wheel.name.partition("-")[0])]
    for wheel in missing:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    if missing:
        yield site


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
