"""What a GPU computes, without one: its autocast on fake tensors, and its forms on the CPU."""

import copy
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.literal.leaking_dar_unet import leaking_dar_unet
from dar_uda.layers import kernels
from dar_uda.segmentation import quartet_ops
from dar_uda.segmentation.attention import QuartetAttention
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.quartet_ops import ArgmaxAndMean, WeighByMeanMap
from dar_uda.segmentation.unet_2d import UNet2D
from dar_uda.training import cuda_options

PATCH = (2, 1, 16, 64, 64)
NETWORKS = {"dar_unet": DARUNet, "unet_2d": lambda classes: UNet2D(classes, multilevel=True)}
PLAIN = {"map_convolution": "conv3d", "joint_batch_norm": False, "channels_last": False, "quartet_maxima": "argmax"}
PLAIN |= {"norm_kernels": False, "quartet_kernels": False}
OTHERS = {"quartet_maxima": "marks", "map_convolution": "blocks", "joint_batch_norm": True, "channels_last": True}
CASES = [("dar_unet", PLAIN), ("dar_unet", PLAIN | OTHERS), ("unet_2d", PLAIN)]
CASE_NAMES = ["plain", "other choices", "2D"]


class Leaks(TorchDispatchMode):
    """Names and shapes of float32 features and maps that operations make: all but statistics and weights."""

    def __init__(self, network):
        super().__init__()
        self.weights, self.found = {p.shape for p in network.parameters()}, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        aliases = [argument.alias_info for argument in function._schema.arguments if argument.alias_info]
        view = any(not alias.is_write for alias in aliases)  # it has no memory of its own
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and not view:
                self.note(function, tensor)
        return out

    def note(self, what, tensor):
        image_like = tensor.ndim >= 4 and max(tensor.shape[2:]) > 1
        if tensor.dtype == torch.float32 and image_like and tensor.shape not in self.weights:
            self.found.append((str(what), tuple(tensor.shape)))


def on_fake_tensors(network, device):
    """Return the network with fake tensors as weights, on a device that need not exist; only a CPU's have gradients."""
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            fake = torch.empty(weight.shape, device=device)
            module._parameters[name] = nn.Parameter(fake, requires_grad=device == "cpu")
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=device)
        if isinstance(module, nn.BatchNorm3d) and device == "cuda":
            module.track_running_stats = False  # only a CUDA build of torch updates them in place
    return network


@contextmanager
def cuda_autocast():
    """Within the block CUDA's autocast to bfloat16 holds: `torch.autocast` would not begin it without a card."""
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.set_autocast_dtype("cuda", torch.float16)
        torch.clear_autocast_cache()


