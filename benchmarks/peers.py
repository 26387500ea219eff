"""DAR-UNet's training step beside those of nnU-Net's and MONAI's usual networks, on the same patch.

nnU-Net's need what `make nnunet` installs, or the wheels of the kit for a GPU.
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks.gpu.rows import gpu_rows
from benchmarks.measure import Row, cpu_has_bfloat16, interleaved, peak_mib
from benchmarks.segmenter import CHANNELS, CLASSES, CPU, LARGE_PATCH, PATCH, Step

SPACING = (4.0, 1.0, 1.0)
"""Of the paper's grid in mm, slices first."""
NNUNETS_PACKAGES = Path(__file__).parents[1] / ".venv-nnunet" / "lib"


def rows() -> Iterator[Row]:
    """Yield rows whose `literal` form is another tool's step: seconds, and peak memory of a process of its own."""
    borrow_packages()
    dtypes = (torch.float32, torch.bfloat16) if cpu_has_bfloat16() else (torch.float32,)
    for dtype in dtypes:
        yield from step_rows(dtype)
    ours = peak_mib("benchmarks.peak_step", "autocast")
    for name, peer in PEERS.items():
        theirs = peak_mib("benchmarks.peak_step", name) if peer.is_there() else None
        what = f"DAR-UNet step beside {name}, peak memory, batch 1, {_text(LARGE_PATCH)}, autocast"
        yield Row(what, "MiB", theirs, ours if theirs else None, None, "" if theirs else ABSENT)
    yield from gpu_rows(*(peer.figure for peer in PEERS.values()))


def step_rows(dtype: torch.dtype) -> Iterator[Row]:
    """Yield a row for every network, all timed in turn."""
    shape = (1, 1, *PATCH)
    steps: dict[str, Callable[[], None]] = {"ours": Step(shape, dtype=dtype)}
    steps |= {name: PeerStep(name, shape, dtype) for name, peer in PEERS.items() if peer.is_there()}
    seconds = interleaved(steps)
    ours = statistics.median(seconds["ours"])
    for name in PEERS:
        what = f"DAR-UNet step beside {name}, batch 1, {_text(PATCH)}, {str(dtype)[6:]}"
        if name not in seconds:
            yield Row(what, "s", None, None, None, ABSENT)
            continue
        took, millions = seconds[name], steps[name].parameters / 1e6
        note = f"{min(took):.3g}-{max(took):.3g}, n {len(took)}; {millions:.1f} million parameters"
        yield Row(what, "s", statistics.median(took), ours, None, note)


