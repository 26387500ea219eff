"""A tree of DICOM series: listed, and made a cases table by the series' descriptions."""

import logging
import shutil

import pytest

from dar_uda.cli.command import main
from dar_uda.data.cases_table import read_cases_table
from dar_uda.data.inspection import inspect_scans
from dar_uda.data.layouts import table
from dar_uda.data.layouts.table import write_cases
from tests.data.dicom_files import PATIENT, save_slice
from tests.data.label_objects import contour, make_rtstruct, save_scan

SQUARE = [(0.5, 1.5), (4.5, 1.5), (4.5, 5.5), (0.5, 5.5)]
SERIES = ["--series", "ct=*venous*", "mr=t2*"]


@pytest.fixture
def tree(tmp_path):
    """Three patients, named in headers alone: CT and localizer of each, MR of two; contours on a CT and an MR."""
    root = tmp_path / "export"
    for number, scans in {1: ("CT venous 5.0", "T2 SPIR"), 2: ("ct VENOUS",), 3: ("CT Venous", "t2_tse")}.items():
        for k, description in enumerate((*scans, "Localizer")):
            uid = f"1.2.{number}.{k + 1}"
            folder = root / f"ST{number}" / f"SE{k}"
            save_scan(
                *(folder,),
                **{"SeriesInstanceUID": uid, "SeriesDescription": description, "Modality": "CT"},
                **{"PatientName": PATIENT, "PatientID": f"{PATIENT}{number}"},
            )
    for study, uid in (("ST1", "1.2.1.1"), ("ST3", "1.2.3.2")):
        drawn = make_rtstruct({1: ("Liver", [contour(SQUARE, 2)])}, series=uid, SeriesDescription="Contours")
        save_slice(drawn, root / study / "SE9" / "RS.dcm")
    return root


def rows_of(table):
    assert PATIENT not in table.read_text()
    return [
        tuple(row[key] for key in ("case", "domain", "patient", "image", "label")) for row in read_cases_table(table)
    ]


EXPECTED = [
    ("p001", "ct", "p001", "export/ST1/SE0", "export/ST1/SE9/RS.dcm"),
    ("p001", "mr", "p001", "export/ST1/SE1", ""),
    ("p002", "ct", "p002", "export/ST2/SE0", ""),
    ("p003", "ct", "p003", "export/ST3/SE0", ""),
    ("p003", "mr", "p003", "export/ST3/SE1", "export/ST3/SE9/RS.dcm"),
]


def test_a_table_by_description_names_patients_by_numbers_alone(tree, tmp_path, capsys):
    assert main(["cases", "dicom", str(tree), *SERIES, "-o", str(tmp_path / "cases.tsv")]) == 0
    assert rows_of(tmp_path / "cases.tsv") == EXPECTED
    told = capsys.readouterr()
    assert PATIENT not in told.out + told.err and "found 3" in told.out


def test_all_series_of_a_folder_are_cases_of_its_domain_and_a_table_that_grows_has_new_patients(tree, tmp_path):
    table = tmp_path / "cases.tsv"
    write_cases("dicom", [f"ct={tree}/ST2"], table, False, 0.5, 0)
    assert [row[0] for row in rows_of(table)] == ["p001", "p001_2"]
    write_cases("dicom", [f"ct={tree}/ST3"], table, True, 0.5, 0, [("ct", "*venous*")])
    assert [row[0] for row in rows_of(table)] == ["p001", "p001_2", "p002"]


def test_two_processes_that_add_to_a_table_give_no_number_twice(tree, tmp_path, monkeypatch):
    path, find = tmp_path / "cases.tsv", table.find_cases

    def find_while_another_writes(*arguments):
        monkeypatch.setattr(table, "find_cases", find)
        write_cases("dicom", [f"mr={tree}/ST1"], path, True, 0.5, 0, [("mr", "t2*")])
        return find(*arguments)

    monkeypatch.setattr(table, "find_cases", find_while_another_writes)
    write_cases("dicom", [f"ct={tree}/ST2"], path, True, 0.5, 0, [("ct", "*venous*")])
    assert [row[:3] for row in rows_of(path)] == [("p001", "mr", "p001"), ("p002", "ct", "p002")]


def test_a_folder_of_several_series_is_left_out(tree, tmp_path):
    other = save_scan(tmp_path / "other", SeriesInstanceUID="1.9", SeriesDescription="CT venous")
    shutil.copy(other / "0.dcm", tree / "ST2" / "SE0" / "other.dcm")
    report = write_cases("dicom", [str(tree)], tmp_path / "cases.tsv", False, 0.5, 0, [("ct", "*venous*")])
    assert [row[3] for row in rows_of(tmp_path / "cases.tsv")] == ["export/ST1/SE0", "export/ST3/SE0"]
    assert "holds files of several series" in "\n".join(report)


def test_what_names_no_domain_is_refused(tree, tmp_path, capsys):
    table = tmp_path / "cases.tsv"
    with pytest.raises(ValueError, match="DAR-443: .*give --series"):
        write_cases("dicom", [str(tree)], table, False, 0.5, 0)
    with pytest.raises(ValueError, match="DAR-445: --series goes with layout dicom"):
        write_cases("btcv", [str(tree)], table, False, 0.5, 0, [("ct", "*")])
    with pytest.raises(SystemExit):
        main(["cases", "dicom", str(tree), "--series", "venous", "-o", str(table)])
    assert "DAR-446" in capsys.readouterr().err and not table.exists()


def test_inspect_lists_the_series_of_a_tree_and_the_structures_of_contours(tree, capsys, caplog):
    with caplog.at_level(logging.DEBUG):
        inspect_scans([tree, tree / "ST1" / "SE9" / "RS.dcm", tree / "ST2" / "SE0"])
    lines = capsys.readouterr().out.splitlines()
    assert f"{tree}/ST1/SE0: CT, 6 files, CT venous 5.0" in lines
    assert f"{tree}/ST1/SE9/RS.dcm: RTSTRUCT, Contours, drawn on {tree}/ST1/SE0" in lines
    assert f"{tree}/ST1/SE9/RS.dcm: structure 1, Liver" in lines
    assert lines[-1].startswith(f"{tree}/ST2/SE0: 8 x 7 x 6 voxels of 0.9 x 0.7 x 2.5 mm")
    assert len(lines) == 3 + 2 + 3 + 2 + 1 + 1
    assert PATIENT not in "".join(lines) + caplog.text
