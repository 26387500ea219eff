"""A label belongs to its image: random trees whose truth is known, and the traps of every layout."""

import json
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.layouts import bids, btcv, crossmoda, decathlon, folders, nnunet, schwannoma

GRIDS = (np.diag([1.0, 1.0, 3.0, 1.0]), np.diag([2.0, 2.0, 3.0, 1.0]))
CONTENTS = [nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), grid).to_bytes() for grid in GRIDS]


def write(path, grid=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENTS[grid])
    return path


def tree(folder, *names):
    for name in names:
        write(folder / name)
    return folder


def pairs_of(found):
    """Return the label's name of every scan, by the scan's path; None where it has none."""
    return {case.image: case.label and case.label.name for case in found.cases}


def labels_of(found):
    return {case.image.name: case.label and case.label.name for case in found.cases}


def reasons(found):
    return "\n".join(f"{path.name} {reason}" for path, reason in found.left_out)


# BIDS


def bids_name(entities, *words):
    return "_".join([*(f"{key}-{value}" for key, value in entities.items()), *words]) + ".nii"


def random_scans(rng):
    """Return the entities and suffix of the scans of one subject, no two alike."""
    sessions = [{}] if rng.random() < 0.5 else [{"ses": "a"}, {"ses": "b"}]
    others = [{}, {"acq": "x"}, {"run": "1"}, {"run": "2"}, {"echo": "1"}, {"acq": "x", "run": "2"}, {"ce": "gd"}]
    chosen = [others[k] for k in rng.choice(len(others), rng.integers(1, 4), replace=False)]
    all_scans = [{**one, **other} for one, other in product(sessions, chosen)]
    scans = [(entities, suffix) for entities in all_scans for suffix in ("T1w", "T2w") if rng.random() < 0.7]
    return scans or [(all_scans[0], "T1w")]


def label_name(rng, subject, scan, scans):
    """Return a name that a person gives the label of a scan: all entities or all but one, the suffix here or there."""
    entities, suffix = scan
    if entities and rng.random() < 0.4:
        left = rng.choice(list(entities))
        shorter = {key: value for key, value in entities.items() if key != left}
        if (shorter, suffix) not in scans and shorter not in [entities for entities, _ in scans]:
            entities = shorter
    entities = {"sub": subject, **entities}
    style = rng.integers(6)
    if style < 2:
        return bids_name({**entities, **({"desc": "manual"} if style else {})}, suffix, "dseg")
    if style < 4:
        return bids_name({**entities, "space" if style == 2 else "desc": suffix}, "dseg")
    return bids_name({**entities, **({"space": "orig", "label": "liver"} if style == 4 else {})}, "dseg")


def strange_label(rng, subject, scan):
    """Return the name of a label of a scan that the dataset does not hold."""
    entities, suffix = scan
    strange = [
        {"space": "MNI152"},
        {"run": "9"},
        {"acq": "other"},
        {"res": "2"},
        {"hemi": "L"},
        {"ses": "c"},
        {"echo": "7"},
    ]
    return bids_name({"sub": subject, **entities, **strange[rng.integers(len(strange))]}, suffix, "dseg")


def test_in_200_random_bids_trees_a_label_is_its_scans_or_nobodys(tmp_path):
    """A label may leave out a session, run, acquisition or echo: it is paired where no other scan could be meant."""
    rng = np.random.default_rng(25)
    paired = 0
    for number in range(200):
        truth = {}
        for subject in ("1", "10"):
            truth.update(random_subject(rng, tmp_path / str(number), subject))
        for case in bids.find(tmp_path / str(number), None).cases:
            if case.label:
                paired += 1
                assert truth.get(case.label) == case.image, (case.image, case.label)
    assert paired > 300


