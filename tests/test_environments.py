"""The environments of rules, the package and the pinned versions say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
CONDA_NAMES = {"matplotlib-base": "matplotlib", "pytorch": "torch"}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
NNUNET = {"nnunetv2": "==2.8.1", "setuptools": "", "torch": ">=2.6,!=2.9.*", "torchvision": ""}
"""What nnU-Net needs beside the package: a torchvision that fits its torch, and distutils, which setuptools has."""
BOUNDS = {
    requirement.name.lower(): str(requirement.specifier) for requirement in map(Requirement, PROJECT["dependencies"])
}


def requirements(environment):
    """Yield name and specifier of every package of a conda environment, by pip's names."""
    for entry in yaml.safe_load(environment.read_text())["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, bound = re.fullmatch(r"([A-Za-z0-9-]+) ?(.*)", text).groups()
            yield CONDA_NAMES.get(name, name).lower(), bound


@pytest.mark.parametrize("environment", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_environment_has_the_bounds_of_the_package(environment):
    found = dict(requirements(environment))
    assert found.pop("python") == PROJECT["requires-python"]
    found.pop("pip")
    assert len(found) > 5
    bounds = BOUNDS | (NNUNET if environment.stem == "nnunet" else {})
    assert found == {name: bounds[name] for name in found}


def pinned_in(file):
    """Return the versions that a file of constraints pins."""
    lines = (REPOSITORY / file).read_text().split()
    return {name.lower(): version for name, version in (line.split("==") for line in lines)}


def test_nnunets_environment_of_pip_has_the_versions_of_its_conda_environment_and_of_the_package():
    pinned, of_package = pinned_in("constraints-nnunet.txt"), pinned_in("constraints.txt")
    assert f"=={pinned['nnunetv2']}" == NNUNET["nnunetv2"]
    shared = pinned.keys() & of_package.keys()
    assert len(shared) > 5 and {name: pinned[name] for name in shared} == {name: of_package[name] for name in shared}


def test_pinned_versions_are_within_the_bounds():
    pinned = pinned_in("constraints.txt")
    extras = [Requirement(text) for texts in PROJECT["optional-dependencies"].values() for text in texts]
    for requirement in [*map(Requirement, PROJECT["dependencies"]), *extras]:
        if requirement.name.lower() in pinned:
            assert pinned[requirement.name.lower()] in requirement.specifier, requirement
    assert BOUNDS.keys() - pinned.keys() <= {"jsonschema"}, "snakemake brings it"


@pytest.mark.parametrize("image", ["Containerfile", "apptainer.def"])
def test_an_image_holds_all_that_the_workflow_reads(image):
    text = (REPOSITORY / image).read_text()
    for name in ("Snakefile", "config", "dar_uda", "envs", "workflow"):
        assert re.search(rf"\b{name}( .*)? /opt/dar-uda/", text), name
