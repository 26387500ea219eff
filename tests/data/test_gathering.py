import os
from pathlib import Path

import pytest

from dar_uda.data.chunks import gather_masks, gather_tables


@pytest.fixture
def chunks(tmp_path):
    """Two folders of masks, the first with probabilities and with the file by which Snakemake marks a folder."""
    files = ("a/m1.nii.gz", "a/m2.nii.gz", "a/probabilities/m1.nii.gz", "a/.snakemake_timestamp", "b/m3.nii.gz")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return [tmp_path / "a", tmp_path / "b"]


WHOLE = {"m1.nii.gz": "a/m1.nii.gz", "m2.nii.gz": "a/m2.nii.gz", "m3.nii.gz": "b/m3.nii.gz"}
WHOLE["probabilities/m1.nii.gz"] = "a/probabilities/m1.nii.gz"


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_masks_of_chunks_lie_in_one_folder_and_take_their_space_once(chunks, tmp_path):
    gather_masks(chunks, tmp_path / "all")
    assert contents(tmp_path / "all") == WHOLE
    assert (tmp_path / "all" / "m3.nii.gz").samefile(tmp_path / "b" / "m3.nii.gz")


def test_where_a_disk_has_no_links_masks_are_copied(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    gather_masks(chunks, tmp_path / "all")
    assert contents(tmp_path / "all") == WHOLE


def test_rows_of_tables_become_one_table(tmp_path):
    for name, rows in (("a", "m1\t0.5\nm2\t\n"), ("b", ""), ("c", "NA\t1\n")):
        (tmp_path / name).write_text("case\tdice\n" + rows)
    gather_tables([tmp_path / name for name in "abc"], tmp_path / "all.tsv")
    assert (tmp_path / "all.tsv").read_text() == "case\tdice\nm1\t0.5\nm2\t\nNA\t1\n"


def test_tables_of_different_columns_are_refused(tmp_path):
    (tmp_path / "a").write_text("case\tdice\n")
    (tmp_path / "b").write_text("case\tasd\n")
    with pytest.raises(ValueError, match=r"b begins with 'case\\tasd\\n', expected 'case\\tdice\\n' as in .*a: delete"):
        gather_tables([tmp_path / "a", tmp_path / "b"], tmp_path / "all.tsv")
    assert not (tmp_path / "all.tsv").exists()
