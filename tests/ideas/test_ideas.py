"""The bench for ideas: looks, losses and the table of trials."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.ideas import record
from benchmarks.ideas.consensus import classes_of
from benchmarks.ideas.looks import change_classes, change_intensity_widely, random_convolution_in_range, upright_grid
from benchmarks.ideas.paired import paired
from benchmarks.ideas.trainer import UNKNOWN, as_background, divergence
from benchmarks.ideas.transductive import write_transductive
from benchmarks.ideas.variants import VARIANTS, Variant
from dar_uda.segmentation.losses import segmentation_loss
from docs import decisions


def test_two_looks_that_exclude_each_other_diverge_by_log_two():
    scores = torch.tensor([[[[[30.0]]], [[[0.0]]]], [[[[0.0]]], [[[30.0]]]]])
    assert float(divergence(scores)) == pytest.approx(math.log(2), abs=1e-5)
    assert float(divergence(scores[:1].repeat(2, 1, 1, 1, 1))) == pytest.approx(0, abs=1e-5)


def test_voxels_of_an_unknown_class_teach_nothing():
    scores = torch.randn(1, 3, 1, 2, 2, requires_grad=True)
    labels = torch.tensor([[[[0, 1], [2, UNKNOWN]]]])
    known = labels != UNKNOWN
    segmentation_loss(as_background(scores, known), labels * known, 10.0).backward()
    assert (scores.grad[0, :, 0, 1, 1] == 0).all()
    assert (scores.grad[0, :, 0, 0] != 0).all()


def test_air_keeps_its_look_and_classes_change_theirs():
    image, label = torch.zeros(1, 9, 12), torch.zeros(1, 9, 12, dtype=torch.uint8)
    image[..., 4:8], image[..., 8:] = 0.4, 0.6
    label[..., 8:] = 1
    changed = change_classes(image, label, np.random.default_rng(2), 2, 3)
    assert (changed[..., :3] == 0).all()
    rng = np.random.default_rng(2)
    thresholds = np.sort(rng.uniform(0.05, 1, size=2))
    rng.normal(scale=0.4, size=5)
    shifts = rng.normal(scale=0.2, size=5)
    interval = 2 + int(np.searchsorted(thresholds, 0.4))
    # A class of one intensity has that as its mean: whatever its gain, it moves by its shift.
    assert changed[0, 4, 5] == pytest.approx(np.clip(0.4 + shifts[interval], 0, 1), abs=1e-5)
    assert changed[0, 4, 10] == pytest.approx(np.clip(0.6 + shifts[1], 0, 1), abs=1e-5)


def test_looks_stay_between_0_and_1():
    image = torch.rand(2, 8, 8)
    seen = random_convolution_in_range(image, np.random.default_rng(0))
    assert (float(seen.min()), float(seen.max())) == pytest.approx((0, 1))
    for seed in range(20):
        wide = change_intensity_widely(image, np.random.default_rng(seed))
        assert float(wide.min()) >= 0 and float(wide.max()) <= 1


def test_an_upright_grid_never_mirrors():
    for seed in range(20):
        grid = upright_grid((16, 16), np.random.default_rng(seed), 0.1)[0]
        assert grid[8, 15, 0] > grid[8, 0, 0] and grid[15, 8, 1] > grid[0, 8, 1]


class Teacher:
    """Gives each slab of an image the same probabilities."""

    def __init__(self, *probabilities: list[float]) -> None:
        self.slab = torch.tensor(probabilities).T[:, None, None]

    def slabs(self, _: np.ndarray):
        yield self.slab


def test_teachers_vote_by_their_mean_and_differ_where_their_classes_do():
    sure, other = Teacher([0.9, 0.1], [0.9, 0.1]), Teacher([0.4, 0.6], [0.7, 0.3])
    classes, agreed = classes_of(np.zeros((1, 1, 2), np.uint16), [sure, other])
    assert classes.tolist() == [[[0, 0]]] and agreed.tolist() == [[[False, True]]]


def test_what_is_recorded_is_found_again_by_all_of_its_key(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "TABLE", tmp_path / "trials.tsv")
    key = record.Key("wide", Variant(intensity="wide").settings, "abdomen", "ct-to-mr", 0, "abc")
    assert not record.is_recorded(key, "first")
    dice = pd.DataFrame([("m1", "liver", 0.4), ("m1", "spleen", 0.6), ("m2", "liver", 0.6), ("m2", "spleen", 1.0)])
    record.record(key, "first", dice.set_axis(["case", "structure", "dice"], axis=1), 12.34, torch.device("cpu"))
    assert record.is_recorded(key, "first")
    assert not record.is_recorded(key, "iteration-1")
    assert not record.is_recorded(record.Key(*list(vars(key).values())[:-1], "abd"), "first")
    lines = (tmp_path / "trials.tsv").read_text().splitlines()
    assert lines[0].split("\t") == record.COLUMNS
    settings = "intensity wide"
    assert lines[1].split("\t")[:7] == ["wide", settings, "abdomen", "ct-to-mr", "0", "abc", "first"]
    assert [line.split("\t")[7:10] for line in lines[1:]] == [
        ["liver", "0.5000", "12.3"],
        ["spleen", "0.8000", "12.3"],
        ["mean", "0.6500", "12.3"],
    ]
    cases = pd.read_csv(tmp_path / "cases.tsv", sep="\t")
    assert list(cases) == record.CASE_COLUMNS
    assert dict(zip(cases["case"], cases["dice"], strict=True)) == {"m1": 0.5, "m2": 0.8}


def test_variants_are_paired_by_case_wherever_both_are_recorded():
    def row(variant, direction, stage, case, dice):
        return variant, "", "abdomen", direction, 0, "abc", stage, case, dice

    rows = [row("a", "ct-to-mr", "first", case, 0.5) for case in ("m1", "m2", "m3")]
    later = zip(("m3", "m2", "m1"), (0.5, 0.6, 0.7), strict=True)
    rows += [row("b", "ct-to-mr", "iteration-1", case, dice) for case, dice in later]
    rows += [row("a", "mr-to-ct", "first", "c1", 0.5), row("b", "ct-to-mr", "first", "m1", 0.9)]
    frame = pd.DataFrame(rows, columns=record.CASE_COLUMNS)
    # 0, 0.1, 0.2: mean 0.1, standard error 0.1 / sqrt(3), t of two degrees of freedom 4.3027
    (found,) = paired(frame, "a", "b:iteration-1")
    assert str(found) == "abdomen ct-to-mr seed 0: +0.100 [-0.148, +0.348], better in 2 of 3"


def test_runs_are_compared_where_they_are_named():
    def rows(run, code, *dice):
        cases = zip(("m1", "m2"), dice, strict=True)
        return [("a", "", run, "ct-to-mr", 0, code, "first", case, value) for case, value in cases]

    frame = pd.DataFrame([*rows("thick", "abc", 0.5, 0.5), *rows("thin", "abd", 0.6, 0.8)], columns=record.CASE_COLUMNS)
    (found,) = paired(frame, "a@thick", "a@thin")
    assert (found.run, found.mean, found.better) == ("thin", pytest.approx(0.2), 2)
    assert {each.mean for each in paired(frame, "a", "a")} == {0}, "each run with itself"
    frame = pd.DataFrame([*rows("thick", "old", 0.4, 0.4), *frame.itertuples(index=False)], columns=record.CASE_COLUMNS)
    means = [(each.mean, each.cases) for each in paired(frame, "a@thick", "a@thin")]
    assert means == [(pytest.approx(0.3), 2), (pytest.approx(0.2), 2)], "no case counts twice, under two codes"
    frame = pd.DataFrame([*rows("thin", "old", 0.5, 0.7), *frame.itertuples(index=False)], columns=record.CASE_COLUMNS)
    (found,) = paired(frame, "a@thick", "a@thin")
    assert found.mean == pytest.approx(0.2), "where a code has both, it alone"


def test_labeled_cases_of_a_transductive_table_train_and_are_tested(tmp_path):
    table = tmp_path / "cases.tsv"
    table.write_text("case\tdomain\timage\tlabel\tsplit\nm1\tmr\tm1.nii\tl1.nii\ttest\nm2\tmr\tm2.nii\t\ttrain\n")
    write_transductive(table, tmp_path / "both.tsv")
    rows = [line.split("\t") for line in (tmp_path / "both.tsv").read_text().splitlines()]
    assert rows[1] == ["m1", "mr", str(tmp_path / "m1.nii"), str(tmp_path / "l1.nii"), "both"]
    assert rows[2] == ["m2", "mr", str(tmp_path / "m2.nii"), "", "train"]


def test_variants_name_others_that_exist_and_differ_in_their_settings():
    for variant in VARIANTS.values():
        assert {variant.after, *variant.teachers} - {""} <= VARIANTS.keys()
    assert len({variant.settings for variant in VARIANTS.values()}) == len(VARIANTS)


def test_a_run_that_the_page_of_decisions_has_no_words_for_has_its_name():
    rows = [("a", "", "new", "ct-to-mr", 0, "abc", "first", f"m{n}", n / 4) for n in (1, 2)]
    lines = decisions._section(
        {"title": "T", "text": "", "pairs": [["a", "a"]]}, pd.DataFrame(rows, columns=record.CASE_COLUMNS)
    )
    assert "| `a` | `a` | new ct-to-mr | 0 | +0.000 [+0.000, +0.000] | 0 of 2 |" in lines


def test_the_page_of_decisions_is_made_from_the_table_of_trials():
    assert decisions.PAGE.read_text(encoding="utf-8") == decisions.page(), "python -m docs.decisions"
    named = {
        re.split("[@:]", name)[0] for decision in decisions.DECISIONS for pair in decision["pairs"] for name in pair
    }
    assert named <= VARIANTS.keys()
