"""What `predict` writes of a scan, replaces, refuses and leaves: no input is lost, no mask is another scan's."""

import json
import os
import signal
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from dar_uda.bundle.image_output import MARK, image_digest
from dar_uda.bundle.predict import _write_volumes, predict_scans
from dar_uda.data.volume import read_volume, remark_of, write_mask
from dar_uda.jobs.files import ABANDONED
from tests.bundle.stub import StubSegmenter, files_below, voxels_of, write_scan
from tests.data.dicom_files import write_as_dicom


@pytest.fixture
def segmenter(tmp_path):
    return StubSegmenter(tmp_path / "bundle")


def predict(segmenter, *scans, output, **options):
    predict_scans(segmenter, scans, output, average=False, **options)


def table(folder):
    return pd.read_csv(folder / "volumes.tsv", sep="\t", dtype={"image": str})


def rows(folder):
    return dict(zip(table(folder)["image"], table(folder)["voxels"], strict=True))


def series(folder):
    image = sitk.GetImageFromArray(np.ones((3, 4, 4), np.int16))
    image.SetSpacing((2.0, 2.0, 5.0))
    write_as_dicom(image, folder / "series", [f"{k}.dcm" for k in range(3)])
    return folder / "series"


OUTPUTS = ("scans", "scans/", "scans/../scans", "./scans/.", "to_scans", "bundle", "out", "out", "out/../out", "new")
REASONS = ("which is read", "which are read", "nothing is written over it", "expected the columns")
PLANTED = ("none", "link", "hard link", "linked folder", "table", "scan of that name")


def test_whatever_is_given_as_output_no_input_changes(tmp_path, monkeypatch):
    """Spellings of scan and output, links between them, and what the output folder has: 240 draws."""
    rng, refused, done = np.random.default_rng(0), 0, 0
    for number in range(240):
        root = tmp_path / str(number)
        root.mkdir()
        segmenter = StubSegmenter(root / "bundle")
        scan = write_scan(root / "scans" / rng.choice(["a.nii.gz", "a.nii", "A.NII.GZ"]), 1 + number % 9)
        if rng.random() < 0.3:
            sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 4, 4), np.int16)), str(root / "scans" / "b.mhd"))
        (root / "to_scans").symlink_to("scans")
        (root / f"to_{scan.name}").symlink_to(scan)
        plant(rng.choice(PLANTED), root / "out", scan)
        inside = rng.random() < 0.3
        monkeypatch.chdir(root / "scans" if inside else root)
        up = "../" if inside else ""
        given = rng.choice([f"{up}scans", f"{up}scans/{scan.name}", str(scan), f"{up}to_scans/{scan.name}"])
        output = rng.choice([*(f"{up}{spelling}" for spelling in OUTPUTS), ".", str(root / "out")])
        before = {name: files_below(root / name) for name in ("scans", "bundle", "out")}
        try:
            predict(segmenter, str(given), output=str(output), probabilities=bool(rng.random() < 0.5))
            done += 1
        except ValueError as error:
            refused += 1
            assert segmenter.calls == [] and any(reason in str(error) for reason in REASONS), error
        for name, files in before.items():
            after = files_below(root / name)
            assert {file: after.get(file) for file in files} == files, (number, name)
    assert refused > 60 and done > 60


def plant(what, out, scan):
    """Put something into the output folder that has the name of an output."""
    if what == "none":
        return
    out.mkdir()
    mask = out / "a.nii.gz"
    if what == "link":
        mask.symlink_to(scan)
    elif what == "hard link":
        os.link(scan, mask)
    elif what == "linked folder":
        (out / "probabilities").symlink_to(scan.parent)
    elif what == "table":
        (out / "volumes.tsv").write_text("patient\tvolume\np1\t3\n")
    else:
        write_scan(mask, 30)


@pytest.mark.parametrize("output", ["series", "series/../series", "elsewhere/.."])
def test_nothing_is_written_among_the_files_of_a_dicom_series(segmenter, tmp_path, output, monkeypatch):
    given = series(tmp_path)
    monkeypatch.chdir(tmp_path)
    (given / "below").mkdir()
    (tmp_path / "elsewhere").symlink_to(given / "below")
    before = files_below(given)
    with pytest.raises(ValueError, match="would lie among the files of .*series, which are read"):
        predict(segmenter, given, output=output)
    assert files_below(given) == before and segmenter.calls == []


