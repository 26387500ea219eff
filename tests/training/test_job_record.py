from pathlib import Path

import pandas as pd

from dar_uda.training.job_record import benchmark_path, write_usage


def test_time_and_memory_lie_where_snakemake_puts_them():
    log = "results/logs/logs/train_translator/disentangled-0.log"
    assert benchmark_path(log) == Path("results/logs/benchmarks/train_translator/disentangled-0.tsv")


def test_the_highest_memory_counts_the_past_too(tmp_path):
    block = bytearray(300 * 2**20)
    block[:: 2**12] = b"x" * len(block[:: 2**12])
    del block
    write_usage(tmp_path / "rule" / "job.tsv", 2.5)
    table = pd.read_csv(tmp_path / "rule" / "job.tsv", sep="\t")
    assert table["s"].tolist() == [2.5]
    assert 300 < table["max_rss"][0] < 4000
