"""What a `dataset.json` says stays in the data set's folder: paths, links and endings."""

import json

import pytest

from dar_uda.data.layouts import decathlon, nnunet
from tests.data.layouts.test_layouts import write_nifti


@pytest.fixture
def folder(tmp_path):
    """A data set beside the scan of somebody else."""
    write_nifti(tmp_path / "other" / "secret.nii.gz")
    for name in ("imagesTr/a.nii.gz", "labelsTr/a.nii.gz"):
        write_nifti(tmp_path / "set" / name)
    (tmp_path / "set" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "set" / "inner").symlink_to("imagesTr")
    return tmp_path / "set"


def describe(folder, **content):
    (folder / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, **content}))


@pytest.mark.parametrize(
    "way", ["../other/secret.nii.gz", "imagesTr/../../other/secret.nii.gz", "link/secret.nii.gz", "/"]
)
@pytest.mark.parametrize("what", ["image", "label", "test"])
def test_a_file_outside_of_the_data_set_is_no_case(folder, way, what):
    path = str(folder.parent / "other" / "secret.nii.gz") if way == "/" else way
    own = {"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}
    describe(folder, **({"test": [path]} if what == "test" else {"training": [{**own, what: path}]}))
    found = decathlon.find(folder, None)
    assert found.cases == []
    ((_, reason),) = found.left_out
    assert "secret.nii.gz lies outside of" in reason
    assert "(DAR-520): if it is yours, write its row into the cases table" in reason


def test_links_within_the_data_set_are_followed(folder):
    describe(folder, training=[{"image": "./inner/a.nii.gz", "label": "labelsTr/a.nii.gz"}])
    (case,) = decathlon.find(folder, None).cases
    assert case.image.samefile(folder / "imagesTr" / "a.nii.gz") and case.label


@pytest.mark.parametrize(
    "ending", ["", "nii.gz", "./../other/secret.nii.gz", ".*", ".nii/gz", ".n?i", ".[a-z]", ".nii\n", 7]
)
def test_an_ending_is_a_plain_one(folder, ending):
    describe(folder, file_ending=ending)
    with pytest.raises(ValueError, match="DAR-257: .*file_ending is"):
        nnunet.find(folder, None)
