"""The summary's numbers, worked out by hand from small metrics tables."""

import json

import numpy as np
import pandas as pd
import pytest

from dar_uda.evaluation.tables import COLUMNS, tabulate, tabulate_disagreements

CHOICES = {"protocol": "clean", "checkpoint": "last"}
OK, MISSED, ABSENT = "ok", "missed", "absent"


def write_metrics(path, rows):
    """Write rows `(case, structure, dice, asd, status)` as `score_method` does."""
    table = pd.DataFrame(rows, columns=["case", "structure", "dice", "asd_mm", "status"])
    table.to_csv(path, sep="\t", index=False)
    return path


def entry(method, path, seed=0, direction="ct-to-mr", changed=(("007", "liver", 0.25),)):
    """Return what the workflow says of one file of scores; `changed`: its disagreements."""
    disagreement = path.with_name(f"{path.stem}-disagreement.tsv")
    pd.DataFrame(changed, columns=["case", "structure", "disagreement"]).to_csv(disagreement, sep="\t", index=False)
    files = {"path": path, "disagreement": disagreement}
    return {"direction": direction, "method": method, "seed": seed, **files}


def disagreements_of(metrics):
    return [{**one, "path": one["disagreement"]} for one in metrics]


def one_case(path, dice, structure="liver"):
    return write_metrics(path, [("007", structure, dice, 1.0, OK)])


def summary(tmp_path, metrics, unavailable=(), structures=("liver",), notes=None, ends=None, resources=None):
    table, *pages = (tmp_path / f"summary.{suffix}" for suffix in ("tsv", "md", "tex", "html"))
    told = list(structures), notes or {}, "Task t, protocol clean.", CHOICES, ends or {}, resources or {}
    tabulate(list(metrics), disagreements_of(metrics), list(unavailable), *told, table, *pages)
    indexed = pd.read_csv(table, sep="\t").set_index(["direction", "method", "structure"])
    return indexed, pages[0].read_text()


def test_rows_are_means_over_cases_and_the_mean_row_is_the_mean_of_the_structures(tmp_path):
    path = write_metrics(
        tmp_path / "m.tsv",
        [
            ("a", "liver", 0.8, 2.0, OK),
            ("a", "spleen", 0.5, 4.0, OK),
            ("b", "liver", 0.6, 1.0, OK),
            ("b", "spleen", 0.0, None, MISSED),
            ("c", "liver", 0.7, 3.0, OK),
            ("c", "spleen", None, None, ABSENT),
        ],
    )
    rows, _ = summary(tmp_path, [entry("dar_uda", path)], structures=["liver", "spleen"])
    liver, spleen, mean = (rows.loc[("ct-to-mr", "dar_uda", name)] for name in ("liver", "spleen", "mean"))
    assert (liver["n"], liver["missed"], liver["dice_mean"], liver["asd_mean"]) == (3, 0, 0.7, 2.0)
    assert (spleen["n"], spleen["missed"], spleen["dice_mean"], spleen["asd_mean"]) == (2, 1, 0.25, 4.0)
    assert (mean["n"], mean["missed"], mean["dice_mean"], mean["asd_mean"]) == (3, 1, 0.475, 3.0)
    assert 0.6 <= liver["dice_ci_low"] < 0.7 < liver["dice_ci_high"] <= 0.8
    assert np.isnan(spleen["asd_ci_low"]), "one case has an ASD: no interval"


def test_the_table_has_exactly_the_promised_columns_and_six_decimals(tmp_path):
    summary(tmp_path, [entry("dar_uda", one_case(tmp_path / "m.tsv", 1 / 3))])
    header, first = (tmp_path / "summary.tsv").read_text().splitlines()[:2]
    assert header == "\t".join([*COLUMNS, "protocol", "checkpoint"])
    assert first == "ct-to-mr\tdar_uda\tliver\t1\t0\t0.333333\t\t\t1.000000\t\t\t\tclean\tlast"


def test_a_single_case_has_no_interval(tmp_path):
    rows, page = summary(tmp_path, [entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))])
    assert rows.filter(like="_ci_").isna().all(axis=None)
    assert "| 0.500 |" in page.replace("  ", " ").replace("  ", " ")


def test_seeds_are_averaged_per_case_first(tmp_path):
    first = write_metrics(tmp_path / "0.tsv", [("a", "liver", 0.4, 2.0, OK), ("b", "liver", 0.9, 1.0, OK)])
    second = write_metrics(tmp_path / "1.tsv", [("a", "liver", 0.0, None, MISSED), ("b", "liver", None, None, ABSENT)])
    rows, _ = summary(tmp_path, [entry("dar_uda", first), entry("dar_uda", second, seed=1)])
    liver = rows.loc[("ct-to-mr", "dar_uda", "liver")]
    # a: (0.4 + 0) / 2 and 2 mm (the miss has none); b: 0.9 and 1 mm (the absence says nothing).
    assert (liver["n"], liver["missed"]) == (2, 1)
    assert (liver["dice_mean"], liver["asd_mean"]) == (0.55, 1.5)


