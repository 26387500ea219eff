"""What of a run can be shown: its test cases with their masks, and its synthetic volumes beside their sources."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from dar_uda.data.companions import companions
from dar_uda.data.predictions import mask_path, probabilities_path
from dar_uda.data.volume import Volume, read_volume
from dar_uda.evaluation.adaptation import read_adaptation, verdicts_in_words
from dar_uda.evaluation.case_means import read_scores
from dar_uda.evaluation.confidence import FIRST, look_first, read_confidence, read_table
from dar_uda.figures.style import COLORS_ON_IMAGES, color_of
from dar_uda.jobs.provenance import checksums, provenance_path
from dar_uda.jobs.record import Record, parts_of, plain, read_record
from dar_uda.plan.paths import Paths
from dar_uda.plan.task import Direction
from dar_uda.viewer.volumes import read_mask, read_probability, read_reference

PATHS = Paths()
"""From the folder of a run."""
MASKS = f"{PATHS.predictions('*', '*', '*')}.provenance.json"


@dataclass
class Catalog:
    """What the page is told, and how each volume it may ask for is read.

    Attributes:
        page: Names, colors, scores, and volumes by their number; goes to the page as JSON.
        volumes: Number n reads volume n.
    """

    page: dict[str, Any]
    volumes: list[Callable[[], Volume]] = field(default_factory=list)

    def add(self, read: Callable[..., Volume], *arguments: Any) -> int:
        """Return the number of another volume."""
        self.volumes.append(partial(read, *arguments))
        return len(self.volumes) - 1


def read_catalog(run: str | Path) -> Catalog:
    """Return what a run has to show; its volumes are read when they are asked for.

    Args:
        run: Folder `results/{run}`, of a run that has made masks.

    Raises:
        FileNotFoundError: It is no such folder.
        ValueError: Another version made the run, see `Record.check_names`.
    """
    run = plain(run)
    records = [read_record(run, path) for path in sorted(run.glob(MASKS))]
    if not records:
        raise FileNotFoundError(f"DAR-342: {run} holds no {MASKS}; expected results/RUN of a run that has made masks")
    methods = [record for record in records if record.has_present_names] or records
    methods[0].check_names()
    structures = methods[0].params["structures"]
    legend = [{"name": name, "color": color_of(index, COLORS_ON_IMAGES)} for index, name in enumerate(structures)]
    catalog = Catalog({"run": run.name, "structures": legend})
    catalog.page["cases"] = list(_cases(catalog, methods))
    catalog.page["verdicts"] = _verdicts(run)
    catalog.page["synthetic"] = list(_synthetic(catalog, run, len(structures)))
    return catalog


def _cases(catalog: Catalog, methods: list[Record]) -> Iterator[dict[str, Any]]:
    """Yield the test cases of every direction, the least sure first, each with the masks of all methods and seeds."""
    for direction in dict.fromkeys(record.wildcards["direction"] for record in methods):
        here = [record for record in methods if record.wildcards["direction"] == direction]
        scored, doubts = _scored(here), _doubts(here)
        order = {case: number for number, case in enumerate(doubts)}
        for case in sorted(here[0].params["cases"], key=lambda case: order.get(case, len(order))):
            domain = Direction.of(direction).target
            image, digest, window = _image(here[0].run, domain, case)
            yield {
                "direction": direction,
                "case": case,
                "doubt": doubts.get(case),
                "first": order.get(case, FIRST) < FIRST,
                "image": catalog.add(_read_same, image, digest, read_volume, image),
                "resampled": image.name == "image.nii",
                "window": window,
                "reference": catalog.add(_read_same, *scored[case]) if case in scored else None,
                "predictions": [_prediction(catalog, record, case) for record in here],
            }


def _prediction(catalog: Catalog, record: Record, case: str) -> dict[str, Any]:
    """Return one method's mask of a case with its Dice; where the run kept probabilities, the likeliest, then each."""
    names = record.wildcards
    place = names["seed"], names["direction"], names["method"]
    folder = record.run / PATHS.predictions(*place)
    structures = len(record.params["structures"])
    probabilities = probabilities_path(folder, case)
    shown = [None, *range(1, structures + 1)] if probabilities.exists() else []
    return {
        "method": names["method"],
        "seed": names["seed"],
        "mask": catalog.add(read_mask, mask_path(folder, case), structures),
        "probabilities": [catalog.add(read_probability, probabilities, label) for label in shown],
        "dice": _dice(record.run / PATHS.metrics(*place), case),
        "expected_dice": _expected(record.run / PATHS.confidence(*place), case),
    }


def _dice(metrics: Path, case: str) -> dict[str, float | None]:
    """Return the Dice of each structure of a case, None where there is none; empty without a table."""
    if not metrics.exists():
        return {}
    table = read_scores(metrics)
    rows = table[table["case"] == case]
    return {
        name: None if pd.isna(dice) else float(dice) for name, dice in zip(rows["structure"], rows["dice"], strict=True)
    }


def _expected(confidence: Path, case: str) -> dict[str, float]:
    """Return the expected Dice of each structure of a case; empty without a table."""
    if not confidence.exists():
        return {}
    table = read_table(confidence).set_index("case").loc[[case]]
    return dict(zip(table["structure"], table["expected_dice"].astype(float), strict=True))


