import re

import pytest
import yaml

from dar_uda.data.cases_table import DOMAIN
from dar_uda.data.cases_table import NAME as CASE
from dar_uda.plan.cases import Cases
from dar_uda.plan.errors import PlanError
from dar_uda.plan.plan import NAME, TRAINED
from dar_uda.plan.tables import Row
from tests.plan.configs import REPOSITORY
from tests.plan.plans import BOTH, EXTRAS, LABELED, SAVED, UNSCORED, case, plan_of

RUN = "results/phantom"


def test_a_run_makes_the_summarys_table_figures_and_report():
    assert plan_of("methods: [source_only, dar_uda]").requested() == [
        f"{RUN}/checks.txt",
        *(f"{RUN}/tables/summary.{suffix}" for suffix in ("tsv", "md", "tex", "html")),
        f"{RUN}/tables/tta_inconsistency.tsv",
        f"{RUN}/tables/confidence.tsv",
        *(f"{RUN}/figures/{kind}-ct-to-mr.png" for kind in ("dice", "differences", "dice_asd", "extremes")),
        *(f"{RUN}/figures/{kind}-ct-to-mr.png" for kind in ("look_first", "overlays", "translations")),
        f"{RUN}/seed-0/styles/ct-to-mr/disentangled-multi/styles.png",
        f"{RUN}/figures/losses.png",
        f"{RUN}/report.html",
    ]


def test_saved_probabilities_ask_for_their_calibration_and_for_nothing_else():
    text = f"{BOTH}\nmethods: [source_only, dar_uda]\nseeds: [3, 1]"
    saved = f"{text}\n{SAVED}"
    asked = set(plan_of(saved, LABELED).requested()) - set(plan_of(text, LABELED).requested())
    figures = (f"{RUN}/figures/reliability-{direction}.png" for direction in ("ct-to-mr", "mr-to-ct"))
    assert asked == {f"{RUN}/tables/calibration.tsv", *figures}
    plan = plan_of(saved, LABELED)
    assert plan.calibration(plan.drawn("", "ct-to-mr")) == [
        f"{RUN}/seed-{seed}/calibration/ct-to-mr/{method}.tsv"
        for method in ("source_only", "dar_uda")
        for seed in (3, 1)
    ]


def test_masks_are_compared_with_those_of_the_summarys_other_adapted_methods_of_the_same_seed():
    plan = plan_of("{methods: [source_only, cyclegan_3d, dar_uda, supervised], seeds: [3, 1]}", LABELED)
    masks = f"{RUN}/seed-1/predictions/ct-to-mr"
    assert plan.adapted_beside("dar_uda", "ct-to-mr", "1") == [f"{masks}/cyclegan_3d"]
    both = [f"{masks}/cyclegan_3d", f"{masks}/dar_uda"]
    assert (
        plan.adapted_beside("source_only", "ct-to-mr", "1") == plan.adapted_beside("supervised", "ct-to-mr", 1) == both
    )
    assert plan_of().adapted_beside("dar_uda", "ct-to-mr", "0") == []


def test_without_a_reference_calibration_is_not_asked_for():
    assert plan_of(SAVED, UNSCORED).requested() == plan_of(cases=UNSCORED).requested()


def test_masks_that_no_label_scores_are_made_and_their_tta_inconsistency_is_tabulated():
    plan = plan_of("seeds: [3, 1]", UNSCORED)
    rows = [(method, seed) for method in ("source_only", "dar_uda", "supervised") for seed in (3, 1)]
    masks = [f"{RUN}/seed-{seed}/predictions/ct-to-mr/{method}" for method, seed in rows]
    assert plan.predictions(plan.summary.masked) == plan.unscored_predictions(plan.summary) == masks
    assert plan.metrics(plan.summary.scored) == [] and set(masks) < set(plan.requested())
    assert plan.tta_inconsistency(plan.summary.masked) == [
        f"{RUN}/seed-{seed}/tta_inconsistency/ct-to-mr/{method}.tsv" for method, seed in rows
    ]
    assert plan_of().unscored_predictions(plan_of().summary) == []


def test_a_direction_without_labels_is_unscored_beside_one_that_has_them():
    cases = Cases(tuple(case(each.name, each.split, each.name != "ct4") for each in LABELED.all))
    plan = plan_of(f"methods: dar_uda\n{BOTH}", cases)
    assert plan.metrics(plan.summary.scored) == [f"{RUN}/seed-0/metrics/ct-to-mr/dar_uda.tsv"]
    assert plan.unscored_predictions(plan.summary) == [f"{RUN}/seed-0/predictions/mr-to-ct/dar_uda"]


