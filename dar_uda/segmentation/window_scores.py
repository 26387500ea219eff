"""The scores of windows by a network; on a GPU its forward is replayed as a CUDA graph."""

from collections.abc import Iterator
from functools import partial
from threading import Lock

import torch
from torch import Tensor, nn

from dar_uda.training import cuda_options
from dar_uda.training.cuda_graphs import Captured, CudaGraphs, Named


class WindowScores(nn.Module):
    """A network that predicts windows: in `dtype` on a GPU, in float32 on a CPU.

    On a GPU batches of the full size are replayed where `cuda_options` says so, see `Captured`; a smaller one, the last
    of a slab, is launched kernel by kernel. Threads take turns: a replay works in memory that the next one writes to.

    Args:
        network: Ready to predict. Call `on` before the first windows.

    Shape:
        (N, 1, D, H, W) to scores (N, classes, D, H, W).
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype
        self._turn, self._place, self._captured = Lock(), (), None
        self._batch = 0

    def on(self, device: torch.device, batch_size: int) -> "WindowScores":
        """Return this, its network on a device, for batches of so many windows.

        What was captured is kept for the same device, batch size and place of the weights, and freed for others.
        """
        self.network.to(device)
        place = device, batch_size, [weight.data_ptr() for weight in self.network.state_dict().values()]
        if place != self._place:
            self._free()
            self._place, self._batch = place, batch_size
            if device.type == "cuda" and cuda_options.made().captured_windows:
                pieces = partial(_pieces, self.network, self.dtype)
                self._captured = Captured(pieces, CudaGraphs(device, settle=_nothing_to_settle))
        return self

    def forward(self, windows: Tensor) -> Tensor:
        """Return the scores; replayed ones are in memory of their own."""
        if self._captured is None or len(windows) != self._batch:
            return _scores(self.network, self.dtype, windows)
        with self._turn, torch.inference_mode(False), torch.no_grad():  # memory of a graph may be written to later
            (found,) = self._captured(windows)
        return found["scores"]

    def _free(self) -> None:
        if self._captured is not None:
            self._captured = None
            torch.cuda.empty_cache()


def _pieces(network: nn.Module, dtype: torch.dtype, windows: Tensor) -> Iterator[Named]:
    yield {"scores": _scores(network, dtype, windows)}


def _scores(network: nn.Module, dtype: torch.dtype, windows: Tensor) -> Tensor:
    """Autocast keeps no weights: those that a capture casts have no values before its replay."""
    kind = windows.device.type
    enabled = kind == "cuda" and dtype == torch.bfloat16
    with torch.autocast(kind, torch.bfloat16, enabled=enabled, cache_enabled=False):
        return network(windows)


def _nothing_to_settle() -> None:
    """Prediction uses the GPU from one thread at a time."""
