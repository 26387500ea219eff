import errno
import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from dar_uda.jobs.provenance import FORMAT, benchmark_path, provenance_path, recorded, write_usage


def test_time_and_memory_lie_where_snakemake_puts_them():
    log = "results/logs/logs/train_translator/disentangled-0.log"
    assert benchmark_path(log) == Path("results/logs/benchmarks/train_translator/disentangled-0.tsv")


def test_the_highest_memory_counts_the_past_too(tmp_path):
    block = bytearray(300 * 2**20)
    block[:: 2**12] = b"x" * len(block[:: 2**12])
    del block
    write_usage(tmp_path / "rule" / "job.tsv", 2.5)
    table = pd.read_csv(tmp_path / "rule" / "job.tsv", sep="\t")
    assert table["s"].tolist() == [2.5]
    assert 300 < table["max_rss"][0] < 4000
    assert table["cpu_time"][0] == pytest.approx(sum(os.times()[:4]), abs=0.5)


class Files(list):
    """Outputs as Snakemake hands them to a script: by number and by name."""

    def __init__(self, **named):
        super().__init__(named.values())
        self.__dict__.update(named)


@pytest.fixture
def job(tmp_path):
    """A training's job whose outputs and checkpoint are written."""
    folder = tmp_path / "results" / "tiny" / "seed-0" / "segmenters" / "ct"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "latest.pt").touch()
    for name in ("weights.safetensors", "history.tsv"):
        (folder / name).touch()
    return SimpleNamespace(
        rule="train_segmenter",
        **{name: {} for name in ("wildcards", "params", "config", "resources")},
        **{"threads": 1, "input": [], "bench_iteration": None},
        output=Files(weights=str(folder / "weights.safetensors"), history=str(folder / "history.tsv")),
        log=[str(tmp_path / "results" / "tiny" / "logs" / "train_segmenter" / "ct.log")],
    )


@pytest.fixture(autouse=True)
def logging_as_before():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level


def test_a_provenance_has_the_versions_of_another_interpreter_that_did_the_work(job):
    with recorded(job) as packages:
        packages |= {"nnunetv2": "2.8.1", "torch": "2.6.0"}
    found = json.loads(provenance_path(job.output[0]).read_text())["packages"]
    assert (found["nnunetv2"], found["torch"]) == ("2.8.1", "2.6.0") and "numpy" in found


def test_what_a_job_makes_of_a_private_file_is_private(job, tmp_path):
    (tmp_path / "scan.nii").touch(mode=0o600)
    job.input = [str(tmp_path / "scan.nii")]
    with recorded(job):
        Path(job.output.weights).unlink()
        Path(job.output.weights).touch()
    paths = Path(job.output.weights), provenance_path(job.output[0]), Path(job.log[0])
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}


def test_a_trainings_checkpoint_goes_when_its_provenance_is_written(job):
    checkpoint = Path(job.output.weights).parent / "checkpoints"
    with recorded(job):
        assert checkpoint.exists()
    assert not checkpoint.exists() and provenance_path(job.output.weights).exists()


def test_a_provenance_has_the_format_of_its_names(job):
    with recorded(job):
        pass
    assert json.loads(provenance_path(job.output.weights).read_text())["format"] == FORMAT


@pytest.mark.parametrize("failing", ["write_beside", "write_usage", "checksums", "_versions"])
def test_a_trainings_checkpoint_outlives_all_that_may_fail_after_it(job, monkeypatch, failing):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"dar_uda.jobs.provenance.{failing}", fail)
    with pytest.raises(SystemExit), recorded(job):
        pass
    assert (Path(job.output.weights).parent / "checkpoints" / "latest.pt").exists()


def test_a_checkpoint_that_cannot_be_removed_fails_no_job(job, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr("dar_uda.jobs.checkpoints.shutil.rmtree", fail)
    with recorded(job):
        pass
    assert "cannot be removed" in Path(job.log[0]).read_text()


def test_every_training_of_the_workflow_leaves_its_checkpoint_to_the_job():
    scripts = [path.read_text() for path in (Path(__file__).parents[2] / "workflow" / "scripts").glob("*.py")]
    trainings = [text for text in scripts if "launch(" in text]
    assert len(trainings) > 5 and all("keep_checkpoints=True" in text for text in trainings)
