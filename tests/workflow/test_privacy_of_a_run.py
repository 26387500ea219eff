"""A whole run over DICOM in whose every text stands a patient: nothing of him leaves the scans, but into the SEG."""

import base64
import gzip
import io
import json
import re
import shutil
from contextlib import redirect_stderr, redirect_stdout, suppress

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.dataelem import DataElement

from dar_uda.cli.command import main
from dar_uda.data.phantom import make_phantom
from dar_uda.viewer.catalog import read_catalog
from tests.data.dicom_files import write_as_dicom
from tests.workflow.preloaded import REPOSITORY
from tests.workflow.tiny_run import CONFIG, Run

NAME, DATE, NUMBER, PLACE = "Planted^Jane", "19500123", "73915284", "/planted/jane/1"
CASES = {"ct": ("train",), "mr": ("train", "test")}
IN_HEADERS = re.compile(rb"planted|19500123|73915284", re.IGNORECASE)
IN_FOLDERS = re.compile(rb"janes.folder", re.IGNORECASE)
VALUES = {
    **dict.fromkeys(("PN", "LO", "LT", "SH", "ST", "UC", "UT"), NAME),
    **{"DA": DATE, "DT": DATE + "013500", "UR": PLACE, "AE": NUMBER},
}
NAMES_FILES = re.compile(r"/(checks\.txt|versions\.tsv|[^/]+\.provenance\.json)$|/logs/check_cases\.log$")
"""What says where each result comes from, see docs/outputs.md."""
FILES_OF_JOBS = re.compile(r"^    .*$", re.MULTILINE)
"""Lines of Snakemake, and of the checks, that name files."""


def planted_entries():
    """Return an element for every entry of DICOM's dictionary that people or devices write texts and dates into."""
    for tag, (kind, _, _, retired, keyword) in DicomDictionary.items():
        if kind in VALUES and keyword and not retired and tag >> 16 not in (0x0, 0x2, 0x4):
            yield DataElement(tag, kind, VALUES[kind])


def plant(path, entries, number):
    """Put the patient into one slice: the first of a series into every entry, into others where scanners have him."""
    dataset = pydicom.dcmread(path)
    if path.stem != "1":
        entries = [element for element in entries if element.tag.group in (0x8, 0x10)]
    for element in entries:
        dataset[element.tag] = element
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        dataset[name] = DataElement(tag_for_keyword(name), "UI", f"1.2.{NUMBER}.{number}")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{NUMBER}.{number}.{path.stem}"
    dataset.PatientSex, dataset.PatientWeight = "F", NUMBER
    dataset.private_block(0x9, "ACME", create=True).add_new(1, "LO", NAME)
    dataset.save_as(path)


