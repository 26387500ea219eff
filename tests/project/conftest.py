import pytest


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Read scans in this process: a fork of it takes longer than they do."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
