"""The DAG, without running it: which jobs a config asks for, and which configs are refused."""

import re
import subprocess
import sys
from collections import Counter

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
    for case, domain, labelled, split in rows:
        files = [f"{domain}_{len(lines)}_{what}.nii.gz" for what in ("image", "label")]
        for file in files[: 1 + labelled]:
            (folder / file).touch()
        lines.append("\t".join([case, domain, files[0], files[1] if labelled else "", split]))
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
        "train_translator": 1,
        "encode_styles": 1,
        "synthesize_volume": 8,
        "train_segmenter": 3,
        "predict_cases": 3,
        "score_method": 3,
        "tabulate": 1,
        "tabulate_disagreements": 1,
        "draw_losses": 1,
        "draw_translations": 1,
        "draw_styles": 1,
        "draw_overlays": 1,
        "draw_boxes": 1,
        "draw_dice_against_asd": 1,
        "draw_extremes": 1,
        "write_report": 1,
        "all": 1,
    }


def test_both_directions_share_translator_and_segmenters(tmp_path):
    jobs, _ = planned(tmp_path, "--config", "directions=[ct-to-mr,mr-to-ct]")
    assert jobs["train_translator"] == 1
    assert jobs["train_segmenter"] == 4  # ct, mr, and two synthetic sets
    assert jobs["encode_styles"] == 2
    assert jobs["synthesize_volume"] == 16
    assert jobs["predict_cases"] == 6


def test_the_papers_tables_share_every_artifact(tmp_path):
    jobs, text = planned(tmp_path, "comparison", "style_study", "architecture_study")
    assert jobs["train_translator"] == jobs["train_cyclegan"] == 1
    # ct, mr, in 3D and 2D; in both directions three 3D and one 2D synthetic set; five ablations in one direction
    assert jobs["train_segmenter"] == 2 * 2 + 2 * (3 + 1) + 5
    assert jobs["train_synseg_net"] == 2 and jobs["train_ada_output"] == 2 * 2
    assert jobs["translate_volume"] == jobs["synthesize_volume"] == jobs["synthesize_average_volume"] == 16
    # eleven methods both ways, and six networks of which one is dar_uda without a second round
    assert jobs["predict_cases"] == jobs["score_method"] == 2 * 11 + 6
    assert jobs["tabulate"] == 3
    assert jobs["preprocess_label"] == 16
    assert "cases/mr/mr10/label.nii" not in text  # a test case


def test_a_table_shows_the_second_round_beside_the_first_where_there_is_one(tmp_path):
    jobs, text = planned(tmp_path, "style_study", "--config", "directions=ct-to-mr")
    assert jobs["score_method"] == 5 and "metrics/ct-to-mr/dar_uda.tsv" in text and "one_round" not in text
    second = "segmentation={self_training: {steps: 5}}"
    jobs, text = planned(tmp_path, "style_study", "--config", "directions=ct-to-mr", second)
    assert (jobs["score_method"], jobs["train_segmenter"], jobs["self_train_segmenter"]) == (6, 5, 1)
    assert "metrics/ct-to-mr/dar_uda_one_round.tsv" in text


def test_a_table_has_the_directions_that_the_labels_allow_and_the_run_may_name_others(tmp_path):
    table = write_cases(tmp_path, [*ROWS, ("ct3", "ct", True, "test")])
    arguments = ("--config", "task=abdomen", f"cases={table}", "budget=laptop")
    jobs, text = planned(tmp_path, "comparison", *arguments)
    assert jobs["score_method"] == 10  # MR has no labelled training case: neither mr-to-ct nor supervised
    assert "metrics/mr-to-ct" not in text
    jobs, _ = planned(tmp_path, "architecture_study", *arguments, "directions=ct-to-mr")
    assert jobs["score_method"] == 6


def test_the_papers_protocol_crops_by_labels_and_the_clean_one_never_does(tmp_path):
    table = write_cases(tmp_path, [(case, domain, True, split) for case, domain, _, split in ROWS])
    arguments = ("--config", "task=abdomen", f"cases={table}", "directions=mr-to-ct", "methods=source_only")
    (tmp_path / "cases.tsv").write_text(table.read_text() + "ct9\tct\tct_1_image.nii.gz\tct_1_label.nii.gz\ttest\n")
    inputs = r"rule preprocess_case:\n    input: (ct_.*)"
    _, text = planned(tmp_path, *arguments, "protocol=paper")
    assert set(re.findall(inputs, text)) == {"ct_1_image.nii.gz, ct_1_label.nii.gz"}
    _, text = planned(tmp_path, *arguments)
    assert set(re.findall(inputs, text)) == {"ct_1_image.nii.gz"}


