"""Of the cases that score an exported method, how many its trainings saw: counted on made-up files of a run."""

import json

import pytest

from dar_uda.bundle.card import _scores
from dar_uda.bundle.transductive import scored_in_training, training_cases
from dar_uda.evaluation.score import OK
from dar_uda.jobs.provenance import provenance_path
from tests.evaluation.metrics_files import write_metrics


def write_provenance(run, output, inputs, **params):
    """Write what made an output of a run; return the path of the output."""
    path = run / output
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"outputs": {f"results/mine/{output}": "0"}, "inputs": dict.fromkeys(inputs, "0"), "params": params}
    provenance_path(path).write_text(json.dumps(facts))
    return path


@pytest.fixture
def run(tmp_path):
    """A run that has sliced the training cases mr1 to mr3 and scored mr2 to mr4."""
    write_provenance(tmp_path, "slices/mr.npy", [], cases=["mr1", "mr2", "mr3"])
    write_metrics(tmp_path / "metrics.tsv", [(case, "liver", 0.5, 2.0, OK) for case in ("mr2", "mr3", "mr4")])
    return tmp_path


@pytest.mark.parametrize(
    ("training_set", "seen"),
    [("ct", 0), ("ct-to-mr.disentangled-multi", 2), ("ct-to-mr.synseg_net", 2), ("ct-to-mr.cyclegan-single", 2)],
)
def test_trainings_on_the_source_alone_see_no_case_and_those_for_the_target_all_that_are_sliced(
    run, training_set, seen
):
    weights = write_provenance(run, f"segmenters/{training_set}/dar_unet/weights.safetensors", [])
    assert scored_in_training(run, "mr", weights, run / "metrics.tsv") == [seen, 3]


def test_a_training_that_reads_volumes_of_the_target_sees_those(run):
    provenance_path(run / "slices" / "mr.npy").unlink()
    inputs = [f"results/mine/cases/{case}" for case in ("mr/mr4/image.nii", "mr/mr2/grid.json", "ct/mr3/image.nii")]
    weights = write_provenance(run, "segmenters/ct-to-mr.ada_output/unet_2d/weights.safetensors", inputs)
    assert scored_in_training(run, "mr", weights, run / "metrics.tsv") == [1, 3] and training_cases(run, "mr") == []


def test_volumes_that_choose_weights_are_not_those_of_a_training(run):
    folder = "segmenters/ct-to-mr.disentangled-multi/dar_unet-target_oracle"
    weights = write_provenance(run, f"{folder}/weights.safetensors", ["results/mine/cases/mr/mr4/image.nii"])
    assert scored_in_training(run, "mr", weights, run / "metrics.tsv") == [2, 3]


def test_without_scores_none_is_counted(run):
    weights = write_provenance(run, "segmenters/ct-to-mr.disentangled-multi/dar_unet/weights.safetensors", [])
    assert scored_in_training(run, "mr", weights, run / "absent.tsv") == [0, 0]


@pytest.mark.parametrize("seen", [0, 2])
def test_the_card_says_how_many_scored_cases_were_in_training_where_any_was(run, seen):
    of_run = {"seed": 0, "scored_in_training": [seen, 3]}
    facts = {"direction": "ct-to-mr", "method": "dar_uda", "run": of_run, "structures": ["liver"]}
    text = "\n".join(_scores(facts, run / "metrics.tsv"))
    said = "Transductive: 2 of 3 scored cases were in training, without their labels. The scores say how well these"
    assert (said in text) == bool(seen) and ("Transductive" in text) == bool(seen)
