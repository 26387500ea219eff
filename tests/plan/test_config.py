import sys
from dataclasses import FrozenInstanceError

import pytest
import yaml

from dar_uda.plan.config import BRANCHES, read_config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.task import Direction
from tests.plan.configs import REPOSITORY, config_of


def refused(text):
    """Return the message with which a config is refused."""
    with pytest.raises(PlanError) as error:
        config_of(text)
    return str(error.value)


def test_the_default_is_the_phantom_in_its_budget():
    config = config_of()
    assert (config.run, config.task.name, config.task.budget, config.seeds) == ("phantom", "phantom", "demo", [0])
    assert config.directions == (Direction("ct", "mr"),)
    assert list(config.tables) == ["summary", "comparison", "style_study", "architecture_study"]
    assert config.changes() == []
    assert config.branch("model_selection") == {"rule": "last", "candidates": 5, "validation_fraction": 0.2}
    with pytest.raises(FrozenInstanceError):
        config.task = None


def test_a_branch_has_shipped_values_under_those_of_the_budget():
    translation = config_of().branch("translation")
    assert translation["learning_rate"] == {"generator": 5e-4, "discriminator": 5e-4}, "budget demo"
    assert (translation["width"], translation["style_dim"]) == (16, 8), "budget demo, shipped"
    paper = config_of("budget: paper").branch("translation")
    assert paper["learning_rate"] == {"generator": 1e-4, "discriminator": 2e-4}
    assert type(paper["loss_weights"]["pixel_cycle"]) is int


OF_BUDGET = "budgets: {demo: {styles: {clusters: 3}}}"


@pytest.mark.parametrize("changes", [OF_BUDGET, f"tasks: {{phantom: {{{OF_BUDGET}}}}}"])
def test_a_budget_wins_over_shipped_values_and_the_user_over_the_budget(changes):
    assert config_of(changes).branch("styles") == {"clusters": 3, "inter_slice_correction": False}  # shipped: 6
    config = config_of(f"{changes}\nstyles: {{clusters: 2}}")
    assert config.branch("styles")["clusters"] == 2
    assert config.changes() == ["styles.clusters 2"]
    config = config_of(f"{changes}\nstyles: {{clusters: 6}}")
    assert config.branch("styles")["clusters"] == 6, "what the user wrote counts, though it is the shipped value"


def test_a_task_wins_over_its_budget():
    rates = config_of("{task: cardiac, budget: laptop, cases: x.tsv}").branch("translation")["learning_rate"]
    assert rates == {"generator": 5e-4, "discriminator": 3e-4}, "budget laptop, task cardiac"


def test_a_copy_of_the_shipped_config_outdoes_a_budget_only_where_it_was_changed():
    text = (REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8")
    copy, chosen = config_of(text), config_of()
    assert {name: copy.branch(name) for name in BRANCHES} == {name: chosen.branch(name) for name in BRANCHES}
    assert text.count("  clusters: 6\n") == text.count("  steps_2d: 7200\n") == 1
    config = config_of(text.replace("  clusters: 6\n", "  clusters: 2\n"))
    assert config.changes() == ["styles.clusters 2"]


def test_a_copy_of_an_earlier_config_outdoes_a_budget_only_where_it_was_changed():
    text = (REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8")
    earlier = text.replace("  augmentation: published\n", "").replace("budget: null", "budget: laptop")
    assert len(earlier) < len(text)
    copy, budget = config_of(earlier), config_of("budget: laptop")
    assert copy.branch("segmentation") == budget.branch("segmentation")
    assert copy.branch("segmentation")["steps"] == 650 and copy.changes() == []
    without_later_branches = text[: text.index("\ncycada:")] + text[text.index("\ninference:") :]
    older = config_of(without_later_branches.replace("budget: null", "budget: laptop"))
    assert older.branch("segmentation")["steps"] == 650 and older.changes() == []
    alone = "budget: laptop\nsegmentation: {steps: 7200, batch_size: 2}"
    assert config_of(alone).branch("segmentation")["steps"] == 7200, "not a copy"


def test_scalars_stand_for_lists_and_texts_for_numbers():
    config = read_config(REPOSITORY, {"methods": "dar_uda", "seeds": "3", "styles": {"clusters": "4"}, "run": "a"})
    assert (config.tables["summary"]["methods"], config.seeds, config.run) == (["dar_uda"], [3], "a")
    assert config.branch("styles")["clusters"] == 4
    assert config_of("seeds: [3, 1, 3]").seeds == [3, 1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("run: 2024_01_15", "2024_01_15"),
        ("run: 007", "007"),
        ("run: on", "on"),
        ("run: 2024-01-15", "2024-01-15"),
        ("<<: {run: a1}", "a1"),
        ("run: null", "phantom"),
    ],
)
def test_a_name_is_kept_as_written_in_a_file(text, name):
    assert config_of(text).run == name


@pytest.mark.parametrize("entry", ["run=2024_01_15", 'run="2024_01_15"'])
def test_a_name_is_kept_as_written_in_an_entry_which_wins_over_the_file(entry):
    values = {"run": 20240115}  # as Python's int reads it
    config = read_config(REPOSITORY, values, {"mine.yaml": "run: 20240115"}, {entry: values})
    assert config.run == "2024_01_15"
    config = read_config(REPOSITORY, {"run": "outer"}, {}, {entry: values})
    assert config.run == "outer", "another workflow has the last word on the config of its module"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("segmentation: {stepz: 5}", "('stepz' was unexpected); did you mean steps?"),
        ("run: 12:30", "config.run: '12:30' does not match"),
        ('run: "a #b"', "config.run: 'a #b' does not match"),
        (f"run: {'a' * 101}", "is too long"),
        ("methods: [on]", "config.methods[0]: True is not of type 'string'; YAML takes it for a number, a date or"),
        (
            "tasks: {phantom: {labels: {liver: 4.5}}}",
            "(A whole number from 1 to 65535, a range such as `55-70`, a name",
        ),
        ("tasks: {phantom: {grid: {spacing: [5, 5]}}}", "is too short (Voxel size in mm: in-plane, in-plane, slice"),
        ("tasks: {phantom: {directions: [ct_to_mr]}}", "(Two domains of the task, such as `ct-to-mr`)"),
        ("styles: null", "config.styles: None is not of type 'object'"),
        ("segmentation: {learning_rate: .nan}", "config.segmentation.learning_rate is nan; expected a finite number"),
        ("tasks: {phantom: {grid: {spacing: [5, .inf, 5]}}}", "config.tasks.phantom.grid.spacing[1] is inf"),
        ("tasks: {phantom: {labels: {1: 1}}}", "config.tasks.phantom.labels: key 1 is not text; expected a name"),
    ],
)
def test_a_value_that_the_schema_does_not_know_is_refused_by_key(text, words):
    message = refused(text)
    assert message.startswith("DAR-001: Config mine.yaml:\n  config.") and words in message


