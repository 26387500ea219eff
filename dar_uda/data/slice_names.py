"""Which files of a folder are read as slices, by their names."""

OF_SYSTEMS = ("dicomdir", "thumbs.db", "ehthumbs.db", "desktop.ini")
"""In lower case: a list of the files, and what Windows writes into a folder that is looked at."""
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
"""Suffixes of the thumbnails that archives and viewers put beside the slices."""


def may_be_slice(name: str) -> bool:
    """Return whether a file of this name in a folder of DICOM files is read: not hidden, no list, no thumbnail."""
    lower = name.lower()
    return lower[0] != "." and lower not in OF_SYSTEMS and not lower.endswith(PICTURES)


def is_png(name: str) -> bool:
    """Return whether a file of this name in a folder of labels is read: a PNG that is not hidden."""
    return name[0] != "." and name.lower().endswith(".png")
