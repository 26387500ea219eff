"""What the pages of a table say, from small metrics tables."""

import json
from types import SimpleNamespace

import pytest

from dar_uda.evaluation.score import OK
from dar_uda.evaluation.tables import tabulate
from tests.evaluation.metrics_files import CHOICES, entry, five_cases, one_case, tta_inconsistency, write_metrics

STAMP = "Task t, protocol clean."


@pytest.fixture
def pages(tmp_path):
    """Write a table of these metrics and its pages; return their texts."""

    def write(scores, unavailable=(), structures=("liver",), notes=None, usage=None, metrics=("dice", "asd")):
        changed = [
            tta_inconsistency(one["method"], tmp_path / f"{one['method']}-changed.tsv", direction=one["direction"])
            for one in scores
        ]
        files = {name: tmp_path / f"{name}.tsv" for name in ("table", "differences")}
        pages = [tmp_path / f"summary.{suffix}" for suffix in ("md", "tex", "html")]
        of_pages = {"metrics": metrics, "notes": notes or {}, "usage": usage or {}, "stamp": STAMP, "pages": pages}
        tabulate(
            scores,
            unavailable,
            list(structures),
            bounds={},
            ceilings=["supervised"],
            reference="dar_uda",
            choices=CHOICES,
            tta_inconsistency=changed,
            **files,
            **of_pages,
        )
        return SimpleNamespace(**{file.suffix[1:]: file.read_text() for file in pages})

    return write


def part_of(markdown, title):
    """Return the part of a page below a title."""
    return markdown.split(f"## {title}\n")[1].split("\n## ")[0]


def cells_of(markdown):
    """Return the cells of each line of a table by the first, of tables with the same lines one after the other."""
    cells = {}
    for line in markdown.splitlines():
        if line[:1] == "|":
            first, *others = [cell.strip() for cell in line.split("|")[1:-1]]
            cells[first] = cells.get(first, []) + others
    return cells


def test_the_first_metric_has_its_interval_and_the_others_have_none(tmp_path, pages):
    scores = [entry("dar_uda", five_cases(tmp_path / "m.tsv", 0.5, 0.6, 0.7, 0.8, 0.9))]
    cells = cells_of(part_of(pages(scores).md, "ct-to-mr"))
    assert cells["method"] == ["n", "seeds", "mean Dice [95% t, cases only]", "ASD mm", "gap closed"]
    assert cells["dar_uda"] == ["5", "1", "0.700 [0.478, 0.856]", "1.00 (5 of 5)", "-"]
    cells = cells_of(part_of(pages(scores, metrics=["rvd", "dice"]).md, "ct-to-mr"))
    assert cells["method"][2:4] == ["mean RVD [range]", "Dice"]
    assert cells["dar_uda"][2:4] == ["+0.000 [+0.000, +0.000]", "0.700"]


def test_every_metric_has_its_table_by_structure_and_the_explanation_tells_what_is_shown(tmp_path, pages):
    text = pages([entry("dar_uda", five_cases(tmp_path / "m.tsv", 0.5))], metrics=["dice", "hd95"]).md
    assert "## ct-to-mr, Dice by structure" in text and "## ct-to-mr, HD95 mm by structure" in text
    assert "HD95: distance" in text and "ASD: average" not in text


def test_few_cases_have_their_range_and_it_is_called_so(tmp_path, pages):
    rows = [(case, "liver", dice, 1.0, OK) for case, dice in (("a", 0.2), ("b", 0.6))]
    cells = cells_of(part_of(pages([entry("dar_uda", write_metrics(tmp_path / "m.tsv", rows))]).md, "ct-to-mr"))
    assert (cells["method"][2], cells["dar_uda"][2]) == ("mean Dice [range]", "0.400 [0.200, 0.600]")


def test_several_seeds_are_counted_and_shown_one_by_one(tmp_path, pages):
    files = [five_cases(tmp_path / f"{dice}.tsv", dice, dice, dice, dice, dice + 0.1) for dice in (0.5, 0.7)]
    texts = pages([entry("dar_uda", path, seed=seed) for seed, path in enumerate(files)])
    cells = cells_of(part_of(texts.md, "ct-to-mr"))
    assert cells["method"][2] == "mean Dice [95% t]" and cells["dar_uda"][1] == "2"
    assert cells_of(part_of(texts.md, "ct-to-mr, Dice by seed"))["dar_uda"] == ["0.520 0.720", "0.520 0.720"]
    assert "0.520 0.720" in texts.tex and "0.520 0.720" in texts.html


def test_a_single_case_has_no_interval(tmp_path, pages):
    cells = cells_of(part_of(pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]).md, "ct-to-mr"))
    assert cells["method"][2] == "mean Dice"
    assert cells["dar_uda"] == ["1", "1", "0.500", "1.00 (1 of 1)", "-"]


def test_differences_stand_on_the_page_where_there_is_another_method(tmp_path, pages):
    scores = [
        entry("dar_uda", five_cases(tmp_path / "a.tsv", 0.5, 0.6, 0.7, 0.8, 0.9)),
        entry("other", five_cases(tmp_path / "b.tsv", 0.4, 0.6, 0.65, 0.6, 0.85)),
    ]
    title = "ct-to-mr, Dice minus that of dar_uda"
    cells = cells_of(part_of(pages(scores).md, title))
    assert cells["method"] == ["n", "mean difference [95% t, cases only]", "better", "worse", "p (Holm)"]
    # -0.08 with the standard deviation 0.0758: t = -2.359 of 4 degrees.
    assert cells["other"] == ["5", "-0.080 [-0.174, +0.014]", "0", "4", "0.0777"]
    assert title not in pages(scores[:1]).md


