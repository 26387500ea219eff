"""Start a training: in this process, or as several ranks with a device each."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NoReturn

import torch.distributed as dist

from dar_uda.jobs.files import write_beside
from dar_uda.jobs.log import in_words, start_log
from dar_uda.training.device import lease_devices
from dar_uda.training.job import Job, OtherRank
from dar_uda.training.loop import Terminated

START_METHOD: Final = "spawn"
"""A process that was forked cannot use a GPU."""
SECONDS_TO_END = 30.0
"""Given to a rank to save its checkpoint after SIGTERM, before it is killed."""
ON_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "=lo"}
"""All ranks are on this machine: where Gloo and NCCL listen for those of other machines otherwise."""


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
    computing: dict[str, Any] = {
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
    _run_ranks(train, devices, computing, str(log), arguments)


def _run_ranks(train: Callable[..., None], devices: list[str], *arguments: Any) -> None:
    """Run a process per device; once one fails, or SIGTERM comes, the others end too.

    They meet in a file, in a folder that this user alone can enter: torch's own launcher opens a store at a port, on
    all addresses, and unpickles what any user of the machine puts into it.
    """
    process = multiprocessing.get_context(START_METHOD).Process
    with TemporaryDirectory(prefix="dar-uda-ranks-") as folder:
        ranks = [
            process(target=_rank, args=(number, folder, train, devices, *arguments)) for number in range(len(devices))
        ]
        try:
            with _raised_sigterm():
                for rank in ranks:
                    rank.start()
                while running := [rank.sentinel for rank in ranks if rank.exitcode is None]:
                    wait(running)
                    if any(rank.exitcode for rank in ranks):
                        raise _failure(ranks, Path(folder))
        finally:
            _end(ranks)


@contextmanager
def _raised_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises."""

    def end(*_: object) -> NoReturn:
        raise Terminated("DAR-226: ended by SIGTERM; the same command goes on from the last checkpoint")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failure(ranks: Sequence[BaseProcess], folder: Path) -> RuntimeError:
    """Return what stopped the first rank that failed."""
    told = sorted(folder.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns)
    killed = [code for rank in ranks if (code := rank.exitcode or 0) < 0]  # what others say then follows from it
    if killed or not told:
        how = signal.Signals(-killed[0]).name if killed else "an error that it could not report"
        return RuntimeError(
            f"DAR-500: a process of the training was ended by {how}; if memory ran out, run fewer jobs at a time "
            "(--cores). The same command goes on from the last checkpoint"
        )
    failure = json.loads(told[0].read_text(encoding="utf-8"))
    error = RuntimeError(failure["words"])
    error.add_note(failure["traceback"])
    return error


def _end(ranks: Sequence[BaseProcess]) -> None:
    """End the ranks that still run."""
    started = [rank for rank in ranks if rank.pid]
    for rank in started:
        rank.terminate()
    for rank in started:
        rank.join(SECONDS_TO_END)
        rank.kill()
        rank.join()


def _rank(
    number: int,
    folder: str,
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
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    start_log(log if number == 0 else None)
    os.environ.update(ON_LOOPBACK)
    backend = "nccl" if devices[number].startswith("cuda") else "gloo"
    try:
        meeting = dist.FileStore(f"{folder}/ranks", len(devices))  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=meeting, rank=number, world_size=len(devices))
        with suppress(OtherRank):
            train(**arguments, job=Job.prepare(**computing, device=devices[number]))
    except Exception as error:
        failure = {"words": in_words(error), "traceback": traceback.format_exc()}
        with write_beside(Path(folder, f"error-{number}.json")) as partial:
            partial.write_text(json.dumps(failure), encoding="utf-8")
        sys.exit(1)
    dist.destroy_process_group()


def _end_with_launcher() -> None:
    """Wait until the process that launched this rank has ended, even by kill -9; then end as after SIGTERM."""
    if launcher := multiprocessing.parent_process():
        launcher.join()
        os.kill(os.getpid(), signal.SIGTERM)
