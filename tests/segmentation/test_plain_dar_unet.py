"""The network for prediction in plain layers has the trained network's scores."""

import ast
from pathlib import Path

import pytest
import torch

from dar_uda.segmentation import plain_dar_unet
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.plain_dar_unet import PlainDARUNet

CHANNELS = (4, 8, 16, 16, 24)
SWITCHES = [{}, {"anisotropic": False}, {"qam": False}, {"vam": False}, {"qam": False, "vam": False}]


def trained(**switches):
    """Return a network whose weights and running statistics are random, ready to predict."""
    torch.manual_seed(0)
    network = DARUNet(3, CHANNELS, **switches)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape) if tensor.ndim == 1 else 0.2 * torch.randn(tensor.shape))
    return network.eval()


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 16, 32, 16), (2, 1, 16, 16, 16)], ids=str)
def test_it_scores_as_the_trained_network_does(switches, shape):
    network, plain = trained(**switches), PlainDARUNet(3, CHANNELS, **switches).eval()
    plain.load_state_dict(network.state_dict())
    x = torch.rand(shape) * 2 - 1
    with torch.no_grad():
        expected, found = network(x), plain(x)
    assert expected.std() > 1e-3
    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * expected.abs().max())


def test_it_stands_alone():
    tree = ast.parse(Path(plain_dar_unet.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert {module.split(".")[0] for module in imported} == {"collections", "torch"}
