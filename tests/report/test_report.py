"""The page: its numbers, its escaping, and that it needs nothing but itself."""

import base64
import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from dar_uda.data.checks.finding import FEW_VOXELS, NOT_IN_HU, Finding
from dar_uda.data.checks.finding import report as finding_report
from dar_uda.data.grid import Grid, write_grids
from dar_uda.evaluation.confidence import COLUMNS
from dar_uda.evaluation.score import FAILURE, FALSE_ALARM, FALSE_NEGATIVE, OK
from dar_uda.evaluation.tables import tabulate
from dar_uda.figures.style import save_figure
from dar_uda.report.origins import read_origins
from dar_uda.report.page import write_report
from dar_uda.report.scores import cases_with, headline
from dar_uda.report.stages import read_stages
from dar_uda.report.svg import inline_svg, worst_case_id
from dar_uda.report.templates import duration
from dar_uda.report.trainings import peaks_of, training_table
from dar_uda.report.words import words_of_method
from tests.evaluation.metrics_files import write_metrics

STRUCTURES = ["liver", "spleen"]
NASTY = "<script>alert(1)</script>&'\"x"
FINDINGS = [
    Finding(NOT_IN_HU, "mr", NASTY, "/Planted_Jane/a.nii: values from 0 to 9"),
    Finding(NOT_IN_HU, "mr", "b", "/Planted: Jane/b.nii\nWARNING: forged /Planted_Jane"),
    Finding(FEW_VOXELS, "mr", "b", "/Planted_Jane/label.nii: 2 voxels of value 3"),
]
# Dice of liver and spleen by case; means 0.25, 0.7, 0.85. The gap is (0.7 - 0.25) / (0.85 - 0.25) = 75 %.
DICE = {
    "source_only": {NASTY: (0.5, 0.0), "b": (0.3, 0.2)},
    "dar_uda": {NASTY: (0.6, 0.8), "b": (0.9, 0.5)},
    "supervised": {NASTY: (0.8, 0.9), "b": (0.8, 0.9)},
}


