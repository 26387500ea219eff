"""Stage `checks`: what the device computes against float64 on the CPU, values and gradients, with TF32 off."""

import copy
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu.stage import TASK_SECONDS, Tasks
from benchmarks.gpu.workloads import Bench, FixedPatches, segmenter_trainer, trying_algorithms
from dar_uda.data.grid import Grid
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.restore_on_gpu import classes_on
from dar_uda.segmentation.attention import QuartetAttention, VoxelAttention
from dar_uda.segmentation.augmentation import augment
from dar_uda.segmentation.convolution import Conv3d
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.normalization import GroupNorm
from dar_uda.segmentation.sliding_window import predict_slabs
from dar_uda.segmentation.unet_2d import UNet2D
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training import cuda_options
from dar_uda.training.cuda_graphs import EAGER_CALLS
from dar_uda.training.device import autocast
from dar_uda.training.optimizer import adabelief
from dar_uda.translation.networks import ContentDiscriminator, ImageDiscriminator
from dar_uda.translation.redraw import redraw
from dar_uda.translation.synthesis import in_styles
from dar_uda.translation.translator import Translator

CPU = torch.device("cpu")
LIMITS = {torch.float32: (1e-4, 1e-4), torch.bfloat16: (2e-2, 5e-2)}
"""Of values and of gradients: the norm of the difference over the norm."""
LIMITS_OF_NETWORKS = {torch.float32: (1e-4, 2e-3), torch.bfloat16: (5e-2, 4e-1)}
"""Rounding alone turns some LeakyReLUs and places of maxima, and all that is behind them in the backward.

The forms for GPUs, on a CPU at these sizes and seeds 0 to 3, reach 9e-7 and 6e-4 in float32, 3e-2 and 2e-1 in bfloat16.
"""
ROUNDING = 1e-6
"""Of what is computed twice, launched and replayed."""
CONVOLUTIONS = (  # inputs, outputs, stride, (D, H, W): those of DAR-UNet on a patch of 16 x 64 x 64
    *((1, 16, (1, 1, 1), (16, 64, 64)), (16, 16, (1, 1, 1), (16, 64, 64)), (48, 16, (1, 1, 1), (16, 64, 64))),
    *((16, 32, (1, 2, 2), (16, 64, 64)), (32, 32, (1, 1, 1), (16, 32, 32)), (32, 64, (1, 2, 2), (16, 32, 32))),
    *((64, 64, (1, 1, 1), (16, 16, 16)), (64, 128, (2, 2, 2), (16, 16, 16)), (128, 256, (2, 2, 2), (8, 8, 8))),
    (256, 256, (1, 1, 1), (4, 4, 4)),
)
SINGLE = ("QAM", "VAM", "group norm")
"""Modules that are not whole networks."""
HALF, CLASSES, SECONDS_TO_WAIT = 3, 5, 1.0
LEASE = """
import sys, torch
from dar_uda.training.device import lease_devices
torch.zeros(1, device=sys.argv[1])  # starts CUDA before the clock
print("asks", flush=True)
print(lease_devices(sys.argv[1]), flush=True)
sys.stdin.read()
"""


