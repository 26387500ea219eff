"""The Triton kernels compile for a card, which needs none; the interpreter takes what the compiler refuses."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed: it compiles without a card", allow_module_level=True)
SINGLE_VALUES = {"_join_moments_kernel", "_join_sums_kernel"}
"""Read no feature."""


def test_kernels_compile_and_read_eight_values_of_bfloat16_at_once(tmp_path):
    """In a process of its own, since other tests have Triton interpret the kernels."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("compile_kernels.py")],
        env={**environment, "TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    widths = json.loads(done.stdout)
    assert {name for name, _ in widths} == SINGLE_VALUES | {
        *("_moments_kernel", "_normalize_kernel", "_sums_kernel", "_gradient_kernel"),
        *("_reduce_kernel", "_weigh_kernel", "_spread_kernel"),
    }
    assert {name: width for name, width in widths if name not in SINGLE_VALUES and width != 16} == {}
