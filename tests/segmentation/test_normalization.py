import pytest
import torch
from torch import nn

from dar_uda.segmentation.normalization import GroupNorm


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (16, 2), (48, 6)])
def test_there_is_one_group_per_eight_channels(channels, groups):
    assert GroupNorm(channels).num_groups == groups


def test_channels_last_bfloat16_has_values_and_gradients_of_the_plain_norm():
    torch.manual_seed(0)
    norm = GroupNorm(16)
    nn.init.normal_(norm.weight)
    plain = nn.GroupNorm(2, 16)
    plain.load_state_dict(norm.state_dict())
    x, gradient = (torch.randn(2, 16, 3, 8, 8).bfloat16() for _ in range(2))
    found = []
    for module, memory_format in ((norm, torch.channels_last_3d), (plain, torch.contiguous_format)):
        of = x.detach().contiguous(memory_format=memory_format).requires_grad_()
        y = module(of)
        found.append([y, *torch.autograd.grad(y, [of, *module.parameters()], gradient)])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours.float(), expected.float(), rtol=1e-2, atol=1e-2)
