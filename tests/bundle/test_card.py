"""The model card: scores of structures whatever their names are."""

from dar_uda.bundle.card import _scores


def test_structures_and_cases_keep_names_that_look_like_values(tmp_path):
    rows = ["case\tstructure\tdice\tasd_mm\tstatus\treference_ml"]
    rows += ["NA\tnan\t0.500000\t2.000000\tok\t1", "007\tnan\t0.700000\t\tmissed\t1"]
    rows += ["7\tTrue\t0.900000\t1.000000\tok\t1", "NA\tTrue\t0.000000\t\tmissed\t0"]
    (tmp_path / "metrics.tsv").write_text("\n".join(rows) + "\n")
    lines = _scores(["nan", "True"], tmp_path / "metrics.tsv")
    assert lines[0] == "Means over the 3 test cases of the run:"
    # Of `True` in NA the reference has nothing: a false alarm, which has no Dice.
    assert lines[-2:] == ["| nan | 0.600 | 2.00 |", "| True | 0.900 | 1.00 |"]
