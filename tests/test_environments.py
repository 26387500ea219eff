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
    assert found == {name: BOUNDS[name] for name in found}


def test_pinned_versions_are_within_the_bounds():
    lines = (REPOSITORY / "constraints.txt").read_text().split()
    pinned = {name.lower(): version for name, version in (line.split("==") for line in lines)}
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
