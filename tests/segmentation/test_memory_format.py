import pytest
import torch
from torch import channels_last_3d, contiguous_format

from dar_uda.segmentation.memory_format import Relaid, laid, memory_format_of

MEMORY_FORMATS = [contiguous_format, channels_last_3d]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("before", MEMORY_FORMATS)
@pytest.mark.parametrize("after", MEMORY_FORMATS)
@pytest.mark.parametrize("device", DEVICES)
def test_another_memory_format_has_exactly_the_same_values(before, after, dtype, device):
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 4, 6).to(device, dtype).contiguous(memory_format=before)
    found = laid(x, after)
    assert torch.equal(found, x)
    assert memory_format_of(found) == after
    assert found.is_contiguous(memory_format=after)


def test_a_gradient_comes_back_in_the_memory_format_of_the_input():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3, 4, 6).contiguous(memory_format=channels_last_3d).requires_grad_()
    weight = torch.randn(2, 5, 3, 4, 6)
    (Relaid.apply(x, channels_last_3d, contiguous_format) * weight).sum().backward()
    assert torch.equal(x.grad, weight)
    assert memory_format_of(x.grad) == channels_last_3d