def test_a_folder_below_the_scans_is_no_input(segmenter, tmp_path):
    write_scan(tmp_path / "scans" / "a.nii.gz")
    for scan in (tmp_path / "scans", series(tmp_path)) * 2:
        predict(segmenter, scan, output=scan / "masks")
    assert (tmp_path / "scans" / "masks" / "a.nii.gz").exists()
    assert (tmp_path / "series" / "masks" / "series.dcm").exists()


def test_scans_of_one_name_are_told_apart_by_their_folders(segmenter, tmp_path):
    for patient, voxels in (("p1", 3), ("p2", 5)):
        write_scan(tmp_path / patient / "t2.nii.gz", voxels)
    other = write_scan(tmp_path / "p1" / "t1.nii.gz", 7)
    predict(segmenter, tmp_path / "p1" / "t2.nii.gz", tmp_path / "p2", other, output=tmp_path / "out")
    assert rows(tmp_path / "out") == {"p1_t2": 3, "p2_t2": 5, "t1": 7}
    assert voxels_of(tmp_path / "out" / "p2_t2.nii.gz") == 5


def test_a_scan_given_twice_is_segmented_once(segmenter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scan(tmp_path / "scans" / "a.nii.gz")
    (tmp_path / "link").symlink_to("scans")
    predict(segmenter, "scans/a.nii.gz", "./scans", "link/a.nii.gz", tmp_path / "scans" / "a.nii.gz", output="out")
    assert segmenter.calls == [Path("scans/a.nii.gz")]


def test_scans_that_no_folder_tells_apart_are_refused_before_the_first(segmenter, tmp_path):
    write_scan(tmp_path / "a.nii.gz"), write_scan(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"several scans are called .*a: .*a\.nii, .*a\.nii\.gz; give them apart"):
        predict(segmenter, tmp_path / "a.nii", tmp_path / "a.nii.gz", output=tmp_path / "out")
    assert segmenter.calls == []


def test_a_mask_whose_name_the_disk_cannot_hold_is_refused_with_the_remedy(segmenter, tmp_path):
    scan = write_scan(tmp_path / f"{'x' * 251}.nii")
    with pytest.raises(
        ValueError, match=r"xxx\.nii: the name of its mask, x+\.nii\.gz, has 258 bytes.*rename the scan"
    ):
        predict(segmenter, write_scan(tmp_path / "a.nii"), scan, output=tmp_path / "out")
    assert segmenter.calls == [] and not list((tmp_path / "out").iterdir())
    link = tmp_path / "short.nii"
    link.symlink_to(scan)
    longest = write_scan(tmp_path / f"{'y' * 247}.nii")
    predict(segmenter, link, longest, output=tmp_path / "out")
    assert set(rows(tmp_path / "out")) == {"short", "y" * 247}


def test_another_scan_of_the_name_is_refused_in_a_later_call(segmenter, tmp_path):
    first, second = write_scan(tmp_path / "p1" / "t2.nii.gz", 3), write_scan(tmp_path / "p2" / "t2.nii.gz", 5)
    predict(segmenter, first, output=tmp_path / "out", probabilities=True)
    before = files_below(tmp_path / "out")
    fresh = write_scan(tmp_path / "t1.nii.gz")
    with pytest.raises(ValueError, match=r"out/t2.nii.gz exists, and was not made of .*p2/t2.nii.gz.*another folder"):
        predict(segmenter, fresh, second, output=tmp_path / "out")
    assert files_below(tmp_path / "out") == before and segmenter.calls == [first]


def test_the_same_scan_again_replaces_all_that_was_made_of_it(segmenter, tmp_path, monkeypatch):
    given, out = series(tmp_path), tmp_path / "out"
    predict(segmenter, given, output=out, probabilities=True)
    assert sorted(files_below(out)) == [
        *("probabilities/series.nii.gz", "series.dcm", "series.nii.gz", "volumes.tsv"),
    ]
    old = (out / "series.dcm").read_bytes()
    predict(segmenter, given, output=out)
    assert sorted(files_below(out)) == ["series.dcm", "series.nii.gz", "volumes.tsv"]
    assert (out / "series.dcm").read_bytes() != old

    def fail(*_):
        raise ValueError("no SEG")

    monkeypatch.setattr("dar_uda.bundle.dicom_seg.write_segmentation", fail)
    predict(segmenter, given, output=out)
    assert sorted(files_below(out)) == ["series.nii.gz", "volumes.tsv"] and len(table(out)) == 1


@pytest.mark.parametrize("left", ["a.nii.gz", "probabilities/a.nii.gz"])
def test_a_file_that_predict_did_not_write_is_never_replaced(segmenter, tmp_path, left):
    scan = write_scan(tmp_path / "scans" / "a.nii.gz")
    write_scan(tmp_path / "out" / left, 9)
    before = files_below(tmp_path / "out")
    with pytest.raises(ValueError, match=f"out/{left} exists, and was not made of"):
        predict(segmenter, scan, output=tmp_path / "out", skip_done=True)
    assert files_below(tmp_path / "out") == before


def test_a_mask_that_was_corrected_by_hand_and_saved_by_another_program_is_not_replaced(segmenter, tmp_path):
    scan, mask = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out" / "a.nii.gz"
    predict(segmenter, scan, output=mask.parent)
    sitk.WriteImage(sitk.ReadImage(str(mask)) * 2, str(mask))
    corrected = mask.read_bytes()
    with pytest.raises(ValueError, match="was not made of"):
        predict(segmenter, scan, output=mask.parent)
    assert mask.read_bytes() == corrected


def test_a_mask_that_was_corrected_and_keeps_its_header_is_neither_replaced_nor_made_again(segmenter, tmp_path):
    scan, other, mask = write_scan(tmp_path / "a.nii.gz"), write_scan(tmp_path / "b.nii.gz"), tmp_path / "out/a.nii.gz"
    predict(segmenter, scan, output=mask.parent)
    image = nib.load(mask)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), image.affine, image.header), mask)
    corrected = mask.read_bytes()
    with pytest.raises(ValueError, match="out/a.nii.gz exists, and was not made of .*, or was changed since"):
        predict(segmenter, scan, output=mask.parent)
    predict(segmenter, scan, other, output=mask.parent, skip_done=True)
    assert mask.read_bytes() == corrected and segmenter.calls == [scan, other]
    assert rows(mask.parent) == {"a": 64, "b": 1}


