"""The reliability curve shows the pooled bins, and how many voxels they hold."""

import matplotlib.image
import numpy as np
import pytest

from dar_uda.evaluation.calibration import BINS
from dar_uda.report.figures import calibration
from dar_uda.report.figures.calibration import draw_reliability
from tests.evaluation.calibration_files import write_calibration
from tests.evaluation.metrics_files import entry


def case(name, bins):
    """Return the rows of a case: of the liver by bin (voxels, probability_sum, reference_voxels), no spleen."""
    numbers, nothing = range(1, BINS + 1), (0, 0, 0)
    structures = (("liver", bins), ("spleen", {}))
    return [(name, name, structure, k, *of.get(k, nothing)) for structure, of in structures for k in numbers]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The figure of a method with two cases under two seeds, and of one with one case, as its axes."""
    pages = []
    monkeypatch.setattr(calibration, "save_figure", lambda page, *_: pages.append(page))
    first = case("a", {3: (10, 2, 1)}) + case("b", {3: (30, 6, 7), 12: (10, 8, 9)})
    second = case("a", {12: (30, 23, 15)}) + case("b", {})
    tables = {("dar_uda", 0): first, ("dar_uda", 1): second, ("source_only", 0): case("a", {15: (4, 4, 0)})}
    entries = [
        entry(method, write_calibration(tmp_path / f"{method}-{seed}.tsv", rows), seed)
        for (method, seed), rows in tables.items()
    ]
    draw_reliability(entries, ["liver", "spleen"], [])
    return pages[0].axes


def test_a_marker_lies_at_the_mean_probability_and_the_fraction_of_a_bin_that_has_voxels(drawn):
    diagonal, *curves = drawn[0].get_lines()
    assert [curve.get_label() for curve in curves] == ["dar_uda", "source_only"]
    np.testing.assert_allclose(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(curves[0].get_xydata(), [[8 / 40, 8 / 40], [31 / 40, 24 / 40]])
    np.testing.assert_allclose(curves[1].get_xydata(), [[1, 0]])


def test_steps_below_show_the_voxels_of_every_bin_on_a_logarithmic_axis(drawn):
    steps = drawn[2].patches[0].get_data()
    assert steps.values.tolist() == [0, 0, 40, *[0] * 8, 40, 0, 0, 0]
    np.testing.assert_allclose(steps.edges, np.linspace(0, 1, 16))
    assert drawn[2].get_yscale() == "log"


def test_a_structure_without_voxels_keeps_its_panel(drawn):
    assert [axes.get_title() for axes in drawn] == ["liver", "spleen", "", ""]
    assert [len(curve.get_xdata()) for curve in drawn[1].get_lines()] == [2, 0, 0]


def test_the_figure_is_written_as_pixels_and_as_lines(tmp_path):
    entries = [entry("dar_uda", write_calibration(tmp_path / "0.tsv", case("a", {3: (10, 2, 1)})))]
    files = [tmp_path / "reliability.png", tmp_path / "reliability.svg"]
    draw_reliability(entries, ["liver", "spleen"], files, "Task phantom.")
    assert min(matplotlib.image.imread(files[0]).shape[:2]) > 200
    text = files[1].read_text()
    assert all(words in text for words in ("dar_uda", "perfectly calibrated", "fraction in the reference", "voxels"))
