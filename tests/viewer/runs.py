"""A run with one test case and one source case, as far as the viewer reads it; its volumes are boxes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from dar_uda.data.grid import Grid
from dar_uda.data.probabilities import probabilities_file
from dar_uda.evaluation.adaptation import COLUMNS as ADAPTATION
from dar_uda.evaluation.confidence import COLUMNS as CONFIDENCE
from dar_uda.jobs.provenance import FORMAT, checksums
from tests.evaluation.metrics_files import ABSENT, OK, write_metrics

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])
SHAPE = (20, 16, 6)
STRUCTURES = ["liver", "spleen"]
CODE = [0.25, -0.5]


def box(value=1, low=(5, 5, 2), size=4):
    """Return a volume that is `value` in a box of `size` voxels a side in the slices, two slices high."""
    array = np.zeros(SHAPE, np.uint8)
    x, y, z = low
    array[x : x + size, y : y + size, z : z + 2] = value
    return array


def write(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, affine)
    image.header["descrip"] = b"Doe^Jane"
    nib.save(image, path)


def write_probabilities(path):
    """Write 204/255 for the spleen and 51/255 for the liver in the box, else 1 for the background."""
    grid = Grid(SHAPE, AFFINE)
    with probabilities_file(path, grid, 1 + len(STRUCTURES)) as stored:
        stored[..., 0] = 255 - box(255)
        stored[..., 1] = box(51)
        stored[..., 2] = box(204)


def write_record(path, wildcards, params, inputs, output):
    project = next(parent for parent in path.parents if parent.name == "results").parent
    record = {
        "format": FORMAT,
        "rule": "any",
        "wildcards": wildcards,
        "params": params,
        "inputs": {name: checksums([project / name])[str(project / name)] for name in inputs},
        "outputs": {output: "0" * 32},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def make_run(folder: Path) -> Path:
    """Write `results/tiny` and the scans of its user beside it; return the former.

    Case `m1` of the target has the liver as label value 7; `m2` is darker and has no label. Of two methods, `dar_uda`
    kept the probabilities of `m1`. `c1` of the source has two styles.
    """
    run, name = folder / "results" / "tiny", "results/tiny"
    ramp = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    write(folder / "scans" / "m1.nii.gz", ramp)
    write(folder / "scans" / "m2.nii.gz", ramp // 2)
    write(folder / "scans" / "m1_label.nii.gz", box(7))
    for domain, case in (("ct", "c1"), ("mr", "m1"), ("mr", "m2")):
        write(run / "cases" / domain / case / "image.nii", np.zeros((8, 8, 4), np.uint8))
    write(run / "cases" / "ct" / "c1" / "label.nii", box(2)[:8, :8, :4])
    params = {"intensity": {"window": [-100, 900]}}
    for case in ("m1", "m2"):
        image = f"cases/mr/{case}/image"
        scan = f"scans/{case}.nii.gz"
        write_record(run / f"{image}.provenance.json", {"domain": "mr"}, params, [scan], f"{name}/{image}.nii")
    for method, low in (("dar_uda", (5, 5, 2)), ("source_only", (7, 5, 2))):
        wildcards = {"seed": "0", "direction": "ct-to-mr", "method": method}
        masks, metrics = (f"seed-0/{what}/ct-to-mr/{method}" for what in ("predictions", "metrics"))
        for case in ("m1", "m2"):
            write(run / masks / f"{case}.nii.gz", box(1, low))
        params = {"cases": ["m1", "m2"], "structures": STRUCTURES}
        write_record(run / f"{masks}.provenance.json", wildcards, params, [], f"{name}/{masks}")
        inputs = [f"{name}/{masks}", "scans/m1.nii.gz", "scans/m1_label.nii.gz"]
        params = {"cases": ["m1"], "structures": STRUCTURES, "values": [[7], [8]]}
        write_record(run / f"{metrics}.provenance.json", wildcards, params, inputs, f"{name}/{metrics}.tsv")
        rows = [("m1", "liver", 0.5, 2.0, OK), ("m1", "spleen", None, None, ABSENT)]
        write_metrics(run / f"{metrics}.tsv", rows)
    write_probabilities(run / "seed-0" / "predictions" / "ct-to-mr" / "dar_uda" / "probabilities" / "m1.nii.gz")
    translation = run / "seed-0" / "synthetic" / "ct-to-mr" / "disentangled-multi" / "c1"
    for style in (0, 1):
        write(translation / f"style-{style}.nii", np.full((8, 8, 4), (0.25, 0.75)[style], np.float32))
    styles = run / "seed-0" / "styles" / "ct-to-mr" / "disentangled-multi" / "styles.tsv"
    styles.parent.mkdir(parents=True)
    styles.write_text("case\tstyle\tcode_0\tcode_1\nc1\t0\t0.25\t-0.5\nc1\t1\t1\t2\n")
    return run


def add_confidence(run: Path) -> None:
    """Write what a run says without labels: `m2` is less sure than `m1` under `dar_uda`, and adaptation helped."""
    signals = [(0.1, 1, 0.9), (0.5, 1, 0.9), (1, 0, 0), (0, 1, 1)]
    for method, dice in {"dar_uda": (0.75, 0.5, 0.25, 1), "source_only": (0, 0, 1, 1)}.items():
        names = zip(("m1", "m1", "m2", "m2"), ("liver", "spleen") * 2, signals, dice, strict=True)
        rows = [(case, case, structure, *of_one, sure, sure) for case, structure, of_one, sure in names]
        path = run / f"seed-0/confidence/ct-to-mr/{method}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=CONFIDENCE).to_csv(path, sep="\t", index=False)
    verdict = ["ct-to-mr", "dar_uda", "source_only", 2, 0.35, 0.25, 0.45, "95% t", "helped"]
    (run / "tables").mkdir()
    pd.DataFrame([verdict], columns=ADAPTATION).to_csv(run / "tables" / "adaptation.tsv", sep="\t", index=False)
