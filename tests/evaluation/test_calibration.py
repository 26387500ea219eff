"""Counts in bins and their error, worked out by hand; and why voxels far from a structure do not count."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import find_objects, gaussian_filter
from scipy.special import ndtr

from dar_uda.data.grid import Grid
from dar_uda.data.probabilities import probabilities_file
from dar_uda.data.volume import write_mask
from dar_uda.evaluation.calibration import (
    COUNTS,
    count_in_bins,
    expected_calibration_error,
    measure_calibration,
    read_calibration,
    voxels_that_count,
)

MILLIMETER = np.eye(3)


def bins_of(steps, reference, matrix=MILLIMETER):
    """Return the bins that have voxels: by number from 1, what `count_in_bins` counts."""
    steps = np.array(steps, np.uint8).reshape(1, 1, -1)
    reference = np.array(reference, bool).reshape(1, 1, -1)
    counts = count_in_bins(steps, reference, matrix)
    assert counts.shape == (15, 3)
    return {index: tuple(bin_) for index, bin_ in enumerate(counts, start=1) if bin_[0]}


def error(counts):
    table = pd.DataFrame(counts, columns=COUNTS).assign(of="one")
    return expected_calibration_error(table, ["of"])["one"]


def error_of(bins):
    return error(list(bins.values()))


def test_two_bins_by_hand():
    """0.2 for four voxels, one of them in the reference, and 0.8 for four, two of them in it."""
    bins = bins_of([51] * 4 + [204] * 4, [1, 0, 0, 0, 1, 1, 0, 0])
    assert bins == {3: (4, pytest.approx(0.8), 1), 12: (4, pytest.approx(3.2), 2)}
    # 4/8 * |0.2 - 1/4| + 4/8 * |0.8 - 2/4|
    assert error_of(bins) == pytest.approx(0.175)


def test_probabilities_that_are_met_have_no_error():
    bins = bins_of([51] * 5 + [204] * 5, [1, 0, 0, 0, 0, 1, 1, 1, 1, 0])
    assert error_of(bins) == pytest.approx(0, abs=1e-12)


def test_certainty_that_is_right_half_the_time_has_an_error_of_one_half():
    assert error_of(bins_of([255] * 6, [1, 0, 1, 0, 1, 0])) == 0.5
    assert error_of(bins_of([0] * 4, [1, 1, 0, 0])) == 0.5
    assert error_of(bins_of([255] * 3, [0, 0, 0])) == 1


@pytest.mark.parametrize(
    ("steps", "number"), [(0, 1), (1, 1), (17, 1), (18, 2), (34, 2), (35, 3), (238, 14), (239, 15), (255, 15)]
)
def test_a_bin_holds_the_probabilities_above_its_lower_end_up_to_its_upper_one(steps, number):
    """17 of 255 steps are 1/15."""
    assert list(bins_of([steps], [1])) == [number]


def test_voxels_count_up_to_five_mm_from_the_reference_and_from_probabilities_above_the_lowest_bin():
    steps, reference = np.zeros((1, 1, 60), np.uint8), np.zeros((1, 1, 60), bool)
    reference[..., 20:22], steps[..., 50], steps[..., 5] = True, 18, 17
    counted = np.zeros_like(reference)
    box, chosen = voxels_that_count(steps, reference, MILLIMETER)
    counted[box] = chosen
    assert np.flatnonzero(counted).tolist() == [*range(15, 27), *range(45, 56)]
    box, chosen = voxels_that_count(steps, reference, np.diag([1.0, 1.0, 12.0]))  # thick slices: one on each side
    counted[...] = False
    counted[box] = chosen
    assert np.flatnonzero(counted).tolist() == [19, 20, 21, 22, 49, 50, 51]


def test_the_edge_of_the_scan_ends_what_counts():
    assert bins_of([204, 0, 0, 0, 0, 0, 0, 0], [0] * 8) == {1: (5, 0, 0), 12: (1, pytest.approx(0.8), 0)}


def test_a_structure_that_is_nowhere_and_of_which_nothing_is_said_has_no_voxels_and_no_error():
    assert bins_of([0, 17, 3], [0, 0, 0]) == {}
    assert np.isnan(error(np.zeros((15, 3))))


N, SIGMA, RADIUS = 32, 1.0, 4
OFFSET = np.sqrt(sum((np.indices((N, N, N)) - (N - 1) / 2) ** 2)) - RADIUS


def scans(sharpness):
    """Yield probabilities and references of balls of which the surface is displaced at random, everywhere by N(0, 1).

    A voxel at signed distance d from the mean surface is inside with the probability Phi(-d): sharpness 1 says so
    and is calibrated, a higher one is overconfident. Every displacement comes with its opposite.
    """
    rng = np.random.default_rng(0)
    steps = np.rint(255 * ndtr(-sharpness * OFFSET / SIGMA)).astype(np.uint8)
    for _ in range(40):
        displacement = gaussian_filter(rng.standard_normal(OFFSET.shape), 1, mode="wrap")
        for sign in (1, -1):
            yield steps.copy(), sign * SIGMA * displacement / displacement.std() > OFFSET


def counts_of(steps, reference):
    """Return `COUNTS` of all these voxels, by another way."""
    bins = np.maximum(-(-15 * steps.astype(int) // 255), 1)
    sums = ((bins == k, steps[bins == k].sum() / 255) for k in range(1, 16))
    return np.array([(of.sum(), total, reference[of].sum()) for of, total in sums])


def errors_of_scans(sharpness, far=0):
    """Return the pooled error of our voxels, and of all in the joint box of the reference and what is likely.

    Args:
        far: Step of a voxel in the corner of every scan.
    """
    ours, box = np.zeros((2, 15, 3))
    for steps, reference in scans(sharpness):
        steps[1, 1, 1] = far
        ours += count_in_bins(steps, reference, MILLIMETER)
        (place,) = find_objects((reference | (steps > 127)).astype(np.uint8), 1)
        box += counts_of(steps[place], reference[place])
    return error(ours), error(box)


def test_calibrated_probabilities_have_an_error_near_zero_but_not_within_the_tight_box():
    """The box leaves voxels out because they are not in the reference, so that low probabilities look too low."""
    ours, box = errors_of_scans(sharpness=1)
    assert ours < 0.001 and box > 0.01


def test_overconfident_probabilities_have_the_error_that_their_definition_gives():
    ours, _ = errors_of_scans(sharpness=2.5)
    steps, reference = next(scans(sharpness=2.5))
    box, chosen = voxels_that_count(steps, reference, MILLIMETER)
    expected = error(counts_of(steps[box][chosen], ndtr(-OFFSET / SIGMA)[box][chosen]))
    assert ours == pytest.approx(expected, rel=0.05) and expected > 0.01


def test_a_false_voxel_far_away_hardly_lowers_the_error_as_it_does_within_a_box():
    before, after = errors_of_scans(sharpness=2.5), errors_of_scans(sharpness=2.5, far=255)
    assert after[0] > 0.9 * before[0] and after[1] < 0.2 * before[1]


GRID = Grid((4, 4, 6), np.diag([2.0, 2.0, 8.0, 1.0]))


def write_case(folder, case, steps, reference):
    """Write mask, probabilities and reference of planes along the last axis; `steps` has a row per class."""
    planes = np.array(steps, np.uint8).T
    with probabilities_file(folder / "masks" / "probabilities" / f"{case}.nii.gz", GRID, planes.shape[1]) as stored:
        stored[...] = planes
    mask = np.broadcast_to(planes.argmax(axis=1), GRID.shape).astype(np.uint8)
    write_mask(folder / "masks" / f"{case}.nii.gz", mask, GRID)
    label = np.broadcast_to(np.array(reference, np.uint8), GRID.shape)
    nib.save(nib.Nifti1Image(label, GRID.affine), folder / f"{case}-label.nii.gz")


def measured(folder, *cases, structures=("liver", "spleen"), values=((6,), (1, 2))):
    """Return the table of cases; their images are not there, because NIfTI labels need none."""
    patients = [f"p{case}" for case in cases]
    images, references = [folder / "scan.nii.gz"] * len(cases), [folder / f"{case}-label.nii.gz" for case in cases]
    table = folder / "calibration.tsv"
    measure_calibration(cases, patients, folder / "masks", images, references, table, structures, values)
    return read_calibration(table)


EMPTY = [[255] * 6, [0] * 6, [0] * 6], [0] * 6


def test_every_case_structure_and_bin_has_a_row(tmp_path):
    """Planes of 16 voxels, 8 mm apart: of every structure one plane more on each side counts."""
    liver, spleen = [204, 204, 0, 0, 0, 0], [0, 0, 0, 51, 0, 0]
    write_case(tmp_path, "007", [255 - np.add(liver, spleen), liver, spleen], [6, 0, 0, 2, 1, 0])
    write_case(tmp_path, "NA", *EMPTY)
    table = measured(tmp_path, "007", "NA")
    assert len(table) == 2 * 2 * 15 and table["bin"].tolist() == 4 * list(range(1, 16))
    assert table.groupby(["case", "patient", "structure"], sort=False)["voxels"].sum().to_dict() == {
        ("007", "p007", "liver"): 48,
        ("007", "p007", "spleen"): 64,
        ("NA", "pNA", "liver"): 0,
        ("NA", "pNA", "spleen"): 0,
    }
    filled = table[table["voxels"] > 0].drop(columns=["case", "patient"])
    assert filled.to_numpy().tolist() == [
        ["liver", 1, 16, 0, 0],
        ["liver", 12, 32, 25.6, 16],
        ["spleen", 1, 48, 0, 16],
        ["spleen", 3, 16, 3.2, 16],
    ]
    errors = expected_calibration_error(table, ["case", "structure"])
    assert errors["007"].to_list() == [pytest.approx(9.6 / 48), pytest.approx((16 + 12.8) / 64)]
    assert errors["NA"].isna().all()


def test_a_reference_with_another_order_of_its_axes_is_the_same(tmp_path):
    write_case(tmp_path, "a", [[51] * 6, [204] * 6], [6, 6, 0, 0, 0, 0])
    expected = measured(tmp_path, "a", structures=["liver"], values=[[6]])
    label = nib.load(tmp_path / "a-label.nii.gz")
    nib.save(label.as_reoriented(np.array([[2, 1], [1, 1], [0, -1]])), tmp_path / "a-label.nii.gz")
    pd.testing.assert_frame_equal(measured(tmp_path, "a", structures=["liver"], values=[[6]]), expected)


def test_a_case_without_probabilities_is_named_with_the_key_that_saves_them(tmp_path):
    write_case(tmp_path, "a", *EMPTY)
    (tmp_path / "masks" / "probabilities" / "a.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"DAR-282.*a\.nii\.gz.*inference\.save_probabilities"):
        measured(tmp_path, "a")


def test_probabilities_of_other_classes_are_refused(tmp_path):
    write_case(tmp_path, "a", *EMPTY)
    with pytest.raises(ValueError, match=r"a\.nii\.gz has the shape \(4, 4, 6, 3\), expected \(4, 4, 6, 2\)"):
        measured(tmp_path, "a", structures=["liver"], values=[[6]])


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / "old.tsv").write_text("case\tece\n")
    with pytest.raises(ValueError, match=r"old\.tsv has the columns \['case', 'ece'\]"):
        read_calibration(tmp_path / "old.tsv")
