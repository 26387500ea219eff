"""Tests compute on one thread, since two that wait for each other on a busy machine take far longer; and read UTF-8.

Writing DICOM with SimpleITK, as tests do, sets the locale of the whole process to C, in which texts are ASCII.
"""

import locale
import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch reads it once, at a GPU's first matrix product
HERE = Path(__file__).parent
LOCALE = locale.setlocale(locale.LC_CTYPE)


def pytest_collection_modifyitems(items):
    """Begin with the tests that use the finished run: they take longest."""
    items.sort(key=lambda item: "finished" not in item.fixturenames)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a worker whole files, whose tests share fixtures, and one worker all files that use the finished run."""
    from xdist.scheduler import LoadFileScheduling

    sharing = {path.name for path in HERE.glob("workflow/test_*.py") if "(finished" in path.read_text()}

    class WholeFiles(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "the finished run" if Path(file).name in sharing else file

    return WholeFiles(config, log)


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
