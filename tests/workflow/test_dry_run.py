"""The DAG, without running it: which jobs a config asks for, and which configs are refused."""

import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.workflow.preloaded import REPOSITORY, snakemake

COLUMNS = ("case", "domain", "image", "label", "split")


def dry_run(folder, *arguments):
    """Return exit status and everything that a dry run in `folder` prints."""
    return snakemake(folder, "-n", "--cores", "2", *arguments)


def planned(folder, *arguments):
    """Return the number of jobs of each rule, and the printed plan."""
    status, text = dry_run(folder, *arguments)
    assert status == 0, text
    block = re.split(r"^-+ +-+$", text, maxsplit=1, flags=re.MULTILINE)[1].split("\n\n")[0]
    counts = dict(line.split() for line in block.strip().splitlines())
    return Counter({name: int(count) for name, count in counts.items() if name != "total"}), text


def write_cases(folder, rows):
    """Write a cases table with empty files for its images and labels; return its path."""
    lines = ["\t".join(COLUMNS)]
    for case, domain, labeled, split in rows:
        files = [f"{domain}_{len(lines)}_{what}.nii.gz" for what in ("image", "label")]
        for file in files[: 1 + labeled]:
            (folder / file).touch()
        lines.append("\t".join([case, domain, files[0], files[1] if labeled else "", split]))
    table = folder / "cases.tsv"
    table.write_text("\n".join(lines) + "\n")
    return table


ROWS = [
    ("ct1", "ct", True, "train"),
    ("ct2", "ct", True, "train"),
    ("mr1", "mr", False, "train"),
    ("mr2", "mr", False, "train"),
    ("mr3", "mr", True, "test"),
    ("mr4", "mr", False, "test"),
]


def test_a_fork_plans_what_a_process_of_its_own_does(tmp_path):
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "-s", REPOSITORY / "Snakefile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    status, text = dry_run(tmp_path)
    assert status == done.returncode == 0
    of_process, of_fork = (
        sorted(re.findall(r"^(?:\w*rule \w+:| +(?:input|output|resources): .*)$", printed, re.MULTILINE))
        for printed in (done.stderr + done.stdout, text)
    )
    assert of_fork == of_process and len(of_fork) > 200


def test_default_plan_has_the_jobs_counted_by_hand(tmp_path):
    jobs, _ = planned(tmp_path)
    assert jobs == {
        "make_phantom": 1,
        "check_cases": 1,
        "preprocess_case": 8 + 8 + 6,  # CT training, MR training, MR test
        "preprocess_label": 8 + 8,  # CT training; MR training for `supervised`
        "extract_slices": 2,
        "measure_structures": 1,  # CT, the source
        "measure_grid_ceiling": 1,
        "train_translator": 1,
        "encode_styles": 1,
        "synthesize_volume": 8,
        "train_segmenter": 3,
        "label_target": 4,
        "self_train_segmenter": 4,
        "predict_cases": 3,
        "score_method": 3,
        "tabulate": 1,
        "tabulate_tta_inconsistency": 1,
        "measure_confidence": 3,
        "tabulate_confidence": 1,
        "draw_look_first": 1,
        "draw_losses": 1,
        "draw_translations": 1,
        "draw_styles": 1,
        "draw_overlays": 1,
        "draw_boxes": 1,
        "draw_differences": 1,
        "draw_dice_against_asd": 1,
        "draw_extremes": 1,
        "write_report": 1,
        "all": 1,
    }


def test_saved_probabilities_add_the_jobs_of_their_calibration(tmp_path):
    before, _ = planned(tmp_path)
    jobs, _ = planned(tmp_path, "--config", "inference={save_probabilities: true}")
    assert jobs - before == {"measure_calibration": 3, "tabulate_calibration": 1, "draw_reliability": 1}
    assert before - jobs == {}