def test_a_region_is_told_from_the_sources_labels_in_one_direction_alone(tmp_path):
    grid = "tasks={phantom: {grid: {region_margin: 20}}}"
    jobs, text = planned(tmp_path, "--config", grid)
    assert jobs["find_region"] == 1
    (inputs,) = re.findall(r"rule find_region:\n    input: (.*)", text)
    assert "ct00_label" in inputs and "mr" not in inputs
    jobs, text = planned(tmp_path, "style_study", "--config", grid)
    assert jobs["score_method"] == 5 and "mr-to-ct" not in text, "its grid would come from labels of the target"


def test_a_table_without_a_reference_says_so_for_every_method(tmp_path):
    table = write_cases(tmp_path, [row if row[3] == "train" else (*row[:2], False, row[3]) for row in ROWS])
    jobs, text = planned(tmp_path, "style_study", "--config", "task=abdomen", f"cases={table}", "budget=laptop")
    assert jobs["score_method"] == jobs["train_segmenter"] == 0 and jobs["tabulate"] == jobs["write_report"] == 1


def test_scalars_stand_for_lists_and_average_makes_one_volume_per_case(tmp_path):
    jobs, text = planned(tmp_path, "--config", "methods=average_style", "seeds=[3,4]")
    assert jobs["train_translator"] == jobs["train_segmenter"] == 2
    assert jobs["synthesize_average_volume"] == 2 * 8
    assert "style-0.nii" in text
    assert "style-1.nii" not in text
    assert "seed-3/" in text and "seed-4/" in text and "seed-0/" not in text


def test_unlabelled_target_leaves_supervised_out(tmp_path):
    table = write_cases(tmp_path, ROWS)
    arguments = ("task=abdomen", "directions=ct-to-mr", f"cases={table}", "budget=laptop")
    jobs, text = planned(tmp_path, "--config", *arguments)
    assert jobs["train_segmenter"] == jobs["predict_cases"] == jobs["score_method"] == 2
    assert jobs["preprocess_label"] == 2
    assert "results/abdomen/seed-0/segmenters/mr/" not in text
    assert "cases/mr/mr1/label.nii" not in text
    assert "metrics/ct-to-mr/dar_uda.tsv" in text
    assert "metrics/ct-to-mr/supervised.tsv" not in text


def test_masks_that_no_label_scores_are_made_and_their_disagreement_is_tabulated(tmp_path):
    table = write_cases(tmp_path, [(case, domain, domain == "ct", split) for case, domain, _, split in ROWS])
    arguments = ("task=abdomen", "directions=ct-to-mr", f"cases={table}", "budget=laptop")
    jobs, text = planned(tmp_path, "--config", *arguments)
    assert jobs["predict_cases"] == 2 and "score_method" not in jobs
    tabulation = next(part for part in text.split("rule ") if part.startswith("tabulate_disagreements:"))
    assert "disagreement/ct-to-mr/dar_uda.tsv" in tabulation
    assert "disagreement/ct-to-mr/source_only.tsv" in tabulation


def test_target_labels_are_read_for_the_scores_alone(tmp_path):
    table = write_cases(tmp_path, [(case, domain, True, split) for case, domain, _, split in ROWS])
    arguments = ("task=abdomen", "directions=ct-to-mr", f"cases={table}", "methods=[source_only,dar_uda]")
    _, text = planned(tmp_path, "--config", *arguments)
    readers = set()
    for job in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]:
        inputs = re.search(r"^ +input: (.*)$", job, flags=re.MULTILINE)
        if inputs and re.search(r"mr_\d+_label", inputs[1]):
            readers.add(job.split(":")[0])
    assert readers == {
        "check_cases",
        "score_method",
        "draw_overlays",
        "draw_extremes",
    }  # of check_cases see tests/data/checks
    assert "cases/mr/mr1/label.nii" not in text


def test_randomised_methods_have_segmenters_of_their_own_mixed_with_the_source(tmp_path):
    methods = "methods=[source_only,source_randomised,dar_uda]"
    off, text = planned(tmp_path, "--config", methods)
    assert off["train_segmenter"] == 2, "nothing is randomised: source_randomised is source_only"
    assert "-randomised" not in text
    shares = "segmentation={randomisation: {gin: 0.5, source_share: 0.25}}"
    on, text = planned(tmp_path, "--config", methods, shares)
    assert on["train_segmenter"] == 3
    folders = {name: f"results/phantom/seed-0/segmenters/{name}/" for name in ("ct", "ct-to-mr.disentangled-multi")}
    for job in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE):
        if folders["ct-to-mr.disentangled-multi"] in job and job.startswith("train_segmenter"):
            assert "dar_unet-randomised/weights.safetensors" in job
            assert "cases/ct/ct01/image.nii" in job and "style-5.nii" in job
    assert f"{folders['ct']}dar_unet/" in text and f"{folders['ct']}dar_unet-randomised/" in text


