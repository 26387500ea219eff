"""Names of runs, paths of scans, and the folders of project, Python and run: kept as they are, or refused."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest
from tiny_run import REPOSITORY, prepare

from tests.workflow.test_dry_run import ROWS, planned, write_cases

ODD = 'it\'s $HOME, [x] & "y" (1) #2 100% große  Leber'
KEPT = [ODD, "{a b", "*", "~x", r"C:\x", "s3:", "張三"]
MARGIN = "tasks={phantom: {grid: {region_margin: 20}}}"


@pytest.mark.parametrize(("text", "name"), [("run=2024_01_15", "2024_01_15"), ("run: 2024-01-15", "2024-01-15")])
def test_the_name_of_a_run_is_kept_as_written(tmp_path, text, name):
    (tmp_path / "mine.yaml").write_text(text if ":" in text else "{}")
    choices = ["--config", MARGIN, *([text] if "=" in text else [])]
    _, printed = planned(tmp_path, "--configfile", "mine.yaml", *choices, "--", f"results/{name}/region.json")
    assert set(re.findall(r"results/([^/ ]+)/region.json", printed)) == {name}
    (inputs,) = re.findall(r"rule find_region:\n    input: (.*)", printed)
    assert "ct00_label" in inputs and "mr" not in inputs, "a region comes from the source's labels alone"


def odd_cases(folder, names):
    """Write a cases table whose first images lie in folders of these names; return its path."""
    table = write_cases(folder, [*ROWS, *((f"ct{number}", "ct", True, "train") for number in range(11, 16))])
    lines = table.read_text().splitlines()
    for line, name in enumerate(names, start=1):
        cells = lines[line].split("\t")
        (folder / name).mkdir(exist_ok=True)
        (folder / cells[2]).rename(folder / name / "scan.nii.gz")
        lines[line] = "\t".join([*cells[:2], f"{name}/scan.nii.gz", *cells[3:]])
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def test_odd_paths_of_scans_are_inputs_as_they_are(tmp_path):
    table = odd_cases(tmp_path, KEPT)
    jobs, text = planned(
        tmp_path, "--config", "task=abdomen", f"cases={table}", "methods=dar_uda", "directions=ct-to-mr"
    )
    assert jobs["preprocess_case"] == 11
    inputs = re.search(r"rule check_cases:\n    input: (.*)", text)[1]
    for name in KEPT:
        assert f"{name}/scan.nii.gz, " in inputs and f"    input: {name}/scan.nii.gz\n" in text


@pytest.fixture
def moved(tmp_path):
    """The project and a virtual environment of its own below a folder of an odd name."""
    place = tmp_path / ODD / "project"
    for name in ("Snakefile", "config", "dar_uda", "envs", "workflow"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        place.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / name, place / name)
    venv.create(place / ".venv", symlinks=True, with_pip=False)
    return place


@pytest.mark.slow
def test_a_run_works_where_every_folder_has_an_odd_name(moved, tmp_path):
    run = prepare(tmp_path / ODD / "run 1", moved)
    (tmp_path / ODD / "scratch").mkdir()
    targets = ["results/phantom/checks.txt", "results/phantom/cases/ct/ct0/image.nii"]
    command = [
        moved / ".venv" / "bin" / "python",
        *run.command("--config", f"cases={run.folder}/config/phantom.tsv")[1:],
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([sysconfig.get_path("purelib"), str(REPOSITORY)]),
        "TMPDIR": str(tmp_path / ODD / "scratch"),
        "HOME": str(tmp_path / ODD),
    }
    done = subprocess.run([*command, "--", *targets], capture_output=True, text=True, cwd=moved, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.result("checks.txt").read_text().startswith("5 cases checked: 0 errors")
    assert run.result("cases/ct/ct0/image.nii").is_file()


@pytest.mark.parametrize(("name", "words"), [("{x}", b"Snakemake allows no braces in"), ("lat\udce4", b"is not UTF-8")])
def test_a_project_where_snakemake_cannot_run_is_refused_at_once(tmp_path, name, words):
    (tmp_path / name).symlink_to(REPOSITORY)
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "-s", tmp_path / name / "Snakefile"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path, check=False)
    assert done.returncode != 0 and words in done.stdout


def test_make_says_where_no_virtual_environment_can_be_made(tmp_path):
    for name in ("a:b", "{a}", "lat\udce4"):
        place = tmp_path / name
        place.mkdir()
        for file in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(REPOSITORY / file, place)
        shutil.copytree(REPOSITORY / "locks", place / "locks")
        done = subprocess.run(["make", f"PYTHON={sys.executable}", "demo"], capture_output=True, cwd=place, check=False)
        assert done.returncode != 0 and b"move the project" in done.stdout
