"""From nnU-Net's probabilities to masks, with a fake one that knows each image's classes by its intensities."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.network_volume import write_image
from dar_uda.nnunet import predict

SHAPE = 3, 4, 5  # depth, height, width
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def by_intensity(command, *_):
    """Write what nnU-Net would: of each image, in the axis order of its reader, class 1 above 0.75 and 2 above 0.25."""
    images, out = (Path(command[command.index(option) + 1]) for option in ("-i", "-o"))
    out.mkdir()
    for path in images.iterdir():
        image = nib.load(path).get_fdata().transpose(2, 1, 0)
        classes = np.select([image > 0.75, image > 0.25], [1, 2], 0)
        probabilities = np.stack([classes == label for label in range(3)]).astype(np.float16)
        np.savez_compressed(out / path.name.replace("_0000.nii", ".npz"), probabilities=probabilities)


@pytest.fixture
def predicted(tmp_path, monkeypatch):
    """Two cases, segmented; their stored intensities by case."""
    monkeypatch.setattr(predict, "run", by_intensity)
    monkeypatch.setattr(predict, "versions_of", str)
    monkeypatch.setattr(predict, "AT_A_TIME", 1)
    generator, images = np.random.default_rng(0), {}
    for case in ("a", "b"):
        images[case] = generator.choice([0.1, 0.5, 0.9], SHAPE).astype(np.float32)
        write_image(tmp_path / case / "image.nii", images[case], AFFINE)
        grid = Grid(SHAPE[::-1], AFFINE)
        write_grids(tmp_path / case / "grid.json", grid, grid)
    files = [[tmp_path / case / name for case in images] for name in ("image.nii", "grid.json")]
    out = tmp_path / "masks", tmp_path / "tta.tsv"
    switches = {"test_time_augmentation": False, "keep_largest_component": False, "save_probabilities": True}
    job = {"python": "python", "device": "cpu", "threads": 1}
    predict.predict_nnunet(["a", "b"], "model", *files, [], *out, ["liver", "spleen"], 0, **switches, **job)
    return tmp_path, images


def test_masks_lie_on_the_scans_axes(predicted):
    folder, images = predicted
    for case, image in images.items():
        mask = nib.load(folder / "masks" / f"{case}.nii.gz")
        assert np.array_equal(mask.get_fdata(), np.select([image > 0.75, image > 0.25], [1, 2], 0).T)
        assert np.array_equal(mask.affine, AFFINE)
        assert nib.load(folder / "masks" / "probabilities" / f"{case}.nii.gz").shape == (*SHAPE[::-1], 3)
    assert {path.name for path in (folder / "masks").iterdir()} == {"a.nii.gz", "b.nii.gz", "probabilities"}


def test_inconsistency_is_that_of_the_images_that_nnunet_saw(predicted):
    """Brighter, darker and shifted images keep 0.1, 0.5 and 0.9 in their classes: nothing changes."""
    table = pd.read_csv(predicted[0] / "tta.tsv", sep="\t")
    assert table["case"].tolist() == ["a", "a", "b", "b"] and (table["tta_inconsistency"] == 0).all()