def test_gap_closed_is_the_share_of_what_supervision_gains(tmp_path):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    rows, page = summary(tmp_path, metrics)
    for structure in ("liver", "mean"):
        gaps = [rows.loc[("ct-to-mr", method, structure), "gap_closed"] for method in dices]
        assert gaps == [0.0, 0.75, 1.0]
    assert "75%" in page


def test_the_gap_of_a_2d_method_lies_between_its_own_ends(tmp_path):
    dices = {"source_only": 0.2, "floor": 0.1, "cyclegan_2d": 0.4, "ceiling": 0.7, "supervised": 0.8}
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    rows, _ = summary(tmp_path, metrics, ends={"cyclegan_2d": ["floor", "ceiling"]})
    gaps = rows["gap_closed"].xs("mean", level="structure")
    assert gaps["ct-to-mr", "cyclegan_2d"] == pytest.approx(0.5)  # (0.4 - 0.1) / (0.7 - 0.1)
    assert gaps["ct-to-mr", "ceiling"] == pytest.approx(0.833333)  # (0.7 - 0.2) / (0.8 - 0.2)


def test_a_method_that_never_finds_a_structure_has_no_place_in_the_asd(tmp_path):
    """Its ASD is a mean over what it does find."""
    both = write_metrics(tmp_path / "both.tsv", [("a", "liver", 0.5, 1.4, OK), ("a", "spleen", 0.5, 1.5, OK)])
    one = write_metrics(tmp_path / "one.tsv", [("a", "liver", 0.6, 1.0, OK), ("a", "spleen", 0.0, None, MISSED)])
    third = write_metrics(tmp_path / "third.tsv", [("a", "liver", 0.5, 2.4, OK), ("a", "spleen", 0.5, 2.5, OK)])
    metrics = [entry("both", both), entry("one", one), entry("third", third)]
    _, page = summary(tmp_path, metrics, structures=["liver", "spleen"])
    lines = {line.split("|")[1].strip(): line.replace(" ", "").split("|") for line in page.splitlines() if "|" in line}
    assert [lines[name][6] for name in ("both", "one", "third")] == ["**1.45**", "1.00", "2.45"]


def test_there_is_no_gap_where_supervision_is_not_better_or_unavailable(tmp_path):
    metrics = [
        entry("source_only", one_case(tmp_path / "s.tsv", 0.8)),
        entry("dar_uda", one_case(tmp_path / "d.tsv", 0.7)),
        entry("supervised", one_case(tmp_path / "t.tsv", 0.8)),
        entry("source_only", one_case(tmp_path / "s2.tsv", 0.8), direction="mr-to-ct"),
    ]
    unavailable = [{"direction": "mr-to-ct", "method": "supervised", "reason": "no labels"}]
    rows, _ = summary(tmp_path, metrics, unavailable)
    assert rows["gap_closed"].isna().all()


