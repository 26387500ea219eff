"""`dar-uda export-nnunet`: a dataset that stands for itself."""

import json
import logging

import pytest

from dar_uda.cli.command import main
from tests.nnunet.test_nnunet_dataset import written


@pytest.fixture
def dataset(tmp_path):
    """A described training set whose volumes are there."""
    described, _ = written(tmp_path)
    for name, entry in json.loads(described.read_text())["dataset"].items():
        for path in (*entry["images"], entry["label"]):
            file = described.parent / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{name.split('-')[0]} {file.name}")
    return described.parent


def test_volumes_labels_and_splits_are_copied_in_nnunets_layout(tmp_path, dataset, caplog):
    out = tmp_path / "Dataset501_Abdomen"
    with caplog.at_level(logging.INFO):
        assert main(["export-nnunet", str(dataset), "-o", str(out)]) == 0
    assert "copy its splits_final.json into nnUNet_preprocessed/Dataset501_Abdomen" in caplog.text
    names = [f"{case}-style-{style}" for case in ("ct1", "ct2", "ct3") for style in (0, 1)]
    assert sorted(path.name for path in (out / "imagesTr").iterdir()) == [f"{name}_0000.nii" for name in names]
    assert sorted(path.name for path in (out / "labelsTr").iterdir()) == [f"{name}.nii" for name in names]
    assert (out / "imagesTr" / "ct2-style-1_0000.nii").read_text() == "ct2 style-1.nii"
    assert (out / "labelsTr" / "ct2-style-1.nii").read_text() == "ct2 label.nii"
    content = json.loads((out / "dataset.json").read_text())
    assert content["numTraining"] == 6 and "dataset" not in content, "nnU-Net then reads the folders"
    assert (out / "splits_final.json").read_bytes() == (dataset / "splits_final.json").read_bytes()


def test_a_volume_that_is_private_makes_the_dataset_private(tmp_path, dataset):
    next(dataset.parents[1].rglob("style-1.nii")).chmod(0o600)
    out = tmp_path / "Dataset501_Abdomen"
    assert main(["export-nnunet", str(dataset), "-o", str(out)]) == 0
    assert {path.stat().st_mode & 0o077 for path in out.rglob("*") if path.is_file()} == {0}


def refused(capsys, *arguments):
    assert main(["export-nnunet", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def test_what_cannot_be_exported_is_refused_with_what_to_do(tmp_path, dataset, capsys):
    out = tmp_path / "Dataset501_Abdomen"
    assert "DAR-335" in (said := refused(capsys, tmp_path / "none", "-o", out)) and "make it by `snakemake" in said
    assert "DAR-336" in refused(capsys, dataset, "-o", tmp_path / "abdomen")
    next(tmp_path.rglob("style-1.nii")).unlink()
    assert "DAR-302" in refused(capsys, dataset, "-o", out)
    out.mkdir()
    assert "DAR-304" in refused(capsys, dataset, "-o", out)
    assert [path.name for path in tmp_path.iterdir() if path.name != "results"] == [out.name]
