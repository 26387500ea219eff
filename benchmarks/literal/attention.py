"""Quartet attention as the paper draws it: four transposed copies, four products, their mean."""

import torch
from torch import Tensor, nn

# Axes of (N, C, D, H, W) in the order in which a branch sees them; the second one is reduced.
ORDERS = ((0, 1, 2, 3, 4), (0, 2, 1, 3, 4), (0, 3, 2, 1, 4), (0, 4, 2, 3, 1))


class LiteralQuartetAttention(nn.Module):
    """The same parameters, under the same names, as `dar_uda.segmentation.attention.QuartetAttention`."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(2, 1, 7, padding=3, bias=False) for _ in ORDERS)
        self.norms = nn.ModuleList(nn.BatchNorm3d(1, eps=1e-5, momentum=0.01) for _ in ORDERS)

    def forward(self, x: Tensor) -> Tensor:
        products = []
        for order, conv, norm in zip(ORDERS, self.convs, self.norms, strict=True):
            transposed = x.permute(order).contiguous()
            pooled = torch.cat([transposed.max(dim=1)[0].unsqueeze(1), transposed.mean(dim=1).unsqueeze(1)], dim=1)
            weighted = transposed * torch.sigmoid(norm(conv(pooled)))
            products.append(weighted.permute(order).contiguous())  # every order is its own inverse
        return (products[0] + products[1] + products[2] + products[3]) / 4
