import pytest

from dar_uda.plan.errors import PlanError
from dar_uda.plan.methods import (
    Training,
    TrainingSet,
    direction_of,
    domain_randomization_of,
    read_methods,
    translator_of,
)
from dar_uda.plan.task import Direction
from tests.plan.configs import config_of
from tests.plan.plans import EXTRAS

CT_TO_MR, MR_TO_CT = Direction("ct", "mr"), Direction("mr", "ct")
RULES = ("last", "source_validation", "target_oracle")


def methods_of(text="{}"):
    return read_methods(config_of(text))


def names(trainings):
    return list(map(str, trainings))


@pytest.mark.parametrize(
    ("text", "labeled", "target", "adaptation", "has_volumes"),
    [
        ("ct", "ct", None, "", True),
        ("ct-to-mr.disentangled-multi", "ct", "mr", "disentangled-multi", True),
        ("mr-to-ct.disentangled-average", "mr", "ct", "disentangled-average", True),
        ("ceT1-to-hrT2.cyclegan-single", "ceT1", "hrT2", "cyclegan-single", True),
        ("ct-to-mr.synseg_net", "ct", "mr", "synseg_net", False),
        ("ct-to-mr.ada_output", "ct", "mr", "ada_output", False),
    ],
)
def test_a_training_set_reads_as_it_is_written(text, labeled, target, adaptation, has_volumes):
    training_set = TrainingSet.of(text)
    assert training_set == TrainingSet(labeled, target, adaptation)
    assert (str(training_set), training_set.has_volumes) == (text, has_volumes)
    if target:
        assert training_set.direction == Direction(labeled, target)


def test_real_volumes_have_no_direction():
    assert direction_of("ct-to-mr.cyclegan-single") == "ct-to-mr"
    with pytest.raises(PlanError, match="Training set ct is a domain's real volumes"):
        direction_of("ct")
    with pytest.raises(PlanError, match="Training set mr is a domain's real volumes; expected one of a direction"):
        TrainingSet("mr").direction  # noqa: B018


@pytest.mark.parametrize(
    ("text", "training"),
    [
        ("dar_unet", Training("dar_unet")),
        ("unet_2d-randomized", Training("unet_2d", True)),
        ("dar_unet-candidates", Training("dar_unet", False, "candidates")),
        ("dar_unet-randomized-target_oracle", Training("dar_unet", True, "target_oracle")),
        ("dar_unet-self_training_1", Training("dar_unet", iteration=1)),
        ("dar_unet-randomized-self_training_2", Training("dar_unet", True, iteration=2)),
        ("dar_unet-source_validation-self_training_12", Training("dar_unet", False, "source_validation", 12)),
        ("self_training_1", Training("self_training_1")),
        ("randomized", Training("randomized")),
    ],
)
def test_a_training_reads_as_it_is_written(text, training):
    assert Training.of(text) == training and str(training) == text


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("values", ["{}", EXTRAS])
def test_every_name_that_a_run_can_have_reads_back(rule, values):
    text = f"model_selection: {{rule: {rule}}}" if values == "{}" else f"model_selection: {{rule: {rule}}}\n{values}"
    for method in methods_of(text).values():
        for training in (*method.iterations, *method.trainings):
            assert Training.of(str(training)) == training
        for direction in (CT_TO_MR, MR_TO_CT):
            training_set = method.training_set(direction)
            assert TrainingSet.of(str(training_set)) == training_set


def test_every_method_of_every_table_is_read_once():
    methods = methods_of()
    assert len(methods) == 20, "fifteen of the comparison, and five ablations; without source_randomized"
    assert all(name == method.name for name, method in methods.items())
    assert "source_randomized" in methods_of("methods: source_randomized")


@pytest.mark.parametrize(
    ("name", "ct_to_mr", "mr_to_ct"),
    [
        ("source_only", "ct", "mr"),
        ("supervised", "mr", "ct"),
        ("dar_uda", "ct-to-mr.disentangled-multi", "mr-to-ct.disentangled-multi"),
        ("average_style", "ct-to-mr.disentangled-average", "mr-to-ct.disentangled-average"),
        ("cyclegan_3d", "ct-to-mr.cyclegan-single", "mr-to-ct.cyclegan-single"),
        ("synseg_net", "ct-to-mr.synseg_net", "mr-to-ct.synseg_net"),
    ],
)
def test_a_methods_training_set_follows_the_direction(name, ct_to_mr, mr_to_ct):
    method = methods_of()[name]
    assert [str(method.training_set(direction)) for direction in (CT_TO_MR, MR_TO_CT)] == [ct_to_mr, mr_to_ct]


