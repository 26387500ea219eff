import pandas as pd

from dar_uda.jobs.usage import tabulate_usage

HEADER = "s\th:m:s\tmax_rss\tmax_vms\n"


def test_jobs_are_added_up_by_rule_and_the_longest_rule_comes_first(tmp_path):
    files = {
        "train/a.tsv": "100.5\t0:01:40\t900.25\t1\n",
        "train/deep/b.tsv": "50.0\t0:00:50\t1200.0\t1\n",
        "score/c.tsv": "200.0\t0:03:20\t-\t-\n",
    }
    for name, row in files.items():
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + row)
    tabulate_usage(tmp_path / "benchmarks", tmp_path / "usage.tsv")
    found = pd.read_csv(tmp_path / "usage.tsv", sep="\t").set_index("rule")
    assert list(found.index) == ["score", "train"]
    assert found.loc["train"].to_list() == [2, 150.5, 100.5, 1200.0]
    assert found.loc["score", "seconds"] == 200 and pd.isna(found.loc["score", "peak_mib"])
