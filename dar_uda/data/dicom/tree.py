"""The series below a folder, and the SEG and RTSTRUCT that were drawn on them.

Whose a series is never leaves this module: a patient is a number, in the order in which patients appear.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from dar_uda.data.contents import is_dicom
from dar_uda.data.dicom.header import read_entries
from dar_uda.data.dicom.objects import DIRECTORY, SEGMENTATIONS
from dar_uda.data.dicom.rtstruct import Contours
from dar_uda.data.dicom.seg import Segments
from dar_uda.data.reading import UnreadableFileError
from dar_uda.data.slice_names import may_be_slice

ENTRIES = (
    *("SpecificCharacterSet", "SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesDescription"),
    *("PatientID", "StudyInstanceUID", "NumberOfFrames"),
)
LONGEST = 64
"""Characters of a description."""


@dataclass
class SeriesFiles:
    """The files of a folder that have one series.

    Attributes:
        uid: SeriesInstanceUID.
        description: SeriesDescription, as people wrote it.
        patient: Number of the patient, from 1.
        drawn_on: Of a SEG or RTSTRUCT the UIDs of the series on which it was drawn.
    """

    folder: Path
    uid: str
    description: str
    modality: str
    patient: int
    kind: str = ""
    files: list[Path] = field(default_factory=list)
    drawn_on: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        """What a cases table names: a SEG, an RTSTRUCT or an enhanced image by its file, other series by the folder."""
        return self.files[0] if self.kind or len(self.files) == 1 else self.folder


class Patients:
    """Numbers of patients, from 1 in order of appearance; nothing else of them is kept beyond the process."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, header: Dataset) -> int:
        """Return the number of the patient of a file: of its PatientID, else of its study."""
        patient = str(header.get("PatientID") or "").strip()
        key = ("patient", patient) if patient else ("study", str(header.get("StudyInstanceUID") or ""))
        return self._numbers.setdefault(key, len(self._numbers) + 1)


def series_below(folders: Iterable[Path], patients: Patients) -> Iterator[SeriesFiles]:
    """Yield the series of each folder, in the order of the folders; files that are no DICOM do not count."""
    for folder in folders:
        found: dict[tuple[str, str], SeriesFiles] = {}
        for path in sorted(folder.iterdir()):
            if not may_be_slice(path.name) or not path.is_file() or not is_dicom(path):
                continue
            try:
                one = _series_of(path, patients)
            except UnreadableFileError:  # whoever reads the series says so
                continue
            if one is not None:
                key = one.uid, str(path) if one.kind else ""
                found.setdefault(key, one).files.append(path)
        yield from found.values()


def _series_of(path: Path, patients: Patients) -> SeriesFiles | None:
    """Return the series of a file, without files; None of a DICOMDIR."""
    header = read_entries(path, ENTRIES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they cite what is in headers
        try:
            if str(header.get("SOPClassUID") or "") == DIRECTORY:
                return None
            kind = SEGMENTATIONS.get(str(header.get("SOPClassUID") or ""), "")
            drawn_on = {"SEG": Segments, "RTSTRUCT": Contours}[kind](path).series() if kind else set()
            texts = (str(header.get(name) or "") for name in ("SeriesInstanceUID", "SeriesDescription", "Modality"))
            uid, description, modality = (" ".join(text.split())[:LONGEST] for text in texts)
            return SeriesFiles(path.parent, uid, description, modality, patients.number(header), kind, [], drawn_on)
        except UnreadableFileError:
            raise
        except Exception:  # as in `read_header`
            raise UnreadableFileError(f"DAR-140: {path} is no DICOM file that can be read: copy it again") from None
