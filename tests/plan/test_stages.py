import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

from dar_uda.plan.stages import CHAIN, ORDER, STAGE_OF
from dar_uda.report.stages import REPORT

REPOSITORY = Path(__file__).parents[2]
TARGETS = {"all", "comparison", "style_study", "architecture_study"}
"""Rules that have no job of their own."""


def test_every_rule_of_the_workflow_has_one_stage():
    command = [sys.executable, "-m", "snakemake", "--list-rules"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    rules = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert set(ORDER) == rules - TARGETS
    assert max(Counter(ORDER).values()) == 1


def test_the_rules_that_are_named_for_a_purpose_are_in_the_list_and_in_its_order():
    assert [rule for rule in ORDER if rule in CHAIN] == list(CHAIN)
    assert REPORT in ORDER


def test_profiles_name_rules_of_the_list():
    files = sorted((REPOSITORY / "workflow" / "profiles").glob("*/config.yaml"))
    profiles = [yaml.safe_load(file.read_text()) for file in files]
    named = {rule for profile in profiles for key in ("groups", "set-resources") for rule in profile.get(key, {})}
    assert len(named) > 5 and named <= set(ORDER)


def test_trainings_and_synthesis_are_no_evaluation():
    assert STAGE_OF["train_candidates"] == "segmentation"
    assert STAGE_OF["synthesize_average_volume"] == "translation"
