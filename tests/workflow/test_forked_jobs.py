"""Jobs in forks end as in processes of their own; that they make the same bits, test_run.py shows."""

import os
import socket
import time

import pandas as pd

from tests.workflow.forked_jobs import BEGIN, _watch
from tests.workflow.preloaded import snakemake

SNAKEFILE = """
rule make:
    output: "{name}.txt"
    benchmark: "{name}.tsv"
    script: "make.py"
"""
SCRIPT = """
import os, signal, sys
from pathlib import Path
name = snakemake.wildcards.name
Path(snakemake.output[0]).write_text(f"{__name__} {Path(sys.argv[0]).name.endswith('make.py')}")
if name == "exits":
    sys.exit("these are the last words")
if name == "raises":
    raise KeyError("not found here")
if name == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
print("all is well", flush=True)
"""


def test_jobs_in_forks_end_and_fail_as_in_processes_of_their_own(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "make.py").write_text(SCRIPT)
    failing = ("exits", "raises", "killed")
    targets = [f"{name}.txt" for name in ("good", *failing)]
    status, text = snakemake(tmp_path, "-s", tmp_path / "Snakefile", "--cores", "2", "--keep-going", *targets)
    assert status == 1 and text.count("all is well") == 1
    assert "these are the last words" in text and "KeyError: 'not found here'" in text
    assert (tmp_path / "good.txt").read_text() == "__main__ True"
    assert [name for name in failing if (tmp_path / f"{name}.txt").exists()] == []
    assert pd.read_csv(tmp_path / "good.tsv", sep="\t")["s"].item() >= 0


def test_a_job_begins_after_its_measurement(tmp_path):
    """One that ended before could not be measured: Snakemake looks for its process."""
    (tmp_path / "make.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w').close()")
    ours, theirs = socket.socketpair()
    if (watcher := os.fork()) == 0:
        ours.close()
        _watch(str(tmp_path / "make.py"), theirs.fileno())
    theirs.close()
    with ours, ours.makefile() as answers:
        process = int(answers.readline())
        time.sleep(0.2)
        os.kill(process, 0)  # it is there
        assert not (tmp_path / "made").exists()
        ours.sendall(BEGIN)
        assert answers.readline() == "0\n"
    os.waitpid(watcher, 0)
    assert (tmp_path / "made").exists()
