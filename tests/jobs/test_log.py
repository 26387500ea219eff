import subprocess
import sys

import pytest

from dar_uda.jobs.log import in_words

JOB = """
import logging, sys
from dar_uda.jobs.log import job_log
with job_log(sys.argv[1]):
    logging.info("half done")
    if len(sys.argv) > 2:
        raise {"value": ValueError("DAR-129: a.nii: found 2 axes, expected 3"), "key": KeyError("liver")}[sys.argv[2]]
"""


def run(*arguments):
    """Return status and terminal of a process with a job log; in this one pytest has the log."""
    process = subprocess.run([sys.executable, "-c", JOB, *map(str, arguments)], capture_output=True, text=True)
    return process.returncode, process.stderr


def test_lines_and_the_jobs_own_time_stand_in_the_file_and_on_the_terminal(tmp_path):
    status, terminal = run(tmp_path / "logs" / "job.log")
    assert status == 0 and terminal == (tmp_path / "logs" / "job.log").read_text()
    assert [line.split(" ", 1)[1][:9] for line in terminal.splitlines()] == ["half done", "done in 0"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("value", "ERROR: DAR-129: a.nii: found 2 axes, expected 3 (more in"), ("key", "ERROR: KeyError: 'liver'")],
)
def test_the_terminal_says_what_is_wrong_and_the_file_where(tmp_path, kind, words):
    status, terminal = run(tmp_path / "job.log", kind)
    assert status == 1
    assert words in terminal and "Traceback" not in terminal and "done in" not in terminal
    assert "Traceback" in (tmp_path / "job.log").read_text()
    assert terminal.splitlines()[2:] == ["  docs/questions.md#dar-129 explains DAR-129"] * (kind == "value")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_out_of_memory_says_what_to_do(error):
    assert "out of memory" in in_words(error) and "smaller batch_size or patch_size" in in_words(error)


def test_other_errors_keep_their_words():
    assert in_words(ValueError("found 3")) == "found 3"
