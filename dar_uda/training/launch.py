"""Start a training: in this process, or as several ranks with a device each (torchrun's own launcher)."""

import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from dar_uda.jobs.log import in_words, start_log
from dar_uda.training.device import lease_devices
from dar_uda.training.job import Job, OtherRank
from dar_uda.training.loop import Terminated


def launch(
    train: Callable[..., None],
    seed: int,
    code: str,
    threads: int,
    log: str | Path,
    device: str,
    precision: str,
    activation_checkpointing: bool,
    gpus_per_training: int = 1,
    tensorboard: bool = False,
    keep_checkpoints: bool = False,
    **arguments: Any,
) -> None:
    """Run `train(**arguments, job=...)`, as `gpus_per_training` ranks where that is more than one.

    On the CPU too, where the ranks share the threads: so that a machine without GPUs can test it.

    Args:
        train: A function at the top of a module.
        seed, code, device, precision, activation_checkpointing, tensorboard, keep_checkpoints: See `Job`.
        log: Where the first rank's lines go.

    Raises:
        RuntimeError: What stopped the first rank that failed, in words.
        Terminated: After SIGTERM.
    """
    computing = {
        **{"seed": seed, "code": code, "precision": precision},
        **{
            "activation_checkpointing": activation_checkpointing,
            "tensorboard": tensorboard,
            "keep_checkpoints": keep_checkpoints,
        },
    }
    devices = lease_devices(device, gpus_per_training)
    computing["threads"] = max(1, threads // len(devices))
    if len(devices) == 1:
        train(**arguments, job=Job.prepare(**computing, device=devices[0]))
        return
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=len(devices),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(settings, _rank)(train, devices, computing, str(log), arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        told = failure.message["message"] if isinstance(failure.message, Mapping) else failure.message
        raise RuntimeError(told.removeprefix("RuntimeError: ")) from error
    except SignalException as error:
        raise Terminated(
            f"DAR-226: ended by {error.sigval.name}; the same command goes on from the last checkpoint"
        ) from None


@record
def _rank(
    train: Callable[..., None],
    devices: list[str],
    computing: Mapping[str, Any],
    log: str,
    arguments: Mapping[str, Any],
) -> None:
    """Be one of the ranks.

    After an error the group is left as it is: to end it NCCL waits for the other ranks, which wait for this one in a
    sum, and the error would never be told. The process ends, and the launcher ends the others.
    """
    number = int(os.environ["LOCAL_RANK"])
    start_log(log if number == 0 else None)
    dist.init_process_group("nccl" if devices[number].startswith("cuda") else "gloo")
    try:
        with suppress(OtherRank):
            train(**arguments, job=Job.prepare(**computing, device=devices[number]))
    except Exception as error:
        raise RuntimeError(in_words(error)) from error
    dist.destroy_process_group()