class PeerStep:
    """One training step of another tool's network on fixed random patches; calling it does one."""

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> None:
        from monai.losses import DiceCELoss

        torch.manual_seed(0)
        labels = torch.randint(0, CLASSES, (shape[0], 1, *shape[2:]))
        self.images, self.labels = torch.randn(shape).to(device), labels.to(device)
        self.dtype, self.device = dtype, device
        self.network = PEERS[name].make(shape[2:]).to(device).train()
        self.parameters = sum(parameter.numel() for parameter in self.network.parameters())
        self.optimizer = PEERS[name].optimizer(self.network)
        self.loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
        if PEERS[name].compiled and device.type == "cuda":
            self.network.compile()

    def __call__(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self._loss().backward()
        self.optimizer.step()

    def _loss(self) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            outputs = self.network(self.images)
        outputs = outputs if isinstance(outputs, Sequence) else [outputs]
        losses = [self.loss(scores.float(), self._labels_like(scores)) for scores in outputs]
        return sum(weight * loss for weight, loss in zip(deep_supervision_weights(len(losses)), losses, strict=True))

    def _labels_like(self, scores: Tensor) -> Tensor:
        return interpolate(self.labels.float(), scores.shape[2:], mode="nearest-exact")


@dataclass(frozen=True)
class Peer:
    """A network as its tool trains it.

    Args:
        figure: Name of its row on a GPU.
        make: Returns the network for a patch.
        optimizer: Returns the optimizer of a network.
        packages: What has to be installed.
        compiled: Whether its tool compiles it on a GPU.
    """

    figure: str
    make: Callable[[Sequence[int]], nn.Module]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    packages: tuple[str, ...]
    compiled: bool = False

    def is_there(self) -> bool:
        """Return whether its packages can be imported."""
        with suppress(ModuleNotFoundError):
            return all(find_spec(package) for package in self.packages)
        return False


def deep_supervision_weights(outputs: int) -> list[float]:
    """Return the weight of each output's loss: halved from one to the next, the last 0, their sum 1.

    Source: nnU-Net 2.8.1, `nnUNetTrainer._build_loss`.
    """
    if outputs == 1:
        return [1.0]
    weights = [0.5**index for index in range(outputs - 1)] + [0.0]
    return [weight / sum(weights) for weight in weights]


def nnunet(kind: str, blocks: str, encoder: Sequence[int], decoder: int) -> Callable[[Sequence[int]], nn.Module]:
    """Return what makes the network that nnU-Net plans for a patch at `SPACING`.

    Source: nnU-Net 2.8.1, `get_plans_for_configuration` of `ExperimentPlanner` and of `nnUNetPlannerResEncM`.

    Args:
        kind: PlainConvUNet or ResidualEncoderUNet.
        blocks: Name of the argument that takes `encoder`.
        encoder: Convolutions or blocks of every stage, of as many stages as a network may have.
        decoder: Convolutions of every stage.
    """

    def make(patch: Sequence[int]) -> nn.Module:
        from dynamic_network_architectures.architectures import unet
        from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

        _, strides, kernels, _, _ = get_pool_and_conv_props(SPACING, patch, 4, 999999)
        stages = len(strides)
        network: nn.Module = getattr(unet, kind)(
            input_channels=1,
            n_stages=stages,
            features_per_stage=[min(320, 32 * 2**stage) for stage in range(stages)],
            conv_op=nn.Conv3d,
            kernel_sizes=kernels,
            strides=strides,
            num_classes=CLASSES,
            n_conv_per_stage_decoder=[decoder] * (stages - 1),
            conv_bias=True,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=True,
            **{blocks: encoder[:stages]},
        )
        return network

    return make


def monai(name: str, **arguments: Any) -> Callable[[Sequence[int]], nn.Module]:
    """Return what makes a network of MONAI."""

    def make(_: Sequence[int]) -> nn.Module:
        from monai.networks import nets

        network: nn.Module = getattr(nets, name)(spatial_dims=3, in_channels=1, out_channels=CLASSES, **arguments)
        return network

    return make


def sgd(network: nn.Module) -> torch.optim.Optimizer:
    """Return nnU-Net's optimizer."""
    return torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True, weight_decay=3e-5)


def adam(network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of MONAI's tutorials."""
    return torch.optim.Adam(network.parameters(), 1e-4)


def borrow_packages() -> None:
    """Let this process import what only nnU-Net's environment has; what both have is that of this one."""
    sys.path += [str(folder) for folder in NNUNETS_PACKAGES.glob("python*/site-packages")]


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


ABSENT = "not installed: make nnunet"
OF_NNUNET = ("dynamic_network_architectures", "nnunetv2", "monai")
PEERS = {
    "nnU-Net's PlainConvUNet": Peer(
        "plain_conv_unet", nnunet("PlainConvUNet", "n_conv_per_stage", (2,) * 8, 2), sgd, OF_NNUNET, compiled=True
    ),
    "nnU-Net's ResidualEncoderUNet": Peer(
        "residual_encoder_unet",
        nnunet("ResidualEncoderUNet", "n_blocks_per_stage", (1, 3, 4, 6, 6, 6, 6, 6), 1),
        sgd,
        OF_NNUNET,
        compiled=True,
    ),
    "MONAI's UNet": Peer(
        "monai_unet",
        monai("UNet", channels=CHANNELS, strides=(2, 2, 2, 2), num_res_units=2, norm="batch"),
        adam,
        ("monai",),
    ),
    "MONAI's SegResNet": Peer(
        "segresnet",
        monai("SegResNet", init_filters=16, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1), dropout_prob=0.2),
        adam,
        ("monai",),
    ),
}
"""nnU-Net's as it plans them by default, and as it recommends (ResEncM); MONAI's as in its tutorials of the spleen and
of brain tumors. All with Dice and cross entropy from MONAI: nnU-Net's own form needs the rest of nnU-Net."""
