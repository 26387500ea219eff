"""Ranks that start as forks of a process which has imported what they train: two seconds less for each."""

from multiprocessing import set_forkserver_preload

import pytest

from dar_uda.training import launch

set_forkserver_preload(["dar_uda.segmentation.train", "dar_uda.translation.train", "torch._dynamo"])


@pytest.fixture
def forked_ranks(monkeypatch):
    """Within the test `launch` starts ranks in this way; it spawns them otherwise."""
    monkeypatch.setattr(launch, "START_METHOD", "forkserver")
