import os

import pytest

from tests.faults.limited import FIGURES
from tests.faults.runs import CHOICES
from tests.workflow.tiny_run import prepare


def pytest_generate_tests(metafunc):
    """Draw as many mutated files as FAULT_CASES says: few within `make test`, thousands within `make test-faults`."""
    if "corpus_size" in metafunc.fixturenames:
        metafunc.parametrize("corpus_size", [int(os.environ.get("FAULT_CASES", "120"))])


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An undisturbed run; tests leave it as it is."""
    run = prepare(tmp_path_factory.mktemp("undisturbed"))
    status, text = run(*CHOICES)
    assert status == 0, text
    return run


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)
