"""What an output folder has of one scan: written whole, replaced whole, and never exchanged for another scan's."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.bundle.segmenter import Segmenter
from dar_uda.data.predictions import mask_path, probabilities_path
from dar_uda.data.versions import files_of
from dar_uda.data.volume import read_volume, remark_of
from dar_uda.jobs.files import place
from dar_uda.jobs.provenance import checksums
from dar_uda.jobs.text import shown_name

MARK = "DAR-UDA "
"""Begins the comment in a mask's header: what it was made of, as JSON."""
MASK, PROBABILITIES, SEG, SLICER = "mask.nii.gz", "probabilities.nii.gz", "segmentation.dcm", "mask.seg.nrrd"
SIDECAR, LABEL_MAP = "mask.json", "probabilities.json"
"""What is written of a scan, as called before it has its name; the last two describe BIDS derivatives."""
KINDS = {PROBABILITIES, SEG, SLICER, SIDECAR, LABEL_MAP}
BY_HAND = {SEG, SLICER}
"""What people correct, as they do masks."""
OF_BUNDLE = ("bundle.json", "weights.safetensors", "region.json")
"""Files of a bundle on which a mask depends."""


@dataclass(frozen=True)
class MadeOf:
    """What a scan's output depends on.

    Attributes:
        image: Digest of the scan's files.
        bundle: Digest of the bundle's files.
        average: Whether it is the average over the TTA transforms.
        extras: What belongs to the mask, of `KINDS`.
        written: Digest of each of these as it was written, and of the voxels of `MASK`: what differs was changed since.
    """

    image: str
    bundle: str
    average: bool
    extras: tuple[str, ...] = ()
    written: dict[str, str] = field(default_factory=dict)

    def remark(self) -> str:
        """Return it as the mask's header holds it."""
        return MARK + json.dumps(asdict(self))

    @classmethod
    def of_mask(cls, path: Path) -> "MadeOf | None":
        """Return what a mask was made of, whole or not; None where `dar-uda predict` did not write it."""
        try:
            facts = json.loads(remark_of(path).removeprefix(MARK))
            made = cls(**facts | {"extras": tuple(facts["extras"]), "written": dict(facts["written"])})
            return made if {*made.extras} <= KINDS else None
        except (ValueError, TypeError, KeyError):
            return None