def random_subject(rng, folder, subject):
    """Write the scans of a subject, labels of some of them and labels of none; return the scan of each label."""
    truth, scans = {}, random_scans(rng)
    labels = folder / "derivatives" / "manual" / f"sub-{subject}" / "anat"
    for scan in scans:
        entities, suffix = scan
        grid, session = int(rng.integers(2)), [f"ses-{entities['ses']}"] if "ses" in entities else []
        in_name = {key: value for key, value in entities.items() if key != "ses" or rng.random() < 0.8}
        name = bids_name({"sub": subject, **in_name}, suffix)
        image = write(folder.joinpath(f"sub-{subject}", *session, "anat", name), grid)
        label = labels / label_name(rng, subject, scan, scans)
        if rng.random() < 0.7 and not label.exists():
            truth[write(label, grid)] = image
        if rng.random() < 0.2:
            write(labels / strange_label(rng, subject, scan), grid)
    return truth


@pytest.mark.parametrize(
    ("scans", "labels", "pairs"),
    [
        (["run-1_T1w"], ["run-2_T1w_dseg"], {}),
        (["run-1_T1w", "run-2_T1w"], ["run-2_T1w_dseg"], {"run-2_T1w": "run-2_T1w_dseg"}),
        (["run-01_T1w"], ["run-1_T1w_dseg"], {"run-01_T1w": "run-1_T1w_dseg"}),
        (["run-1_T1w", "run-2_T1w"], ["T1w_dseg"], {}),
        (["run-1_T1w"], ["T1w_dseg"], {"run-1_T1w": "T1w_dseg"}),
        (["T1w", "acq-x_T1w"], ["T1w_dseg"], {"T1w": "T1w_dseg"}),
        (["T1w", "acq-x_T1w"], ["acq-x_T1w_dseg"], {"acq-x_T1w": "acq-x_T1w_dseg"}),
        (["T1w"], ["acq-x_T1w_dseg"], {}),
        (["T1w"], ["space-MNI152_T1w_dseg"], {}),
        (["T1w"], ["hemi-L_T1w_dseg"], {}),
        (["T1w"], ["space-orig_dseg"], {"T1w": "space-orig_dseg"}),
        (["T1w"], ["T2w_dseg"], {}),
        (["T1w"], ["space-T2w_dseg"], {}),
        (["T1w"], ["desc-T2w_dseg"], {}),
        (["T1w", "T2w"], ["dseg"], {}),
        (["T1w", "T2w"], ["desc-tumor_dseg"], {}),
        (["T1w"], ["desc-tumor_dseg"], {"T1w": "desc-tumor_dseg"}),
        (["T1w"], ["desc-tumor_dseg", "desc-liver_dseg"], {}),
        (["echo-1_MEGRE", "echo-2_MEGRE"], ["echo-2_MEGRE_dseg"], {"echo-2_MEGRE": "echo-2_MEGRE_dseg"}),
        (["ce-gd_T1w", "T1w"], ["ce-gd_T1w_dseg"], {"ce-gd_T1w": "ce-gd_T1w_dseg"}),
        (["part-mag_T2starw", "part-phase_T2starw"], ["T2starw_dseg"], {}),
    ],
)
def test_bids_labels_go_to_the_scan_that_their_entities_name(tmp_path, scans, labels, pairs):
    for name in scans:
        write(tmp_path / "sub-1" / "anat" / f"sub-1_{name}.nii")
    for name in labels:
        write(tmp_path / "derivatives" / "m" / "sub-1" / "anat" / f"sub-1_{name}.nii")
    found = bids.find(tmp_path, None)
    expected = {f"sub-1_{name}.nii": f"sub-1_{pairs[name]}.nii" if name in pairs else None for name in scans}
    assert labels_of(found) == expected
    assert bool(found.left_out) == (len(pairs) < len(labels)), reasons(found)


