"""`dar-uda run`: Snakemake's command, its status, its end by Ctrl-C, and a whole run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from dar_uda.cli.command import main
from dar_uda.data.phantom import make_phantom
from dar_uda.project.workflow import PACKAGES, start, workflow_folder
from tests.project.scans import fill

NAMES = ["--labels", "liver=1,spleen=2"]
STUB = """
import json, os, sys
json.dump([sys.argv[1:], os.getcwd()], open("called.json", "w"))
sys.exit(int(os.environ["STATUS"]))
"""
TINY = {
    "translation": {"width": 2, "batch_size": 1, "steps": 4, "preview_every": 4, "checkpoint_every": 1},
    "styles": {"clusters": 2},
    "segmentation": {
        "channels": [8, 8, 8, 8, 8],
        "batch_size": 1,
        "steps": 4,
        "patch_size": [4, 32, 32],
        "self_training": {"iterations": 1, "steps": 2},
        "checkpoint_every": 1,
    },
}


@pytest.fixture
def places(tmp_path):
    return [f"ct={fill(tmp_path / 'ct', 'ct')}", f"mr={fill(tmp_path / 'mr', 'mr', label=False)}"]


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Let `python -m snakemake` write what it was called with, and end with a status."""
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "snakemake.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    monkeypatch.setenv("STATUS", "0")
    return monkeypatch


@pytest.mark.usefixtures("stub")
def test_run_passes_options_on_and_ends_with_paths_and_the_next_command(tmp_path, places, capsys):
    project = tmp_path / "project"
    assert main(["run", *places, "-o", str(project), *NAMES, "--cores", "3", "--resources", "gpu=2", "x=1"]) == 0
    called, folder = json.loads((project / "called.json").read_text())
    options = ["--cores", "3", "--resources", "gpu=2", "x=1", "--configfile", "task.yaml"]
    assert called == ["-s", str(PACKAGES / "Snakefile"), *options] and folder == str(project)
    printed = capsys.readouterr().out
    masks = project / "results/ct_to_mr/seed-0/predictions/ct-to-mr/dar_uda"
    assert f"Masks: {masks}\nReport: {project}/results/ct_to_mr/report.html\n" in printed
    assert f"dar-uda export {masks} -o {project}/bundle" in printed


def test_a_profile_is_found_from_where_the_user_is(tmp_path, stub, places):
    stub.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    assert main(["run", *places, "-o", "project", *NAMES, "--profile", "own"]) == 0
    called, _ = json.loads((tmp_path / "project" / "called.json").read_text())
    assert called[2:4] == ["--profile", str(tmp_path / "own")]


def test_the_status_is_that_of_snakemake_and_a_second_call_goes_on(tmp_path, stub, places, capsys):
    project = tmp_path / "project"
    stub.setenv("STATUS", "3")
    assert main(["run", *places, "-o", str(project), *NAMES]) == 3
    before = (project / "task.yaml").read_text()
    assert main(["run", *places, "-o", str(project), "--profile", "slurm"]) == 3
    called, _ = json.loads((project / "called.json").read_text())
    assert called[2:] == ["--profile", "slurm", "--configfile", "task.yaml"]  # the profile says how many cores
    assert (project / "task.yaml").read_text() == before
    assert "is used as it is" in capsys.readouterr().out
    assert main(["run", *places[::-1], "-o", str(project)]) == 1
    assert "DAR-415" in capsys.readouterr().err


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """Return what runs `python -m waiting`, gets a signal meanwhile and returns the status: the signal it ended by."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(number, seconds):
        (tmp_path / "waiting.py").write_text(
            "import signal, sys, time, pathlib\n"
            "for number in (signal.SIGINT, signal.SIGTERM):\n"
            "    signal.signal(number, lambda number, _: sys.exit(number))\n"
            f"pathlib.Path('ready').touch()\ntime.sleep({seconds})\n"
        )
        press = threading.Thread(target=_send, args=(tmp_path / "ready", number))
        press.start()
        status = start(["waiting"], tmp_path)
        press.join()
        return status

    return run


def _send(ready, number):
    while not ready.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "sent"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM), (signal.SIGHUP, signal.SIGTERM)],
)
def test_ctrl_c_and_a_closed_terminal_reach_snakemake_which_ends_by_itself(waiting, number, sent):
    assert waiting(number, seconds=60) == sent


def test_what_nohup_starts_outlives_the_terminal(waiting):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert waiting(signal.SIGHUP, seconds=0.3) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("words", [["a", "b", "c", "-o", "p"], ["ct=a", "mr=b"], ["project", "-o", "other"]])
def test_run_takes_a_project_or_two_folders_with_o(words, capsys):
    assert main(["run", *words]) == 1
    assert "DAR-416" in capsys.readouterr().err


def test_a_folder_without_a_task_is_refused(tmp_path, capsys):
    assert main(["run", str(tmp_path)]) == 1
    assert "DAR-411" in capsys.readouterr().err


def test_a_wheel_would_hold_every_file_of_the_workflow():
    import tomllib

    root = workflow_folder()
    declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    packed = {
        path.relative_to(root).as_posix() for globs in declared.values() for glob in globs for path in root.glob(glob)
    }
    listed = subprocess.run(
        ["git", "ls-files", "Snakefile", "config", "envs", "workflow"], cwd=root, capture_output=True
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    left_out = {path for path in set(listed.stdout.decode().split()) - packed if not path.endswith(".md")}
    assert {path for path in left_out if not path.startswith("workflow/profiles/")} == {"workflow/Snakefile"}


@pytest.mark.slow
def test_from_two_folders_to_masks_and_a_report(tmp_path, capfd):
    for domain in ("ct", "mr"):
        for number in range(2):
            files = (tmp_path / domain / f"{what}_{number}.nii.gz" for what in ("image", "label"))
            make_phantom(domain, number, *files)
    names = ["--labels", "liver=1,right_kidney=2,left_kidney=3,spleen=4", "--budget", "demo", "--probe"]
    places = [f"ct={tmp_path / 'ct'}", f"mr={tmp_path / 'mr'}"]
    assert main(["init", *places, "-o", str(tmp_path / "project"), *names]) == 0
    assert "trial steps on this machine" in capfd.readouterr().out
    task = tmp_path / "project" / "task.yaml"
    values = yaml.safe_load(task.read_text())
    values["tasks"]["ct_to_mr"]["budgets"] = {"demo": TINY}
    task.write_text(yaml.safe_dump({**values, "device": "cpu"}, sort_keys=False))
    command = [sys.executable, "-m", "dar_uda.cli.command", "run", str(tmp_path / "project"), "--cores", "2"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LOKY_MAX_CPU_COUNT": "2"})
    assert done.returncode == 0, done.stdout + done.stderr
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.startswith(("Masks", "Report")))
    assert sorted(path.name for path in Path(printed["Masks"]).glob("*.nii.gz"))
    assert Path(printed["Report"]).is_file()
