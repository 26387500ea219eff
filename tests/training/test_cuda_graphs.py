"""Steps that are recorded and replayed: the same training bit for bit, on a card, and on a CPU by a recorder.

The recorder notes every operation of a capture and does it again, into the same memory, at a replay.
"""

import copy
import inspect
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dar_uda.adaptation.ada_output import AdaOutputTrainer
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.train import SegmenterTrainer
from dar_uda.training import cuda_graphs, cuda_options
from dar_uda.training.cuda_graphs import EAGER_CALLS, Captured, CudaGraphs, as_launched
from dar_uda.training.job import Job
from dar_uda.training.optimizer import descend_in_turn, differentiate
from dar_uda.training.prefetch import Prefetcher, to_device
from dar_uda.translation.train import TranslatorTrainer

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
LEVELS, RESUMED = 8, 3
REPLAYED = EAGER_CALLS + 2
"""Steps on a CPU, the last two by replays."""
CLASSES = 3


class Recorder(TorchDispatchMode):
    """A stand-in for CUDA's graphs. Like those it computes nothing in a capture: buffers get their values back."""

    def __init__(self, *modules):
        super().__init__()
        self.modules, self.log, self.calls = modules, [], []

    def aside(self, work):
        self.log.append("aside")
        return work()

    def capture(self, pieces, count):
        self.log.append("capture")
        kept = [(buffer, buffer.clone()) for module in self.modules for buffer in module.buffers()]
        recorded = [self._captured(pieces) for _ in range(count)]
        for buffer, value in kept:
            buffer.copy_(value)
        return recorded

    def _captured(self, pieces):
        self.calls = calls = []
        with self:
            found = next(pieces)
        return lambda: self._replay(calls), found

    def _replay(self, calls):
        self.log.append("replay")
        with torch.no_grad():
            for function, args, kwargs, before in calls:
                for static, new in zip(before, tensors(function(*args, **kwargs)), strict=True):
                    if static is not new and static.data_ptr() != new.data_ptr():
                        static.copy_(new)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, tensors(result)))
        return result


def tensors(result):
    return [x for x in (result if isinstance(result, (list, tuple)) else [result]) if isinstance(x, torch.Tensor)]


class Drawn:
    """A sampler of tensors that depend on the draw alone."""

    def __init__(self, *shapes, size=None):
        self.shapes, self.size = shapes, size

    def draw(self, rng, device):
        drawn = [
            rng.integers(0, CLASSES, shape) if len(shape) == 4 and self.size is None else rng.random(shape, np.float32)
            for shape in self.shapes
        ]
        drawn = [to_device(torch.from_numpy(x), device) for x in drawn]
        return drawn[0] if self.size else tuple(drawn)


def segmenter_trainer(device, activation_checkpointing=False, **network):
    torch.manual_seed(0)
    network = make_segmenter(CLASSES, (4, 4, 8, 8, 8), **network)
    sampler, job = Drawn((2, 1, 4, 16, 16), (2, 4, 16, 16)), Job(0, "", device, torch.float32, activation_checkpointing)
    return SegmenterTrainer(network, sampler, job, LEVELS, 1e-3, 1e-4, 1e-4, 10.0, 0.9)


def plain_trainer(device):
    return segmenter_trainer(device, qam=False, vam=False, deep_supervision=False)


def ada_output_trainer(device):
    torch.manual_seed(0)
    network = make_segmenter(CLASSES, (4, 4, 8, 8, 8), architecture="unet_2d", multilevel=True)
    samplers = [Drawn((2, 1, 2, 64, 64), (2, 2, 64, 64)) for _ in range(2)]
    adversary = {"adversarial_weights": [1e-1, 2e-2], "auxiliary_weight": 0.1, "discriminator_learning_rate": 1e-4}
    job = Job(0, "", device, torch.float32)
    settings = {"target": samplers[1], "classes": CLASSES, **adversary}
    return AdaOutputTrainer(network, samplers[0], job, LEVELS, 1e-3, 1e-4, 1e-4, 10.0, 0.9, **settings)


def translator_trainer(device):
    samplers = [Drawn((2, 1, 64, 64), size=(64, 64)) for _ in "ab"]
    names = ("pixel_reconstruction", "pixel_cycle", "content_reconstruction", "style_reconstruction")
    weights = dict.fromkeys((*names, "adversarial_image", "adversarial_content"), 1.0)
    rates = {"generator": 1e-3, "discriminator": 1e-3}
    return TranslatorTrainer(samplers, Job(0, "", device, torch.float32), 4, 8, True, rates, 0.9, weights)