def listed(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def forward_on_cuda(network):
    """Return the leaks of a forward on fake CUDA tensors, through torch's own list of what autocast has in float32.

    With the plain forms: without a CUDA build of torch the others' indexing and copies do not run.
    """
    with cuda_options.choosing(**PLAIN), FakeTensorMode(), torch.no_grad(), cuda_autocast():
        leaks, image = Leaks(on_fake_tensors(network, "cuda")), torch.empty(PATCH, device="cuda")
        with leaks:
            outputs = network(image)
    assert {output.device.type for output in listed(outputs)} == {"cuda"}
    return leaks.found


@pytest.mark.parametrize("name", NETWORKS)
def test_under_cuda_autocast_no_operation_makes_a_float32_feature(name):
    network, dtypes = NETWORKS[name](5), []
    for module in network.modules():
        module.register_forward_hook(lambda *arguments: dtypes.extend(t.dtype for t in listed(arguments[-1])))
    assert forward_on_cuda(network) == []
    assert set(dtypes) == {torch.bfloat16}


def test_the_network_of_torchs_norms_leaks():
    assert len(forward_on_cuda(leaking_dar_unet(5))) > 100


@pytest.mark.parametrize(("name", "forms"), CASES, ids=CASE_NAMES)
def test_forward_and_backward_in_bfloat16_make_and_keep_no_float32_feature(monkeypatch, name, forms):
    """The forms for GPUs on fake CPU tensors: fake CUDA tensors have no backward without a CUDA build of torch."""
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    network = NETWORKS[name](5)
    with FakeTensorMode(), cuda_options.choosing(**forms):
        leaks = Leaks(on_fake_tensors(network, "cpu"))
        image = torch.empty(PATCH)

        def keep(tensor):
            if tensor is not image:
                leaks.note("kept for the backward", tensor)
            return tensor

        with leaks:
            with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
                outputs = listed(network(image))
            torch.autograd.grad(outputs, list(network.parameters()), [torch.empty_like(y) for y in outputs])
    assert leaks.found == []


@pytest.mark.parametrize(("name", "forms"), CASES, ids=CASE_NAMES)
def test_the_forms_for_a_gpu_have_values_gradients_and_statistics_of_those_for_a_cpu(monkeypatch, name, forms):
    torch.manual_seed(0)
    network = (DARUNet(3, (2, 4, 4, 8, 8)) if name == "dar_unet" else UNet2D(3, (4, 4, 8, 8, 8), True)).double()
    start = copy.deepcopy(network.state_dict())
    image, labels = torch.randn(2, 1, 4, 32, 32, dtype=torch.float64), torch.randint(0, 3, (2, 4, 32, 32))
    found = []
    for on_cuda in (False, True):
        monkeypatch.setattr(cuda_options, "on_cuda", lambda _, on_cuda=on_cuda: on_cuda)
        network.load_state_dict(start)
        with cuda_options.choosing(**forms):
            loss = sum(segmentation_loss(scores, labels, 10.0) for scores in network(image))
            gradients = torch.autograd.grad(loss, list(network.parameters()))
        found.append([loss.detach(), *gradients, *copy.deepcopy(list(network.buffers()))])
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-8)


def test_choices_hold_within_their_block_alone():
    other = {"channels_last": not cuda_options.made().channels_last}
    with cuda_options.choosing(**other):
        assert cuda_options.made() == cuda_options.CudaOptions(**other)
    assert cuda_options.made() == cuda_options.CudaOptions()


def test_without_a_compiler_torchs_operations_take_over_and_the_log_says_so_once(monkeypatch, caplog):
    def without_a_compiler(device):
        raise RuntimeError(f"Failed to find C compiler\n{device}")

    module = SimpleNamespace(check=without_a_compiler)
    monkeypatch.setattr(quartet_ops, "_load_kernels", lambda: module)
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    kernels._working.cache_clear()
    torch.manual_seed(0)
    attention, x = QuartetAttention().eval(), torch.randn(1, 2, 3, 4, 5)
    with cuda_options.choosing(**PLAIN):
        expected = attention(x)
    with cuda_options.choosing(**PLAIN | {"quartet_kernels": True}):
        found = attention(x)
    assert torch.equal(found, expected)
    assert [record.getMessage() for record in caplog.records] == [
        "DAR-218: torch's operations take over, Triton fails: RuntimeError: Failed to find C compiler"
    ]
    kernels._working.cache_clear()


def test_the_kernels_are_checked_within_a_checkpointed_block(monkeypatch):
    def check(device):
        torch.ones(2, device=device, requires_grad=True).square().sum().backward()

    forms = SimpleNamespace(check=check, MaxAndMean=ArgmaxAndMean, WeighByMeanMap=WeighByMeanMap)
    monkeypatch.setattr(quartet_ops, "_load_kernels", lambda: forms)
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    kernels._working.cache_clear()
    network = DARUNet(2, (2, 2, 2, 2, 2))
    network.checkpoint_activations()
    with cuda_options.choosing(**PLAIN | {"quartet_kernels": True}):
        sum(scores.sum() for scores in network(torch.randn(1, 1, 4, 32, 32))).backward()
    assert kernels._working(quartet_ops._load_kernels, torch.device("cpu")) is forms
    kernels._working.cache_clear()