class ImageOutput:
    """The files of one scan in an output folder.

    Attributes:
        name: As the rows of `volumes.tsv` have it.
        mask: `{name}.nii.gz`; says in its header what it was made of.
        extras: Where what belongs to it goes: `probabilities/{name}.nii.gz`, `{name}.dcm`, `{name}.seg.nrrd`.
        texts: Content of those that describe the others.
        unasked: Which of the extras a prediction does not write.
    """

    texts: Mapping[str, str] = {}

    def __init__(self, folder: Path, name: str, slicer: bool = False) -> None:
        self.name = shown_name(name)
        self.unasked = set() if slicer else {SLICER}
        self.mask = mask_path(folder, name)
        self.extras = {
            PROBABILITIES: probabilities_path(folder, name),
            SEG: folder / f"{name}.dcm",
            SLICER: folder / f"{name}.seg.nrrd",
        }

    @property
    def files(self) -> list[Path]:
        """Where a prediction writes."""
        return [self.mask, *(path for kind, path in self.extras.items() if kind not in self.unasked)]

    def exists(self) -> bool:
        return any(map(_exists, self.files))

    def check_free(self, scan: Path, image: str) -> None:
        """See that only files are replaced which were made of this image, and are as they were written.

        Args:
            image: The scan's digest.

        Raises:
            ValueError: There are others, such as the mask of another scan of this name, or one that was corrected by
                hand; the message names one.
        """
        made = MadeOf.of_mask(self.mask)
        own = self._as_written(made) if made is not None and made.image == image else set()
        replaced = set(made.extras) if made else set()
        asked = {kind for kind in self.extras if kind not in self.unasked and (kind != SEG or scan.is_dir())}
        paths = [self.mask, *(path for kind, path in self.extras.items() if kind in asked | replaced)]
        if others := [path for path in paths if path not in own and _exists(path)]:
            raise ValueError(
                f"DAR-311: {others[0]} exists, and was not made of {scan}, or was changed since: nothing is written "
                "over it. Give another folder with -o, or delete it first; scans of one name that are given together "
                "are called by their folders too"
            )

    def _as_written(self, made: MadeOf) -> set[Path]:
        """Return the files that did not change, and those that were cut short."""
        voxels, files = _voxels(self.mask), {self.extras[kind]: kind for kind in made.extras}
        same = {path for path, kind in files.items() if kind == PROBABILITIES or _is(path, made.written.get(kind))}
        return same if voxels is not None and voxels_digest(voxels) != made.written.get(MASK) else {self.mask, *same}

    def is_done(self, wanted: MadeOf) -> bool:
        """Return whether the mask is whole, was made of the same by the same, and what belongs to it is there.

        Corrected by hand, a mask or what Slicer or DICOM have of it is done too. The SEG is not in `wanted`: not every
        series can have one.
        """
        made = MadeOf.of_mask(self.mask)
        return (
            made is not None
            and self.is_made_of(wanted)
            and _voxels(self.mask) is not None
            and set(wanted.extras) <= set(made.extras)
            and all(
                self.extras[kind].exists() and (kind in BY_HAND or _is(self.extras[kind], made.written.get(kind)))
                for kind in made.extras
            )
        )

    def is_made_of(self, wanted: MadeOf) -> bool:
        """Return whether the mask, whole or not, was made of the same by the same, as its header says."""
        made = MadeOf.of_mask(self.mask)
        asked = (wanted.image, wanted.bundle, wanted.average)
        return made is not None and (made.image, made.bundle, made.average) == asked

    def replace(self, stage: Path, made: MadeOf) -> None:
        """Move `MASK` and the extras, written into a staging folder, in place of the earlier ones.

        The mask goes first, and says what belongs to it: a stop in between is seen by `is_done`.
        """
        before = MadeOf.of_mask(self.mask)
        for kind in before.extras if before else ():
            self.extras[kind].unlink(missing_ok=True)
        for path in (self.mask, *(self.extras[kind] for kind in made.extras)):
            path.parent.mkdir(parents=True, exist_ok=True)
        place(stage / MASK, self.mask)
        for kind in made.extras:
            place(stage / kind, self.extras[kind])


def image_digest(scan: Path) -> str:
    """Return the digest of a scan: of its file, those read with it, or the files of its series."""
    return _digest_of(files_of_image(scan))


def files_of_image(scan: Path) -> list[Path]:
    """Return the file of a scan and those read with it, or the files of its series."""
    if scan.is_dir():
        return sorted(file for file in scan.iterdir() if file.is_file() and file.name[0] != ".")
    return list(map(Path, files_of(str(scan))))


def bundle_digest(segmenter: Segmenter) -> str:
    """Return the digest of what a bundle's masks depend on."""
    return _digest_of([path for name in OF_BUNDLE if (path := segmenter.folder / name).exists()])


def _digest_of(files: list[Path]) -> str:
    """Return the digest of files' contents, in their order; names do not count."""
    return hashlib.blake2b("".join(checksums(files).values()).encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of a file."""
    return _digest_of([path])


def voxels_digest(mask: NDArray[np.uint8]) -> str:
    """Return the digest of a mask's voxels."""
    return hashlib.blake2b(np.ascontiguousarray(mask), digest_size=16).hexdigest()


def _is(path: Path, digest: str | None) -> bool:
    return path.is_file() and file_digest(path) == digest


def _voxels(mask: Path) -> NDArray | None:
    """Return the voxels of a mask; None where it is not whole."""
    try:
        return read_volume(mask).array
    except (ValueError, OSError):
        return None


def _exists(path: Path) -> bool:
    """Return whether something of this name could be lost: a file that is not empty, a folder, a link."""
    return path.is_symlink() or (path.exists() and path.lstat().st_size > 0)