def _doubts(methods: list[Record]) -> dict[str, dict[str, Any]]:
    """Return what there is to say of each case's least sure structure, the least sure case first.

    It is that of the run's reference method, else of the first, means over its seeds; empty where it has no table.
    """
    asked = methods[0].facts.get("choices", {}).get("reference_method")
    name = next((one for one in methods if one.wildcards["method"] == asked), methods[0]).wildcards["method"]
    places = [one.wildcards for one in methods if one.wildcards["method"] == name]
    tables = [
        {**place, "path": path}
        for place in places
        if (path := methods[0].run / PATHS.confidence(place["seed"], place["direction"], name)).exists()
    ]
    rows = look_first(read_confidence(tables).dropna(subset="expected_dice"))
    kept = rows[["case", "expected_dice", "structure", "reason"]].set_index("case")
    doubts: dict[str, dict[str, Any]] = kept.to_dict("index")
    return doubts


def _verdicts(run: Path) -> dict[str, list[str]]:
    """Return whether adaptation helped, a sentence for each adapted method, by direction."""
    table = read_adaptation(run / PATHS.adaptation_table)
    return {
        str(direction): [said.replace("`", "") for said in verdicts_in_words(rows)]
        for direction, rows in table.groupby("direction", sort=False)
    }


def _scored(methods: list[Record]) -> dict[str, tuple]:
    """Return how the references of the test cases that a run scored are read, as far as the files are there."""
    for method in methods:
        names = method.wildcards
        path = provenance_path(method.run / PATHS.metrics(names["seed"], names["direction"], names["method"]))
        if not path.exists():
            continue
        parts = map(_references, parts_of(read_record(method.run, path)))
        return {case: reference for part in parts for case, reference in part.items()}
    return {}


def _references(record: Record) -> dict[str, tuple]:
    """Return how the references are read that a job of `score_method` read, as far as the files are there.

    Its provenance has the masks, then all scans, then all references.
    """
    cases = record.params["cases"]
    names = record.inputs[-2 * len(cases) :]
    files = [record.locate(name) for name in names]
    rows = zip(cases, files[len(cases) :], files[: len(cases)], names[len(cases) :], strict=True)
    return {
        case: (reference, record.facts["inputs"][name], read_reference, reference, image, record.params["values"])
        for case, reference, image, name in rows
        if reference.exists() and image.exists()
    }


def _read_same(path: Path, digest: str | None, read: Callable[..., Volume], *arguments: Any) -> Volume:
    """Read a volume from a file that is as the run read it: another project may have a scan of the same path.

    Args:
        digest: As the run's provenance has it; None: not known.
        read: Is given the arguments that follow.

    Raises:
        ValueError: The file is another one, or was changed since.
    """
    if digest is not None and checksums([path])[str(path)] != digest:
        raise ValueError(
            f"DAR-341: {path} is not what this run read: it was changed since, or belongs to another project to which "
            "the run was copied"
        )
    return read(*arguments)


def _image(run: Path, domain: str, case: str) -> tuple[Path, str | None, list[float] | None]:
    """Return a case's scan, its digest, and the window of its domain where it has one.

    Where the scan is not on this machine, its image on the network grid.
    """
    network = run / PATHS.case(domain, case, "image.nii")
    path = provenance_path(network)
    if not path.exists():
        return network, None, None
    record = read_record(run, path)
    scan, digest = _scan(record)
    if not scan.exists():
        return network, None, None
    return scan, digest, record.params["intensity"].get("window")


def _scan(record: Record) -> tuple[Path, str]:
    """Return the scan that a case was made of, with its digest: its first input, but for files of voxels alone."""
    files = {record.locate(name): digest for name, digest in record.facts["inputs"].items()}
    voxels = {voxel for file in files for voxel in companions(file)}
    return next((file, digest) for file, digest in files.items() if file not in voxels)


def _synthetic(catalog: Catalog, run: Path, classes: int) -> Iterator[dict[str, Any]]:
    """Yield the source cases that were redrawn, each with all of its styles."""
    folders = [path for path in run.glob(PATHS.synthetic("*", "*", "*", "*")) if path.is_dir()]
    for folder in sorted(folders, key=_place):
        seed, _, direction, translation, case = folder.relative_to(run).parts
        domain = Direction.of(direction).source
        source, label = (run / PATHS.case(domain, case, file) for file in ("image.nii", "label.nii"))
        volumes = sorted(folder.glob("style-*.nii"), key=_style)
        if not volumes or not source.exists():
            continue
        seed = seed.removeprefix("seed-")
        codes = _codes(run / PATHS.styles(seed, direction, translation) / "styles.tsv", case)
        yield {
            "direction": direction,
            "seed": seed,
            "translation": translation,
            "case": case,
            "source": catalog.add(read_volume, source),
            "label": catalog.add(read_mask, label, classes) if label.exists() else None,
            "styles": [
                {"style": _style(path), "code": codes.get(_style(path)), "volume": catalog.add(read_volume, path)}
                for path in volumes
            ],
        }


def _place(folder: Path) -> tuple:
    """Return what synthetic volumes are sorted by: those in several styles come before their means and CycleGAN's."""
    *_, seed, _, direction, translation, case = folder.parts
    return seed, direction, "multi" not in translation, translation, case


def _style(path: Path) -> int:
    return int(path.stem.removeprefix("style-"))


def _codes(path: Path, case: str) -> dict[int, list[float]]:
    """Return the style codes of a source case by the style's number; CycleGAN has none."""
    if not path.exists():
        return {}
    table = pd.read_csv(path, sep="\t", dtype={"case": str}, keep_default_na=False)
    rows = table[table["case"] == case]
    return {int(style): code for style, *code in rows.drop(columns="case").to_numpy().tolist()}
