"""The folder of a method's masks."""

from pathlib import Path


def mask_path(folder: str | Path, case: str) -> Path:
    """Return where a case's mask lies in a method's folder of predictions."""
    return Path(folder) / f"{case}.nii.gz"