def test_bids_sessions_count_in_folders_and_in_names(tmp_path):
    for session in "ab":
        write(tmp_path / "sub-1" / f"ses-{session}" / "anat" / "sub-1_T1w.nii")
    labels = tmp_path / "derivatives" / "m" / "sub-1"
    write(labels / "ses-b" / "anat" / "sub-1_T1w_dseg.nii")
    write(labels / "ses-a" / "anat" / "sub-1_ses-b_desc-x_dseg.nii")
    found = bids.find(tmp_path, None)
    assert [(case.name, case.label is not None) for case in found.cases] == [
        ("sub-1_ses-a", False),
        ("sub-1_ses-b", True),
    ]
    assert "sub-1_ses-b_desc-x_dseg.nii has two values of one entity" in reasons(found)


def test_a_bids_label_of_a_scan_that_is_not_asked_for_stays_with_it(tmp_path):
    tree(tmp_path, "sub-1/anat/sub-1_T1w.nii", "sub-1/anat/sub-1_T2w.nii", "derivatives/sub-1/anat/sub-1_dseg.nii")
    assert labels_of(bids.find(tmp_path, "T1w")) == {"sub-1_T1w.nii": None}


def test_hidden_bids_files_capitals_and_label_maps_among_the_scans(tmp_path):
    tree(tmp_path, "sub-1/anat/sub-1_T1w.NII", "sub-1/anat/._sub-1_T1w.nii", "sub-1/anat/sub-1_dseg.nii")
    tree(tmp_path, "derivatives/sub-1/anat/sub-1_T1w_dseg.NII", "derivatives/sub-1/anat/._sub-1_T1w_dseg.nii")
    found = bids.find(tmp_path, None)
    assert labels_of(found) == {"sub-1_T1w.NII": "sub-1_T1w_dseg.NII"}
    assert [path.name for path, _ in found.left_out] == ["sub-1_dseg.nii"]


def test_a_mask_for_defacing_is_no_scan_of_its_subject(tmp_path):
    tree(tmp_path, "sub-1/anat/sub-1_T1w.nii", "sub-1/anat/sub-1_mod-T1w_defacemask.nii")
    tree(tmp_path, "derivatives/x/sub-1/anat/sub-1_dseg.nii")
    found = bids.find(tmp_path, None)
    assert labels_of(found) == {"sub-1_T1w.nii": "sub-1_dseg.nii"}
    assert [path.name for path, _ in found.left_out] == ["sub-1_mod-T1w_defacemask.nii"]


def test_links_to_folders_are_followed_each_folder_once(tmp_path):
    data, other = tree(tmp_path / "data", "sub-1/anat/sub-1_T1w.nii"), tmp_path / "other"
    tree(other, "sub-1/anat/sub-1_dseg.nii", "img/img0001.nii", "label/label0001.nii")
    (data / "derivatives").mkdir()
    for name, place in (("manual", other), ("again", other), ("raw", data), ("nowhere", tmp_path / "nowhere")):
        (data / "derivatives" / name).symlink_to(place)
    (other / "round").symlink_to(data / "derivatives")
    assert labels_of(bids.find(data, None)) == {"sub-1_T1w.nii": "sub-1_dseg.nii"}
    (tmp_path / "btcv").mkdir()
    for name in ("img", "label"):
        (tmp_path / "btcv" / name).symlink_to(other / name)
    assert labels_of(btcv.find(tmp_path / "btcv", None)) == {"img0001.nii": "label0001.nii"}


# Plain folders


