"""From a scan to the network grid, its 2D slices, and the way back."""
