"""The plan of the run; GPUs and cores, as all rules need them."""

import shutil

from snakemake.cli import parse_config
from snakemake.exceptions import WorkflowError

from dar_uda.data.ceiling import raise_ceiling
from dar_uda.jobs.error_codes import explained
from dar_uda.jobs.text import shown_message
from dar_uda.plan.cases import read_cases
from dar_uda.plan.code_version import code_version
from dar_uda.plan.config import read_config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.plan import Plan
from dar_uda.plan.renamed import check_rules

CORES_ELSEWHERE = 8
FILES = map(str, workflow.overwrite_configfiles or [])
ENTRIES = workflow.config_settings.config_args

RULES_NAMED = (
    *workflow.resource_settings.overwrite_resources,
    *workflow.resource_settings.overwrite_threads,
    *workflow.workflow_settings.consider_ancient,
)

try:
    check_rules(RULES_NAMED)
    CONFIG = read_config(
        project=HERE,
        user=config,
        files={path: Path(path).read_text(encoding="utf-8") for path in FILES},
        entries={entry: parse_config([entry]) for entry in ENTRIES},
    )
    PLAN = Plan.of(
        CONFIG,
        read_cases(CONFIG, HERE, not workflow.remote_exec, workflow.is_main_process),
        has_files=not workflow.remote_exec,
    )
except PlanError as error:
    raise WorkflowError(shown_message(explained(str(error)))) from None

if CONFIG.values["max_voxels"]:
    raise_ceiling(CONFIG.values["max_voxels"])  # of this process and of the jobs that it starts

TASK = CONFIG.task
config.update(CONFIG.values)  # scripts read it as snakemake.config


def gpus(wildcards):
    """Return how many GPUs a torch job asks for."""
    return PLAN.gpus(workflow.non_local_exec, shutil.which("nvidia-smi") is not None)


def gpus_of_training(wildcards):
    """Return how many GPUs a training of the translator or of DAR-UNet asks for."""
    return gpus(wildcards) * config["gpus_per_training"]


def all_cores(wildcards):
    """Return the cores that Snakemake may use: of this machine, or for a job that another one runs."""
    if workflow.remote_exec or workflow.non_local_exec:
        return CORES_ELSEWHERE
    try:
        return workflow.cores
    except WorkflowError:  # a dry run for a cluster
        return CORES_ELSEWHERE


def half_the_cores(wildcards):
    """Return a training's threads: two trainings that do not wait for each other share the machine."""
    return max(1, all_cores(wildcards) // 2)


wildcard_constraints:
    **PLAN.wildcard_constraints(),
