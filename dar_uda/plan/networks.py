"""How networks are built and trained."""

from dataclasses import dataclass
from math import prod
from typing import Any

from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.merge import Values
from dar_uda.plan.methods import NNUNET, UNET_2D, Training, domain_randomization_of
from dar_uda.plan.task import LARGEST_BATCH, known_entry

PREDICTOR = ("overlap", "weighting", "batch_size", "guided_filter_radius", "flips")
"""Values of the prediction that masks of any kind depend on."""
OF_MASKS = ("guided_filter_radius", "test_time_augmentation", "keep_largest_component", "save_probabilities")
"""Values of the prediction that do not depend on who predicts."""
COARSEST = 16
"""What divides the depth of a patch that every level of a network halves."""


@dataclass(frozen=True)
class Networks:
    """The networks of a run, each by the name of a training of it, such as `dar_unet-randomized`."""

    config: Config

    def switches(self, training: str) -> Values:
        """Return the architecture and switches of a network.

        Raises:
            PlanError: The config has no such network.
        """
        switches: Values = known_entry(self.config.values["networks"], Training.of(training).network, "network")
        return switches

    def patch_size(self, training: str) -> list[int]:
        """Return the patch, `[depth, height, width]`, that a network is trained on, and its window in prediction.

        Raises:
            PlanError: No bundle could have the network, since the windows predicted at a time are too large.
        """
        depth, *sides = self.config.branch("segmentation")["patch_size"]
        isotropic = not self.switches(training).get("anisotropic", True)
        window = [-(-depth // COARSEST) * COARSEST if isotropic else depth, *sides]
        count = self.config.branch("inference")["batch_size"]
        if (voxels := count * prod(window)) > LARGEST_BATCH:
            raise PlanError(
                f"DAR-048: {count} windows of {window} make {voxels} voxels in a batch, expected {LARGEST_BATCH} at "
                "most: lower inference.batch_size or segmentation.patch_size."
            )
        return window

    def training_values(self, training: str, *left_out: str) -> dict[str, Any]:
        """Return how a network is trained, without the keys that its training does not read from there."""
        values = {**self.config.branch("segmentation"), "patch_size": self.patch_size(training)}
        of_2d = values.pop("steps_2d")
        if self.switches(training).get("architecture") == UNET_2D:
            values["steps"] = of_2d
        return {key: value for key, value in values.items() if key not in left_out}

    def inference(self, post_processed: bool = True) -> dict[str, Any]:
        """Return how masks are predicted, however many cases a job has.

        Args:
            post_processed: Whether probabilities are filtered and the largest components kept, as the config says.
        """
        values = {key: value for key, value in self.config.branch("inference").items() if key != "chunk_size"}
        plain = {} if post_processed else {"guided_filter_radius": 0, "keep_largest_component": False}
        return {**values, **plain, "flips": self.config.branch("segmentation")["augmentation"] == "published"}

    def masks(self, post_processed: bool) -> dict[str, Any]:
        """Return how masks are made of the probabilities of a network that is not our own; see `inference`."""
        inference = self.inference(post_processed)
        return {key: inference[key] for key in OF_MASKS}

    def of_nnunet(self) -> list[str]:
        """Return the networks that nnU-Net trains."""
        networks: Values = self.config.values["networks"]
        return [name for name, switches in networks.items() if switches.get("architecture") == NNUNET]

    def predictor(self) -> dict[str, Any]:
        """Return what makes weights a `Predictor`, but for the window."""
        inference = self.inference()
        return {key: inference[key] for key in PREDICTOR}

    def self_training(self) -> Values:
        """Return how a self-training iteration trains, however many there are."""
        values: Values = self.config.branch("segmentation")["self_training"]
        return {key: value for key, value in values.items() if key != "iterations"}

    def domain_randomization(self, training: str) -> Values | None:
        """Return how the volumes of a training are randomized; None where they are not."""
        return domain_randomization_of(self.config) if Training.of(training).is_randomized else None
