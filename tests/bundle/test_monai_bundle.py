"""A bundle in MONAI's format: MONAI accepts it, and its own code makes the masks that `dar-uda predict` makes."""

import json
import re
import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from dar_uda import Segmenter
from dar_uda.bundle.monai_bundle import write_monai_bundle
from dar_uda.segmentation.unet_2d import UNet2D
from tests.bundle.tiny_bundle import FACTS, write_bundle, write_scan

bundle = pytest.importorskip("monai.bundle", reason="MONAI is not installed: it comes with the extra `dev`")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A bundle, and the same in MONAI's format."""
    folder = tmp_path_factory.mktemp("bundles")
    ours = write_bundle(folder / "ours")
    write_monai_bundle(ours, folder / "monai")
    return ours, folder / "monai"


@pytest.fixture
def monais(folders, monkeypatch):
    """The folder in MONAI's format, its `scripts` importable within the test alone."""
    monkeypatch.syspath_prepend(folders[1])
    yield folders[1]
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        del sys.modules[name]


def test_monai_accepts_its_metadata_without_a_net(folders):
    configs = folders[1] / "configs"
    bundle.verify_metadata(meta_file=str(configs / "metadata.json"), filepath=str(configs / "metadata.schema.json"))
    metadata = json.loads((configs / "metadata.json").read_text())
    del metadata["task"]
    (configs / "wrong.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="'task' is a required property"):
        bundle.verify_metadata(meta_file=str(configs / "wrong.json"), filepath=str(configs / "metadata.schema.json"))


def test_monai_accepts_its_network(monais):
    files = {f"{kind}_file": str(monais / "configs" / name) for kind, name in NAMES.items()}
    bundle.verify_net_in_out(net_id="network_def", device="cpu", **files)


NAMES = {"meta": "metadata.json", "config": "inference.json"}


def test_its_masks_are_those_of_predict(folders, monais, tmp_path):
    scan = write_scan(tmp_path / "scans" / "a.nii.gz")
    parser = bundle.ConfigParser()
    parser.read_config(str(monais / "configs" / "inference.json"))
    parser.update({"bundle_root": str(monais), "dataset_dir": str(scan.parent), "output_dir": str(tmp_path / "masks")})
    network, inferer = (parser.get_parsed_content(name) for name in ("network_def", "inferer"))
    network.load_state_dict(torch.load(monais / "models" / "model.pt", weights_only=True))
    (item,) = parser.get_parsed_content("dataset")
    with torch.no_grad():
        item["pred"] = inferer(item["image"][None], network.eval())[0]
    parser.get_parsed_content("postprocessing")(item)
    found, expected = nib.load(tmp_path / "masks" / "a.nii.gz"), Segmenter.load(folders[0], "cpu").predict(scan)
    mask = np.asarray(found.dataobj)
    assert mask.dtype == np.uint8 and (found.affine == expected.grid.affine).all()
    assert all((expected.array == value).sum() > 100 for value in range(3))
    assert (mask != expected.array).mean() < 1e-3


def test_its_code_needs_no_dar_uda_and_says_where_it_is_from(folders):
    files = list((folders[1] / "scripts").rglob("*.py"))
    texts = [path.read_text() for path in files if path.name != "__init__.py"]
    assert len(texts) > 10 and all(text.startswith("# From DAR-UDA ") for text in texts)
    assert [text for text in texts if re.search(r"^\s*(from|import) dar_uda\b", text, re.MULTILINE)] == []


def test_it_holds_what_a_stranger_must_know(folders):
    folder = folders[1]
    assert {path.name for path in folder.iterdir()} == {"LICENSE", "configs", "docs", "models", "scripts"}
    assert (folder / "LICENSE").read_text().startswith("Weights: CC BY 4.0\nCode in scripts/: Apache-2.0")
    card = (folder / "docs" / "README.md").read_text()
    assert "python -m monai.bundle run" in card and "dar-uda predict FOLDER" not in card
    outputs = json.loads((folder / "configs" / "metadata.json").read_text())["network_data_format"]["outputs"]
    assert outputs["pred"]["channel_def"] == {"0": "background", "1": "liver", "2": "spleen"}


def test_tta_is_left_out_with_a_warning(tmp_path, caplog):
    ours = write_bundle(tmp_path / "ours")
    facts = FACTS | {"inference": FACTS["inference"] | {"test_time_augmentation": True}}
    (ours / "bundle.json").write_text(json.dumps(facts))
    write_monai_bundle(ours, tmp_path / "monai")
    assert "DAR-461: dar_uda averages over TTA transforms" in caplog.text


def test_another_network_is_refused(tmp_path):
    ours = write_bundle(tmp_path / "ours", UNet2D(3, (4, 8, 8, 8, 8)))
    with pytest.raises(ValueError, match="DAR-460: weights.safetensors holds the network unet_2d, expected dar_unet"):
        write_monai_bundle(ours, tmp_path / "monai")
