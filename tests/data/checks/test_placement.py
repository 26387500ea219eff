"""What a header says of a scan's place, size and plane: right ones pass, impossible ones are named."""

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dar_uda.cli.command import main
from dar_uda.data.checks.cases import check_cases
from dar_uda.data.checks.finding import (
    FOLDED,
    IMPLAUSIBLE_EXTENT,
    IMPLAUSIBLE_SPACING,
    ODD_SLICE_AXIS,
    SHEARED,
    TWO_PLACES,
    TWO_SIZES,
    UNCLEAR_SLICE_AXIS,
    UNPLACED,
)
from dar_uda.data.checks.image import problems_of_grid
from dar_uda.data.planes import angle_between, plane_of, usual_normal
from dar_uda.data.volume import read_grid

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])
SHAPE = (8, 8, 4)
AXIAL, CORONAL, SAGITTAL = (np.eye(4)[:, order] for order in ([0, 1, 2, 3], [0, 2, 1, 3], [1, 2, 0, 3]))
"""Axes of an array whose third axis runs across the slices."""


def scaled(spacing):
    return np.diag([*spacing, 1.0])


def moved(*shift):
    affine = AFFINE.copy()
    affine[:3, 3] = shift
    return affine


def turned(degrees):
    affine = AFFINE.copy()
    affine[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix() @ AFFINE[:3, :3]
    return affine


def found(path, affine=AFFINE, shape=SHAPE, qform=None, codes=(1, 1), **fields):
    """Return the kinds of what is found in a NIfTI header with this sform, qform and fields."""
    image = nib.Nifti1Image(np.zeros(shape, np.int16), affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine if qform is None else qform, codes[1])
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return [kind for kind, text in problems_of_grid(path, read_grid(path)) if str(path) in text]


@pytest.mark.parametrize(
    ("spacing", "dim_info", "kinds"),
    [
        ((0.9, 0.9, 0.5), 0, [UNCLEAR_SLICE_AXIS]),
        ((0.9, 0.9, 0.5), 3 << 4, []),
        ((0.9, 0.9, 0.9), 0, []),
        ((0.9, 0.5, 0.5), 0, []),
    ],
)
def test_two_equally_coarse_axes_leave_the_slice_axis_open_unless_the_header_names_it(
    tmp_path, spacing, dim_info, kinds
):
    assert found(tmp_path / "a.nii", scaled(spacing), dim_info=dim_info) == kinds


@pytest.mark.parametrize("spacing", [(0.3, 0.3, 20), (20, 0.3, 0.3), (0.01, 0.01, 0.01), (50, 50, 50)])
@pytest.mark.parametrize("shape", [SHAPE, (64, 64, 1), (1, 64, 64), (1, 1, 1)])
def test_anisotropic_scans_and_single_slices_are_right(tmp_path, spacing, shape):
    assert found(tmp_path / "a.nii", scaled(spacing), shape) == []


@pytest.mark.parametrize(
    ("spacing", "shape", "kind"),
    [
        ((1e-3, 1e-3, 3e-3), SHAPE, IMPLAUSIBLE_SPACING),
        ((1e3, 1e3, 3e3), SHAPE, IMPLAUSIBLE_SPACING),
        ((1, 1, 2e5), SHAPE, IMPLAUSIBLE_SPACING),
        ((0.009, 1, 1), SHAPE, IMPLAUSIBLE_SPACING),
        ((1, 51, 1), SHAPE, IMPLAUSIBLE_SPACING),
        ((0.1, 0.1, 0.1), (2, 2, 30_000), None),  # 3 m
        ((1, 1, 1), (2, 2, 30_000), IMPLAUSIBLE_EXTENT),
        ((45, 1, 1), (200, 2, 2), IMPLAUSIBLE_EXTENT),
    ],
)
def test_sizes_that_no_scanner_makes_are_errors(tmp_path, spacing, shape, kind):
    assert found(tmp_path / "a.nii", scaled(spacing), shape) == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("qform", "kinds"),
    [
        (AFFINE, []),
        (moved(0.9, 0, 0), []),
        (moved(1.1, 0, 0), [TWO_PLACES]),
        (moved(0, 0, 3.3), [TWO_PLACES]),
        (turned(2), []),  # 7 voxels turned by 2 degrees: a quarter of a voxel at the corner
        (turned(12), [TWO_PLACES]),
        (turned(180), [TWO_PLACES]),
        (AFFINE @ np.diag([-1, 1, 1, 1.0]), [TWO_PLACES]),
        (scaled((1e-3, 1e-3, 3e-3)), [TWO_PLACES]),  # meters and millimeters
        (scaled((1, 1, 5)), [TWO_PLACES]),
    ],
)
def test_forms_that_differ_by_more_than_a_voxel_say_two_places(tmp_path, qform, kinds):
    """nibabel writes the sizes of the qform into pixdim."""
    assert found(tmp_path / "a.nii", qform=qform) == kinds
    assert found(tmp_path / "b.nii", qform=qform, codes=(1, 0)) in ([], [TWO_SIZES])  # the qform says nothing


