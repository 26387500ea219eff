import numpy as np
import pandas as pd
import pytest

from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.predictions import mask_path
from dar_uda.data.volume import write_mask
from dar_uda.evaluation.adaptation import adaptation_of, verdicts_in_words, write_adaptation
from dar_uda.evaluation.confidence import (
    COLUMNS,
    look_first_table,
    measure_confidence,
    read_confidence,
    reasons_of,
    tabulate_confidence,
)

ORIGINAL, NETWORK = (Grid((4, 4, 4), np.diag([1.0, 1.0, depth, 1.0])) for depth in (1.0, 2.0))


def write_masks(folder, *places):
    """Write the mask of case a, class 1 at these voxels of the first row."""
    mask = np.zeros(ORIGINAL.shape, np.uint8)
    mask[list(places), 0, 0] = 1
    folder.mkdir()
    write_mask(mask_path(folder, "a"), mask, ORIGINAL)
    return folder


def measured(tmp_path, others=(), usual="liver\t4\t1\nspleen\t8\t1\n"):
    """Return the table of a mask with two voxels of liver and no spleen."""
    write_grids(tmp_path / "a.json", ORIGINAL, NETWORK)
    (tmp_path / "ct.tsv").write_text(f"structure\tvoxel_mm\tlargest_fraction\n{usual}")
    (tmp_path / "tta.tsv").write_text("case\tstructure\ttta_inconsistency\na\tliver\t0.25\na\tspleen\t\n")
    masks, table = write_masks(tmp_path / "own", 0, 1), tmp_path / "confidence.tsv"
    files = [tmp_path / "a.json"], tmp_path / "ct.tsv", tmp_path / "tta.tsv"
    measure_confidence(["a"], ["p"], masks, others, *files, ["liver", "spleen"], table)
    found = pd.read_csv(table, sep="\t")
    assert list(found) == COLUMNS and list(found["patient"]) == ["p", "p"]
    return found.set_index("structure")


def test_confidence_is_the_mean_of_what_tta_volume_and_other_networks_say(tmp_path):
    """Two voxels of 1 mm3; the network's have 2 mm3 and a depth of 2 mm: 2 of the usual 4, at best Dice 2 / 3."""
    others = [write_masks(tmp_path / "one", 1, 2), write_masks(tmp_path / "two", 3)]  # Dice 1 / 2 and 0
    table = measured(tmp_path, others)
    assert list(table.loc["liver", ["tta_inconsistency", "volume_ratio", "agreement"]]) == [0.25, 0.5, 0.25]
    assert table.at["liver", "confidence"] == pytest.approx((0.75 + 2 / 3 + 0.25) / 3, abs=1e-6)
    assert table.at["liver", "expected_dice"] == pytest.approx(1.01 * (0.75 + 2 / 3 + 0.25) / 3 - 0.09, abs=1e-6)
    assert table.at["spleen", "confidence"] == table.at["spleen", "expected_dice"] == 0, "no network finds it"


def test_what_is_not_known_counts_in_no_mean(tmp_path):
    table = measured(tmp_path, usual="liver\t4\t1\nspleen\t0\t\n")
    assert table["agreement"].isna().all() and np.isnan(table.at["spleen", "volume_ratio"])
    assert table.at["liver", "confidence"] == pytest.approx((0.75 + 2 / 3) / 2, abs=1e-6)
    assert table.at["spleen", "confidence"] == 0


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        ((0.5, 1.0, 0.9), "Dice 0.50 with its masks of the scan brighter, darker or flipped"),
        ((0.1, 3.0, np.nan), "3.00 times the usual volume"),  # at best Dice 0.5
        ((0.1, 1.0, 0.25), "Dice 0.25 with the masks of other adapted networks"),
        ((1.0, 0.0, 0.0), "not found"),
    ],
)
def test_the_reason_is_the_least_of_the_three(signals, words):
    row = pd.DataFrame([signals], columns=["tta_inconsistency", "volume_ratio", "agreement"])
    assert reasons_of(row) == [words]


def entries(tmp_path, **methods):
    """Write tables of these volume ratios of liver by method: a dictionary by case per seed; return their entries."""
    found = []
    for method, seeds in methods.items():
        for seed, cases in enumerate(seeds):
            path = tmp_path / f"{method}-{seed}.tsv"
            rows = [(case, case[0], "liver", 0.0, ratio, 0.5, ratio, ratio) for case, ratio in cases.items()]
            pd.DataFrame(rows, columns=COLUMNS).to_csv(path, sep="\t", index=False)
            found.append({"direction": "ct-to-mr", "method": method, "seed": seed, "path": path})
    return found


