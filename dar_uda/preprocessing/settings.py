"""What the configuration says about the preprocessing of a domain's scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """How scans of a domain come to the network grid; the same for all of its cases.

    Attributes:
        spacing: mm along (width, height, depth); depth None: the scan's own.
        size: Pixels of the in-plane square; a scan is padded with background or cropped about its center.
        intensity: {"window": (low, high)} or {"percentile": number}, see `to_unit_range`: of what lies on the network
            grid, so that bright fat beyond it does not darken a heart.
        body_width: mm; the square is centered on the body and `spacing` holds for a body this wide: that of a wider
            one is coarser in-plane, of a slimmer one finer. None: the square is that of the scan, in true mm.
        slice_axis: Axis of the source (0 to 2) that becomes depth; None: see `slice_axis_of`.
        double_depth: Protocol `paper`: half the scan's own slice spacing in place of that of `spacing`.
        values: Label values of each class, for protocol `paper`, which crops a scan to its label map.
    """

    spacing: Sequence[float | None]
    size: int
    intensity: Mapping[str, Any]
    body_width: float | None = None
    slice_axis: int | None = None
    double_depth: bool = False
    values: Sequence[Sequence[int]] = ()
