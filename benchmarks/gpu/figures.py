"""Stage `figures`: the figures of `rows.FIGURES`, literal form against ours."""

import copy
import io
import statistics
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from adabelief_pytorch import AdaBelief
from torch import Tensor

from benchmarks.gpu.stage import TASK_SECONDS, Tasks
from benchmarks.gpu.workloads import (
    Bench,
    FixedPatches,
    Form,
    flop_of,
    gan_step,
    literal_gan_step,
    literal_segmenter_step,
    method,
    peaks,
    referred,
    segmenter_step,
    segmenter_trainer,
    spread,
    updates,
)
from benchmarks.literal.attention import LiteralQuartetAttention
from benchmarks.literal.synthesis import literal_redraw
from benchmarks.literal.translator import with_torchs_layers
from benchmarks.measure import interleaved, seconds_of
from benchmarks.peers import PEERS, PeerStep
from benchmarks.segmenter import CLASSES, CPU
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.jobs.progress import Progress
from dar_uda.segmentation.attention import QuartetAttention
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.predict import counted
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.sliding_window import count_windows, predict_slabs
from dar_uda.segmentation.tta import TTA_TRANSFORMS, TtaInconsistency
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training.optimizer import adabelief
from dar_uda.translation.redraw import redraw
from dar_uda.translation.synthesis import in_styles
from dar_uda.translation.translator import Translator

Found = dict[str, dict[str, Any]]
STEPS_IN_A_ROW = 10
LITERAL_DEPTH = 32
"""Slices of the scan that the literal form predicts: the whole one takes minutes."""


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    for name, measurement in MEASUREMENTS.items():
        seconds = SECONDS.get(name, TASK_SECONDS)
        tasks.do(name, lambda measure=measurement: {"figures": measure(bench)}, seconds)


def timed(name: str, forms: dict[str, Form], bench: Bench, **more: Any) -> Found:
    """Return the medians of the forms `literal` and `ours` as a figure, with their spreads."""
    for _ in range(bench.unrecorded):
        forms["ours"]()
    seconds = interleaved(forms, bench.literal_repeats, bench.device, min(1, bench.unrecorded))
    others = interleaved({"ours": forms["ours"]}, bench.repeats - bench.literal_repeats, bench.device, unrecorded=0)
    seconds["ours"] += others["ours"]
    return {name: {form: statistics.median(took) for form, took in seconds.items()} | {"note": spread(seconds)} | more}


def steps(name: str, literal: Callable[..., Form], ours: Callable[..., Form], size: tuple[int, ...]) -> Any:
    """Return the measurement of a training step: seconds, and its products: as few as one of the forms needs."""

    def measure(bench: Bench) -> Found:
        forms = {"literal": literal(bench, *size), "ours": ours(bench, *size)}
        flop = min(map(flop_of, forms.values()))  # of the first calls: later ones may replay them
        return timed(name, forms, bench, flop=flop)

    return measure


def memory(name: str, literal: Callable[..., Form], ours: Callable[..., Form], size: tuple[int, ...]) -> Any:
    """Return the measurement of a step's peak memory, each form with the card to itself."""

    def measure(bench: Bench) -> Found:
        counts = {literal: 1, ours: bench.unrecorded}
        both = [peaks(partial(form, bench, *size), count, bench.device) for form, count in counts.items()]
        kinds = zip(("allocated", "reserved"), zip(*both, strict=True), strict=True)
        return {f"{name}_{kind}": {"literal": first, "ours": second} for kind, (first, second) in kinds}

    return measure


def attention(bench: Bench) -> Found:
    """Measure QAM's forward and backward pass on the largest feature of the paper's patch."""
    torch.manual_seed(0)
    shape = (2, 16, *bench.size(32, 256, 256))
    x, gradient = (torch.randn(shape, device=bench.device) for _ in range(2))

    def passing(module: torch.nn.Module, dtype: torch.dtype) -> Form:
        module, given, of_output = module.to(bench.device), x.to(dtype, copy=True).requires_grad_(), gradient.to(dtype)

        def passed() -> None:
            given.grad = None  # else its sum with that of the pass before is timed too
            module(given).backward(of_output)

        return passed

    literal, ours = passing(LiteralQuartetAttention(), torch.float32), passing(QuartetAttention(), torch.bfloat16)
    return timed("attention", {"literal": referred(literal), "ours": ours}, bench)


def optimizer(bench: Bench) -> Found:
    """Measure a step of adabelief-pytorch and of ours."""
    settings = {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-16, "weight_decay": 1e-4}
    theirs, mine = (DARUNet(CLASSES, bench.channels).to(bench.device) for _ in range(2))
    with redirect_stdout(io.StringIO()):
        literal = AdaBelief(theirs.parameters(), **settings, weight_decouple=True, rectify=True, print_change_log=False)
    ours = adabelief(mine.parameters(), 1e-4, (0.9, 0.999), 1e-4)
    for parameter in [*theirs.parameters(), *mine.parameters()]:
        parameter.grad = 0.01 * torch.randn_like(parameter)
    return timed("optimizer", {"literal": literal.step, "ours": ours.step}, bench)


def synthesis(bench: Bench) -> Found:
    """Measure the drawing of slices in several styles."""
    torch.manual_seed(0)
    translator = Translator(4 if bench.tiny else 32).to(bench.device).eval()
    literal = with_torchs_layers(copy.deepcopy(translator))
    depth, pixels = (2, 64) if bench.tiny else (16, 512)
    slices = np.random.default_rng(0).integers(0, 65536, (depth, pixels, pixels)).astype(np.uint16)
    codes = torch.randn(6, 8)
    draw = in_styles(translator, codes.to(bench.device))
    forms = {
        "literal": referred(lambda: literal_redraw(literal, slices, codes.to(bench.device))),
        "ours": lambda: redraw(draw, slices, len(codes), bench.device, Progress("synthesis", depth)),
    }
    return timed("synthesis", forms, bench)


