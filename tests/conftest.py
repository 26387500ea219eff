"""Tests compute on one thread, since two that wait for each other on a busy machine take far longer; and read UTF-8.

Writing DICOM with SimpleITK, as tests do, sets the locale of the whole process to C, in which texts are ASCII.
"""

import locale
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it once, at a GPU's first matrix product
LOCALE = locale.setlocale(locale.LC_CTYPE)


def pytest_runtest_setup(item):
    locale.setlocale(locale.LC_CTYPE, LOCALE)
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch finds no CUDA GPU")
