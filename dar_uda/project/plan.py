"""The plan of a project: what Snakemake would run there."""

from pathlib import Path

import yaml

from dar_uda.plan.cases import read_cases
from dar_uda.plan.config import read_config
from dar_uda.plan.plan import Plan
from dar_uda.plan.written import problems_of_aliases, problems_of_values
from dar_uda.project.workflow import workflow_folder

TASK, TABLE = "task.yaml", "cases.tsv"


def read_plan(project: Path) -> Plan:
    """Return the plan of a project.

    Raises:
        ValueError: Its task or its table is wrong.
    """
    return plan_of((project / TASK).read_text(encoding="utf-8"), project)


def plan_of(text: str, project: Path) -> Plan:
    """Return the plan of a task, as a text, in the folder of a project.

    Raises:
        ValueError: See `read_plan`.
    """
    root = workflow_folder()
    try:
        if found := problems_of_aliases(text) or problems_of_values(text):
            raise ValueError(f"{project / TASK}: {'; '.join(found)}")
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"DAR-418: {project / TASK} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"DAR-418: {project / TASK} is not YAML of keys and values: write it again with `dar-uda init`"
        )
    table = {"cases": str(project.absolute() / values.get("cases", TABLE))}
    config = read_config(root, {**values, **table}, {str(project / TASK): text})
    return Plan.of(config, read_cases(config, root))
