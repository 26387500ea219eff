"""Names of GPUs, and precisions, on GPUs that are not there."""

from types import SimpleNamespace

import pytest
import torch

from dar_uda.training import device as module
from dar_uda.training.device import (
    bfloat16_problem,
    choose_precision,
    exact_float32,
    find_device,
    gpu_names,
    lease_devices,
    prediction_precision,
    use_device,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")
A, B = "aaaaaaaa-0000-0000-0000-aaaaaaaaaaaa", "bbbbbbbb-0000-0000-0000-bbbbbbbbbbbb"


@pytest.fixture
def gpus(monkeypatch):
    """Two Ampere GPUs, as torch shows them, cuDNN 9.20 and the second GPU current; a test may change each."""
    seen = SimpleNamespace(uuids=[A, B], capability=(8, 6), cudnn=92000)
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "device_count", lambda: len(seen.uuids))
    monkeypatch.setattr(cuda, "current_device", lambda: 1)
    monkeypatch.setattr(cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=seen.uuids[index]))
    monkeypatch.setattr(cuda, "get_device_capability", lambda _: seen.capability)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: seen.cudnn)
    return seen


@pytest.mark.parametrize("visible", ["", "0,1", "GPU-aaaaaaaa,GPU-bbbbbbbb", f"GPU-{A},GPU-{B}", "0,1,7"])
@pytest.mark.usefixtures("gpus")
def test_gpus_go_by_their_uuid_whatever_the_visible_devices_are_called(visible):
    assert gpu_names({"CUDA_VISIBLE_DEVICES": visible}) == [A, B]


def test_instances_of_mig_go_by_their_own_names(gpus):
    gpus.uuids = [A]  # a process sees the first instance only, and torch the GPU's UUID
    first, second = (gpu_names({"CUDA_VISIBLE_DEVICES": names}) for names in ("MIG-1,MIG-2", "MIG-2"))
    assert (first, second) == (["MIG-1"], ["MIG-2"])


@pytest.mark.usefixtures("gpus")
def test_a_leased_gpu_is_named_by_its_index_here(monkeypatch):
    monkeypatch.setattr(module, "lease_gpus", lambda _, names: [names.index(B)])
    assert lease_devices("auto") == lease_devices("cuda") == ["cuda:1"]
    assert lease_devices("cpu", 2) == ["cpu", "cpu"]


@pytest.mark.usefixtures("gpus")
def test_devices_are_found_without_a_lease(monkeypatch):
    monkeypatch.setattr(module, "lease_gpus", None)
    assert [find_device(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:1", "cuda:0", "cpu"]


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_used_is_the_current_one_and_cudnn_chooses_by_trying(monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    threads = torch.get_num_threads()
    assert use_device("cpu", threads) == CPU and not torch.backends.cudnn.benchmark
    assert use_device("cuda:1", threads) == GPU and used == [GPU] and torch.backends.cudnn.benchmark


@pytest.mark.parametrize(
    ("capability", "cudnn", "problem"),
    [
        ((7, 5), 92000, "the GPU has compute capability 7.5 and bfloat16 needs 8.0"),
        ((8, 0), 90701, None),
        ((8, 0), 90800, "cuDNN 9.8.0 can compute 3D convolutions in bfloat16 wrong"),
        ((9, 0), 91002, "cuDNN 9.10.2 can .* install 9.15 or later"),
        ((9, 0), 91400, "cuDNN 9.14.0 can"),
        ((12, 0), 91500, None),
        ((8, 9), 8907, None),
        ((8, 6), None, None),
    ],
)
def test_bfloat16_is_for_ampere_and_for_a_cudnn_that_computes_it_right(gpus, caplog, capability, cudnn, problem):
    gpus.capability, gpus.cudnn = capability, cudnn
    assert choose_precision("float32", GPU) == torch.float32 and not caplog.messages
    if problem is None:
        assert bfloat16_problem(capability, cudnn) is None
        assert choose_precision("auto", GPU) == choose_precision("bfloat16", GPU) == torch.bfloat16
        return
    with pytest.raises(ValueError, match=f"precision: bfloat16 was asked for, but {problem}.*; use precision: float32"):
        choose_precision("bfloat16", GPU)
    assert choose_precision("auto", GPU) == torch.float32
    assert "precision: auto takes float32" in caplog.text


@pytest.mark.usefixtures("gpus")
def test_networks_predict_in_the_precision_chosen_on_a_gpu_and_in_float32_on_a_cpu():
    assert prediction_precision("auto", GPU) == torch.bfloat16
    assert prediction_precision("float32", GPU) == torch.float32
    assert prediction_precision("bfloat16", CPU) == torch.float32


def test_exact_float32_switches_tf32_off_and_back_also_after_an_error():
    def switches():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = switches()
    with pytest.raises(ZeroDivisionError), exact_float32():
        assert switches() == (False, False)
        raise ZeroDivisionError
    assert switches() == before and before[1], "torch's own choice for convolutions is TF32"


@pytest.mark.gpu
def test_a_gpu_of_this_machine_has_a_uuid_and_is_leased():
    (name, *_) = gpu_names({})
    assert len(name) == 36 and name.count("-") == 4
    device = use_device(lease_devices("auto")[0], torch.get_num_threads())
    assert lease_devices("cuda") == [str(device)] and torch.ones(1, device=device).item() == 1


@pytest.mark.gpu
def test_exact_float32_is_ieee_on_a_gpu():
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=generator) for shape in ((1, 64, 8, 16, 16), (64, 64, 3, 3, 3)))
    expected = torch.nn.functional.conv3d(x.double(), weight.double())
    with exact_float32():
        found = torch.nn.functional.conv3d(x.cuda(), weight.cuda()).cpu().double()
    assert (found - expected).norm() / expected.norm() < 1e-5
