import pytest

from dar_uda.data.tolerances import tolerances_in_words
from dar_uda.plan import descriptions
from tests.plan.plans import CASES, EXTRAS, LABELED, plan_of

CORRECTED = "styles: {inter_slice_correction: true}"
ONCE = "segmentation: {self_training: {iterations: 0}}"
PLAIN = "inference: {keep_largest_component: false, guided_filter_radius: 0}"
TWO_ITERATIONS = "segmentation: {self_training: {iterations: 2, steps: 120}}"


def whole_stamp(plan):
    """Return the stamp of the summary."""
    return descriptions.stamp_of_table(plan.summary, plan.config, CASES)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("{}", "Task phantom, protocol clean, budget demo, seed 0."),
        ("seeds: [3, 1]", "Task phantom, protocol clean, budget demo, seeds 3, 1."),
        (
            "{task: abdomen, budget: gpu, protocol: paper, model_selection: {rule: source_validation}}",
            "Task abdomen, protocol paper, budget gpu, seed 0. Weights chosen without target labels.",
        ),
        (
            "model_selection: {rule: target_oracle}",
            "Task phantom, protocol clean, budget demo, seed 0. ORACLE: weights chosen by the target's test labels.",
        ),
    ],
)
def test_a_stamp_has_all_that_numbers_depend_on(text, stamp):
    plan = plan_of(text)
    assert descriptions.stamp(plan.config) == whole_stamp(plan) == stamp


def test_a_stamp_has_what_the_user_changes_of_the_budget():
    assert whole_stamp(plan_of("{styles: {clusters: 2}, segmentation: {steps: 5, batch_size: 2}}")) == (
        "Task phantom, protocol clean, budget demo, seed 0. Changed: styles.clusters 2; segmentation.steps 5."
    )


def test_the_tolerances_of_the_nsd_are_said_where_it_is_shown():
    plan = plan_of("{task: phantom, metrics: [nsd, dice]}")
    expected = "NSD tolerance: liver 5 mm, right_kidney 3 mm, left_kidney 3 mm, spleen 3 mm."
    assert whole_stamp(plan) == f"{descriptions.stamp(plan.config)} {expected}"
    assert tolerances_in_words(["a", "b"], [2.5, None]) == "NSD tolerance: a 2.5 mm."


def test_every_row_of_a_table_says_by_which_protocol_and_checkpoint():
    plan = plan_of("{task: abdomen, protocol: paper, model_selection: {rule: target_oracle}}")
    assert descriptions.stamped_choices(plan.summary, plan.config, CASES) == {
        "task": "abdomen",
        "budget": "paper",
        "protocol": "paper",
        "model_selection": "target_oracle",
        "transductive": "",
    }


@pytest.mark.parametrize(
    ("text", "name", "notes"),
    [
        (
            "{}",
            "dar_uda",
            ["self-training 4 iterations of 60 steps", "guided filter of radius 2", "largest component"],
        ),
        (f"{PLAIN}\n{ONCE}", "dar_uda", []),
        (
            "inference: {test_time_augmentation: true, guided_filter_radius: 3}",
            "source_only",
            ["guided filter of radius 3", "test-time augmentation", "largest component"],
        ),
        (f"{PLAIN}\n{ONCE}\n{CORRECTED}", "cyclegan_3d", ["inter-slice correction"]),
        (f"{PLAIN}\n{CORRECTED}", "source_only", []),
        (f"{PLAIN}\n{EXTRAS}", "source_only", []),
        (f"{PLAIN}\n{TWO_ITERATIONS}", "dar_uda", ["self-training 2 iterations of 120 steps"]),
        (f"{PLAIN}\n{TWO_ITERATIONS}", "cyclegan_3d", ["self-training 2 iterations of 120 steps"]),
        (f"{PLAIN}\n{TWO_ITERATIONS}", "source_randomized", []),
        (f"{PLAIN}\n{EXTRAS}", "source_randomized", ["GIN 0.5", "structure contrast 0.1"]),
        (
            f"{PLAIN}\n{EXTRAS}\n{CORRECTED}",
            "dar_uda",
            [
                "GIN 0.5",
                "structure contrast 0.1",
                "source fraction 0.25",
                "self-training 1 iteration of 5 steps",
                "inter-slice correction",
            ],
        ),
        (CORRECTED, "dar_uda_published", []),
    ],
)
def test_a_methods_notes_are_what_differs_from_the_paper(text, name, notes):
    methods = "methods: [source_only, source_randomized, cyclegan_3d, dar_uda, dar_uda_published]"
    plan = plan_of(methods if text == "{}" else f"{methods}\n{text}")
    notes = ["upright augmentation", *notes]
    assert descriptions.notes_of(plan.methods[name], plan.config) == notes
    expected = {name: ", ".join(notes)}
    shown = descriptions.method_notes(plan.summary, plan.config)
    assert {key: text for key, text in shown.items() if key == name} == expected


