"""Which cells a table shows of each method, and which of them are marked."""

import numpy as np
import pandas as pd

from dar_uda.evaluation.score_rows import gain_remarks, interval_of, score_rows, seed_table, structures_of
from dar_uda.evaluation.summary import COLUMNS, COUNTS

CEILINGS = ["supervised", "my_ceiling"]


def summary_of(**methods):
    """Return the rows of `read_summary`; methods: `(structure, n, missed, dice, asd, gap)` of each row."""
    rows = [
        {
            **{"direction": "ct-to-mr", "method": method, "structure": name, "n": n, "seeds": 1},
            **{"missed": missed, "false_alarms": 2, "dice_mean": dice, "dice_low": dice - 0.125},
            **{"dice_high": dice + 0.125, "dice_interval": "range", "asd_mean": asd, "asd_n": n, "gap_closed": gap},
        }
        for method, lines in methods.items()
        for name, n, missed, dice, asd, gap in lines
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype(COUNTS)


def one_row(dice, asd, n=6, gap=np.nan):
    return [(name, n, 0, dice, asd, gap) for name in ("liver", "mean")]


def texts(rows):
    return {row[0].text: [cell.text for cell in row[1:]] for row in rows}


def places(rows):
    return {row[0].text: [cell.rank for cell in row[3:6]] for row in rows}


def test_a_row_is_n_dice_of_each_structure_then_the_means():
    lines = [("liver", 6, 1, 0.5, 2.0, 0.1), ("spleen", 5, 2, 0.25, 3.0, 0.2), ("mean", 6, 3, 0.375, 2.5, 0.15)]
    summary = summary_of(dar_uda=lines)
    (row,) = score_rows(summary, CEILINGS)
    assert structures_of(summary) == ["liver", "spleen"]
    assert [cell.text for cell in row] == ["dar_uda", "6", "1", "0.500", "0.250", "0.375", "2.50", "3", "2", "15%"]
    assert row[5].limits == ["0.250", "0.500"] and row[6].limits == []
    assert (row[5].note, row[6].note, interval_of(summary)) == ("range", "", "range")


def test_the_gap_has_its_interval():
    summary = summary_of(dar_uda=one_row(0.5, 1.0, gap=0.75)).assign(gap_low=0.4, gap_high=1.104)
    assert score_rows(summary, CEILINGS)[0][-1].limits == ["40%", "110%"]


def test_a_method_without_a_gap_has_its_gain_in_dice():
    summary = summary_of(floor=one_row(0.8, 1.0), dar_uda=one_row(0.81, 1.0), other=one_row(0.7, 1.0, gap=0.5))
    remarks = gain_remarks(summary.assign(above_floor=summary["dice_mean"] - 0.8))
    assert len(remarks) == 1 and remarks[0].startswith("`dar_uda`: +0.010 mean Dice compared with its floor")


def test_every_row_has_its_mean_under_each_seed():
    summary = summary_of(dar_uda=one_row(0.5, 1.0), supervised=one_row(np.nan, np.nan))
    table = seed_table(summary.assign(dice_by_seed=["0.400000 0.600000", "0.412345 0.6", None, None]), "Dice by seed")
    assert table.header == ["method", "liver", "mean"]
    shown = [[cell.text for cell in row] for row in table.rows]
    assert shown == [["dar_uda", "0.400 0.600", "0.412 0.600"], ["supervised", "", ""]]


def test_the_ceilings_are_not_compared():
    rows = score_rows(
        summary_of(
            source_only=one_row(0.2, 9.0),
            dar_uda=one_row(0.65, 2.5),
            average_style=one_row(0.5, 2.0),
            supervised=one_row(0.8, 1.0),
            my_ceiling=one_row(0.7, 1.5),
        ),
        CEILINGS,
    )
    assert places(rows) == {
        "source_only": [None, None, None],
        "dar_uda": [1, 1, 2],
        "average_style": [2, 2, 1],
        "supervised": [None] * 3,
        "my_ceiling": [None] * 3,
    }


def test_a_method_that_never_finds_a_structure_has_no_place_in_the_asd():
    """Its ASD is a mean over what it does find."""
    misses = [("liver", 6, 6, 0.0, np.nan, np.nan), ("mean", 6, 6, 0.3, 1.0, np.nan)]
    rows = score_rows(summary_of(both=one_row(0.5, 1.45), one=misses, third=one_row(0.6, 2.45)), CEILINGS)
    assert {name: row[-1] for name, row in places(rows).items()} == {"both": 1, "one": None, "third": None}


def test_a_method_that_cannot_be_run_has_empty_cells():
    empty = [(name, 0, pd.NA, np.nan, np.nan, np.nan) for name in ("liver", "mean")]
    rows = score_rows(summary_of(supervised=empty, dar_uda=one_row(0.5, 1.0)), CEILINGS)
    assert texts(rows)["supervised"] == ["0", "1", "", "", "", "", "2", ""]
    assert [row[0].text for row in rows] == ["supervised", "dar_uda"], "the order of the rows"
