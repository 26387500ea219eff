import logging
import os
import re
import subprocess
import sys
from importlib.metadata import version

import nibabel as nib
import numpy as np
import pytest

from dar_uda.cli.command import _Plain, main


def test_inspect_prints_shape_spacing_and_slice_axis(tmp_path, capsys):
    nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.diag([2.0, 7.5, 2.0, 1.0])), tmp_path / "scan.nii.gz")
    assert main(["inspect", str(tmp_path / "scan.nii.gz")]) == 0
    assert "4 x 6 x 5 voxels of 2 x 7.5 x 2 mm, axes to RAS, slice axis 1" in capsys.readouterr().out


def test_inspect_goes_on_after_a_scan_that_cannot_be_read(tmp_path, capsys):
    nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.diag([-2.0, -2, 7.5, 1.0])), tmp_path / "scan.nii.gz")
    assert main(["inspect", str(tmp_path / "none.nii.gz"), str(tmp_path / "scan.nii.gz")]) == 1
    said = capsys.readouterr()
    assert "none.nii.gz" in said.err and "axes to LPS, slice axis 2" in said.out


def test_inspect_reads_a_folder_of_volume_files_as_predict_does(tmp_path, capsys, caplog):
    (tmp_path / "series").mkdir()
    for name in ("a.nii.gz", "b.nii"):
        nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.eye(4)), tmp_path / name)
    assert main(["inspect", str(tmp_path)]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"{tmp_path}/a.nii.gz",
        f"{tmp_path}/b.nii",
    ]
    assert f"Not read: {tmp_path}/series" in caplog.text


def test_a_missing_file_is_one_line_one_on_where_that_is_explained_and_a_status(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none.nii.gz")]) == 1
    message, explained = capsys.readouterr().err.splitlines()
    assert message.startswith(f"dar-uda: ERROR: DAR-133: {tmp_path}/none.nii.gz: no such file or folder")
    assert explained == "  docs/questions.md#dar-133 explains DAR-133"


def test_phantom_writes_image_and_label(tmp_path):
    assert main(["phantom", "mr", "3", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mr03_image.nii.gz", "mr03_label.nii.gz"]


@pytest.mark.parametrize("number", ["-1", "1.5", "one"])
def test_the_number_of_a_phantom_counts_from_0(tmp_path, capsys, number):
    with pytest.raises(SystemExit):
        main(["phantom", "mr", number, str(tmp_path)])
    assert f"NUMBER: DAR-261: found {number}, expected a whole number from 0" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["mr03_image.nii.gz", "mr03_label.nii.gz"])
def test_phantom_writes_over_nothing(tmp_path, capsys, there):
    (tmp_path / there).symlink_to("elsewhere")
    assert main(["phantom", "mr", "3", str(tmp_path)]) == 1
    assert f"{there} exists: give another folder, or delete it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [there] and (tmp_path / there).is_symlink()


@pytest.mark.parametrize("more", [[], ["--append"]])
def test_cases_writes_over_no_file_of_the_dataset(tmp_path, capsys, more):
    for what in ("images", "labels"):
        (tmp_path / what).mkdir()
        nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), tmp_path / what / "p1.nii.gz")
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "link.tsv").symlink_to(tmp_path / "images" / "p1.nii.gz")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for table in ("images/p1.nii.gz", "dataset.json", "link.tsv", "labels/../labels/p1.nii.gz", "images"):
        assert main(["cases", "folders", f"ct={tmp_path}", "-o", str(tmp_path / table), *more]) == 1
        assert str(tmp_path / table) in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "link.tsv").is_symlink()


def test_a_package_that_is_missing_is_named_with_the_remedy(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "dar_uda.data.phantom", None)
    assert main(["phantom", "mr", "3", str(tmp_path)]) == 1
    assert "dar_uda.data.phantom is missing; install what this version needs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "ERROR: CUDA out of memory"),
        (MemoryError(), 1, "ERROR: DAR-225: out of memory"),
        (KeyboardInterrupt(), 130, "ERROR: DAR-324: stopped; what is written is whole\n"),
    ],
)
def test_what_ends_a_command_is_told_in_words(monkeypatch, tmp_path, capsys, error, status, words):
    def end(_):
        raise error

    monkeypatch.setattr("dar_uda.cli.status.status_of", end)
    assert main(["status", str(tmp_path)]) == status
    assert capsys.readouterr().err.startswith(f"dar-uda: {words}")


def test_warnings_stand_out_and_other_lines_are_as_they_are():
    lines = [logging.LogRecord("x", level, "", 0, "%s left", (3,), None) for level in (logging.INFO, logging.WARNING)]
    assert [_Plain().format(line) for line in lines] == ["3 left", "WARNING: 3 left"]


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_help_of_every_subcommand_says_what_it_does_and_gives_an_example(capsys):
    listed = re.findall(r"^    (\w\S*)\s+(\w+)", help_of(capsys), re.MULTILINE)
    assert len(listed) > 5
    for name, first in listed:
        text = help_of(capsys, name)
        assert f"\n{first.capitalize()} " in text and f"example: dar-uda {name} " in text


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"dar-uda {version('dar-uda')}\n"


