"""What the pages of a table say, from small metrics tables."""

import json
from types import SimpleNamespace

import pytest

from dar_uda.evaluation.summary import write_summary
from dar_uda.evaluation.tables import write_pages
from tests.evaluation.metrics_files import CHOICES, OK, entry, one_case, tta_inconsistency, write_metrics

STAMP = "Task t, protocol clean."


@pytest.fixture
def pages(tmp_path):
    """Write a table of these metrics and its pages; return their texts."""

    def write(metrics, unavailable=(), structures=("liver",), notes=None, usage=None):
        changed = [
            tta_inconsistency(one["method"], tmp_path / f"{one['method']}-changed.tsv", direction=one["direction"])
            for one in metrics
        ]
        table, *files = (tmp_path / f"summary.{suffix}" for suffix in ("tsv", "md", "tex", "html"))
        write_summary(metrics, unavailable, list(structures), {}, CHOICES, table)
        write_pages(table, changed, unavailable, notes or {}, usage or {}, ["supervised"], STAMP, files)
        return SimpleNamespace(**{file.suffix[1:]: file.read_text() for file in files})

    return write


def cells_of(markdown):
    """Return the cells of each line of a table by the first."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines() if line[:1] == "|"]
    return {line[0]: line[1:] for line in lines}


def test_the_mean_dice_has_its_interval_and_other_cells_have_none(tmp_path, pages):
    rows = [(case, "liver", 0.5, 1.0, OK) for case in "ab"]
    text = pages([entry("dar_uda", write_metrics(tmp_path / "m.tsv", rows))]).md
    assert cells_of(text)["dar_uda"] == ["2", "0.500", "0.500 [0.500, 0.500]", "1.00", "0", "-"]


def test_a_single_case_has_no_interval(tmp_path, pages):
    text = pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]).md
    assert cells_of(text)["dar_uda"] == ["1", "0.500", "0.500", "1.00", "0", "-"]


def test_gap_closed_is_in_percent(tmp_path, pages):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    text = pages([entry(name, one_case(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]).md
    assert [cells_of(text)[name][-1] for name in dices] == ["0%", "75%", "100%"]


def test_an_unavailable_method_has_its_reason_on_the_page(tmp_path, pages):
    reason = "domain mr has no labeled training case"
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": reason}]
    text = pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable).md
    assert cells_of(text)["supervised"] == ["0", "-", "-", "-", "-", "-"]
    assert f"- `supervised` has no result: {reason}" in text


def test_every_direction_has_its_scores_then_its_tta_inconsistency(tmp_path, pages):
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("a", path, direction="mr-to-ct"), entry("a", path)]).md
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## mr-to-ct", "## mr-to-ct, TTA inconsistency", "## ct-to-mr", "## ct-to-mr, TTA inconsistency"]
    assert cells_of(text)["007"] == ["0.250"]


def test_what_differs_from_the_paper_is_named(tmp_path, pages):
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", 0.5)) for name in ("source_only", "dar_uda")]
    text = pages(metrics, notes={"dar_uda": "GIN 0.5"}).md
    assert [line for line in text.splitlines() if line.startswith("- ")] == ["- `dar_uda`: GIN 0.5"]


def test_the_page_fits_in_a_terminal(tmp_path, pages):
    structures = ["liver", "right_kidney", "left_kidney", "spleen"]
    rows = [(case, name, 0.812, 1.25, OK) for case in "abc" for name in structures]
    path = write_metrics(tmp_path / "m.tsv", rows)
    text = pages([entry(method, path) for method in ("source_only", "dar_uda", "supervised")], structures=structures).md
    assert max(map(len, text.splitlines())) <= 120


def test_best_and_second_best_are_marked_in_all_forms(tmp_path, pages):
    scores = {"source_only": (0.2, 9.0), "dar_uda": (0.65, 2.5), "average_style": (0.5, 2.0), "supervised": (0.8, 1.0)}
    metrics = [
        entry(name, write_metrics(tmp_path / f"{name}.tsv", [("007", "liver", dice, asd, OK)]))
        for name, (dice, asd) in scores.items()
    ]
    texts = pages(metrics)
    assert cells_of(texts.md)["dar_uda"] == ["1", "**0.650**", "**0.650**", "_2.50_", "0", "75%"]
    assert cells_of(texts.md)["average_style"][1:4] == ["_0.500_", "_0.500_", "**2.00**"]
    assert cells_of(texts.md)["supervised"][1:4] == ["0.800", "0.800", "1.00"]
    assert r"dar\_uda & 1 & \textbf{0.650} & \textbf{0.650} & \underline{2.50} & 0 & 75\% \\" in texts.tex
    assert "<tr><td>dar_uda</td><td>1</td><td><b>0.650</b></td>" in texts.html
    assert all(STAMP in text for text in vars(texts).values())


def test_what_trainings_took_is_shown_where_asked_for(tmp_path, pages):
    files = []
    for seed, (seconds, peak) in enumerate([(1.0, 900.4), (None, 901.4), (2.0, 1048.2)]):
        content = {"parameters": 1_234_567, "seconds_per_step": seconds, "peak_mib": peak, "device": "cpu"}
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(content))
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("qam_unet", path), entry("other", path)], usage={"qam_unet": files}).md
    assert cells_of(text)["method"][-3:] == ["parameters", "training MiB", "s per step"]
    assert cells_of(text)["qam_unet"][-3:] == ["1.23 M", "950", "1.50"]
    assert cells_of(text)["other"][-3:] == ["-", "-", "-"]
