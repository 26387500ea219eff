"""From a method's masks to a bundle: all that it takes to segment another scan, told by the provenance of a run."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dar_uda.bundle.card import model_card
from dar_uda.bundle.facts import FORMAT, check_facts
from dar_uda.bundle.ood import TrainingDistribution
from dar_uda.bundle.transductive import scored_in_training, training_cases
from dar_uda.bundle.verdict import verdict_of
from dar_uda.data.grid import Grid
from dar_uda.data.network_volume import open_affine, open_image
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.planes import normal_of, usual_normal
from dar_uda.jobs.files import check_writable, staging
from dar_uda.jobs.provenance import provenance_path
from dar_uda.jobs.record import Record, parts_of, plain, read_record
from dar_uda.plan.paths import Paths
from dar_uda.plan.task import Direction
from dar_uda.preprocessing.structures import mean_volumes, single_structures

logger = logging.getLogger(__name__)
LISTED = 8
PATHS = ("cases", "container", "nnunet_python")
"""Choices that name files of the machine."""


def export_bundle(
    predictions: str | Path, bundle: str | Path, license: str, translate: Callable[[Path, Path], None] | None = None
) -> None:
    """Write a finished method as a bundle.

    Args:
        predictions: Folder `results/{run}/seed-{seed}/predictions/{direction}/{method}` of a finished run.
        bundle: Folder to write; it must not exist.
        license: Under which the weights may be used, as the data they come from allows.
        translate: Writes what another program reads of a finished bundle, `translate(finished, folder)`, in its place.

    Raises:
        FileNotFoundError: The run's files are not all there.
        FileExistsError: The bundle is.
        ValueError: The method cannot be used on scans without labels; another program or nnU-Net made the masks; or
            the bundle would lie among them; or another version made the run, see `Record.check_names`.
    """
    predictions, bundle = _masks_of(Path(predictions)), Path(bundle)
    if os.path.lexists(bundle):
        raise FileExistsError(f"DAR-304: {bundle} exists; expected a new folder")
    if predictions.resolve() in bundle.resolve().parents:
        raise ValueError(f"DAR-303: {bundle} would lie among the masks of {predictions}: give another folder with -o")
    run, seed = predictions.parents[3], predictions.parents[2].name.removeprefix("seed-")
    masks = _record(run, predictions)
    masks.check_names()
    record = parts_of(masks)[0]
    if record.facts["rule"] == "read_external_masks":
        raise ValueError(
            f"DAR-327: {predictions} holds masks that another program made: the run has no weights of it; expected the "
            "masks of a method that the run trained"
        )
    if record.facts["rule"].startswith("predict_nnunet"):
        raise ValueError(
            f"DAR-337: {predictions} is of nnU-Net, which a bundle cannot hold; expected a method of another network. "
            f"Its own command predicts with the folder {record.inputs[0]}: nnUNetv2_predict_from_modelfolder -f all"
        )
    paths = [record.locate(name) for name in record.inputs]
    weights = next(path for path in paths if path.suffix == ".safetensors")
    images = [path for path in paths if path.name == "image.nii"]
    structures_of_source = [path for path in paths if path.parent.name == "structures"]
    _check_there([weights, *structures_of_source])
    case = _record(run, images[0])
    if record.facts["choices"]["protocol"] == "paper":
        raise ValueError(
            f"DAR-305: {predictions} is of protocol paper, which may crop a scan by its own label: other scans have "
            "none; expected a run with protocol clean"
        )
    domain = case.wildcards["domain"]
    grid = {key: value for key, value in case.params["grid"].items() if key != "region_margin"}
    inference = record.params["inference"]
    structures = record.params["structures"]
    training = _training_images(run, domain)
    check_writable(bundle.parent)
    with staging(bundle.parent) as partial:
        folder = partial / "bundle"
        folder.mkdir()
        shutil.copyfile(weights, folder / "weights.safetensors")
        for name in [name for name in case.inputs if name.endswith("region.json")]:
            shutil.copyfile(case.locate(name), folder / "region.json")
        origin = {"masks": _anonymous(record.facts), "weights": _anonymous(_record(run, weights).facts)}
        (folder / "provenance.json").write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
        metrics = run / Paths().metrics(seed, predictions.parent.name, predictions.name)
        if metrics.exists():
            shutil.copyfile(metrics, folder / "metrics.tsv")
        facts = {
            "format": FORMAT,
            "method": predictions.name,
            "direction": predictions.parent.name,
            "domain": domain,
            "task": record.facts["choices"]["task"],
            "run": _run_of(record.facts, case.inputs, scored_in_training(run, domain, weights, metrics)),
            "license": license,
            "structures": structures,
            "preprocessing": {
                "grid": grid,
                **{key: case.params[key] for key in ("intensity", "slice_axis", "double_depth")},
            },
            "inference": inference,
            "patch_size": record.params["window"],
            "single_component": [label for table in structures_of_source for label in single_structures(table)],
            "usual_volumes": _usual_volumes(run, predictions.parent.name),
            "slice_normal": _slice_normal(training or images),
            "out_of_distribution": _out_of_distribution(training, domain),
            "adaptation": verdict_of(run, predictions.parent.name, predictions.name),
            "packages": record.facts["packages"],
        }
        check_facts(bundle / "bundle.json", facts)
        (folder / "bundle.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(model_card(facts, metrics), encoding="utf-8")
        if translate:
            translate(folder, folder := partial / "translated")
        folder.rename(bundle)
    logger.info("Written: %s", bundle)


def _masks_of(given: Path) -> Path:
    """Return the folder of a method's masks by the path at which its run's other files can be found.

    Raises:
        FileNotFoundError: There is no finished method.
    """
    given = plain(given)
    for predictions in (given, given.resolve()):
        if provenance_path(predictions).exists() and predictions.parent.parent.name == "predictions":
            return predictions
    folder = given.parent if "predictions" in given.parts and not given.is_dir() else given
    found = ", ".join(map(str, list(_predictions_below(folder))[:LISTED])) or "none that is finished"
    raise FileNotFoundError(
        f"DAR-300: {provenance_path(given)} does not exist; expected "
        f"results/RUN/seed-SEED/predictions/DIRECTION/METHOD of a finished run. Below {folder}: {found}"
    )


def _record(run: Path, result: Path) -> Record:
    path = provenance_path(result)
    _check_there([path])
    return read_record(run, path)


def _check_there(files: Sequence[Path]) -> None:
    if missing := [str(file) for file in files if not file.exists()]:
        raise FileNotFoundError(
            f"DAR-302: {', '.join(missing[:LISTED])} does not exist; expected the whole run: copy or move all of its "
            "folder"
        )


def _run_of(record: dict[str, Any], scans: Sequence[str], scored: Sequence[int]) -> dict[str, Any]:
    """Return what a bundle says of the run that made it.

    Args:
        record: Provenance of the masks; its budget is None where the task's own was taken.
        scans: Files that were preprocessed.
        scored: See `scored_in_training`.
    """
    return {
        "name": record["wildcards"]["run"],
        "seed": int(record["wildcards"]["seed"]),
        "budget": record["choices"]["budget"],
        "generated": any(map(is_phantom, scans)),
        "scored_in_training": scored,
    }


def _predictions_below(folder: Path) -> Iterator[Path]:
    """Yield the folders of finished methods' masks below a folder."""
    paths = sorted(folder.glob("**/*.provenance.json"))
    for path in (path for path in paths if path.parents[1].name == "predictions"):
        yield path.with_name(path.name.removesuffix(".provenance.json")).relative_to(folder)


