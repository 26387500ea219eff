"""A problem of a case, and the report of all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dar_uda.jobs.text import on_one_line


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Attributes:
        title: What is wrong.
        fix: What to do.
        stops: Whether a run cannot begin with it; otherwise it is a warning.
    """

    title: str
    fix: str
    stops: bool = True


UNREADABLE = Kind("DAR-080: Files that cannot be read", "each line says what to do")
NOT_FINITE = Kind("DAR-157: Images with NaN or infinite voxels", "write a finite value there, such as that of air")
CONSTANT = Kind(
    "DAR-158: Images without contrast", "every voxel has one value: export the scan again, or leave the case out"
)
BELOW_WINDOW = Kind(
    "DAR-081: Images outside their window", "no voxel lies within `window`: give one in the file's unit"
)
NOT_IN_HU = Kind(
    "DAR-082: Images that may not be in HU",
    "no voxel of the patient is below 0 and the window is, their range is a small part of it, or air is not at -1000: "
    "if the values are shifted or scaled, give the window in their unit",
    stops=False,
)
FILLED = Kind(
    "DAR-083: Images with a fill outside the patient that is not dark",
    "it counts as background; if the region is tissue, export the scan again without masking or saturation",
    stops=False,
)
FAR_VALUES = Kind(
    "DAR-084: Images with voxels far beyond the others",
    "they are cut off, and do not decide what is dark and bright: look for metal, text or a padding value in the scan",
    stops=False,
)
SATURATED = Kind(
    "DAR-085: Images whose bright end is cut off",
    "many voxels have the highest value: export the scan in more bits, or without a display window",
    stops=False,
)
IMPLAUSIBLE_SPACING = Kind(
    "DAR-086: Voxels of an implausible size",
    "expected 0.01 to 50 mm: correct the header, or the unit in it (xyzt_units)",
)
IMPLAUSIBLE_EXTENT = Kind(
    "DAR-087: Scans of an implausible extent", "expected up to 5 m: correct the header, or the unit in it (xyzt_units)"
)
TOO_LONG = Kind(
    "DAR-088: Scans of too many voxels along an axis",
    "expected up to 32767, as many as a mask in NIfTI can have: crop or resample the scan",
)
TWO_SIZES = Kind(
    "DAR-090: Headers that say two voxel sizes",
    "pixdim and sform differ by more than 10 %: programs differ in which they read; correct the wrong one",
    stops=False,
)
ODD_SLICE_AXIS = Kind(
    "DAR-091: Headers whose dim_info names a thin slice axis",
    "as where a program turned the scan and left dim_info: correct it, or set `tasks.TASK.domains.DOMAIN.slice_axis`",
    stops=False,
)
UNCLEAR_SLICE_AXIS = Kind(
    "DAR-092: Scans whose header leaves the slice axis open",
    "two axes are equally coarse and the third is finer, as of thin slices: look across which one the scanner cut, "
    "and set `tasks.TASK.domains.DOMAIN.slice_axis`",
    stops=False,
)
TWO_PLACES = Kind(
    "DAR-089: Headers that say two places",
    "sform and qform differ by more than a voxel: set the code of the wrong one to 0",
)
UNPLACED = Kind(
    "DAR-099: Headers without a place",
    "sform and qform have code 0, or no direction is given: left and right may be exchanged; look, and set one",
    False,
)
FOLDED = Kind(
    "DAR-093: Images whose axes nearly coincide", "expected 45 degrees or more between any two: correct the header"
)
SHEARED = Kind(
    "DAR-094: Images with axes that are not at right angles", "as of a tilted gantry: kept as they are", False
)
MIXED_SERIES = Kind(
    "DAR-095: Folders that may hold several series",
    "look, and give each series (phase, echo, time) a folder of its own",
    False,
)
OTHER_PLANE = Kind(
    "DAR-096: Scans cut in another plane than the others of their domain",
    "if that is not meant, leave them out or set `tasks.TASK.domains.DOMAIN.slice_axis`",
    False,
)
OTHER_PLANE_OF_DOMAIN = Kind(
    "DAR-097: Domains cut in different planes",
    "a network cannot learn from axial slices what coronal ones look like: set `slice_axis` of one of the two, "
    "the axis of its files across the slices",
)
OTHER_GRID = Kind(
    "DAR-180: Labels on another grid than their image", "resample the label, or correct the header that is wrong"
)
SAME_FILE = Kind("DAR-098: Labels that are the scan itself", "name the label file")
NOT_WHOLE = Kind(
    "DAR-182: Labels that are no whole numbers",
    "take the label file as it was drawn, not interpolated; values up to 65535 count",
)
OTHER_VALUES = Kind("DAR-103: Labels with values that the task does not name", "they count as background", False)
NO_STRUCTURE = Kind(
    "DAR-101: Labels without any structure", "if that is not meant, look at `labels` of the task", False
)
ABSENT = Kind("Structures that a label does not hold", "nothing: most labels lack some", False)
"""Counted, not reported."""
NOWHERE = Kind(
    "DAR-100: Structures that no label of their domain holds, of those on which a method trains",
    "a network cannot learn them: look at `labels` of the task, and at the values in the files",
    False,
)
FEW_VOXELS = Kind("DAR-102: Structures of few voxels", "if that is not meant, look at the label file", False)
TWICE = Kind(
    "DAR-104: Files that stand twice in the table",
    "a scan is one case; to train and to test with it, give that case the split both",
)
SHARED_LABEL = Kind(
    "DAR-105: Labels that several cases name",
    "if their scans do not show the same voxels, name the label of each scan",
    False,
)

SEEN = Kind(
    "DAR-109: Test cases whose patient has a training case in the other domain",
    "trainings see this patient's anatomy, so the scores may be too high: bring all scans of a patient to one split, "
    "or report it with the scores",
    stops=False,
)


@dataclass(frozen=True)
class Finding:
    """One problem of one case."""

    kind: Kind
    domain: str
    case: str
    found: str


def report(findings: Sequence[Finding], cases: int) -> Iterator[str]:
    """Yield the lines of a report: what stops a run first, problems of a kind together, each kind with its fix."""
    for stops, name in ((True, "ERROR"), (False, "WARNING")):
        for kind in dict.fromkeys(finding.kind for finding in findings if finding.kind.stops == stops):
            own = [finding for finding in findings if finding.kind == kind]
            yield f"{name}: {kind.title} ({len(own)}). To do: {kind.fix}."
            yield from (f"  {finding.domain}/{finding.case}: {on_one_line(finding.found)}" for finding in own)
    stopping = sum(finding.kind.stops for finding in findings)
    yield f"{cases} cases checked: {stopping} errors, {len(findings) - stopping} warnings."


def names_alone(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a report without what was found, which names files: kinds, and the cases of each."""
    for is_case, group in groupby(lines, lambda line: line.startswith("  ")):
        found = list(group)
        yield from ["  " + ", ".join(line.strip().partition(": ")[0] for line in found)] if is_case else found
