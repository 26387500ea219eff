"""A finished method in one folder: exported from a run, used on scans that come later."""