def _anonymous(record: dict[str, Any]) -> dict[str, Any]:
    """Return a provenance without names of cases, files or folders: of the inputs, the checksums alone."""
    kept = {key: record[key] for key in ("rule", "threads", "device", "packages")}
    kept["wildcards"] = {key: value for key, value in record["wildcards"].items() if key != "chunk"}  # named by a case
    params = {key: value for key, value in record["params"].items() if key != "cases"}
    choices = {key: value for key, value in record["choices"].items() if key not in PATHS}
    return kept | {"params": params, "choices": choices, "inputs": sorted(record["inputs"].values())}


def _slice_normal(images: Sequence[Path]) -> list[float]:
    """Return the unit vector across the slices of most scans, given those on the network grid: see `normal_of`."""
    grids = [Grid(open_image(path).shape[::-1], open_affine(path), acquired=2) for path in images]
    return usual_normal([normal_of(grid) for grid in grids]).tolist()


def _training_images(run: Path, domain: str) -> list[Path]:
    """Return the domain's training scans on the network grid; none where the run has not sliced them."""
    return [run / path for path in Paths().cases(domain, training_cases(run, domain), "image.nii")]


def _usual_volumes(run: Path, direction: str) -> list[float] | None:
    """Return the mean volume of every structure in the source's labels; None where the run has not measured any."""
    table = run / Paths().structures(Direction.of(direction).source)
    return mean_volumes(table) if table.exists() else None


def _out_of_distribution(images: Sequence[Path], domain: str) -> dict[str, Any] | None:
    """Return how the domain's training scans look; None where the run has too few, or none preprocessed."""
    if len(images) < 2:
        logger.warning("DAR-316: The run has no two training scans of %s: the bundle will not tell odd scans", domain)
        return None
    return vars(TrainingDistribution.of(images))
