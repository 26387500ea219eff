"""Batches on the device when their step begins: drawn while a GPU computes the step before."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch
from torch import Tensor

Batch = tuple[Tensor, ...]


class Prefetcher:
    """Draw the batch of each step; on a GPU that of the next step too, in a thread and on a stream of their own.

    The kernels and copies of the next draw run beside those of the current step, and no step waits for a draw that is
    done. On a CPU `get` draws at once: a second thread would take from the step what it saves in drawing.

    Args:
        draw: Returns the batch of a step on the device. It depends on the step alone: the batches are those without
            prefetching, and steps may start anywhere.
    """

    def __init__(self, draw: Callable[[int], Batch], device: torch.device) -> None:
        self.draw, self.device = draw, device
        self._stream = torch.cuda.Stream(device=device) if device.type == "cuda" else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._pending: tuple[int, Future[tuple[Batch, torch.cuda.Event]]] | None = None

    def get(self, step: int) -> Batch:
        """Return `draw(step)`, or raise what it raised, and begin `draw(step + 1)`."""
        if self._stream is None:
            return self.draw(step)
        if self._pending is None or self._pending[0] != step:
            self._begin(step)
        batch, drawn = self._pending[1].result()
        self._begin(step + 1)
        return self._handed_over(batch, drawn)

    def settle(self) -> None:
        """Wait until the draw that is under way is done: none begins before the next `get`."""
        if self._pending:
            wait([self._pending[1]])

    def close(self) -> None:
        """End the thread, after the draw it is in."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _begin(self, step: int) -> None:
        self._pending = step, self._thread.submit(self._draw_on_stream, step)

    def _draw_on_stream(self, step: int) -> tuple[Batch, torch.cuda.Event]:
        """Return a batch, and the event after which the GPU has it; the thread's current device is its own."""
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            return self.draw(step), self._stream.record_event()

    def _handed_over(self, batch: Batch, drawn: torch.cuda.Event) -> Batch:
        """Return a batch for the current stream: that waits for it, and its memory is not used again before."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(drawn)
        for tensor in batch:
            tensor.record_stream(current)
        return batch


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor on the device; a GPU copies it from pinned memory while the CPU goes on."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