def test_in_300_random_folders_a_label_is_its_scans_or_nobodys(tmp_path):
    """Names that begin or end alike; the base of each is known when it is made."""
    rng = np.random.default_rng(25)
    bases = [
        "case1",
        "case10",
        "case01",
        "case_1",
        "Case1",
        "case1_b",
        "1",
        "10",
        "case1.2",
        "case",
        "fälle 1",
        "labeled",
    ]
    for_images, for_labels = ["", "_image", "-img", "_0000", ".scan"], ["", "_seg", "-label", ".gt", "_Mask"]
    paired = 0
    for number in range(300):
        folder, truth = tmp_path / str(number), {}
        for base in rng.choice(bases, 5, replace=False):
            ending = rng.choice([".nii", ".NII", ".nii.gz"])
            images = [
                write(folder / "images" / f"{base}{end}{ending}") for end in rng.choice(for_images, rng.integers(3))
            ]
            for end in rng.choice(for_labels, rng.choice([0, 1, 1, 1, 2])):
                truth[write(folder / "labels" / f"{base}{end}.nii")] = set(images)
        if not (folder / "images").is_dir():
            continue
        for case in folders.find(folder, "ct").cases:
            if case.label:
                paired += 1
                assert truth[case.label] == {case.image}, (case.image, case.label)
            else:  # none is lost where the pair is the only one
                own = [label for label, images in truth.items() if case.image in images]
                assert len(own) != 1 or len(truth[own[0]]) > 1, (case.image, own)
    assert paired > 200


def test_two_labels_of_one_scan_and_two_scans_of_one_label_stay_apart(tmp_path):
    tree(tmp_path / "images", "a.nii", "b.nii", "b_0000.nii", "c.nii", "._c.nii")
    tree(tmp_path / "labels", "a_label.nii", "a-label.nii", "b.nii", "c.nii", "._a.nii")
    found = folders.find(tmp_path, "ct")
    assert labels_of(found) == {"a.nii": None, "b.nii": None, "b_0000.nii": None, "c.nii": "c.nii"}
    assert "a.nii has several label maps (a-label.nii, a_label.nii): it stays without one" in reasons(found)
    assert "b.nii has a label map (b.nii) that may be another scan's: it stays without one" in reasons(found)


def test_numbered_scans_of_which_the_first_is_0000_keep_their_labels(tmp_path):
    names = [f"vol_{k:04}.nii" for k in range(3)]
    tree(tmp_path, *(f"{part}/{name}" for part in ("images", "labels") for name in names))
    assert labels_of(folders.find(tmp_path, "ct")) == {name: name for name in names}


def test_a_mac_and_a_linux_spelling_of_an_umlaut_are_one_name(tmp_path):
    tree(tmp_path, "images/O\u0308l.nii", "labels/\u00d6l.nii")
    assert list(labels_of(folders.find(tmp_path, "ct")).values()) == ["\u00d6l.nii"]


# The other layouts


def description(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"channel_names": {"0": "CT"}, "labels": {}, **content})
    (folder / "dataset.json").write_text(text, encoding="utf-8-sig")  # with a byte order mark, as Windows writes it
    return folder


def test_nnunet_reads_capitals_and_takes_no_label_of_two(tmp_path):
    folder = tree(description(tmp_path, file_ending=".nii"), "imagesTr/a_0000.NII", "labelsTr/a.nii", "labelsTr/a.NII")
    tree(folder, "imagesTr/case1_0000.nii", "imagesTr/case10_0000.nii", "labelsTr/case10.nii", "imagesTr/._b_0000.nii")
    write(folder / "imagesTr" / "c_0000.nrrd")
    found = nnunet.find(folder, None)
    assert labels_of(found) == {"a_0000.NII": None, "case1_0000.nii": None, "case10_0000.nii": "case10.nii"}
    assert "a_0000.NII has several label maps (a.NII, a.nii)" in reasons(found)
    assert "c_0000.nrrd does not end in .nii, as file_ending of dataset.json says" in reasons(found)


@pytest.mark.parametrize("ending", [3, "nii", ["nii.gz"], None])
def test_a_file_ending_that_is_none_is_refused(tmp_path, ending):
    with pytest.raises(ValueError, match="dataset.json: file_ending is .*; expected an ending such as"):
        nnunet.find(description(tmp_path, file_ending=ending), None)


