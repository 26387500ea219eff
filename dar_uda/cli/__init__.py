"""The `dar-uda` command: its arguments, what it does, and how far a run is."""
