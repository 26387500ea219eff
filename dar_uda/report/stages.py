"""Time and memory of a run, stage by stage."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.resources import read_resources

STAGES = {
    "data": ("make_phantom", "check_cases", "find_region", "preprocess_case", "preprocess_label", "extract_slices"),
    "translation": ("train_translator", "encode_styles", "synthesize_volume", "train_cyclegan", "translate_volume"),
    "segmentation": (
        *("train_segmenter", "choose_candidate", "label_target", "self_train_segmenter"),
        *("train_synseg_net", "train_ada_output", "predict_cases"),
    ),
}
LAST_STAGE = "evaluation"
REPORT = "write_report"
"""Its measurement, if there is one, is of the page before this one."""
STAGE_OF = {rule: stage for stage, rules in STAGES.items() for rule in rules}


@dataclass(frozen=True)
class Stage:
    """What the jobs of a stage took, and those of each of its rules, in columns of `read_resources`."""

    name: str
    jobs: int
    seconds: float
    longest_seconds: float
    peak_mib: float
    rules: list[dict]


def read_stages(benchmarks: str | Path) -> list[Stage]:
    """Return the stages that have jobs in the folder, in the order of the workflow; every other rule is evaluation."""
    resources = read_resources(benchmarks).drop(REPORT, errors="ignore").reset_index()
    stages = resources["rule"].map(lambda rule: STAGE_OF.get(rule, LAST_STAGE))
    return [_stage(name, resources[stages == name]) for name in (*STAGES, LAST_STAGE) if (stages == name).any()]


def _stage(name: str, rules: pd.DataFrame) -> Stage:
    return Stage(
        name,
        int(rules["jobs"].sum()),
        float(rules["seconds"].sum()),
        float(rules["longest_seconds"].max()),
        float(rules["peak_mib"].max()),
        rules.to_dict("records"),
    )
