"""Speed and memory, side by side with the method written naively: `make benchmark`."""
