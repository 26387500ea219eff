"""Miniatures of the layouts that test_datasets.py lacks: from their folders to masks on the scans' own grids."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from tiny_run import CONFIG, REPOSITORY

from dar_uda.cli.command import main
from dar_uda.data.phantom import make_phantom
from tests.data.dicom_files import write_as_dicom
from tests.workflow.preloaded import snakemake

ORGANS = (0, 1, 2, 3, 4)
TINY = (0, 0, 2, 0, 1)
"""The phantom's spleen as schwannoma, its right kidney as cochlea."""
TASK = """
task: mine
tasks:
  mine:
    budget: tiny
    directions: [{source}-to-{target}]
    labels: {{liver: 1, right_kidney: 2, left_kidney: 3, spleen: 4}}
    domains:
      {source}: {{intensity: {{window: [-350, 350]}}, labels: {labels}}}
      {target}: {{intensity: {{percentile: 99.5}}}}
    grid: {{spacing: [5.5, 5.5, 12.0], size: 64}}
"""


@dataclass
class Miniature:
    """Trees of layouts, and a run on them.

    Args:
        datasets: Arguments of `dar-uda cases`, one list per layout.
        domains: Source and target.
        values: The value of each class in the source's labels.
        config: The run's config beside the tiny budget; None: `TASK`.
        shipped: A config file of the repository that comes first.
        method: What is trained.
    """

    datasets: list[list[str]]
    domains: tuple[str, str]
    values: tuple[int, ...] = (1, 2, 3, 4)
    config: str | None = None
    shipped: str | None = None
    method: str = "source_only"

    @property
    def text(self):
        labels = dict(zip(("liver", "right_kidney", "left_kidney", "spleen"), self.values, strict=False))
        source, target = self.domains
        return self.config or TASK.format(source=source, target=target, labels=json.dumps(labels))


def write_case(domain, number, image, label=None, values=ORGANS):
    """Write a phantom under the names of a layout, its classes as these values."""
    classes = label or image.parent / "classes.nii.gz"
    for path in (image, classes):
        path.parent.mkdir(parents=True, exist_ok=True)
    make_phantom(domain, number, image, classes)
    loaded = nib.load(classes)
    mapped = nib.Nifti1Image(np.array(values, np.uint8)[np.asanyarray(loaded.dataobj)], loaded.affine)
    classes.unlink()
    if label is not None:
        nib.save(mapped, label)


def write_json(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def crossmoda(folder):
    """The shipped task, its tiny structures in a region of interest and in half of the patches."""
    source = folder / "source_training"
    write_case("ct", 0, source / "crossmoda_1_ceT1.nii.gz", source / "crossmoda_1_Label.nii.gz", TINY)
    write_case("mr", 0, folder / "target_training" / "crossmoda2022_etz_106_hrT2.nii.gz")
    write_case("mr", 1, folder / "target_validation" / "crossmoda_211_hrT2.nii.gz")
    config = """
task: vestibular_schwannoma
segmentation: {foreground_fraction: 0.5} # the shipped budgets have it, the tiny one does not
tasks: {vestibular_schwannoma: {grid: {spacing: [5.5, 5.5, null], size: 64, region_margin: 20}}}
"""
    return Miniature([["crossmoda", str(folder)]], ("ceT1", "hrT2"), (1, 2), config, method="dar_uda")


def schwannoma(folder):
    for patient, number in ((12, 0), (203, 1)):
        for domain, t in (("ct", 1), ("mr", 2)):
            files = folder / f"vs_gk_{patient}_t{t}"
            image, label = (files / f"vs_gk_{name}_refT{t}.nii.gz" for name in (f"t{t}", "seg"))
            write_case(domain, number, image, label, np.array(TINY) == 1)
    config = "tasks: {schwannoma: {grid: {spacing: [5.5, 5.5, 12.0], size: 64}}}\n"
    return Miniature([["schwannoma", str(folder)]], ("ceT1", "hrT2"), (1,), config, "datasets/tcia_schwannoma.yaml")


def nnunet_and_decathlon(folder):
    """CT in nnU-Net's folders with labels of BTCV's numbers, MR in the Decathlon's."""
    ct, mr, values = folder / "Dataset001_CT", folder / "Task02_MR", (6, 2, 3, 1)
    names = {"background": 0, "spleen": 1, "right_kidney": 2, "left_kidney": 3, "liver": 6}
    write_json(ct / "dataset.json", channel_names={"0": "CT"}, labels=names, file_ending=".nii.gz")
    for number, part in enumerate(("Tr", "Ts")):
        image, label = ct / f"images{part}" / f"a{number}_0000.nii.gz", ct / f"labels{part}" / f"a{number}.nii.gz"
        write_case("ct", number, image, label, (0, *values))
    listed = [{"image": f"./imagesTr/s{k}.nii.gz", "label": f"./labelsTr/s{k}.nii.gz"} for k in (1, 2)]
    write_json(mr / "dataset.json", modality={"0": "MR"}, training=listed, test=["./imagesTs/s3.nii.gz"])
    for k in (1, 2):
        write_case("mr", k, *(mr / part / f"s{k}.nii.gz" for part in ("imagesTr", "labelsTr")))
    write_case("mr", 3, mr / "imagesTs" / "s3.nii.gz")
    return Miniature([["nnunet", str(ct)], ["decathlon", str(mr)]], ("ct", "mr"), values)


def bids(folder):
    """T1w with labels in a derivative, T2w of the same subjects without."""
    for number in range(3):
        anat = Path(f"sub-0{number}") / "anat"
        label = folder / "derivatives" / "manual" / anat / f"sub-0{number}_space-T1w_dseg.nii.gz"
        write_case("ct", number, folder / anat / f"sub-0{number}_T1w.nii.gz", label)
        write_case("mr", number, folder / anat / f"sub-0{number}_T2w.nii.gz")
    return Miniature([["bids", str(folder)]], ("T1w", "T2w"))


def folders(folder):
    """NIfTI files with labels, and DICOM series whose names run against their slices."""
    for number in range(2):
        names = (folder / "ct" / part / f"p{number}.nii.gz" for part in ("images", "labels"))
        write_case("ct", number, *names)
        scan = folder / f"q{number}.nii.gz"
        write_case("mr", number, scan)
        volume = sitk.DICOMOrient(sitk.ReadImage(str(scan)), "LPS")
        files = [f"{k:03d}.dcm" for k in range(volume.GetDepth(), 0, -1)]
        write_as_dicom(volume, folder / "mr" / "images" / f"q{number}", files)
    return Miniature([["folders", f"ct={folder / 'ct'}", f"mr={folder / 'mr'}"]], ("ct", "mr"))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [crossmoda, schwannoma, nnunet_and_decathlon, bids, folders])
