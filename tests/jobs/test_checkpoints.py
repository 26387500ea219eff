from pathlib import Path

from dar_uda.jobs.checkpoints import checkpoints_of


def test_checkpoints_lie_beside_the_output_or_below_the_folder_named(monkeypatch):
    assert checkpoints_of("results/a/history.tsv") == Path("results/a/checkpoints")
    monkeypatch.setenv("DAR_UDA_CHECKPOINTS", "/volume")
    assert checkpoints_of("results/a/history.tsv") == Path("/volume/results/a/checkpoints")
    assert checkpoints_of("/data/a/history.tsv") == Path("/volume/data/a/checkpoints")