def write_case(folder, domain, number, entries):
    """Write a generated scan as DICOM, and its label, below a folder of the patient's name."""
    files = [folder / f"{what}.nii.gz" for what in ("image", "label")]
    make_phantom(domain, number, *files, 0)
    image, label = (sitk.DICOMOrient(sitk.ReadImage(str(file)), "LPS") for file in files)
    picture = sitk.Cast(image, sitk.sitkInt16)
    write_as_dicom(picture, folder / "series", [f"{k + 1}.dcm" for k in range(picture.GetDepth())])
    for path in (folder / "series").iterdir():
        plant(path, entries, 10 * number + (domain == "mr"))
    files[0].unlink()
    sitk.WriteImage(label, str(files[1]))
    drawn = nib.load(files[1])
    drawn.header["descrip"] = drawn.header["aux_file"] = NAME
    values = np.array(drawn.dataobj)
    values[0, 0, 0] = 99  # a warning, which names the file
    nib.save(nib.Nifti1Image(values, drawn.affine, drawn.header), files[1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run to its end, and what it printed."""
    folder = tmp_path_factory.mktemp("private")
    entries, lines = list(planted_entries()), ["case\tdomain\timage\tlabel\tsplit"]
    for domain, splits in CASES.items():
        for number, split in enumerate(splits):
            place = f"Janes_folder/{domain}{number}"
            (folder / place).mkdir(parents=True)
            write_case(folder / place, domain, number, entries)
            lines.append(f"{domain}{number}\t{domain}\t{place}/series\t{place}/label.nii.gz\t{split}")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(CONFIG)
    run = Run(folder, REPOSITORY)
    choices = "methods=[source_only,dar_uda]", "directions=ct-to-mr", "cases=cases.tsv"
    status, run.printed = run("--config", *choices, "inference={save_probabilities: true}")
    assert status == 0, run.printed
    return run


def contents(path):
    """Yield the bytes of a file, of what it packs and of what it embeds."""
    content = path.read_bytes()
    yield content
    for start in (match.start() for match in re.finditer(b"\x1f\x8b\x08", content[:65536])):
        with suppress(OSError, EOFError):
            yield gzip.GzipFile(fileobj=io.BytesIO(content[start:])).read()
    if path.suffix in (".html", ".svg"):
        yield from (base64.b64decode(found) for found in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content))


def holding(needle, *folders):
    """Return the files below folders in which a text stands, packed or not, or whose names have it."""
    return [
        str(path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and (needle.search(str(path.relative_to(folder)).encode()) or any(map(needle.search, contents(path))))
    ]


def called(*arguments):
    """Return what a command prints."""
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        assert main([str(argument) for argument in arguments]) == 0, told.getvalue()
    return told.getvalue()


@pytest.mark.slow
def test_the_needles_are_where_they_were_planted(run):
    scans = run.folder / "Janes_folder"
    files = [path for path in scans.rglob("*") if path.is_file()]
    assert len(holding(IN_HEADERS, scans)) == len(files) > 50


@pytest.mark.slow
def test_nothing_of_a_header_is_in_what_a_run_writes_or_prints(run):
    assert holding(IN_HEADERS, run.folder / "results", run.folder / ".snakemake") == []
    assert not IN_HEADERS.search(run.printed.encode())


@pytest.mark.slow
def test_names_of_folders_stand_where_the_origin_of_results_does_and_nowhere_else(run):
    assert "99" in run.result("checks.txt").read_text() and "DAR-103" in run.result("report.html").read_text()
    others = [path for path in holding(IN_FOLDERS, run.folder / "results") if not NAMES_FILES.search(path)]
    assert others == []
    assert not IN_FOLDERS.search(FILES_OF_JOBS.sub("", run.printed).encode())


@pytest.mark.slow
def test_a_bundle_and_what_predict_makes_have_nothing_of_it_but_the_seg(run, tmp_path):
    masks, series = run.result("seed-0/predictions/ct-to-mr/dar_uda"), tmp_path / "Janes_folder" / "series"
    shutil.copytree(run.folder / "Janes_folder" / "mr1" / "series", series)
    out, bundle = tmp_path / "out", tmp_path / "bundle"
    told = called("export", masks, "-o", bundle, "--license", "CC0")
    told += called(
        *("predict", bundle, series, "-o", out, "--device", "cpu", "--tta", "--save-probabilities", "--slicer"),
    )
    told += called("inspect", series) + called("status", run.result(""))
    table = tmp_path / "cases.tsv"
    told += called("cases", "dicom", f"mr={run.folder / 'Janes_folder'}", "-o", table).replace(str(run.folder), "")
    seg = out / "series.dcm"
    assert str(pydicom.dcmread(seg).PatientName) == NAME and pydicom.dcmread(seg).StudyDate == DATE
    seg.unlink()
    assert holding(IN_HEADERS, bundle, out) == holding(IN_FOLDERS, bundle, out) == []
    assert not IN_HEADERS.search(told.encode()) and not IN_HEADERS.search(table.read_bytes())


@pytest.mark.slow
def test_nothing_of_it_reaches_the_viewers_page(run):
    catalog = read_catalog(run.result(""))
    page = json.dumps(catalog.page).encode()
    assert not IN_HEADERS.search(page) and not IN_FOLDERS.search(page)


@pytest.mark.slow
def test_no_gzip_of_a_run_says_a_name_or_a_time(run):
    packed = [path for path in run.result("").rglob("*.gz")]
    assert len(packed) > 2
    for path in packed:
        head = path.read_bytes()[:8]
        assert (head[3], head[4:]) == (0, bytes(4)), path
