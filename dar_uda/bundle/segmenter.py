"""A bundle at work: from a scan to its mask, on the scan's own grid, as the workflow makes it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dar_uda.bundle.facts import check_weights, read_facts
from dar_uda.bundle.ood import MARGIN, TrainingDistribution
from dar_uda.data.checks.scan import problems_of_scan, warn_or_refuse
from dar_uda.data.geometry import slice_axis_of
from dar_uda.data.grid import read_grids
from dar_uda.data.network_volume import open_image
from dar_uda.data.planes import ALIKE, angle_between, axis_alike, normal_of, plane_of
from dar_uda.data.probabilities import probabilities_file
from dar_uda.data.volume import Volume
from dar_uda.evaluation.confidence import volume_ratios, with_expected_dice
from dar_uda.jobs.cores import usable_cores
from dar_uda.jobs.progress import Bar
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.settings import Preprocessing
from dar_uda.segmentation.predict import counted, mask_of
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.tta import TtaInconsistency, transforms_of
from dar_uda.training.device import find_device, use_device

logger = logging.getLogger(__name__)
BEFORE_THERE_WERE = {"guided_filter_radius": 0, "flips": True}
"""Keys that a bundle may lack, and what it means."""


class Segmenter:
    """A finished method, ready for scans: `Segmenter.load(bundle).predict(scan)`.

    Attributes:
        facts: What `bundle.json` holds.
        structures: Names of the classes 1..K.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], predictor: Predictor) -> None:
        self.folder, self.facts, self.predictor = folder, facts, predictor
        self.structures: list[str] = facts["structures"]

    @classmethod
    def load(cls, bundle: str | Path, device: str = "auto", threads: int | None = None) -> "Segmenter":
        """Return the method of a bundle that `dar-uda export` wrote.

        It takes the GPU as other programs with PyTorch do, and neither waits for the workflow's jobs nor keeps them
        waiting: `dar-uda predict` and those jobs lease theirs, see `lease_devices`.

        Args:
            device: "auto", "cpu", "cuda" (the current GPU) or a name of torch's such as "cuda:1".
            threads: Of the CPU; None: torch's own number, as far as this process has cores.

        Raises:
            FileNotFoundError: The folder is no bundle.
            ValueError: It is one of another version of this program, or torch finds no GPU and one was asked for.
        """
        folder = Path(bundle)
        facts = read_facts(folder)
        where = use_device(find_device(device), threads or min(torch.get_num_threads(), usable_cores()))
        said = {**BEFORE_THERE_WERE, **facts["inference"]}
        inference = {key: said[key] for key in ("overlap", "weighting", "batch_size", *BEFORE_THERE_WERE)}
        weights, windows = folder / "weights.safetensors", {"window": facts["patch_size"], **inference}
        check_weights(weights, facts)
        return cls(folder, facts, Predictor.load(weights, where, "auto", **windows))

    def predict(
        self, scan: str | Path, test_time_augmentation: bool | None = None, probabilities: str | Path | None = None
    ) -> Volume:
        """Return the mask of a scan on its own grid, classes 1..K; warn where it is doubtful or out of distribution.

        Args:
            scan: NIfTI, MetaImage or NRRD file, or folder of one DICOM series.
            test_time_augmentation: Average the probabilities of the TTA transforms; None: as the method had it.
            probabilities: Where to write those of all classes, background first, see `probabilities_file`; their
                argmax is the mask before largest components are chosen.

        Raises:
            ValueError: The scan cannot be read, or a check of `dar-uda check` finds an error; the message names it.
        """
        return self.predict_with_expected_dice(scan, test_time_augmentation, probabilities)[0]

    def predict_with_expected_dice(
        self, scan: str | Path, test_time_augmentation: bool | None = None, probabilities: str | Path | None = None
    ) -> tuple[Volume, pd.DataFrame]:
        """Return what `predict` does, and a row per structure: `structure`, signals and what `with_expected_dice` adds.

        TTA inconsistency is known where transforms are averaged, volumes where the bundle knows the source's. No other
        network is there to agree with.
        """
        if test_time_augmentation is None:
            test_time_augmentation = self.facts["inference"]["test_time_augmentation"]
        with TemporaryDirectory(prefix="dar-uda-", ignore_cleanup_errors=True) as scratch:
            image, grid = Path(scratch) / "image.nii", Path(scratch) / "grid.json"
            self._preprocess(scan, image, grid)
            self._warn_of(scan, image)
            original, classes = read_grids(grid)[0], len(self.structures) + 1
            kept = probabilities_file(probabilities, original, classes) if probabilities else nullcontext()

            transforms = len(transforms_of(self.predictor.flips))

            def mask_by(predictor: Predictor) -> tuple[Volume, pd.DataFrame]:
                volume, changes = open_image(image), TtaInconsistency(len(self.structures))
                with self._progress(scan, image, transforms if test_time_augmentation else 1):
                    averaged = test_time_augmentation
                    slabs = (
                        counted(predictor.tta_probabilities(volume), changes) if averaged else predictor.slabs(volume)
                    )
                    mask = mask_of(slabs, grid, self.facts["single_component"], stored)
                return mask, self._expected(mask, grid, changes.values() if averaged else None)

            with kept as stored:
                return self.predictor.within_memory(mask_by, str(scan))

    def _expected(self, mask: Volume, grid: Path, changes: NDArray[np.float64] | None) -> pd.DataFrame:
        """Return the rows of `predict_with_expected_dice`; changes are those of `TtaInconsistency`."""
        usual = self.facts.get("usual_volumes") or [np.nan] * len(self.structures)  # earlier bundles have none
        signals = {
            "structure": self.structures,
            "tta_inconsistency": np.nan if changes is None else np.nan_to_num(changes, nan=1.0),
            "volume_ratio": volume_ratios(mask.array, *read_grids(grid), np.array(usual)),
            "agreement": np.nan,
        }
        return with_expected_dice(pd.DataFrame(signals))

    def distance(self, scan: str | Path) -> float | None:
        """Return a scan's distance from the training scans, see `TrainingDistribution`; None without statistics."""
        with TemporaryDirectory(prefix="dar-uda-", ignore_cleanup_errors=True) as scratch:
            image = Path(scratch) / "image.nii"
            self._preprocess(scan, image, Path(scratch) / "grid.json")
            return self._distance(image)

    def _preprocess(self, scan: str | Path, image: Path, grid: Path) -> None:
        region = self.folder / "region.json"
        facts = self.facts["preprocessing"]
        options = {key: facts[key] for key in ("intensity", "slice_axis", "double_depth")}
        preprocess_image(
            Path(scan).name,
            scan,
            image,
            grid,
            Preprocessing(**facts["grid"], **options),
            region=region if region.exists() else None,
            check=partial(self._check, Path(scan)),
        )

    def _check(self, scan: Path, volume: Volume) -> None:
        """Refuse a scan, or warn of it, as `dar-uda check` does, and where its slices lie unlike the training's."""
        preprocessing = self.facts["preprocessing"]
        slice_axis, usual = preprocessing["slice_axis"], self.facts["slice_normal"]
        warn_or_refuse(problems_of_scan(scan, volume, preprocessing["intensity"].get("window"), slice_axis))
        normal = normal_of(volume.grid, slice_axis)
        angle = angle_between(normal, usual)
        if angle > ALIKE:
            axis, reason = slice_axis_of(volume.grid, slice_axis)
            logger.warning(
                "DAR-314: %s has %s slices (slice axis %d, %s), the training scans of %s %s ones: %.0f degrees apart, "
                "its mask is likely wrong. `slice_axis: %d` under `preprocessing` in %s cuts it like them.",
                *(scan, plane_of(normal), axis, reason, self.facts["domain"], plane_of(usual), angle),
                *(axis_alike(volume.grid, usual), self.folder / "bundle.json"),
            )

    @contextmanager
    def _progress(self, scan: str | Path, image: Path, passes: int) -> Iterator[None]:
        """Within the block, tell how many windows of the scan the network has seen."""
        windows = passes * self.predictor.count_windows(open_image(image).shape)
        bar, seen = Bar(Path(scan).name, windows, unit="window"), 0

        def count(_: torch.nn.Module, inputs: tuple[torch.Tensor], __: torch.Tensor) -> None:
            nonlocal seen
            seen += len(inputs[0])
            bar.report(seen)

        hook = self.predictor.scores.register_forward_hook(count)
        try:
            yield
        finally:
            hook.remove()
            bar.report(windows)

    def _distance(self, image: Path) -> float | None:
        statistics = self.facts["out_of_distribution"]
        return TrainingDistribution(**statistics).distance(image) if statistics else None

    def _warn_of(self, scan: str | Path, image: Path) -> None:
        distance = self._distance(image)
        if distance is not None and distance > MARGIN:
            logger.warning(
                "DAR-313: %s is out of distribution: its brightness differs from that of the training scans of %s %.1f "
                "times as much as the farthest of them. Look at this mask with care.",
                scan,
                self.facts["domain"],
                distance,
            )
