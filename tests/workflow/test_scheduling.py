"""The default profile and the hooks: what Snakemake does while long jobs run, and which job it takes first."""

import pytest

from benchmarks.scheduling import HOOKS, PROFILE, scheduling_cost
from tests.workflow.preloaded import snakemake

ORDER = """
rule all:
    input: "checked", expand("small/{n}", n=range(4)), expand("trained/{n}", n=range(2)),
rule check:
    output: "checked",
    threads: workflow.cores
    priority: 1000
    shell: "echo check >> order; touch {output}"
rule small:
    output: "small/{n}",
    priority: 1
    shell: "echo small >> order; touch {output}"
rule train:
    output: "trained/{n}",
    resources: gpu=1,
    shell: "echo begin >> order; sleep 0.3; echo end >> order; touch {output}"
"""
TWO_JOBS = """
rule all:
    input: "a", "b",
rule small:
    output: "{name}",
    shell: "touch {output}"
"""


@pytest.mark.slow
def test_snakemake_sleeps_while_long_jobs_run():
    cost = scheduling_cost(30, HOOKS, PROFILE, seconds=2)
    assert cost.idle < 1
    assert cost.per_job < 0.2


def run(folder, snakefile, *options):
    """Return what Snakemake prints that runs all jobs of `snakefile` on two cores with the hooks and the profile."""
    (folder / "Snakefile").write_text(HOOKS + snakefile)
    status, text = snakemake(folder, "-s", folder / "Snakefile", "--cores", "2", *PROFILE, *options)
    assert status == 0, text
    return text


def test_priorities_come_first_and_one_job_at_a_time_has_the_gpu(tmp_path):
    run(tmp_path, ORDER)
    order = (tmp_path / "order").read_text().split()
    assert order[0] == "check"
    assert order.index("begin") >= 4  # three of four small jobs have ended before a core is free for a training
    assert [what for what in order if what in ("begin", "end")] == ["begin", "end"] * 2


def test_a_limit_of_starts_that_the_user_sets_holds(tmp_path):
    assert "Job rate limit reached" in run(tmp_path, TWO_JOBS, "--max-jobs-per-timespan", "1/1s")
