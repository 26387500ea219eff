"""BIDS: `sub-*/anat/sub-*_{T1w,T2w,...}.nii.gz`, labels in `derivatives/*/sub-*/anat/*_dseg.nii.gz`."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dar_uda.data.geometry import check_same_grid
from dar_uda.data.layouts.case import Case, Found, case_name
from dar_uda.data.layouts.pairing import pair, visible
from dar_uda.data.volume import read_grid

SCAN = re.compile(r"sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*_([A-Za-z0-9]{1,40})(?i:\.nii(\.gz)?)")
LABEL = re.compile(r"sub-.+_dseg\.nii(\.gz)?", re.IGNORECASE)
NO_SCANS = ("dseg", "probseg", "mask", "defacemask")
FOLDER = re.compile(r"(sub|ses)-([A-Za-z0-9]+)")
NAME_OF_A_SCAN = re.compile(
    r"(T1|T2|T2star|T1rho|PD|PDT2|UNI)(w|map)?|FLAIR|FLASH|angio|inplaneT[12]|UNIT1|MP2RAGE|M0map|CT", re.IGNORECASE
)
"""What a label's `desc-` is where it names the kind of scan it was drawn on."""
OF_THE_LABEL = ("desc", "label", "seg", "space")
"""Entities that say what a label map shows, not which scan it belongs to; the space names a suffix, see `_named`."""
CONTRADICTORY = (
    "has two values of one entity: its name and its folders, or parts of its name, contradict each other (DAR-264)"
)
INDICES = ("run", "echo", "flip", "inv")
"""Entities whose values are numbers: `run-1` is `run-01`."""


@dataclass(frozen=True)
class BidsFile:
    """A file of a BIDS dataset.

    Attributes:
        entities: By key, those of its folders (subject, session) included.
        words: What its name holds between and after them: the suffix, a scan's suffix before a label's.
    """

    path: Path
    entities: dict[str, str]
    words: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """T1w, T2w, ... of a scan, dseg of a label."""
        return self.words[-1]


def find(folder: Path, domain: str | None) -> Found:
    """Return the anatomical scans of a dataset; the suffix (T1w, T2w, ...) is the domain.

    Args:
        domain: Only scans with this suffix; None: all.
    """
    found = Found()
    scans = _scans(folder, found)
    pairs = pair(_candidates(folder, scans, found), found)
    for scan in scans:
        if domain in (None, scan.suffix):
            entities = "_".join(f"{key}-{value}" for key, value in _in_order(scan).items())
            names = case_name(entities), scan.suffix, case_name(f"sub-{scan.entities['sub']}")
            found.cases.append(Case(*names, scan.path, pairs.get(scan.path), patient_is_known=True))
    return found


def _candidates(folder: Path, scans: Sequence[BidsFile], found: Found) -> dict[Path, list[Path]]:
    """Return for every scan the labels that may be its own."""
    of_subjects = defaultdict(list)
    for scan in scans:
        of_subjects[scan.entities["sub"]].append(scan)
    candidates: dict[Path, list[Path]] = {scan.path: [] for scan in scans}
    for path in visible(folder / "derivatives", deep=True):
        if path.parent.name != "anat" or not LABEL.fullmatch(path.name):
            continue
        label = _parsed(path, folder)
        owners = _scans_of(label, of_subjects[label.entities["sub"]]) if label else []
        for scan in owners:
            candidates[scan.path].append(path)
        if label is None:
            found.leave_out(path, CONTRADICTORY)
        elif not owners:
            found.leave_out(
                path, "is a label, but no scan agrees with its name (session, run, suffix, ...) and grid (DAR-263)"
            )
    return candidates


def _scans(folder: Path, found: Found) -> list[BidsFile]:
    """Return the scans of all suffixes: a label may belong to one that is not asked for."""
    scans = []
    for image in sorted([*folder.glob("sub-*/anat/*"), *folder.glob("sub-*/ses-*/anat/*")]):
        if image.name.startswith(".") or not re.search(r"\.nii(\.gz)?$", image.name, re.IGNORECASE):
            continue
        match, file = SCAN.fullmatch(image.name), _parsed(image, folder)
        if not match:
            found.leave_out(image, "has no BIDS name (sub-<label>[_<key>-<value>]_<suffix>.nii.gz)")
        elif file is None:
            found.leave_out(image, CONTRADICTORY)
        elif match[1] in NO_SCANS:
            found.leave_out(image, "is a label map or mask among the scans: labels lie below derivatives/")
        else:
            scans.append(file)
    return scans


def _parsed(path: Path, folder: Path) -> BidsFile | None:
    """Return what name and folders of a file say; None where they contradict each other."""
    parts = re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE).split("_")
    pairs = [part.split("-", 1) for part in parts if "-" in part]
    folders = [FOLDER.fullmatch(part) for part in path.relative_to(folder).parts[:-1]]
    entities: dict[str, str] = {}
    for key, value in [*pairs, *(match.groups() for match in folders if match)]:
        value = str(int(value)) if key in INDICES and re.fullmatch("[0-9]{1,9}", value) else value
        if entities.setdefault(key, value) != value:
            return None
    return BidsFile(path, entities, tuple(part for part in parts if "-" not in part))


def _in_order(scan: BidsFile) -> dict[str, str]:
    """Return the entities of a scan as its name writes them, the session of its folder after the subject."""
    written = dict(part.split("-", 1) for part in scan.path.name.split("_") if "-" in part)
    return {"sub": "", **({"ses": ""} if "ses" in scan.entities else {}), **scan.entities, **written}


def _scans_of(label: BidsFile, scans: Sequence[BidsFile]) -> list[BidsFile]:
    """Return the scans of its subject to which a label may belong: more than one where its name leaves that open.

    Of the scans of one suffix that is the one with exactly the label's entities, else all that have them and more.
    A label that names no suffix belongs to scans on its grid.
    """
    named = _named(label, {scan.suffix.lower() for scan in scans})
    entities = {key: value for key, value in label.entities.items() if key not in OF_THE_LABEL}
    by_suffix = defaultdict(list)
    for scan in scans:
        if named <= {scan.suffix.lower()} and entities.items() <= scan.entities.items():
            by_suffix[scan.suffix].append(scan)
    owners = []
    for group in by_suffix.values():
        own = [scan for scan in group if scan.entities == entities] or group
        if named or any(_shares_grid(scan.path, label.path) for scan in own):
            owners += own
    return owners


def _named(label: BidsFile, suffixes: set[str]) -> set[str]:
    """Return the suffixes of scans that a label names, in lower case: `_T1w_dseg`, `space-T1w`, `desc-T1w`."""
    words = {word.lower() for word in label.words[:-1]}
    space, desc = (label.entities.get(key, "").lower() for key in ("space", "desc"))
    if space not in ("", "orig"):
        words.add(space)
    if desc in suffixes or NAME_OF_A_SCAN.fullmatch(desc):
        words.add(desc)
    return words


def _shares_grid(image: Path, label: Path) -> bool:
    try:
        check_same_grid(read_grid(image), read_grid(label), image.name)
    except (ValueError, OSError):
        return False
    return True
