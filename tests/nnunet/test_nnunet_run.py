"""Commands in another process: their lines, their ends, and interpreters that lack nnU-Net."""

import logging
import os
import subprocess
import sys
import time

import pytest

from dar_uda.nnunet.run import Epochs, run, versions_of


def interpreter(folder, printed="", status=0, error=""):
    """Write a program in place of Python that answers anything with these words."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\necho '{printed}'\necho '{error}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("versions", ["2.8.1 2.13.0", "2.8 2.13.0"])
def test_versions_are_those_of_the_interpreter(tmp_path, versions):
    nnunet, torch = versions.split()
    assert versions_of(interpreter(tmp_path, versions)) == {"nnunetv2": nnunet, "torch": torch}


def test_an_interpreter_that_is_not_there_is_named_with_its_key(tmp_path):
    with pytest.raises(FileNotFoundError, match="DAR-236: nnunet_python: .*/none cannot be run .*make nnunet"):
        versions_of(str(tmp_path / "none"))


def test_an_interpreter_without_nnunet_is_refused_with_what_to_do(tmp_path):
    python = interpreter(tmp_path, status=1, error="PackageNotFoundError: nnunetv2")
    with pytest.raises(RuntimeError, match="DAR-237: .* has no nnU-Net .PackageNotFoundError: nnunetv2.; expected"):
        versions_of(python)


def test_another_version_of_nnunet_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match=r"DAR-237: .* has nnU-Net 2.6.2; expected 2.8"):
        versions_of(interpreter(tmp_path, "2.6.2 2.13.0"))


def test_lines_are_passed_on_without_empty_ones(caplog):
    seen = []
    with caplog.at_level(logging.INFO):
        run([sys.executable, "-c", "print('one\\n\\ntwo')"], os.environ, seen.append)
    assert seen == caplog.messages == ["one", "two"]


def test_a_command_that_fails_ends_with_its_last_lines():
    with pytest.raises(RuntimeError, match=r"DAR-238: -c ended with status 3; its last lines:\n  why"):
        run([sys.executable, "-c", "import sys; print('why'); sys.exit(3)"], os.environ)


def test_epochs_are_reported_from_where_a_training_goes_on(caplog):
    epochs = Epochs(4)
    with caplog.at_level(logging.INFO):
        for line in ("2026-01-01 00:00:00.1: Epoch 3 ", "2026-01-01: train_loss -0.5", "x: Epoch 4"):
            epochs(line)
    assert epochs.progress.first == 3
    assert caplog.messages[-1].startswith("train nnU-Net: epoch 4/4") and caplog.messages[-1].endswith("loss -0.5")


PARENT = """
import os, sys
from dar_uda.nnunet.run import run
run([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"], os.environ,
    lambda line: print(line, flush=True))
"""


def test_a_command_ends_with_a_job_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        try:
            with open(f"/proc/{child}/stat") as file:  # noqa: PTH123
                if file.read().split()[2] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    pytest.fail("it runs on")
