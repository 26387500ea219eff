"""A bundle meets scans that are doubtful, impossible or cut in another plane: each is named, the others have masks."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from dar_uda.bundle import segmenter as module
from dar_uda.bundle.facts import FORMAT
from dar_uda.bundle.predict import predict_scans
from dar_uda.cli.command import main
from dar_uda.data import memory
from dar_uda.data.volume import read_volume
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.sliding_window import predict_slabs
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training import cuda_options
from tests.data.dicom_files import ORIGIN, write_slice

AFFINE = np.diag([3.0, 3.0, 6.0, 1.0])
SHAPE = (24, 20, 9)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A network of random weights, trained on axial scans as far as its facts go."""
    folder = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    make_segmenter(2, [4, 4, 4, 4, 4]).save(folder / "weights.safetensors")
    facts = {
        "format": FORMAT,
        "method": "dar_uda",
        "direction": "ct-to-mr",
        "domain": "mr",
        "structures": ["liver"],
        "preprocessing": {
            "grid": {"spacing": [6.0, 6.0, 12.0], "size": 64},
            "intensity": {"window": [0, 100]},
            "slice_axis": None,
            "double_depth": False,
        },
        "inference": {"overlap": 0.0, "weighting": "constant", "batch_size": 4, "test_time_augmentation": False},
        "patch_size": [4, 64, 64],
        "single_component": [],
        "slice_normal": [0.0, 0.0, 1.0],
        "out_of_distribution": None,
    }
    (folder / "bundle.json").write_text(json.dumps(facts))
    return folder


def scan(path, affine=AFFINE, shape=SHAPE, values=None, **fields):
    values = np.random.default_rng(0).integers(0, 120, shape).astype(np.int16) if values is None else values
    image = nib.Nifti1Image(values, affine)
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)


def predict(bundle, scans, output):
    """Return the exit status and the names of the masks."""
    status = main(["predict", str(bundle), str(scans), "-o", str(output), "--device", "cpu"])
    return status, sorted(path.name for path in output.glob("*.nii.gz"))


@pytest.fixture
def scans(tmp_path):
    """A folder with a good scan before and one after those that a test adds."""
    (tmp_path / "scans").mkdir()
    for name in ("a_good", "z_good"):
        scan(tmp_path / "scans" / f"{name}.nii.gz")
    return tmp_path / "scans"


GOOD = ["a_good.nii.gz", "z_good.nii.gz"]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"affine": np.diag([3.0, 3.0, 2e5, 1.0])}, "has a spacing of 3 x 3 x 2e+05 mm. To do: expected 0.01 to 50 mm"),
        ({"affine": AFFINE * 1e3}, "Voxels of an implausible size"),
        ({"affine": np.diag([3e-3, 3e-3, 6e-3, 1.0])}, "has a spacing of 0.003 x 0.003 x 0.006 mm"),
        ({"shape": (2, 2, 30_000), "affine": np.diag([3.0, 3.0, 1, 1.0])}, "Scans of an implausible extent"),
        ({"shape": (30_000, 2, 2)}, "spans 9e+04 x 6 x 12 mm: 3e+04 x 2 x 2 voxels of 3 x 3 x 6 mm"),
        ({"affine": np.array([[3, 3, 0, 0], [0, 0.1, 0, 0], [0, 0, 6, 0], [0, 0, 0, 1.0]])}, "axes nearly coincide"),
        ({"values": np.full(SHAPE, np.nan, np.float32)}, "Images with NaN or infinite voxels"),
        ({"values": np.full(SHAPE, 7, np.int16)}, "Images without contrast"),
        (
            {"values": np.random.default_rng(0).integers(300, 400, SHAPE).astype(np.int16)},
            "Images outside their window",
        ),
    ],
)
def test_an_impossible_scan_is_named_and_the_others_have_their_masks(bundle, scans, tmp_path, capsys, made, reason):
    scan(scans / "bad.nii.gz", **made)
    assert predict(bundle, scans, tmp_path / "masks") == (1, GOOD)
    said = capsys.readouterr().err
    assert "1 of 3 scans have no mask" in said and f"{scans}/bad.nii.gz" in said and reason in said