def test_cases_that_are_missing_are_named_all_at_once():
    with pytest.raises(PlanError) as error:
        plan_of(f"methods: [source_only, supervised]\n{BOTH}").requested()
    assert str(error.value) == (
        "DAR-040: Cases are missing:\n"
        "  direction mr-to-ct: domain ct has no test case\n"
        "  direction mr-to-ct, method source_only: no training case of domain mr has a label\n"
        "Give the cases table such cases, or choose another direction."
    )


def trained(plan, *tables):
    """Return the weights with which the methods of tables predict."""
    rows = [row for table in tables for row in plan.tables[table].scored]
    return {plan.weights(row.method, row.direction, row.seed) for row in rows}


def test_both_directions_share_translator_and_segmenters():
    plan = plan_of(BOTH, LABELED)
    folder = f"{RUN}/seed-0/segmenters"
    made = ("ct", "mr", "ct-to-mr.disentangled-multi", "mr-to-ct.disentangled-multi")
    paths = {f"{folder}/{name}/dar_unet/weights.safetensors" for name in made[:2]}
    paths |= {f"{folder}/{name}/dar_unet-self_training_4/weights.safetensors" for name in made[2:]}
    assert trained(plan, "summary") == paths
    assert len(plan.predictions(plan.summary.scored)) == 6
    assert [name for name in plan.figures.histories() if " " not in name] == ["disentangled"]


def test_methods_predict_with_the_weights_of_their_last_training():
    plan = plan_of(f"model_selection: {{rule: source_validation}}\n{EXTRAS}", LABELED)
    folder = f"{RUN}/seed-2/segmenters/mr-to-ct.disentangled-multi"
    first = f"{folder}/dar_unet-randomized-source_validation"
    assert plan.weights("dar_uda_no_self_training", "mr-to-ct", 2) == f"{first}/weights.safetensors"
    assert plan.weights("dar_uda", "mr-to-ct", 2) == f"{first}-self_training_1/weights.safetensors"
    assert plan.weights("supervised", "mr-to-ct", 2) == f"{RUN}/seed-2/segmenters/ct/dar_unet/weights.safetensors"


@pytest.mark.parametrize("iteration", [1, 2, 13])
def test_a_self_training_iteration_goes_on_from_the_one_before_and_the_first_from_the_first_training(iteration):
    network = "dar_unet-randomized-source_validation"
    before = {1: "", 2: "-self_training_1", 13: "-self_training_12"}[iteration]
    weights = f"{RUN}/seed-2/segmenters/ct-to-mr.disentangled-multi/{network}{before}/weights.safetensors"
    for number in (iteration, str(iteration)):
        assert plan_of().weights_before(number, "ct-to-mr.disentangled-multi", network, 2) == weights


def test_a_method_or_a_network_that_a_path_names_must_be_known():
    with pytest.raises(PlanError, match="Unknown method 'foo'; known: ada_output, "):
        plan_of().weights("foo", "ct-to-mr", 0)
    with pytest.raises(PlanError, match="Unknown network 'foo'; known: anisotropic_unet, "):
        plan_of().networks.patch_size("foo-randomized")


def test_randomized_methods_have_networks_of_their_own_where_volumes_are_randomized():
    methods = "methods: [source_only, source_randomized, dar_uda]"
    plain, mixed = plan_of(methods), plan_of(f"{methods}\n{EXTRAS}")
    assert len(trained(plain, "summary")) == 2 and len(trained(mixed, "summary")) == 3
    assert not any("randomized" in path for path in trained(plain, "summary"))
    folder = f"{RUN}/seed-0/segmenters/ct"
    ours = {path for path in trained(mixed, "summary") if path.startswith(f"{folder}/")}
    assert ours == {f"{folder}/dar_unet{ending}/weights.safetensors" for ending in ("", "-randomized")}


