"""What every job needs, the ground floor: its log, provenance, progress, GPU, and files that are whole or absent."""