TRAINERS = {
    "segmenter": segmenter_trainer,
    "recomputing": lambda device: segmenter_trainer(device, activation_checkpointing=True),
    "ada_output": ada_output_trainer,
    "translator": translator_trainer,
}


def recorded(trainer):
    """Return the recorder by which the trainer's steps are replayed from now on."""
    recorder = Recorder(*(part for part in trainer._parts().values() if isinstance(part, torch.nn.Module)))
    trainer.gradients = Captured(trainer._gradients, recorder)
    return recorder


def trained(trainer, steps):
    """Return the losses of all steps, read after the last of them."""
    return [trainer.update(step) for step in steps]


def flat(state):
    """Return all tensors of a nested state by their names."""
    if isinstance(state, torch.Tensor):
        return {"": state.clone()}
    entries = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, (list, tuple)) else ()
    return {f"{key}/{name}": tensor for key, entry in entries for name, tensor in flat(entry).items()}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("name", TRAINERS)
def test_a_replayed_training_is_the_eager_one_bit_for_bit(name):
    eager, replayed = TRAINERS[name](CPU), TRAINERS[name](CPU)
    recorder = recorded(replayed)
    expected, found = trained(eager, range(REPLAYED)), trained(replayed, range(REPLAYED))
    pieces = len(recorder.log[: recorder.log.index("capture")]) // EAGER_CALLS - 1
    assert pieces == (1 if name in ("segmenter", "recomputing") else 2)
    assert recorder.log[EAGER_CALLS * (pieces + 1) :] == ["capture", *["replay"] * (pieces * 2)]
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert_equal(flat(found), flat(expected))
    assert_equal(flat(replayed.state()), flat(eager.state()))
    if hasattr(eager, "seen"):
        assert np.array_equal(replayed.picture(), eager.picture())


def test_a_resumed_replayed_training_is_the_undisturbed_one():
    eager, replayed = plain_trainer(CPU), plain_trainer(CPU)
    trained(eager, range(RESUMED))
    recorded(replayed)
    replayed.restore(copy.deepcopy(eager.state()))
    steps = range(RESUMED, RESUMED + REPLAYED)
    assert_equal(flat(trained(replayed, steps)), flat(trained(eager, steps)))
    assert_equal(flat(replayed.state()), flat(eager.state()))


def test_a_batch_of_another_shape_is_recorded_by_itself():
    eager, replayed = plain_trainer(CPU), plain_trainer(CPU)
    recorder = recorded(replayed)
    for first, side in ((0, 16), (5, 32)):
        shapes = (2, 1, 4, side, side), (2, 4, side, side)
        for trainer in (eager, replayed):
            trainer.sampler.shapes = shapes
        steps = range(first, first + 5)
        assert_equal(flat(trained(replayed, steps)), flat(trained(eager, steps)))
    assert recorder.log.count("capture") == 2
    assert recorder.log.count("replay") == 4
    assert_equal(flat(replayed.state()), flat(eager.state()))


@pytest.mark.parametrize("error", [RuntimeError("not permitted\nwhen capturing"), torch.OutOfMemoryError("too large")])
def test_where_a_capture_fails_the_training_goes_on_and_says_so_once(error, monkeypatch, caplog):
    eager, replayed = translator_trainer(CPU), translator_trainer(CPU)
    recorder, captured = recorded(replayed), []

    def fail(pieces):
        if captured:
            raise error
        captured.append(Recorder._captured(recorder, pieces))
        return captured[0]

    monkeypatch.setattr(recorder, "_captured", fail)
    assert_equal(flat(trained(replayed, range(REPLAYED))), flat(trained(eager, range(REPLAYED))))
    assert_equal(flat(replayed.state()), flat(eager.state()))
    assert recorder.log.count("capture") == 1
    (message,) = [record.message for record in caplog.records]
    assert "capture as CUDA graphs fails: " in message
    assert "\n" not in message