def test_pages_name_the_three_least_sure_cases_of_each_method(tmp_path):
    seeds = [{"a": 0.9, "b": 0.1, "c": 0.6, "d": 0.8}, {"a": 0.9, "b": 0.9, "c": 0.2, "d": 0.6}]  # .9 .5 .4 .7
    files = entries(tmp_path, dar_uda=seeds, source_only=[{"a": 0.25}])
    table = look_first_table(read_confidence(files), "First")
    assert [[cell.text for cell in row][:4] for row in table.rows] == [
        ["dar_uda", "c", "liver", "0.400"],
        ["dar_uda", "b", "liver", "0.500"],
        ["dar_uda", "d", "liver", "0.700"],
        ["source_only", "a", "liver", "0.250"],
    ]
    tabulate_confidence(files, {"task": "phantom"}, tmp_path / "all.tsv")
    written = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert list(written["case"]) == ["c", "b", "d", "a", "a"] and set(written["task"]) == {"phantom"}


def test_without_methods_nothing_is_named():
    assert look_first_table(read_confidence([]), "First").rows == []


def verdict(tmp_path, adapted, floor):
    """Return gain and verdict of a method over its floor, whose cases have these volume ratios."""
    by_method = {
        name: [dict(zip("abcde", ratios, strict=True))]
        for name, ratios in (("dar_uda", adapted), ("source_only", floor))
    }
    row = adaptation_of(entries(tmp_path, **by_method), {"dar_uda": "source_only"}).iloc[0]
    assert row["patients"] == 5
    return row["gain"], row["verdict"]


def test_adaptation_helped_or_harmed_where_the_interval_of_the_gain_leaves_out_zero(tmp_path):
    """TTA says 1 of all, so that gains in confidence are half of those in the fit of volumes, in Dice 0.94 of these."""
    good, poor, third = [1, 1, 1, 1, 1 / 3], [0, 0, 0, 0, 0], 1 / 3
    assert verdict(tmp_path, good, poor) == (pytest.approx(0.94 * 0.45), "helped")
    assert verdict(tmp_path, poor, good) == (pytest.approx(-0.94 * 0.45), "harmed")
    assert verdict(tmp_path, [1, 1, third, 0, 0], [0, third, third, 1, 1]) == (pytest.approx(-0.94 * 0.05), "undecided")


def test_agreement_decides_no_verdict(tmp_path):
    """A network that is right alone agrees with none."""
    files = entries(tmp_path, dar_uda=[dict.fromkeys("abcde", 1)], source_only=[dict.fromkeys("abcde", 1)])
    table = pd.read_csv(files[1]["path"], sep="\t").assign(agreement=0.0)
    table.to_csv(files[1]["path"], sep="\t", index=False)
    row = adaptation_of(files, {"dar_uda": "source_only"}).iloc[0]
    assert (row["gain"], row["verdict"]) == (0, "undecided")


def test_a_method_without_its_floor_has_no_verdict(tmp_path):
    files = entries(tmp_path, dar_uda=[{"a": 1.0}], supervised=[{"a": 1.0}])
    write_adaptation(files, {"dar_uda": "source_only"}, {"task": "phantom"}, tmp_path / "adaptation.tsv")
    assert pd.read_csv(tmp_path / "adaptation.tsv", sep="\t").empty


def test_the_verdict_is_said_with_its_interval(tmp_path):
    files = entries(tmp_path, dar_uda=[{"a": 1.0, "b": 1.0}], source_only=[{"a": 0.0, "b": 1 / 3}])
    assert verdicts_in_words(adaptation_of(files, {"dar_uda": "source_only"})) == [
        "`dar_uda`: without labels, adaptation helped over `source_only`: expected Dice +0.352 [+0.235, +0.470] (range)"
    ]
    alone = entries(tmp_path, dar_uda=[{"a": 1.0}], source_only=[{"a": 0.0}])
    (said,) = verdicts_in_words(adaptation_of(alone, {"dar_uda": "source_only"}))
    assert said.endswith(
        "undecided whether adaptation helped over `source_only`: expected Dice +0.470 (one patient, no interval)"
    )
