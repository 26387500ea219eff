"""Every kind of problem, on files made for it; the message names file, finding and remedy."""

import gzip
import os
import re
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dar_uda.cli.command import main
from dar_uda.data.checks.cases import CaseFiles, check_cases, findings_of
from dar_uda.data.checks.finding import report
from dar_uda.data.phantom_files import FOLDER
from dar_uda.data.versions import Versions
from dar_uda.data.volume import read_volume

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])
SHAPE = (8, 8, 4)
BOX = np.zeros(SHAPE, np.uint8)
BOX[2:6, 2:6, 1:3] = 6


def image(values=None, affine=AFFINE):
    values = np.random.default_rng(0).normal(0, 300, SHAPE).astype(np.float32) if values is None else values
    return nib.Nifti1Image(values, affine)


def check(tmp_path, scan=None, label=None, window=(-350, 350), values=((6,),), label_values=True):
    """Return the report on one case, or what stops the run."""
    case = {"name": "a", "domain": "ct", "image": tmp_path / "image.nii", "label": "", "label_values": label_values}
    nib.save(scan or image(), case["image"])
    if label is not None:
        case["label"] = tmp_path / "label.nii"
        nib.save(label, case["label"])
    try:
        return "\n".join(check_cases([case], {"ct": window}, {"ct": values}, processes=1))
    except ValueError as error:
        return str(error)


def changed(values, index, value):
    values = values.copy()
    values[index] = value
    return values


def with_forms(sform, qform, codes=(1, 1)):
    made = image()
    made.set_sform(sform, codes[0])
    made.set_qform(qform, codes[1])
    return made


def with_qform(field, value):
    made = with_forms(AFFINE, AFFINE)
    made.header[field] = value
    return made


def in_unit(unit):
    made = image()
    made.header.set_xyzt_units(unit)
    return made


SHEAR = AFFINE + np.array([[0, 0, 0.6, 0], *[[0.0] * 4] * 3])
SHIFTED = AFFINE + np.array([[0, 0, 0, 3.0], *[[0.0] * 4] * 3])
GOOD = image().get_fdata().astype(np.float32)


def test_a_good_case_has_no_findings(tmp_path):
    assert check(tmp_path, label=image(BOX)) == "1 cases checked: 0 errors, 0 warnings."


@pytest.mark.parametrize(
    ("scan", "line"),
    [
        (image(changed(GOOD, (0, 0, 0), np.nan)), "ERROR: DAR-157: Images with NaN or infinite voxels (1).*1 of 256"),
        (image(changed(GOOD, (0, 0), np.inf)), "4 of 256 voxels"),
        (image(np.full(SHAPE, 7, np.int16)), "ERROR: DAR-158: Images without contrast (1).*every voxel is 7"),
        (image(GOOD + 3000), "ERROR: DAR-081: Images outside their window"),
        (image(np.abs(GOOD)), "WARNING: DAR-082: Images that may not be in HU (1).*window \\[-350, 350]"),
        (image(GOOD / 900), "WARNING: DAR-082: Images that may not be in HU (1)"),
        (in_unit("meter"), "ERROR: DAR-086: Voxels of an implausible size.*1000 x 1000 x 3000 mm"),
        (in_unit("micron"), "0.001 x 0.001 x 0.003 mm"),
        (with_forms(AFFINE, SHIFTED), "ERROR: DAR-089: Headers that say two places (1).*by up to 3 voxels"),
        (with_forms(AFFINE, np.diag([-1.0, 1, 3, 1])), "by up to 14 voxels"),
        (with_qform("quatern_b", np.nan), "ERROR: DAR-089: Headers that say two places (1).*by up to nan voxels"),
        (with_qform("quatern_b", 2.0), "ERROR: DAR-080: Files that cannot be read (1).*set the code of its wrong form"),
        (with_forms(AFFINE, AFFINE, (0, 0)), "WARNING: DAR-099: Headers without a place"),
        (image(affine=SHEAR), "WARNING: DAR-094: Images with axes that are not at right angles.*78.7 degrees"),
        (image(GOOD[..., None].repeat(2, 3)), "ERROR: DAR-080: Files that cannot be read (1).*expected 3 axes"),
        (image(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])), "expected one real number per voxel"),
    ],
)  # fmt: skip
def test_a_scans_problem_is_told_with_its_file(tmp_path, scan, line):
    told = check(tmp_path, scan)
    head, _, tail = line.partition(".*")
    assert head.replace("\\", "") in told and tail.replace("\\", "") in told, told
    assert re.search(f"ct/a: (DAR-[0-9]+: )?{tmp_path}/image.nii", told)
    assert ("the cases have problems" in told) == ("ERROR" in told)


