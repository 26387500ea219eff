"""The metrics table of small label files, worked out by hand."""

import nibabel as nib
import numpy as np
import pytest

from dar_uda.evaluation.case_means import read_scores
from dar_uda.evaluation.score import read_metrics, score_method

SHAPE = (6, 5, 4)
SPACING = (2.0, 1.0, 5.0)


def write_labels(path, slabs, affine=None, shape=SHAPE):
    """Write a label file whose planes `x = index` have the given values."""
    array = np.zeros(shape, dtype=np.uint8)
    for index, value in slabs.items():
        array[index] = value
    affine = np.diag([*SPACING, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def score(
    tmp_path, prediction, reference, structures=("liver", "spleen"), values=((6,), (1, 2)), tolerances=(1.0, None)
):
    metrics, predictions = tmp_path / "metrics.tsv", tmp_path / "predictions"
    predictions.mkdir()
    prediction.rename(predictions / "007.nii.gz")
    labels = list(structures), [list(v) for v in values], list(tolerances)[: len(structures)]
    score_method(["007"], ["P1"], predictions, [tmp_path / "scan.nii.gz"], [reference], metrics, *labels)
    return metrics


def test_each_structure_is_scored_on_its_mapped_values_in_mm(tmp_path):
    prediction = write_labels(tmp_path / "p.nii.gz", {1: 1, 4: 2})
    reference = write_labels(tmp_path / "r.nii.gz", {2: 6, 4: 1, 5: 2})
    metrics = score(tmp_path, prediction, reference)
    # Liver: one plane, off by one voxel of 2 mm. Spleen: one of two planes; a third each of distances 0, 0 and 2 mm.
    # A plane has 5 x 4 voxels of 2 x 1 x 5 mm. By area, the planes of the liver share one of two sides; the other is
    # 2 mm away. The second side of the predicted spleen has 6 elements of 5 mm2 at 1 mm and 6 at 2 mm from the rim of
    # the thicker one, whose second side lies 2 mm away with its rim.
    side = 12 * 5 + 8 * np.hypot(2.5, 1) + 6 * np.hypot(2.5, 5) + 4 * np.sqrt(129) / 8
    rim = 16 + 60 + 4 * np.hypot(5, 1)
    spleen = (6 * 5 * 1 + 6 * 5 * 2 + 2 * side) / (4 * side + rim)
    assert metrics.read_text().splitlines() == [
        "case\tpatient\tstructure\tdice\tasd_mm\thd95_mm\tnsd\tasd_area_mm\trvd\treference_ml\tpredicted_ml\tstatus",
        "007\tP1\tliver\t0.000000\t2.000000\t2.000000\t0.500000\t1.000000\t0.000000\t0.200000\t0.200000\tfailure",
        f"007\tP1\tspleen\t0.666667\t0.666667\t2.000000\t\t{spleen:.6f}\t-0.500000\t0.400000\t0.200000\tok",
    ]


@pytest.mark.parametrize(
    "predicted, true, expected",
    [
        ({}, {2: 6}, "007\tP1\tliver\t0.000000\t\t\t0.000000\t\t-1.000000\t0.200000\t0.000000\tfalse_negative"),
        ({2: 1}, {}, "007\tP1\tliver\t0.000000\t\t\t0.000000\t\t\t0.000000\t0.200000\tfalse_alarm"),
        ({}, {}, "007\tP1\tliver\t\t\t\t\t\t\t0.000000\t0.000000\tabsent"),
    ],
)
def test_empty_masks_have_a_status_and_empty_cells(tmp_path, predicted, true, expected):
    prediction = write_labels(tmp_path / "p.nii.gz", predicted)
    reference = write_labels(tmp_path / "r.nii.gz", true)
    metrics = score(tmp_path, prediction, reference, structures=["liver"], values=[[6]])
    assert metrics.read_text().splitlines()[1] == expected


@pytest.mark.parametrize("voxels, expected", [(6, "failure"), (14, "ok")])
def test_a_dice_below_a_tenth_is_a_failure(tmp_path, voxels, expected):
    """Before, a blob elsewhere was `ok` however little it had of the structure."""
    # Of two planes of 20 voxels the mask has some, and 140 outside: 12 / 186 = 0.065, or 28 / 194 = 0.144.
    arrays = np.zeros((2, 10, 20, 1), np.uint8)
    arrays[0].flat[:40], arrays[1].flat[40 - voxels : 180] = 6, 1
    for name, array in zip(("r", "p"), arrays, strict=True):
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}.nii.gz")
    metrics = score(tmp_path, tmp_path / "p.nii.gz", tmp_path / "r.nii.gz", structures=["liver"], values=[[6]])
    assert read_metrics(metrics)["status"].tolist() == [expected]


def test_the_table_reads_back_with_names_as_text_and_empty_cells_as_nan(tmp_path):
    prediction, reference = write_labels(tmp_path / "p.nii.gz", {}), write_labels(tmp_path / "r.nii", {2: 6})
    table = read_metrics(score(tmp_path, prediction, reference))
    assert list(table["case"]) == ["007", "007"]
    assert list(table["status"]) == ["false_negative", "absent"]
    assert table["asd_mm"].isna().all()
    assert table["dice"].isna().tolist() == [False, True]


def test_a_reference_too_small_for_the_decimals_of_its_volume_is_there(tmp_path):
    """One voxel of 0.05 mm has 0.000000125 ml."""
    cubes, small = np.zeros((2, 3, 3, 3), np.uint8), np.diag([0.05, 0.05, 0.05, 1.0])
    cubes[0, 1, 1, 1], cubes[1, 0, 0, 0] = 6, 2
    for name, array in zip(("p", "r"), (np.zeros_like(cubes[0]), cubes.sum(axis=0, dtype=np.uint8)), strict=True):
        nib.save(nib.Nifti1Image(array, small), tmp_path / f"{name}.nii.gz")
    table = read_scores(score(tmp_path, tmp_path / "p.nii.gz", tmp_path / "r.nii.gz"))
    assert table["reference_ml"].tolist() == [0, 0]
    assert table["dice"].tolist() == [0, 0]
    assert table["status"].eq("false_negative").all()


def test_a_reference_stored_with_flipped_rows_scores_the_same(tmp_path):
    prediction = write_labels(tmp_path / "p.nii.gz", {1: 1, 4: 2})
    flipped = np.diag([-SPACING[0], SPACING[1], SPACING[2], 1.0])
    flipped[0, 3] = SPACING[0] * (SHAPE[0] - 1)
    reference = write_labels(tmp_path / "r.nii.gz", {SHAPE[0] - 1 - 1: 6, SHAPE[0] - 1 - 4: 1}, affine=flipped)
    table = read_metrics(score(tmp_path, prediction, reference))
    assert table["dice"].tolist() == [1.0, 1.0]
    assert table["asd_mm"].tolist() == [0.0, 0.0]


def test_another_grid_is_refused_by_the_case_name(tmp_path):
    prediction = write_labels(tmp_path / "p.nii.gz", {1: 1}, affine=np.diag([2.0, 1.0, 4.0, 1.0]))
    reference = write_labels(tmp_path / "r.nii.gz", {1: 6})
    with pytest.raises(ValueError, match="007"):
        score(tmp_path, prediction, reference)
    assert not (tmp_path / "metrics.tsv").exists()


def test_a_class_beyond_the_structures_is_refused(tmp_path):
    prediction, reference = write_labels(tmp_path / "p.nii.gz", {1: 3}), write_labels(tmp_path / "r.nii", {1: 6})
    with pytest.raises(ValueError, match=r"007.*class 3.*2 structures"):
        score(tmp_path, prediction, reference)


def test_a_reference_that_is_no_label_map_is_named_with_its_case(tmp_path):
    prediction = write_labels(tmp_path / "p.nii.gz", {1: 1})
    half = nib.Nifti1Image(np.full(SHAPE, 0.5, np.float32), np.diag([*SPACING, 1.0]))
    nib.save(half, tmp_path / "r.nii.gz")
    with pytest.raises(
        ValueError, match=r"Case 007 \(.*r.nii.gz\): DAR-182: Label map holds values that are no whole numbers"
    ):
        score(tmp_path, prediction, tmp_path / "r.nii.gz")
