"""The figures that need a card: what each is, its unit, its goal. For the script, the tables and `make benchmark`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Row

NEEDS_A_CARD = "needs a GPU: python -m benchmarks.gpu"


@dataclass(frozen=True)
class Figure:
    """A figure of a GPU.

    Args:
        goal: As that of `Row`.
        gbytes: Bytes that a step moves at least, in 10^9, its operations fused and in bfloat16; counted from the
            shapes of its tensors, like those of `benchmarks/README.md`. None: not counted.
    """

    what: str
    unit: str
    goal: float | None = None
    gbytes: float | None = None


FIGURES = {
    "segmenter_step": Figure("DAR-UNet step, 2 x 32 x 256 x 256", "s", 0.25, 49),
    "segmenter_allocated": Figure("DAR-UNet step, 2 x 32 x 256 x 256, peak allocated", "MiB", 0.45),
    "segmenter_reserved": Figure("DAR-UNet step, 2 x 32 x 256 x 256, peak reserved", "MiB"),
    "small_step": Figure("DAR-UNet step, 2 x 16 x 192 x 192", "s"),
    "attention": Figure("QAM, forward + backward, 2 x 16 x 32 x 256 x 256", "s"),
    "optimizer": Figure("optimizer step, 318 tensors", "s"),
    "gan_step": Figure("GAN step, 4 x 512 x 512", "s", 0.35),
    "gan_allocated": Figure("GAN step, 4 x 512 x 512, peak allocated", "MiB"),
    "gan_reserved": Figure("GAN step, 4 x 512 x 512, peak reserved", "MiB"),
    "small_gan_step": Figure("GAN step, 4 x 256 x 256", "s"),
    "synthesis": Figure("synthesis, 16 slices of 512 x 512 in 6 styles", "s"),
    "waits": Figure("the GPU waits for data, of a DAR-UNet step", "fraction", 0.03),
    "prediction": Figure("prediction of 512 x 512 x 90, the paper's network, five TTA transforms", "s", 0.2),
    "plain_conv_unet": Figure("DAR-UNet step beside nnU-Net's PlainConvUNet, 2 x 32 x 256 x 256", "s"),
    "residual_encoder_unet": Figure("DAR-UNet step beside nnU-Net's ResidualEncoderUNet, 2 x 32 x 256 x 256", "s"),
    "monai_unet": Figure("DAR-UNet step beside MONAI's UNet, 2 x 32 x 256 x 256", "s"),
    "segresnet": Figure("DAR-UNet step beside MONAI's SegResNet, 2 x 32 x 256 x 256", "s"),
    "schedule": Figure("the paper's schedule: 7,200 segmenter steps, 50 translator epochs", "h", 0.3),
}


def row_of(name: str, found: Mapping[str, Any] | None) -> Row:
    """Return the row of a figure, with what was found of it: `literal`, `ours` and `note`."""
    figure = FIGURES[name]
    if found is None:
        return Row(figure.what, figure.unit, None, None, figure.goal, NEEDS_A_CARD)
    return Row(figure.what, figure.unit, found["literal"], found["ours"], figure.goal, found.get("note", ""))


def gpu_rows(*names: str) -> Iterator[Row]:
    """Yield rows of `make benchmark`, measured where torch finds a card."""
    import torch

    found = {}
    if torch.cuda.is_available():
        from benchmarks.gpu.figures import MEASUREMENTS, Bench

        bench = Bench(torch.device("cuda:0"), tiny=False)
        for name in names:
            found |= MEASUREMENTS[name](bench)
    for name in names:
        yield row_of(name, found.get(name))