def test_a_dicom_seg_that_was_corrected_is_not_replaced(segmenter, tmp_path):
    given, seg = series(tmp_path), tmp_path / "out" / "series.dcm"
    predict(segmenter, given, output=seg.parent)
    seg.write_bytes(b"corrected")
    with pytest.raises(ValueError, match="series.dcm exists, and was not made of .*, or was changed since"):
        predict(segmenter, given, output=seg.parent)
    predict(segmenter, given, output=seg.parent, skip_done=True)
    assert seg.read_bytes() == b"corrected" and len(segmenter.calls) == 1


def test_probabilities_that_were_cut_short_are_made_again(segmenter, tmp_path):
    scan, kept = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out" / "probabilities" / "a.nii.gz"
    predict(segmenter, scan, output=tmp_path / "out", probabilities=True)
    whole = nib.load(kept).get_fdata()
    kept.write_bytes(kept.read_bytes()[:60])
    predict(segmenter, scan, output=tmp_path / "out", probabilities=True, skip_done=True)
    assert (nib.load(kept).get_fdata() == whole).all()


@pytest.mark.parametrize("odd", ['"extras": ["x"]', '"extras": [["x"]]', '"written": 5', '"image": null'])
def test_a_mask_whose_header_is_odd_is_another_programs(segmenter, tmp_path, odd):
    scan, mask = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out" / "a.nii.gz"
    predict(segmenter, scan, output=mask.parent)
    facts = json.loads(remark_of(mask).removeprefix(MARK)) | json.loads(f"{{{odd}}}")
    volume = read_volume(mask)
    write_mask(mask, volume.array, volume.grid, MARK + json.dumps(facts))
    for skip_done in (True, False):
        with pytest.raises(ValueError, match="was not made of"):
            predict(segmenter, scan, output=mask.parent, skip_done=skip_done)


def test_two_processes_with_scans_of_one_name_lose_neither_in_silence(segmenter, tmp_path):
    first, second = write_scan(tmp_path / "p1" / "t2.nii.gz", 3), write_scan(tmp_path / "p2" / "t2.nii.gz", 5)
    other = StubSegmenter(tmp_path / "bundle")
    segmenter.before = lambda _: predict(other, second, output=tmp_path / "out")  # while this one computes
    with pytest.raises(ValueError, match="1 of 1 scans have no mask:\n.*was not made of .*p1/t2.nii.gz"):
        predict(segmenter, first, output=tmp_path / "out")
    assert voxels_of(tmp_path / "out" / "t2.nii.gz") == 5 and rows(tmp_path / "out") == {"t2": 5}


def write_row(path, number, barrier):
    barrier.wait()
    _write_volumes(path, [(f"scan{number}", "liver", number, 1.0)])


