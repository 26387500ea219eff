"""The whole chain through a real Slurm: the bits of a local run, also where Slurm ends a training in the middle."""

import os
import re
import shutil
import time
from collections import Counter

import pytest

from tests.faults.runs import files_of
from tests.slurm.cluster import CPUS, ask, one_node_cluster
from tests.workflow.tiny_run import REPOSITORY, Run, prepare

pytestmark = pytest.mark.slurm
METHODS = "methods=[source_only,dar_uda]"
SHORT = ("--config", METHODS, "translation={steps: 60}", "segmentation={steps: 30}", "device=auto")
LONG = ("--config", METHODS, "translation={steps: 1500}", "device=auto")
PROFILE = (
    *("--workflow-profile", str(REPOSITORY / "workflow" / "profiles" / "slurm")),
    *("--default-resources", "slurm_partition=main"),
    *("--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "15"),
)
HUNDRED = {"ct": ("train",) * 40, "mr": ("train",) * 40 + ("test",) * 20}
TRANSLATOR = "seed-0/translators/disentangled"


class ClusterRun(Run):
    """Snakemake commands whose jobs Slurm runs."""

    def command(self, *arguments):
        words = super().command(*arguments)
        at = words.index("--cores")
        return [*words[:at], *PROFILE, *words[at + 2 :]]


class LocalRun(Run):
    """Snakemake commands whose jobs have as many threads as those of a cluster."""

    def command(self, *arguments):
        words = super().command(*arguments)
        words[words.index("--cores") + 1] = str(2 * min(CPUS // 2, os.cpu_count()))
        return words


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    """A folder of programs that comes first; what stands for NVIDIA's makes trainings ask for a GPU."""
    if os.geteuid() or not shutil.which("slurmctld"):
        pytest.fail("needs root, and slurm-wlm and munge from the distribution: make test-slurm installs them")
    programs = tmp_path_factory.mktemp("programs")
    smi = programs / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch, one_node_cluster(tmp_path_factory.mktemp("slurm")):
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        yield programs


def timed(run, *arguments):
    """Run to the end; return seconds and what was printed."""
    start = time.monotonic()
    status, text = run(*arguments)
    assert status == 0, text
    return time.monotonic() - start, text


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    run = LocalRun(prepare(tmp_path_factory.mktemp("local")).folder)
    run.seconds, _ = timed(run, *SHORT)
    return run


def on_cluster(folder, **cases):
    return ClusterRun(prepare(folder, **cases).folder)


def submissions(text):
    """Return the rules or groups of the jobs that Snakemake submitted, by Slurm's job id."""
    return dict(re.findall(r"SLURM jobid '?(\d+)'? \(log: .*?/slurm_logs/(?:rule|group)_([^/]+)/", text))


def test_a_run_through_slurm_ends_at_the_bits_of_a_local_one(local, tmp_path, capsys):
    run = on_cluster(tmp_path / "run")
    seconds, text = timed(run, *SHORT)
    assert files_of(run) == files_of(local)
    jobs = submissions(text)
    number = next(number for number, name in jobs.items() if name == "train_translator")
    assert "gres:gpu:1" in ask("scontrol", "show", "job", number)
    for group in ("preprocessing", "tables"):
        assert sum(name.startswith(group) for name in jobs.values()) == 1
    with capsys.disabled():
        print(f"\n{len(jobs)} jobs of Slurm: {seconds:.0f} s; the local run: {local.seconds:.0f} s")
        print(*sorted(jobs.values()))


def test_a_training_canceled_in_the_middle_goes_on_by_itself(local, tmp_path):
    run = on_cluster(tmp_path / "run")
    job = run.start(*SHORT)
    checkpoint = run.result(f"{TRANSLATOR}/checkpoints/latest.pt")
    while not checkpoint.exists():
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.05)
    lines = ask("squeue", "--noheader", "--format=%i %T %k").splitlines()
    (number,) = [line.split()[0] for line in lines if "train_translator" in line and "RUNNING" in line]
    ask("scancel", number)
    text, _ = job.communicate()
    assert job.returncode == 0, text
    assert list(submissions(text).values()).count("train_translator") == 2
    assert "resumed from the checkpoint at step" in log_of_translator(run)
    assert files_of(run) == files_of(local)


def test_a_training_that_meets_its_time_limit_goes_on_in_further_jobs(tmp_path):
    target = f"results/phantom/{TRANSLATOR}/weights.safetensors"
    there, here = on_cluster(tmp_path / "slurm"), LocalRun(prepare(tmp_path / "local").folder)
    status, text = there(target, "--set-resources", "train_translator:runtime=1", "--retries", "9", *LONG)
    assert status == 0, text
    assert list(submissions(text).values()).count("train_translator") > 1
    assert "resumed from the checkpoint at step" in log_of_translator(there)
    timed(here, target, *LONG)
    assert (there.folder / target).read_bytes() == (here.folder / target).read_bytes()


def test_a_hundred_cases_cost_tens_of_jobs(tmp_path, capsys):
    seconds, text = timed(on_cluster(tmp_path / "run", cases=HUNDRED), *SHORT)
    names = Counter(submissions(text).values())
    with capsys.disabled():
        print(f"\n100 cases: {names.total()} jobs of Slurm, {seconds:.0f} s")
        print(*(f"{count} {name}" for name, count in sorted(names.items())), sep="\n")
    assert names.total() < 50


def test_a_login_node_without_a_gpu_must_be_told_the_device(tmp_path, programs, monkeypatch):
    if shutil.which("nvidia-smi", path=os.environ["PATH"].replace(f"{programs}:", "")):
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("PATH", os.environ["PATH"].replace(f"{programs}:", ""))
    status, text = on_cluster(tmp_path / "run")(*SHORT)
    assert status != 0 and "say --config device=cuda, or device=cpu" in text and not submissions(text), text


def log_of_translator(run):
    return run.result("logs/train_translator/disentangled-0.log").read_text()
