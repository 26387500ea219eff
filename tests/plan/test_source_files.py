import json
import os

from dar_uda.plan import source_files
from dar_uda.plan.source_files import Facts, _keep, _kept, facts_of

TEXT = '"""What it is."""\n\nimport json\nfrom . import near\nfrom ..far import one, two  # both\n'


def old(path, text, seconds=10):
    """Write a file whose date lies some seconds back."""
    path.write_text(text)
    os.utime(path, (path.stat().st_atime - seconds, path.stat().st_mtime - seconds))


def test_the_imports_of_a_file_and_a_digest_of_its_code_alone(tmp_path):
    old(tmp_path / "a.py", TEXT)
    old(tmp_path / "b.py", TEXT.replace("What it is.", "Another text.").replace("  # both", ""))
    old(tmp_path / "c.py", TEXT.replace("two", "three"))
    a, b, c = (facts_of(tmp_path / name) for name in ("a.py", "b.py", "c.py"))
    assert a.imports == [["json", ""], [".", "near"], ["..far", "one"], ["..far", "two"]]
    assert a == b and a.digest != c.digest


def test_what_is_kept_answers_for_a_file_as_it_was_and_for_no_other(tmp_path, monkeypatch):
    file, parsed = tmp_path / "a.py", []
    monkeypatch.setattr(source_files, "_parsed", lambda path: parsed.append(path.read_text()) or Facts("d", []))
    old(file, "a = 1\n")
    assert facts_of(file) == facts_of(file) and parsed == ["a = 1\n"]
    old(file, "a = 2\n", seconds=8)
    assert facts_of(file) == facts_of(file) and parsed[1:] == ["a = 2\n"]
    file.write_text("a = 3\n")  # a moment ago: a next change might have the same date
    assert facts_of(file) == facts_of(file) and parsed[2:] == ["a = 3\n"] * 2


def test_a_file_replaced_by_one_of_its_size_and_date_is_parsed(tmp_path):
    old(tmp_path / "a.py", "a = 1\n")
    status, before = (tmp_path / "a.py").stat(), facts_of(tmp_path / "a.py")
    (tmp_path / "new.py").write_text("a = 2\n")
    os.utime(tmp_path / "new.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new.py").replace(tmp_path / "a.py")  # as tools do that unpack or copy with dates
    assert facts_of(tmp_path / "a.py") != before


def test_another_process_reads_what_one_has_kept_where_snakemake_keeps_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = source_files.KEPT
    _keep(path.absolute(), "reader", {"file": Facts("d", [["json", ""]])}, 0)
    assert not path.exists()
    path.parents[1].mkdir()
    _keep(path.absolute(), "reader", {"file": Facts("d", [["json", ""]])}, 0)
    assert json.loads(path.read_text()) == {"reader": {"file": ["d", [["json", ""]]]}}
    for text, expected in (
        (path.read_text(), {}),
        ("{", {}),
        ("[]", {}),
        ("null", {}),
    ):  # of another version; not whole
        path.write_text(text)
        assert _kept.__wrapped__() == expected
