"""With the choice `channels_last`, DAR-UNet's features stay so from its first convolution to its heads.

Without a card: fake tensors on the CPU take the forms for GPUs, and convolutions the layouts that cuDNN gives them.
"""

import pytest
import torch
from torch import Tensor, channels_last_3d, contiguous_format
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dar_uda.segmentation import memory_format
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.training import cuda_options

aten = torch.ops.aten
CLASSES, PATCH = 5, (2, 16, 64, 64)


class LikeCuDNN(TorchDispatchMode):
    """Note each operation that copies a feature to another layout, and each on features of different layouts.

    A convolution is channels-last if its input or its weight is, and copies what is not.
    """

    def __init__(self):
        super().__init__()
        self.copies, self.mixed = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function == aten.convolution.default:
            return self.convolved(args[:1], args[:2], out)
        if function == aten.convolution_backward.default:
            return self.convolved(args[:2], args[1:3], out[0]), *out[1:]
        if function == aten.clone.default:
            self.note(args[0], memory_format.memory_format_of(out))
        else:
            features = [t for t in tree_leaves((args, out)) if is_feature(t)]
            largest = max((t.numel() for t in features), default=0)
            if len({lies(t) for t in features if t.numel() == largest}) > 1:
                self.mixed.append(str(function))
        return out

    def convolved(self, read, deciding, out):
        last = any(memory_format.memory_format_of(t) == channels_last_3d for t in deciding)
        chosen = channels_last_3d if last else contiguous_format
        for feature in read:
            self.note(feature, chosen)
        return out if out is None else torch.empty_like(out, memory_format=chosen)

    def note(self, x, after):
        if is_feature(x) and not x.is_contiguous(memory_format=after):
            self.copies.append((tuple(x.shape), after))


def is_feature(x):
    """Return whether it has several channels; a map of quartet attention has two."""
    return isinstance(x, Tensor) and x.ndim == 5 and x.shape[1] > 2


def lies(x):
    return "channels last" if x.stride(1) == 1 else "channels first"


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    monkeypatch.setattr(memory_format, "laid", lambda x, after: x.contiguous(memory_format=after))  # not by a product
    network = DARUNet(CLASSES)
    with FakeTensorMode():
        for module in network.modules():
            for name, weight in module.named_parameters(recurse=False):
                module._parameters[name] = torch.nn.Parameter(torch.empty(weight.shape))
            for name, buffer in module.named_buffers(recurse=False):
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
        yield network


def step(network):
    """Return what a forward, the loss, and a backward note, and the scores."""
    image, labels = torch.empty(PATCH[0], 1, *PATCH[1:]), torch.empty(PATCH, dtype=torch.long)
    noted = [LikeCuDNN() for _ in range(3)]
    with noted[0], torch.autocast("cpu", torch.bfloat16):
        outputs = network(image)
    with noted[1]:
        loss = sum(segmentation_loss(scores, labels, 10.0) for scores in outputs)
    with noted[2]:
        torch.autograd.grad(loss, list(network.parameters()))
    return noted, outputs


def test_channels_last_features_change_their_memory_format_at_both_ends_and_in_quartet_attention_alone(fake):
    plain = {"map_convolution": "conv3d", "joint_batch_norm": False}  # else maps are turned too
    with cuda_options.choosing(channels_last=True, **plain):
        (forward, loss, backward), outputs = step(fake)
    # The image has one channel, so both convolutions of it give contiguous features: 2. Quartet attention: 9 times
    # there and back. The scores of 5 heads are made contiguous.
    assert len(forward.copies) == 2 + 9 * 2 + 5
    assert len(loss.copies) == 0
    # The same changes back, and the gradients of 4 upsampled features, which are slices of that of a concatenation.
    assert len(backward.copies) == 2 + 9 * 2 + 5 + 4
    assert [*forward.mixed, *loss.mixed, *backward.mixed] == []
    assert all(scores.is_contiguous() for scores in outputs)
