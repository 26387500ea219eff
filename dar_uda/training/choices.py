"""Which form of an operation a GPU computes, where only a measurement on a card can decide: all such choices.

A CPU has forms of its own, which nothing here changes. Until a card has decided, every choice is torch's plain form.
`python -m benchmarks.gpu` compares the forms of each field in the row that the field names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class CudaChoices:
    """The forms that a GPU computes. All forms of a field give the same values and gradients to rounding."""

    graphed_network: bool = False
    """A segmenter's training replays forward and backward of its network as CUDA graphs, by
    `torch.compile(mode="reduce-overhead")`, which needs a C compiler; decided by row `choice graphed_network`, not
    measured."""


_made = CudaChoices()


def made() -> CudaChoices:
    """Return the choices that hold now."""
    return _made


@contextmanager
def choosing(**fields: bool | str) -> Iterator[CudaChoices]:
    """Within the block these fields of `CudaChoices` differ, in all threads: for benchmarks and tests."""
    global _made
    before = _made
    _made = replace(before, **fields)
    try:
        yield _made
    finally:
        _made = before