def test_the_papers_tables_share_every_artifact(tmp_path):
    jobs, text = planned(tmp_path, "comparison", "style_study", "architecture_study")
    assert jobs["train_translator"] == jobs["train_cyclegan"] == 1
    # ct, mr, in 3D and 2D; in both directions three 3D and two 2D synthetic sets; five ablations in one direction
    assert jobs["train_segmenter"] == 2 * 2 + 2 * (3 + 2) + 5
    assert jobs["train_synseg_net"] == 2 and jobs["train_ada_output"] == 2 * 2
    assert jobs["train_cycada_translator"] == jobs["train_cycada"] == jobs["train_sifa"] == 2
    assert jobs["translate_volume_by_cycada"] == jobs["translate_volume"] == 16
    assert jobs["translate_volume"] == jobs["synthesize_volume"] == jobs["synthesize_average_volume"] == 16
    assert jobs["synthesize_uncorrected_volume"] == 0, "the demo corrects nothing"
    # fifteen methods both ways, and five ablations
    assert jobs["predict_cases"] == jobs["score_method"] == 2 * 15 + 5
    assert jobs["tabulate"] == 3
    assert jobs["preprocess_label"] == 16
    assert "cases/mr/mr10/label.nii" not in text  # a test case


def test_volumes_without_the_correction_are_drawn_where_the_budget_corrects(tmp_path):
    choices = ("methods=[dar_uda_published]", "styles={inter_slice_correction: true}")
    jobs, _ = planned(tmp_path, "--config", *choices)
    assert (jobs["synthesize_uncorrected_volume"], jobs["synthesize_volume"], jobs["train_segmenter"]) == (8, 0, 1)


@pytest.fixture(scope="module")
def labeled_target(tmp_path_factory):
    """The printed plan of a run whose target is labeled too, two self-training iterations; the first CT is a pair."""
    folder = tmp_path_factory.mktemp("labeled_target")
    table = write_cases(folder, [(case, domain, True, split) for case, domain, _, split in ROWS])
    (folder / "ct_1_image.hdr").touch()
    (folder / "ct_1_image.img").touch()
    table.write_text(table.read_text().replace("ct_1_image.nii.gz", "ct_1_image.hdr"))
    choices = ("task=abdomen", "budget=laptop", "directions=ct-to-mr", "methods=[source_only,dar_uda]")
    iterations = "segmentation={self_training: {iterations: 2}}"
    jobs, text = planned(folder, "--config", f"cases={table}", *choices, iterations)
    assert (jobs["label_target"], jobs["self_train_segmenter"], jobs["train_segmenter"]) == (2, 2, 2)
    return text


def files_of_jobs(text):
    """Yield the rule of every job of a printed plan, its inputs and its outputs."""
    for job in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]:
        found = (re.search(rf"^ +{what}: (.*)$", job, flags=re.MULTILINE) for what in ("input", "output"))
        yield job.split(":")[0], *(match[1] if match else "" for match in found)


def test_target_labels_are_read_for_the_scores_alone(labeled_target):
    label = re.compile(r"mr_\d+_label|cases/mr/\w+/label")
    readers = {rule for rule, inputs, _ in files_of_jobs(labeled_target) if label.search(inputs)}
    # of check_cases see tests/data/checks
    assert readers == {"check_cases", "score_method", "draw_overlays", "draw_extremes"}


def test_each_self_training_iteration_goes_on_from_the_training_before_and_from_its_masks(labeled_target):
    folder = "results/abdomen/seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet-randomized"
    jobs = {outputs.split(",")[0]: (rule, inputs) for rule, inputs, outputs in files_of_jobs(labeled_target)}
    rule, inputs = jobs[f"{folder}/weights.safetensors"]
    assert rule == "train_segmenter" and "cases/ct/ct1/image.nii" in inputs and "style-5.nii" in inputs
    for before, training in (("", "-self_training_1"), ("-self_training_1", "-self_training_2")):
        weights, labels = f"{folder}{before}/weights.safetensors", f"{folder}{training}/labels"
        labels = labels.replace("/segmenters/", "/pseudo_labels/")
        rule, inputs = jobs[labels]
        assert rule == "label_target" and "/mr2/image.nii" in inputs and "cases/mr/mr3" not in inputs, "no test case"
        assert [path for path in inputs.split(", ") if "/segmenters/" in path] == [weights]
        rule, inputs = jobs[f"{folder}{training}/weights.safetensors"]
        assert rule == "self_train_segmenter" and {weights, labels} <= {*inputs.split(", ")}
        assert sum("/segmenters/" in path or path.endswith("/labels") for path in inputs.split(", ")) == 2
    (inputs,) = [inputs for rule, inputs in jobs.values() if rule == "predict_cases" and "disentangled-multi" in inputs]
    assert f"{folder}-self_training_2/weights.safetensors" in inputs.split(", ")