def test_forms_that_differ_by_less_than_a_voxel_are_fine(tmp_path):
    nearly = AFFINE + np.array([[0, 0, 0, 0.4], *[[0.0] * 4] * 3])
    assert "0 errors, 0 warnings" in check(tmp_path, with_forms(AFFINE, nearly))


@pytest.mark.parametrize(
    ("label", "line"),
    [
        (image(BOX[:7]), "ERROR: DAR-180: Labels on another grid than their image (1)"),
        (image(BOX, SHIFTED), "corners differ by up to 3 voxels"),
        (image(BOX + 0.5), "ERROR: DAR-182: Labels that are no whole numbers (1)"),
        (
            image(changed(BOX.astype(np.float32), (0, 0, 0), np.nan)),
            "ERROR: DAR-182: Labels that are no whole numbers (1)",
        ),
        (
            image(changed(BOX.astype(np.float32), (0, 0, 0), 1e20)),
            "ERROR: DAR-182: Labels that are no whole numbers (1)",
        ),
        (
            image(changed(BOX, (0, 0), [1, 2, 3, 4])),
            "WARNING: DAR-103: Labels with values that the task does not name (1)",
        ),
        (image(0 * BOX), "WARNING: DAR-101: Labels without any structure (1)"),
        (image(changed(0 * BOX, (1, 1, 1), 6)), "WARNING: DAR-102: Structures of few voxels (1)"),
    ],
)
def test_a_labels_problem_is_told_with_its_file(tmp_path, label, line):
    told = check(tmp_path, label=label)
    assert line in told and ("label.nii" in told or "Case a" in told)
    assert ("the cases have problems" in told) == ("ERROR" in told)


def test_labels_of_float_and_int64_type_are_fine(tmp_path):
    for kind in (np.float64, np.int64):
        label = nib.Nifti1Image(BOX.astype(kind), AFFINE, dtype=kind)
        assert "0 errors, 0 warnings" in check(tmp_path, label=label)


@pytest.mark.parametrize(
    ("label", "line"),
    [
        (image(BOX[:7]), "ERROR: DAR-180: Labels on another grid than their image (1)"),
        (image(BOX + 0.5), "ERROR: DAR-182: Labels that are no whole numbers (1)"),
        (
            image(changed(BOX.astype(np.float32), (0, 0, 0), np.nan)),
            "ERROR: DAR-182: Labels that are no whole numbers (1)",
        ),
        (
            image(changed(BOX.astype(np.float32), (0, 0, 0), -np.inf)),
            "ERROR: DAR-182: Labels that are no whole numbers (1)",
        ),
        (
            image(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])),
            "ERROR: DAR-080: Files that cannot be read (1)",
        ),
        (
            image(changed(BOX, (0, 0), [1, 2, 3, 4])),
            "WARNING: DAR-103: Labels with values that the task does not name (1)",
        ),
    ],
)
def test_a_label_on_which_nobody_trains_is_named_where_it_is_no_label_map_of_the_task(tmp_path, label, line):
    told = check(tmp_path, label=label, label_values=False)
    assert line in told and "label.nii" in told
    assert ("the cases have problems" in told) == ("ERROR" in told)


def test_two_valid_labels_on_which_nobody_trains_give_one_report_whatever_they_hold(tmp_path):
    """Of 100 random label maps of values 0, 6 and 7 (few voxels, none, all), and of 100 that hold others too."""
    rng = np.random.default_rng(25)
    names = [tmp_path / f"{name}.nii" for name in ("image", "label", "trained", "checks")]
    nib.save(image(), names[0])
    nib.save(image(BOX), names[2])
    case = {"name": "a", "domain": "mr", "image": names[0], "label": names[1], "label_values": False}
    source = {**case, "name": "b", "domain": "ct", "label": names[2], "label_values": True}
    for values in ([0, 6, 7], [0, 6, 7, 99, 100, 65535]):
        written = set()
        for _ in range(100):
            drawn = rng.choice(values, SHAPE, p=rng.dirichlet(np.full(len(values), 0.2))).astype(np.uint16)
            drawn[0, 0, 0] = values[-1]
            nib.save(image(drawn), names[1])
            written.add("\n".join(report(findings_of(CaseFiles(**case), None, [[6], [7, 8]]), 1)))
        assert len(written) == 1
        assert ("WARNING" in written.pop()) == (99 in values)
    tables = []
    for values in (np.zeros(SHAPE, np.uint8), BOX, changed(BOX, (0, 0, 0), 7)):
        nib.save(image(values), names[1])
        scan = tmp_path / "other.nii"
        nib.save(image(GOOD[::-1]), scan)
        check_cases([case, {**source, "image": scan}], {}, {"mr": [[6], [7, 8]], "ct": [[6]]}, 1, names[3])
        tables.append(names[3].read_bytes())
    assert tables[0] == tables[1] == tables[2] and b"0 errors, 0 warnings" in tables[0]


