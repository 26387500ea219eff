from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data import geometry
from dar_uda.data.geometry import check_same_grid, reorder_like, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.volume import read_grid

CARDIAC = Path(__file__).resolve().parents[3] / "shared" / "data" / "cardiac"
QUARTER = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])  # 3-4-5 rotation about z


def affine_of(directions, spacing, origin=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=float) * spacing
    affine[:3, 3] = origin
    return affine


def canonical_axes(affine, slice_axis=None):
    return geometry.canonical_axes(Grid((9, 9, 9), affine), slice_axis)


def canonical(array, affine, slice_axis=None):
    axes, signs = canonical_axes(affine, slice_axis)
    moved = array.transpose(axes)
    return moved[tuple(slice(None, None, sign) for sign in signs)]


def test_spacing_of_an_oblique_affine_is_the_length_of_its_columns():
    assert spacing_of(affine_of(QUARTER, (0.5, 2.0, 7.0), (9, 9, 9))) == pytest.approx((0.5, 2.0, 7.0))


def test_axial_scan_comes_out_with_depth_superior_height_posterior_width_left():
    axes, signs = canonical_axes(affine_of(np.eye(3), (1, 1, 5)))  # RAS
    assert (axes, signs) == ((2, 1, 0), (1, -1, -1))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_storage_order_of_a_scan_gives_the_same_canonical_array(order):
    scan = np.arange(2 * 3 * 4).reshape(2, 3, 4)  # RAS, slice axis last
    affine = affine_of(QUARTER, (1.0, 1.5, 5.0))
    expected = canonical(scan, affine)
    for signs in product((1, -1), repeat=3):
        stored = scan.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
        directions = affine[:, [*order, 3]].copy()
        for axis, sign in enumerate(signs):
            directions[:3, axis] *= sign
        np.testing.assert_array_equal(canonical(stored, directions), expected)


@pytest.mark.parametrize(
    "slices, expected",  # the scanner's plane: world direction (RAS) of depth, height, width
    [(2, "SPL"), (1, "PIL"), (0, "RIP")],
)
def test_axial_coronal_and_sagittal_stacks_are_shown_as_radiologists_see_them(slices, expected):
    spacing = np.ones(3)
    spacing[slices] = 4.0
    affine = affine_of(np.eye(3), spacing)
    axes, signs = canonical_axes(affine)
    letters = np.array(nib.aff2axcodes(affine))[list(axes)]
    opposite = dict(zip("RLAPSI", "LRPAIS", strict=True))
    assert "".join(a if s > 0 else opposite[a] for a, s in zip(letters, signs, strict=True)) == expected


def test_slice_axis_of_an_oblique_short_axis_stack_is_the_coarsest_not_the_most_superior():
    # An in-plane axis is the one nearest superior-inferior (0.8), not the slice axis (0.36).
    short_axis = np.array([[-0.6, 0.0, 0.8], [-0.64, -0.6, -0.48], [0.48, -0.8, 0.36]])
    assert canonical_axes(affine_of(short_axis, (1.25, 1.25, 8.0)))[0][0] == 2
    assert canonical_axes(affine_of(short_axis[:, [2, 0, 1]], (8.0, 1.25, 1.25)))[0][0] == 0


def test_spacings_within_one_percent_count_as_equal_and_superior_inferior_wins():
    affine = affine_of(np.eye(3)[:, [2, 0, 1]], (1.995, 2.0, 2.0))  # the first axis points superior
    assert canonical_axes(affine)[0][0] == 0
    assert canonical_axes(affine_of(np.eye(3)[:, [2, 0, 1]], (1.9, 2.0, 1.0)))[0][0] == 1


def test_configured_slice_axis_wins_and_a_wrong_one_is_refused():
    affine = affine_of(np.eye(3), (1, 1, 5))
    assert canonical_axes(affine, slice_axis=1)[0][0] == 1
    with pytest.raises(ValueError, match="slice_axis is 3"):
        canonical_axes(affine, slice_axis=3)


@pytest.mark.skipif(not CARDIAC.is_dir(), reason=f"real short-axis stacks are not at {CARDIAC}")
def test_real_short_axis_stacks_come_out_alike_with_the_coarsest_spacing_on_depth():
    layouts = []
    for path in sorted(CARDIAC.glob("*/image_*.nii.gz")):
        affine = read_grid(path).affine
        axes, signs = canonical_axes(affine)
        assert axes[0] == np.argmax(spacing_of(affine))
        directions = affine[:3, list(axes)] / np.array(spacing_of(affine))[list(axes)] * signs
        assert np.linalg.det(directions[:, ::-1]) == pytest.approx(1, abs=1e-3)  # never mirrored
        layouts.append(directions)
    mean = np.mean(layouts, axis=0)
    cosines = [(layout * mean).sum(axis=0) / np.linalg.norm(mean, axis=0) for layout in layouts]
    assert len(layouts) == 20
    assert np.min(cosines) > np.cos(np.radians(45))  # each axis of each stack is nearest to its own mean axis


def test_grids_within_a_tenth_of_a_voxel_are_one_and_beyond_name_the_case():
    image = Grid((10, 10, 4), affine_of(QUARTER, (1, 1, 5)))
    near, far = image.affine.copy(), image.affine.copy()
    near[:3, 3] += QUARTER @ [0, 0, 0.45]  # 0.09 voxels
    far[:3, 3] += QUARTER @ [0.2, 0, 0]
    check_same_grid(image, Grid(image.shape, near), "c1")
    with pytest.raises(ValueError, match=r"Case c1: .* up to 0\.2 voxels .*Resample the label"):
        check_same_grid(image, Grid(image.shape, far), "c1")
    with pytest.raises(ValueError, match=r"Case c1: .*shapes"):
        check_same_grid(image, Grid((10, 10, 5), image.affine), "c1")
    with pytest.raises(ValueError, match="Case c1"):  # same origin, another spacing
        check_same_grid(image, Grid(image.shape, affine_of(QUARTER, (1, 1, 5.2))), "c1")


def test_a_label_stored_with_flipped_and_swapped_axes_is_brought_into_the_images_order():
    array = np.arange(24).reshape(2, 3, 4)
    image = Grid((2, 3, 4), affine_of(QUARTER, (1, 2, 5), (7, -3, 40)))
    stored = array[:, ::-1].transpose(2, 0, 1)
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 1] * 2  # the first voxel stored is the last of axis 1
    affine[:3, 1] *= -1
    label = Grid((4, 2, 3), affine[:, [2, 0, 1, 3]])
    check_same_grid(image, label, "c1")
    np.testing.assert_array_equal(reorder_like(stored, label, image), array)
