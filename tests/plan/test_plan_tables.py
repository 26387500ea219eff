import pytest

from dar_uda.plan.cases import Cases
from dar_uda.plan.tables import Row, Unavailable, lacking_cases, lacking_for_summary, plain
from dar_uda.plan.task import Direction
from tests.plan.plans import BOTH, CASES, EXTRAS, LABELED, UNSCORED, case, plan_of

CT_TO_MR, MR_TO_CT = Direction("ct", "mr"), Direction("mr", "ct")


def table_of(name, text="{}", cases=LABELED):
    return plan_of(text, cases).tables[name]


def methods_of(rows):
    return [row.method for row in rows]


def test_the_summary_has_a_row_per_direction_method_and_seed():
    table = table_of("summary", f"methods: [dar_uda, source_only]\nseeds: [3, 1]\n{BOTH}")
    expected = [
        Row(direction, method, seed)
        for direction in ("ct-to-mr", "mr-to-ct")
        for method in ("dar_uda", "source_only")
        for seed in (3, 1)
    ]
    assert list(table.scored) == list(table.masked) == expected
    assert table.drawn("mr-to-ct") == expected[4:] and table.drawn("mr-to-ct", 1) == expected[5::2]
    assert (table.name, table.directions, table.unavailable) == ("summary", (CT_TO_MR, MR_TO_CT), ())
    assert [method.name for method in table.methods] == [
        "dar_uda",
        "source_only",
    ]


def test_a_method_that_is_listed_twice_has_its_rows_once():
    twice = "[dar_uda, source_only, dar_uda]"
    text = f"methods: {twice}\ntables: {{mine: {{methods: {twice}, directions: first}}}}"
    for name in ("summary", "mine"):
        assert methods_of(table_of(name, text).scored) == ["dar_uda", "source_only"], name


def test_params_hold_rows_as_dictionaries():
    rows = table_of("summary", "methods: dar_uda").scored
    row = {"direction": "ct-to-mr", "method": "dar_uda", "seed": 0, "is_external": False}
    assert plain(rows) == [row] and plain(()) == []


def test_every_table_of_the_config_is_there_and_the_summary_is_first():
    tables = plan_of().tables
    assert list(tables) == ["summary", "comparison", "style_study", "architecture_study"]
    assert [name for name, table in tables.items() if table.has_usage] == ["architecture_study"]


def test_a_table_shows_the_self_training_iteration_beside_the_first_where_there_is_one():
    study = ["source_only", "cyclegan_3d", "average_style", "dar_uda_no_self_training", "dar_uda", "supervised"]
    assert methods_of(table_of("style_study", f"directions: ct-to-mr\n{EXTRAS}").scored) == study
    alike = table_of("style_study", "directions: ct-to-mr\nsegmentation: {self_training: {iterations: 0}}")
    assert methods_of(alike.scored) == [name for name in study if name != "dar_uda_no_self_training"]
    summary = table_of("summary", "methods: [dar_uda_no_self_training, dar_uda]")
    assert methods_of(summary.scored) == ["dar_uda_no_self_training", "dar_uda"], "the summary has what it is asked for"


def test_a_table_shows_a_method_that_makes_other_masks_with_the_weights_of_another():
    raw = (
        "{training_set: '{direction}.disentangled-multi', network: dar_unet, self_trained: true, post_processed: false}"
    )
    text = f"method_definitions: {{raw: {raw}}}\ntables: {{mine: {{methods: [raw, dar_uda], directions: first}}}}"
    assert methods_of(table_of("mine", text).scored) == ["raw", "dar_uda"]
    plain = "inference: {guided_filter_radius: 0, keep_largest_component: false}"
    assert methods_of(table_of("mine", f"{text}\n{plain}").scored) == ["dar_uda"]


def test_the_method_as_published_trains_apart_only_where_something_was_added():
    corrected = "styles: {inter_slice_correction: true}\nsegmentation: {self_training: {iterations: 0}}"
    methods = plan_of(corrected).methods
    assert methods["dar_uda_published"].training_set(CT_TO_MR).adaptation == "disentangled-uncorrected"
    for budget, rows in {"demo": 15, "paper": 13}.items():
        plan = plan_of(f"budget: {budget}")
        published, plain = (plan.methods[name] for name in ("dar_uda_published", "dar_uda_no_self_training"))
        assert published.training_set(CT_TO_MR) == plain.training_set(CT_TO_MR), budget
        assert len(plan.tables["comparison"].methods) == rows, "in paper dar_uda stands for both"


