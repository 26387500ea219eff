from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from dar_uda.data.network_volume import LEVELS, write_image, write_label
from dar_uda.segmentation import model_selection, predictor

FOREGROUND = {
    "step-10": lambda image: image > 0.5 * LEVELS,  # right, but gone where the scan is darker
    "step-20": lambda image: np.ones_like(image, bool),  # wrong, and always the same
    "step-30": lambda image: np.zeros_like(image, bool),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Half of the volume is the structure, of intensity 0.52 beside 0.3; three candidates that look at intensities."""
    label = np.zeros((4, 6, 8), np.uint8)
    label[:, :, :4] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.where(label == 1, 0.52, 0.3).astype(np.float32), np.eye(4))
    (tmp_path / "candidates").mkdir()
    for name in FOREGROUND:
        (tmp_path / "candidates" / f"{name}.safetensors").write_text(name)

    def predict_slabs(network, image, *_):
        foreground = FOREGROUND[network](np.asarray(image))
        yield torch.from_numpy(np.stack([~foreground, foreground]).astype(np.float32))

    monkeypatch.setattr(predictor, "load_segmenter", lambda path, _: path.stem)
    monkeypatch.setattr(predictor, "predict_slabs", predict_slabs)
    monkeypatch.setattr(predictor, "WindowScores", lambda network, _: SimpleNamespace(on=lambda *_: network))
    return tmp_path


def choose(folder, unlabeled):
    """Return what was chosen, and the table."""
    inputs = (folder / "candidates", [folder / "image.nii"], [folder / "label.nii"], unlabeled)
    outputs = (folder / "weights.safetensors", folder / "model_selection.tsv")
    model_selection.select_model(*inputs, *outputs, ["organ"], [4, 6, 8], 0.5, "constant", 1, 0, True, "cpu", "auto", 1)
    return outputs[0].read_text(), pd.read_csv(outputs[1], sep="\t")


def test_the_score_is_dice_less_tta_inconsistency(files):
    chosen, table = choose(files, [files / "image.nii"])
    # Of four changes only x 0.9 (0.468) empties the first mask: 1/4. A full mask has Dice 2 * 96 / (96 + 192).
    np.testing.assert_allclose(table["dice"], [1, 2 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(table["tta_inconsistency"], [1 / 4, 0, 1])
    np.testing.assert_allclose(table["score"], [3 / 4, 2 / 3, -1], atol=1e-6)
    assert chosen == "step-10" and list(table["selected"]) == [True, False, False]


def test_without_unlabeled_volumes_dice_alone_decides_and_of_equals_the_longest_trained(files, monkeypatch):
    monkeypatch.setitem(FOREGROUND, "step-20", FOREGROUND["step-10"])
    chosen, table = choose(files, [])
    assert chosen == "step-20" and list(table["tta_inconsistency"]) == [0, 0, 0]