def test_a_budget_that_randomizes_nothing_and_has_no_self_training_trains_plain_networks():
    methods = methods_of(
        "methods: [source_only, source_randomized, dar_uda]\nsegmentation: {self_training: {iterations: 0}}"
    )
    for method in methods.values():
        assert method.iterations == (Training(method.network),) and method.trainings == [Training(method.network)]
    assert methods["source_randomized"].iterations == methods["source_only"].iterations
    assert methods["dar_uda"].iterations == methods["dar_uda_no_self_training"].iterations


@pytest.mark.parametrize(
    ("rule", "name", "iterations", "trainings"),
    [
        ("last", "source_only", ["dar_unet"], ["dar_unet"]),
        ("last", "source_randomized", ["dar_unet-randomized"], ["dar_unet-randomized"]),
        ("last", "dar_uda_no_self_training", ["dar_unet-randomized"], ["dar_unet-randomized"]),
        ("last", "dar_uda", *[["dar_unet-randomized", "dar_unet-randomized-self_training_1"]] * 2),
        ("source_validation", "source_only_2d", ["unet_2d-source_validation"], ["unet_2d-candidates"]),
        (
            *("target_oracle", "dar_uda_no_self_training"),
            ["dar_unet-randomized-target_oracle"],
            ["dar_unet-randomized-candidates"],
        ),
        (
            *("source_validation", "dar_uda"),
            ["dar_unet-randomized-source_validation", "dar_unet-randomized-source_validation-self_training_1"],
            ["dar_unet-randomized-candidates", "dar_unet-randomized-source_validation-self_training_1"],
        ),
        ("target_oracle", "supervised", ["dar_unet"], ["dar_unet"]),
        ("source_validation", "ada_output_multilevel", ["unet_2d_multilevel"], ["unet_2d_multilevel"]),
    ],
)
def test_the_iterations_of_a_method_and_the_trainings_that_run(rule, name, iterations, trainings):
    method = methods_of(
        f"model_selection: {{rule: {rule}}}\nmethods: [source_randomized, average_style, dar_uda]\n{EXTRAS}"
    )[name]
    assert names(method.iterations) == iterations and names(method.trainings) == trainings
    assert (str(method.predictor), method.network) == (iterations[-1], iterations[0].split("-")[0])
    assert method.is_randomized == ("randomized" in iterations[0])
    assert method.self_training_iterations == len(iterations) - 1


@pytest.mark.parametrize("count", [0, 1, 2, 12])
def test_self_training_iterations_follow_the_first_training_and_the_last_one_predicts(count):
    methods = methods_of(f"segmentation: {{self_training: {{iterations: {count}}}}}")
    method, numbers = methods["dar_uda"], range(1, count + 1)
    assert names(method.iterations) == ["dar_unet", *(f"dar_unet-self_training_{number}" for number in numbers)]
    assert (method.predictor, method.self_training_iterations) == (Training("dar_unet", iteration=count), count)
    alike = ("cyclegan_3d", "average_style", "dar_uda")
    assert all(methods[name].iterations == method.iterations for name in alike)
    others = [other for name, other in methods.items() if name not in alike]
    assert {other.self_training_iterations for other in others} == {0}


def test_self_training_is_switched_off_by_its_iterations_alone():
    with pytest.raises(PlanError, match=r"segmentation\.self_training\.steps"):
        methods_of("segmentation: {self_training: {iterations: 1, steps: 0}}")


def test_2d_networks_and_synthetic_sets_are_known():
    methods = methods_of()
    of_2d = {"source_only_2d", "synseg_net", "ada_output", "ada_output_multilevel", "cyclegan_2d", "supervised_2d"}
    of_2d |= {"cycada", "sifa"}
    assert {name for name, method in methods.items() if method.is_2d} == of_2d
    real = {"source_only", "source_only_2d", "supervised", "supervised_2d"}
    on_both = {"synseg_net", "ada_output", "ada_output_multilevel", "sifa"}
    assert {name for name, method in methods.items() if not method.is_synthetic} == real | on_both


