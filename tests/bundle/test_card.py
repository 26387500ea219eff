"""The model card: scores of structures whatever their names are, and whether a test case has them or not."""

from dar_uda.bundle.card import _scores
from dar_uda.evaluation.score import ABSENT, FALSE_ALARM, FALSE_NEGATIVE, OK
from tests.evaluation.metrics_files import write_metrics

STRUCTURES = ["nan", "True", "spleen"]
FACTS = {
    "direction": "ct-to-mr",
    "method": "dar_uda",
    "run": {"seed": 0, "scored_in_training": [0, 2]},
    "structures": STRUCTURES,
}


def test_structures_and_cases_keep_names_that_look_like_values_and_every_number_its_count(tmp_path):
    first = [("nan", 0.5, 2.0, OK), ("True", 0.0, None, FALSE_ALARM), ("spleen", None, None, ABSENT)]
    second = [("nan", 0.0, None, FALSE_NEGATIVE), ("True", 0.9, 1.0, OK), ("spleen", 0.0, None, FALSE_ALARM)]
    rows = [(case, *row) for case, rows in (("NA", first), ("007", second)) for row in rows]
    text = "\n".join(_scores(FACTS, write_metrics(tmp_path / "metrics.tsv", rows)))
    header, _, *lines = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    names = [name.strip() for name in header]
    cells = {line[0].strip(): dict(zip(names, map(str.strip, line), strict=True)) for line in lines}
    assert [name for name in names if "Dice" in name] == ["Dice [range]", "Dice < 0.1"]
    assert {name: cells[name]["Dice [range]"] for name in cells} == {
        "nan": "0.250 [0.000, 0.500]",
        "True": "0.900",
        "spleen": "-",
        "mean": "0.475 [0.450, 0.500]",
    }
    # Before, the ASD of 2.00 stood there without a word on the case that it leaves out.
    assert (cells["nan"]["n"], cells["nan"]["ASD mm [range]"]) == ("2", "2.00 (1 of 2)")
    assert [cells["nan"][name] for name in ("false negatives", "false alarms")] == ["1 of 2", "0 of 0"]
    assert [cells["spleen"][name] for name in ("n", "false negatives", "false alarms")] == ["0", "0 of 0", "1 of 2"]


def test_without_a_reference_nothing_is_claimed(tmp_path):
    assert _scores(FACTS, tmp_path / "metrics.tsv") == ["Not evaluated: no reference labels."]
