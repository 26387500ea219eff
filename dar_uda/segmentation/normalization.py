"""Norms of the network: one group per eight channels, and batch norm over the batches of all ranks."""

import torch
import torch.nn.functional as F
from torch import Tensor, channels_last_3d, contiguous_format, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.chain import Norm
from dar_uda.layers.norm import norm_and_activation
from dar_uda.segmentation.memory_format import laid, memory_format_of
from dar_uda.training import cuda_options, distributed

CHANNELS_PER_GROUP = 8
SLOPE = 0.01
"""Of the LeakyReLU after a norm."""


class GroupNorm(nn.GroupNorm, Norm):
    """`nn.GroupNorm` with one group per eight channels, then LeakyReLU if there is a slope; statistics in float32.

    The output has the precision of the input, also under CUDA's autocast; quick also for channels-last bfloat16 on a
    CPU.

    Args:
        slope: Of the LeakyReLU; None: the norm alone.
    """

    def __init__(self, channels: int, slope: float | None = None) -> None:
        super().__init__(max(1, channels // CHANNELS_PER_GROUP), channels)
        self.slope = slope

    def forward(self, x: Tensor, shift: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Return the norm of x, on a GPU of x plus a shift of each channel, (C,), if there is one.

        Args:
            bias: In place of the norm's own; on a GPU alone.
        """
        bias = self.bias if bias is None else bias
        if cuda_options.on_cuda(x):
            return norm_and_activation(x, self.weight, bias, self.num_groups, self.eps, self.slope, shift)[0]
        y = self._on_cpu(x)
        return y if self.slope is None else F.leaky_relu(y, self.slope, inplace=True)

    def _on_cpu(self, x: Tensor) -> Tensor:
        if x.dtype == torch.bfloat16 and memory_format_of(x) == channels_last_3d:
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

    torch's SyncBatchNorm needs a GPU. Statistics are in the precision of the weights, the output in that of the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and distributed.count() > 1:
            return self._joint(x)
        alone = cuda_options.on_cuda(x) and cuda_options.made().joint_batch_norm and x.numel() > x.shape[1]
        if self.training and alone:  # of one value per channel torch says that it has no variance
            return self._alone(x)
        return super().forward(x)

    def _joint(self, x: Tensor) -> Tensor:
        axes, shape = (0, 2, 3, 4), (1, -1, 1, 1, 1)
        count = distributed.count() * x.numel() // x.shape[1]
        values = x.to(self.weight.dtype)
        mean = distributed.summed(values.sum(axes)) / count
        centered = values - mean.view(shape)
        variance = distributed.summed(centered.square().sum(axes)) / count
        self._keep(mean.detach(), variance.detach() * count / (count - 1))
        normalized = centered * torch.rsqrt(variance + self.eps).view(shape)
        return (normalized * self.weight.view(shape) + self.bias.view(shape)).to(x.dtype)

    def _alone(self, x: Tensor) -> Tensor:
        """Return the norm of one rank by the group norm for GPUs: a channel of the whole batch is a group."""
        channels = x.transpose(0, 1)
        y, mean, variance = norm_and_activation(
            channels.flatten(1).unsqueeze(0), self.weight, self.bias, len(channels), self.eps
        )
        count = x.numel() // len(channels)
        self._keep(mean.squeeze(0), variance.squeeze(0) * count / (count - 1))
        return y.view(channels.shape).transpose(0, 1)

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as the base class does: without a momentum they are the mean of all batches."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance, factor)
