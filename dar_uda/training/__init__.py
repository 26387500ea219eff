"""What both trainings share: checkpoints, EMA, device, progress, history."""
