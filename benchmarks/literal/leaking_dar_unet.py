"""DAR-UNet as GPUs computed it up to 85604b5: under CUDA's autocast every norm and interpolation is in float32.

But for the maps of quartet attention, which were in float32 as well, and are small.
"""

from benchmarks.literal.dar_unet import TorchsNormsDARUNet
from dar_uda.segmentation.dar_unet import DARUNet

CHOICES = {"quartet_maxima": "marks", "map_convolution": "slices"}
"""The fields of `dar_uda.training.cuda_options.choosing` within which the network is used: the forms of that commit."""


def leaking_dar_unet(classes: int) -> DARUNet:
    """Return that network; its state fits the optimized one's and vice versa."""
    return TorchsNormsDARUNet(classes)
