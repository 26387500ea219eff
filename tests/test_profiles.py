"""The profiles: no key twice, and rules that exist."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dar_uda.plan.stages import ORDER

PROFILES = sorted((Path(__file__).parents[1] / "workflow" / "profiles").glob("*/config.yaml"))


def mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Yield every mapping of a YAML document."""
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from mappings(item)


def repeated(text: str) -> list[str]:
    """Return the keys that a mapping of `text` has more than once."""
    keys = (Counter(key.value for key, _ in mapping.value) for mapping in mappings(yaml.compose(text)))
    return [key for counts in keys for key, count in counts.items() if count > 1]


def test_a_key_that_a_mapping_has_twice_is_found():
    assert repeated("{a: {b: 1, c: 2, b: 1}, c: [{d: 1, d: 2}]}") == ["b", "d"]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.parent.name)
def test_a_profile_has_no_key_twice(profile):
    assert repeated(profile.read_text()) == []


def test_the_slurm_profile_names_rules_of_the_workflow():
    profile = yaml.safe_load(next(path for path in PROFILES if path.parent.name == "slurm").read_text())
    assert profile["groups"].keys() == profile["set-resources"].keys()
    assert profile["groups"].keys() <= set(ORDER)