def test_an_unavailable_method_has_empty_rows_and_its_reason_on_the_page(tmp_path):
    reason = "domain mr has no labelled training case"
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": reason}]
    rows, page = summary(tmp_path, [entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable)
    row = rows.loc[("ct-to-mr", "supervised", "mean")]
    assert row["n"] == 0
    assert row.drop(["n", *CHOICES]).isna().all()
    assert f"- `supervised` has no result: {reason}" in page


def test_disagreement_is_a_mean_over_seeds_and_on_the_page_over_structures(tmp_path):
    first = [("a", "liver", 0.1), ("a", "spleen", 0.4), ("b", "liver", 0.3), ("b", "spleen", None)]
    second = [("a", "liver", 0.2), ("a", "spleen", 0.6), ("b", "liver", 0.0), ("b", "spleen", None)]
    scores = [(case, name, 0.5, 1.0, OK) for case in "ab" for name in ("liver", "spleen")]
    paths = [write_metrics(tmp_path / f"{seed}.tsv", scores) for seed in range(2)]
    metrics = [entry("dar_uda", paths[0], changed=first), entry("dar_uda", paths[1], seed=1, changed=second)]
    _, page = summary(tmp_path, metrics, structures=["liver", "spleen"])
    tabulate_disagreements(disagreements_of(metrics), CHOICES, tmp_path / "disagreement.tsv")
    header, *rows = (tmp_path / "disagreement.tsv").read_text().splitlines()
    assert header.split("\t") == ["direction", "method", "case", "structure", "disagreement", "protocol", "checkpoint"]
    assert [row.split("\t")[2:5] for row in rows] == [
        ["a", "liver", "0.1500"],
        ["a", "spleen", "0.5000"],
        ["b", "liver", "0.1500"],
        ["b", "spleen", ""],
    ]
    lines = [line.replace(" ", "") for line in page.splitlines()]
    assert "|a|0.325|" in lines, "(0.15 + 0.5) / 2"
    assert "|b|0.150|" in lines, "no mask holds its spleen"


def test_what_differs_from_the_paper_is_named(tmp_path):
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", 0.5)) for name in ("source_only", "dar_uda")]
    _, page = summary(tmp_path, metrics, notes={"dar_uda": "GIN 0.5"})
    assert "`source_only` is trained" not in page
    assert "- `dar_uda`: GIN 0.5" in page


def test_rows_go_by_direction_then_by_method_as_given(tmp_path):
    path = one_case(tmp_path / "m.tsv", 0.5)
    metrics = [
        entry("z", path, direction="mr-to-ct"),
        entry("a", path),
        entry("a", path, direction="mr-to-ct"),
    ]
    rows, page = summary(tmp_path, metrics)
    order = [key[:2] for key in rows.index if key[2] == "mean"]
    assert order == [("mr-to-ct", "z"), ("mr-to-ct", "a"), ("ct-to-mr", "a")]
    assert page.index("## mr-to-ct") < page.index("## ct-to-mr")


def test_the_page_fits_in_a_terminal(tmp_path):
    structures = ["liver", "right_kidney", "left_kidney", "spleen"]
    rows = [(case, name, 0.812, 1.25, OK) for case in "abc" for name in structures]
    path = write_metrics(tmp_path / "m.tsv", rows)
    methods = ["source_only", "dar_uda", "supervised"]
    _, page = summary(tmp_path, [entry(method, path) for method in methods], structures=structures)
    assert max(map(len, page.splitlines())) <= 120


def test_best_and_second_best_are_marked_in_all_forms_and_the_ceiling_is_not_compared(tmp_path):
    scores = {"source_only": (0.2, 9.0), "dar_uda": (0.65, 2.5), "average_style": (0.5, 2.0), "supervised": (0.8, 1.0)}
    metrics = [
        entry(name, write_metrics(tmp_path / f"{name}.tsv", [("007", "liver", dice, asd, OK)]))
        for name, (dice, asd) in scores.items()
    ]
    _, page = summary(tmp_path, metrics)
    lines = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    assert lines["dar_uda"].count("**0.650**") == 2 and "_2.50_" in lines["dar_uda"]
    assert lines["average_style"].count("_0.500_") == 2 and "**2.00**" in lines["average_style"]
    assert not {"*", " _"} & set(lines["supervised"].replace("source_only", ""))
    latex, html = ((tmp_path / f"summary.{suffix}").read_text() for suffix in ("tex", "html"))
    assert r"dar\_uda & 1 & \textbf{0.650} & \textbf{0.650} & \underline{2.50} & 0 & 75\% \\" in latex
    assert "<tr><td>dar_uda</td><td>1</td><td><b>0.650</b></td>" in html
    for text in (page, latex, html):
        assert "Task t, protocol clean." in text


def test_what_trainings_took_is_shown_where_asked_for(tmp_path):
    files = []
    for seed, (seconds, peak) in enumerate([(1.0, 900.4), (2.0, 1000.4)]):
        content = {"parameters": 1_234_567, "seconds_per_step": seconds, "peak_mib": peak, "device": "cpu"}
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(content))
    path = one_case(tmp_path / "m.tsv", 0.5)
    _, page = summary(tmp_path, [entry("qam_unet", path)], resources={"qam_unet": files})
    (line,) = [line for line in page.splitlines() if line.startswith("| qam_unet")]
    assert [cell.strip() for cell in line.split("|")[-4:-1]] == ["1.23 M", "950", "1.50"]


def test_a_metrics_file_without_a_structure_is_refused_by_name(tmp_path):
    path = one_case(tmp_path / "old.tsv", 0.5)
    with pytest.raises(ValueError, match=r"old\.tsv.*\('007', 'spleen'\)"):
        summary(tmp_path, [entry("dar_uda", path)], structures=["liver", "spleen"])


def test_seeds_with_different_cases_are_refused(tmp_path):
    first = one_case(tmp_path / "0.tsv", 0.5)
    second = write_metrics(tmp_path / "1.tsv", [("008", "liver", 0.5, 1.0, OK)])
    with pytest.raises(ValueError, match=r"1\.tsv.*'007'.*'008'"):
        summary(tmp_path, [entry("dar_uda", first), entry("dar_uda", second, seed=1)])
