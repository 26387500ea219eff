"""docs/adding_a_method.md: its blocks, as they stand, run to a scored row."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from safetensors import safe_open
from tiny_run import CONFIG, REPOSITORY, Run

PAGE = (REPOSITORY / "docs" / "adding_a_method.md").read_text()
BLOCKS = {name: text for name, text in re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)}
SOURCES = ("Snakefile", "config", "dar_uda", "envs", "workflow")


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """A copy of the finished run, which has the translator and the synthetic volumes already."""
    return shutil.copytree(finished.folder, tmp_path_factory.mktemp("run"), dirs_exist_ok=True)


def scored_row(folder, sources, block, method):
    """Run a block over the tiny config; return the method's mean row, its network's arguments and weights' names."""
    (folder / "tiny.yaml").write_text(CONFIG + BLOCKS[block])
    status, text = Run(folder, sources)("results/phantom/tables/summary.tsv")
    assert status == 0, text
    table = pd.read_csv(folder / "results" / "phantom" / "tables" / "summary.tsv", sep="\t")
    weights = folder / "results" / "phantom" / "seed-0" / "segmenters" / "ct-to-mr.disentangled-multi"
    network = re.search(rf"{method}: .*network: (\w+)", BLOCKS[block])[1]
    with safe_open(weights / network / "weights.safetensors", "pt") as file:
        arguments, keys = file.metadata()["arguments"], list(file.keys())
    return table.query(f"method == '{method}' and structure == 'mean'").squeeze(), arguments, keys


@pytest.mark.slow
def test_a_method_of_the_page_has_a_scored_row(folder):
    row, _, keys = scored_row(folder, REPOSITORY, "my_methods.yaml", "without_qam")
    assert row.n == 1 and 0 <= row.dice_mean <= 1
    assert not any("encoder.0.attention" in key for key in keys) and any(key.startswith("skips.0") for key in keys)


@pytest.mark.slow
def test_a_network_of_the_page_has_a_scored_row(folder, tmp_path, monkeypatch):
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / "dar_uda" / "segmentation" / "shallow_net.py").write_text(BLOCKS["dar_uda/segmentation/shallow_net.py"])
    subprocess.run(["git", "apply", "-"], input=BLOCKS["shallow_net.patch"], text=True, cwd=tmp_path, check=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    row, arguments, keys = scored_row(folder, tmp_path, "my_network.yaml", "shallow_uda")
    assert row.n == 1 and 0 <= row.dice_mean <= 1
    assert '"architecture": "shallow_net"' in arguments and "head.weight" in keys
