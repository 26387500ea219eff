"""Forward and backward of a training step, or the forward of windows, as CUDA graphs: one launch for thousands.

As PyTorch's notes on CUDA graphs describe the capture of a whole network. Optimizers and averages stay outside.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from dar_uda.training import cuda_options, distributed

logger = logging.getLogger(__name__)
Named = dict[str, Tensor]
Gradients = Callable[..., Iterator[Named]]
"""Given a batch, makes the gradients of one optimizer after another, and after each yields what it found on the way.

It sets gradients to None before it makes them, see `differentiate`. What it yields is small and has no gradient. Apart
from gradients and buffers of the networks it changes nothing, and it asks the device for nothing.
"""
Recorded = list[tuple[Callable[[], None], Named]]
"""For every piece of a step the call that computes it, and the tensors into which it does."""
EAGER_CALLS = 3
"""Before a capture, as torch's notes ask: libraries start, and cuDNN tries its algorithms."""
T = TypeVar("T")


def as_launched(function: Gradients, device: torch.device, settle: Callable[[], None]) -> Gradients:
    """Return the function as a training calls it: on a GPU as CUDA graphs where `choices` says so.

    Args:
        settle: Waits until no other thread uses the GPU. None begins to before the function's next call.
    """
    if device.type == "cuda" and cuda_options.made().captured_steps and distributed.count() == 1:
        return Captured(function, CudaGraphs(device, settle))
    return function


class Graphs(Protocol):
    """What `Captured` needs of CUDA."""

    def aside(self, work: Callable[[], T]) -> T:
        """Return what work returns, done where captures are made."""

    def capture(self, pieces: Iterator[Named], count: int) -> Recorded:
        """Record the next `count` pieces without computing them.

        Raises:
            RuntimeError: They cannot be recorded.
        """


class Captured:
    """A function of `Gradients` that after three calls is recorded, and from then on replayed.

    Its values are those of the function. A batch of other shapes begins with three calls of the function again. Where
    it cannot be recorded, the reason goes to the log and the function is called.
    """

    def __init__(self, function: Gradients, graphs: Graphs) -> None:
        self._function, self._graphs = function, graphs
        self._signature: list[tuple[torch.Size, torch.dtype]] = []
        self._calls = self._pieces = 0
        self._inputs: list[Tensor] = []
        self._recorded: Recorded = []

    def __call__(self, *inputs: Tensor) -> Iterator[Named]:
        if self._graphs is None:
            return self._function(*inputs)
        signature = [(x.shape, x.dtype) for x in inputs]
        if signature != self._signature:
            self._signature, self._calls, self._inputs, self._recorded = signature, 0, [], []
        self._calls += 1
        if self._calls <= EAGER_CALLS:
            return self._called_aside(inputs)
        if not self._recorded:
            self._record(inputs)
        return self._replayed(inputs) if self._recorded else self._function(*inputs)

    def _called_aside(self, inputs: tuple[Tensor, ...]) -> Iterator[Named]:
        pieces, self._pieces = self._function(*inputs), 0
        while (found := self._graphs.aside(lambda: next(pieces, None))) is not None:
            self._pieces += 1
            yield found

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = [x.clone() for x in inputs]
        try:
            self._recorded = self._graphs.capture(self._function(*self._inputs), self._pieces)
        except RuntimeError as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            logger.warning("Kernels are launched one by one, their capture as CUDA graphs fails: %s", reason)
            self._graphs, self._inputs = None, []

    def _replayed(self, inputs: tuple[Tensor, ...]) -> Iterator[Named]:
        """Yield copies: the next replay writes into the same memory."""
        for recorded, given in zip(self._inputs, inputs, strict=True):
            recorded.copy_(given)
        for replay, found in self._recorded:
            replay()
            yield {name: value.clone() for name, value in found.items()}


class CudaGraphs:
    """Captures on a stream of their own; the pieces of a step share their memory.

    Args:
        settle: See `as_launched`.
    """

    def __init__(self, device: torch.device, settle: Callable[[], None]) -> None:
        self.settle, self.stream = settle, torch.cuda.Stream(device=device)

    def aside(self, work: Callable[[], T]) -> T:
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result

    def capture(self, pieces: Iterator[Named], count: int) -> Recorded:
        self.settle()
        gc.collect()
        pool = torch.cuda.graph_pool_handle()
        try:
            return [self._captured(pieces, pool) for _ in range(count)]
        except RuntimeError:
            self._give_up(pool)
            raise

    def _captured(self, pieces: Iterator[Named], pool: tuple[int, int]) -> tuple[Callable[[], None], Named]:
        """Return the replay of the next piece and its output.

        The outer context leaves the stream also where the end of the capture fails, which the inner one does not.
        """
        graph = torch.cuda.CUDAGraph()
        with (
            torch.cuda.stream(self.stream),
            torch.cuda.graph(graph, pool=pool, stream=self.stream, capture_error_mode="thread_local"),
        ):
            found = next(pieces)
        return graph.replay, found

    def _give_up(self, pool: tuple[int, int]) -> None:
        """Have the allocator leave a capture that CUDA itself ended: torch's end of it fails before it gets there.

        The function that ends it has another name before torch 2.8.
        """
        library, index = torch._C, self.stream.device.index
        end = getattr(library, "_cuda_endAllocateToPool", None) or library._cuda_endAllocateCurrentStreamToPool
        with suppress(RuntimeError):  # where torch got there
            end(index, pool)
            library._cuda_releasePool(index, pool)