def test_gap_closed_is_in_percent_with_its_interval(tmp_path, pages):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    text = pages([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]).md
    assert [cells_of(text)[name][4] for name in dices] == ["0%", "75%", "100%"]
    spread = five_cases(tmp_path / "spread.tsv", 0.6, 0.65, 0.65, 0.65, 0.7)
    others = [entry(name, five_cases(tmp_path / f"{name}.tsv", dices[name])) for name in ("source_only", "supervised")]
    # Parts of 0.4 / 0.6 to 0.5 / 0.6: standard deviation 0.0589, t of 4 degrees 2.776: half width 0.0732.
    assert cells_of(pages([*others, entry("dar_uda", spread)]).md)["dar_uda"][4] == "75% [68%, 82%]"


def test_a_gap_too_small_to_divide_by_leaves_a_remark(tmp_path, pages):
    dices = {"source_only": 0.8, "dar_uda": 0.81, "supervised": 0.801}
    text = pages([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]).md
    assert [cells_of(text)[name][4] for name in dices] == ["-", "-", "-"]
    assert "- `dar_uda`: +0.010 mean Dice compared with its floor" in text


def test_every_form_says_what_interval_gap_and_marks_mean(tmp_path, pages):
    texts = pages([entry("dar_uda", five_cases(tmp_path / "m.tsv", 0.5))])
    for text in vars(texts).values():
        said = ("cases only", "Gap closed:", "Bold: the best", "do not differ", "Differences: of each", "p (Holm):")
        assert all(words in text for words in said)


def test_an_unavailable_method_has_its_reason_on_the_page(tmp_path, pages):
    reason = "domain mr has no labeled training case"
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": reason}]
    text = pages([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable).md
    assert cells_of(text)["supervised"] == ["0", "0", "-", "-", "-", "-", "-"]
    assert f"- `supervised` has no result: {reason}" in text


def test_every_direction_has_its_scores_then_its_tta_inconsistency(tmp_path, pages):
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("a", path, direction="mr-to-ct"), entry("a", path)]).md
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    kinds = ("", "Dice by structure", "ASD mm by structure", "detection and volumes", "TTA inconsistency")
    expected = [", ".join(filter(None, (direction, kind))) for direction in ("mr-to-ct", "ct-to-mr") for kind in kinds]
    assert titles == [f"## {title}" for title in expected]
    assert cells_of(text)["007"] == ["0.250", "0.250"]


def test_what_differs_from_the_paper_is_named(tmp_path, pages):
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", 0.5)) for name in ("source_only", "dar_uda")]
    text = pages(metrics, notes={"dar_uda": "GIN 0.5"}).md
    assert [line for line in text.splitlines() if line.startswith("- `")] == ["- `dar_uda`: GIN 0.5"]


def test_the_page_fits_in_a_terminal(tmp_path, pages):
    structures = ["liver", "right_kidney", "left_kidney", "spleen"]
    metrics = []
    for method, dice in (("source_only", 0.2), ("dar_uda", 0.612), ("supervised", 0.812)):
        rows = [(case, name, dice, 1.25, OK) for case in "abcde" for name in structures]
        path = write_metrics(tmp_path / f"{method}.tsv", rows)
        metrics += [entry(method, path, seed) for seed in range(3)]
    text = pages(metrics, structures=structures).md
    assert max(map(len, text.splitlines())) <= 120


def test_the_best_are_marked_in_all_forms(tmp_path, pages):
    dices = {"source_only": (0.1, 0.3), "dar_uda": (0.6, 0.7), "average_style": (0.7, 0.6), "supervised": (0.8, 0.9)}
    scores = [
        entry(name, five_cases(tmp_path / f"{name}.tsv", low, low, low, high, high))
        for name, (low, high) in dices.items()
    ]
    texts = pages(scores)
    cells = cells_of(part_of(texts.md, "ct-to-mr, Dice by structure"))
    expected = {"source_only": "0.180", "dar_uda": "**0.640**", "average_style": "**0.660**", "supervised": "0.840"}
    assert {name: cells[name] for name in dices} == {name: [text] for name, text in expected.items()}
    assert r"dar\_uda & \textbf{0.640} \\" in texts.tex
    assert "<tr><td>dar_uda</td><td><b>0.640</b></td></tr>" in texts.html
    assert all(STAMP in text for text in vars(texts).values())


def test_what_trainings_took_is_shown_where_asked_for(tmp_path, pages):
    files = []
    for seed, (seconds, peak) in enumerate([(1.0, 900.4), (None, 901.4), (2.0, 1048.2)]):
        content = {"parameters": 1_234_567, "seconds_per_step": seconds, "peak_mib": peak, "device": "cpu"}
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(content))
    path = one_case(tmp_path / "m.tsv", 0.5)
    text = pages([entry("qam_unet", path), entry("other", path)], usage={"qam_unet": files}).md
    assert cells_of(text)["method"][5:8] == ["parameters", "training MiB", "s per step"]
    assert cells_of(text)["qam_unet"][5:8] == ["1.23 M", "950", "1.50"]
    assert cells_of(text)["other"][5:8] == ["-", "-", "-"]
