import pytest
import torch
import torch.nn.functional as F

from dar_uda.segmentation.interpolation import resized
from dar_uda.training import cuda_options


@pytest.fixture
def _as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)


@pytest.mark.usefixtures("_as_on_a_gpu")
@pytest.mark.parametrize(
    ("sides", "size"), [((4, 2, 3), (4, 32, 48)), ((2, 3, 4), (8, 6, 8)), ((3, 5), (6, 10)), ((2, 3, 5), (2, 3, 7))]
)
def test_matrix_products_interpolate_as_torch_does_in_value_and_gradient(sides, size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    gradient = torch.randn(2, 3, *size, dtype=torch.float64)
    theirs = F.interpolate(x, size=size, mode="trilinear" if len(size) == 3 else "bilinear", align_corners=False)
    found = [[y, *torch.autograd.grad(y, x, gradient)] for y in (resized(x, size), theirs)]
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_as_on_a_gpu")
def test_a_coarse_voxel_sums_its_gradient_in_float32():
    """Its 16 x 32 x 32 places here have weights that add up to 2,048; sums in bfloat16 stop at 256 of ones."""
    x = torch.ones(1, 1, 3, 3, 3, dtype=torch.bfloat16, requires_grad=True)
    y = resized(x, (24, 48, 48))
    assert y.dtype == torch.bfloat16
    assert (y == 1).all()
    y.sum().backward()
    assert x.grad[0, 0, 1, 1, 1].item() == 8 * 16 * 16


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_bfloat16_represents_the_weights(factor):
    exact = F.interpolate(torch.eye(3, dtype=torch.float64)[None], scale_factor=factor, mode="linear")
    assert torch.equal(exact.bfloat16().double(), exact)
