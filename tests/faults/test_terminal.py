"""What strangers name files, and write into them, does nothing on a terminal and forges no line."""

import logging
import warnings

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement

from dar_uda.cli import command
from dar_uda.cli.command import main
from dar_uda.cli.status import status_of
from dar_uda.jobs.log import job_log
from tests.data.dicom_files import write_series

FORGED = "a\n12:00:00 done in 1.00 s\ndar-uda: ERROR: forged\u2028\x1b[2J\x9b1m"
NAME = FORGED.replace("/", "")


@pytest.fixture(autouse=True)
def logging_as_before():
    handlers, level, show = logging.root.handlers[:], logging.root.level, warnings.showwarning
    logging.root.handlers[:] = []
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:], logging.root.level, warnings.showwarning = handlers, level, show


@pytest.fixture
def printed(capfd):
    """Return what was printed so far, having seen that nothing of `FORGED` is a line or is obeyed."""

    def read():
        told = "".join(capfd.readouterr())
        assert not any(
            line.startswith(("dar-uda: ERROR: forged", "12:00:00 done", "forged")) for line in told.split("\n")
        )
        assert not any(mark in told for mark in ("\x1b", "\x9b", "\u2028"))
        return told

    return read


def test_names_of_files_that_are_inspected(tmp_path, printed):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    nib.save(image, tmp_path / f"{NAME}.nii")
    (tmp_path / f"{NAME}_cut.nii").write_bytes(b"cut")
    assert main(["inspect", str(tmp_path)]) == 1
    told = printed()
    assert r"forged\u2028\x1b[2J\x9b1m.nii: 4 x 4 x 4 voxels" in told and r"\x9b1m_cut.nii" in told


def test_names_of_files_in_a_log_do_not_end_a_job(tmp_path, printed):
    log = tmp_path / "results" / "r" / "logs" / "check_cases" / "all.log"
    with pytest.raises(SystemExit), job_log(log):
        logging.info("reads %s", FORGED)
        raise ValueError(FORGED)
    assert "forged" in printed() and "0 done, 0 running, 1 failed" in status_of(tmp_path / "results" / "r")


def test_arguments_that_are_no_options(printed):
    with pytest.raises(SystemExit):
        main(["predict", "bundle", "scan", "-o", "out", f"--{NAME}"])
    assert "forged" in printed()


def test_errors_that_no_one_expected(monkeypatch, printed):
    def fails(_):
        raise KeyError(FORGED.encode().decode(), FORGED) from RuntimeError(FORGED)

    monkeypatch.setitem(command.COMMANDS, "inspect", fails)
    assert main(["inspect", "scan"]) == 1
    assert "Traceback" in printed()


def test_warnings_of_libraries(monkeypatch, printed):
    def warns(_):
        logging.root.handlers[:] = []  # pytest's
        command._log_plainly()
        warnings.warn(FORGED, stacklevel=1)

    monkeypatch.setitem(command.COMMANDS, "inspect", warns)
    assert main(["inspect", "scan"]) == 0
    assert "forged" in printed()


@pytest.mark.parametrize(
    "keyword",
    [
        *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "NumberOfFrames"),
        *("PhotometricInterpretation", "SOPClassUID", "Modality", "SeriesInstanceUID"),
    ],
)
@pytest.mark.parametrize("way", ["inspect", "check"])
def test_what_stands_where_a_number_or_a_code_should_is_not_quoted(tmp_path, printed, keyword, way):
    """The header may be shifted, and the text a name."""
    series = tmp_path / "series"
    for path in write_series(series):
        dataset = pydicom.dcmread(path)
        dataset[keyword] = DataElement(tag_for_keyword(keyword), "LO", "Planted^Jane")
        dataset.save_as(path)
    (tmp_path / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\nct0\tct\tseries\t\ttrain\n")
    main([way, str({"inspect": series, "check": tmp_path / "cases.tsv"}[way])])
    assert "Planted" not in printed()
