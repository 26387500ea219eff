"""What one run has made serves another in another folder, through Snakemake's cache."""

import grp
import os
import subprocess

import pytest

from tests.plan.configs import REPOSITORY
from tests.workflow.tiny_run import prepare

SHARED = (
    "cases/ct/ct0/image.nii",
    "cases/ct/ct1/image.nii",
    "cases/ct/ct0/label.nii",
    "slices/mr.npy",
    "seed-0/translators/disentangled/weights.safetensors",
)


CACHED = ("preprocess_case", "preprocess_label", "extract_slices", "train_translator", "train_cyclegan")
TRAINED = ("train_translator",)


def rules_that_ran(run):
    """Return the rules whose jobs wrote to their logs; of results from the cache they are empty."""
    logs = run.result("logs")
    return {path.relative_to(logs).parts[0].split(".")[0] for path in logs.rglob("*.log") if path.stat().st_size}


@pytest.mark.slow
def test_preprocessing_and_translator_of_one_run_serve_another(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    first, second = prepare(tmp_path / "first"), prepare(tmp_path / "second")
    targets = [f"results/phantom/{path}" for path in SHARED]
    for run in (first, second):
        status, text = run(*targets, "--cache", *CACHED)
        assert status == 0, text
    assert rules_that_ran(first) == {"make_phantom", "preprocess_case", "preprocess_label", "extract_slices", *TRAINED}
    assert rules_that_ran(second) == {"make_phantom"}
    for path in SHARED:
        assert second.result(path).read_bytes() == first.result(path).read_bytes()
    images = [first.result(f"cases/ct/{case}/image.nii").read_bytes() for case in ("ct0", "ct1")]
    assert images[0] != images[1], "a case has the other's image"
    changed = ("--config", "translation={steps: 5}")
    status, text = second(targets[-1], "--cache", *CACHED, *changed)
    assert status == 0, text
    assert rules_that_ran(second) == {"make_phantom", *TRAINED}


def test_the_folder_that_the_page_advises_is_closed_to_all_but_its_group(tmp_path):
    """Snakemake lets every user read and write the files in it."""
    page = (REPOSITORY / "docs" / "cluster.md").read_text()
    command = next(line.partition("#")[0] for line in page.splitlines() if line.startswith("    mkdir"))
    group = grp.getgrgid(os.getgid()).gr_name
    command = command.replace("/shared/cache", f"'{tmp_path}/cache'").replace("my_group", group)
    subprocess.run(command, shell=True, check=True)
    assert (tmp_path / "cache").stat().st_mode & 0o7777 == 0o2770
