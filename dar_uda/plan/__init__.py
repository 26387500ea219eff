"""What a run consists of: the only part of the package that knows the config and the paths under results/."""