def test_processes_that_end_together_lose_no_row(tmp_path):
    context = get_context("fork")
    barrier, path = context.Barrier(8), tmp_path / "volumes.tsv"
    for start in (0, 8):
        jobs = [context.Process(target=write_row, args=(path, start + number, barrier)) for number in range(8)]
        [job.start() for job in jobs]
        [job.join() for job in jobs]
        assert [job.exitcode for job in jobs] == [0] * 8
    assert rows(tmp_path) == {f"scan{number}": number for number in range(16)}
    assert list(tmp_path.iterdir()) == [path]


def test_the_mark_of_a_killed_process_counts_no_more_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr("dar_uda.jobs.files.ABANDONED", ABANDONED / 100)
    (tmp_path / ".partial-turn-volumes.tsv").touch()
    _write_volumes(tmp_path / "volumes.tsv", [("a", "liver", 1, 1.0)])
    assert rows(tmp_path) == {"a": 1} and [path.name for path in tmp_path.iterdir()] == ["volumes.tsv"]


def test_a_table_of_another_kind_is_left_as_it_is(segmenter, tmp_path):
    (tmp_path / "volumes.tsv").write_text("patient\tml\np1\t3\n")
    with pytest.raises(ValueError, match="volumes.tsv: expected the columns image, structure, voxels, ml"):
        predict(segmenter, write_scan(tmp_path / "a.nii"), output=tmp_path)
    assert segmenter.calls == [] and (tmp_path / "volumes.tsv").read_text() == "patient\tml\np1\t3\n"


def test_a_folder_of_the_tables_name_is_refused_before_any_scan(tmp_path, segmenter):
    (tmp_path / "volumes.tsv").mkdir()
    with pytest.raises(ValueError, match="volumes.tsv: expected the columns image, .* move that away"):
        predict(segmenter, write_scan(tmp_path / "a.nii"), output=tmp_path)
    assert segmenter.calls == []


def stop_at(segmenter, count, error=KeyboardInterrupt):
    def stop(_):
        if len(segmenter.calls) > count:
            raise error

    segmenter.before = stop


def test_a_stop_leaves_the_rows_of_whole_masks_and_continue_does_the_rest(segmenter, tmp_path):
    scans, out = [write_scan(tmp_path / f"s{k}.nii.gz", k + 1) for k in range(6)], tmp_path / "out"
    stop_at(segmenter, 3)
    with pytest.raises(KeyboardInterrupt):
        predict(segmenter, *scans, output=out)
    assert rows(out) == {"s0": 1, "s1": 2, "s2": 3}
    assert sorted(path.name for path in out.iterdir()) == ["s0.nii.gz", "s1.nii.gz", "s2.nii.gz", "volumes.tsv"]
    segmenter = StubSegmenter(tmp_path / "bundle")
    (out / "volumes.tsv").unlink()  # as after a kill between a mask and its row
    (out / "s1.nii.gz").write_bytes((out / "s1.nii.gz").read_bytes()[:-9])  # no longer whole
    (out / "s2.nii.gz").write_bytes(b"")  # as after a power cut
    predict(segmenter, *scans, output=out, skip_done=True)
    assert segmenter.calls == [scans[k] for k in (1, 2, 3, 4, 5)]
    assert rows(out) == {f"s{k}": k + 1 for k in range(6)}


def test_continue_skips_no_mask_of_another_bundle_option_or_image(segmenter, tmp_path):
    scan, out = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    again = [
        {}, {"probabilities": True}, {"average": True}, {"average": True},
    ]  # fmt: skip
    for options in again:
        predict_scans(segmenter, [scan], out, **{"average": False, "skip_done": True, **options})
    assert len(segmenter.calls) == 3
    (out / "probabilities" / "a.nii.gz").unlink(missing_ok=True)
    (segmenter.folder / "metrics.tsv").write_text("a remark\n")
    predict_scans(segmenter, [scan], out, average=True, skip_done=True)
    assert len(segmenter.calls) == 3
    (segmenter.folder / "weights.safetensors").write_bytes(b"other")
    predict_scans(segmenter, [scan], out, average=True, skip_done=True)
    assert len(segmenter.calls) == 4


def test_probabilities_that_were_deleted_are_made_again(segmenter, tmp_path):
    scan, out = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    for _ in range(2):
        predict(segmenter, scan, output=out, probabilities=True, skip_done=True)
    assert len(segmenter.calls) == 1
    (out / "probabilities" / "a.nii.gz").unlink()
    predict(segmenter, scan, output=out, probabilities=True, skip_done=True)
    assert len(segmenter.calls) == 2 and (out / "probabilities" / "a.nii.gz").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("no name"), ValueError("")])
