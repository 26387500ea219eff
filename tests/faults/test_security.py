"""Files from strangers: nothing in them runs, and nothing they name leaves the run's folders."""

import gzip
import pickle

import nibabel as nib
import numpy as np
import pytest
import torch

from dar_uda.data.volume import read_volume
from dar_uda.plan.cases import read_cases
from dar_uda.plan.errors import PlanError
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.weights import load_weights
from tests.plan.configs import REPOSITORY, config_of
from tests.workflow.test_dry_run import dry_run

CPU = torch.device("cpu")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def crater(tmp_path):
    """The file that an attack would make."""
    path = tmp_path / "crater"
    pickle.loads(pickle.dumps(Bomb(path)))
    assert path.exists()  # the attack works where it is let
    path.unlink()
    return path


def test_a_checkpoint_from_a_stranger_runs_nothing(tmp_path, crater):
    (tmp_path / "work").mkdir()
    torch.save({"identity": "x", "step": Bomb(crater)}, tmp_path / "work" / "latest.pt")
    with CheckpointFolder(tmp_path / "work", "x") as checkpoints:
        assert checkpoints.load(CPU) is None
    assert not crater.exists()


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_weights_from_a_stranger_run_nothing(tmp_path, crater, save):
    save(Bomb(crater), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="weights.safetensors cannot be read"):
        load_weights(tmp_path / "weights.safetensors")
    assert not crater.exists()


def test_a_nifti_extension_and_its_texts_are_not_looked_at(tmp_path, crater):
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("pypickle", pickle.dumps(Bomb(crater))))
    image.header["descrip"] = b"<script>alert(1)</script>"
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(image.to_bytes()))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").array, image.get_fdata())
    assert not crater.exists()


def test_yaml_makes_no_python_objects(tmp_path, crater):
    (tmp_path / "task.yaml").write_text(f'task: !!python/object/apply:builtins.open ["{crater}", "w"]\n')
    status, text = dry_run(tmp_path, "--configfile", "task.yaml")
    assert status != 0 and "Config file is not valid" in text
    assert not crater.exists()


@pytest.mark.parametrize(
    "case", ["../ct0", "/ct0", "ct0/x", "$(touch crater)", "ct0;touch crater", "<b>ct0</b>", "a\x1b[1m"]
)
def test_a_case_cannot_leave_its_folder_nor_carry_markup(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ct.nii").touch()
    (tmp_path / "cases.tsv").write_text(f"case\tdomain\timage\tlabel\tsplit\n{case}\tct\tct.nii\t\ttrain\n")
    with pytest.raises(PlanError, match=r"Cases table cases.tsv:\n  line 2: DAR-004: case ") as error:
        read_cases(config_of("{task: abdomen, cases: cases.tsv}"), REPOSITORY)
    assert "\x1b[1m" not in str(error.value) and list(tmp_path.rglob("crater")) == []