@pytest.mark.parametrize("channel", ["\u78c1\u5171\u632f", "", "-", "x" * 41])
def test_a_channel_that_gives_no_domain_is_refused_with_the_remedy(tmp_path, channel):
    with pytest.raises(
        ValueError, match="calls channel 0 .*; a domain is up to 40 letters and digits: say it, as in ct="
    ):
        nnunet.find(description(tmp_path, channel_names={"0": channel}), None)


def test_a_decathlon_label_of_two_entries_and_hidden_entries_are_left_out(tmp_path):
    training = [
        {"image": f"{name}.nii", "label": label} for name, label in (("a", "l.nii"), ("b", "l.nii"), ("c", "m.nii"))
    ]
    folder = tree(description(tmp_path, training=[*training, {"image": "._c.nii"}]), "a.nii", "b.nii", "c.nii", "l.nii")
    tree(folder, "m.nii", "._c.nii")
    found = decathlon.find(folder, None)
    assert labels_of(found) == {"a.nii": None, "b.nii": None, "c.nii": "m.nii"}
    assert "._c.nii is listed in dataset.json, but is a hidden file" in reasons(found)


def test_crossmoda_takes_no_label_of_two_and_none_of_another_folder(tmp_path):
    tree(
        tmp_path / "a",
        *(f"crossmoda_{n}_ceT1.nii" for n in (1, 10, 2)),
        "crossmoda_10_Label.nii",
        "._crossmoda_1_Label.nii",
    )
    tree(tmp_path / "a", "crossmoda_2_Label.nii", "crossmoda_2_Label.nii.gz")
    tree(tmp_path / "b", "crossmoda_1_Label.nii", "crossmoda_3_ceT1.NII.GZ", "crossmoda_3_Label.NII.GZ")
    found = crossmoda.find(tmp_path, None)
    assert labels_of(found) == {
        "crossmoda_1_ceT1.nii": None,
        "crossmoda_10_ceT1.nii": "crossmoda_10_Label.nii",
        "crossmoda_2_ceT1.nii": None,
        "crossmoda_3_ceT1.NII.GZ": "crossmoda_3_Label.NII.GZ",
    }
    assert "crossmoda_1_Label.nii is a label without a scan" in reasons(found)


def test_schwannoma_takes_the_one_label_of_the_reference(tmp_path):
    tree(
        tmp_path / "vs_gk_1_t1",
        "vs_gk_t1_refT1.nii",
        "vs_gk_seg_refT1.nii",
        "vs_gk_seg_refT1_old.nii",
        "._vs_gk_seg_refT1.nii",
    )
    tree(tmp_path / "vs_gk_2_t1", "vs_gk_t1_refT1.nii", "vs_gk_seg_refT1.nii", "vs_gk_seg_refT1.nii.gz")
    found = schwannoma.find(tmp_path, None)
    assert [(case.name, case.label and case.label.name) for case in found.cases] == [
        ("vs001", "vs_gk_seg_refT1.nii"),
        ("vs002", None),
    ]


def test_btcv_leaves_out_a_scan_with_two_labels_and_reads_capitals(tmp_path):
    tree(
        tmp_path,
        "img/img0001.NII.GZ",
        "label/label0001.nii.gz",
        "img/img0002.nii",
        "img/._img0001.nii",
        "img/img0003.nii",
    )
    tree(tmp_path, "label/label0002.nii", "label/label0002.nii.gz")
    found = btcv.find(tmp_path, None)
    assert labels_of(found) == {"img0001.NII.GZ": "label0001.nii.gz"}
    assert "img0002.nii has several label maps" in reasons(found)
    assert "img0003.nii has no label label/label0003.nii.gz" in reasons(found)


def test_nothing_in_hidden_folders_is_found(tmp_path):
    tree(tmp_path, ".Trash/img/img0001.nii", ".Trash/label/label0001.nii", "img/img0002.nii", "label/label0002.nii")
    assert [case.image.relative_to(tmp_path) for case in btcv.find(tmp_path, None).cases] == [Path("img/img0002.nii")]
