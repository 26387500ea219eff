"""The folder that nnU-Net searches for our trainer: it imports every module here, in its own environment."""
