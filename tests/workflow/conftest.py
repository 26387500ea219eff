import pytest
from tiny_run import prepare


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run from nothing to its table; tests that use it must leave its results as they are."""
    run = prepare(tmp_path_factory.mktemp("finished"))
    status, text = run("--config", "methods=[source_only,average_style,dar_uda,supervised]")
    assert status == 0, text
    run.printed = text
    return run
