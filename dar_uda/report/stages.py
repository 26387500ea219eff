"""Time and memory of a run, stage by stage."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dar_uda.jobs.usage import read_usage
from dar_uda.plan.stages import EVALUATION, STAGE_OF, STAGES

REPORT = "write_report"
"""Its measurement, if there is one, is of the page before this one."""


@dataclass(frozen=True)
class Stage:
    """What the jobs of a stage took, and those of each of its rules, in columns of `read_usage`."""

    name: str
    jobs: int
    seconds: float
    longest_seconds: float
    peak_mib: float
    rules: list[dict]


def read_stages(benchmarks: str | Path) -> list[Stage]:
    """Return the stages that have jobs in the folder, in the order of the workflow; every other rule is evaluation."""
    usage = read_usage(benchmarks).drop(REPORT, errors="ignore").reset_index()
    stages = usage["rule"].map(lambda rule: STAGE_OF.get(rule, EVALUATION))
    return [_stage(name, usage[stages == name]) for name in STAGES if (stages == name).any()]


def _stage(name: str, rules: pd.DataFrame) -> Stage:
    return Stage(
        name,
        int(rules["jobs"].sum()),
        float(rules["seconds"].sum()),
        float(rules["longest_seconds"].max()),
        float(rules["peak_mib"].max()),
        rules.to_dict("records"),
    )
