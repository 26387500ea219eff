"""A folder of DICOM files, read as one series."""

from dar_uda.data.dicom.series import mixed_series, read_series, read_series_grid, series_order

__all__ = ["mixed_series", "read_series", "read_series_grid", "series_order"]