def test_a_tree_becomes_masks_on_its_scans_own_grids(tmp_path, layout):
    miniature = layout(tmp_path / "data")
    table = tmp_path / "cases.tsv"
    for number, dataset in enumerate(miniature.datasets):
        assert main(["cases", *dataset, "-o", str(table), *(["--append"] if number else [])]) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    source, target = miniature.domains
    trained = next(row for row in rows if row["domain"] == source and row["split"] == "train" and row["label"])
    tested = [row for row in rows if row["domain"] == target and row["split"] == "test"]
    assert tested
    classes = f"results/mini/cases/{source}/{trained['case']}/label.nii"
    _run(tmp_path, miniature, classes)

    folder = tmp_path / "results" / "mini"
    for row in tested:
        mask = folder / "seed-0" / "predictions" / f"{source}-to-{target}" / miniature.method / f"{row['case']}.nii.gz"
        assert _box(mask) == pytest.approx(_box(tmp_path / row["image"]), abs=1e-2)
    for index, value in enumerate(miniature.values, 1):
        expected = _volume(tmp_path / trained["label"], value)
        assert _volume(tmp_path / classes, index) == pytest.approx(expected, rel=0.2)
    if all(row["label"] for row in tested):
        metrics = pd.read_csv(
            folder / "seed-0" / "metrics" / f"{source}-to-{target}" / f"{miniature.method}.tsv", sep="\t"
        )
        assert sorted(metrics["case"].unique()) == sorted(row["case"] for row in tested)
        assert (metrics["status"] != "absent").all()


def _run(folder, miniature, *targets):
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "mine.yaml").write_text(miniature.text)
    shipped = [str(REPOSITORY / "config" / miniature.shipped)] if miniature.shipped else []
    files = [str(folder / "tiny.yaml"), *shipped, str(folder / "mine.yaml")]
    choices = ["cases=cases.tsv", "run=mini", f"methods={miniature.method}"]
    given = ["--cores", "2", "--configfile", *files, "--config", *choices, "--", "all", *targets]
    status, text = snakemake(folder, *given)
    assert status == 0, text


def _box(path):
    """Return the lowest and highest voxel center of a scan in mm, however its file orders the axes."""
    image = sitk.ReadImage(_in_order(path) if path.is_dir() else str(path))
    last = np.array(image.GetSize()) - 1
    corners = [image.TransformIndexToPhysicalPoint((last * ends).tolist()) for ends in np.ndindex(2, 2, 2)]
    return [*np.min(corners, axis=0), *np.max(corners, axis=0)]


def _in_order(folder):
    """Return the files of a series by their place along z."""
    return sorted(map(str, folder.iterdir()), key=lambda path: sitk.ReadImage(path).GetOrigin()[2])


def _volume(path, value):
    """Return the volume of a label value in mm3."""
    image = nib.load(path)
    return (np.asanyarray(image.dataobj) == value).sum() * abs(np.linalg.det(image.affine[:3, :3]))