def made_of(text, folder):
    """Return all files from which a printed plan makes its outputs below a folder."""
    jobs = {}
    for _, inputs, outputs in files_of_jobs(text):
        jobs |= dict.fromkeys(outputs.split(", "), inputs.split(", "))
    found, left = set(), [output for output in jobs if folder in output]
    while left:
        new = set(jobs.get(left.pop(), [])) - found
        found |= new
        left += new
    return found


def test_labels_of_cases_that_train_and_are_tested_reach_no_mask_of_their_own_domain(tmp_path):
    rows = [("ct3", "ct", True, "test"), ("mr1", "mr", True, "both"), ("mr2", "mr", True, "both")]
    table = write_cases(tmp_path, [*ROWS[:2], *rows, ("mr3", "mr", True, "test")])
    methods = "methods=[source_only,source_randomized,dar_uda,supervised]"
    choices = ("task=abdomen", "budget=laptop", "directions=[ct-to-mr,mr-to-ct]", methods)
    selection = "model_selection={rule: source_validation}"
    jobs, text = planned(tmp_path, "all", "comparison", "--config", f"cases={table}", *choices, selection)
    assert min(jobs["label_target"], jobs["select_model"], jobs["measure_structures"], jobs["train_ada_output"]) > 1
    label = re.compile(r"mr_\d_label|cases/mr/(\w+)/label")
    of_mr, of_ct = (
        {match[1] for path in made_of(text, f"/predictions/{direction}/") if (match := label.search(path))}
        for direction in ("ct-to-mr", "mr-to-ct")
    )
    assert of_mr == set() and of_ct >= {"mr1", "mr2"}, "where MR is the source, its labels train"
    assert "ct-to-mr/supervised" not in text and "mr-to-ct/supervised" in text
    readers = {rule for rule, inputs, _ in files_of_jobs(text) if re.search(r"mr_\d_label", inputs)}
    of_source = {"preprocess_label", "measure_grid_ceiling"}
    assert readers == {"check_cases", *of_source, "score_method", "draw_overlays", "draw_extremes"}


def test_the_voxels_beside_a_header_file_are_inputs_too(labeled_target):
    assert re.search(r"rule preprocess_case:\n    input: \S*ct_1_image.img, \S*ct_1_image.hdr", labeled_target)


def test_all_that_is_wrong_with_a_config_is_printed_at_once(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text('segmentation: {stepz: 5, batch_size: 0}\nbogus: 1\nrun: "abc\\n"\n')
    status, text = dry_run(tmp_path, "--configfile", str(config))
    assert status != 0 and len(text) < 5000
    for line in (
        "config: Additional properties are not allowed ('bogus' was unexpected)",
        "config.run: 'abc\\n' does not match",
        "config.segmentation: Additional properties are not allowed ('stepz' was unexpected); did you mean steps?",
        "config.segmentation.batch_size: 0 is less than the minimum of 1",
    ):
        assert line in text
    assert f"DAR-001: Config {config}:" in text and "\n  docs/questions.md#dar-001 explains DAR-001\n" in text


def test_all_cases_that_are_missing_are_printed_at_once(tmp_path):
    table = write_cases(tmp_path, [("ct1", "ct", True, "test"), ("mr1", "mr", False, "train")])
    status, text = dry_run(tmp_path, "--config", "task=abdomen", f"cases={table}", "directions=ct-to-mr")
    assert status != 0
    assert "direction ct-to-mr: domain mr has no test case" in text
    assert "direction ct-to-mr, method source_only: no training case of domain ct has a label" in text


@pytest.mark.parametrize("option", ["--set-resources=choose_candidate:mem_mb=5", "--set-threads=choose_candidate=2"])
def test_an_old_rule_whose_resources_snakemake_would_ignore_is_refused(tmp_path, option):
    status, text = dry_run(tmp_path, option)
    assert status == 1 and "choose_candidate is now select_model." in text


def test_an_old_rule_in_a_profile_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("set-threads: {tabulate_disagreements: 2}\n")
    status, text = dry_run(tmp_path, "--workflow-profile", str(tmp_path / "mine"))
    assert status == 1 and "DAR-045: Names of rules" in text
    assert "tabulate_disagreements is now tabulate_tta_inconsistency." in text


def test_a_mask_that_is_a_link_to_nothing_stops_the_run_by_name(tmp_path):
    table = write_cases(tmp_path, ROWS)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "mr3.nii.gz").symlink_to(tmp_path / "moved.nii.gz")
    config = tmp_path / "mine.yaml"
    config.write_text('external: {nnunet: "masks/{case}.nii.gz"}\nmethods: [source_only]\n')
    status, text = dry_run(tmp_path, "--configfile", config, "--config", f"cases={table}")
    assert status != 0 and "MissingInputException in rule read_external_masks" in text and "masks/mr3.nii.gz" in text