def waits(bench: Bench) -> Found:
    """Measure which part of a training's time its steps do not need: steps in a row, with data and without."""
    patch = bench.size(32, 256, 256)
    with TemporaryDirectory() as folder:
        sampler = PatchSampler(*write_volume(Path(folder), patch), patch, 2, 0.5)
        samplers = {"loading": sampler, "fixed": FixedPatches(2, patch, bench.device)}
        forms = {name: updates(segmenter_trainer(bench, given)) for name, given in samplers.items()}

        def in_a_row(form: Form) -> None:
            for _ in range(1 if bench.tiny else STEPS_IN_A_ROW):
                form()

        rows = {name: partial(in_a_row, form) for name, form in forms.items()}
        for form in forms.values():
            for _ in range(bench.unrecorded):
                form()
        seconds = interleaved(rows, 1 if bench.tiny else 2, bench.device, unrecorded=0)
    with_data, without = (statistics.median(seconds[name]) for name in ("loading", "fixed"))
    return {"waits": {"literal": None, "ours": max(0.0, 1 - without / with_data), "note": spread(seconds)}}


def write_volume(folder: Path, patch: tuple[int, ...]) -> tuple[list[Path], list[Path]]:
    """Write one noisy volume, twice as large as a patch along each axis, and its labels."""
    rng, shape = np.random.default_rng(0), tuple(2 * side for side in patch)
    write_image(folder / "image.nii", rng.random(shape, dtype=np.float32), np.eye(4))
    write_label(folder / "label.nii", rng.integers(0, CLASSES, shape, dtype=np.uint8), np.eye(4))
    return [folder / "image.nii"], [folder / "label.nii"]


def prediction(bench: Bench) -> Found:
    """Measure the prediction of a scan under five TTA transforms: all but the network on the CPU, and ours.

    The literal form predicts some slices as they are; its seconds are scaled by the windows of all transforms.
    """
    torch.manual_seed(0)
    network, inference = DARUNet(CLASSES, bench.channels).to(bench.device).eval(), method()["inference"]
    window = bench.size(32, 256, 256)
    shape = window if bench.tiny else (90, 512, 512)
    image = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    options = {key: inference[key] for key in ("overlap", "weighting", "batch_size")} | {"window": window}

    scores = WindowScores(network, torch.bfloat16)
    predictor = Predictor(scores, bench.device, **options, guided_filter_radius=0, flips=True)

    def ours() -> None:
        for slab in counted(predictor.tta_probabilities(image), TtaInconsistency(CLASSES - 1), average=True):
            torch.as_tensor(slab).argmax(dim=0).cpu()

    def from_the_cpu(patches: Tensor) -> Tensor:
        return network(patches.to(bench.device)).cpu()

    def literal() -> None:
        for slab in predict_slabs(from_the_cpu, image[:LITERAL_DEPTH], device=CPU, **options):
            np.asarray(slab).argmax(axis=0)

    ours()
    with torch.no_grad():  # of the literal form, which takes far longer, the network's first pass alone
        from_the_cpu(torch.zeros(options["batch_size"], 1, *window))
    took = {"literal": seconds_of(literal, bench.device), "ours": seconds_of(ours, bench.device)}
    whole, part = (count_windows(image[:depth].shape, window, inference["overlap"]) for depth in (None, LITERAL_DEPTH))
    took["literal"] *= len(TTA_TRANSFORMS) * whole / part
    note = f"literal: {part} of {len(TTA_TRANSFORMS)} x {whole} windows, scaled; the mask stays on the network grid"
    return {"prediction": {**took, "note": f"{note}; n 1"}}


def peer(name: str) -> Callable[[Bench], Found]:
    """Return the measurement of DAR-UNet's step, its `literal` form another tool's; nothing where that is not there."""

    def measure(bench: Bench) -> Found:
        if not PEERS[name].is_there():
            return {}
        patch = (16, 16, 16) if bench.tiny else (32, 256, 256)
        theirs = PeerStep(name, (2, 1, *patch), torch.bfloat16, bench.device)
        ours = updates(segmenter_trainer(bench, FixedPatches(2, patch, bench.device)))
        return timed(PEERS[name].figure, {"literal": theirs, "ours": ours}, bench)

    return measure


SEGMENTER, GAN = (literal_segmenter_step, segmenter_step), (literal_gan_step, gan_step)
MEASUREMENTS: dict[str, Callable[[Bench], Found]] = {
    "prediction": prediction,
    "segmenter_step": steps("segmenter_step", *SEGMENTER, (2, 32, 256, 256)),
    "gan_step": steps("gan_step", *GAN, (4, 512)),
    "segmenter_memory": memory("segmenter", *SEGMENTER, (2, 32, 256, 256)),
    "gan_memory": memory("gan", *GAN, (4, 512)),
    "small_step": steps("small_step", *SEGMENTER, (2, 16, 192, 192)),
    "small_gan_step": steps("small_gan_step", *GAN, (4, 256)),
    "waits": waits,
    "attention": attention,
    "optimizer": optimizer,
    "synthesis": synthesis,
    **{one.figure: peer(name) for name, one in PEERS.items()},
}
SECONDS = {one.figure: 60 for one in PEERS.values()} | {
    "segmenter_step": 80,
    "gan_step": 50,
    "small_step": 30,
    "prediction": 40,
    "waits": 30,
}
"""Of those that take long: cuDNN tries its algorithms, and Triton compiles its kernels at their first use."""
