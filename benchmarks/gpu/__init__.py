"""One script that checks and measures the method on a GPU in minutes: `python -m benchmarks.gpu`."""