def test_a_wrong_qfac_is_two_places_where_both_forms_count(tmp_path):
    wrong = [-1.0, 1, 1, 3, 1, 1, 1, 1]
    assert found(tmp_path / "a.nii", pixdim=wrong) == [TWO_PLACES]
    assert found(tmp_path / "b.nii", codes=(1, 0), pixdim=wrong) == []


@pytest.mark.parametrize(("sizes", "kinds"), [((1, 1, 3), []), ((1, 1, 3.2), []), ((1, 1, 1), [TWO_SIZES])])
def test_voxel_sizes_beside_an_sform_of_others_are_a_warning(tmp_path, sizes, kinds):
    assert found(tmp_path / "a.nii", codes=(2, 0), pixdim=[1, *sizes, 0, 0, 0, 0]) == kinds


@pytest.mark.parametrize("size", [0.0, -3.0, np.nan])
def test_impossible_sizes_beside_an_sform_are_named_and_without_one_refused(tmp_path, size):
    """nibabel replaces them by others, so they are written into the bytes of the file."""
    for name, codes in (("a.nii", (2, 0)), ("b.nii", (0, 1)), ("c.nii", (1, 1))):
        found(tmp_path / name, codes=codes)
        content = bytearray((tmp_path / name).read_bytes())
        content[80:92] = np.array([1, 1, size], "<f4").tobytes()
        (tmp_path / name).write_bytes(content)
    kinds = [kind for kind, _ in problems_of_grid(tmp_path / "a.nii", read_grid(tmp_path / "a.nii"))]
    assert kinds == ([] if size == -3 else [TWO_SIZES])
    with pytest.raises(ValueError, match=r"b.nii.*correct"):
        read_grid(tmp_path / "b.nii")
    kinds = [kind for kind, _ in problems_of_grid(tmp_path / "c.nii", read_grid(tmp_path / "c.nii"))]
    assert kinds == ([] if size == -3 else [TWO_PLACES])


def test_no_code_is_no_place_and_a_flat_axis_has_no_inverse(tmp_path):
    assert found(tmp_path / "a.nii", codes=(0, 0)) == [UNPLACED]
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.int16), None), tmp_path / "c.nii")
    content = bytearray((tmp_path / "c.nii").read_bytes())
    content[254:256] = b"\1\0"  # sform_code, its rows all 0
    (tmp_path / "c.nii").write_bytes(content)
    with pytest.raises(ValueError, match=r"c.nii has the affine .*no inverse"):
        read_grid(tmp_path / "c.nii")


@pytest.mark.parametrize(
    ("degrees", "kinds"), [(90, []), (89.6, []), (68, [SHEARED]), (46, [SHEARED]), (44, [FOLDED]), (3, [FOLDED])]
)
def test_a_tilted_gantry_is_a_warning_and_axes_that_nearly_coincide_an_error(tmp_path, degrees, kinds):
    affine = AFFINE.copy()
    affine[:3, 2] = 3 * np.array([np.cos(np.radians(degrees)), 0, np.sin(np.radians(degrees))])
    assert found(tmp_path / "a.nii", affine, codes=(1, 0)) == kinds
    assert [kind.stops for kind in kinds] == [degrees < 45] * len(kinds)


@pytest.mark.parametrize(
    ("spacing", "info", "kinds"),
    [
        ((0.9, 0.9, 0.5), 0b110000, []),  # thin slices of isotropic pixels
        ((1, 1, 5), 0b110000, []),
        ((1, 1.4, 1), 0b110000, []),
        ((5, 1, 1), 0b110000, [ODD_SLICE_AXIS]),  # axes moved, dim_info left as it was
        ((5, 1, 1), 0b010000, []),
        ((5, 1, 1), 0b111100, []),  # phase and slice are one axis: dim_info counts for nothing
        ((5, 1, 1), 0, []),
    ],
)
def test_a_dim_info_that_leaves_pixels_no_scanner_makes_is_a_warning(tmp_path, spacing, info, kinds):
    assert found(tmp_path / "a.nii", scaled(spacing), dim_info=info) == kinds
    grid = read_grid(tmp_path / "a.nii")
    assert list(problems_of_grid(tmp_path / "a.nii", grid, slice_axis=0)) == []  # the user has said which


@pytest.mark.parametrize(
    ("normal", "plane"),
    [((0, 0, -1), "axial"), ((0, 0.6, 0.8), "axial"), ((0.71, 0.71, 0), "oblique"), ((0.61, 0, 0.79), "oblique")],
)
def test_a_plane_is_named_by_the_world_axis_across_it(normal, plane):
    assert plane_of(normal) == plane


def test_the_usual_normal_is_one_of_most_scans_never_between_them():
    axial, coronal = np.array([0, 0, 1.0]), np.array([0, -1.0, 0])
    assert (usual_normal([coronal, axial, -axial, coronal, axial]) @ axial) ** 2 == 1
    hearts = Rotation.from_euler("xyz", [[0, 0, 0], [20, 0, 0], [-20, 10, 0], [0, 25, 0]], degrees=True).apply(axial)
    assert all(angle_between(usual_normal(list(hearts)), heart) < 45 for heart in hearts)


