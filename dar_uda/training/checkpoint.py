"""Checkpoints to resume from: kept while a training runs, gone when all that it makes is written."""

import hashlib
import json
import logging
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from dar_uda.jobs.checkpoints import remove_checkpoints
from dar_uda.jobs.files import locked, write_beside

logger = logging.getLogger(__name__)


def identity_of(settings: Mapping[str, Any], inputs: Sequence[str | Path]) -> str:
    """Return the digest of all that a training depends on: settings (with code version and seed) and file contents."""
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in inputs:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


class CheckpointFolder:
    """A training's working folder, locked against a second writer while it is open.

    Args:
        folder: Where the checkpoint lies; made on entry, removed when the block ends without an error.
        identity: See `identity_of`; a checkpoint of another identity is ignored.
        keep: Do not remove it: the job has more to write, and removes it itself, see `remove_checkpoints`.

    Raises:
        RuntimeError: Another process trains in this folder.
    """

    def __init__(self, folder: str | Path, identity: str, keep: bool = False) -> None:
        self.folder, self.identity, self.keep = Path(folder), identity, keep
        self.path = self.folder / "latest.pt"

    def __enter__(self) -> "CheckpointFolder":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self.folder / "lock")
        self._lock.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.__exit__(kind, error, trace)
        if kind is None and not self.keep:
            remove_checkpoints(self.folder)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state whole; a kill in the middle leaves the checkpoint before it."""
        with write_beside(self.path) as path:
            torch.save({"identity": self.identity, **state}, path)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state last saved under this identity; None where there is none that can be read.

        Raises:
            RuntimeError, OSError: It is whole, but there is no memory or no device for it: the next try may load it.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
        except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError) as error:
            if isinstance(error, (RuntimeError, OSError)) and is_whole(self.path):
                raise
            logger.warning("DAR-227: %s is damaged (%s): starting anew", self.path, str(error).partition("\n")[0])
            return None
        if state.pop("identity", None) != self.identity:
            logger.info("DAR-231: %s was made with other settings, code or inputs: starting anew", self.path)
            return None
        return state


def is_whole(path: Path) -> bool:
    """Return whether the checksums of a file that torch wrote, a zip archive, are right."""
    try:
        with ZipFile(path) as archive:
            return archive.testzip() is None
    except BadZipFile:
        return False
