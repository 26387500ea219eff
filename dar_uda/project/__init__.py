"""From two folders to a run: recognizes and reads the scans, chooses a task, estimates what it takes, starts it."""
