"""Plans of a small cases table, which has no files."""

from dar_uda.plan.cases import Case, Cases, read_cases
from dar_uda.plan.plan import Plan
from tests.plan.configs import REPOSITORY, config_of

EXTRAS = (
    "segmentation: {self_training: {iterations: 1, steps: 5}, "
    "domain_randomization: {gin: 0.5, structure_contrast: 0.1, source_fraction: 0.25}}"
)
"""What makes `dar_uda` randomize volumes and train itself."""

SAVED = "inference: {save_probabilities: true}"

BOTH = "directions: [ct-to-mr, mr-to-ct]"


def case(name: str, split: str, is_labeled: bool, patient: str = "") -> Case:
    """Return a case of the domain with which its name begins, such as ct1."""
    label = f"{name}_label.nii.gz" if is_labeled else ""
    return Case(name, name.rstrip("0123456789"), split, f"{name}.nii.gz", label, patient)


CASES = Cases(
    (
        case("ct1", "train", True),
        case("ct2", "train", True),
        case("ct3", "train", False),
        case("mr1", "train", False),
        case("mr2", "train", False),
        case("mr3", "test", True),
        case("mr4", "test", False),
    )
)
"""A labeled source, and a target with a label of one test case alone."""

TRAIN, TEST = ("ct1", "ct2", "ct3", "mr1", "mr2", "mr3"), ("ct4", "mr4", "mr5")
LABELED = Cases((*(case(name, "train", True) for name in TRAIN), *(case(name, "test", True) for name in TEST)))
"""Every case has a label."""

UNSCORED = Cases((*(case(name, "train", True) for name in TRAIN), *(case(name, "test", False) for name in TEST)))
"""Every training case has a label, and no test case."""


def plan_of(text: str = "{}", cases: Cases = CASES, has_files: bool = True) -> Plan:
    """Return the plan of a run whose config file holds `text`."""
    return Plan.of(config_of(text), cases, has_files)


def phantoms(text: str = "{}") -> Plan:
    """Return the plan of a run on the shipped table: 8 training cases of each domain, 4 of CT and 6 of MR for tests."""
    config = config_of(text)
    return Plan.of(config, read_cases(config, REPOSITORY, may_generate=False))
