"""Cases with split `both`: in training without their labels, which score the masks; counted by hand."""

import pytest

from dar_uda.plan import descriptions
from dar_uda.plan.cases import Cases, cases_to_check
from dar_uda.plan.errors import PlanError
from dar_uda.plan.tables import Unavailable, lacking_for_summary
from tests.plan.configs import config_of
from tests.plan.plans import BOTH, EXTRAS, case, plan_of

CASES = Cases(
    (
        case("ct1", "train", True),
        case("ct2", "both", True, "P1"),
        case("mr1", "both", True, "P2"),
        case("mr2", "train", True),
        case("mr3", "both", False, "P3"),
        case("mr4", "test", True, "P4"),
        case("mr5", "both", True),
    )
)
"""Labels of ct2, mr1 and mr5 can train and score."""

REASON = "labels of domain mr would train and score it (split: both)"
SENTENCE = "Transductive: 2 of 3 scored cases of mr are also training cases, without their labels."


def plan(text="{}", cases=CASES):
    return plan_of(text, cases)


def test_a_case_of_both_trains_and_is_tested_in_the_order_of_the_table():
    assert CASES.of("mr", "train") == ["mr1", "mr2", "mr3", "mr5"]
    assert CASES.of("mr", "test") == ["mr1", "mr3", "mr4", "mr5"]
    assert CASES.of("mr", "test", labeled=True) == ["mr1", "mr4", "mr5"]
    assert CASES.of("mr", "both") == ["mr1", "mr3", "mr5"] and CASES.of("mr", "both", labeled=True) == ["mr1", "mr5"]
    volumes = plan().volumes
    assert volumes.target_cases("ct-to-mr") == ["mr1", "mr2", "mr3", "mr5"]
    assert volumes.scored_cases("ct-to-mr") == ["mr1", "mr4", "mr5"]
    assert volumes.source_cases("mr-to-ct") == ["mr1", "mr2", "mr5"], "labels of a source train"


def test_methods_that_would_train_on_the_labels_that_score_them_are_unavailable_without_masks():
    tables = plan().tables
    assert tables["summary"].unavailable == (Unavailable("ct-to-mr", "supervised", REASON),)
    for rows in (tables["summary"].scored, tables["summary"].masked):
        assert [row.method for row in rows] == ["source_only", "dar_uda"]
    comparison = plan("directions: ct-to-mr").tables["comparison"]
    assert {entry.method for entry in comparison.unavailable} == {"supervised", "supervised_2d"}
    assert plan().figures.overlay_methods("ct-to-mr") == ["source_only", "dar_uda"]
    assert not [name for name in plan().figures.histories() if name.startswith("mr ")]


def test_the_other_direction_has_the_same_rule_of_its_own_and_no_other_row_is_lost():
    table = plan(BOTH).tables["summary"]
    assert [(entry.direction, entry.method) for entry in table.unavailable] == [
        ("ct-to-mr", "supervised"),
        ("mr-to-ct", "supervised"),  # ct2 is of both too
    ]
    assert [row.method for row in table.drawn("mr-to-ct")] == ["source_only", "dar_uda"]
    assert plan().weights("source_only", "mr-to-ct", 0).endswith("/segmenters/mr/dar_unet/weights.safetensors")


def test_a_target_whose_cases_of_both_have_no_label_keeps_its_ceiling():
    cases = Cases(tuple(one for one in CASES.all if one.name not in ("mr1", "mr5")))
    assert plan(cases=cases).tables["summary"].unavailable == ()
    assert descriptions.stamp_of_scores(config_of(), cases, "ct-to-mr") == descriptions.stamp(config_of())


def test_a_run_on_them_lacks_nothing_and_a_path_cannot_ask_for_what_is_unavailable():
    config = config_of()
    assert lacking_for_summary(config, CASES, plan().methods) == []
    plan().requested()
    with pytest.raises(PlanError) as error:
        plan().weights("supervised", "ct-to-mr", 0)
    assert str(error.value) == (
        f"DAR-040: Direction ct-to-mr, method supervised: {REASON}. Choose another direction or method, or change the "
        "cases table."
    )


def test_weights_are_chosen_without_their_labels():
    candidates = plan("model_selection: {rule: source_validation}").candidates
    for training_set in ("ct", "ct-to-mr.disentangled-multi"):
        assert candidates.labels(training_set, "source_validation")[0] == "results/phantom/cases/ct/ct2/label.nii"
        looked_at = candidates.unlabeled(training_set, "source_validation")
        assert looked_at == [f"results/phantom/cases/mr/mr{n}/image.nii" for n in (1, 2, 3, 5)]


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("{directions: ct-to-mr, methods: [dar_uda, supervised]}", {"ct1", "ct2"}),
        ("{directions: [ct-to-mr, mr-to-ct], methods: dar_uda}", {"ct1", "ct2", "mr1", "mr2", "mr3", "mr5"}),
    ],
)
def test_the_check_describes_their_labels_only_where_their_domain_is_a_source(text, described):
    rows = cases_to_check(CASES, config_of(text))
    assert {row["name"] for row in rows if row["label_values"]} == described


def test_the_check_knows_them_as_tested_where_their_domain_is_a_target():
    rows = cases_to_check(CASES, config_of("directions: ct-to-mr"))
    assert {row["name"]: row["split"] for row in rows if "split" in row} == {
        "ct2": "train",
        "mr1": "both",
        "mr3": "both",
        "mr4": "test",
    }


def test_tables_reports_and_figures_of_scores_say_how_many_scored_cases_are_in_training():
    made = plan(f"styles: {{clusters: 2}}\n{EXTRAS}\ndirections: ct-to-mr")
    config, stamp = made.config, descriptions.stamp(made.config)
    assert descriptions.stamp_of_scores(config, CASES, "ct-to-mr") == f"{stamp}\n{SENTENCE}"
    whole = descriptions.stamp_of_table(made.summary, config, CASES)
    assert whole.startswith(f"{stamp} {SENTENCE} Changed: ") and "styles.clusters 2" in whole
    facts = descriptions.run_facts(made.summary, config, CASES)
    assert (facts["stamp"], facts["transductive"]) == (whole, [SENTENCE])
    assert facts["cases"] == [
        {"domain": "ct", "split": "train", "cases": ["ct1"], "labeled": 1},
        {"domain": "ct", "split": "both", "cases": ["ct2"], "labeled": 1},
        {"domain": "mr", "split": "train", "cases": ["mr2"], "labeled": 1},
        {"domain": "mr", "split": "test", "cases": ["mr4"], "labeled": 1},
        {"domain": "mr", "split": "both", "cases": ["mr1", "mr3", "mr5"], "labeled": 2},
    ]


def test_every_row_of_a_table_says_how_many_scored_cases_of_its_targets_are_in_training():
    for directions, said in {"ct-to-mr": "mr 2 of 3", "[ct-to-mr, mr-to-ct]": "mr 2 of 3, ct 1 of 1"}.items():
        made = plan(f"directions: {directions}")
        assert descriptions.stamped_choices(made.summary, made.config, CASES)["transductive"] == said


def test_every_target_of_a_table_has_its_sentence():
    config = config_of(BOTH)
    of_ct = "Transductive: 1 of 1 scored cases of ct are also training cases, without their labels."
    assert list(descriptions.transductive(config, CASES, config.directions)) == [SENTENCE, of_ct]
    paper = config_of("{task: abdomen, protocol: paper}")
    cropped = [SENTENCE, of_ct.replace("without their", "cropped by their")]
    assert list(descriptions.transductive(paper, CASES, paper.directions)) == cropped, "CT is cropped before training"
