"""What is installed is what locks/ lists, to the byte; torch, whose files depend on the index, by its version."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
APART = set(PYPROJECT["tool"]["pip-tools"]["unsafe-package"])
"""torch and the wheels that its builds for GPUs pull."""
LOCKS = sorted(path.name for path in (REPOSITORY / "locks").glob("*.txt"))
INSTALLERS = ("Makefile", "Containerfile", "apptainer.def")
EXTRAS = tuple(PYPROJECT["project"]["optional-dependencies"])
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
    for python in ("3.11", "3.12", "3.13", "3.14")
    for machine in ("x86_64", "aarch64")
]


class Locked(NamedTuple):
    """What a lock says of a package."""

    version: str
    hashes: list[str]


@cache
def packages_of(lock: str) -> dict[str, Locked]:
    """Return the packages of a file of locks/ by their normalized names."""
    text = (REPOSITORY / "locks" / lock).read_text()
    entries = re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\\n((?:    --hash=.*\n)+)", text, re.M)
    return {
        canonicalize_name(name): Locked(found, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", hashes))
        for name, found, hashes in entries
    }


def pins_of(file: str) -> dict[str, str]:
    pairs = (line.split("==") for line in (REPOSITORY / file).read_text().split())
    return {canonicalize_name(name): pin for name, pin in pairs}


def asked_for(*extras: str) -> list[Requirement]:
    """Return the requirements of the project with some of its extras, torch apart."""
    project = PYPROJECT["project"]
    texts = project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]
    return [requirement for requirement in map(Requirement, texts) if requirement.name not in APART]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_line_of_a_lock_is_a_version_with_hashes_and_names_no_index(lock):
    text = (REPOSITORY / "locks" / lock).read_text()
    packages = packages_of(lock)
    entries = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert len(entries) == len(packages) > 0
    assert all(package.hashes for package in packages.values())
    assert not re.search(r"://|\b(index-url|find-links|trusted-host)\b|^-", text, re.M)
    assert not {name for name in packages if name in APART or name.startswith(("nvidia-", "cuda-"))}


@pytest.mark.parametrize(("lock", "extras"), [("all.txt", EXTRAS), ("run.txt", ("slurm",))])
def test_each_requirement_of_the_project_is_in_the_lock(lock, extras):
    packages = packages_of(lock)
    for requirement in asked_for(*extras):
        assert packages[canonicalize_name(requirement.name)].version in requirement.specifier, requirement


def test_the_lock_of_the_build_is_what_pyproject_builds_with():
    packages = packages_of("build.txt")
    assert set(packages) == {"setuptools"}
    assert all(packages[r.name].version in r.specifier for r in map(Requirement, PYPROJECT["build-system"]["requires"]))


@pytest.mark.parametrize(("pins", "lock"), [("constraints.txt", "all.txt"), ("constraints-nnunet.txt", "nnunet.txt")])
def test_constraints_and_locks_agree(pins, lock):
    pinned = {name: pin for name, pin in pins_of(pins).items() if name not in APART}
    assert "torch" in pins_of(pins) and len(pinned) > 18
    packages = packages_of(lock)
    assert {name: packages[name].version for name in pinned} == pinned


def test_locks_have_one_version_of_a_package():
    everything = packages_of("all.txt")
    for lock in ("run.txt", "build.txt", "nnunet.txt"):
        packages = packages_of(lock)
        assert {name: packages[name].version for name in packages.keys() & everything.keys()} == {
            name: everything[name].version for name in packages.keys() & everything.keys()
        }, lock
    assert packages_of("run.txt").keys() | packages_of("build.txt").keys() <= everything.keys()


def test_the_versions_of_what_the_project_names_are_in_the_constraints():
    named = {canonicalize_name(requirement.name) for requirement in asked_for(*EXTRAS)}
    assert named - pins_of("constraints.txt").keys() <= {"jsonschema"}, "snakemake brings it"


def test_the_lock_has_what_each_package_needs_on_every_python_and_machine():
    """Follow the metadata of what is installed here, for Pythons and machines that are not here too."""
    packages, seen, lacking = packages_of("all.txt"), set(), []
    waiting = [*asked_for(*EXTRAS), Requirement("torch")]
    while waiting:
        owner = waiting.pop()
        if (owner.name, *owner.extras) in seen:
            continue
        seen.add((owner.name, *owner.extras))
        for requirement in needed_by(owner):
            locked = packages.get(canonicalize_name(requirement.name))
            if locked and requirement.specifier.contains(locked.version, prereleases=True):
                waiting.append(requirement)
            else:
                lacking.append(f"{owner.name} needs {requirement}, the lock has {locked and locked.version}")
    assert lacking == []
    assert len(seen) > 90


def needed_by(owner: Requirement) -> list[Requirement]:
    """Return what a package needs anywhere, torch apart; nothing where it is not installed here as the lock has it."""
    try:
        known = (
            owner.name in APART or version(owner.name) == packages_of("all.txt")[canonicalize_name(owner.name)].version
        )
        needed = map(Requirement, requires(owner.name) or []) if known else []
    except PackageNotFoundError:
        return []
    return [each for each in needed if canonicalize_name(each.name) not in APART and applies(each, owner.extras)]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    """Return whether a requirement counts with these extras on any of the Pythons and machines."""
    marker = requirement.marker
    environments = [
        default_environment() | machine | {"extra": extra} for machine in MACHINES for extra in extras | {""}
    ]
    return marker is None or any(marker.evaluate(environment) for environment in environments)


@pytest.mark.parametrize("file", INSTALLERS)
def test_whatever_is_installed_is_locked_or_torch_or_this_project(file):
    text = (REPOSITORY / file).read_text()
    [options] = re.findall(r"\bLOCKED ?=(.*)", text, re.I)
    assert "--require-hashes --no-deps --no-build-isolation" in options
    assert "extra-index-url" not in text
    for command in map("".join, re.findall(r"(\$\(LOCKED\) .*)|pip install (.*)", text)):
        locked = "--require-hashes" in command or re.match(r"\$\(?LOCKED\)? ", command, re.I)
        torch = re.search(r"(--constraint \S+ torch( torchvision)?|--no-deps torchvision==[\d.]+)$", command)
        assert locked or torch or command.endswith("--no-deps --no-build-isolation --editable ."), command


@pytest.mark.parametrize("file", ["Containerfile", "apptainer.def"])
def test_an_image_builds_on_one_base_by_its_digest(file):
    bases = re.findall(r"^(?:FROM|From:) (\S+)", (REPOSITORY / file).read_text(), re.M)
    assert bases and all(re.fullmatch(r"debian:bookworm-slim@sha256:[0-9a-f]{64}", base) for base in bases)


def test_both_images_have_the_same_base():
    texts = [(REPOSITORY / file).read_text() for file in ("Containerfile", "apptainer.def")]
    assert len({digest for text in texts for digest in re.findall(r"@sha256:\w+", text)}) == 1


def write_wheel(folder: Path, name: str, number: str) -> Path:
    """Write a wheel of a package with code of a stranger in it."""
    folder.mkdir()
    path, about = folder / f"{name}-{number}-py3-none-any.whl", f"{name}-{number}.dist-info"
    with ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "print('a stranger')\n")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return path


def install(folder: Path, number: str, hashes: list[str]) -> subprocess.CompletedProcess[str]:
    """Install yte as the Makefile does, from a folder that stands for the index."""
    [options] = re.findall(r"^LOCKED = (.*)$", (REPOSITORY / "Makefile").read_text(), re.M)
    lock = folder.with_suffix(".txt")
    lock.write_text(" ".join([f"yte=={number}", *(f"--hash=sha256:{digest}" for digest in hashes)]) + "\n")
    place = ["--no-index", "--find-links", str(folder), "--target", str(folder / "installed")]
    command = [sys.executable, *options.split(), str(lock), *place]
    environment = os.environ | {"PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_package_that_was_exchanged_at_the_index_is_refused(tmp_path):
    number, hashes = packages_of("all.txt")["yte"]
    wheel = write_wheel(tmp_path / "index", "yte", number)
    refused = install(wheel.parent, number, hashes)
    assert refused.returncode != 0 and "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (wheel.parent / "installed" / "yte.py").exists()
    own = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert install(wheel.parent, number, [own]).returncode == 0, "what is refused above is the hash alone"


def test_an_audit_that_could_look_nothing_up_has_not_passed():
    [options] = re.findall(r"^AUDIT = (.*)$", (REPOSITORY / "Makefile").read_text(), re.M)
    assert "--strict" in options