def test_the_labels_that_a_user_names_are_the_first_classes():
    task = config_of("tasks: {phantom: {labels: {lung: 9, spleen: 5}}}").task
    assert task.structures == ("lung", "spleen", "liver", "right_kidney", "left_kidney")
    assert task.domains["mr"].label_values == [[9], [5], [1], [2], [3]]


@pytest.mark.parametrize("run", ["../elsewhere", "/tmp/elsewhere", ".hidden", "a/b", "$(touch crater)", "a b", "abc\n"])
def test_the_name_of_a_run_is_that_of_a_folder(run):
    assert f"config.run: {run!r} does not match" in refused(yaml.safe_dump({"run": run}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds: [3, 010]", "line 1: YAML reads 010 as 8: write a number in plain digits, a name in quotes"),
        ("seeds: [3]\nsegmentation: {steps: 1:30}", "line 2: YAML reads 1:30 as 90"),
        ("seeds: [1]\nstyles: {}\nseeds: [2]", "key 'seeds' is in line 1 and in line 3; expected once"),
        ("styles:\n  clusters: 1\n  clusters: 2", "key 'clusters' is in line 2 and in line 3; expected once"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused_by_line(text, words):
    message = refused(text)
    assert message.startswith("Config file mine.yaml: ") and words in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task: abdomenn", "Unknown task 'abdomenn'; known: abdomen, cardiac, phantom, vestibular_schwannoma."),
        ("budget: 1_0", "Unknown budget '1_0'; known: demo, gpu, laptop, paper."),
        ("methods: dar_udda", "Unknown method 'dar_udda'; known: ada_output, ada_output_multilevel, anisotropic_unet"),
        ("reference_method: foo", "Unknown method 'foo' in reference_method; known: ada_output"),
        (
            "tables: {comparison: {reference_method: foo}}",
            "Unknown method 'foo' in reference_method of table comparison; known: ada_output",
        ),
        ("{task: cardiac, metrics: [nsd, dice]}", "metrics has nsd, but task cardiac has no nsd_tolerance; expected a"),
        ("metrics: [dise]", "each once: `dice`, `asd`, `hd95`, `nsd`, `asd_area`, `rvd`, the first with"),
        ("method_definitions: {dar_uda: {network: w}}", "Unknown network 'w'; known: anisotropic_unet, dar_unet,"),
        ("directions: ct-to-pet", "Unknown direction 'ct-to-pet' of task phantom; known: ct-to-mr, mr-to-ct."),
        ("protocol: paper", "Task phantom does not say what protocol `paper` is"),
        ("tables: {summary: {methods: [dar_uda], directions: both}}", "The table `summary` is that of `methods`"),
        (
            "tables: {usage: {methods: [dar_uda], directions: both}}",
            "The table `usage` has the name of a rule, or of a file of every run: give it another name.",
        ),
        ("tables: {calibration: {methods: [dar_uda], directions: both}}", "The table `calibration` has the name"),
        (
            "tables: {tabulate: {methods: [dar_uda], directions: both}}",
            "The table `tabulate` has the name of a rule",
        ),
        (
            "tasks: {phantom: {grid: {region_margin: 20, body_width: 300}}}",
            "A grid has `region_margin` or `body_width`, not both",
        ),
        (
            "{tasks: {phantom: {grid: {region_margin: 20}}}, directions: [ct-to-mr, mr-to-ct]}",
            "with the directions ct-to-mr, mr-to-ct those of the target would count too. Run one direction at a time.",
        ),
    ],
)
def test_what_contradicts_itself_or_is_not_known_is_refused(text, words):
    assert words in refused(text)


def test_tensorboard_without_its_package_stops_before_any_job(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert "tensorboard is true, but its package is not installed: pip install" in refused("tensorboard: true")
    config_of()


@pytest.mark.parametrize("budget", ["demo", "laptop", "gpu"])
def test_rivals_with_steps_of_their_own_have_them_in_every_budget_but_the_papers(budget):
    found, paper = config_of(f"budget: {budget}"), config_of("budget: paper")
    for branch, key in (("cycada", "translator_steps"), ("cycada", "steps"), ("sifa", "steps")):
        assert found.branch(branch)[key] < paper.branch(branch)[key]