def test_masks_of_another_program_are_read_and_scored_once_whatever_the_seeds_and_the_chunks(tmp_path):
    table = write_cases(tmp_path, [*ROWS, ("mr5", "mr", True, "test")])
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "mr3.nii.gz").touch()
    config = tmp_path / "mine.yaml"
    config.write_text('external: {nnunet: "masks/{case}.nii.gz"}\nseeds: [0, 1]\nmethods: [source_only]\n')
    choices = ("--configfile", config, "--config", f"cases={table}", "inference={chunk_size: 1}")
    jobs, text = planned(tmp_path, *choices)
    assert (jobs["read_external_masks"], jobs["score_external_masks"]) == (1, 1)
    assert (jobs["predict_chunk"], jobs["score_chunk"], jobs["gather_scores"]) == (2 * 3, 2 * 2, 2)
    assert "input: masks/mr3.nii.gz" in text and "masks/mr5.nii.gz" not in text
    assert re.search(r"rule read_external_masks:\n(    .*\n)*    priority: 1\n", text), "before trainings of segmenters"
    jobs, _ = planned(tmp_path, "comparison", *choices)
    assert (jobs["read_external_masks"], jobs["score_external_masks"]) == (1, 1)


NNUNET = "methods=[source_only, nnunet_source_only, dar_uda_nnunet, nnunet_supervised]"


@pytest.mark.parametrize(
    ("chunk_size", "rules"),
    [(100, ("predict_cases", "predict_nnunet")), (1, ("predict_chunk", "predict_nnunet_chunk"))],
)
def test_nnunet_trains_and_predicts_by_rules_of_its_own(tmp_path, chunk_size, rules):
    choices = (NNUNET, "nnunet_python=other/python", f"inference={{chunk_size: {chunk_size}}}")
    jobs, text = planned(tmp_path, "--config", *choices)
    chunks = 1 if chunk_size == 100 else 6
    assert jobs["write_nnunet_dataset"] == jobs["train_nnunet"] == 3 and jobs["train_segmenter"] == 1
    assert [jobs[rule] for rule in rules] == [chunks, 3 * chunks]
    for rule, inputs, outputs in files_of_jobs(text):
        if rule == "train_nnunet" and "disentangled" in outputs:
            folder = "results/phantom/seed-0/segmenters/ct-to-mr.disentangled-multi/nnunet"
            assert outputs == ", ".join(f"{folder}/{file}" for file in ("model", "history.tsv", "usage.json"))
            assert inputs.count("style-") == 8 * 6 and "cases/mr" not in inputs


def test_nnunet_without_an_interpreter_is_refused_before_any_job(tmp_path):
    status, text = dry_run(tmp_path, "--config", NNUNET)
    assert status == 1 and "DAR-056: nnunet_python is null" in text


def test_a_dataset_for_nnunet_needs_no_nnunet(tmp_path):
    jobs, _ = planned(tmp_path, "results/phantom/seed-0/nnunet/ct-to-mr.disentangled-multi/dataset.json")
    assert jobs["write_nnunet_dataset"] == 1 and jobs["train_segmenter"] == jobs["train_nnunet"] == 0
