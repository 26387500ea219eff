"""Small files that would take far more memory than their size are refused before they are unpacked."""

import json
import subprocess
import sys

import pytest

from tests.faults.bombs import BOMBS
from tests.faults.limited import FIGURES

MOST = 100
"""MiB above the start."""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """What each bomb took in MiB, and the error, by its name."""
    command = [sys.executable, "-m", "tests.faults.bombs", str(tmp_path_factory.mktemp("bombs"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    FIGURES.append("MiB taken by refusing: " + ", ".join(f"{name} {peak:.0f}" for name, (peak, _) in taken.items()))
    return taken


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_a_code_and_takes_little_memory(refusals, name):
    taken, error = refusals[name]
    assert "DAR-" in error, error
    assert taken < MOST
