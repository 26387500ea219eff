"""Methods, the networks that they train, and the names of both, such as `dar_unet-randomized-self_training_1`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from dar_uda.plan.errors import PlanError
from dar_uda.plan.merge import Values
from dar_uda.plan.task import Direction

if TYPE_CHECKING:
    from dar_uda.plan.config import Config

TRANSLATIONS = (
    *("disentangled-multi", "disentangled-uncorrected", "disentangled-average"),
    *("cyclegan-single", "cycada-single"),
)
"""Ways to draw synthetic volumes, the paper's first."""

UNET_2D = "unet_2d"
"""The architecture of most networks that segment slices one by one."""

TRAINED_ON_BOTH = {"synseg_net": UNET_2D, "ada_output": UNET_2D, "sifa": "sifa", "cycada": UNET_2D}
"""Trainings on the labeled source and the unlabeled target, and the architecture of the network of each."""

BEGINS_FROM = {"cycada": "cycada-single"}
"""Those of them that go on from a training on a translation's volumes, and the translation."""

WITH_SECOND_OUTPUT = "ada_output"
"""The one of them that trains a `multilevel` network."""

ARCHITECTURES_2D = frozenset(TRAINED_ON_BOTH.values())

NNUNET = "nnunet"
"""The architecture that nnU-Net plans, trains and predicts with, in an environment of its own."""

SELECTION_RULES = ("source_validation", "target_oracle")
"""Ways to choose a training's weights among candidates."""

CANDIDATES = "candidates"
RANDOMIZED, SELF_TRAINING = "-randomized", "-self_training_"


@dataclass(frozen=True)
class TrainingSet:
    """What a network is trained on; as text, and in paths, `ct` or `ct-to-mr.disentangled-multi`.

    Attributes:
        labeled: The domain whose labels it has.
        target: The domain to which the network is adapted; None for a domain's real volumes.
        adaptation: One of `TRANSLATIONS` or `TRAINED_ON_BOTH`; "" for real volumes.
    """

    labeled: str
    target: str | None = None
    adaptation: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the training set that a text such as `ct-to-mr.cyclegan-single` names."""
        direction, _, adaptation = text.partition(".")
        if not adaptation:
            return cls(text)
        domains = Direction.of(direction)
        return cls(domains.source, domains.target, adaptation)

    def __str__(self) -> str:
        return self.labeled if self.target is None else f"{self.direction}.{self.adaptation}"

    @property
    def direction(self) -> Direction:
        """The direction in which the network is adapted.

        Raises:
            PlanError: The set is a domain's real volumes.
        """
        if self.target is None:
            raise PlanError(f"DAR-030: Training set {self} is a domain's real volumes; expected one of a direction.")
        return Direction(self.labeled, self.target)

    @property
    def has_volumes(self) -> bool:
        """Whether it is a list of volumes, real or synthetic, and not a training on both domains."""
        return self.adaptation in ("", *TRANSLATIONS)

    @property
    def translation(self) -> str:
        """The translation that draws the volumes it starts from; "" where there is none."""
        made = BEGINS_FROM.get(self.adaptation, self.adaptation)
        return made if made in TRANSLATIONS else ""


def direction_of(training_set: str) -> str:
    """Return the direction of a training set, both as text; see `TrainingSet.direction`."""
    return str(TrainingSet.of(training_set).direction)


def translator_of(translation: str, direction: str) -> str:
    """Return the name of the translator that a translation takes; CyCADA has one for each direction."""
    translator = translation.partition("-")[0]
    return f"{translator}-{direction}" if translator == "cycada" else translator


@dataclass(frozen=True)
class Training:
    """One training of a network; as text, and in paths, `dar_unet-randomized-source_validation-self_training_1`.

    Attributes:
        network: Its name in the config.
        is_randomized: Whether volumes are randomized as they are read.
        weights: "" where the last weights are kept, `candidates` where several are, one of `SELECTION_RULES` where
            one of these was chosen.
        iteration: Of self-training, which goes on from the weights of the one before with their masks of the target;
            0: the first training.
    """

    network: str
    is_randomized: bool = False
    weights: str = ""
    iteration: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the training that a text such as `dar_unet-randomized` names."""
        network, *parts = text.split("-")
        weights = next((part for part in parts if part in (CANDIDATES, *SELECTION_RULES)), "")
        prefix = SELF_TRAINING[1:]
        iteration = next((int(part.removeprefix(prefix)) for part in parts if part.startswith(prefix)), 0)
        return cls(network, RANDOMIZED[1:] in parts, weights, iteration)

    def __str__(self) -> str:
        randomized = RANDOMIZED if self.is_randomized else ""
        weights = f"-{self.weights}" if self.weights else ""
        iteration = f"{SELF_TRAINING}{self.iteration}" if self.iteration else ""
        return f"{self.network}{randomized}{weights}{iteration}"


