"""Norms of the network: one group per eight channels, and batch norm over the batches of all ranks."""

import torch
from torch import Tensor, channels_last_3d, contiguous_format, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.segmentation.layout import laid, layout_of
from dar_uda.training import ranks

CHANNELS_PER_GROUP = 8


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` with one group per eight channels, quick also for channels-last bfloat16 on a CPU."""

    def __init__(self, channels: int) -> None:
        super().__init__(max(1, channels // CHANNELS_PER_GROUP), channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype == torch.bfloat16 and layout_of(x) == channels_last_3d:
            return _ChannelsLastGroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps)
        return super().forward(x)


class _ChannelsLastGroupNorm(Function):
    """torch's backward on contiguous copies: directly channels-last it takes twice the time of both together."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        ctx.sizes = (*x.shape[:2], x[0, 0].numel(), groups)
        y, mean, rstd = torch.native_group_norm(x, weight, bias, *ctx.sizes, eps)
        ctx.save_for_backward(x, mean, rstd, weight)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, weight = ctx.saved_tensors
        copies = (laid(t, contiguous_format) for t in (gradient, x))
        of_x, of_weight, of_bias = torch.ops.aten.native_group_norm_backward(
            *copies, mean, rstd, weight, *ctx.sizes, [True, True, True]
        )
        return laid(of_x, channels_last_3d), of_weight, of_bias, None, None


class JointBatchNorm(nn.BatchNorm3d):
    """`nn.BatchNorm3d` with the statistics of all ranks' batches, as large as each other, also on CPUs.

    torch's SyncBatchNorm needs a GPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if ranks.count() == 1 or not self.training:
            return super().forward(x)
        axes, shape = (0, 2, 3, 4), (1, -1, 1, 1, 1)
        count = ranks.count() * x.numel() // x.shape[1]
        mean = ranks.summed(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = ranks.summed(centred.square().sum(axes)) / count
        self._keep(mean.detach(), variance.detach() * count / (count - 1))
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        return normalised * self.weight.view(shape) + self.bias.view(shape)

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as the base class does: without a momentum they are the mean of all batches."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)
