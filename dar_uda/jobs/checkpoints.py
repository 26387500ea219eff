"""Where a training's checkpoints lie, and how they go: without torch, for jobs and for who looks at a run."""

import logging
import os
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)
ELSEWHERE = "DAR_UDA_CHECKPOINTS"
"""Names the folder of all checkpoints, for machines whose own disk goes when the job goes."""


def checkpoints_of(output: str | Path) -> Path:
    """Return where a training's checkpoints lie: beside its output, or at the same path below $DAR_UDA_CHECKPOINTS."""
    folder = Path(output).parent
    if root := os.environ.get(ELSEWHERE):
        folder = Path(root, *folder.parts[bool(folder.anchor) :])
    return folder / "checkpoints"


def remove_checkpoints(folder: Path) -> None:
    """Remove a training's working folder, which no process has open; warn where that fails, for the work is done."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning(
            "DAR-229: %s cannot be removed (%s): the training is done, delete the folder by hand", folder, error
        )
