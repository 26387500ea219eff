"""What a cases table may have the workflow generate: nothing that is not generated is an output of it."""

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.phantom_files import FOLDER, MARK, is_phantom, path_in, phantom_path, problems_of_phantoms
from dar_uda.jobs.provenance import checksums


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with generated files 1 and 2, a user's own file among them, and the user's own data."""
    project = tmp_path / "project"
    (project / FOLDER / "ct").mkdir(parents=True)
    (project / "own").mkdir()
    monkeypatch.chdir(project)
    for name, mark in (("ct/1_image", MARK), ("ct/1_label", MARK), ("mine", "a scanner")):
        write(Path(FOLDER, f"{name}.nii.gz"), mark)
    for name in ("image", "label"):
        write(Path("own", f"{name}.nii.gz"), "a scanner")
    Path("alias").symlink_to("results/phantom")
    Path(FOLDER, "to_own.nii.gz").symlink_to(project / "own" / "image.nii.gz")
    return project


def write(path, mark):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    image.header["descrip"] = mark
    nib.save(image, path)


def problems(*pairs):
    """Return the problems of rows with these images and labels, as the workflow hands them on."""
    rows = [{"case": f"c{k}", "image": normal(image), "label": normal(label)} for k, (image, label) in enumerate(pairs)]
    return list(problems_of_phantoms(rows))


def normal(path):
    return phantom_path(os.path.normpath(path)) if path else ""


GENERATED = f"{FOLDER}/ct/1_image.nii.gz", f"{FOLDER}/ct/1_label.nii.gz"
NEW = f"{FOLDER}/ct/2_image.nii", f"{FOLDER}/ct/2_label.nii.gz"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("image", [GENERATED[0], NEW[0], "alias/data/ct/1_image.nii.gz"])
@pytest.mark.parametrize("label", [GENERATED[1], NEW[1], "", f"{FOLDER}/../data/ct/3.nii"])
def test_generated_files_are_right_by_any_spelling_there_or_to_come(image, label):
    assert problems((image, label), ("own/image.nii.gz", "own/label.nii.gz"), ("own/image.nii.gz", "")) == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("image", "label", "problem"),
    [
        (GENERATED[0], "own/label.nii.gz", "case c0: label own/label.nii.gz lies outside results/phantom/data"),
        ("alias/data/x.nii", "own/label.nii.gz", "label own/label.nii.gz lies outside"),
        ("own/image.nii.gz", GENERATED[1], "case c0: image own/image.nii.gz lies outside"),
        (f"{FOLDER}/mine.nii.gz", "", "mine.nii.gz was not generated, and would be written over"),
        (NEW[0], f"{FOLDER}/ct/../mine.nii.gz", "mine.nii.gz was not generated"),
        (f"{FOLDER}/to_own.nii.gz", "", "to_own.nii.gz was not generated"),
        (f"{FOLDER}/ct", "", "expected a name in .nii or .nii.gz"),
        (f"{FOLDER}/new.mha", "", "expected a name in .nii or .nii.gz"),
        (NEW[0], NEW[0], "is named 2 times"),
    ],
)
def test_what_is_not_generated_is_never_an_output(image, label, problem):
    assert any(problem in line for line in problems((image, label)))


@pytest.mark.usefixtures("project")
def test_files_of_an_earlier_version_are_known_by_the_jobs_provenance_while_they_are_as_it_wrote_them():
    files = [f"{FOLDER}/ct/{number}_image.nii.gz" for number in (8, 9)]
    for file in files:
        write(file, "")
    assert len(problems(*((file, "") for file in files))) == 2
    Path(FOLDER, "ct", "8_image.provenance.json").write_text(json.dumps({"outputs": checksums(files)}))
    Path(FOLDER, "ct", "broken.provenance.json").write_text("{")
    assert problems(*((file, "") for file in files)) == []
    write(files[1], "exchanged by hand")
    assert [line.partition(" was")[0] for line in problems(*((file, "") for file in files))] == [
        f"DAR-020: case c1: image {files[1]}"
    ]


def test_a_path_in_a_folder_is_known_through_any_link(project):
    assert path_in("results", f"{project}/alias/x") == "results/phantom/x"
    assert path_in("results", "own/image.nii.gz") == "own/image.nii.gz"
    assert path_in("results", "results_2/x") == "results_2/x"
    shutil.move("results", project.parent / "scratch")
    Path("results").symlink_to(project.parent / "scratch")
    assert path_in("results", f"{project.parent}/scratch/phantom/x") == "results/phantom/x"
    assert problems(GENERATED) == []


def test_no_table_of_any_spellings_has_the_workflow_write_over_a_users_file(project):
    """300 draws of up to three rows; what the workflow then takes for its outputs is generated or not there."""
    rng, accepted = np.random.default_rng(0), 0
    places = [
        *("own/image.nii.gz", "own/label.nii.gz", *GENERATED, *NEW, f"{FOLDER}/mine.nii.gz", f"{FOLDER}/to_own.nii.gz"),
        *("", "", f"{FOLDER}/new.nrrd", f"{FOLDER}/ct/3_image.nii", f"{FOLDER}/ct/3_label.nii"),
    ]
    spellings = ["{}", "own/../{}", "./{}", f"{project}/{{}}"]
    for _ in range(300):
        pairs = [
            [rng.choice(spellings).format(path) if path else "" for path in rng.choice(places, 2)]
            for _ in range(rng.integers(1, 4))
        ]
        if problems(*pairs):
            continue
        accepted += 1
        made = [pair for pair in pairs if is_phantom(normal(pair[0]))]  # the outputs of rule make_phantom
        outputs = [normal(path) for pair in made for path in pair if path]
        assert len(set(outputs)) == len(outputs)
        for path in outputs:
            assert Path(path).resolve().is_relative_to(Path(FOLDER).resolve())
            assert not Path(path).exists() or nib.load(path).header["descrip"].item() == MARK.encode()
    assert accepted > 30


def test_the_generator_marks_its_files(tmp_path):
    from dar_uda.data.phantom import _write

    _write(tmp_path / "x.nii.gz", np.zeros((3, 3, 3), np.int16), np.eye(4), "LPS")
    assert nib.load(tmp_path / "x.nii.gz").header["descrip"].item() == MARK.encode()
