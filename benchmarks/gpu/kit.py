"""What must travel to a machine with a card and no network: python -m benchmarks.gpu.kit FOLDER [RESULTS].

FOLDER gets wheels, phantom.tar.xz and, of the run whose folder RESULTS is (results/{run}), volumes.tar.xz.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from benchmarks.gpu.volumes import pack
from benchmarks.gpu.wheels import NAMES, OF_PEERS
from dar_uda.data.phantom import make_phantom
from dar_uda.preprocessing.preprocess import preprocess_image, preprocess_label
from dar_uda.preprocessing.settings import Preprocessing

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
CASES = {"ct": 8, "mr": 14}
MOST_MIB = 60
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def write_kit(folder: Path, results: Path | None) -> None:
    """Write the kit in place of an earlier one and print its size.

    Raises:
        ValueError: It is too large.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    download_wheels(folder / "wheels", [*NAMES, *OF_PEERS])
    with tempfile.TemporaryDirectory() as scratch:
        write_phantoms(Path(scratch), CASES)
        print(f"phantom: {pack(Path(scratch), folder / 'phantom.tar.xz')} cases")
    if results:
        print(f"{results}: {pack(results / 'cases', folder / 'volumes.tar.xz')} cases")
    mib = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    print(f"{folder}: {mib:.1f} MiB")
    if mib > MOST_MIB:
        raise ValueError(f"{folder}: found {mib:.1f} MiB, expected at most {MOST_MIB}: take a run with fewer cases")


def write_phantoms(folder: Path, cases: dict[str, int], size: int | None = None) -> None:
    """Write phantoms on the network grid of the demo: `{domain}/{case}/image.nii` and `label.nii`.

    Args:
        cases: How many of each domain.
        size: Pixels of the in-plane square; None: the demo's.
    """
    task = yaml.safe_load((CONFIG / "tasks" / "phantom.yaml").read_text(encoding="utf-8"))["tasks"]["phantom"]
    grid = task["grid"] | ({"size": size} if size else {})
    values = [[value] for value in task["labels"].values()]
    for domain, count in cases.items():
        for number in range(count):
            case = folder / domain / f"{domain}{number:02d}"
            case.mkdir(parents=True)
            scan, label, network = case / "scan.nii.gz", case / "drawn.nii.gz", case / "grid.json"
            make_phantom(domain, number, scan, label)
            settings = Preprocessing(**grid, intensity=task["domains"][domain]["intensity"])
            preprocess_image(case.name, scan, case / "image.nii", network, settings)
            preprocess_label(case.name, label, scan, network, case / "label.nii", values)


def download_wheels(folder: Path, names: Sequence[str]) -> None:
    """Write the wheels of packages, in the versions that are installed or pinned, for the machine with a card."""
    packages = [f"{name}=={version_of(name)}" for name in names]
    platforms = [option for platform in PLATFORMS for option in ("--platform", platform)]
    target = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *target, "--dest", str(folder)]
    subprocess.run([*command, *packages], check=True)


def version_of(name: str) -> str:
    """Return the version that is installed here, else the one that nnU-Net's environment has."""
    with suppress(PackageNotFoundError):
        return version(name)
    pins = (ROOT / "constraints-nnunet.txt").read_text(encoding="utf-8").split()
    return next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{name}=="))


def main(arguments: Sequence[str]) -> None:
    folder, *results = map(Path, arguments)
    write_kit(folder, results[0] if results else None)


if __name__ == "__main__":
    main(sys.argv[1:])