def test_one_scan_that_is_impossible_is_named_and_the_others_have_masks(segmenter, tmp_path, error):
    scans = [write_scan(tmp_path / f"s{k}.nii.gz", k + 1) for k in range(3)]

    def fail(scan):
        if scan == scans[1]:
            raise error

    segmenter.before = fail
    with pytest.raises(ValueError, match="1 of 3 scans have no mask:\n.*s1.nii.gz.*(MemoryError|no name|ValueError)"):
        predict(segmenter, *scans, output=tmp_path / "out")
    assert rows(tmp_path / "out") == {"s0": 1, "s2": 3}


def test_a_scan_that_is_not_there_is_named_with_what_is_expected(segmenter, tmp_path):
    scans = [write_scan(tmp_path / f"{name}.nii.gz") for name in ("a", "b")]
    predict(segmenter, *scans, output=tmp_path / "out")
    scans[0].unlink()
    for skip_done in (True, False):
        with pytest.raises(ValueError, match="1 of 2 scans have no mask:\n.*a.nii.gz"):
            predict(segmenter, *scans, output=tmp_path / "out", skip_done=skip_done)
    assert (tmp_path / "out" / "a.nii.gz").exists()
    with pytest.raises(ValueError, match="c.nii: no such file or folder; expected a volume file"):
        predict(segmenter, tmp_path / "c.nii", output=tmp_path / "out")


def test_names_that_are_no_text_are_written_out_in_the_table(segmenter, tmp_path):
    names = [b"caf\xe9", b"red\x1b[31m", b"two\nlines", b"tab\there", b"caf\\xe9", "\u8089".encode(), b'say "a"']
    for voxels, name in enumerate(names, start=1):
        write_scan(tmp_path / "scans" / os.fsdecode(name + b".nii.gz"), voxels)
    predict(segmenter, tmp_path / "scans", output=tmp_path / "out")
    shown = ["caf\\xe9", "red\\x1b[31m", "two\\nlines", "tab\\there", "caf\\\\xe9", "\u8089", 'say "a"']
    assert rows(tmp_path / "out") == dict(zip(shown, range(1, 8), strict=True))
    assert {os.fsencode(path.name) for path in (tmp_path / "out").glob("*.nii.gz")} == {n + b".nii.gz" for n in names}


def test_other_programs_read_a_mask_that_says_what_it_was_made_of(segmenter, tmp_path):
    predict(segmenter, write_scan(tmp_path / "a.nii.gz", 3), output=tmp_path / "out")
    image = sitk.ReadImage(str(tmp_path / "out" / "a.nii.gz"))
    assert int(sitk.GetArrayFromImage(image).sum()) == 3 and image.GetSpacing() == (10, 10, 10)
    (extension,) = nib.load(tmp_path / "out" / "a.nii.gz").header.extensions
    assert str(tmp_path) not in extension.get_content().decode()


STOPPED = """
import sys, time
from pathlib import Path
from dar_uda.cli import command
from tests.bundle.stub import StubSegmenter

def slow(scan):
    if len(segmenter.calls) > 2:
        print("computing", flush=True)
        time.sleep(60)

segmenter = StubSegmenter(Path(sys.argv[1]), slow)
import dar_uda.bundle.segmenter
dar_uda.bundle.facts.read_facts = lambda _: segmenter.facts
dar_uda.bundle.segmenter.Segmenter.load = lambda *_: segmenter
sys.exit(command.main(["predict", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_end_the_command_with_whole_files(tmp_path, number, status):
    for k in range(4):
        write_scan(tmp_path / "scans" / f"s{k}.nii.gz", k + 1)
    arguments = [tmp_path / "bundle", tmp_path / "scans", "-o", tmp_path / "out"]
    job = subprocess.Popen(
        [sys.executable, "-c", STOPPED, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert job.stdout.readline() == "computing\n"
    job.send_signal(number)
    _, said = job.communicate()
    assert job.returncode == status and "the same command with --continue does the rest" in said
    assert rows(tmp_path / "out") == {"s0": 1, "s1": 2}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s0.nii.gz", "s1.nii.gz", "volumes.tsv"]


@pytest.mark.parametrize("given", ["a.hdr", "a.img"])
def test_a_pair_whose_header_has_changed_is_another_scan(tmp_path, given):
    for spacing in (1, 3):
        nib.save(nib.Nifti1Pair(np.zeros((2, 3, 4), np.int16), np.diag([spacing, 1, 1, 1])), tmp_path / "a.hdr")
        if spacing == 1:
            before = image_digest(tmp_path / given)
    assert image_digest(tmp_path / given) != before
