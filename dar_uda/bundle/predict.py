"""Scans that come later, segmented with a bundle: a mask each, and the volumes of their structures."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from dar_uda.bundle.bids import bids_outputs, write_dataset
from dar_uda.bundle.expected_dice import FILE, add_expected_dice, log_first, read_expected_dice
from dar_uda.bundle.image_output import (
    MASK,
    PROBABILITIES,
    SEG,
    SIDECAR,
    SLICER,
    ImageOutput,
    MadeOf,
    bundle_digest,
    file_digest,
    files_of_image,
    image_digest,
    voxels_digest,
)
from dar_uda.bundle.segmenter import Segmenter
from dar_uda.bundle.slicer import write_slicer_segmentation
from dar_uda.bundle.verdict import verdict_in_words
from dar_uda.data.cases_table import LONGEST_NAME
from dar_uda.data.companions import companions
from dar_uda.data.formulas import as_cell
from dar_uda.data.given_images import given_images, names_apart
from dar_uda.data.reading import reason_of
from dar_uda.data.volume import Volume, read_volume, write_mask
from dar_uda.jobs.files import check_not_read, check_writable, folds_case, staging, turn, write_beside
from dar_uda.jobs.permissions import no_wider_than
from dar_uda.jobs.progress import Progress

logger = logging.getLogger(__name__)
COLUMNS = ["image", "structure", "voxels", "ml"]


def predict_scans(
    segmenter: Segmenter,
    scans: Sequence[str | Path],
    output: str | Path,
    average: bool,
    probabilities: bool = False,
    skip_done: bool = False,
    slicer: bool = False,
    bids: bool = False,
) -> None:
    """Write `{scan}.nii.gz`, the mask on the scan's own grid, of every scan, `volumes.tsv` and `expected_dice.tsv`.

    Of a DICOM series also `{scan}.dcm`, the mask as DICOM SEG. Scans of one name are told apart by the names of their
    folders. What the folder has of the same scan is replaced whole; rows of other scans stay in `volumes.tsv`. No file
    is readable by more users than the scans of which it is made.

    Args:
        scans: Volume files, folders of one DICOM series, or folders of volume files, of which each is a scan.
        output: Folder to write into.
        average: Average the probabilities of the TTA transforms of a scan.
        probabilities: Write those of all classes too: `probabilities/{scan}.nii.gz`, see `Segmenter.predict`.
        skip_done: Leave the masks that are whole and were made of the same scans in the same way.
        slicer: Write `{scan}.seg.nrrd` too, see `write_slicer_segmentation`.
        bids: Name all of it as BIDS derivatives, see `dar_uda.bundle.bids`.

    Raises:
        ValueError: An output is a file that is read, or was made of another scan: nothing is written. Or some scans
            could not be segmented: the message names each, the others are.
        OSError: Nothing can be written into the folder, or a file has its name.
    """
    check_writable(output)
    folder, paths = Path(output), given_images(scans)
    derivatives = bids_outputs(folder, paths, segmenter.facts, slicer) if bids else []
    outputs = derivatives or [ImageOutput(folder, name, slicer) for name in names_apart(paths, folds_case(folder))]
    table = folder / "volumes.tsv"
    average = average or segmenter.facts["inference"]["test_time_augmentation"]
    extras = [kind for kind, chosen in ((PROBABILITIES, probabilities), (SLICER, slicer)) if chosen]
    wanted = MadeOf("", bundle_digest(segmenter), average, tuple(extras))
    _check_outputs(paths, outputs, table, [*scans, *_files_of(segmenter)], wanted if skip_done else None)
    if derivatives:
        write_dataset(folder, derivatives, segmenter.facts)
    if any(path.is_dir() for path in paths):
        import_module("highdicom")  # if it is missing, say so before the work
    progress = Progress("predict", len(paths), unit="scan")
    problems, skipped = [], 0
    for done, (path, of_scan) in enumerate(zip(paths, outputs, strict=True), start=1):
        try:
            with no_wider_than(files_of_image(path), folder):
                if skip_done and of_scan.exists() and of_scan.is_done(replace(wanted, image=image_digest(path))):
                    rows = volumes_of(read_volume(of_scan.mask), segmenter.structures)
                    _write_volumes(table, [(as_cell(of_scan.name), *row) for row in rows])
                    skipped += 1
                else:
                    _predict_scan(segmenter, path, of_scan, table, wanted)
        except Exception as error:  # whatever a library raises for one scan, the others have their masks
            problems.append(reason_of(path, error))
        progress.report(done)
    if skipped:
        logger.info("%d of %d scans were done before", skipped, len(paths))
    if len(problems) < len(paths):
        logger.info("Written: %s, masks and volumes.tsv", output)
        log_first(folder / FILE, [as_cell(one.name) for one in outputs])
        for said in verdict_in_words(segmenter.facts):
            logger.info("%s These scans have no verdict of their own.", said)
    if problems:
        raise ValueError("\n".join([f"DAR-315: {len(problems)} of {len(paths)} scans have no mask:", *problems]))


def _check_outputs(
    scans: Sequence[Path],
    outputs: Sequence[ImageOutput],
    table: Path,
    read: Sequence[str | Path],
    skipped: MadeOf | None,
) -> None:
    """See that nothing is written over but what was made of the same scans, before the first is segmented.

    Args:
        skipped: Of what the masks are made that will be left.
    """
    for scan, one in zip(scans, outputs, strict=True):
        if (length := len(os.fsencode(one.mask.name))) > LONGEST_NAME:
            raise ValueError(
                f"DAR-309: {scan}: the name of its mask, {one.mask.name}, has {length} bytes; expected up to "
                f"{LONGEST_NAME}: rename the scan, or name a link to it (ln -s)"
            )
    voxels = [file for scan in scans for file in companions(scan)]
    check_not_read(
        [table, table.with_name(FILE), *(file for one in outputs for file in one.files)], [*scans, *voxels, *read]
    )
    _read_volumes(table)
    read_expected_dice(table.with_name(FILE))
    for scan, one in zip(scans, outputs, strict=True):
        if one.exists():
            with suppress(OSError):  # a scan that cannot be read is named when its turn comes
                image = image_digest(scan)
                if not (skipped and one.is_made_of(replace(skipped, image=image))):
                    one.check_free(scan, image)


def _files_of(segmenter: Segmenter) -> list[Path]:
    return [file for file in segmenter.folder.iterdir() if file.is_file()]


def _predict_scan(segmenter: Segmenter, scan: Path, output: ImageOutput, table: Path, made: MadeOf) -> None:
    """Segment a scan; when all of it is written, put it in place, with its rows of the table."""
    with staging(table.parent) as stage:
        kept = stage / PROBABILITIES if PROBABILITIES in made.extras else None
        mask, expected = segmenter.predict_with_expected_dice(scan, made.average, kept)
        if SLICER in made.extras:
            write_slicer_segmentation(stage / SLICER, mask, segmenter.structures)
        if scan.is_dir() and _write_segmentation(stage / SEG, scan, mask, segmenter):
            made = replace(made, extras=(*made.extras, SEG))
        for kind, text in output.texts.items():
            if kind == SIDECAR or PROBABILITIES in made.extras:
                (stage / kind).write_text(text, encoding="utf-8")
                made = replace(made, extras=(*made.extras, kind))
        written = {MASK: voxels_digest(mask.array)} | {kind: file_digest(stage / kind) for kind in made.extras}
        made = replace(made, image=image_digest(scan), written=written)
        write_mask(stage / MASK, mask.array, mask.grid, made.remark())
        rows = [(as_cell(output.name), *row) for row in volumes_of(mask, segmenter.structures)]
        with turn(table):
            output.check_free(scan, made.image)  # another process may have been faster
            output.replace(stage, made)
            _add_rows(table, rows)
            add_expected_dice(table.with_name(FILE), as_cell(output.name), expected)


def _write_volumes(path: Path, rows: Sequence[tuple]) -> None:
    """Write the rows, after those that the file has of other scans, whichever process writes those."""
    with turn(path):
        _add_rows(path, rows)


def _add_rows(path: Path, rows: Sequence[tuple]) -> None:
    table = pd.DataFrame([(scan, name, str(voxels), f"{ml:.3f}") for scan, name, voxels, ml in rows], columns=COLUMNS)
    before = _read_volumes(path)
    table = pd.concat([before[~before["image"].isin(table["image"])], table])
    with no_wider_than([path], path.parent), write_beside(path) as partial:
        table.to_csv(partial, sep="\t", index=False)


def _read_volumes(path: Path) -> pd.DataFrame:
    """Return the rows of the table as text; none where there is no file.

    Raises:
        ValueError: The file is another one, or a folder.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (ValueError, IsADirectoryError):
        table = pd.DataFrame()
    if list(table.columns) != COLUMNS:
        raise ValueError(
            f"DAR-312: {path}: expected the columns {', '.join(COLUMNS)}, which `dar-uda predict` writes: "
            "give another folder with -o, or move that away"
        )
    return table


def _write_segmentation(path: Path, series: Path, mask: Volume, segmenter: Segmenter) -> bool:
    """Write the mask of a DICOM series as DICOM SEG; warn, and return False, where its headers do not allow one."""
    from dar_uda.bundle.dicom_seg import write_segmentation

    model = f"{segmenter.facts['method']} {segmenter.facts['direction']}"
    try:
        write_segmentation(path, series, mask, segmenter.structures, model)
    except ValueError as error:
        logger.warning("%s. The mask is written, a DICOM SEG is not.", error)
        return False
    return True


def volumes_of(mask: Volume, structures: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return name, voxels and ml of every structure."""
    voxel = abs(np.linalg.det(mask.grid.affine[:3, :3])) / 1000
    counts = np.bincount(mask.array.ravel(), minlength=len(structures) + 1)[1:]
    return [(name, int(count), float(count * voxel)) for name, count in zip(structures, counts, strict=True)]
