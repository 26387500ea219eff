"""Weights on disk: safetensors with the constructor's arguments inside, so that a file loads without its config."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dar_uda.data.reading import OF_RESULTS, reading
from dar_uda.jobs.files import write_beside


def save_weights(path: str | Path, module: nn.Module, arguments: dict[str, Any]) -> None:
    """Write the module's state and the arguments that build it."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with write_beside(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(state, temporary, metadata={"arguments": json.dumps(arguments)})
        temporary.chmod(mode)  # safetensors closes it to all but its owner, and `no_wider_than` what is made of it


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state and the constructor's arguments.

    Raises:
        ValueError: The file was not written by `save_weights`, or is damaged.
    """
    with reading(path, OF_RESULTS), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "arguments" not in metadata:
        raise ValueError(
            f"DAR-280: {path}: no constructor arguments in its metadata; expected weights written by DAR-UDA"
        )
    try:
        arguments = json.loads(metadata["arguments"])
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"DAR-280: {path}: the constructor arguments in its metadata are not JSON ({error}); expected weights "
            "written by DAR-UDA: copy or export them again"
        ) from error
    return load_file(path), arguments
