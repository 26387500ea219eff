"""Where the files are that a provenance names: the run may have been moved, copied or renamed, or lie behind a link."""

import json
import shutil

import pytest

from dar_uda.jobs.provenance import FORMAT
from dar_uda.jobs.record import plain, read_record

MASKS = "seed-0/predictions/ct-to-mr/dar_uda"


@pytest.fixture
def run(tmp_path):
    """A run with one weight file, of a scan beside it."""
    run = tmp_path / "project" / "results" / "tiny"
    (run / MASKS).mkdir(parents=True)
    outputs = {f"results/tiny/{MASKS}": "0"}
    inputs = {"results/tiny/weights": "0", "scans/m1.nii": "0", "/data/m2.nii": "0"}
    facts = {"wildcards": {}, "params": {}, "inputs": inputs, "outputs": outputs}
    (run / f"{MASKS}.provenance.json").write_text(json.dumps(facts))
    (run / "weights").touch()
    (tmp_path / "project" / "scans").mkdir()
    (tmp_path / "project" / "scans" / "m1.nii").touch()
    return run


def there(run):
    """Return whether weights and scan are found from a run's folder."""
    record = read_record(plain(run), plain(run) / f"{MASKS}.provenance.json")
    return [record.locate(name).exists() for name in record.inputs[:2]]


@pytest.mark.parametrize("spelling", ["results/tiny", "./results/../results/tiny/", "results/tiny/seed-0/.."])
def test_files_are_found_from_any_spelling(run, monkeypatch, spelling):
    monkeypatch.chdir(run.parents[1])
    assert there(spelling) == [True, True]
    record = read_record(plain(spelling), plain(spelling) / f"{MASKS}.provenance.json")
    assert str(record.locate("/data/m2.nii")) == "/data/m2.nii"


@pytest.mark.parametrize("linked", ["results", "results/tiny", ".", "results/tiny/seed-0"])
def test_files_are_found_where_a_folder_is_a_link_to_another_disk(run, tmp_path, monkeypatch, linked):
    folder = run.parents[1] / linked
    shutil.move(folder, tmp_path / "scratch")
    folder.symlink_to(tmp_path / "scratch")
    monkeypatch.chdir(run.parents[1])
    assert there("results/tiny") == there(run) == [True, True]
    if linked.startswith("results") and "seed" not in linked:  # given where it really is, from the project's folder
        assert there(run.resolve()) == [True, True]


def test_files_of_a_run_are_found_when_it_was_moved_copied_or_renamed(run, tmp_path):
    shutil.copytree(run, tmp_path / "archive" / "copy of it")
    renamed = run.rename(run.with_name("renamed"))
    assert there(renamed) == [True, True]
    assert there(tmp_path / "archive" / "copy of it") == [True, False]


def test_a_path_keeps_its_links_but_where_two_dots_follow_one(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    assert plain(tmp_path / "link" / ".") == tmp_path / "link"
    assert plain(tmp_path / "link" / ".." / "b") == tmp_path / "a" / "b"  # and not tmp_path / "b"
    assert plain(tmp_path / "none" / ".." / "new") == tmp_path / "new"


@pytest.mark.parametrize(
    ("written", "present"), [({}, False), ({"format": FORMAT - 1}, False), ({"format": FORMAT}, True)]
)
def test_a_provenance_says_whether_its_names_are_those_of_this_version(run, written, present):
    path = run / f"{MASKS}.provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | written))
    record = read_record(run, path)
    assert record.has_present_names == present
    if present:
        record.check_names()
    else:
        with pytest.raises(ValueError, match=f"^DAR-326: {run} was made by a version of DAR-UDA that used other names"):
            record.check_names()