class Page(HTMLParser):
    """What a browser would see: every start tag with its attributes, and the cells of every table by its label."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.cell = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "table":
            self.rows = self.tables.setdefault(attributes.get("aria-label"), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.cell = {"text": "", "sort": attributes.get("data-sort"), "class": attributes.get("class")}
            self.rows[-1].append(self.cell)

    def handle_endtag(self, tag):
        self.cell = None if tag == "td" else self.cell

    def handle_data(self, data):
        if self.cell is not None:
            self.cell["text"] += data


def write_tables(folder, metrics, tta_inconsistency, unavailable=()):
    """Write summary, differences and page of these metrics; return the first two."""
    tables = {"table": folder / "summary.tsv", "differences": folder / "summary-differences.tsv"}
    tabulate(
        metrics,
        unavailable,
        STRUCTURES,
        bounds={},
        ceilings=["supervised"],
        reference="dar_uda",
        choices={"protocol": "clean"},
        **tables,
        metrics=["dice", "asd"],
        tta_inconsistency=tta_inconsistency,
        notes={},
        usage={},
        stamp="A stamp.",
        pages=[folder / "summary.md"],
    )
    return tables


def write_run(folder, dice, scored=True):
    """Write what a report reads of a run with these Dice; return the arguments of `write_report`."""
    metrics, tta_inconsistency, confidence = [], [], []
    for method, cases in dice.items():
        rows = [
            (case, structure, value, None if value == 0 else 2.0, FALSE_NEGATIVE if value == 0 else OK)
            for case, values in cases.items()
            for structure, value in zip(STRUCTURES, values, strict=True)
        ]
        paths = [folder / f"{method}.tsv", folder / f"{method}-tta_inconsistency.tsv"]
        write_metrics(paths[0], rows)
        pd.DataFrame([(*row[:2], 0.125) for row in rows], columns=["case", "structure", "tta_inconsistency"]).to_csv(
            paths[1], sep="\t", index=False
        )
        row = {"direction": "ct-to-mr", "method": method, "seed": 0}
        metrics += [{**row, "path": paths[0]}] if scored else []
        tta_inconsistency.append({**row, "path": paths[1]})
        confidence.append({**row, "path": folder / f"{method}-confidence.tsv"})
        signals = [(case, case, structure, 0.0, value, None, value, value) for case, structure, value, *_ in rows]
        pd.DataFrame(signals, columns=COLUMNS).to_csv(confidence[-1]["path"], sep="\t", index=False)
    (folder / "ct.tsv").write_text("structure\tdice\nliver\t0.9375\nspleen\t0.8125\nkidney\t\n")
    grids = {"ct": (4.0, 6.0), "mr": (3.0, 6.0)}
    for domain, (scan, network) in grids.items():
        original, of_network = (Grid((4, 4, 4), np.diag([1, 1, step, 1])) for step in (scan, network))
        write_grids(folder / f"{domain}.json", original, of_network)
    unavailable = [] if metrics else [{"direction": "ct-to-mr", "method": "dar_uda", "reason": "no label"}]
    tables = write_tables(folder, metrics, tta_inconsistency, unavailable)
    (folder / "checks.txt").write_text("\n".join(finding_report(FINDINGS, 2)) + "\n")
    figure = Figure()
    figure.subplots().plot([0, 1], "o", label=NASTY)
    save_figure(figure, [folder / f"{name}.svg" for name in ("dice-ct-to-mr", "styles", "losses")], f"stamp {NASTY}")
    drawn = [
        ("dice", "", "ct-to-mr", folder / "dice-ct-to-mr.svg"),
        ("styles", "multi", "ct-to-mr", folder / "styles.svg"),
        ("styles", "average", "ct-to-mr", folder / "styles.svg"),
        ("losses", "", "", folder / "losses.svg"),
    ]
    switches = {"is_2d": False, "randomized": False, "self_training_iterations": 0}
    definition = {"network": "dar_unet", **switches, "note": NASTY}
    choices = {"task": "phantom", "protocol": "clean", "budget": "demo", "model_selection": "last", "seeds": [0]}
    cases = [{"domain": "mr", "split": "test", "cases": [NASTY, "b"], "labeled": 2}]
    names = {"run": "phantom", "folder": str(folder), "table": "summary", "stamp": "A stamp.", "cases": cases}
    names |= {"metrics": ["dice", "asd"], "ceilings": ["supervised"], "floors": {"dar_uda": "source_only"}}
    names |= {"transductive": []}
    return {
        "facts": {**choices, **names},
        "methods": {
            method: {"training_set": "{target}" if method == "supervised" else "{source}", **definition}
            for method in dice
        },
        "metrics": metrics,
        "tta_inconsistency": tta_inconsistency,
        "confidence": confidence,
        "grid_ceilings": [{"direction": "ct-to-mr", "path": folder / "ct.tsv"}],
        "grids": [{"domain": domain, "path": folder / f"{domain}.json"} for domain in grids],
        "unavailable": unavailable,
        "drawn": [dict(zip(("kind", "variant", "direction", "path"), entry, strict=True)) for entry in drawn],
        **tables,
        "checks": folder / "checks.txt",
        "page": folder / "report.html",
    }


def test_the_page_names_the_cases_with_warnings_and_no_file(report):
    assert "Planted" not in report and "forged" not in report
    (checks,) = re.findall(r"<pre>(.*?)</pre>", report, re.DOTALL)
    assert unescape(checks).splitlines() == [
        "WARNING: DAR-082: Images that may not be in HU (2). To do: " + NOT_IN_HU.fix + ".",
        f"  mr/{NASTY}, mr/b",
        "WARNING: DAR-102: Structures of few voxels (1). To do: if that is not meant, look at the label file.",
        "  mr/b",
        "2 cases checked: 0 errors, 3 warnings.",
    ]
    assert "checks.txt" in report


def test_the_page_opens_with_the_cases_to_look_at_first_and_whether_adaptation_helped(report):
    """Volumes of `source_only` are 0.5, 0, 0.3, 0.2 of the usual ones, those of `dar_uda` 0.6, 0.8, 0.9, 0.5."""
    rows = [[cell["text"] for cell in row] for row in Page(report).tables["Look at these first, ct-to-mr"] if row]
    assert rows[:4] == [
        ["source_only", NASTY, "spleen", "0.000", "not found"],
        ["source_only", "b", "spleen", "0.200", "0.20 times the usual volume"],
        ["dar_uda", "b", "spleen", "0.500", "0.50 times the usual volume"],
        ["dar_uda", NASTY, "liver", "0.600", "0.60 times the usual volume"],
    ]
    assert "dar_uda: without labels, adaptation helped over source_only: expected Dice" in report
    assert report.index("Look at these first") < report.index("Mean Dice, ct to mr")


@pytest.fixture
def report(tmp_path):
    write_report(**write_run(tmp_path, DICE))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_tables_show_means_worked_out_by_hand_and_sort_by_numbers(report):
    tables = {title: {row[0]["text"]: row[1:] for row in rows[1:]} for title, rows in Page(report).tables.items()}
    scores = tables["Scores"]
    assert [[cell["text"] for cell in scores[method][:2]] for method in DICE] == [["2", "1"]] * 3
    assert [scores[method][2]["text"][:5] for method in DICE] == ["0.250", "0.700", "0.850"]
    assert scores["dar_uda"][2]["text"] == "0.7000.700 to 0.700", "two cases have no 95 % interval"
    assert [scores[method][3]["text"] for method in DICE] == ["2.003 of 4", "2.004 of 4", "2.004 of 4"]
    assert [scores[method][4]["text"] for method in DICE] == ["0%", "75%", "100%"]
    assert float(scores["dar_uda"][2]["sort"]) == 0.7
    assert [cell["text"] for cell in tables["Dice by structure"]["dar_uda"]] == ["0.750", "0.650"]
    counts = [cell["text"] for cell in tables["detection and volumes"]["source_only"][:3]]
    assert counts == ["1 of 4", "1 of 4", "0 of 0"]
    (difference,) = (row for name, row in tables["Dice minus that of dar_uda"].items() if name == "source_only")
    assert [cell["text"] for cell in difference[:4]] == ["2", "-0.450-0.450 to -0.450", "0", "2"]
    assert "The black line is the interval (range)." in report
    caption = "Means over the patients; below the first its interval, of the kind in its head."
    assert caption in report, "before, of the kind of Dice, whatever the first metric"
    assert "where fewer than 5 have a value" in report and "<dt>k of N</dt>" in report


def test_what_does_not_differ_from_the_best_is_bold_and_the_ceiling_is_not_compared(tmp_path):
    dice = {
        name: {case: (low + 0.01 * place, low) for place, case in enumerate("abcde")}
        for name, low in {"source_only": 0.2, "dar_uda": 0.7, "supervised": 0.9}.items()
    }
    write_report(**write_run(tmp_path, dice))
    _, *rows = Page((tmp_path / "report.html").read_text(encoding="utf-8")).tables["Scores"]
    assert [row[3]["class"] for row in rows] == [None, "best", None]


def test_the_page_rounds_as_the_tables_do(tmp_path):
    write_report(**write_run(tmp_path, {"dar_uda": {"a": (0.31348, 0.5), "b": (0.31348, 0.5)}}))
    _, row = Page((tmp_path / "report.html").read_text(encoding="utf-8")).tables["Dice by structure"]
    assert row[1]["text"] == "0.313", "of 0.31348, not of 0.3135"
    assert "0.313" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_a_value_that_is_not_there_is_a_dash_that_sorts_last(tmp_path):
    write_report(**write_run(tmp_path, {"dar_uda": {"a": (0.0, 0.0), "b": (0.0, 0.0)}}))
    _, row = Page((tmp_path / "report.html").read_text(encoding="utf-8")).tables["Scores"]
    assert (row[4]["text"], row[4]["sort"]) == ("–0 of 4", "")


def test_peak_memory_is_that_of_the_largest_job_whatever_escaped_the_measurement(tmp_path):
    for rule, row in {"make_phantom": "7\t-", "train_segmenter": "100.5\t900.4", "score_method": "1\t30"}.items():
        (tmp_path / "benchmarks" / rule).mkdir(parents=True)
        (tmp_path / "benchmarks" / rule / "job.tsv").write_text(f"s\tmax_rss\n{row}\n")
    write_report(**write_run(tmp_path, DICE))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<dd>900 MiB</dd>" in text and "<dd>1 min 48 s</dd>" in text  # 7 + 100.5 + 1 seconds


def test_a_training_shows_its_size_time_and_peak_memory_and_of_what(tmp_path):
    measured = {"cpu": (2_345_678, None, 900.4), "cuda": (1_234_567, 0.0123, 2048.0)}
    for seed, (device, (parameters, seconds, peak)) in enumerate(measured.items()):
        folder = tmp_path / f"seed-{seed}" / "segmenters" / "ct" / "dar_unet"
        folder.mkdir(parents=True)
        content = {"parameters": parameters, "seconds_per_step": seconds, "peak_mib": peak, "device": device}
        (folder / "usage.json").write_text(json.dumps(content))
    table = training_table(tmp_path)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["ct", "dar_unet", "0", "2.35 M", "", "900"],
        ["ct", "dar_unet", "1", "1.23 M", "0.0123", "2048"],
    ]
    assert peaks_of(table) == [900.4]
    write_report(**write_run(tmp_path, DICE))
    _, *rows = Page((tmp_path / "report.html").read_text(encoding="utf-8")).tables[table.title]
    assert [row[5]["text"] for row in rows] == ["900of the process", "2048of the GPU"]
    assert [row[3]["sort"] for row in rows] == ["2345678", "1234567"], "by the number, not by the text"


def test_cases_without_a_mask_are_named(tmp_path, report):
    metrics = [{"method": "source_only", "path": tmp_path / "source_only.tsv"}]
    assert cases_with([FALSE_NEGATIVE], metrics) == {"source_only": {"spleen": [NASTY]}}
    assert "missed a whole structure: spleen in &lt;script&gt;" in report
    assert cases_with([FALSE_ALARM], metrics) == {}
    assert "No method marked a structure that the label lacks in any test case." in report


def test_failures_and_false_alarms_are_named_apart(tmp_path):
    rows = [("a", "liver", 0.0, None, FALSE_ALARM), ("b", "liver", 0.05, 9.0, FAILURE)]
    metrics = [{"method": "dar_uda", "path": write_metrics(tmp_path / "m.tsv", rows)}]
    found = [cases_with([status], metrics) for status in (FALSE_NEGATIVE, FAILURE, FALSE_ALARM)]
    assert found == [{}, {"dar_uda": {"liver": ["b"]}}, {"dar_uda": {"liver": ["a"]}}]


def test_the_bars_name_the_worst_case_and_link_to_its_picture(tmp_path):
    dice = {"source_only": {"a": (0.2, 0.4), "b": (0.3, 0.5)}, "dar_uda": {"a": (0.9, 0.9), "b": (0.8, 0.6)}}
    arguments = write_run(tmp_path, dice)
    write_report(**arguments)
    assert "worst: a, 0.300<" in (tmp_path / "report.html").read_text(encoding="utf-8"), "no picture, no link"
    figure = Figure()
    for axes, method in zip(figure.subplots(1, 2), dice, strict=True):
        axes.set_gid(worst_case_id(method))
    save_figure(figure, [tmp_path / "extremes-ct-to-mr.svg"], "")
    extremes = {"kind": "extremes", "variant": "", "direction": "ct-to-mr", "path": tmp_path / "extremes-ct-to-mr.svg"}
    write_report(**{**arguments, "drawn": [*arguments["drawn"], extremes]})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    links = [a["href"][1:] for tag, a in Page(text).tags if tag == "a" and "-worst-" in a["href"]]
    assert links == [f"extremes-ct-to-mr-worst-{method}" for method in dice]
    assert set(links) <= {attributes.get("id") for _, attributes in Page(text).tags}
    assert (
        f'worst: <a href="#{links[0]}">a</a>, 0.300<' in text and f'worst: <a href="#{links[1]}">b</a>, 0.700<' in text
    )


def test_a_run_of_several_seeds_shows_each(tmp_path):
    arguments = write_run(tmp_path, DICE)
    metrics = [{**entry, "seed": seed} for seed in (0, 1) for entry in arguments["metrics"]]
    write_tables(tmp_path, metrics, [])
    write_report(**{**arguments, "metrics": metrics, "facts": {**arguments["facts"], "seeds": [0, 1]}})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A case is named where it happened under one seed or more." in text
    _, *rows = Page(text).tables["Dice by seed"]
    assert [cell["text"] for cell in rows[1]] == ["dar_uda", "0.750 0.750", "0.650 0.650", "0.700 0.700"]


def test_cases_in_training_and_test_have_a_row_of_their_own_and_a_limit(tmp_path, report):
    assert "test</dt><dd>2, 2 of them" in report and "these very scans" not in report
    arguments = write_run(tmp_path, DICE)
    both = {"domain": "mr", "split": "both", "cases": ["c", "d", "e"], "labeled": 1}
    facts = {**arguments["facts"], "transductive": ["1 of 3 are both."]}
    write_report(**{**arguments, "facts": {**facts, "cases": [*facts["cases"], both]}})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<dt>Cases, mr, test</dt><dd>2, 2 of them" in text
    assert "<dt>Cases, mr, train and test</dt><dd>3, 1 of them with a label" in text
    assert "<strong>mr, train and test:</strong> c, d, e" in text
    assert "<li>1 of 3 are both. These scores say how well these very scans are segmented" in text


def test_the_grid_ceiling_of_the_source_is_shown_with_the_spacings_of_both_domains(tmp_path, report):
    text = " ".join(re.sub(r"<[^>]*>", "", report).split())
    assert "Grid ceiling on the labels of ct: liver 0.938, spleen 0.812, mean 0.875." in text, "no label has a kidney"
    assert "Slices of ct: 4 mm apart in the scans, 6 mm on the network grid. Slices of mr: 3 mm apart in" in text
    write_report(**{**write_run(tmp_path, {}), "grid_ceilings": []})
    assert "Grid ceiling on" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_names_are_escaped_wherever_they_stand(report):
    assert NASTY not in report and "<script>alert" not in report
    scripts = [attributes for tag, attributes in Page(report).tags if tag == "script"]
    assert len(scripts) == 1
    _, *cases = Page(report).tables["Every case"]
    assert cases[0][1]["text"] == NASTY, "and read as they are"


def test_nothing_is_loaded_from_elsewhere(report):
    page = Page(report)
    links = [
        value
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data")
    ]
    assert len(links) > 5 and all(link.startswith(("data:", "#")) for link in links)
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "embed", "base"})
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", report)
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert "default-src 'none'" in policy


def test_links_lead_to_parts_of_the_page_and_no_id_stands_twice(report):
    tags = Page(report).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    targets = [attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"][0] == "#"]
    assert set(targets) <= set(ids) and "ct-to-mr" in targets


def test_figures_are_xml_of_their_own_with_a_text_for_those_who_do_not_see_them(report):
    drawings = re.findall(r"<svg.*?</svg>", report, flags=re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img" and len(root.get("aria-label")) > 40
        names = {element.get("id") for element in root.iter()}
        used = {element.get("{http://www.w3.org/1999/xlink}href") for element in root.iter()} - {None}
        assert used and {link[1:] for link in used} <= names
    buttons = [attributes for tag, attributes in Page(report).tags if "data-figure" in attributes]
    names = [button["data-figure"] for button in buttons]
    assert names == ["dice-ct-to-mr", "styles-multi-ct-to-mr", "styles-average-ct-to-mr", "losses"]


def test_the_table_is_there_as_csv(tmp_path, report):
    link = next(a for tag, a in Page(report).tags if tag == "a" and "download" in a)
    assert link["download"] == "phantom-summary.csv"
    found = pd.read_csv(io.BytesIO(base64.b64decode(link["href"].partition("base64,")[2])))
    pd.testing.assert_frame_equal(found, pd.read_csv(tmp_path / "summary.tsv", sep="\t"))


def test_a_run_without_labels_has_a_page_that_says_why_nothing_is_scored(tmp_path):
    write_report(**write_run(tmp_path, {}))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nothing is scored here" in text and "<strong>dar_uda</strong> has no result: no label." in text
    assert Page(text).tables == {} and text.count("<svg") == 4


def test_a_run_without_labels_shows_the_tta_inconsistency_which_needs_none(tmp_path):
    write_report(**write_run(tmp_path, {"dar_uda": {"a": (0.5, 0.5), "b": (0.5, 0.5)}}, scored=False))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert list(Page(text).tables) == ["Look at these first, ct-to-mr", "TTA inconsistency"]
    _, *rows = Page(text).tables["TTA inconsistency"]
    assert [[cell["text"] for cell in row] for row in rows] == [["a", "0.125"], ["b", "0.125"]]
    assert "| a    |   0.125 |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_stages_add_up_their_rules_and_unknown_rules_are_evaluation(tmp_path):
    usage = {
        "train_segmenter/a": "100.5\t900",
        "train_segmenter/deep/b": "50\t1200",
        "train_candidates/e": "40\t800",
        "predict_cases/c": "9.5\t300",
        "make_phantom": "7\t-",
        "new_rule/d": "3\t20",
    }
    for name, row in usage.items():
        (tmp_path / f"{name}.tsv").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.tsv").write_text(f"s\tmax_rss\n{row}\n")
    stages = {stage.name: stage for stage in read_stages(tmp_path)}
    assert list(stages) == ["data", "segmentation", "evaluation"]
    found = stages["segmentation"]
    assert (found.jobs, found.seconds, found.longest_seconds, found.peak_mib) == (4, 200.0, 100.5, 1200.0)
    assert [rule["rule"] for rule in found.rules] == ["train_segmenter", "train_candidates", "predict_cases"]
    assert stages["data"].rules[0]["rule"] == "make_phantom" and pd.isna(stages["data"].peak_mib)
    assert stages["evaluation"].seconds == 3 and read_stages(tmp_path / "nothing") == []


def test_origins_name_every_device_version_and_code(tmp_path):
    for name, device, version in (("a", "CPU, x86_64", "2.6"), ("b", "NVIDIA X", "2.7"), ("c", "NVIDIA X", "2.7")):
        record = {"rule": "train", "device": device, "packages": {"torch": version}, "params": {"code": name}}
        (tmp_path / f"{name}.provenance.json").write_text(json.dumps(record))
    origins = read_origins(tmp_path)
    assert origins.devices == ["CPU, x86_64", "NVIDIA X"]
    assert origins.packages == {"torch": ["2.6", "2.7"]} and origins.code == {"train": ["a", "b", "c"]}


def means_of(seeds=3, **methods):
    """Return rows `mean` of a summary; methods: mean Dice, gap closed and the ends of its interval."""
    columns = ["dice_mean", "gap_closed", "gap_low", "gap_high"]
    return pd.DataFrame.from_dict(methods, orient="index", columns=columns, dtype=float).assign(seeds=seeds)


def test_the_headline_says_what_of_the_gap_is_closed_where_there_is_one():
    none = (None, None, None)
    bounds = {"source_only": (0.25, 0, None, None), "supervised": (0.85, 1, None, None)}
    text = (
        "DAR-UDA reaches a mean Dice of 0.700; without adaptation it is 0.250; with labels of the target 0.850. "
        "So 75% of the gap between the two is closed"
    )
    assert headline(means_of(dar_uda=(0.7, 0.75, None, None), **bounds)) == f"{text}."
    with_interval = headline(means_of(dar_uda=(0.7, 0.75, 0.4, 1.1), **bounds))
    assert with_interval == f"{text} (95 % interval 40% to 110%)."
    of_one_seed = headline(means_of(seeds=1, dar_uda=(0.7, 0.75, 0.4, 1.1), **bounds))
    assert of_one_seed == f"{text} (95 % interval 40% to 110%, for these very trainings)."
    assert "gap" not in headline(means_of(source_only=(0.9, *none), dar_uda=(0.7, *none), supervised=(0.85, *none)))
    assert headline(means_of(dar_uda=(None, *none))) == "" == headline(means_of(source_only=(0.5, *none)))


def test_ids_of_one_figure_do_not_clash_with_those_of_another(tmp_path):
    path = tmp_path / "f.svg"
    path.write_text('<?xml version="1.0"?><svg><g id="a"/><use href="#a"/><path clip-path="url(#b)"/></svg>')
    svg = inline_svg(path, "one", 'a "b"')
    assert svg == (
        '<svg role="img" aria-label="a &quot;b&quot;"><g id="one-a"/><use href="#one-a"/>'
        '<path clip-path="url(#one-b)"/></svg>'
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (42.4, "42 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7620, "2 h 7 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert duration(seconds) == text


def test_every_training_set_of_the_schema_has_words():
    schema = yaml.safe_load((Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml").read_text())
    for name in schema["$defs"]["method"]["properties"]["training_set"]["enum"]:
        assert words_of_method(name, "dar_unet", is_2d=False, randomized=False, self_training_iterations=0), name


def test_a_method_is_described_from_its_definition():
    switches = {"is_2d": False, "randomized": True, "self_training_iterations": 2}
    text = words_of_method("{direction}.disentangled-multi", "dar_unet", **switches)
    assert "several styles" in text and "3D" in text and "Self-training iterations: 2." in text and "at random" in text
