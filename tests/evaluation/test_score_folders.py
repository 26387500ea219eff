"""Two folders of small label maps of any program, worked out by hand."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dar_uda.evaluation.score import read_metrics, score_method
from dar_uda.evaluation.score_folders import Structures, score_folders

SPACING = np.diag([2.0, 1.0, 5.0, 1.0])


def write(path, planes, affine=SPACING, shape=(6, 5, 4)):
    """Write a label map whose planes `x = index` have the given values."""
    array = np.zeros(shape, np.uint8)
    for index, value in planes.items():
        array[index] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def masks(folder, **cases):
    for case, planes in cases.items():
        write(folder / f"{case}.nii.gz", planes)
    return folder


def structures(tolerance=None, **values):
    predicted = {name: one[-1] for name, one in values.items()}
    listed = [one[0] for one in values.values()]
    return Structures(list(values), listed, list(predicted.values()), [tolerance] * len(values))


LIVER = structures(liver=([1],), tolerance=1.0)


def score(folder, of_what=LIVER, **more):
    return score_folders(folder / "masks", folder / "labels", of_what, folder / "table.tsv", **more)


def written(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_files_of_one_name_are_scored_and_their_means_are_on_the_page(tmp_path):
    masks(tmp_path / "labels", a={2: 1, 3: 1}, b={1: 1})
    masks(tmp_path / "masks", a={1: 1, 2: 1}, b={1: 1})
    page = score(tmp_path)
    # Case a: one plane of two in common; the surface distances of both are 2, 0 and 0, 2 mm.
    table = read_metrics(tmp_path / "table.tsv")
    assert table[["case", "patient", "structure", "status"]].to_numpy().tolist() == [
        ["a", "a", "liver", "ok"],
        ["b", "b", "liver", "ok"],
    ]
    assert table[["dice", "asd_mm", "hd95_mm"]].to_numpy().tolist() == [[0.5, 1.0, 2.0], [1.0, 0.0, 0.0]]
    assert table[["reference_ml", "predicted_ml"]].to_numpy().tolist() == [[0.4, 0.4], [0.2, 0.2]]
    assert "2 cases of 2 patients" in page and " Dice [range] |" in page
    assert "| liver     | 2 | 0.750 [0.500, 1.000] |" in page
    assert written(tmp_path) == ["table.tsv"]


def test_the_table_is_that_of_a_run_with_the_same_files(tmp_path):
    masks(tmp_path / "labels", a={2: 6, 4: 1, 5: 2}, b={1: 6})
    masks(tmp_path / "masks", a={1: 1, 4: 2}, b={3: 2})
    flipped = SPACING @ np.array([[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    write(tmp_path / "labels" / "c.nii", {0: 6, 1: 6, 3: 2}, affine=flipped)
    write(tmp_path / "masks" / "c.nii.gz", {4: 1, 5: 1, 2: 2})
    cases, values = ["a", "b", "c"], [[6], [1, 2]]
    files = [next((tmp_path / "labels").glob(f"{case}.*")) for case in cases]
    names, tolerances = ["liver", "spleen"], [1.0, None]
    predictions = tmp_path / "masks"
    score_method(cases, cases, predictions, files, files, tmp_path / "run.tsv", names, values, tolerances)
    score(tmp_path, Structures(names, values, [[1], [2]], tolerances))
    assert (tmp_path / "table.tsv").read_bytes() == (tmp_path / "run.tsv").read_bytes()
    assert read_metrics(tmp_path / "table.tsv")["dice"].tolist()[-2:] == [1.0, 1.0]


def test_values_in_predictions_may_be_others_and_further_values_are_background(tmp_path):
    masks(tmp_path / "labels", a={0: 6, 2: 1, 3: 2, 5: 9})
    masks(tmp_path / "masks", a={0: 4, 2: 11, 3: 10, 4: 6, 5: 1})
    score(tmp_path, structures(liver=([6], [4]), spleen=([1, 2], [10, 11])))
    assert read_metrics(tmp_path / "table.tsv")["dice"].tolist() == [1.0, 1.0]


def test_a_value_for_two_structures_is_refused(tmp_path):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1})
    with pytest.raises(ValueError, match=r"DAR-181: Label values \[\[2\], \[2\]\]"):
        score(tmp_path, structures(liver=([1], [2]), spleen=([2],)))


def test_all_cases_without_a_prediction_are_named(tmp_path):
    masks(tmp_path / "labels", a={0: 1}, b={0: 1}, c={0: 1}), masks(tmp_path / "masks", b={0: 1}, a_0000={0: 1})
    with pytest.raises(ValueError, match=r"DAR-351: .*masks has no prediction for 2 of 3 references: a, c;"):
        score(tmp_path)
    assert written(tmp_path) == []


def test_predictions_without_a_reference_are_named_and_left_out(tmp_path, caplog):
    masks(tmp_path / "labels", b={0: 1}), masks(tmp_path / "masks", a={0: 1}, b={0: 1}, c={0: 1})
    write(tmp_path / "masks" / "probabilities" / "b.nii.gz", {})
    (tmp_path / "masks" / "dataset.json").write_text("{}")
    score(tmp_path)
    assert "DAR-352" in caplog.text and "no reference: a, c\n" in caplog.text and len(caplog.records) == 1
    assert list(read_metrics(tmp_path / "table.tsv")["case"]) == ["b"]


def test_all_pairs_on_other_grids_are_named_before_anything_is_scored(tmp_path):
    masks(tmp_path / "labels", a={0: 1}, b={0: 1}, c={0: 1}), masks(tmp_path / "masks", b={0: 1})
    write(tmp_path / "masks" / "a.nii.gz", {}, shape=(6, 5, 3))
    write(tmp_path / "masks" / "c.nii.gz", {}, affine=np.diag([2.0, 1.0, 4.0, 1.0]))
    with pytest.raises(ValueError, match=r"DAR-353: 2 of 3(.*\n)  a: their shapes(.*\n)  c: corners differ") as found:
        score(tmp_path)
    assert "spacing (2.0, 1.0, 4.0) mm" in str(found.value) and written(tmp_path) == []


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda labels: labels.parent, "no such folder"),
        (lambda labels: labels.mkdir(), "holds no volume file"),
        (lambda labels: [write(labels / f"a.{end}", {}) for end in ("nii", "nii.gz")], "both case a"),
    ],
)
def test_a_folder_without_one_file_per_case_is_refused(tmp_path, prepare, message):
    prepare(tmp_path / "labels")
    with pytest.raises((ValueError, FileNotFoundError), match=f"DAR-350: .*{message}"):
        score(tmp_path)


def test_the_patient_is_the_unit(tmp_path):
    masks(tmp_path / "labels", a={2: 1, 3: 1}, b={1: 1}, c={2: 1, 3: 1})
    masks(tmp_path / "masks", a={1: 1, 2: 1}, b={1: 1}, c={2: 1, 3: 1})
    table = tmp_path / "patients.tsv"
    table.write_bytes("\ufeffcase\tsite\tpatient \r\nb\tx\tp1\r\n\r\na\tx\tp1\r\nc\tx\t\r\nd\tx\tp2\r\n".encode())
    page = score(tmp_path, patients=table)
    assert list(read_metrics(tmp_path / "table.tsv")["patient"]) == ["p1", "p1", "c"]
    assert "3 cases of 2 patients" in page
    assert "| liver     | 3 |        2 | 0.875 [0.750, 1.000] |" in page  # (0.5 + 1) / 2 and 1; by case 0.833


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case\tpatient\na\tp1\n", "DAR-355: .* has no row for 1 of 2 cases: b;"),
        ("case\tpatient\na\tp1\nb\tp1\na\tp2\n", "DAR-355: .*case a has the patients p1 and p2; expected one: correct"),
        ("case\tpatient\na\t-\nb\t-\n", "DAR-355: .*case a has the patient '-'; expected a name"),
        ("case,patient\na,p1\n", "DAR-355: .*has the columns case,patient; expected case and patient"),
        ("", "DAR-355: .*has the columns ; expected"),
        (b"case\tpatient\na\t\xe4\n", "DAR-126: .*expected a table in UTF-8"),
        (None, "DAR-126: .*No such file"),
    ],
)
def test_a_table_of_patients_that_leaves_a_case_open_is_refused(tmp_path, text, message):
    masks(tmp_path / "labels", a={0: 1}, b={0: 1}), masks(tmp_path / "masks", a={0: 1}, b={0: 1})
    if text is not None:
        (tmp_path / "patients.tsv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        score(tmp_path, patients=tmp_path / "patients.tsv")
    assert not (tmp_path / "table.tsv").exists()


def test_two_folders_are_compared_case_by_case(tmp_path):
    masks(tmp_path / "labels", a={2: 1, 3: 1}, b={2: 1, 3: 1})
    masks(tmp_path / "one" / "masks", a={2: 1, 3: 1}, b={1: 1, 2: 1})
    masks(tmp_path / "two" / "masks", a={3: 1, 4: 1}, b={1: 1, 2: 1})
    folders = tmp_path / "one" / "masks", tmp_path / "labels", LIVER, tmp_path / "table.tsv"
    page = score_folders(*folders, against=tmp_path / "two" / "masks")
    assert written(tmp_path) == ["table-against.tsv", "table-differences.tsv", "table.tsv"]
    dice = [read_metrics(tmp_path / f"table{end}.tsv")["dice"].tolist() for end in ("", "-against")]
    assert dice == [[1.0, 0.5], [0.5, 0.5]]
    lines = (tmp_path / "table-differences.tsv").read_text().splitlines()
    assert lines[1] == "one_masks\ttwo_masks\tliver\tdice\t2\t0.250000\t0.000000\t0.500000\trange\t1\t0\t\t"
    assert "## Dice: one_masks minus two_masks" in page
    assert "| liver     | 2 | +0.250 [+0.000, +0.500] |      1 |     0 |        - |" in page


def test_a_folder_is_not_compared_with_itself(tmp_path):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1})
    (tmp_path / "link").symlink_to("masks")
    with pytest.raises(ValueError, match="DAR-350: --against .*link is the folder of PREDICTIONS itself"):
        score(tmp_path, against=tmp_path / "link")
    with pytest.raises(ValueError, match="DAR-350: --against .*labels is the folder of REFERENCES itself"):
        score(tmp_path, against=tmp_path / "labels")
    with pytest.raises(ValueError, match="DAR-350: PREDICTIONS .*labels is the folder of REFERENCES itself"):
        score_folders(*[tmp_path / "labels"] * 2, LIVER, tmp_path / "table.tsv")


def test_a_file_that_cannot_be_read_leaves_nothing_behind(tmp_path):
    masks(tmp_path / "labels", a={0: 1}, b={0: 1}), masks(tmp_path / "masks", a={0: 1}, b={0: 1})
    masks(tmp_path / "other", a={0: 1}, b={0: 1})
    broken = tmp_path / "other" / "b.nii.gz"
    broken.write_bytes(gzip.compress(gzip.decompress(broken.read_bytes())[:400]))
    with pytest.raises(ValueError, match="b.nii.gz"):
        score(tmp_path, against=tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "masks", "other"]


def test_a_command_that_is_stopped_leaves_nothing_behind(tmp_path, monkeypatch):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1}), masks(tmp_path / "other", a={1: 1})

    def stop(*_):
        assert len(list(tmp_path.glob(".partial-*/table*.tsv"))) == 2  # the scores are there
        raise KeyboardInterrupt

    monkeypatch.setattr("dar_uda.evaluation.paired.paired_differences", stop)
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path, against=tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "masks", "other"]


def test_another_ending_than_tsv_is_refused_before_anything_is_scored(tmp_path):
    """Before, `-o t.csv` held tabs, and `-o t.tsv.gz` refused its own table the second time."""
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1})
    with pytest.raises(ValueError, match=r"DAR-356: .*table\.csv would hold tab-separated text"):
        score_folders(tmp_path / "masks", tmp_path / "labels", LIVER, tmp_path / "table.csv")


@pytest.mark.parametrize("there", ["table.tsv", "table-against.tsv", "table-differences.tsv"])
def test_no_other_file_is_written_over(tmp_path, there):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1}), masks(tmp_path / "other", a={1: 1})
    (tmp_path / there).write_text("case\tnotes\n")
    with pytest.raises(ValueError, match=f"DAR-356: .*{there} exists"):
        score(tmp_path, against=tmp_path / "other")
    assert (tmp_path / there).read_text() == "case\tnotes\n" and written(tmp_path) == [there]


def test_a_table_of_the_same_command_is_replaced(tmp_path):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={1: 1}), masks(tmp_path / "other", a={1: 1})
    score(tmp_path, against=tmp_path / "other")
    masks(tmp_path / "masks", a={0: 1})
    score(tmp_path, against=tmp_path / "other")
    assert read_metrics(tmp_path / "table.tsv")["dice"].tolist() == [1.0]
    assert "\tdice\t1\t1.000000\t" in (tmp_path / "table-differences.tsv").read_text()


def test_no_file_that_is_read_is_written_over_but_a_table_may_lie_beside_the_masks(tmp_path):
    masks(tmp_path / "labels", a={0: 1}), masks(tmp_path / "masks", a={0: 1})
    before = (tmp_path / "masks" / "a.nii.gz").read_bytes()
    with pytest.raises(ValueError, match="DAR-308"):
        score_folders(tmp_path / "masks", tmp_path / "labels", LIVER, tmp_path / "masks" / "a.nii.gz")
    assert (tmp_path / "masks" / "a.nii.gz").read_bytes() == before
    for _ in range(2):
        score_folders(tmp_path / "masks", tmp_path / "labels", LIVER, tmp_path / "masks" / "table.tsv")
    assert written(tmp_path / "masks") == ["a.nii.gz", "table.tsv"]


def test_values_that_no_file_holds_are_warned_of(tmp_path, caplog):
    masks(tmp_path / "labels", a={0: 1, 2: 2}, b={0: 1, 2: 2}), masks(tmp_path / "masks", a={0: 1, 3: 5}, b={0: 1})
    page = score(tmp_path, structures(liver=([1],), spleen=([2],), kidney=([7], [5])))
    assert [record.getMessage() for record in caplog.records] == [
        f"DAR-357: no mask in {tmp_path / 'masks'} holds spleen: if its value is another one there, give "
        "--prediction-labels",
        "DAR-357: no reference holds kidney: look at the values in --labels",
    ]
    assert "1 of 2" in next(line for line in page.splitlines() if line.startswith("| kidney"))  # a false alarm


def test_a_run_of_references_without_any_structure_has_a_page(tmp_path):
    masks(tmp_path / "labels", a={}), masks(tmp_path / "masks", a={}), masks(tmp_path / "other", a={})
    assert "| liver     | 0 |" in score(tmp_path, against=tmp_path / "other")


def test_a_case_whose_name_is_not_utf8_is_written_in_codes(tmp_path):
    for folder in ("labels", "masks"):
        masks(tmp_path / folder, a={0: 1})
        (tmp_path / folder / "a.nii.gz").rename(Path(f"{tmp_path / folder}/lat\udce4.nii.gz"))
    score(tmp_path)
    assert list(read_metrics(tmp_path / "table.tsv")["case"]) == [r"lat\xe4"]
