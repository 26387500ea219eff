"""The picture of paired differences: dots, means and intervals worked out by hand."""

import numpy as np
import pytest

from dar_uda.evaluation.differences import read_differences, write_differences
from dar_uda.figures.style import color_of
from dar_uda.report.figures import differences
from dar_uda.report.figures.differences import draw_differences
from tests.evaluation.metrics_files import entry, write_metrics

STRUCTURES = ["liver", "spleen"]


def write(folder, method, seed, cases):
    """Write a file of `score_method`; `cases`: patient, then Dice and ASD of liver and spleen, by case."""
    rows = [
        (case, structure, dice, asd, "false_negative" if asd is None else "ok")
        for case, (_, *values) in cases.items()
        for structure, (dice, asd) in zip(STRUCTURES, values, strict=True)
    ]
    patients = {case: patient for case, (patient, *_) in cases.items()}
    path = write_metrics(folder / f"{method}-{seed}.tsv", rows, patients)
    return entry(method, path, seed)


def both(dice, asd=1.0):
    """Return the same Dice and ASD of both structures."""
    return (dice, asd), (dice, asd)


@pytest.fixture
def page(monkeypatch):
    """A function that draws and returns the figure."""

    def draw(metrics, reference, metric="dice"):
        drawn = []
        monkeypatch.setattr(differences, "save_figure", lambda figure, *_: drawn.append(figure))
        draw_differences(metrics, STRUCTURES, reference, metric, [])
        return drawn[0]

    return draw


def dots_of(page):
    """Return the dots of every method, shape (patients, 2), and the means, shape (methods, 2)."""
    drawn = [np.array(part.get_offsets()) for part in page.axes[0].collections]
    half = len(drawn) // 2
    return drawn[:half], np.concatenate(drawn[half:])


def test_a_dot_is_a_patients_difference_averaged_over_structures_cases_and_seeds(tmp_path, page):
    floor = {"a1": ("a", *both(0.2)), "a2": ("a", *both(0.4)), "b1": ("b", (0.1, 1.0), (0.3, 1.0))}
    metrics = [write(tmp_path, "source_only", seed, floor) for seed in (0, 1)]
    # a: cases 0.5 and 0.7 under seed 0, 0.7 and 0.9 under seed 1, so 0.7 - 0.3; b: 0.2 and 0.3, so 0.25 - 0.2
    for seed, (first, second, third) in enumerate([(0.5, 0.7, 0.2), (0.7, 0.9, 0.3)]):
        cases = {"a1": ("a", *both(first)), "a2": ("a", *both(second)), "b1": ("b", *both(third))}
        metrics.append(write(tmp_path, "dar_uda", seed, cases))
    drawn = page(metrics, "source_only")
    (dots,), means = dots_of(drawn)
    assert dots[:, 0].tolist() == pytest.approx([0.4, 0.05])
    assert means[:, 0].tolist() == pytest.approx([0.225])
    zero, *_, bar = drawn.axes[0].lines
    assert list(zero.get_xdata()) == [0, 0]
    assert list(bar.get_xdata()) == pytest.approx([0.05, 0.4]), "of two patients, the range"
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["a patient", "mean [range]"]


def of_patients(*dices):
    return {f"c{place}": (f"c{place}", *both(dice)) for place, dice in enumerate(dices)}


def test_a_patient_has_the_same_height_in_every_method_and_a_method_its_color_of_the_boxes(tmp_path, page):
    dices = {"source_only": (0.1, 0.2, 0.3), "dar_uda": (0.5, 0.6, 0.8), "supervised": (0.9, 0.6, 0.7)}
    metrics = [write(tmp_path, method, 0, of_patients(*cases)) for method, cases in dices.items()]
    drawn = page(metrics, "dar_uda")
    dots, _ = dots_of(drawn)
    assert (dots[1][:, 1] - dots[0][:, 1]).tolist() == pytest.approx([1, 1, 1])
    assert len(set(dots[0][:, 1])) == 3
    assert [text.get_text() for text in drawn.axes[0].get_yticklabels()] == ["source_only", "supervised"]
    colors = [tuple(part.get_facecolor()[0]) for part in drawn.axes[0].collections]
    expected = [tuple(np.array([int(color_of(place)[k : k + 2], 16) for k in (1, 3, 5)]) / 255) for place in (0, 2)]
    assert [color[:3] for color in colors] == [pytest.approx(color) for color in expected * 2]


