"""Miniatures of real dataset trees: what each layout pairs, splits and leaves out."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.cli.command import main
from dar_uda.data.layouts import table
from dar_uda.data.layouts.case import Case
from dar_uda.data.layouts.split import draw_split
from tests.data.dicom_files import NAMES, write_series


def write_nifti(path, shape=(4, 5, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.diag([1.0, 1.0, 3.0, 1.0])), path)


def write_tree(folder, *names):
    for name in names:
        write_nifti(folder / name)


def rows_of(path):
    with path.open() as file:
        return {row["case"]: row for row in csv.DictReader(file, delimiter="\t")}


def write_table(tmp_path, capsys, layout, *arguments):
    """Return the rows of the table that `dar-uda cases` writes, by case, and what it printed."""
    path = tmp_path / "cases.tsv"
    assert main(["cases", layout, *map(str, arguments), "-o", str(path)]) == 0, capsys.readouterr().err
    return rows_of(path), capsys.readouterr().out


def refusal(tmp_path, capsys, layout, *arguments):
    assert main(["cases", layout, *map(str, arguments), "-o", str(tmp_path / "cases.tsv")]) == 1
    return capsys.readouterr().err


def splits(rows):
    return {name: row["split"] for name, row in rows.items()}


def test_btcv_has_the_papers_test_cases_and_leaves_out_what_has_no_label(tmp_path, capsys):
    numbers = ("0001", "0002", "0009", "0040")
    write_tree(tmp_path / "RawData", *(f"Training/img/img{number}.nii.gz" for number in (*numbers, "0061")))
    write_tree(tmp_path / "RawData", *(f"Training/label/label{number}.nii.gz" for number in numbers))
    rows, printed = write_table(tmp_path, capsys, "btcv", tmp_path / "RawData")
    assert splits(rows) == {"btcv01": "test", "btcv02": "train", "btcv09": "test", "btcv40": "train"}
    assert rows["btcv02"]["image"] == "RawData/Training/img/img0002.nii.gz"  # from the table's folder
    assert rows["btcv02"]["label"] == "RawData/Training/label/label0002.nii.gz"
    assert "ct: 2 to train (2 with a label), 2 to test (2 with a label)" in printed
    assert "img0061.nii.gz: has no label label/label0061.nii.gz" in printed


def write_chaos_patient(folder, number, pngs=5, steps=(0, 2.5, 5, 7.5, 10)):
    patient = folder / "Train_Sets" / "MR" / str(number) / "T2SPIR"
    patient.mkdir(parents=True)
    write_series(patient / "DICOM_anon", steps)
    for k, name in enumerate(NAMES):
        (patient / "DICOM_anon" / name).rename(patient / "DICOM_anon" / f"IMG-0004-0000{k + 1}.dcm")
    (patient / "Ground").mkdir()
    for k in range(pngs):
        pixels = sitk.GetImageFromArray(np.full((6, 8), 63, np.uint8))
        sitk.WriteImage(pixels, str(patient / "Ground" / f"IMG-{k}.png"))


def test_chaos_pairs_series_with_png_folders_and_leaves_out_mismatches_with_the_reason(tmp_path, capsys):
    for number in (1, 2, 21):
        write_chaos_patient(tmp_path, number)
    write_chaos_patient(tmp_path, 3, pngs=4)
    write_chaos_patient(tmp_path, 5, steps=(0, 2.5, 5, 10, 12.5))
    (tmp_path / "Train_Sets" / "MR" / "2" / "T1DUAL").mkdir()
    (tmp_path / "Test_Sets" / "MR" / "4" / "T2SPIR" / "DICOM_anon").mkdir(parents=True)
    rows, printed = write_table(tmp_path, capsys, "chaos", tmp_path)
    assert splits(rows) == {"chaos01": "test", "chaos02": "train", "chaos21": "train"}
    assert rows["chaos01"]["image"] == "Train_Sets/MR/1/T2SPIR/DICOM_anon"
    assert rows["chaos01"]["label"] == "Train_Sets/MR/1/T2SPIR/Ground"
    left_out = [line for line in printed.splitlines() if line.startswith("  ")]
    assert len(left_out) == 4
    assert any("3/T2SPIR/Ground holds 4 PNG files, its series" in line for line in left_out)
    assert any("a slice is missing" in line and "5/T2SPIR" in line for line in left_out)
    assert any("2/T1DUAL: is another sequence" in line for line in left_out)
    assert any("4/T2SPIR: has no Ground folder" in line for line in left_out)
    assert "CHAOS 21 is known for" in printed


def test_a_second_dataset_is_appended_and_a_table_is_never_overwritten(tmp_path, capsys):
    write_tree(tmp_path / "btcv", "img/img0001.nii.gz", "label/label0001.nii.gz")
    write_chaos_patient(tmp_path / "chaos", 2)
    write_table(tmp_path, capsys, "btcv", tmp_path / "btcv")
    before = (tmp_path / "cases.tsv").read_text()
    assert "exists: give --append" in refusal(tmp_path, capsys, "chaos", tmp_path / "chaos")
    assert "Case btcv01 of domain ct is there 2 times" in refusal(
        tmp_path, capsys, "btcv", tmp_path / "btcv", "--append"
    )
    assert (tmp_path / "cases.tsv").read_text() == before
    rows, _ = write_table(tmp_path, capsys, "chaos", tmp_path / "chaos", "--append")
    assert {name: row["domain"] for name, row in rows.items()} == {"btcv01": "ct", "chaos02": "mr"}


def test_crossmoda_reads_the_names_of_both_years_and_tests_on_the_validation_set(tmp_path, capsys):
    write_tree(
        tmp_path,
        *("source_training/crossmoda_1_ceT1.nii.gz", "source_training/crossmoda_1_Label.nii.gz"),
        *("source_training/crossmoda2022_ldn_7_ceT1.nii.gz", "source_training/crossmoda2022_ldn_7_Label.nii.gz"),
        *("target_training/crossmoda2022_etz_90_hrT2.nii.gz", "target_validation/crossmoda_211_hrT2.nii.gz"),
    )
    rows, printed = write_table(tmp_path, capsys, "crossmoda", tmp_path)
    assert {name: (row["domain"], row["split"], bool(row["label"])) for name, row in rows.items()} == {
        "crossmoda_1": ("ceT1", "train", True),
        "crossmoda2022_ldn_7": ("ceT1", "train", True),
        "crossmoda2022_etz_90": ("hrT2", "train", False),
        "crossmoda_211": ("hrT2", "test", False),
    }
    assert "labels are not public" in printed


def test_crossmoda_in_separate_folders_is_split_as_in_one(tmp_path, capsys):
    training = [f"target_training/crossmoda_{n}_hrT2.nii.gz" for n in range(106, 111)]
    write_tree(tmp_path, *training, "target_validation/crossmoda_211_hrT2.nii.gz")
    write_tree(tmp_path, "source_training/crossmoda_1_ceT1.nii.gz", "source_training/crossmoda_1_Label.nii.gz")
    write_tree(tmp_path, "source_training/crossmoda_2_Label.nii.gz", "source_training/odd.nii.gz")
    parts = ("source_training", "target_training", "target_validation")
    rows, printed = write_table(tmp_path, capsys, "crossmoda", *(tmp_path / part for part in parts))
    assert [name for name, split in splits(rows).items() if split == "test"] == ["crossmoda_211"] and len(rows) == 7
    assert "crossmoda_2_Label.nii.gz: is a label without a scan" in printed
    assert "odd.nii.gz: has no name of crossMoDA's" in printed


def test_crossmoda_without_a_validation_set_draws_test_cases_of_the_target(tmp_path, capsys):
    write_tree(tmp_path, *(f"target_training/crossmoda_{n}_hrT2.nii.gz" for n in range(106, 111)))
    write_tree(tmp_path, "source_training/crossmoda_1_ceT1.nii.gz", "source_training/crossmoda_1_Label.nii.gz")
    rows, printed = write_table(tmp_path, capsys, "crossmoda", tmp_path, "--test-fraction", "0.4")
    assert list(splits(rows).values()).count("test") == 2 and rows["crossmoda_1"]["split"] == "train"
    assert "Split of 5 cases drawn by patient: 0.4 to test, seed 0." in printed


def test_the_schwannoma_sets_pairs_scans_in_their_own_space_and_keep_its_split(tmp_path, capsys):
    for number in (12, 203):
        for modality, reference in (("t1", "refT1"), ("t2", "refT2")):
            folder = tmp_path / f"vs_gk_{number}_{modality}"
            write_tree(folder, f"vs_gk_{modality}_{reference}.nii.gz", f"vs_gk_seg_{reference}.nii.gz")
    write_tree(tmp_path / "vs_gk_12_t1", "vs_gk_t2_refT1.nii.gz", "vs_gk_struc1_TV_refT1.nii.gz")
    table = tmp_path / "cases.tsv"
    assert main(["cases", "schwannoma", str(tmp_path), "-o", str(table)]) == 0
    with table.open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file, delimiter="\t")]
    t1, t2 = "vs_gk_12_t1/vs_gk_t1_refT1.nii.gz", "vs_gk_12_t2/vs_gk_t2_refT2.nii.gz"
    assert rows[:2] == [
        ("vs012", "ceT1", t1, "vs_gk_12_t1/vs_gk_seg_refT1.nii.gz", "train", "vs012"),
        ("vs012", "hrT2", t2, "vs_gk_12_t2/vs_gk_seg_refT2.nii.gz", "train", "vs012"),
    ]
    assert [row[-2] for row in rows] == ["train", "train", "test", "test"]
    printed = capsys.readouterr().out
    assert "vs_gk_t2_refT1.nii.gz: is registered to the other scan" in printed
    assert "vs_gk_struc1_TV_refT1.nii.gz: is one structure of several" in printed


def write_json(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_nnunet_takes_the_first_channel_and_tests_where_the_test_folder_has_labels(tmp_path, capsys):
    dataset = tmp_path / "Dataset001_Abdomen"
    names = {"0": "CT"}
    write_json(dataset / "dataset.json", channel_names=names, labels={"background": 0, "liver": 4}, file_ending=".nii")
    write_tree(dataset, *(f"imagesTr/a{k}_0000.nii" for k in (1, 2)), *(f"labelsTr/a{k}.nii" for k in (1, 2)))
    write_tree(dataset, "imagesTr/a1_0001.nii", "imagesTs/a9_0000.nii", "labelsTs/a9.nii", "labelsTr/a3.nii")
    rows, printed = write_table(tmp_path, capsys, "nnunet", dataset)
    assert splits(rows) == {"a1": "train", "a2": "train", "a9": "test"}
    assert {row["domain"] for row in rows.values()} == {"ct"}
    assert rows["a9"]["label"].endswith("labelsTs/a9.nii")
    assert "a1_0001.nii: is not the first channel" in printed and "liver 4" in printed
    assert "a3.nii: is a label without a scan of its name" in printed


def test_nnunet_draws_labeled_test_cases_by_seed_where_the_test_folder_has_none(tmp_path, capsys):
    dataset = tmp_path / "Dataset002"
    write_json(dataset / "dataset.json", modality={"0": "MRI"}, labels={"0": "background"})
    write_tree(dataset, *(f"imagesTr/b{k}_0000.nii.gz" for k in range(5)), *(f"labelsTr/b{k}.nii.gz" for k in range(5)))
    write_tree(dataset, "imagesTs/c1_0000.nii.gz")
    rows, printed = write_table(tmp_path, capsys, "nnunet", f"mr={dataset}", "--test-fraction", "0.4")
    assert [row["split"] for row in rows.values()].count("test") == 3 and rows["c1"]["split"] == "test"
    assert {row["domain"] for row in rows.values()} == {"mr"}
    assert "mr: 3 to train (3 with a label), 3 to test (2 with a label)" in printed


def test_decathlon_follows_its_dataset_json(tmp_path, capsys):
    task = tmp_path / "Task09_Spleen"
    training = [{"image": f"./imagesTr/s{k}.nii.gz", "label": f"./labelsTr/s{k}.nii.gz"} for k in (1, 2, 3)]
    write_json(task / "dataset.json", modality={"0": "CT"}, training=training, test=["./imagesTs/s4.nii.gz"])
    write_tree(task, *(f"{part}/s{k}.nii.gz" for part in ("imagesTr", "labelsTr") for k in (1, 2)))
    write_tree(task, "imagesTr/s3.nii.gz", "imagesTs/s4.nii.gz", "imagesTr/._s1.nii.gz")
    rows, printed = write_table(tmp_path, capsys, "decathlon", task)
    assert sorted(rows) == ["s1", "s2", "s4"] and rows["s4"]["split"] == "test"
    assert sorted(rows[name]["split"] for name in ("s1", "s2")) == ["test", "train"]
    assert "s3.nii.gz: is listed in dataset.json, but s3.nii.gz is not there" in printed


def test_decathlon_takes_test_entries_as_objects_and_a_training_entry_without_label(tmp_path, capsys):
    training = [{"image": "imagesTr/s1.nii.gz"}, {"image": "imagesTr/s2.nii.gz", "label": "labelsTr/s2.nii.gz"}]
    test = [{"image": "imagesTs/s3.nii.gz"}]
    write_json(tmp_path / "dataset.json", modality={"0": "CT"}, labels=["a"], training=training, test=test)
    write_tree(tmp_path, *(f"imagesTr/s{k}.nii.gz" for k in (1, 2)), "labelsTr/s2.nii.gz", "imagesTs/s3.nii.gz")
    rows, _ = write_table(tmp_path, capsys, "decathlon", tmp_path)
    assert {name: bool(row["label"]) for name, row in rows.items()} == {"s1": False, "s2": True, "s3": False}


@pytest.mark.parametrize("training", [[1], [{"label": "a.nii"}], [{"image": "a.nii", "label": 3}], {"image": [1]}])
def test_a_description_of_another_shape_is_refused_by_name(tmp_path, capsys, training):
    write_json(tmp_path / "dataset.json", modality={"0": "CT"}, training=training)
    assert "dataset.json: training holds" in refusal(tmp_path, capsys, "decathlon", tmp_path)


def test_a_dataset_of_which_nothing_can_be_used_is_refused_with_the_reason(tmp_path, capsys):
    write_json(tmp_path / "dataset.json", modality={"0": "CT"}, training=[{"image": "s1.nii.gz"}])
    write_nifti(tmp_path / "s1.nii.gz", (4, 5, 6, 2))
    told = refusal(tmp_path, capsys, "decathlon", tmp_path)
    assert "found no case of the layout decathlon" in told and "s1.nii.gz" in told
    assert not (tmp_path / "cases.tsv").exists()


def test_bids_pairs_label_maps_by_suffix_or_grid_and_keeps_a_subject_in_one_split(tmp_path, capsys):
    for subject in ("01", "02", "03"):
        folder = tmp_path / f"sub-{subject}" / "ses-a" / "anat"
        write_nifti(folder / f"sub-{subject}_ses-a_T1w.nii.gz", (4, 5, 6))
        write_nifti(folder / f"sub-{subject}_ses-a_T2w.nii.gz", (8, 8, 8))
        labels = tmp_path / "derivatives" / "manual" / f"sub-{subject}" / "ses-a" / "anat"
        write_nifti(labels / f"sub-{subject}_ses-a_desc-tumor_dseg.nii.gz", (8, 8, 8))
    write_nifti(labels / "sub-03_ses-a_space-T1w_dseg.nii.gz", (4, 5, 6))
    (tmp_path / "sub-01" / "ses-a" / "anat" / "notes.nii").write_text("")
    table = tmp_path / "cases.tsv"
    assert main(["cases", "bids", str(tmp_path), "-o", str(table)]) == 0
    with table.open() as file:
        rows = {(row["case"], row["domain"]): row for row in csv.DictReader(file, delimiter="\t")}
    assert len(rows) == 6
    assert rows["sub-01_ses-a", "T2w"]["label"].endswith("sub-01_ses-a_desc-tumor_dseg.nii.gz")
    assert rows["sub-01_ses-a", "T1w"]["label"] == ""
    assert rows["sub-03_ses-a", "T1w"]["label"].endswith("space-T1w_dseg.nii.gz")
    for subject in ("01", "02", "03"):
        assert len({rows[f"sub-{subject}_ses-a", domain]["split"] for domain in ("T1w", "T2w")}) == 1
    assert "notes.nii: has no BIDS name" in capsys.readouterr().out


def write_sessions(folder, *sessions, suffix="T1w"):
    """Write a scan of every session, such as 01_a, of a BIDS dataset."""
    for subject, session in (name.split("_") for name in sessions):
        anat = folder / f"sub-{subject}" / f"ses-{session}" / "anat"
        write_nifti(anat / f"sub-{subject}_ses-{session}_{suffix}.nii.gz")


def test_bids_names_the_subject_of_every_session_and_draws_subjects(tmp_path, capsys):
    subjects = [f"{number:02d}" for number in range(1, 6)]
    write_sessions(tmp_path, *(f"{subject}_{session}" for subject in subjects for session in "abc"))
    rows, printed = write_table(tmp_path, capsys, "bids", tmp_path, "--test-fraction", "0.4")
    assert len(rows) == 15 and {row["patient"] for row in rows.values()} == {f"sub-{subject}" for subject in subjects}
    assert all(name.startswith(f"{row['patient']}_ses-") for name, row in rows.items())
    assert len({(row["patient"], row["split"]) for row in rows.values()}) == 5
    assert "T1w: 9 to train (0 with a label), 6 to test (0 with a label)" in printed


def test_a_later_session_goes_to_its_subjects_side_and_the_patients_of_the_table_stay(tmp_path, capsys):
    write_sessions(tmp_path / "first", "01_a", "02_a", "03_a", "04_a")
    before, _ = write_table(tmp_path, capsys, "bids", tmp_path / "first", "--test-fraction", "0.5")
    write_sessions(tmp_path / "later", "01_b", "02_b", "03_b", "04_b")
    rows, _ = write_table(tmp_path, capsys, "bids", tmp_path / "later", "--append")
    sides = {row["patient"]: row["split"] for row in before.values()}
    assert sorted(sides.values()) == ["test", "test", "train", "train"]
    assert len(rows) == 8 and all(row["split"] == sides[row["patient"]] for row in rows.values())


def test_further_scans_of_a_patient_of_both_train_and_its_domain_has_cases_to_train_and_to_test(tmp_path, capsys):
    write_sessions(tmp_path, "01_b", "02_b")
    (tmp_path / "cases.tsv").write_text(
        "case\tdomain\timage\tlabel\tsplit\tpatient\n"
        "sub-01_a\tT1w\told.nii\t\tboth\tsub-01\n"
        "sub-02_a\tT1w\tother.nii\t\tboth\tsub-02\n"
    )
    rows, printed = write_table(tmp_path, capsys, "bids", tmp_path, "--append")
    assert splits(rows) == {
        **{"sub-01_a": "both", "sub-02_a": "both"},
        **{"sub-01_ses-b": "train", "sub-02_ses-b": "train"},
    }
    assert "T1w: 2 to train (0 with a label), 0 to test" in printed and "DAR-253" not in printed


def test_a_published_split_that_tears_a_patient_of_the_table_apart_is_refused(tmp_path, capsys):
    write_tree(tmp_path / "vs_gk_203_t1", "vs_gk_t1_refT1.nii.gz")  # a test case of the dataset's own split
    (tmp_path / "cases.tsv").write_text(
        "case\tdomain\timage\tlabel\tsplit\tpatient\nold\tceT1\told.nii\t\ttrain\tvs203\n"
    )
    told = refusal(tmp_path, capsys, "schwannoma", tmp_path, "--append")
    assert "DAR-047: patient 'vs203' of domain ceT1 has training cases (old) and test cases (vs203)" in told
    assert len(rows_of(tmp_path / "cases.tsv")) == 1


def test_a_table_has_no_column_of_patients_where_names_do_not_say_who_they_are(tmp_path, capsys):
    write_tree(tmp_path, "images/p1_0000.nii", "images/p1_T2.nii")
    write_table(tmp_path, capsys, "folders", f"ct={tmp_path}")
    assert (tmp_path / "cases.tsv").read_text().startswith("case\tdomain\timage\tlabel\tsplit\n")


def test_bids_pairs_repeated_scans_by_their_entities(tmp_path, capsys):
    anat = Path("sub-01") / "anat"
    for run in ("run-1", "run-2"):
        write_nifti(tmp_path / anat / f"sub-01_{run}_T1w.nii.gz")
        write_nifti(tmp_path / "derivatives" / "manual" / anat / f"sub-01_{run}_space-T1w_dseg.nii.gz")
    rows, _ = write_table(tmp_path, capsys, "bids", tmp_path)
    assert {name: Path(row["label"]).name for name, row in rows.items()} == {
        "sub-01_run-1": "sub-01_run-1_space-T1w_dseg.nii.gz",
        "sub-01_run-2": "sub-01_run-2_space-T1w_dseg.nii.gz",
    }


def test_an_appended_dataset_has_its_patients_where_the_table_has_them(tmp_path, capsys):
    names = [f"p{k}" for k in range(10)]
    write_tree(tmp_path / "ct", *(f"{part}/{name}.nii.gz" for part in ("images", "labels") for name in names))
    write_tree(tmp_path / "mr", *(f"images/{name}.nii.gz" for name in names), *(f"labels/p{k}.nii.gz" for k in (0, 1)))
    before, _ = write_table(tmp_path, capsys, "folders", f"ct={tmp_path / 'ct'}")
    path = tmp_path / "cases.tsv"
    assert main(["cases", "folders", f"mr={tmp_path / 'mr'}", "-o", str(path), "--append"]) == 0
    with path.open() as file:
        sides = {(row["domain"], row["case"]): row["split"] for row in csv.DictReader(file, delimiter="\t")}
    assert {name: sides["mr", name] for name in names} == {name: sides["ct", name] for name in names} == splits(before)


@pytest.mark.parametrize("append", [True, False])
def test_two_processes_with_one_table_lose_no_row(tmp_path, capsys, monkeypatch, append):
    write_tree(tmp_path, "ct/images/p1.nii", "mr/images/q1.nii")
    find, options = table.find_cases, ["--append"] * append

    def find_while_another_writes(*arguments):
        monkeypatch.setattr(table, "find_cases", find)
        write_table(tmp_path, capsys, "folders", f"mr={tmp_path / 'mr'}", *options)
        return find(*arguments)

    monkeypatch.setattr(table, "find_cases", find_while_another_writes)
    arguments = tmp_path, capsys, "folders", f"ct={tmp_path / 'ct'}", *options
    if append:
        assert write_table(*arguments)[0].keys() == {"p1", "q1"}
    else:
        assert "exists: give --append" in refusal(*arguments) and rows_of(tmp_path / "cases.tsv").keys() == {"q1"}


def test_a_table_where_nothing_can_be_written_is_told_with_the_remedy(tmp_path, capsys):
    write_tree(tmp_path, "ct/images/p1.nii")
    (tmp_path / "cases.tsv").touch()
    assert main(["cases", "folders", f"ct={tmp_path / 'ct'}", "-o", str(tmp_path / "cases.tsv" / "new.tsv")]) == 1
    assert "cases.tsv: nothing can be written there (File exists); give another folder" in capsys.readouterr().err


def test_plain_folders_pair_by_name_whatever_the_ending(tmp_path, capsys):
    write_tree(tmp_path / "ct", "images/p1_image.nii.gz", "labels/p1_seg.nii.gz", "images/p2.nii.gz", "labels/x.nii")
    write_series(_parent(tmp_path / "mr" / "images" / "q1"))
    write_nifti(tmp_path / "mr" / "images" / "q2.nii")
    sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkInt16), str(tmp_path / "mr" / "images" / "q3.mhd"))
    (tmp_path / "mr" / "images" / "readme.txt").write_text("")
    rows, printed = write_table(tmp_path, capsys, "folders", f"ct={tmp_path / 'ct'}", f"mr={tmp_path / 'mr'}")
    assert {name: Path(row["label"]).name for name, row in rows.items()} == {
        "p1": "p1_seg.nii.gz",
        "p2": "",
        "q1": "",
        "q2": "",
        "q3": "",
    }
    assert rows["q1"]["image"] == "mr/images/q1"
    assert "x.nii: has no scan of its name" in printed and "readme.txt: is neither" in printed


def _parent(path):
    path.parent.mkdir(parents=True)
    return path


def test_a_label_on_another_grid_and_an_unreadable_scan_are_left_out_with_the_reason(tmp_path, capsys):
    folder = tmp_path / "ct"
    write_tree(folder, "images/a.nii.gz", "images/b.nii.gz")
    write_nifti(folder / "labels" / "b.nii.gz", (4, 5, 7))
    (folder / "images" / "c.nii.gz").write_text("no image")
    rows, printed = write_table(tmp_path, capsys, "folders", f"ct={folder}")
    assert list(rows) == ["a"]
    assert "Case b: image and label do not share a grid" in printed and "The label is" in printed
    assert "c.nii.gz is not a NIfTI file" in printed


@pytest.mark.parametrize(
    ("layout", "folder", "message"),
    [
        ("btcv", "none", "none: no such folder"),
        ("btcv", ".", "found no case of the layout btcv"),
        ("bids", ".", "layout bids; expected BIDS: `sub-*/anat/sub-*_{T1w,T2w,...}.nii.gz`, labels in `derivatives/"),
        ("folders", "ct=.", "has no folder images/: put the scans into images/, their labels into labels/"),
        ("folders", ".", "Plain folders do not tell their domain"),
        ("nnunet", ".", "has no dataset.json"),
        ("crossmoda", "ct=.", "crossMoDA's names tell the domain"),
    ],
)
def test_a_folder_of_another_layout_is_refused_by_name(tmp_path, capsys, layout, folder, message):
    path = folder.replace(".", str(tmp_path)) if "." in folder else tmp_path / folder
    assert message in refusal(tmp_path, capsys, layout, path)
    assert not (tmp_path / "cases.tsv").exists()


def test_a_domain_without_cases_of_a_split_is_told(tmp_path, capsys):
    write_tree(tmp_path / "ct", "images/a.nii", "images/b.nii")
    write_tree(tmp_path / "mr", "images/c.nii")
    _, printed = write_table(tmp_path, capsys, "folders", f"ct={tmp_path / 'ct'}", f"mr={tmp_path / 'mr'}")
    assert "Domain mr has no case to test: it can be a source" in printed and "Domain ct" not in printed
    write_json(tmp_path / "dataset.json", channel_names={"0": "CT"}, labels={})
    write_nifti(tmp_path / "imagesTs" / "t_0000.nii.gz")
    (tmp_path / "cases.tsv").unlink()
    _, printed = write_table(tmp_path, capsys, "nnunet", tmp_path)
    assert "WARNING: domain ct has no case to train" in printed


@pytest.mark.parametrize("fraction", ["abc", "0", "1.5", "nan"])
def test_what_is_not_a_fraction_is_refused_in_words(tmp_path, capsys, fraction):
    with pytest.raises(SystemExit):
        main(["cases", "btcv", str(tmp_path), "-o", str(tmp_path / "cases.tsv"), "--test-fraction", fraction])
    assert f"{fraction} is not a fraction between 0 and 1, such as 0.2" in capsys.readouterr().err


def case(name, domain="ct", labeled=True, patient=None):
    label = Path("label") if labeled else None
    return Case(name, domain, patient or name, Path("image"), label)


def test_the_split_is_by_patient_prefers_labels_and_knows_no_order_of_the_cases():
    cases = [case(f"p{k}") for k in range(8)] + [case(f"p{k}", "mr", patient=f"p{k}") for k in range(8)]
    cases += [case(f"u{k}", labeled=False) for k in range(3)] + [case(f"q{k}") for k in range(2)]
    drawn = {(c.domain, c.name): c.split for c in draw_split(cases, 0.25, seed=3)}
    assert drawn == {(c.domain, c.name): c.split for c in draw_split(cases[::-1], 0.25, seed=3)}
    both = [drawn["ct", f"p{k}"] for k in range(8)]
    assert both == [drawn["mr", f"p{k}"] for k in range(8)] and both.count("test") == 2
    assert all(drawn["ct", f"u{k}"] == "train" for k in range(3))
    assert sorted(drawn["ct", f"q{k}"] for k in range(2)) == ["test", "train"]
    assert drawn != {(c.domain, c.name): c.split for c in draw_split(cases, 0.25, seed=4)}
