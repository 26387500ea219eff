"""The model card: scores of structures whatever their names are, and whether a test case has them or not."""

from dar_uda.bundle.card import _scores
from dar_uda.evaluation.score import COLUMNS


def test_structures_and_cases_keep_names_that_look_like_values(tmp_path):
    rows = ["NA\tnan\t0.5\t2\t\t\t\t0\t1\t1\tok", "007\tnan\t0.7\t\t\t\t\t-1\t1\t0\tmissed"]
    # Of `True` in NA the reference has nothing: a false alarm, which has no Dice.
    rows += ["7\tTrue\t0.9\t1\t\t\t\t0\t1\t1\tok", "NA\tTrue\t0\t\t\t\t\t\t0\t1\tmissed"]
    rows += ["7\tspleen\t0\t\t\t\t\t\t0\t1\tmissed", "NA\tliver\t0\t\t\t\t\t-1\t1\t0\tmissed"]
    (tmp_path / "metrics.tsv").write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")
    lines = _scores(["nan", "True", "spleen", "liver"], tmp_path / "metrics.tsv")
    assert lines[0] == "Means over the 3 test cases of the run:"
    assert lines[-4:] == [
        "| nan | 0.600 | 2.00 |",
        "| True | 0.900 | 1.00 |",
        "| spleen | - | - |",
        "| liver | 0.000 | - |",
    ]