def test_each_optimizer_takes_its_step_when_its_gradients_are_ready():
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizers = [torch.optim.SGD([parameter], 0.5) for parameter in (first, second)]

    def gradients():
        differentiate(optimizers[0], (3 * first).sum())
        yield {"a": first.detach().clone()}
        differentiate(optimizers[1], (first.detach() * second).sum())
        yield {"b": second.detach().clone()}

    found = descend_in_turn(gradients(), *optimizers)
    assert {name: value.item() for name, value in found.items()} == {"a": 1.0, "b": 1.0}
    assert [first.item(), second.item()] == [-0.5, 1.25]


@pytest.mark.parametrize(
    ("chosen", "device", "ranks", "graphed"),
    [(True, "cuda", 1, True), (False, "cuda", 1, False), (True, "cpu", 1, False), (True, "cuda", 2, False)],
)
def test_steps_are_graphs_on_a_gpu_of_one_rank_where_that_is_chosen(monkeypatch, chosen, device, ranks, graphed):
    monkeypatch.setattr(cuda_graphs, "CudaGraphs", lambda *_: Recorder())
    monkeypatch.setattr(cuda_graphs.distributed, "count", lambda: ranks)
    with cuda_options.choosing(captured_steps=chosen):
        launched = as_launched(iter, torch.device(device), list)
    assert isinstance(launched, Captured) if graphed else launched is iter


