"""The optimizer's step on DAR-UNet's 318 tensors."""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout

import torch
from adabelief_pytorch import AdaBelief

from benchmarks.measure import Row, interleaved, timed_row
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.training.optimizer import adabelief


def rows() -> Iterator[Row]:
    """Yield the row of the optimizer."""
    theirs, ours = DARUNet(5), DARUNet(5)
    ours.load_state_dict(theirs.state_dict())
    settings = {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-16, "weight_decay": 1e-4}
    with redirect_stdout(io.StringIO()):
        literal = AdaBelief(theirs.parameters(), **settings, weight_decouple=True, rectify=True, print_change_log=False)
    foreach = adabelief(ours.parameters(), 1e-4, (0.9, 0.999), 1e-4)
    torch.manual_seed(0)
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        one.grad = 0.01 * torch.randn_like(one)
        other.grad = one.grad.clone()
    seconds = interleaved({"literal": literal.step, "ours": foreach.step}, repeats=15)
    pairs = zip(theirs.parameters(), ours.parameters(), strict=True)
    difference = max(float((one - other).detach().abs().max()) for one, other in pairs)
    yield timed_row("optimizer step, 318 tensors", seconds, "ours", 1.0, note=f"largest difference {difference:.1e}")