def test_self_trained_methods_go_on_from_the_first_round_without_the_targets_labels(tmp_path):
    methods = "methods=[source_only,dar_uda_one_round,dar_uda]"
    off, text = planned(tmp_path, "--config", methods)
    assert off["self_train_segmenter"] == 0 and off["train_segmenter"] == 2 and "-selftrained" not in text
    on, text = planned(tmp_path, "--config", methods, "segmentation={self_training: {steps: 5}}")
    assert (on["label_target"], on["self_train_segmenter"], on["train_segmenter"]) == (1, 1, 2)
    folder = "results/phantom/seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet"
    jobs = {job.split(":")[0]: job for job in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)}
    assert f"{folder}/weights.safetensors" in jobs["self_train_segmenter"].split("output:")[0]
    assert f"{folder}-selftrained/weights.safetensors" in jobs["self_train_segmenter"].split("output:")[1]
    for rule in ("label_target", "self_train_segmenter"):
        assert "cases/mr/mr07/image.nii" in jobs[rule] and "cases/mr/mr08" not in jobs[rule]
        assert not re.search(r"cases/mr/\w+/label", jobs[rule]), "no label of the target"
    histories = next(job for name, job in jobs.items() if name == "draw_losses")
    assert f"{folder}/history.tsv" in histories and f"{folder}-selftrained/history.tsv" in histories


def test_all_that_is_wrong_with_a_config_is_told_at_once(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text('segmentation: {stepz: 5, batch: 0}\nbogus: 1\nrun: "abc\\n"\n')
    status, text = dry_run(tmp_path, "--configfile", str(config))
    assert status != 0 and len(text) < 5000
    for line in (
        "config: Additional properties are not allowed ('bogus' was unexpected)",
        "config.run: 'abc\\n' does not match",
        "config.segmentation: Additional properties are not allowed ('stepz' was unexpected); did you mean steps?",
        "config.segmentation.batch: 0 is less than the minimum of 1",
    ):
        assert line in text
    assert f"Config {config}:" in text


def test_a_key_that_stands_twice_in_a_config_file_is_refused_with_both_lines(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("segmentation: {batch: 1}\nseeds: [1]\nsegmentation: {steps: 2}\n")
    status, text = dry_run(tmp_path, "--configfile", str(config))
    assert status != 0 and "key 'segmentation' is in line 1 and in line 3; expected once" in text


def test_all_that_is_wrong_with_a_table_is_told_at_once(tmp_path):
    table = write_cases(tmp_path, [("../ct1", "ct", True, "train"), *ROWS[1:]])
    (tmp_path / "mr_3_image.nii.gz").unlink()
    status, text = dry_run(tmp_path, "--config", "task=abdomen", f"cases={table}")
    assert status != 0 and "line 2: case '../ct1'" in text and "image mr_3_image.nii.gz does not exist" in text


def test_all_cases_that_are_missing_are_told_at_once(tmp_path):
    table = write_cases(tmp_path, [("ct1", "ct", True, "test"), ("mr1", "mr", False, "train")])
    status, text = dry_run(tmp_path, "--config", "task=abdomen", f"cases={table}", "directions=ct-to-mr")
    assert status != 0
    assert "direction ct-to-mr: domain mr has no test case" in text
    assert "direction ct-to-mr, method source_only: no training case of domain ct has a label" in text


def test_the_voxels_beside_a_header_file_are_inputs_too(tmp_path):
    table = write_cases(tmp_path, ROWS)
    (tmp_path / "ct_1_image.hdr").touch()
    (tmp_path / "ct_1_image.img").touch()
    table.write_text(table.read_text().replace("ct_1_image.nii.gz", "ct_1_image.hdr"))
    choices = ("task=abdomen", f"cases={table}", "methods=source_only", "directions=ct-to-mr")
    _, text = planned(tmp_path, "--config", *choices)
    assert re.search(r"rule preprocess_case:\n    input: \S*ct_1_image.img, \S*ct_1_image.hdr", text)


def test_unknown_method_stops_with_the_known_ones(tmp_path):
    status, text = dry_run(tmp_path, "--config", "methods=dar_udda")
    assert status != 0
    assert (
        "Unknown method 'dar_udda'; known: ada_output, ada_output_multilevel, anisotropic_unet, average_style, " in text
    )
