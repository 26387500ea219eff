"""Measure TTA inconsistency and Dice of new phantom MR cases, by the trained networks of a finished demo.

`python -m docs.measure_inconsistency results/phantom rows.tsv` takes some 10 s per case, method and seed on a core.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from dar_uda.data.grid import read_grids
from dar_uda.data.phantom import COMMON_STYLES, RARE_STYLE, make_phantom
from dar_uda.data.predictions import mask_path
from dar_uda.data.volume import read_volume
from dar_uda.evaluation.overlap import dice
from dar_uda.preprocessing.classes import read_classes
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.settings import Preprocessing
from dar_uda.segmentation.predict import predict_cases

CASES, PATIENTS = 36, 1
"""New patients: the phantom of a run has seed 0, these have seed 1."""
RARE_EVERY = 6
"""As among the six test cases of the demo, one case in six comes from the rare scanner."""
METHODS = ("source_only", "dar_uda", "supervised")


def scanner_of(number: int) -> str:
    """Return the scanner of a new case."""
    turn, place = divmod(number, RARE_EVERY)
    return RARE_STYLE if place == RARE_EVERY - 1 else COMMON_STYLES[(number - turn) % len(COMMON_STYLES)]


def params_of(provenance: Path) -> dict[str, Any]:
    """Return the parameters of the job that wrote a file."""
    return json.loads(provenance.read_text(encoding="utf-8"))["params"]


def make_cases(run: Path, folder: Path) -> list[str]:
    """Write the new cases, and bring them to the network grid as the run's own; return their names."""
    said = params_of(next(run.glob("cases/mr/*/image.provenance.json")))
    settings = Preprocessing(
        **said["grid"], **{key: said[key] for key in ("intensity", "slice_axis", "values", "double_depth")}
    )
    names = [f"new{number:02d}" for number in range(CASES)]
    for number, name in enumerate(names):
        scan, label = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
        make_phantom("mr", number, scan, label, PATIENTS, scanner_of(number), has_collection=False)
        preprocess_image(name, scan, folder / f"{name}.nii", folder / f"{name}.json", settings)
    return names


def measure(run: Path, folder: Path, cases: list[str], seed: str, method: str) -> pd.DataFrame:
    """Return `seed method case scanner structure dice tta_inconsistency` of one trained method."""
    provenance = run / f"seed-{seed}/predictions/ct-to-mr/{method}.provenance.json"
    said = params_of(provenance)
    weights = next(path for path in json.loads(provenance.read_text())["inputs"] if path.endswith(".safetensors"))
    masks, changes = folder / seed / method, folder / seed / f"{method}.tsv"
    predict_cases(
        cases,
        run / Path(weights).relative_to("results/phantom"),
        [folder / f"{case}.nii" for case in cases],
        [folder / f"{case}.json" for case in cases],
        run / "structures/ct.tsv",
        masks,
        changes,
        said["structures"],
        said["window"],
        **said["inference"],
        **{"device": "cpu", "precision": "float32", "threads": 1},
    )
    scores = [score for case in cases for score in dice_of(folder, masks, case, said["structures"])]
    table = pd.DataFrame(scores, columns=["case", "structure", "dice"])
    scanners = {case: scanner_of(number) for number, case in enumerate(cases)}
    table.insert(1, "scanner", table["case"].map(scanners))
    return table.merge(pd.read_csv(changes, sep="\t"), how="left").assign(seed=seed, method=method)


def dice_of(folder: Path, masks: Path, case: str, structures: list[str]) -> Iterator[tuple[str, str, float]]:
    """Yield the Dice of every structure of a case, on the scan's own grid."""
    values = [[number] for number in range(1, len(structures) + 1)]
    original, _ = read_grids(folder / f"{case}.json")
    true = read_classes(case, folder / f"{case}_label.nii.gz", folder / f"{case}.nii.gz", original, values)
    found = read_volume(mask_path(masks, case)).array
    for number, structure in enumerate(structures, start=1):
        yield case, structure, dice(found == number, true == number)


def main(run: Path, output: Path) -> None:
    """Write the rows of all seeds and methods of a run."""
    seeds = sorted(path.name.removeprefix("seed-") for path in run.glob("seed-*"))
    with TemporaryDirectory() as name:
        cases = make_cases(run, Path(name))
        rows = pd.concat([measure(run, Path(name), cases, seed, method) for seed in seeds for method in METHODS])
    columns = ["seed", "method", "case", "scanner", "structure", "dice", "tta_inconsistency"]
    rows[columns].to_csv(output, sep="\t", index=False, float_format="%.4f")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