@pytest.fixture
def card(monkeypatch):
    """What happens on a card that is not there; `fails` is what the end of a capture raises."""
    state = SimpleNamespace(happened=[], fails=None, current="main")

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, other):
            state.happened.append(f"side waits for {other.name}")

    main = SimpleNamespace(name="main", wait_stream=lambda _: state.happened.append("main waits for side"))

    @contextmanager
    def on(_):
        before, state.current = state.current, "side"
        try:
            yield
        finally:
            state.current = before

    @contextmanager
    def graph(cuda_graph, pool, stream, capture_error_mode):
        inspect.signature(real).bind(cuda_graph, pool=pool, stream=stream, capture_error_mode=capture_error_mode)
        state.happened.append(f"capture into {pool}, {capture_error_mode}")
        yield
        if state.fails:
            raise state.fails

    real = torch.cuda.graph
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: main)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 7))
    replay = SimpleNamespace(replay=lambda: state.happened.append("replay"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: replay)
    for name in ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool", "_cuda_releasePool"):
        noted = partial(lambda name, *given: state.happened.append((name, *given)), name)
        monkeypatch.setattr(torch._C, name, noted, raising=False)
    return state


def pieces_on(card):
    def pieces(x):
        for piece in "ab":
            card.happened.append(f"{piece} on {card.current}")
            yield {piece: x}

    return pieces


def test_cuda_is_asked_for_streams_and_captures_in_order(card):
    step = Captured(pieces_on(card), CudaGraphs(CUDA, lambda: card.happened.append("settled")))
    aside = [["side waits for main", *piece, "main waits for side"] for piece in (["a on side"], ["b on side"], [])]
    for _ in range(EAGER_CALLS):
        for _ in step(torch.ones(1)):
            card.happened.append("optimizer")
    assert card.happened == EAGER_CALLS * [*aside[0], "optimizer", *aside[1], "optimizer", *aside[2]]
    card.happened.clear()
    given = [torch.full((1,), value) for value in (2.0, 3.0)]
    for x in given:
        for found in step(x):
            card.happened.append("optimizer")
            assert list(found.values()) == [x]
    assert [x.item() for x in given] == [2, 3]
    begin = "capture into (0, 7), thread_local"
    replays = 2 * ["replay", "optimizer"]
    assert card.happened == ["settled", begin, "a on side", begin, "b on side", *replays, *replays]
    assert card.current == "main"


@pytest.mark.parametrize("end", ["_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"])
def test_after_a_failed_capture_the_allocator_leaves_it(card, monkeypatch, end):
    """Before torch 2.8 there is only the second."""
    if end != "_cuda_endAllocateToPool":
        monkeypatch.delattr(torch._C, "_cuda_endAllocateToPool")
    step = Captured(pieces_on(card), CudaGraphs(CUDA, list))
    for _ in range(EAGER_CALLS):
        list(step(torch.ones(1)))
    card.fails = RuntimeError("operation failed due to a previous error during capture")
    card.happened.clear()
    assert [list(found) for found in step(torch.ones(1))] == [["a"], ["b"]]
    left = [(end, 0, (0, 7)), ("_cuda_releasePool", 0, (0, 7))]
    assert card.happened[-4:] == [*left, "a on main", "b on main"]


def test_a_settled_prefetcher_draws_nothing():
    import threading
    from concurrent.futures import ThreadPoolExecutor

    may_end, batches = threading.Event(), Prefetcher(lambda _: (), CPU)
    batches.settle()
    with ThreadPoolExecutor(1) as pool:
        batches._pending = 0, pool.submit(may_end.wait)
        threading.Timer(0.05, may_end.set).start()
        batches.settle()
        assert batches._pending[1].done()


def trainers_on_a_card(name):
    """Return an eager training and one that is captured."""
    eager = TRAINERS[name](CUDA)
    with cuda_options.choosing(captured_steps=True):
        return eager, TRAINERS[name](CUDA)


@pytest.fixture
def deterministic(monkeypatch):
    """cuDNN's algorithms are always the same, and add up in one order."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


@pytest.mark.gpu
@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", TRAINERS)
def test_a_captured_training_on_a_gpu_is_the_eager_one_bit_for_bit(name, caplog):
    eager, captured = trainers_on_a_card(name)
    assert isinstance(captured.gradients, Captured)
    expected, found = trained(eager, range(LEVELS)), trained(captured, range(LEVELS))
    assert caplog.records == []
    assert captured.gradients._recorded
    assert_equal(flat(found), flat(expected))
    assert_equal(flat(captured.state()), flat(eager.state()))
    eager.close()
    captured.close()


@pytest.mark.gpu
@pytest.mark.usefixtures("deterministic")
def test_a_resumed_captured_training_on_a_gpu_is_the_undisturbed_one(tmp_path):
    eager, captured = trainers_on_a_card("segmenter")
    trained(eager, range(RESUMED))
    torch.save(eager.state(), tmp_path / "state.pt")
    captured.restore(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    steps = range(RESUMED, LEVELS)
    assert_equal(flat(trained(captured, steps)), flat(trained(eager, steps)))
    assert_equal(flat(captured.state()), flat(eager.state()))
    eager.close()
    captured.close()


@pytest.mark.gpu
@pytest.mark.usefixtures("deterministic")
def test_a_batch_of_another_shape_on_a_gpu_is_captured_by_itself(caplog):
    eager, captured = trainers_on_a_card("segmenter")
    for first, side in ((0, 16), (5, 32)):
        for trainer in (eager, captured):
            trainer.batches._pending = None  # drawn with the shape before
            trainer.sampler.shapes = (2, 1, 4, side, side), (2, 4, side, side)
        steps = range(first, first + 5)
        assert_equal(flat(trained(captured, steps)), flat(trained(eager, steps)))
    assert caplog.records == []
    assert_equal(flat(captured.state()), flat(eager.state()))
    eager.close()
    captured.close()


@pytest.mark.gpu
def test_a_replay_on_a_gpu_never_waits_for_it():
    _, captured = trainers_on_a_card("translator")
    trained(captured, range(EAGER_CALLS + 1))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trained(captured, range(EAGER_CALLS + 1, LEVELS))
    finally:
        torch.cuda.set_sync_debug_mode("default")
        captured.close()


@pytest.mark.gpu
def test_a_capture_that_asks_the_gpu_goes_on_eagerly(caplog):
    """What CUDA does not permit within a capture ends it; memory that another stream used comes back afterwards."""
    x = torch.ones(4, device=CUDA, requires_grad=True)
    optimizer = torch.optim.SGD([x], 0.1)

    def gradients(scale):
        differentiate(optimizer, (x * scale).sum() * float(x.detach().sum() > 0))
        yield {"gradient": x.grad.clone()}

    step = Captured(gradients, CudaGraphs(CUDA, list))
    for scale in range(1, EAGER_CALLS + 4):
        (found,) = step(torch.full((4,), float(scale), device=CUDA))
        assert found["gradient"].tolist() == [scale] * 4
    assert "capture as CUDA graphs fails" in caplog.text
    other, before = torch.cuda.Stream(device=CUDA), active_bytes()
    for _ in range(3):
        torch.empty(2**20, device=CUDA).record_stream(other)
        torch.cuda.synchronize()
        torch.empty(2**20, device=CUDA)
    assert active_bytes() <= before


def active_bytes():
    return torch.cuda.memory_stats(CUDA)["active_bytes.all.current"]
