"""Tests compute on one thread, since two that wait for each other on a busy machine take far longer; and read UTF-8.

Writing DICOM with SimpleITK, as tests do, sets the locale of the whole process to C, in which texts are ASCII.
"""

import locale
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it once, at a GPU's first matrix product
LONGEST = (
    *("test_run.py", "test_datasets.py", "test_launch.py", "test_adding_a_method.py", "test_train_and_predict.py"),
    *("test_dry_run.py", "test_translation.py", "test_memory.py", "test_cache.py", "test_bundle.py"),
)
"""The first makes the finished run, which test_adding_a_method.py and test_bundle.py use."""
LOCALE = locale.setlocale(locale.LC_CTYPE)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that pytest-xdist's workers end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


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