def test_a_window_of_a_domain_that_the_table_lacks_is_refused(tmp_path, capsys):
    nib.save(nib.Nifti1Image(np.arange(64.0).reshape(4, 4, 4), np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\na\tct\ta.nii\t\ttrain\n")
    assert main(["check", str(tmp_path / "cases.tsv"), "--window", "CT=-350,350"]) == 1
    assert "cases.tsv has the domains ct" in capsys.readouterr().err


def score(tmp_path, *options):
    for folder, value in (("labels", 6), ("masks", 4)):
        (tmp_path / folder).mkdir(exist_ok=True)
        array = np.zeros((4, 4, 4), np.uint8)
        array[:, 1:3], array[0, 0, 0] = value, value + 5
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / folder / "p1.nii.gz")
    return main(["score", str(tmp_path / "masks"), str(tmp_path / "labels"), "-o", str(tmp_path / "t.tsv"), *options])


def test_score_prints_the_means_and_takes_lists_and_ranges_of_values(tmp_path, capsys):
    labels = ["--labels", "liver=6", "--labels", "spleen=11,13-15", "--prediction-labels", "spleen=9", "liver=2-5"]
    assert score(tmp_path, *labels, "--tolerance", "liver=0.5") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    liver, spleen, _ = [[cell.strip() for cell in line.split("|")[3:7]] for line in lines[1:]]
    assert liver == ["1.000", "0.00 (1 of 1)", "0.00 (1 of 1)", "1.000"]
    assert spleen == ["1.000", "0.00 (1 of 1)", "0.00 (1 of 1)", "- (0 of 1)"]
    header, *rows = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()]
    assert [row[header.index("nsd")] for row in rows] == ["1.000000", ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "liver=6", "liver=7"], "DAR-354: --labels names liver 2 times"),
        (
            ["--labels", "liver=6", "--tolerance", "spleen=1"],
            "--tolerance names spleen; expected structures of --labels",
        ),
        (["--labels", "liver=6", "--prediction-labels", "Liver=1"], "--prediction-labels names Liver; expected"),
        (["--labels", "liver=6,11", "spleen=10-12"], "DAR-181"),
    ],
)
def test_score_refuses_words_that_contradict_each_other(tmp_path, capsys, options, message):
    assert score(tmp_path, *options) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "t.tsv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "background=0"], "DAR-354: background=0: expected a structure and its values from 1"),
        (["--labels", "mean=1"], "DAR-354: mean=1"),
        (["--labels", "liver"], "DAR-354: liver"),
        (["--labels", "liver=1,,2"], "DAR-354: liver=1,,2"),
        (["--labels", "liver=7-5"], "DAR-016: Label values '7-5'"),
        (["--labels", "liver=65536"], "DAR-016"),
        (
            ["--labels", "liver=6", "--tolerance", "liver=0"],
            "DAR-354: liver=0: expected a structure and a distance in mm",
        ),
        (["--labels", "liver=6", "--tolerance", "liver=nan"], "DAR-354: liver=nan"),
    ],
)
def test_score_refuses_words_that_it_cannot_read(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit):
        score(tmp_path, *options)
    assert message in capsys.readouterr().err


def dar_uda(*arguments, **environment):
    """Start the command as a process of its own."""
    command = [sys.executable, "-m", "dar_uda.cli.command", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, env={**os.environ, **environment})


def test_letters_that_the_terminal_lacks_and_bytes_that_are_none_are_printed_as_codes(tmp_path):
    paths = [tmp_path / "große.nii", tmp_path / "lat\udce4.nii"]
    for path in paths:
        nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.eye(4)), tmp_path / "scan.nii")
        (tmp_path / "scan.nii").rename(path)
    out, error = dar_uda("inspect", *paths, PYTHONIOENCODING="ascii").communicate()
    names = [line.split(b":")[0].rpartition(b"/")[2] for line in out.splitlines()]
    assert (error, names) == (b"", [rb"gro\xdfe.nii", rb"lat\xe4.nii"])


def test_a_reader_that_stops_reading_is_not_an_error(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.eye(4)), tmp_path / "scan.nii")
    process = dar_uda("inspect", *[tmp_path / "scan.nii"] * 50, PYTHONUNBUFFERED="1")
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (0, b"")


def test_check_reads_as_many_cases_at_a_time_as_there_are_cores_to_use(tmp_path, monkeypatch):
    nib.save(nib.Nifti1Image(np.zeros((4, 6, 5), np.int16), np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\na\tct\ta.nii\t\ttrain\n")
    seen = []
    monkeypatch.setattr("dar_uda.data.checks.cases.check_cases", lambda *given: seen.append(given[3]) or [])
    monkeypatch.setattr("dar_uda.jobs.cores.cpu_count", lambda: 3)
    assert main(["check", str(tmp_path / "cases.tsv")]) == 0
    assert main(["check", str(tmp_path / "cases.tsv"), "--processes", "1"]) == 0
    assert seen == [3, 1]
