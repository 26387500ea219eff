"""DAR-UDA: 3D unsupervised domain adaptation for cross-modality medical image segmentation."""

from typing import Any

__all__ = ["Segmenter"]


def __getattr__(name: str) -> Any:
    """Load `Segmenter` when it is asked for: a job that needs no torch shall not wait for it."""
    if name == "Segmenter":
        from dar_uda.bundle.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"DAR-360: module {__name__!r} has no attribute {name!r}")