def test_a_table_that_shows_what_trainings_took_reads_that_of_the_first_training():
    plan = plan_of(f"tables: {{comparison: {{usage: true}}}}\nseeds: [3, 1]\ndirections: ct-to-mr\n{EXTRAS}", LABELED)
    files = plan.usage("comparison")
    folder = "segmenters/ct-to-mr.disentangled-multi/dar_unet-randomized"
    both = [f"{RUN}/seed-{seed}/{folder}/usage.json" for seed in (3, 1)]
    assert files["dar_uda"] == files["dar_uda_no_self_training"] == both
    on_both_domains = {"synseg_net", "ada_output", "ada_output_multilevel", "cycada", "sifa"}
    assert set(files) == {method.name for method in plan.tables["comparison"].methods} - on_both_domains
    assert plan.usage("style_study") == {}
    candidates = plan_of("model_selection: {rule: target_oracle}", LABELED).usage("architecture_study")["qam_unet"]
    folder = "segmenters/ct-to-mr.disentangled-multi/qam_unet-candidates"
    assert candidates == [f"{RUN}/seed-0/{folder}/usage.json"]


def test_a_direction_with_several_chunks_of_test_cases_gathers_their_files():
    plan = plan_of("inference: {chunk_size: 1}")
    assert (plan.direction_pattern(chunked=True), plan.direction_pattern(chunked=False)) == ("ct-to-mr", "mr-to-ct")
    folder = f"{RUN}/seed-2/chunks/ct-to-mr/dar_uda"
    for file in ("masks", "tta_inconsistency.tsv"):
        files = plan.chunk_files("dar_uda", "ct-to-mr", 2, file)
        assert files == [f"{folder}/mr3/{file}", f"{folder}/mr4/{file}"]
    assert plan.chunk_files("dar_uda", "ct-to-mr", 2, "metrics.tsv") == [f"{folder}/mr3/metrics.tsv"], (
        "mr4 has no label"
    )
    whole = plan_of()
    assert whole.direction_pattern(chunked=False) == "ct-to-mr|mr-to-ct"
    assert not re.match(whole.direction_pattern(chunked=True), "ct-to-mr")


@pytest.mark.parametrize(
    ("device", "submits", "has_gpu", "count"),
    [
        ("auto", False, True, 1),
        ("auto", False, False, 0),
        ("auto", True, True, 1),
        ("cuda", True, False, 1),
        ("cuda", False, False, 1),
        ("cpu", True, False, 0),
        ("cpu", False, True, 0),
    ],
)
def test_a_job_asks_for_a_gpu_where_its_device_is_one(device, submits, has_gpu, count):
    assert plan_of(f"device: {device}").gpus(submits, has_gpu) == count


def test_a_machine_that_only_submits_cannot_know_what_auto_means():
    with pytest.raises(PlanError, match="device is auto, but this machine, which has no GPU, only submits the jobs"):
        plan_of().gpus(submits=True, has_gpu=False)


def test_a_report_and_a_figure_know_their_table():
    plan = plan_of()
    assert plan.table_ending("").name == plan.summary.name == "summary"
    assert plan.table_ending("-comparison") is plan.tables["comparison"]
    assert plan.drawn("", "ct-to-mr", 0) == [Row("ct-to-mr", name, 0) for name in ("source_only", "dar_uda")]
    for ending, name in {"": "summary", "-style_study": "style_study"}.items():
        with pytest.raises(PlanError, match=f"Table {name} has no scores in direction mr-to-ct"):
            plan.drawn(ending, "mr-to-ct")


def test_a_figure_of_differences_knows_its_rows_and_is_refused_where_there_is_nothing_to_compare():
    plan = plan_of("methods: [source_only, dar_uda]\nseeds: [3, 1]")
    expected = [Row("ct-to-mr", name, seed) for name in ("source_only", "dar_uda") for seed in (3, 1)]
    assert plan.compared("", "ct-to-mr") == expected
    with pytest.raises(PlanError, match="Table summary has no scores in direction mr-to-ct; expected"):
        plan.compared("", "mr-to-ct")
    with pytest.raises(PlanError, match=r"found \['dar_uda'\], expected the reference row dar_uda and another"):
        plan_of("methods: dar_uda").compared("", "ct-to-mr")


