"""A bundle from a stranger asks for no file, no memory and no formula; scans with odd names write none either."""

import json
import resource

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from dar_uda.bundle.facts import SCHEMA, read_facts
from dar_uda.bundle.monai_bundle import write_monai_bundle
from dar_uda.bundle.onnx_network import write_onnx
from dar_uda.bundle.predict import predict_scans
from dar_uda.bundle.segmenter import Segmenter
from dar_uda.cli.command import main
from dar_uda.data.formulas import as_cell
from tests.bundle.stub import StubSegmenter, write_scan
from tests.bundle.tiny_bundle import FACTS, write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


def changed(bundle, path, **change):
    """Return a copy of a bundle's facts in a folder of its own, with changes below the key of `path`."""
    facts = json.loads(json.dumps(FACTS))
    branch = facts
    for key in path.split(".") if path else ():
        branch = branch[key]
    branch.update(change)
    folder = bundle.parent / f"changed-{len(list(bundle.parent.iterdir()))}"
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps(facts))
    (folder / "weights.safetensors").symlink_to(bundle / "weights.safetensors")
    return folder


@pytest.mark.parametrize(
    ("path", "change", "told"),
    [
        ("", {"patch_size": [4096, 4096, 4096]}, "patch_size"),
        ("", {"patch_size": [512, 512, 512]}, r"patch_size \[512, 512, 512\] makes 536870912 voxels in a batch"),
        ("inference", {"batch_size": 10**9}, "inference.batch_size"),
        ("inference", {"guided_filter_radius": 10**6}, "inference.guided_filter_radius"),
        ("preprocessing.grid", {"size": 10**6}, "preprocessing.grid.size"),
        ("preprocessing.grid", {"spacing": [1e-9, 1, 1e999]}, "preprocessing.grid.spacing"),
        ("preprocessing.grid", {"spacing": [None, 1, 1]}, "preprocessing.grid.spacing has null in-plane"),
        ("preprocessing.grid", {"values": [[1]]}, "preprocessing.grid .*'values' was unexpected"),
        ("preprocessing", {"intensity": {"path": "/etc/passwd"}}, "preprocessing.intensity .*'path' was unexpected"),
        ("preprocessing", {"intensity": {"window": None}}, "exactly one of window and percentile"),
        ("", {"structures": ['=HYPERLINK("http://x","y")', "b"]}, r"structures\[0\]"),
        ("", {"structures": ["a\x1b[31m", "b"]}, r"structures\[0\]"),
        ("", {"single_component": [3]}, "single_component has 3, expected 2 at most"),
        ("", {"usual_volumes": [1.0]}, "usual_volumes has 1 entries, expected 2"),
        ("", {"out_of_distribution": {"quantiles": "/etc/passwd", "farthest": 1}}, "out_of_distribution"),
        ("", {"method": "../../x"}, "method"),
        ("", {"more": 1}, "'more' was unexpected"),
    ],
)
def test_facts_that_no_export_writes_are_refused_by_their_key(bundle, path, change, told):
    folder = changed(bundle, path, **change)
    with pytest.raises(ValueError, match=f"DAR-521: .*bundle.json: .*{told}"):
        read_facts(folder)


@pytest.mark.parametrize("write", [write_monai_bundle, write_onnx])
def test_other_programs_are_given_only_what_an_export_writes(bundle, write, tmp_path, monkeypatch):
    monkeypatch.setattr("dar_uda.bundle.onnx_network.PACKAGES", ())
    with pytest.raises(ValueError, match="DAR-521: .*bundle.json: .*patch_size"):
        write(changed(bundle, "", patch_size=["$import os"]), tmp_path / "translated")
    assert not (tmp_path / "translated").exists()


@pytest.mark.parametrize("text", ["[]", "{", "[" * 10**5, "1", '{"format": 3}'])
def test_what_is_no_object_is_refused_by_name(tmp_path, text):
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(ValueError, match="DAR-521: .*bundle.json"):
        read_facts(tmp_path)


def test_every_key_of_a_bundle_is_in_the_schema(bundle):
    assert read_facts(bundle) == FACTS
    assert FACTS.keys() | {"usual_volumes", "adaptation"} == SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    "box",
    [{"low": [0, 0, 0]}, {"low": [0, 0, 0], "high": [1, 1, 1e9]}, {"low": [0, 0, 2], "high": [1, 1, 1]}, {"x": 1}],
)
def test_a_region_that_no_export_writes_is_refused(bundle, box):
    folder = changed(bundle, "")
    (folder / "region.json").write_text(json.dumps(box))
    with pytest.raises(ValueError, match="DAR-521: .*region.json is not what it can be"):
        read_facts(folder)
    (folder / "region.json").write_text(json.dumps({"low": [-90.5, -80, -70], "high": [90, 80, 70]}))
    assert read_facts(folder) == FACTS


def test_structures_and_windows_are_those_of_the_weights(bundle):
    with pytest.raises(ValueError, match="DAR-522: .*weights have 3 classes, expected 4"):
        Segmenter.load(changed(bundle, "", structures=["a", "b", "c"]), "cpu")
    with pytest.raises(ValueError, match="DAR-522: .*windows of multiples of"):
        Segmenter.load(changed(bundle, "", patch_size=[7, 16, 16]), "cpu")


@pytest.mark.parametrize(
    "change",
    [
        {"channels": [4096] * 5},
        {"channels": [10**9] * 5},
        {"channels": "/etc/passwd"},
        {"classes": 255},
        {"architecture": "os"},
        {"qam": "/etc/passwd"},
        {"path": True},
    ],
)
def test_a_described_network_that_the_weights_are_not_takes_no_memory(bundle, change):
    folder = changed(bundle, "")
    arguments = Segmenter.load(bundle, "cpu").predictor.scores.network.arguments
    state = load_file(bundle / "weights.safetensors")
    (folder / "weights.safetensors").unlink()
    save_file(state, folder / "weights.safetensors", metadata={"arguments": json.dumps({**arguments, **change})})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="DAR-523: .*weights.safetensors"):
        Segmenter.load(folder, "cpu")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@a"])
def test_names_of_scans_are_no_formulas_in_tables(tmp_path, name):
    scan = write_scan(tmp_path / "scans" / f"{name}.nii.gz", voxels=3)
    for _ in range(2):  # the rows of the first time are found again
        predict_scans(StubSegmenter(tmp_path / "bundle"), [scan], tmp_path / "masks", average=False)
    table = pd.read_csv(tmp_path / "masks" / "volumes.tsv", sep="\t", dtype=str)
    assert table["image"].tolist() == [f"'{name}"] and table["voxels"].tolist() == ["3"]


def test_cases_that_are_scored_are_no_formulas_in_tables(tmp_path):
    for folder in ("references", "=predictions"):
        write_scan(tmp_path / folder / "=1+1.nii.gz", voxels=1)
    command = ["score", "=predictions", "references", "--labels", "a=1", "-o", "scores.tsv"]
    assert (
        main(
            [
                *(
                    str(tmp_path / word) if word in ("=predictions", "references", "scores.tsv") else word
                    for word in command
                )
            ]
        )
        == 0
    )
    table = pd.read_csv(tmp_path / "scores.tsv", sep="\t", dtype=str)
    assert table["case"].tolist() == ["'=1+1"] and table["patient"].tolist() == ["'=1+1"]
    assert np.isclose(float(table["dice"][0]), 1)


def test_other_texts_stay_as_they_are():
    assert [as_cell(text) for text in ("a=1", "", "007", "=1")] == ["a=1", "", "007", "'=1"]