def write_scan(path, axes, spacing=(1, 1, 3), info=0):
    image = nib.Nifti1Image(np.arange(256, dtype=np.int16).reshape(SHAPE), axes @ scaled(spacing))
    image.header["dim_info"] = info
    nib.save(image, path)
    return path


def table(folder, **domains):
    """Return the cases of domains given the axes of each of their scans."""
    return [
        {"name": f"{k}", "domain": domain, "image": write_scan(folder / f"{domain}{k}.nii", *scan), "label": ""}
        for domain, scans in domains.items()
        for k, scan in enumerate(scans)
    ]


def test_domains_cut_in_other_planes_stop_a_run_and_the_named_axis_lets_it_begin(tmp_path):
    cases = table(tmp_path, ct=[(AXIAL,)] * 2, mr=[(CORONAL,)] * 3)
    with pytest.raises(ValueError, match="ERROR: DAR-097: Domains cut in different planes") as told:
        check_cases(cases, {}, {}, 1, slice_axes={"ct": None, "mr": None})
    lines = str(told.value).splitlines()
    assert (
        "  mr/all 3: most have coronal slices, those of ct axial ones: 90 degrees apart. "
        "`tasks.TASK.domains.mr.slice_axis: 1` cuts 3 of them like ct" in lines
    )
    assert any("`tasks.TASK.domains.ct.slice_axis: 1` cuts 2 of them like mr" in line for line in lines)
    assert check_cases(cases, {}, {}, 1, slice_axes={"ct": None, "mr": 1})[-1].endswith("0 errors, 0 warnings.")
    assert check_cases(cases, {}, {}, 1, slice_axes={"ct": 1, "mr": None})[-1].endswith("0 errors, 0 warnings.")


def test_without_a_config_other_planes_are_a_warning(tmp_path):
    lines = check_cases(table(tmp_path, ct=[(AXIAL,)], mr=[(SAGITTAL,)]), {}, {}, 1)
    assert lines[0].startswith("WARNING: DAR-097: Domains cut in different planes (2).") and lines[-1].endswith(
        "2 warnings."
    )


def test_a_configured_axis_that_turns_a_scan_away_from_its_domain_is_told(tmp_path):
    """Stored as (z, x, y) and as (x, y, z): axis 2 is superior-inferior in one of them alone."""
    stored = [(AXIAL,), (AXIAL,), (AXIAL[:, [2, 0, 1, 3]], (3, 1, 1))]
    cases = table(tmp_path, mr=stored)
    assert check_cases(cases, {}, {}, 1, slice_axes={"mr": None}) == ["3 cases checked: 0 errors, 0 warnings."]
    lines = check_cases(cases, {}, {}, 1, slice_axes={"mr": 2})
    assert lines[1] == f"  mr/2: {tmp_path}/mr2.nii has coronal slices, most have axial ones"


def test_sagittal_slices_named_by_dim_info_among_axial_ones_are_told(tmp_path):
    """An isotropic volume of sagittal slices, as converters write it, would be cut like the others without dim_info."""
    isotropic = (SAGITTAL, (1, 1, 1))
    quiet = table(tmp_path, mr=[(AXIAL,), (AXIAL,), isotropic])
    assert check_cases(quiet, {}, {}, 1)[-1].endswith("0 warnings.")
    lines = check_cases(table(tmp_path, mr=[(AXIAL,), (AXIAL,), (*isotropic, 0b110000)]), {}, {}, 1)
    assert lines[1].endswith("mr2.nii has sagittal slices, most have axial ones")


def test_short_axis_hearts_of_both_domains_are_cut_alike(tmp_path):
    random, heart = np.random.default_rng(0), Rotation.align_vectors([[0.65, -0.65, 0.35]], [[0, 0, 1]])[0]
    scans = []
    for _ in range(12):
        axes = np.eye(4)
        axes[:3, :3] = (Rotation.from_rotvec(random.normal(0, 0.25, 3)) * heart).as_matrix()
        scans.append((axes, (1.25, 1.25, 8)))
    cases = table(tmp_path, bssfp=scans[:6], lge=scans[6:])
    lines = check_cases(cases, {}, {}, 2, slice_axes={"bssfp": None, "lge": None})
    assert lines == ["12 cases checked: 0 errors, 0 warnings."]


def test_inspect_says_of_a_header_what_check_says_and_goes_on(tmp_path, capsys, caplog):
    found(tmp_path / "1.nii", codes=(0, 0))
    found(tmp_path / "2.nii", qform=moved(9, 0, 0))
    found(tmp_path / "3.nii", scaled((1, 1, 2e5)))
    write_scan(tmp_path / "4.nii", AXIAL)
    assert main(["inspect", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 4
    assert f"Headers without a place: {tmp_path}/1.nii. To do: sform and qform have code 0" in caplog.text
    errors = said.err.splitlines()
    assert (
        f"DAR-089: Headers that say two places: {tmp_path}/2.nii: by up to 9 voxels. To do: sform and qform"
        in errors[0]
    )
    assert errors[1].startswith(
        f"  DAR-086: Voxels of an implausible size: {tmp_path}/3.nii has a spacing of 1 x 1 x 2e+05 mm"
    )
