"""A viewer of a run that is made anew, in a thread of the test."""

from contextlib import contextmanager
from threading import Thread

import pytest

from dar_uda.viewer.catalog import read_catalog
from dar_uda.viewer.serve import ViewerServer
from tests.viewer.runs import add_confidence, make_run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(make_run(tmp_path_factory.mktemp("served"))) as server:
        yield server


@pytest.fixture
def doubtful(tmp_path):
    """A viewer of a run that says how sure its masks are."""
    run = make_run(tmp_path)
    add_confidence(run)
    with serving(run) as server:
        yield server


@contextmanager
def serving(run):
    with ViewerServer(read_catalog(run)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
