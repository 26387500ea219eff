"""The folder of a method's masks."""

from pathlib import Path


def mask_path(folder: str | Path, case: str) -> Path:
    """Return where a case's mask lies in a method's folder of predictions."""
    return Path(folder) / f"{case}.nii.gz"


def probabilities_path(folder: str | Path, case: str) -> Path:
    """Return where a case's probabilities lie in a method's folder of predictions, if they were kept."""
    return mask_path(Path(folder) / "probabilities", case)
