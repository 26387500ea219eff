"""Tests compute on one thread, since two that wait for each other on a busy machine take far longer; and read UTF-8.

Writing DICOM with SimpleITK, as tests do, sets the locale of the whole process to C, in which texts are ASCII.
"""

import locale
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it once, at a GPU's first matrix product
LOCALE = locale.setlocale(locale.LC_CTYPE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Send the tests of a file, and all that use the finished run, to one worker; the latter first: they take longest.

    pytest-xdist reads the groups; tests of a group share their fixtures.
    """
    items.sort(key=lambda item: "finished" not in item.fixturenames)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("finished" if "finished" in item.fixturenames else item.path.stem))


@pytest.fixture
def few_statistics(monkeypatch):
    """Trainings end with two batches for the statistics of their batch norms; twenty take longer than the steps."""
    monkeypatch.setattr("dar_uda.segmentation.train.STATISTICS_BATCHES", 2)


def pytest_runtest_setup(item):
    locale.setlocale(locale.LC_CTYPE, LOCALE)
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch finds no CUDA GPU")
