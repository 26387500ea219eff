"""Windows that are replayed: the same probabilities bit for bit, on a CPU by the recorder of `test_graphs`."""

import weakref
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from dar_uda.segmentation import window_scores
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.sliding_window import count_windows, predict_slabs
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training import cuda_options
from dar_uda.training.cuda_graphs import EAGER_CALLS, Captured
from tests.training.test_cuda_graphs import Recorder

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
WINDOW, BATCH = (4, 16, 16), 2
SHAPES = [(10, 24, 24), (7, 40, 16)]
"""Of volumes of 4 slabs of 4 windows, and of 3 of 4."""


class Convolution(nn.Module):
    """A network of one convolution, with an operation in place."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv3d(1, 3, 3, padding=1)

    def forward(self, x):
        return self.convolution(x).mul_(2)


def network():
    torch.manual_seed(0)
    return make_segmenter(3, (4, 4, 8, 8, 8)).eval()


def image(shape):
    return np.random.default_rng(shape[0]).integers(0, 65536, shape).astype(np.uint16)


def replaying(scores, graphs, batch_size=BATCH):
    """Return the scores as on a GPU, where batches of so many windows are replayed."""
    scores.on(CPU, batch_size)
    scores._captured = Captured(partial(window_scores._pieces, scores.network, scores.dtype), graphs)
    return scores


def predicted(scores, shape, weighting="gaussian", batch_size=BATCH):
    return torch.cat(list(predict_slabs(scores, image(shape), WINDOW, 0.5, weighting, batch_size, CPU)), dim=1)


@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
def test_replayed_windows_of_two_volumes_have_the_probabilities_of_launched_ones(weighting):
    recorder, there = Recorder(), network()
    scores = replaying(WindowScores(there, torch.float32), recorder)
    for shape in SHAPES:
        assert torch.equal(predicted(scores, shape, weighting), predicted(there, shape, weighting))
    full = sum(count_windows(shape, WINDOW, 0.5) for shape in SHAPES) // BATCH
    assert recorder.log == ["aside"] * 2 * EAGER_CALLS + ["capture"] + ["replay"] * (full - EAGER_CALLS)


def test_a_smaller_batch_is_launched_and_the_capture_stays():
    recorder, there = Recorder(), network()
    scores = replaying(WindowScores(there, torch.float32), recorder, batch_size=3)
    for shape in SHAPES:  # slabs of 4 windows: 3 and 1
        assert torch.equal(predicted(scores, shape, batch_size=3), predicted(there, shape, batch_size=3))
    assert recorder.log.count("capture") == 1
    assert recorder.log.count("replay") == 4 + 3 - EAGER_CALLS


def test_where_a_capture_fails_the_windows_are_launched_and_it_is_said_once(caplog):
    class Failing(Recorder):
        def capture(self, *_):
            raise torch.OutOfMemoryError("too large")

    there = network()
    scores = replaying(WindowScores(there, torch.float32), Failing())
    for shape in SHAPES:
        assert torch.equal(predicted(scores, shape), predicted(there, shape))
    (message,) = [record.message for record in caplog.records]
    assert message.endswith("capture as CUDA graphs fails: OutOfMemoryError: too large")


def test_windows_are_replayed_within_inference_mode_and_after_it():
    scores = replaying(WindowScores(Convolution(), torch.float32), Recorder())
    with torch.inference_mode():
        first = predicted(scores, SHAPES[0]).clone()
    assert scores._captured._recorded
    assert torch.equal(predicted(scores, SHAPES[0]), first)


def test_all_windows_pass_the_hooks_of_the_scores():
    seen, scores = [], replaying(WindowScores(Convolution(), torch.float32), Recorder())
    scores.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    predicted(scores, SHAPES[0])
    assert sum(seen) == count_windows(SHAPES[0], WINDOW, 0.5)


def test_threads_take_turns():
    scores, taken = WindowScores(Convolution(), torch.float32).on(CPU, 1), []

    def captured(windows):
        taken.append(scores._turn.locked())
        yield {"scores": windows}

    scores._captured = captured
    windows = torch.ones(1, 1, *WINDOW)
    assert scores(windows) is windows and taken == [True]
    assert not scores._turn.locked()


@pytest.mark.parametrize("enabled", [True, False])
def test_autocast_keeps_no_weights_for_the_next_batch(enabled):
    """Weights that a failed capture casts have no values."""
    kept = []

    class Asked(nn.Module):
        def forward(self, x):
            kept.append(torch.is_autocast_cache_enabled())
            return x

    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        WindowScores(Asked(), torch.bfloat16).on(CPU, 1)(torch.ones(1, 1, *WINDOW))
    assert kept == [False]


def test_a_cpu_computes_in_float32():
    scores = WindowScores(Convolution(), torch.bfloat16).on(CPU, 1)
    with torch.no_grad():
        assert scores(torch.ones(1, 1, *WINDOW)).dtype == torch.float32


@pytest.fixture
def card(monkeypatch):
    """A GPU that is not there; what happens on it, in order."""
    happened = []
    monkeypatch.setattr(window_scores, "CudaGraphs", lambda device, **_: happened.append(str(device)) or Recorder())
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: happened.append("freed"))
    monkeypatch.setattr(Convolution, "to", lambda self, _: self)
    return happened


@pytest.mark.parametrize(
    ("chosen", "device", "replayed"), [(True, CUDA, True), (False, CUDA, False), (True, CPU, False)]
)
def test_windows_are_graphs_on_a_gpu_where_that_is_chosen(card, chosen, device, replayed):
    with cuda_options.choosing(captured_windows=chosen):
        scores = WindowScores(Convolution(), torch.float32).on(device, BATCH)
    assert (scores._captured is not None) == replayed
    assert card == ([str(device)] if replayed else [])


def test_a_capture_is_kept_for_the_next_scan_and_freed_for_another_batch_or_other_weights(card):
    scores = WindowScores(Convolution(), torch.float32)
    with cuda_options.choosing(captured_windows=True):
        first = weakref.ref(scores.on(CUDA, 4)._captured)
        assert scores.on(CUDA, 4)._captured is first()
        scores.on(CUDA, 1)
        assert first() is None
        scores.network.convolution.weight.data = torch.ones(3, 1, 3, 3, 3)  # as after a scan on the CPU
        scores.on(CUDA, 1)
        scores.on(CPU, 4)
    assert scores._captured is None
    assert card == ["cuda:0", "freed", "cuda:0", "freed", "cuda:0", "freed"]


@pytest.mark.usefixtures("card")
def test_the_memory_of_a_capture_goes_with_the_scores():
    with cuda_options.choosing(captured_windows=True):
        scores = WindowScores(Convolution(), torch.float32).on(CUDA, 1)
    captured = weakref.ref(scores._captured)
    del scores
    assert captured() is None