def test_the_reference_row_of_a_table_that_leaves_it_out_is_the_one_that_is_made_alike():
    reference = "reference_method: dar_uda_no_self_training"
    alike = table_of("style_study", f"{reference}\nsegmentation: {{self_training: {{iterations: 0}}}}")
    assert alike.reference == "dar_uda" and "dar_uda_no_self_training" not in [method.name for method in alike.methods]
    assert table_of("style_study", reference).reference == "dar_uda_no_self_training"
    assert table_of("style_study", "reference_method: qam_unet").reference == "source_only", "its first"
    assert table_of("summary", "reference_method: source_randomized").reference == "source_only"


@pytest.mark.parametrize(
    ("name", "text", "cases", "directions"),
    [
        ("comparison", "{}", LABELED, (CT_TO_MR, MR_TO_CT)),
        ("comparison", "directions: mr-to-ct", LABELED, (MR_TO_CT,)),
        ("comparison", "{}", CASES, (CT_TO_MR,)),
        ("comparison", "task: abdomen", UNSCORED, (CT_TO_MR, MR_TO_CT)),
        ("comparison", "tasks: {phantom: {grid: {region_margin: 20}}}", LABELED, (CT_TO_MR,)),
        ("architecture_study", "task: abdomen", LABELED, (CT_TO_MR,)),
        ("architecture_study", BOTH, LABELED, (CT_TO_MR, MR_TO_CT)),
        ("summary", "{}", LABELED, (CT_TO_MR,)),
        ("summary", "task: abdomen", CASES, (CT_TO_MR, MR_TO_CT)),
    ],
    ids=["both", "of-the-run", "labels", "without-labels", "region", "first", "first-of-run", "summary", "of-the-task"],
)
def test_a_tables_directions_are_the_runs_or_those_that_the_labels_allow(name, text, cases, directions):
    assert table_of(name, text, cases).directions == directions


def test_a_ceiling_without_labels_is_unavailable_with_the_reason():
    table = table_of("summary", cases=CASES)
    reason = "no training case of domain mr has a label"
    assert table.unavailable == (Unavailable("ct-to-mr", "supervised", reason),)
    assert methods_of(table.scored) == methods_of(table.masked) == ["source_only", "dar_uda"]
    comparison = table_of("comparison", cases=CASES)
    assert [(entry.direction, entry.method) for entry in comparison.unavailable] == [
        ("ct-to-mr", "supervised_2d"),
        ("ct-to-mr", "supervised"),
    ]
    assert len(comparison.scored) == 13, "fifteen methods, without two ceilings"


def test_a_table_without_a_reference_says_so_for_every_method_and_the_summary_has_masks():
    reason = "no test case of domain mr has a label"
    table = table_of("style_study", cases=UNSCORED)
    assert (table.scored, table.masked) == ((), ())
    assert [entry.method for entry in table.unavailable] == [method.name for method in table.methods]
    assert {entry.reason for entry in table.unavailable} == {reason}
    summary = table_of("summary", cases=UNSCORED)
    assert summary.scored == () and methods_of(summary.masked) == ["source_only", "dar_uda", "supervised"]
    assert {entry.reason for entry in summary.unavailable} == {reason}


def test_what_a_training_lacks_is_named():
    methods, no_target = plan_of().methods, Cases((case("ct1", "train", True), case("mr1", "test", True)))
    assert lacking_cases(methods["dar_uda"], CT_TO_MR, CASES) is None
    assert lacking_cases(methods["dar_uda"], MR_TO_CT, CASES) == "no training case of domain mr has a label"
    assert lacking_cases(methods["dar_uda"], CT_TO_MR, no_target) == "domain mr has no training case"
    assert lacking_cases(methods["synseg_net"], CT_TO_MR, no_target) == "domain mr has no training case"
    assert lacking_cases(methods["source_only"], CT_TO_MR, no_target) is None
    assert lacking_cases(methods["supervised"], CT_TO_MR, CASES) == "no training case of domain mr has a label"


def lacking(cases, text="{}"):
    plan = plan_of(text, cases)
    return lacking_for_summary(plan.config, cases, plan.methods)


def test_all_that_the_summary_lacks_is_named_but_labels_of_the_target():
    assert lacking(CASES) == []
    assert lacking(CASES, BOTH) == [
        "direction mr-to-ct: domain ct has no test case",
        "direction mr-to-ct, method source_only: no training case of domain mr has a label",
        "direction mr-to-ct, method dar_uda: no training case of domain mr has a label",
    ]
    assert lacking(Cases((case("ct1", "train", True), case("mr3", "test", False)))) == [
        "direction ct-to-mr, method dar_uda: domain mr has no training case"
    ]
