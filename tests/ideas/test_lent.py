"""Trials on a lent machine: what travels, and processes side by side."""

import time

import numpy as np
import pytest

from benchmarks.ideas import lent
from benchmarks.ideas.__main__ import plan_of
from benchmarks.ideas.kit import config_of, pack, unpack
from dar_uda.data.network_volume import write_image, write_label

CASES = """case\tdomain\timage\tlabel\tsplit
c1\tct\tc1.nii\tc1_label.nii\ttrain
m1\tmr\tm1.nii\tm1_label.nii\tboth
m2\tmr\tm2.nii\t\ttrain
"""
TASK = """{budget: laptop, directions: [ct-to-mr], labels: {spleen: 2, liver: 1}, grid: {spacing: [3, 3, 6], size: 112},
domains: {ct: {intensity: {window: [-350, 350]}}, mr: {intensity: {percentile: 99.5}}}}"""
DEPTHS = {"c1": 3, "m1": 2, "m2": 4}


def write_run(folder):
    """Write scans, labels, and the volumes of a run on the network grid, whose slice k of a case has intensity k/10."""
    (folder / "mine.tsv").write_text(CASES)
    config = f"{{task: mine, run: small.v2, cases: {folder / 'mine.tsv'}, tasks: {{mine: {TASK}}}}}"
    (folder / "mine.yaml").write_text(config)
    for name, depth in DEPTHS.items():
        image = np.full((depth, 4, 4), 0.1, np.float32) * np.arange(depth, dtype=np.float32)[:, None, None]
        write_image(folder / f"{name}.nii", image, np.eye(4))
        case = folder / "results" / "small.v2" / "cases" / {"c": "ct", "m": "mr"}[name[0]] / name
        case.mkdir(parents=True)
        write_image(case / "image.nii", image, np.eye(4))
    for name in ("c1", "m1"):
        write_label(folder / f"{name}_label.nii", np.ones((DEPTHS[name], 4, 4), np.uint8), np.eye(4))
    (folder / "results" / "small.v2" / "structures").mkdir()


def test_a_run_is_unpacked_with_its_labels_and_slices_and_without_its_scans(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    write_run(here)
    monkeypatch.chdir(here)
    pack(here / "mine.yaml", there)
    monkeypatch.chdir(there)
    unpack(there)
    plan = plan_of(config_of("small.v2"))
    assert [case.name for case in plan.cases.all] == ["c1", "m1", "m2"]
    assert plan.config.task.structures == plan_of(here / "mine.yaml").config.task.structures == ("spleen", "liver")
    (label,) = plan.volumes.scored("ct-to-mr", "label")
    assert (there / label).read_bytes() == (here / "m1_label.nii").read_bytes()
    assert [(there / case.image).stat().st_size for case in plan.cases.all] == [0, 0, 0]
    slices = np.load(plan.paths.slices("mr"), mmap_mode="r")
    assert (slices[:, 0, 0] / 65535).round(3).tolist() == [0, 0.1, 0, 0.1, 0.2, 0.3], "m1, then m2"


def test_jobs_are_read_before_any_begins():
    jobs = "translations a 0 1\ntrials b ct-to-mr bent\n\n\ntrials a ct-to-mr bent\n"
    assert [len(group) for group in lent.groups_of(jobs)] == [2, 1]
    for line in ("trial a ct-to-mr bent", "translations a"):
        with pytest.raises(ValueError, match=f"Job '{line}': expected one of translations, trials, a run, and more"):
            lent.groups_of(f"{jobs}\n{line}")


def test_each_process_has_a_folder_of_its_own_and_none_begins_after_the_end(tmp_path, monkeypatch, capsys):
    (tmp_path / "shown.py").write_text("import os, sys; print(os.environ['TMPDIR'], *sys.argv[1:]); sys.exit(3)")
    monkeypatch.setattr(lent, "MODULES", {"trials": "shown"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("a", "b"):
        lent.do(f"trials {name} ct-to-mr bent", tmp_path, "cpu", time.monotonic() + 60)
    lent.do("trials c ct-to-mr bent", tmp_path, "cpu", time.monotonic())
    first, second = (tmp_path / "log.txt").read_text().splitlines()
    assert first.split()[1:] == ["kit/a/config.yaml", "ct-to-mr", "bent", "--device", "cpu"]
    assert first.split()[0] != second.split()[0]
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" s, ")[-1] for line in said[:2]] == ["3: trials a ct-to-mr bent", "3: trials b ct-to-mr bent"]
    assert said[2:] == ["no time: trials c ct-to-mr bent"]
