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
SINGLE_VALUES = {"join_moments_kernel", "join_sums_kernel"}
"""Read no feature."""


SHARED_MEMORY = 99 * 1024
"""Bytes that a program may have with compute capability 8.6 and 8.9, the least from 8.0 (CUDA programming guide)."""


def compiled(capability, sizes, folder):
    """Return what `compile_kernels` prints, a process of its own: other tests have Triton interpret the kernels."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("compile_kernels.py"), str(capability), sizes],
        env={**environment, "TRITON_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_compile_and_read_eight_values_of_bfloat16_at_once(tmp_path):
    widths = [(name, width) for name, width, _ in compiled(90, "small", tmp_path)]
    assert {name for name, _ in widths} == SINGLE_VALUES | {
        *("moments_kernel", "normalize_kernel", "sums_kernel", "gradient_kernel"),
        *("_reduce_kernel", "_weigh_kernel", "_spread_kernel"),
    }
    assert {name: width for name, width in widths if name not in SINGLE_VALUES and width != 16} == {}


def test_large_features_in_float32_fit_the_shared_memory_of_an_rtx_3090(tmp_path):
    assert {name: shared for name, _, shared in compiled(86, "large", tmp_path) if shared > SHARED_MEMORY} == {}
