import os


def pytest_generate_tests(metafunc):
    """Draw as many mutated files as FAULT_CASES says: few within `make test`, thousands within `make test-faults`."""
    if "corpus_size" in metafunc.fixturenames:
        metafunc.parametrize("corpus_size", [int(os.environ.get("FAULT_CASES", "120"))])
