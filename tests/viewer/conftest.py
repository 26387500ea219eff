"""A viewer of a run that is made anew, in a thread of the test."""

from threading import Thread

import pytest

from dar_uda.viewer.catalog import read_catalog
from dar_uda.viewer.serve import ViewerServer
from tests.viewer.runs import make_run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ViewerServer(read_catalog(make_run(tmp_path_factory.mktemp("served")))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