def test_a_label_that_two_cases_name_is_a_warning(tmp_path):
    for name in "ab":
        nib.save(image(GOOD if name == "a" else GOOD[::-1]), tmp_path / f"{name}.nii")
    nib.save(image(BOX), tmp_path / "label.nii")
    case = {"domain": "ct", "label": tmp_path / "label.nii"}
    lines = check_cases([{**case, "name": name, "image": tmp_path / f"{name}.nii"} for name in "ab"], {}, {}, 1)
    assert lines[0].startswith("WARNING: DAR-105: Labels that several cases name (2)") and len(lines) == 4


def test_a_targets_label_must_be_whole(tmp_path):
    for name in "ab":
        nib.save(image(), tmp_path / f"{name}.nii.gz")
        nib.save(image(BOX), tmp_path / f"{name}_label.nii.gz")
    content = bytearray((tmp_path / "a_label.nii.gz").read_bytes())
    content[-6] ^= 4  # of the checksum
    (tmp_path / "a_label.nii.gz").write_bytes(content)
    cases = [
        {"name": name, "domain": "mr", "image": tmp_path / f"{name}.nii.gz", "label": tmp_path / f"{name}_label.nii.gz"}
        for name in "ab"
    ]
    with pytest.raises(ValueError, match=r"cannot be read \(1\).*\n.*a_label.nii.gz") as told:
        check_cases([{**case, "label_values": False} for case in cases], {}, {}, processes=1)
    assert "b_label" not in str(told.value)


