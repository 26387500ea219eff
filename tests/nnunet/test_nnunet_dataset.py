"""Which volumes nnU-Net reads, and which of them stay together."""

import json

import pytest

from dar_uda.nnunet.dataset import grouped_splits, header_of, located, write_dataset

CASES, PATIENTS = ["ct1", "ct2", "ct3"], ["p", "q", "p"]


def written(folder, cases=CASES, patients=PATIENTS, styles=2):
    run = folder / "results" / "x"
    images = [
        run / f"seed-0/synthetic/ct-to-mr/m/{case}/style-{style}.nii" for case in cases for style in range(styles)
    ]
    labels = [run / f"cases/ct/{case}/label.nii" for case in cases for _ in range(styles)]
    target = run / "seed-0/nnunet/ct-to-mr.m"
    files = target / "dataset.json", target / "splits_final.json"
    write_dataset(images, labels, cases, patients, ["liver", "spleen"], *files)
    return files


def test_a_dataset_of_two_styles_points_at_volumes_and_labels_where_they_lie(tmp_path):
    dataset, _ = written(tmp_path, ["ct1"], ["p"])
    assert json.loads(dataset.read_text()) == {
        "channel_names": {"0": "zScore"},
        "labels": {"background": 0, "liver": 1, "spleen": 2},
        "numTraining": 2,
        "file_ending": ".nii",
        "dataset": {
            "ct1-style-0": {
                "images": ["../../synthetic/ct-to-mr/m/ct1/style-0.nii"],
                "label": "../../../cases/ct/ct1/label.nii",
            },
            "ct1-style-1": {
                "images": ["../../synthetic/ct-to-mr/m/ct1/style-1.nii"],
                "label": "../../../cases/ct/ct1/label.nii",
            },
        },
    }


def test_in_another_folder_a_dataset_has_absolute_paths(tmp_path):
    dataset, _ = written(tmp_path)
    entry = located(dataset)["dataset"]["ct2-style-1"]
    assert entry["images"] == [str(tmp_path / "results/x/seed-0/synthetic/ct-to-mr/m/ct2/style-1.nii")]
    assert entry["label"] == str(tmp_path / "results/x/cases/ct/ct2/label.nii")


def test_a_folder_that_nnunet_would_read_as_another_one_is_refused(tmp_path, monkeypatch):
    dataset, _ = written(tmp_path / "$STUDY" / "a")
    located(dataset)
    monkeypatch.setenv("STUDY", "other")
    with pytest.raises(ValueError, match="DAR-362"):
        located(dataset)


def test_a_structure_that_nnunet_would_leave_out_of_its_training_is_refused():
    assert header_of(["liver", "ignored"], 3)["labels"] == {"background": 0, "liver": 1, "ignored": 2}
    with pytest.raises(ValueError, match="DAR-361: The structure `ignore`"):
        header_of(["liver", "ignore"], 3)


def test_all_styles_of_all_scans_of_a_patient_are_on_one_side_of_a_split(tmp_path):
    _, splits = written(tmp_path)
    of_p, of_q = ["ct1-style-0", "ct1-style-1", "ct3-style-0", "ct3-style-1"], ["ct2-style-0", "ct2-style-1"]
    assert json.loads(splits.read_text()) == [{"train": of_q, "val": of_p}, {"train": of_p, "val": of_q}]


@pytest.mark.parametrize(("patients", "folds"), [(1, 0), (2, 2), (5, 5), (12, 5)])
def test_there_are_five_folds_or_one_per_patient_and_each_patient_validates_once(patients, folds):
    of = {f"{patient}-style-{style}": str(patient) for patient in range(patients) for style in range(3)}
    splits = grouped_splits(of)
    assert len(splits) == folds
    for split in splits:
        assert {of[name] for name in split["train"]}.isdisjoint({of[name] for name in split["val"]})
        assert sorted([*split["train"], *split["val"]]) == sorted(of)
    validated = [name for split in splits for name in split["val"]]
    assert sorted(validated) == (sorted(of) if folds else [])
