"""What is read of a case whose label is an RTSTRUCT: the structures that the task names, no others."""

import pytest

from dar_uda.data.layouts.case import Case
from dar_uda.project.survey import read_facts
from tests.data.dicom_files import save_slice
from tests.data.label_objects import contour, make_rtstruct, save_scan

SQUARE = [(0.5, 1.5), (4.5, 1.5), (4.5, 5.5), (0.5, 5.5)]
"""Four columns of four pixels."""


@pytest.fixture
def case(tmp_path):
    """A scan on which a liver was drawn, and a couch between two slices."""
    structures = {1: ("Liver", [contour(SQUARE, 2)]), 2: ("Couch", [contour(SQUARE, 2.5)])}
    scan, drawn = save_scan(tmp_path / "scan"), save_slice(make_rtstruct(structures), tmp_path / "drawn.dcm")
    return Case("c1", "ct", "c1", scan, drawn)


def test_a_structure_that_the_task_does_not_name_may_lie_between_slices(case):
    facts = read_facts(case, True, [[1]])
    assert facts.values == (1,) and facts.structures[1].voxels == 16
    assert not [finding for finding in facts.findings if finding.kind.stops]


def test_one_that_it_names_is_refused_there(case):
    stops = [finding.found for finding in read_facts(case, True, [[1], [2]]).findings if finding.kind.stops]
    assert len(stops) == 1 and "DAR-439" in stops[0]