def test_a_label_that_is_its_scan_is_refused_and_long_lists_are_cut(tmp_path):
    nib.save(nib.Nifti1Image(np.arange(256, dtype=np.uint8).reshape(SHAPE), AFFINE), tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii").read_bytes())
    case = {"name": "a", "domain": "ct", "image": tmp_path / "a.nii"}
    with pytest.raises(ValueError, match="Labels that are the scan itself"):
        check_cases([{**case, "label": tmp_path / "a.nii"}], {}, {}, processes=1)
    lines = check_cases([{**case, "label": tmp_path / "b.nii"}], {}, {}, processes=1)
    assert len(lines) == 1 + 9 + 1 and "and 247 values more" in lines[-2]


def test_a_structure_that_no_label_holds_is_named_with_its_value(tmp_path):
    """Of values 6, 7 and 9: a holds 6, b holds 6 and 7; c, which findings do not describe, holds 9."""
    both = changed(np.where(BOX, 6, 0).astype(np.uint8), (0, 0, 0), 7)
    for name, label in (("a", np.where(BOX, 6, 0)), ("b", both), ("c", np.where(BOX, 9, 0))):
        nib.save(image(), tmp_path / f"{name}.nii")
        nib.save(image(label.astype(np.uint8)), tmp_path / f"{name}_label.nii")
    files = {name: {"image": tmp_path / f"{name}.nii", "label": tmp_path / f"{name}_label.nii"} for name in "abc"}
    cases = [{"name": name, "domain": "ct", "label_values": name != "c", **of_case} for name, of_case in files.items()]
    lines = check_cases(cases, {}, {"ct": [[6], [7], [9, 10]]}, processes=1)
    found = lines.index(next(line for line in lines if "no label of their domain holds" in line))
    assert lines[found + 1] == "  ct/all 2: no voxel of value 9, 10"
    assert sum("no voxel of value" in line for line in lines) == 1


PATIENTS = [
    ("a", "ct", "train", "P1"),
    ("b", "ct", "train", "P1"),
    ("c", "mr", "test", "P1"),
    ("d", "mr", "test", "P2"),
    ("e", "ct", "test", "P3"),
    ("f", "mr", "train", "P3"),
    ("g", "ct", "train", "P4"),
    ("h", "mr", "train", "P4"),
    ("i", "ct", "train", ""),
    ("i", "mr", "test", ""),
    ("j", "mr", "both", "P5"),
    ("k", "mr", "train", "P5"),
    ("l", "mr", "both", "P6"),
    ("m", "ct", "train", "P6"),
]
"""Name, domain, split and patient of cases."""
SEEN = [
    "WARNING: DAR-109: Test cases whose patient has a training case in the other domain (3). To do: trainings see this "
    "patient's anatomy, so the scores may be too high: bring all scans of a patient to one split, or report it with "
    "the scores.",
    "  mr/c: of the same patient as ct/a, ct/b",
    "  ct/e: of the same patient as mr/f",
    "  mr/l: of the same patient as ct/m",
]


def write_scans_of_patients(folder):
    """Write a scan per case, with its table; return what `check_cases` takes."""
    cases = []
    for number, (name, domain, split, patient) in enumerate(PATIENTS):
        nib.save(image(changed(GOOD, (0, 0, 0), number)), folder / f"{number}.nii")
        cases.append({"name": name, "domain": domain, "split": split, "patient": patient})
        cases[-1] |= {"image": folder / f"{number}.nii", "label": ""}
    lines = [f"{name}\t{domain}\t{k}.nii\t\t{split}\t{who}" for k, (name, domain, split, who) in enumerate(PATIENTS)]
    (folder / "cases.tsv").write_text("\n".join(["case\tdomain\timage\tlabel\tsplit\tpatient", *lines]) + "\n")
    return cases


def test_a_test_case_whose_patient_trains_in_the_other_domain_is_a_warning_without_the_patients_name(tmp_path, capsys):
    lines = check_cases(write_scans_of_patients(tmp_path), {}, {}, processes=1)
    assert lines == [*SEEN, "14 cases checked: 0 errors, 3 warnings."]
    assert main(["check", str(tmp_path / "cases.tsv"), "--processes", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_a_check_notes_the_version_of_every_file_that_the_user_gave(tmp_path, monkeypatch):
    """Of a and b, which is broken; not of generated files. As a plan says it that nothing was read for."""
    monkeypatch.chdir(tmp_path)
    for folder, name in ((".", "a"), (FOLDER, "c")):
        Path(folder).mkdir(parents=True, exist_ok=True)
        nib.save(image(), f"{folder}/{name}.nii")
        nib.save(image(BOX), f"{folder}/{name}_label.nii")
    Path("b.nii").touch()
    cases = [{"name": "a", "domain": "ct", "image": "a.nii", "label": "a_label.nii"}]
    cases += [{"name": "b", "domain": "ct", "image": "b.nii", "label": ""}]
    cases += [{"name": "c", "domain": "ct", "image": f"{FOLDER}/c.nii", "label": f"{FOLDER}/c_label.nii"}]
    with pytest.raises(ValueError, match="b.nii is empty"):
        check_cases(cases, {}, {}, 2, versions="versions.tsv")
    rows = [line.split("\t") for line in Path("versions.tsv").read_text().splitlines()]
    assert sorted(row[0] for row in rows) == ["a.nii", "a_label.nii", "b.nii", "path"]
    noted = Versions("versions.tsv").of(["a.nii"], ["a_label.nii"])
    assert noted == Versions("absent.tsv").of(["a.nii"], ["a_label.nii"])


def test_a_scans_error_does_not_hide_its_labels(tmp_path):
    told = check(tmp_path, image(GOOD[..., None].repeat(2, 3)), image(BOX + 0.5))
    assert "expected 3 axes" in told and "no whole numbers" in told


def test_a_scan_in_another_plane_than_its_domain_is_told(tmp_path):
    turned = np.array([[1.0, 0, 0, 0], [0, 0, 3, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    for name, affine in (("a", AFFINE), ("b", AFFINE), ("c", turned)):
        nib.save(image(affine=affine), tmp_path / f"{name}.nii")
    cases = [{"name": name, "domain": "mr", "image": tmp_path / f"{name}.nii", "label": ""} for name in "abc"]
    lines = check_cases(cases, {}, {}, processes=1)
    assert "another plane" in lines[0] and lines[1].endswith("c.nii has coronal slices, most have axial ones")
    assert len(lines) == 3


def test_a_case_whose_process_is_killed_is_named_and_the_others_are_checked(tmp_path, monkeypatch):
    cases = []
    for name, values in (("a", GOOD), ("b", GOOD), ("c", np.full(SHAPE, 7, np.int16)), ("d", GOOD)):
        nib.save(image(values), tmp_path / f"{name}.nii")
        cases.append({"name": name, "domain": "mr", "image": tmp_path / f"{name}.nii", "label": ""})
    monkeypatch.setattr("dar_uda.data.checks.cases.read_volume", dies_of_b)
    for processes in (1, 3):
        with pytest.raises(ValueError, match=r"Files that cannot be read \(1\)") as told:
            check_cases(cases, {}, {}, processes)
        lines = str(told.value).splitlines()
        assert any(
            line.startswith(f"  mr/b: DAR-107: {tmp_path}/b.nii: the process that read it was killed") for line in lines
        )
        assert any("mr/c: " in line and "every voxel is 7" in line for line in lines)
        assert lines[-1] == "4 cases checked: 2 errors, 0 warnings."


def dies_of_b(path):
    if path.name == "b.nii":
        os.kill(os.getpid(), signal.SIGKILL)
    return read_volume(path)


@pytest.mark.parametrize("error", [RuntimeError("bad"), MemoryError(), ZeroDivisionError("bad"), OverflowError("bad")])
def test_whatever_a_library_raises_is_that_cases_problem(tmp_path, monkeypatch, error):
    def raises(path):
        if path.name == "a.nii":
            raise error
        return read_volume(path)

    monkeypatch.setattr("dar_uda.data.checks.cases.read_volume", raises)
    for name in "ab":
        nib.save(image(), tmp_path / f"{name}.nii")
    cases = [{"name": name, "domain": "mr", "image": tmp_path / f"{name}.nii", "label": ""} for name in "ab"]
    with pytest.raises(ValueError, match=f"  mr/a: (DAR-108: )?{tmp_path}/a.nii") as told:
        check_cases(cases, {}, {}, processes=1)
    assert "2 cases checked: 1 errors" in str(told.value)


def test_problems_of_several_cases_are_told_together_by_kind(tmp_path, capsys):
    nib.save(image(), tmp_path / "a.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(content[: len(content) // 2])
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(b"no image"))
    rows = [
        "a\tct\ta.nii.gz\t\ttrain",
        "b\tct\tb.nii.gz\t\ttrain",
        "c\tct\tc.nii.gz\t\ttrain",
        "d\tmr\t./a.nii.gz\t\ttest",
    ]
    rows.append("e\tmr\tabsent.nii.gz\t\ttest")
    (tmp_path / "cases.tsv").write_text("\n".join(["case\tdomain\timage\tlabel\tsplit", *rows]) + "\n")
    assert main(["check", str(tmp_path / "cases.tsv"), "--processes", "2"]) == 1
    told = capsys.readouterr().err
    assert (
        "ERROR: DAR-080: Files that cannot be read (3)" in told
        and "ERROR: DAR-104: Files that stand twice in the table (2)" in told
    )
    assert "ct/b: " in told and "ct/c: " in told and "mr/e: " in told and "mr/d: " in told
    assert told.partition("\n  5 cases checked: 5 errors, 0 warnings.\n")[2].splitlines() == [
        f"  docs/questions.md#dar-{number} explains DAR-{number}" for number in (104, "080", 126)
    ]


def test_a_good_table_is_status_0(tmp_path, capsys):
    nib.save(image(), tmp_path / "a.nii.gz")
    for split in ("train", "both"):
        (tmp_path / "cases.tsv").write_text(f"case\tdomain\timage\tlabel\tsplit\na\tct\ta.nii.gz\t\t{split}\n")
        assert main(["check", str(tmp_path / "cases.tsv")]) == 0
        assert capsys.readouterr().out == "1 cases checked: 0 errors, 0 warnings.\n"
    assert main(["check", str(tmp_path / "cases.tsv"), "--window", "ct=5000,9000"]) == 1
    assert "ERROR: DAR-081: Images outside their window (1)" in capsys.readouterr().err


def test_a_domain_without_training_cases_is_told_and_a_missing_table_too(tmp_path, capsys):
    nib.save(image(), tmp_path / "a.nii.gz")
    (tmp_path / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\na\tct\ta.nii.gz\t\ttest\n")
    assert main(["check", str(tmp_path / "cases.tsv")]) == 0
    assert "WARNING: domain ct has no case to train" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "none.tsv")]) == 1
    assert "none.tsv: no such file; `dar-uda cases` writes one" in capsys.readouterr().err
