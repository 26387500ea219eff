"""How the pixels of a DICOM file are stored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PixelFormat:
    """How the pixels of a file are stored.

    Attributes:
        keyword: The entry that holds them, see PIXELS.
        allocated: Bits of a word.
        stored: Those of them that are the value.
        high: The highest of these.
        signed: Whether it is the sign.
        slope: Of the rescaling, as `intercept`.
    """

    keyword: str
    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool
    slope: float
    intercept: float
