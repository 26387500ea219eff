"""The config, merged and checked, and the names by which the rules know it."""

from snakemake.cli import parse_config
from snakemake.exceptions import WorkflowError

from dar_uda.plan.config import read_config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.task import Direction

TRANSLATIONS = ("disentangled-multi", "disentangled-average", "cyclegan-single")

try:
    CONFIG = read_config(
        project=HERE,
        user=config,
        files={
            str(path): Path(path).read_text(encoding="utf-8")
            for path in workflow.overwrite_configfiles or []
        },
        entries={
            entry: parse_config([entry])
            for entry in workflow.config_settings.config_args
        },
    )
except PlanError as error:
    raise WorkflowError(str(error)) from None

config.update(CONFIG.values)  # scripts read it as snakemake.config

TASK = CONFIG.task
RUN = CONFIG.run
BUDGET = TASK.budget
GRID = TASK.grid
DOMAINS = list(TASK.domains)
STRUCTURES = list(TASK.structures)
DIRECTIONS = list(map(str, CONFIG.directions))
TABLES = CONFIG.tables
METHODS = CONFIG.methods
SEEDS = CONFIG.seeds
method_values = CONFIG.branch


def source_of(direction):
    return Direction.of(direction).source


def target_of(direction):
    return Direction.of(direction).target
