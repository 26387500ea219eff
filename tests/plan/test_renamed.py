"""A config with names of earlier versions is refused with the present ones."""

import pytest
import yaml

from dar_uda.plan.errors import PlanError
from dar_uda.plan.renamed import names, renamed
from tests.plan.configs import config_of
from tests.plan.plans import plan_of


def refused(text):
    with pytest.raises(PlanError) as error:
        config_of(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "old", "now"),
    [
        ("config key", "styles.harmonise", "styles.inter_slice_correction"),
        ("config key", "tables.mine.resources", "tables.mine.usage"),
        ("config key", "styles.inter_slice_correction", None),
        ("config key", "", None),
        ("method", "entangled", "cyclegan_3d"),
        ("network", "entangled", None),
    ],
)
def test_the_present_name_of_an_old_one(kind, old, now):
    assert renamed(kind, old) == now


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("styles: {harmonise: true}", ["styles.harmonise is now styles.inter_slice_correction"]),
        ("styles: {harmonise: true, stylez: 2}", ["styles.harmonise is now styles.inter_slice_correction"]),
        (
            "recompute: true\nselection: {candidates: 3}",
            ["recompute is now activation_checkpointing", "selection.candidates is now model_selection.candidates"],
        ),
        ("selection: {}", ["selection is now model_selection"]),
        (
            "checkpoint: validation",
            ["checkpoint is now model_selection.rule; write model_selection: {rule: source_validation}"],
        ),
        ("checkpoint: last", ["checkpoint is now model_selection.rule; write model_selection: {rule: last}"]),
        ("model_selection: {rule: oracle}", ["model_selection.rule: oracle is now target_oracle"]),
        (
            "budgets: {a.b: {segmentation: {randomisation: {gin: 0.1}}}}",
            ["budgets.a.b.segmentation.randomisation.gin is now budgets.a.b.segmentation.domain_randomization.gin"],
        ),
        (
            "tasks: {phantom: {budgets: {demo: {inference: {batch: 2}}}}}",
            ["tasks.phantom.budgets.demo.inference.batch is now tasks.phantom.budgets.demo.inference.batch_size"],
        ),
        (
            "method_definitions: {mine: {training_set: '{source}', network: dar_unet, randomised: true}}",
            ["method_definitions.mine.randomised is now method_definitions.mine.randomized"],
        ),
    ],
)
def test_an_old_key_or_value_is_refused_with_the_present_one(text, lines):
    assert refused(text) == "\n  ".join(["DAR-001: Config mine.yaml:", *lines])


def test_all_old_keys_of_a_config_are_named_at_once():
    old = {
        row.before.replace("*", "mine"): row.name.replace("*", "mine") for row in names() if row.kind == "config key"
    }
    old = {key: now for key, now in old.items() if key and not any(other.startswith(f"{key}.") for other in old)}
    values = {}
    for key in old:
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = 1
    del values["budgets"]  # as the keys outside
    lines = refused(yaml.safe_dump(values)).splitlines()[1:]
    named = {tuple(line.strip().partition(";")[0].split(" is now ")) for line in lines}
    assert named == {(key, now) for key, now in old.items() if not key.startswith("budgets.")}
    assert len(named) > 20


@pytest.mark.parametrize("text", ["methods: [entangled]", "tables: {mine: {methods: [entangled], directions: both}}"])
def test_an_old_method_is_refused_with_the_present_one(text):
    assert refused(text) == "DAR-044: Method entangled is now cyclegan_3d."


def test_an_old_method_in_the_path_of_a_result_is_refused_with_the_present_one():
    with pytest.raises(PlanError, match="^DAR-044: Method entangled is now cyclegan_3d\\.$"):
        plan_of().weights("entangled", "ct-to-mr", 0)


@pytest.mark.parametrize("methods", ["[cyclegan_3d]", "[entangled]", "[source_only]"])
def test_a_definition_under_an_old_name_which_would_change_nothing_is_refused(methods):
    text = f"methods: {methods}\nmethod_definitions: {{entangled: {{training_set: '{{source}}', network: dar_unet}}}}"
    line = "method_definitions.entangled is now method_definitions.cyclegan_3d"
    assert refused(text) == f"DAR-001: Config mine.yaml:\n  {line}"


def test_a_part_of_a_definition_under_an_old_name_is_refused_with_the_present_one():
    line = "method_definitions.entangled is now method_definitions.cyclegan_3d"
    assert refused("method_definitions: {entangled: {self_trained: true}}").splitlines()[1:] == [f"  {line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model_selection: {validation_share: 0.3}", "model_selection.validation_share is now {}.validation_fraction"),
        ("model_selection: {checkpoint: oracle}", "model_selection.checkpoint is now {}.rule"),
        (
            "segmentation: {domain_randomization: {source_share: null}}",
            "segmentation.domain_randomization.source_share is now segmentation.domain_randomization.source_fraction",
        ),
        (
            "budgets: {a: {segmentation: {randomisation: {source_fraction: 0.2}}}}",
            "budgets.a.segmentation.randomisation.source_fraction is now "
            "budgets.a.segmentation.domain_randomization.source_fraction",
        ),
        ("checkpoint: null", "checkpoint is now model_selection.rule; write model_selection: {{rule: ...}}"),
    ],
)
def test_a_half_renamed_key_is_refused_with_the_present_one(text, line):
    assert refused(text).splitlines()[1:] == [f"  {line.format('model_selection')}"]
