"""What the pages of a table say, from small metrics tables."""

import json
from types import SimpleNamespace

import pytest

from dar_uda.evaluation.summary import write_summary
from dar_uda.evaluation.tables import write_pages
from tests.evaluation.metrics_files import CHOICES, OK, entry, five_cases, one_case, tta_inconsistency, write_metrics

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
    """Return the cells of each line of a table by the first, of tables with the same lines one after the other."""
    cells = {}
    for line in markdown.splitlines():
        if line[:1] == "|":
            first, *others = [cell.strip() for cell in line.split("|")[1:-1]]
            cells[first] = cells.get(first, []) + others
    return cells


def test_the_mean_dice_has_its_interval_and_other_cells_have_none(tmp_path, pages):
    text = pages([entry("dar_uda", five_cases(tmp_path / "m.tsv", 0.5))]).md
    assert cells_of(text)["method"][2] == "mean Dice [95% t, cases only]"
    assert cells_of(text)["dar_uda"] == ["5", "1", "0.500 [0.500, 0.500]", "1.00", "0", "0", "-", "0.500"]


def test_few_cases_have_their_range_and_it_is_called_so(tmp_path, pages):
    rows = [(case, "liver", dice, 1.0, OK) for case, dice in (("a", 0.2), ("b", 0.6))]
    text = pages([entry("dar_uda", write_metrics(tmp_path / "m.tsv", rows))]).md
    assert cells_of(text)["method"][2] == "mean Dice [range]"
    assert cells_of(text)["dar_uda"][2] == "0.400 [0.200, 0.600]"


def test_several_seeds_are_counted_and_shown_one_by_one(tmp_path, pages):
    files = [five_cases(tmp_path / f"{dice}.tsv", dice) for dice in (0.5, 0.7)]
    texts = pages([entry("dar_uda", path, seed=seed) for seed, path in enumerate(files)])
    scores, by_seed = texts.md.split("## ct-to-mr, Dice by seed")
    assert cells_of(scores)["method"][2] == "mean Dice [95% t]" and cells_of(scores)["dar_uda"][1] == "2"
    assert cells_of(by_seed)["dar_uda"] == ["0.500 0.700", "0.500 0.700"]
    assert "0.500 0.700" in texts.tex and "0.500 0.700" in texts.html


def test_a_single_case_has_no_interval(tmp_path, pages):
    text = pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]).md
    assert cells_of(text)["method"][2] == "mean Dice"
    assert cells_of(text)["dar_uda"] == ["1", "1", "0.500", "1.00", "0", "0", "-", "0.500"]


def test_gap_closed_is_in_percent_with_its_interval(tmp_path, pages):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    text = pages([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]).md
    assert [cells_of(text)[name][6] for name in dices] == ["0%", "75% [75%, 75%]", "100%"]


def test_a_gap_too_small_to_divide_by_leaves_a_remark(tmp_path, pages):
    dices = {"source_only": 0.8, "dar_uda": 0.81, "supervised": 0.801}
    text = pages([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]).md
    assert [cells_of(text)[name][6] for name in dices] == ["-", "-", "-"]
    assert "- `dar_uda`: +0.010 mean Dice compared with its floor" in text


def test_every_form_says_what_interval_gap_and_marks_mean(tmp_path, pages):
    texts = pages([entry("dar_uda", five_cases(tmp_path / "m.tsv", 0.5))])
    for text in vars(texts).values():
        assert all(words in text for words in ("cases only", "Gap closed:", "Best (bold)", "larger than chance"))


def test_an_unavailable_method_has_its_reason_on_the_page(tmp_path, pages):
    reason = "domain mr has no labeled training case"
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": reason}]
    text = pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable).md
    assert cells_of(text)["supervised"] == ["0", "0", "-", "-", "-", "-", "-", "-"]
    assert f"- `supervised` has no result: {reason}" in text


def test_every_direction_has_its_scores_then_its_tta_inconsistency(tmp_path, pages):
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("a", path, direction="mr-to-ct"), entry("a", path)]).md
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    kinds = ("", ", Dice by structure", ", TTA inconsistency")
    assert titles == [f"## {direction}{kind}" for direction in ("mr-to-ct", "ct-to-mr") for kind in kinds]
    assert cells_of(text)["007"] == ["0.250", "0.250"]


def test_what_differs_from_the_paper_is_named(tmp_path, pages):
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", 0.5)) for name in ("source_only", "dar_uda")]
    text = pages(metrics, notes={"dar_uda": "GIN 0.5"}).md
    assert [line for line in text.splitlines() if line.startswith("- ")] == ["- `dar_uda`: GIN 0.5"]


def test_the_page_fits_in_a_terminal(tmp_path, pages):
    structures = ["liver", "right_kidney", "left_kidney", "spleen"]
    metrics = []
    for method, dice in (("source_only", 0.2), ("dar_uda", 0.612), ("supervised", 0.812)):
        rows = [(case, name, dice, 1.25, OK) for case in "abcde" for name in structures]
        path = write_metrics(tmp_path / f"{method}.tsv", rows)
        metrics += [entry(method, path, seed) for seed in range(3)]
    text = pages(metrics, structures=structures).md
    assert max(map(len, text.splitlines())) <= 120


def test_best_and_second_best_are_marked_in_all_forms(tmp_path, pages):
    scores = {"source_only": (0.2, 9.0), "dar_uda": (0.65, 2.5), "average_style": (0.5, 2.0), "supervised": (0.8, 1.0)}
    metrics = [
        entry(name, write_metrics(tmp_path / f"{name}.tsv", [(case, "liver", dice, asd, OK) for case in "abcde"]))
        for name, (dice, asd) in scores.items()
    ]
    texts = pages(metrics)
    best = "0.650 [0.650, 0.650]"
    shown = ["5", "1", f"**{best}**", "_2.50_", "0", "0", "75% [75%, 75%]", "**0.650**"]
    assert cells_of(texts.md)["dar_uda"] == shown
    assert cells_of(texts.md)["average_style"][2:4] == ["_0.500 [0.500, 0.500]_", "**2.00**"]
    assert cells_of(texts.md)["supervised"][2:4] == ["0.800 [0.800, 0.800]", "1.00"]
    assert rf"dar\_uda & 5 & 1 & \textbf{{{best}}} & \underline{{2.50}} & 0 & 0 & 75\% [75\%, 75\%] \\" in texts.tex
    assert f"<tr><td>dar_uda</td><td>5</td><td>1</td><td><b>{best}</b></td>" in texts.html
    assert all(STAMP in text for text in vars(texts).values())


def test_what_trainings_took_is_shown_where_asked_for(tmp_path, pages):
    files = []
    for seed, (seconds, peak) in enumerate([(1.0, 900.4), (None, 901.4), (2.0, 1048.2)]):
        content = {"parameters": 1_234_567, "seconds_per_step": seconds, "peak_mib": peak, "device": "cpu"}
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(content))
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("qam_unet", path), entry("other", path)], usage={"qam_unet": files}).md
    assert cells_of(text)["method"][7:10] == ["parameters", "training MiB", "s per step"]
    assert cells_of(text)["qam_unet"][7:10] == ["1.23 M", "950", "1.50"]
    assert cells_of(text)["other"][7:10] == ["-", "-", "-"]
