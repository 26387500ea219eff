"""nnU-Net v2 as a segmenter: its dataset, its commands in an environment of their own, and its masks."""
