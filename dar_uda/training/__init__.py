"""What both trainings share: checkpoints, EMA, device, history."""