@pytest.mark.parametrize(
    ("wildcard", "matched", "others"),
    [
        ("run", ["a.b"], ["a+b", "phantom"]),
        ("seed", ["0", "12"], ["-1", ""]),
        ("domain", ["ct", "mr"], ["pet"]),
        ("direction", ["ct-to-mr", "mr-to-ct"], ["ct-to-ct"]),
        ("case", ["1", "A-1.x_2"], ["_1", "-1", "a/b", ""]),
        ("method", ["dar_uda"], ["dar-uda", "1x"]),
        (
            "network",
            ["unet_2d", "x-randomized", "x-target_oracle", "x-randomized-source_validation"],
            ["x-candidates", "x-self_training_1", "x-randomized-self_training_2"],
        ),
        ("iteration", ["1", "2", "12"], ["0", "01", "-1", "x", ""]),
        ("chunk", ["1", "A-1.x_2"], ["a/b", ""]),
        ("selection", ["source_validation", "target_oracle"], ["last", "candidates"]),
        ("table", ["summary", "comparison"], ["mine", "tta_inconsistency"]),
        ("of_table", ["", "-comparison"], ["-summary", "comparison"]),
        ("translation", ["disentangled-multi", "cyclegan-single"], ["disentangled", "synseg_net"]),
        ("training_set", ["ct", "ct-to-mr.disentangled-average"], ["ct-to-mr.synseg_net", "ct-to-mr.ada_output"]),
    ],
)
def test_a_wildcard_takes_the_names_of_a_run_and_no_others(wildcard, matched, others):
    pattern = plan_of("run: a.b").wildcard_constraints()[wildcard]
    assert [name for name in [*matched, *others] if re.fullmatch(pattern, name)] == matched


def test_a_training_from_nothing_has_neither_chosen_weights_nor_a_self_training():
    names = [
        "x",
        "x_1-randomized",
        "x-source_validation",
        "x-randomized-target_oracle",
        "x-candidates",
        "x-self_training_1",
    ]
    assert [name for name in names if re.fullmatch(TRAINED, name)] == names[:2]


def test_schema_and_cases_table_allow_the_names_that_wildcards_take():
    schema = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    for key in ("method_definitions", "networks"):
        assert list(schema["properties"][key]["patternProperties"]) == [rf"^{NAME}\Z"]
    for wildcard in ("case", "chunk"):
        assert CASE.pattern == plan_of().wildcard_constraints()[wildcard].replace("*", "{0,99}")
    assert DOMAIN.pattern == "[A-Za-z0-9]{1,40}", "as in the wildcard training_set, and without the - of -to-"


def test_the_grid_ceiling_is_that_of_the_source_of_each_direction_where_it_has_labels():
    plan = plan_of(BOTH, LABELED)
    tables = {"ct-to-mr": "ct", "mr-to-ct": "mr"}
    assert plan.grid_ceilings(plan.summary) == {
        direction: f"results/phantom/grid_ceiling/{domain}.tsv" for direction, domain in tables.items()
    }
    unlabeled = plan_of(cases=Cases((case("ct1", "train", False), case("mr1", "test", True))))
    assert unlabeled.grid_ceilings(unlabeled.summary) == {}


def test_a_report_knows_the_grids_of_labeled_source_cases_and_of_the_targets_test_cases():
    plan = plan_of()
    names = {"ct1": "ct", "ct2": "ct", "mr3": "mr", "mr4": "mr"}
    expected = {f"results/phantom/cases/{domain}/{name}/grid.json": domain for name, domain in names.items()}
    assert plan.grids(plan.summary) == expected, "not those of ct3 without a label, nor of training cases of the target"


def test_nnunet_needs_an_interpreter_that_has_it():
    methods = "methods: [dar_uda_nnunet]"
    with pytest.raises(PlanError, match="DAR-056: nnunet_python is null, .* run `make nnunet` and say --config"):
        plan_of(methods).nnunet(has_environment=False)
    named = plan_of(f"{methods}\nnnunet_python: other/python\nnnunet: {{epochs: 3}}").nnunet(has_environment=False)
    assert named == plan_of(f"{methods}\nnnunet: {{epochs: 3}}").nnunet(has_environment=True)
    assert named["epochs"] == 3


def test_the_patterns_of_nnunets_names_and_of_all_others_share_none():
    plan = plan_of("methods: [dar_uda_nnunet, dar_uda]\nnetworks: {nnunet_2: {architecture: nnunet}}")
    for pattern, own, others in (
        (plan.method_pattern, ["dar_uda_nnunet"], ["dar_uda", "dar_uda_nnunet2", "other"]),
        (plan.network_pattern, ["nnunet", "nnunet_2"], ["dar_unet", "dar_unet-randomized", "nnunet_3"]),
    ):
        for names, is_one in ((own, True), (others, False)):
            assert [bool(re.fullmatch(pattern(of_nnunet=is_one), name)) for name in names] == [True] * len(names)
            assert not any(re.fullmatch(pattern(of_nnunet=not is_one), name) for name in names)
    assert not re.fullmatch(plan.network_pattern(of_nnunet=False), "nnunet-randomized")
    assert re.fullmatch(plan_of("methods: [dar_uda]").method_pattern(of_nnunet=True), "dar_uda") is None