def test_mean_and_interval_are_those_of_the_table(tmp_path, page):
    rng = np.random.default_rng(0)
    metrics = [
        write(tmp_path, method, seed, of_patients(*rng.uniform(center - 0.2, center + 0.2, 7)))
        for method, center in (("dar_uda", 0.6), ("source_only", 0.4))
        for seed in (0, 1, 2)
    ]
    drawn = page(metrics, "dar_uda")
    write_differences(metrics, STRUCTURES, "dar_uda", {}, tmp_path / "table.tsv")
    row = read_differences(tmp_path / "table.tsv").set_index(["structure", "metric"]).loc[("mean", "dice")]
    _, means = dots_of(drawn)
    assert means[0, 0] == pytest.approx(row["difference"], abs=1e-6)
    bar = drawn.axes[0].lines[-1]
    assert list(bar.get_xdata()) == pytest.approx([row["low"], row["high"]], abs=1e-6)
    assert drawn.legends[0].get_texts()[1].get_text() == "mean [95% t]"


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("dice", "worse ←   Dice minus that of dar_uda   → better"),
        ("asd", "better ←   ASD mm minus that of dar_uda   → worse"),
        ("rvd", "RVD minus that of dar_uda"),
    ],
)
def test_the_axis_says_on_which_side_a_method_is_better(tmp_path, page, metric, label):
    metrics = [write(tmp_path, method, 0, of_patients(0.4, 0.6)) for method in ("source_only", "dar_uda")]
    assert page(metrics, "dar_uda", metric).axes[0].get_xlabel() == label


def test_a_method_without_a_value_of_a_patient_says_of_how_many_it_is(tmp_path, page):
    found = {"a": ("a", *both(0.5, 2.0)), "b": ("b", *both(0.5, 4.0)), "c": ("c", (0.5, 6.0), (0.5, 9.0))}
    lost = {**found, "b": ("b", *both(0.0, None)), "c": ("c", (0.5, 5.0), (0.0, None))}
    metrics = [write(tmp_path, "dar_uda", 0, found), write(tmp_path, "source_only", 0, lost)]
    drawn = page(metrics, "dar_uda", "asd")  # of c only the liver counts, for the other mask has no spleen: 5 - 6
    assert drawn.axes[0].get_yticklabels()[0].get_text() == "source_only\n2 of 3 patients"
    (dots,), means = dots_of(drawn)
    assert dots[:, 0].tolist() == pytest.approx([0, np.nan, -1], nan_ok=True) and means[0, 0] == pytest.approx(-0.5)


def test_one_patient_has_a_mean_and_no_interval(tmp_path, page):
    metrics = [
        write(tmp_path, method, 0, of_patients(dice)) for method, dice in (("dar_uda", 0.5), ("source_only", 0.3))
    ]
    drawn = page(metrics, "dar_uda")
    (dots,), means = dots_of(drawn)
    assert dots[0, 0] == means[0, 0] == pytest.approx(-0.2)
    assert drawn.legends[0].get_texts()[1].get_text() == "mean"


def test_differences_are_drawn_into_files(tmp_path):
    metrics = [write(tmp_path, method, 0, of_patients(0.4, 0.6)) for method in ("source_only", "dar_uda")]
    draw_differences(metrics, STRUCTURES, "dar_uda", "dice", [tmp_path / "d.png", tmp_path / "d.svg"], "Task phantom.")
    assert (tmp_path / "d.png").stat().st_size > 5000
    assert "Task phantom." in (tmp_path / "d.svg").read_text()
