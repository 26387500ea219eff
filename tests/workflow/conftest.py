import fcntl
import json
import os

import pytest
from tiny_run import Run, prepare


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run from nothing to its table, made once for all workers; tests that use it leave its results as they are."""
    session = tmp_path_factory.getbasetemp()
    folder = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "finished"
    ended = folder.with_name("finished.json")
    with folder.with_name("finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            methods = "methods=[source_only,average_style,dar_uda,supervised]"
            ended.write_text(json.dumps(prepare(folder)("--config", methods)))
    run, (status, run.printed) = Run(folder), json.loads(ended.read_text())
    assert status == 0, run.printed
    return run