def test_the_papers_budget_has_no_notes_of_its_own():
    plan = plan_of("budget: paper")
    assert descriptions.method_notes(plan.summary, plan.config) == {}


def test_2d_methods_close_the_gap_between_2d_bounds():
    tables = plan_of(cases=LABELED).tables
    of_2d = [
        "source_only_2d",
        "synseg_net",
        "ada_output",
        "ada_output_multilevel",
        "cyclegan_2d",
        "cycada",
        "sifa",
        "supervised_2d",
    ]
    assert descriptions.gap_bounds(tables["comparison"]) == dict.fromkeys(of_2d, ["source_only_2d", "supervised_2d"])
    assert descriptions.gap_bounds(tables["summary"]) == {}


def test_adapted_methods_are_compared_with_the_floor_of_their_dimension():
    plan = plan_of("methods: [source_only, source_only_2d, synseg_net, dar_uda, supervised]", LABELED)
    assert descriptions.floors(plan.summary) == {"synseg_net": "source_only_2d", "dar_uda": "source_only"}


def test_the_ceilings_of_a_table_are_its_methods_with_labels_of_the_target():
    mine = 'method_definitions: {mine: {training_set: "{target}", network: qam_unet}}'
    plan = plan_of(f"{mine}\nmethods: [mine, dar_uda, supervised]")
    assert descriptions.ceilings(plan.summary, plan.config) == ["mine", "supervised"]


def test_a_report_says_what_the_run_is_and_which_cases_it_has():
    plan = plan_of("{run: mine, seeds: [3, 1], styles: {clusters: 2}}")
    assert descriptions.run_facts(plan.tables["style_study"], plan.config, CASES) == {
        "task": "phantom",
        "protocol": "clean",
        "model_selection": "last",
        "run": "mine",
        "folder": "results/mine",
        "table": "style_study",
        "budget": "demo",
        "seeds": [3, 1],
        "metrics": ["dice", "asd"],
        "ceilings": ["supervised"],
        "floors": dict.fromkeys(["cyclegan_3d", "average_style", "dar_uda_no_self_training", "dar_uda"], "source_only"),
        "stamp": "Task phantom, protocol clean, budget demo, seeds 3, 1. Changed: styles.clusters 2.",
        "transductive": [],
        "cases": [
            {"domain": "ct", "split": "train", "cases": ["ct1", "ct2", "ct3"], "labeled": 2},
            {"domain": "mr", "split": "train", "cases": ["mr1", "mr2"], "labeled": 0},
            {"domain": "mr", "split": "test", "cases": ["mr3", "mr4"], "labeled": 1},
        ],
    }


def test_a_report_says_what_each_method_is():
    plan = plan_of(f"methods: [synseg_net, dar_uda]\n{EXTRAS}\n{PLAIN}")
    assert descriptions.methods_in_words(plan.summary, plan.config) == {
        "synseg_net": {
            "training_set": "{direction}.synseg_net",
            "network": "unet_2d",
            "is_2d": True,
            "randomized": False,
            "self_training_iterations": 0,
            "note": "upright augmentation, 1350 steps of its 2D U-Net",
        },
        "dar_uda": {
            "training_set": "{direction}.disentangled-multi",
            "network": "dar_unet",
            "is_2d": False,
            "randomized": True,
            "self_training_iterations": 1,
            "note": "upright augmentation, GIN 0.5, structure contrast 0.1, source fraction 0.25, "
            "self-training 1 iteration of 5 steps",
        },
    }