@dataclass(frozen=True)
class Method:
    """A row of the tables: networks trained one after the other on a training set.

    Attributes:
        training_set_pattern: The training set as the config has it, such as `{direction}.disentangled-multi`; where
            nothing is corrected between slices, this stands for `{direction}.disentangled-uncorrected` too.
        iterations: The first training and the self-training iterations after it; the last one predicts.
        is_2d: Whether the network is 2D.
        is_post_processed: Whether probabilities are filtered and the largest components kept, as the config says.
        is_nnunet: Whether nnU-Net trains the network.
    """

    name: str
    training_set_pattern: str
    iterations: tuple[Training, ...]
    is_2d: bool
    is_post_processed: bool = True
    is_nnunet: bool = False

    def training_set(self, direction: Direction) -> TrainingSet:
        """Return what the method trains on in a direction."""
        names = {"direction": direction, "source": direction.source, "target": direction.target}
        return TrainingSet.of(self.training_set_pattern.format(**names))

    @property
    def predictor(self) -> Training:
        """The training whose network predicts."""
        return self.iterations[-1]

    @property
    def network(self) -> str:
        """The name of the network in the config."""
        return self.predictor.network

    @property
    def is_randomized(self) -> bool:
        """Whether its volumes are randomized as they are read."""
        return self.predictor.is_randomized

    @property
    def self_training_iterations(self) -> int:
        """How many self-training iterations follow the first training."""
        return self.predictor.iteration

    @property
    def is_adapted(self) -> bool:
        """Whether it trains for a target without labels of it."""
        return self.training_set_pattern.startswith("{direction}")

    @property
    def is_synthetic(self) -> bool:
        """Whether it trains on synthetic volumes."""
        return self.training_set_pattern.endswith((*TRANSLATIONS, *BEGINS_FROM))

    @property
    def trainings(self) -> list[Training]:
        """The trainings that run: where weights are chosen, that of the candidates."""
        first, *others = self.iterations
        return [replace(first, weights=CANDIDATES) if first.weights else first, *others]


def read_methods(config: "Config") -> Mapping[str, Method]:
    """Return the methods of all tables by name."""
    return {name: _method(name, definition, config) for name, definition in config.methods.items()}


def domain_randomization_of(config: "Config") -> Values | None:
    """Return how volumes are randomized; None where the budget randomizes nothing."""
    values: Values = config.branch("segmentation")["domain_randomization"]
    return values if any(values.values()) else None


def _method(name: str, definition: Values, config: "Config") -> Method:
    pattern, network = definition["training_set"], definition["network"]
    if not config.branch("styles")["inter_slice_correction"]:
        pattern = pattern.replace("disentangled-uncorrected", "disentangled-multi")
    switches = config.values["networks"][network]
    _check_definition(name, definition, switches)
    is_randomized = definition.get("randomized", False) and domain_randomization_of(config) is not None
    is_nnunet = switches.get("architecture") == NNUNET
    # The ceiling, trainings on both domains and nnU-Net keep their last weights.
    is_chosen = not is_nnunet and (pattern == "{source}" or pattern.endswith(TRANSLATIONS))
    rule = config.selection_rule
    first = Training(network, is_randomized, rule if is_chosen and rule != "last" else "")
    last = config.branch("segmentation")["self_training"]["iterations"] if definition.get("self_trained") else 0
    iterations = tuple(replace(first, iteration=number) for number in range(last + 1))
    is_2d = switches.get("architecture") in ARCHITECTURES_2D
    return Method(name, pattern, iterations, is_2d, definition.get("post_processed", True), is_nnunet)


def _check_definition(name: str, definition: Values, switches: Values) -> None:
    """Stop where a method asks for what its training set does not allow."""
    pattern = definition["training_set"]
    changes = [key for key in ("randomized", "self_trained") if definition.get(key)]
    if changes and switches.get("architecture") == NNUNET:
        raise PlanError(
            f"DAR-055: Method {name} is {changes[0]}, but nnU-Net trains its network {definition['network']}: leave "
            f"{changes[0]} out, or take another network."
        )
    if definition.get("self_trained") and not pattern.endswith(TRANSLATIONS):
        raise PlanError(
            f"DAR-033: Method {name} is self_trained on {pattern}; expected a synthetic training set, which "
            "names its target: take one, or leave self_trained out."
        )
    training = pattern.rpartition(".")[2]
    if definition.get("randomized") and training in TRAINED_ON_BOTH:
        raise PlanError(
            f"DAR-035: Method {name} is randomized on {pattern}, whose training randomizes nothing: "
            "take another training set, or leave randomized out."
        )
    wanted = TRAINED_ON_BOTH.get(training)
    if wanted and switches.get("architecture") != wanted:
        raise PlanError(
            f"DAR-034: Method {name} trains network {definition['network']} on {pattern}; expected a 2D network of "
            f"architecture {wanted}, such as {wanted}."
        )
    if switches.get("multilevel") and wanted and training != WITH_SECOND_OUTPUT:
        raise PlanError(
            f"DAR-034: Method {name} trains network {definition['network']}, which has a second output, on {pattern}; "
            "expected one without, such as unet_2d."
        )