def test_volumes_are_randomized_where_any_value_is_not_zero():
    assert domain_randomization_of(config_of()) is None
    config = config_of("segmentation: {domain_randomization: {structure_contrast: 0.2}}")
    assert domain_randomization_of(config) == {"gin": 0, "structure_contrast": 0.2, "source_fraction": 0}


@pytest.mark.parametrize("pattern", ["{source}", "{target}", "{direction}.synseg_net", "{direction}.ada_output"])
def test_a_self_training_iteration_needs_synthetic_volumes(pattern):
    definition = f'{{training_set: "{pattern}", network: unet_2d, self_trained: true}}'
    with pytest.raises(PlanError) as error:
        methods_of(f"method_definitions: {{mine: {definition}}}\nmethods: mine")
    assert str(error.value) == (
        f"DAR-033: Method mine is self_trained on {pattern}; expected a synthetic training set, which names its "
        "target: take one, or leave self_trained out."
    )


def test_a_training_on_both_domains_is_never_called_randomized():
    with pytest.raises(PlanError) as error:
        methods_of("method_definitions: {synseg_net: {randomized: true}}")
    assert str(error.value) == (
        "DAR-035: Method synseg_net is randomized on {direction}.synseg_net, whose training randomizes nothing: "
        "take another training set, or leave randomized out."
    )


@pytest.mark.parametrize(
    ("name", "network", "wanted"),
    [
        ("synseg_net", "dar_unet", "unet_2d"),
        ("ada_output", "dar_unet", "unet_2d"),
        ("cycada", "sifa", "unet_2d"),
        ("sifa", "unet_2d", "sifa"),
    ],
)
def test_a_training_on_both_domains_needs_its_2d_network(name, network, wanted):
    with pytest.raises(PlanError) as error:
        methods_of(f"method_definitions: {{{name}: {{network: {network}}}}}")
    assert str(error.value) == (
        f"DAR-034: Method {name} trains network {network} on {{direction}}.{name}; expected a 2D network of "
        f"architecture {wanted}, such as {wanted}."
    )


@pytest.mark.parametrize("name", ["synseg_net", "cycada"])
def test_only_ada_output_trains_a_second_output(name):
    with pytest.raises(PlanError, match="DAR-034: .*which has a second output.*expected one without, such as unet_2d"):
        methods_of(f"method_definitions: {{{name}: {{network: unet_2d_multilevel}}}}")


def test_cycada_begins_from_volumes_of_its_own_translator():
    for text, translation in {
        "ct-to-mr.cycada": "cycada-single",
        "ct-to-mr.cyclegan-single": "cyclegan-single",
        "ct-to-mr.sifa": "",
        "ct": "",
    }.items():
        assert TrainingSet.of(text).translation == translation
    assert translator_of("cycada-single", "ct-to-mr") == "cycada-ct-to-mr"
    assert translator_of("disentangled-multi", "ct-to-mr") == "disentangled"


@pytest.mark.parametrize("rule", RULES)
def test_nnunet_keeps_the_last_weights_of_one_training(rule):
    methods = methods_of(
        f"model_selection: {{rule: {rule}}}\n{EXTRAS}\nmethods: [nnunet_source_only, dar_uda_nnunet, dar_uda]"
    )
    for name in ("nnunet_source_only", "dar_uda_nnunet"):
        assert methods[name].is_nnunet and names(methods[name].iterations) == ["nnunet"]
    assert not methods["dar_uda"].is_nnunet and not methods["dar_uda_nnunet"].is_2d


@pytest.mark.parametrize("key", ["randomized", "self_trained"])
def test_nnunet_is_neither_randomized_nor_self_trained(key):
    text = f"method_definitions: {{dar_uda_nnunet: {{{key}: true}}}}\nmethods: [dar_uda_nnunet]"
    with pytest.raises(PlanError, match=f"DAR-055: Method dar_uda_nnunet is {key}, but nnU-Net trains its network"):
        methods_of(text)
