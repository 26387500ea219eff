"""Scans that come later, segmented with a bundle: a mask each, and the volumes of their structures."""

import logging
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from dar_uda.bundle.segmenter import Segmenter
from dar_uda.data.files import check_writable, write_beside
from dar_uda.data.predictions import mask_path
from dar_uda.data.scans import name_of, scans_of
from dar_uda.data.volume import Volume, write_mask
from dar_uda.training.progress import Progress

logger = logging.getLogger(__name__)


def predict_scans(
    segmenter: Segmenter,
    scans: Sequence[str | Path],
    output: str | Path,
    average: bool,
    probabilities: bool = False,
) -> None:
    """Write `{scan}.nii.gz`, the mask on the scan's own grid, of every scan, and `volumes.tsv`.

    Of a DICOM series also `{scan}.dcm`, the mask as DICOM SEG. What the folder has of a scan of the same name is
    replaced; rows of other scans stay in `volumes.tsv`.

    Args:
        scans: Volume files, folders of one DICOM series, or folders of volume files, of which each is a scan.
        output: Folder to write into.
        average: Average the probabilities of five views of a scan.
        probabilities: Write those of all classes too: `probabilities/{scan}.nii.gz`, see `Segmenter.predict`.

    Raises:
        ValueError: Two scans have one name; or some could not be segmented: the message names each, the others are.
        OSError: Nothing can be written into the folder, or a file has its name.
    """
    check_writable(output)
    paths = [path for scan in scans for path in scans_of(Path(scan))]
    repeated = [name for name, times in Counter(map(name_of, paths)).items() if times > 1]
    if repeated:
        raise ValueError(f"several scans are called {', '.join(repeated)}; expected one mask a name: give them apart")
    if any(path.is_dir() for path in paths):
        import_module("highdicom")  # if it is missing, say so before the work
    progress = Progress("predict", len(paths), unit="scan")
    rows, problems = [], []
    for done, path in enumerate(paths, start=1):
        try:
            kept = mask_path(Path(output) / "probabilities", name_of(path)) if probabilities else None
            mask = segmenter.predict(path, True if average else None, kept)
        except (ValueError, OSError) as error:
            problems.append(str(error))
        else:
            write_mask(mask_path(output, name_of(path)), mask.array, mask.grid)
            if path.is_dir():
                _write_segmentation(Path(output) / f"{name_of(path)}.dcm", path, mask, segmenter)
            rows += [(name_of(path), *row) for row in volumes_of(mask, segmenter.structures)]
        progress.report(done)
    if rows:
        _write_volumes(Path(output) / "volumes.tsv", rows)
        logger.info("Written: %s, masks and volumes.tsv", output)
    if problems:
        raise ValueError("\n".join([f"{len(problems)} of {len(paths)} scans have no mask:", *problems]))


def _write_volumes(path: Path, rows: Sequence[tuple]) -> None:
    """Write the rows, after those that the file has of other scans."""
    table = pd.DataFrame(rows, columns=["scan", "structure", "voxels", "ml"])
    if path.exists():
        before = pd.read_csv(path, sep="\t", dtype={"scan": str, "structure": str}, keep_default_na=False)
        table = pd.concat([before[~before["scan"].isin(table["scan"])], table])
    with write_beside(path) as partial:
        table.to_csv(partial, sep="\t", index=False, float_format="%.3f")


def _write_segmentation(path: Path, series: Path, mask: Volume, segmenter: Segmenter) -> None:
    """Write the mask of a DICOM series as DICOM SEG; warn where its headers do not allow one."""
    from dar_uda.bundle.dicom_seg import write_segmentation

    model = f"{segmenter.facts['method']} {segmenter.facts['direction']}"
    try:
        write_segmentation(path, series, mask, segmenter.structures, model)
    except ValueError as error:
        logger.warning("%s. The mask is written, a DICOM SEG is not.", error)


def volumes_of(mask: Volume, structures: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return name, voxels and ml of every structure."""
    voxel = abs(np.linalg.det(mask.grid.affine[:3, :3])) / 1000
    counts = np.bincount(mask.array.ravel(), minlength=len(structures) + 1)[1:]
    return [(name, int(count), float(count * voxel)) for name, count in zip(structures, counts, strict=True)]
