"""Measure what each signal without labels says of Dice, by the masks and scores of finished runs; nothing is trained.

`python -m docs.measure_confidence results/abdomen_transductive results/phantom -o rows.tsv`
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.bundle.ood import TrainingDistribution
from dar_uda.data.predictions import mask_path
from dar_uda.evaluation.confidence import measure_confidence, read_table
from dar_uda.evaluation.overlap import dice

ADAPTED = ("cyclegan_3d", "dar_uda", "dar_uda_no_self_training")
METHODS = ("source_only", *ADAPTED, "supervised")
KEYS = ["run", "seed", "direction", "method", "case", "structure"]
COLUMNS = [
    *(*KEYS, "dice", "tta_inconsistency", "volume_ratio", "agreement"),
    *("out_of_distribution", "source_only_agreement", "first_iteration_agreement"),
]


def rows_of(run: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of every seed, direction and method of a run that is done."""
    for masks in sorted(path for name in METHODS for path in run.glob(f"seed-*/predictions/*/{name}")):
        seed, direction, method = masks.parents[2], masks.parent.name, masks.name
        scores = read_table(seed / f"metrics/{direction}/{method}.tsv")[["case", "structure", "dice"]]
        signals = _signals(run, masks, scores)
        names = {"run": run.name, "seed": seed.name.removeprefix("seed-"), "direction": direction, "method": method}
        yield scores.merge(signals, on=["case", "structure"]).assign(**names)[COLUMNS]


def _signals(run: Path, masks: Path, scores: pd.DataFrame) -> pd.DataFrame:
    seed, direction, method = masks.parents[2], masks.parent.name, masks.name
    (source, target), cases = direction.split("-to-"), list(scores["case"].unique())
    structures = list(scores["structure"].unique())
    others = [masks.parent / name for name in ADAPTED if name != method and (masks.parent / name).exists()]
    grids = [run / f"cases/{target}/{case}/grid.json" for case in cases]
    tables = run / f"structures/{source}.tsv", seed / f"tta_inconsistency/{direction}/{method}.tsv"
    with TemporaryDirectory() as folder:
        table = Path(folder) / "confidence.tsv"
        measure_confidence(cases, cases, masks, others, grids, *tables, structures, table)
        signals = read_table(table)
    distances = _distances(run, target, cases)
    floor, count = masks.parent / "source_only", len(structures)
    with_floor = [_dices(mask_path(masks, case), mask_path(floor, case), count) for case in cases]
    return signals.assign(
        out_of_distribution=signals["case"].map(dict(zip(cases, distances, strict=True))),
        source_only_agreement=np.nan if method == "source_only" else np.concatenate(with_floor),
        first_iteration_agreement=np.concatenate([_before(masks, case, count) for case in cases]),
    )


def _distances(run: Path, target: str, cases: list[str]) -> list[float]:
    """Return the distance of every case from the other test cases."""
    images = {case: run / f"cases/{target}/{case}/image.nii" for case in cases}
    others = ([images[other] for other in cases if other != case] for case in cases)
    return [TrainingDistribution.of(rest).distance(images[case]) for case, rest in zip(cases, others, strict=True)]


def _before(masks: Path, case: str, count: int) -> NDArray[np.float64]:
    """Return the Dice of a self-trained method's masks with those before self-training; NaN where none are kept.

    Of training cases these are the masks that the first and the last iteration learned from.
    """
    if masks.name == "dar_uda" and (before := masks.parent / "dar_uda_no_self_training").exists():
        return _dices(mask_path(masks, case), mask_path(before, case), count)
    drawn = {"dar_uda": "disentangled-multi", "cyclegan_3d": "cyclegan-single"}.get(masks.name)
    folder = masks.parents[2] / f"pseudo_labels/{masks.parent.name}.{drawn}"
    files = sorted(folder.glob(f"*/labels/{case}.nii"))
    return _dices(files[0], files[-1], count) if files else np.full(count, np.nan)


def _dices(first: Path, second: Path, count: int) -> NDArray[np.float64]:
    one, other = (np.asarray(nib.load(path).dataobj) for path in (first, second))
    return np.nan_to_num([dice(one == label, other == label) for label in range(1, count + 1)])


def main() -> None:
    """Write the rows of the runs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    options = parser.parse_args()
    rows = pd.concat([frame for run in options.runs for frame in rows_of(run)])
    rows.to_csv(options.output, sep="\t", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
