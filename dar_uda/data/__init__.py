"""Volumes and their geometry: NIfTI and DICOM in, NIfTI out; the phantom."""
