"""What `dar-uda init` chooses, and what it writes."""

import csv

import numpy as np
import pytest
import yaml

from dar_uda.cli.command import main
from dar_uda.data.layouts import beside
from dar_uda.project.init import PAGE
from dar_uda.project.measures import extents_of, thickness_of
from dar_uda.project.names import read_names
from dar_uda.project.plan import read_plan
from dar_uda.project.recognize import recognize
from tests.data.dicom_files import write_series
from tests.project.scans import fill, save, volume

NAMES = ["--labels", "liver=1,spleen=2"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of two labeled CT and three MR without labels."""
    folder = tmp_path_factory.mktemp("init")
    ct, mr = fill(folder / "ct", "ct"), fill(folder / "mr", "mr", 3, label=False)
    next(path for path in mr.rglob("*.nii*")).chmod(0o600)
    assert main(["init", f"ct={ct}", f"mr={mr}", "-o", str(folder / "project"), *NAMES, "--budget", "demo"]) == 0
    return folder / "project"


def task_of(project):
    return yaml.safe_load((project / "task.yaml").read_text())["tasks"]["ct_to_mr"]


def test_pictures_of_a_private_scan_are_private(project):
    assert (project / PAGE).stat().st_mode & 0o077 == 0


def test_ct_gets_a_window_about_the_labeled_values_and_mr_a_percentile(project):
    # Organs of 60 and 100 with noise of 9: from 51 to 109; half of 58 more at both ends, to the next step of 10.
    assert task_of(project)["domains"]["ct"]["intensity"] == {"window": [20, 140]}
    assert task_of(project)["domains"]["mr"]["intensity"] == {"percentile": 99.5}


def test_the_grid_spans_what_the_budget_has_pixels_for(project):
    grid = task_of(project)["grid"]
    # The scan spans 288 mm; the farthest organ ends 72 mm off its center: 2 x (72 + 20) = 184 mm, of pixels of 6 mm.
    assert grid == {"spacing": [6.0, 6.0, 6.0], "size": 64}


def test_a_target_without_labels_trains_and_tests(project):
    rows = list(csv.DictReader((project / "cases.tsv").open(), delimiter="\t"))
    assert [(row["case"], row["split"]) for row in rows] == [
        ("ct1", "train"),
        ("ct2", "train"),
        ("mr1", "both"),
        ("mr2", "both"),
        ("mr3", "both"),
    ]
    assert read_plan(project).config.values["methods"] == ["source_only", "dar_uda"]


def test_every_value_has_a_comment_before_it(project):
    lines = (project / "task.yaml").read_text().splitlines()
    for key in ("budget:", "directions:", "labels:", "ct:", "mr:", "grid:", "cases:", "methods:"):
        number = next(k for k, line in enumerate(lines) if line.strip().startswith(key))
        assert lines[number - 1].strip().startswith("#"), key


def test_a_page_is_drawn_and_a_task_is_not_replaced(project, capsys):
    assert (project / "init.png").read_bytes()[1:4] == b"PNG"
    places = [f"ct={project.parent / 'ct'}", f"mr={project.parent / 'mr'}"]
    assert main(["init", *places, "-o", str(project), *NAMES]) == 1
    assert "DAR-409" in capsys.readouterr().err


def test_labeled_target_cases_are_split_by_patient_and_seed(tmp_path, capsys):
    ct, mr = fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", 5, values=(7, 9))
    options = [*NAMES, "--target-labels", "liver=7", "spleen=9", "--budget", "demo", "--test-fraction", "0.4"]
    assert main(["init", f"ct={ct}", f"mr={mr}", "-o", str(tmp_path / "project"), *options]) == 0
    plan = read_plan(tmp_path / "project")
    assert len(plan.cases.of("mr", "test")) == 2 and len(plan.cases.of("mr", "train")) == 3
    assert plan.config.task.domains["mr"].label_values == [[7], [9]]
    assert "Estimate: " in (printed := capsys.readouterr().out)
    assert "their labels are for supervised alone" in printed and "supervised" in plan.config.values["methods"]


def test_files_side_by_side_are_paired_by_words_at_either_end(tmp_path):
    for name in ("image_1", "label_1", "p2", "p2_seg", "p3-mask", "p3", "labels04", "img04", "alone_label"):
        save(volume("mr"), tmp_path / f"{name}.nii.gz")
    found = beside.find(tmp_path, "mr")
    pairs = {case.image.name[:-7]: case.label.name[:-7] for case in found.cases}
    assert pairs == {"image_1": "label_1", "p2": "p2_seg", "p3": "p3-mask", "img04": "labels04"}
    assert [path.name for path, _ in found.left_out] == ["alone_label.nii.gz"]


def test_a_tree_of_dicom_series_has_a_case_for_each_and_a_patient_for_each_folder(tmp_path):
    for place in ("p1/t2", "p1/late", "p2/t2"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        write_series(tmp_path / place)
    assert recognize(tmp_path) == "beside"
    cases = beside.find(tmp_path, "mr").cases
    assert [(case.name, case.patient, case.label) for case in cases] == [
        ("p1_late", "p1", None),
        ("p1_t2", "p1", None),
        ("p2_t2", "p2", None),
    ]


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["img/img0001.nii.gz", "label/label0001.nii.gz"], "btcv"),
        (["imagesTr/a_0000.nii.gz", "dataset.json"], "nnunet"),
        (["imagesTr/a.nii.gz", "dataset.json"], "decathlon"),
        (["sub-01/anat/sub-01_T1w.nii.gz"], "bids"),
        (["images/a.nii.gz", "labels/a.nii.gz"], "folders"),
        (["a.nii.gz", "a_label.nii.gz"], "beside"),
    ],
)
def test_layouts_are_recognized_by_their_names(tmp_path, files, layout):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert recognize(tmp_path) == layout


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dataset.json", '{"labels": {"background": 0, "liver": 1, "Left kidney": 3}}'),
        ("dataset.json", '{"labels": {"0": "background", "1": "liver", "3": "Left kidney"}}'),
        ("dseg.tsv", "index\tname\n0\tbackground\n1\tliver\n3\tLeft kidney\n"),
        ("organs.label", '0 0 0 0 0 0 0 "Clear Label"\n1 255 0 0 1 1 1 "liver"\n3 0 255 0 1 1 1 "Left kidney"\n'),
    ],
)
def test_names_come_from_the_files_of_other_programs(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert read_names(tmp_path) == ({"liver": [1], "left_kidney": [3]}, file)


def test_thickness_is_the_width_of_a_band_and_the_radius_of_a_disk():
    x, y = np.mgrid[-50:51, -50:51]
    disk, band = np.hypot(x, y) <= 40, np.abs(x) <= 4
    assert thickness_of(disk[..., None], np.array([0.5, 0.5, 5.0])) == pytest.approx(20, rel=0.03)
    # 9 x 101 voxels of 2 mm: twice 3636 mm2 by 440 mm, whose straight edges count 4 / pi less.
    assert thickness_of(band[..., None], np.array([2.0, 2.0, 5.0])) == pytest.approx(2 * 3636 / (np.pi / 4 * 440))


def test_extents_count_from_the_center_of_the_scan_in_the_canonical_layout(tmp_path):
    from dar_uda.data.volume import read_grid

    save(volume("mr"), tmp_path / "a.nii.gz")
    label = np.zeros((48, 40, 24), np.int64)
    label[46:48, 20:23, 0:2] = 5
    extent = extents_of(label, np.full(label.shape, 7.0), read_grid(tmp_path / "a.nii.gz"))[5]
    # RAS axes: 24 voxels of 6 mm from the center to the right end, which is that of the patient's right.
    assert extent.voxels == 12 and extent.intensities == (7, 7)
    assert max(abs(extent.low[0]), abs(extent.high[0])) == 144 and extent.high[2] == pytest.approx(-60)


def test_labels_in_a_folder_of_their_own_are_no_scans(tmp_path):
    for name in ("scans/1", "scans/2", "masks/1", "3", "p4/t2", "p4/seg/t2", "labelsTr/9"):
        save(volume("mr"), tmp_path / f"{name}.nii.gz")
    assert recognize(tmp_path) == "beside"
    found = beside.find(tmp_path, "mr")
    label = {case.name: case.label and case.label.relative_to(tmp_path).as_posix() for case in found.cases}
    assert label == {"mr1": "masks/1.nii.gz", "mr2": None, "mr3": None, "p4_t2": "p4/seg/t2.nii.gz"}
    assert [path.parent.name for path, _ in found.left_out] == ["labelsTr"]
    assert [case.patient for case in found.cases if case.name != "p4_t2"] == ["3", "1", "2"]


def test_names_in_dataset_json_beside_scans_are_no_decathlon(tmp_path):
    fill(tmp_path, "ct")
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1, "spleen": 2}}')
    assert recognize(tmp_path) == "beside"


@pytest.mark.parametrize("names", [("1", "2"), ("no", "on")])
def test_domains_may_have_names_that_yaml_reads_otherwise(tmp_path, names):
    ct, mr = fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", label=False)
    places = [f"{names[0]}={ct}", f"{names[1]}={mr}"]
    assert main(["init", *places, "-o", str(tmp_path / "project"), *NAMES, "--budget", "demo"]) == 0
    assert tuple(read_plan(tmp_path / "project").config.task.domains) == names


def test_a_table_in_the_folder_of_the_project_is_kept(tmp_path, capsys):
    fill(tmp_path / "ct", "ct")
    fill(tmp_path / "mr", "mr", label=False)
    table = tmp_path / "cases.tsv"
    own = "case\tdomain\timage\tlabel\tsplit\tnote\n" + "".join(
        f"{name}\t{name[:2]}\t{name[:2]}/image_{name[2]}.nii.gz\t{label}\t{split}\tby hand\n"
        for name, label, split in [("ct1", "ct/label_1.nii.gz", "train"), ("mr1", "", "train"), ("mr2", "", "test")]
    )
    table.write_text(own)
    assert main(["init", f"ct={table}", f"mr={table}", "-o", str(tmp_path), *NAMES, "--budget", "demo"]) == 1
    assert table.read_text() == own and "DAR-419" in capsys.readouterr().err


def test_what_fails_leaves_no_half_of_a_project(tmp_path, monkeypatch):
    ct, mr = fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", label=False)
    arguments = ["init", f"ct={ct}", f"mr={mr}", "-o", str(tmp_path / "project"), *NAMES, "--budget", "demo"]
    with monkeypatch.context() as patch:
        patch.setattr("dar_uda.project.init.draw_page", lambda *_: (_ for _ in ()).throw(OSError("no space")))
        assert main(arguments) == 1
    assert main(arguments) == 0