def run(tasks: Tasks) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    size = (4, 16, 16) if tasks.tiny else (8, 32, 32)  # float64 is slow on a CPU
    for name, (module, inputs) in modules(size, tasks.tiny).items():
        limits = LIMITS if name in SINGLE else LIMITS_OF_NETWORKS
        seconds = 40 if name == "DAR-UNet" else TASK_SECONDS  # its convolutions and Triton's kernels are many
        tasks.do(name, lambda m=module, i=inputs, given=limits: module_errors(m, i, tasks.device, given), seconds)
    tasks.do("loss", lambda: loss_errors(size, tasks.device))
    tasks.do("optimizer", lambda: optimizer_error(tasks.device))
    tasks.do("augmentation", lambda: augmentation_error(size, tasks.device))
    tasks.do("predict_slabs", lambda: prediction_error(size, tasks.device))
    tasks.do("restoration", lambda: restoration_error(size, tasks.device))
    tasks.do("redraw", lambda: synthesis_error(tasks.tiny, tasks.device))
    for index, (inputs, outputs, stride, shape) in enumerate(CONVOLUTIONS[:: 4 if tasks.tiny else 1]):
        shape = tuple(max(2, side // 8) for side in shape) if tasks.tiny else shape
        module, x = Conv3d(inputs, outputs, 3, stride), torch.randn(2, inputs, *shape)
        for memory_format in (torch.contiguous_format, torch.channels_last_3d):
            task = f"convolution {index}, {inputs} to {outputs}, {str(memory_format)[6:]}"
            tasks.do(
                task, lambda m=module, x=x, f=memory_format: module_errors(m, [x.to(memory_format=f)], tasks.device)
            )
    tasks.do("resumed training", lambda: resumed_difference(Bench(tasks.device, tasks.tiny)))
    tasks.do("lease", lambda: lease(tasks.device))


def modules(size: tuple[int, int, int], tiny: bool) -> dict[str, tuple[nn.Module, list[Tensor]]]:
    """Return modules with the inputs that they are checked on."""
    depth, height, width = size
    deep = torch.randn(2, 32, depth, height // 2, width // 2)
    shallow, volume = torch.randn(2, 16, *size), torch.randn(2, 1, *size)
    channels, narrow, pixels = ((8, 8, 8, 8, 8), 4, 64) if tiny else ((16, 32, 64, 128, 256), 16, 128)
    image, code = torch.rand(2, 1, pixels, pixels) * 2 - 1, torch.randn(2, 8)
    translator = Translator(narrow)
    content = torch.randn(2, 4 * narrow, pixels // 4, pixels // 4)
    return {
        "QAM": (QuartetAttention(), [shallow]),
        "group norm": (GroupNorm(16), [shallow]),
        "DAR-UNet": (DARUNet(CLASSES, channels), [volume]),
        "decoder": (translator.decoder, [content, code]),
        "image discriminator": (ImageDiscriminator(narrow, pixels), [image]),
        "content discriminator": (ContentDiscriminator(narrow, pixels), [content]),
        "content encoder": (translator.content, [image]),
        "style encoder": (translator.style["a"], [image]),
        "VAM": (VoxelAttention(16, 32, (1, 2, 2)), [shallow, deep]),
        "2D U-Net": (UNet2D(CLASSES, channels, multilevel=True), [volume]),
    }


def module_errors(
    module: nn.Module,
    inputs: Sequence[Tensor],
    device: torch.device,
    allowed: Mapping[torch.dtype, tuple[float, float]] = LIMITS,
) -> dict[str, Any]:
    """Return the errors of a module's values, and of the gradients of its inputs and weights together."""
    exact = passed(module, inputs, CPU, torch.float64)
    errors = {}
    for dtype, limits in allowed.items():
        found = passed(module, inputs, device, dtype)
        errors |= within(str(dtype)[6:], [error(f, e) for f, e in zip(found, exact, strict=True)], limits)
    return checked(errors)


def passed(module: nn.Module, inputs: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return a copy's values and gradients, as two vectors; bfloat16 is autocast, and features come in it."""
    full = torch.float64 if dtype == torch.float64 else torch.float32
    module = copy.deepcopy(module).to(device, full).train()
    inputs = [x.to(device, dtype if x.shape[1] > 1 else full, copy=True).requires_grad_() for x in inputs]
    with autocast(device, dtype):
        outputs = module(*inputs)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    weights = [torch.linspace(-1, 1, y.numel(), device=device, dtype=full).sin().view_as(y) for y in outputs]
    sum((y.to(full) * w).sum() for y, w in zip(outputs, weights, strict=True)).backward()
    gradients = [t.grad for t in [*inputs, *module.parameters()] if t.grad is not None]
    return [vector(outputs), vector(gradients)]


def vector(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.detach().double().cpu().flatten() for t in tensors])


def error(found: Tensor, exact: Tensor) -> float:
    """Return the norm of the difference over the norm; infinite where something is not finite."""
    difference = float((found.double().cpu() - exact).norm() / exact.norm())
    return difference if np.isfinite(difference) else float("inf")


def within(name: str, errors: Sequence[float], limits: Sequence[float]) -> dict[str, dict[str, float]]:
    kinds = ("values", "gradients")
    found = zip(kinds, errors, limits, strict=False)
    return {f"{name} {kind}": {"error": value, "limit": limit} for kind, value, limit in found}


def checked(errors: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the fields of a row: failed where an error exceeds its limit."""
    good = all(found["error"] <= found["limit"] for found in errors.values())
    return {"state": "ok" if good else "failed", "errors": errors}


def loss_errors(size: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Return the errors of the loss and its gradient, from scores in float32 and in bfloat16."""
    scores, labels = torch.randn(2, CLASSES, *size), torch.randint(0, CLASSES, (2, *size))

    def both(where: torch.device, dtype: torch.dtype) -> list[Tensor]:
        given = scores.to(where, dtype, copy=True).requires_grad_()
        loss = segmentation_loss(given, labels.to(where), 10.0)
        loss.backward()
        return [loss.detach()[None], given.grad.flatten()]

    exact = both(CPU, torch.float64)
    errors = {}
    for dtype, limits in LIMITS.items():
        found = both(device, dtype)
        errors |= within(str(dtype)[6:], [error(f, e) for f, e in zip(found, exact, strict=True)], limits)
    return checked(errors)


def optimizer_error(device: torch.device) -> dict[str, Any]:
    """Return the error of what ten steps change."""
    start, gradients = torch.randn(1000), torch.randn(10, 1000)

    def changed(where: torch.device, dtype: torch.dtype) -> Tensor:
        parameter = nn.Parameter(start.to(where, dtype, copy=True))
        optimizer = adabelief([parameter], 1e-2, (0.9, 0.999), 1e-4)
        for gradient in gradients:
            parameter.grad = gradient.to(where, dtype)
            optimizer.step()
        return parameter.detach().double().cpu() - start.double()

    return checked(within("float32", [error(changed(device, torch.float32), changed(CPU, torch.float64))], [1e-3]))


def augmentation_error(size: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Return the error of augmented patches, and the fraction of labels that differ, against float32 on the CPU."""
    image, label = torch.rand(size), torch.randint(0, CLASSES, size, dtype=torch.uint8)
    found, exact = (
        [augment(image.to(where), label.to(where), np.random.default_rng(seed)) for seed in range(8)]
        for where in (device, CPU)
    )
    images = error(vector([image for image, _ in found]), vector([image for image, _ in exact]))
    labels = float((vector([label for _, label in found]) != vector([label for _, label in exact])).double().mean())
    return checked({**within("float32", [images], [1e-3]), "labels": {"error": labels, "limit": 1e-3}})


def prediction_error(size: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Return the error of a volume's probabilities against float32 on the CPU, and of replayed against launched."""
    network = DARUNet(CLASSES, (8, 8, 8, 8, 8)).eval()
    image = np.random.default_rng(0).integers(0, 65536, (size[0] + 2, *size[1:])).astype(np.uint16)

    def predicted(where: torch.device, dtype: torch.dtype, times: int = 1) -> list[Tensor]:
        scores = WindowScores(copy.deepcopy(network).to(where), dtype).on(where, 2)
        windows = scores, image, size, 0.5, "gaussian", 2, where
        return [vector(list(predict_slabs(*windows))) for _ in range(times)]

    with cuda_options.choosing(captured_windows=True):
        launched, *_, replayed = predicted(device, torch.bfloat16, EAGER_CALLS + 2)
    (exact,), errors = predicted(CPU, torch.float32), within("replayed", [error(replayed, launched)], [ROUNDING])
    for dtype, limits in LIMITS.items():
        errors |= within(str(dtype)[6:], [error(predicted(device, dtype)[0], exact)], limits)
    return checked(errors)


def restoration_error(size: tuple[int, ...], device: torch.device) -> dict[str, Any]:
    """Return the fraction of a scan's voxels that get another class than by the same code on the CPU."""
    probabilities = torch.randn(size[0], CLASSES, *size[1:]).softmax(dim=1).transpose(0, 1)  # laid out as slabs are
    step = np.array([[0.6, 0.1, 0, -2], [-0.1, 0.7, 0, 1], [0, 0.05, 0.5, -1], [0, 0, 0, 1]])
    part = Grid(tuple(2 * side for side in size[::-1]), step)
    found, exact = (classes_on(part, probabilities.to(where), np.eye(4), None) for where in (device, CPU))
    return checked({"classes": {"error": float((found != exact).mean()), "limit": 1e-3}})


def synthesis_error(tiny: bool, device: torch.device) -> dict[str, Any]:
    """Return the error of slices drawn in two styles against those on the CPU."""
    translator = Translator(4 if tiny else 16).eval()
    slices = np.random.default_rng(0).integers(0, 65536, (3, 64, 64)).astype(np.uint16)
    codes = torch.randn(2, 8)

    def drawn(where: torch.device) -> np.ndarray:
        draw = in_styles(copy.deepcopy(translator).to(where), codes.to(where))
        return redraw(draw, slices, len(codes), where, Progress("redraw", len(slices)))

    found, exact = drawn(device), drawn(CPU)
    return checked(within("float32", [error(torch.from_numpy(found), torch.from_numpy(exact).double())], [1e-4]))


def resumed_difference(bench: Bench) -> dict[str, Any]:
    """Return how far the weights of a training that was resumed lie from those of one that was not.

    Of a small patch, and cuDNN does not try its algorithms: such trials take most of a short training.
    """
    patches, half = FixedPatches(2, bench.size(4, 32, 32), bench.device), 1 if bench.tiny else HALF
    with trying_algorithms(False):
        whole, first, second = (segmenter_trainer(bench, patches, 2 * half) for _ in range(3))
        for step in range(2 * half):
            whole.update(step)
        for step in range(half):
            first.update(step)
        second.restore(copy.deepcopy(first.state()))
        for step in range(half, 2 * half):
            second.update(step)
    weights = [vector(list(training.network.parameters())) for training in (second, whole)]
    return {"difference": error(*weights)}


def lease(device: torch.device) -> dict[str, Any]:
    """Return what two processes get that ask for a device each: with one card, the second waits for the first."""
    start = time.monotonic()
    command = [sys.executable, "-c", LEASE, device.type]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]  # both start CUDA, which takes seconds
    try:
        for process in processes:
            process.stdout.readline()  # it asks
        answers = [process.stdout for process in processes]
        first = next(process for process in processes if process.stdout in select.select(answers, [], [])[0])
        (second,) = (process for process in processes if process is not first)
        got = [first.stdout.readline().decode().strip()]
        waited = not select.select([second.stdout], [], [], SECONDS_TO_WAIT)[0]
        first.stdin.close()
        got.append(second.stdout.readline().decode().strip())
    finally:
        for process in processes:
            process.kill()
            process.wait()
    alone = device.type == "cuda" and torch.cuda.device_count() == 1
    good = all(got) and (waited or not alone)
    took = round(time.monotonic() - start, 1)
    return {"state": "ok" if good else "failed", "devices": got, "second_waited": waited, "took": took}