class OutOfMemoryError(RuntimeError):
    """As torch's of a GPU."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Exception thrown in SimpleITK Resample"), "Exception thrown in SimpleITK Resample"),
        (RuntimeError("Failed to allocate memory for image."), "does not fit into memory (Failed to allocate"),
        (MemoryError(), "does not fit into memory (MemoryError)"),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "does not fit into memory (CUDA out of memory",
        ),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (OverflowError("cannot convert float infinity to integer"), "OverflowError: cannot convert float infinity"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (IndexError("out of bounds"), "IndexError: out of bounds"),
    ],
)
@pytest.mark.parametrize("place", ["preprocess_image", "mask_of"])
def test_whatever_a_library_raises_for_one_scan_is_its_own(
    bundle, scans, tmp_path, capsys, monkeypatch, error, reason, place
):
    scan(scans / "bad.nii.gz")
    work, calls = getattr(module, place), []

    def fails_at_the_second(*arguments, **options):
        calls.append(place)
        if len(calls) == 2:
            raise error
        return work(*arguments, **options)

    monkeypatch.setattr(module, place, fails_at_the_second)
    assert predict(bundle, scans, tmp_path / "masks") == (1, GOOD)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bad.nii.gz" in line]
    assert reason in line


def test_a_scan_that_memory_cannot_hold_is_refused_before_it_is_read(bundle, scans, tmp_path, capsys, monkeypatch):
    scan(scans / "bad.nii.gz", shape=(40, 40, 40))
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    status, masks = predict(bundle, scans / "bad.nii.gz", tmp_path / "masks")
    said = capsys.readouterr().err
    assert (status, masks) == (1, []) and f"{scans}/bad.nii.gz: its 40 x 40 x 40 voxels take 0.000119 GiB" in said
    monkeypatch.setattr(memory, "free_memory", lambda: 1_000_000)  # it can be read, not resampled: 20 bytes per voxel
    assert predict(bundle, scans / "bad.nii.gz", tmp_path / "masks") == (1, [])
    assert "40 x 40 x 40 voxels and 64 x 64 x 20 on the network grid take 0.00272 GiB" in capsys.readouterr().err


def test_a_network_grid_of_an_absurd_depth_is_refused(bundle, scans, tmp_path, capsys):
    """Slices of 0.04 mm are plausible, and so is a length of 1.2 m; 30,000 slices would be days of work."""
    facts = json.loads((bundle / "bundle.json").read_text())
    facts["preprocessing"]["grid"]["spacing"] = [6.0, 6.0, None]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "bundle.json").write_text(json.dumps(facts))
    (tmp_path / "deep" / "weights.safetensors").symlink_to(bundle / "weights.safetensors")
    thin = np.diag([3.0, 3.0, 0.04, 1.0])
    scan(scans / "bad.nii.gz", thin, (2, 2, 30_000), dim_info=0b110000)
    assert predict(tmp_path / "deep", scans / "bad.nii.gz", tmp_path / "masks") == (1, [])
    assert "The network grid has 30000 slices, expected up to 10000" in capsys.readouterr().err


def test_a_scan_of_more_voxels_than_its_mask_could_hold_is_refused(bundle, scans, tmp_path, capsys):
    image = sitk.GetImageFromArray((np.arange(200_000).reshape(2, 2, 50_000) % 100).astype(np.int16).T)
    image.SetSpacing((3.0, 3.0, 0.04))
    sitk.WriteImage(image, str(scans / "bad.mha"))
    assert predict(bundle, scans, tmp_path / "masks") == (1, GOOD)
    assert f"{scans}/bad.mha has 2 x 2 x 50000 voxels. To do: expected up to 32767" in capsys.readouterr().err


def test_doubts_of_a_header_are_warnings_in_the_words_of_check(bundle, scans, tmp_path, caplog):
    scan(scans / "nowhere.nii.gz")
    content = nib.load(scans / "nowhere.nii.gz")
    content.set_sform(None, 0)
    content.set_qform(None, 0)
    nib.save(nib.Nifti1Image(np.asanyarray(content.dataobj), None, content.header), scans / "nowhere.nii.gz")
    for k in range(8):
        pixels = np.random.default_rng(k).integers(0, 100, (20, 24))
        axial = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        place = ORIGIN + [0, 0, 2.5 * k]
        (tmp_path / "two").mkdir(exist_ok=True)
        write_slice(tmp_path / "two" / f"{k}.dcm", pixels, place, intercept="0", uid=k % 2, directions=axial)
    assert predict(bundle, scans, tmp_path / "masks") == (0, sorted([*GOOD, "nowhere.nii.gz"]))
    assert predict(bundle, tmp_path / "two", tmp_path / "series") == (0, ["two.nii.gz"])
    assert f"Headers without a place: {scans}/nowhere.nii.gz. To do: sform and qform have code 0" in caplog.text
    assert f"Folders that may hold several series: {tmp_path}/two: series UIDs of 4, 4 slices" in caplog.text


def test_a_scan_cut_in_another_plane_than_the_training_scans_is_a_warning_with_the_remedy(
    bundle, scans, tmp_path, caplog
):
    coronal = np.array([[3.0, 0, 0, 0], [0, 0, 6, 0], [0, 3, 0, 0], [0, 0, 0, 1]])
    scan(scans / "coronal.nii.gz", coronal)
    assert predict(bundle, scans, tmp_path / "masks") == (0, sorted([*GOOD, "coronal.nii.gz"]))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(
        f"DAR-314: {scans}/coronal.nii.gz has coronal slices (slice axis 2, coarsest), the training scans of mr axial "
        "ones: 90"
    )
    assert warning.endswith(f"`slice_axis: 1` under `preprocessing` in {bundle}/bundle.json cuts it like them.")
    caplog.clear()
    facts = json.loads((bundle / "bundle.json").read_text())
    facts["preprocessing"]["slice_axis"] = 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bundle.json").write_text(json.dumps(facts))
    (tmp_path / "other" / "weights.safetensors").symlink_to(bundle / "weights.safetensors")
    assert predict(tmp_path / "other", scans / "coronal.nii.gz", tmp_path / "again")[0] == 0
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_scan_tilted_by_thirty_degrees_is_cut_like_the_training_scans(bundle, scans, tmp_path, caplog):
    tilted = AFFINE.copy()
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    tilted[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ AFFINE[:3, :3]
    scan(scans / "tilted.nii.gz", tilted)
    assert predict(bundle, scans, tmp_path / "masks")[0] == 0
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_scan_for_which_a_gpu_is_too_small_is_named_and_has_the_mask_of_a_cpu(
    bundle, scans, tmp_path, monkeypatch, caplog
):
    tries = []

    def slabs(*arguments):
        *_, batch, device = arguments
        tries.append((device.type, batch))
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return predict_slabs(*arguments)

    on_cpu = module.Segmenter.load(bundle, "cpu")
    monkeypatch.setattr("dar_uda.segmentation.predictor.predict_slabs", slabs)
    network = on_cpu.predictor.scores.network
    monkeypatch.setattr(network, "to", lambda _: network)
    scores = WindowScores(network, torch.bfloat16)
    on_gpu = module.Segmenter(
        bundle, on_cpu.facts, replace(on_cpu.predictor, scores=scores, device=torch.device("cuda:0"))
    )
    with cuda_options.choosing(captured_windows=False):
        predict_scans(on_gpu, [scans], tmp_path / "masks", average=False)
    assert tries == [("cuda", 4), ("cuda", 1), ("cpu", 4)] * 2
    for name in GOOD:
        assert f"{scans / name}: the GPU's memory is too small (CUDA out of memory" in caplog.text
        expected = on_cpu.predict(scans / name).array
        assert np.array_equal(read_volume(tmp_path / "masks" / name).array, expected)


def test_the_expected_dice_knows_tta_where_transforms_are_averaged_and_volumes_where_the_bundle_does(
    bundle, scans, tmp_path
):
    """A voxel of the scan has 54 mm3, one of the network 6 x 6 x 12 mm: of its depth in mm, that is 1.5."""
    facts = json.loads((bundle / "bundle.json").read_text()) | {"usual_volumes": [1000.0]}
    (tmp_path / "knowing").mkdir()
    (tmp_path / "knowing" / "bundle.json").write_text(json.dumps(facts))
    (tmp_path / "knowing" / "weights.safetensors").symlink_to(bundle / "weights.safetensors")
    mask, rows = module.Segmenter.load(tmp_path / "knowing", "cpu").predict_with_expected_dice(scans / GOOD[0], True)
    assert rows.at[0, "volume_ratio"] == pytest.approx(1.5 * np.count_nonzero(mask.array) / 1000)
    assert 0 <= rows.at[0, "tta_inconsistency"] <= 1 and np.isnan(rows.at[0, "agreement"])
    _, rows = module.Segmenter.load(bundle, "cpu").predict_with_expected_dice(scans / GOOD[0])
    assert rows[["tta_inconsistency", "volume_ratio", "expected_dice"]].isna().all(axis=None)


def test_a_segmenter_in_python_leases_no_gpu_and_the_command_does(bundle, scans, tmp_path, monkeypatch):
    leased = []
    monkeypatch.setattr("dar_uda.training.device.lease_devices", lambda device: leased.append(device) or ["cpu"])
    module.Segmenter.load(bundle, "auto")
    assert not leased
    assert main(["predict", str(bundle), str(scans), "-o", str(tmp_path / "masks")]) == 0
    assert leased == ["auto"]
    assert main(["predict", str(tmp_path), str(scans), "-o", str(tmp_path / "masks")]) == 1
    assert leased == ["auto"], "a folder that is no bundle is named before the wait for a GPU"


@pytest.mark.gpu
def test_a_gpu_of_this_machine_gives_the_masks_of_a_cpu(bundle, scans):
    on_cpu, on_gpu = module.Segmenter.load(bundle, "cpu"), module.Segmenter.load(bundle, "cuda")
    for average in (False, True):
        expected, found = (one.predict(scans / GOOD[0], average).array for one in (on_cpu, on_gpu))
        assert (found != expected).mean() < 2e-2


@pytest.mark.gpu
def test_a_gpu_of_this_machine_without_memory_leaves_a_scan_to_the_cpu_and_takes_the_next(bundle, scans, caplog):
    segmenter = module.Segmenter.load(bundle, "cuda")
    expected = segmenter.predict(scans / GOOD[0]).array
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-5)
    try:
        found = segmenter.predict(scans / GOOD[0]).array
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert caplog.text.count("the GPU's memory is too small") == 2
    assert (found != expected).mean() < 2e-2
    segmenter.predict(scans / GOOD[1])
    assert caplog.text.count("the GPU's memory is too small") == 2
    assert next(segmenter.predictor.scores.parameters()).is_cuda
