"""Bandit finds nothing in the package, and what it should overlook is said with its reason."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
OVERLOOKED = re.compile(r"# ?nosec(.*)")
REASONED = re.compile(r" B\d{3} # \w.{8,}")


def bandit(folder: Path) -> list[str]:
    """Return place and code of all that bandit finds below a folder, with the project's settings."""
    options = ["--quiet", "--format", "json", "--configfile", str(REPOSITORY / "pyproject.toml"), "--recursive"]
    done = subprocess.run(
        [sys.executable, "-m", "bandit", *options, str(folder)], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert found["errors"] == []
    return [f"{Path(each['filename']).name}:{each['line_number']} {each['test_id']}" for each in found["results"]]


@pytest.mark.slow
def test_bandit_finds_nothing_in_the_package():
    assert bandit(REPOSITORY / "dar_uda") == []


def test_bandit_finds_a_shell_and_an_unsafe_load(tmp_path):
    code = "import os\nimport pickle\n\n\ndef run(text, data):\n    os.system(text)\n    return pickle.loads(data)\n"
    (tmp_path / "bad.py").write_text(code)
    assert bandit(tmp_path) == ["bad.py:6 B605", "bad.py:7 B301"]


def test_whatever_bandit_overlooks_has_its_code_and_its_reason():
    texts = [path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob("dar_uda/**/*.py"))]
    overlooked = [rest for text in texts for rest in OVERLOOKED.findall(text)]
    assert len(overlooked) > 5
    assert [rest for rest in overlooked if not REASONED.fullmatch(rest)] == []
