"""Constant fill outside the patient: padding beyond a round field of view, masked surroundings, empty slices."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from dar_uda.data.values import BAD_FRACTION, picked, sampled

MOST_VALUES = 4
CANDIDATES = 6
SMALLEST_FRACTION = 1.5 * BAD_FRACTION
"""Of a scan's voxels: what is smaller counts as single bad voxels."""
ON_FACES = 0.002
ON_EDGE_OF_FILL = 0.1
ALIKE = 0.5
"""Of the voxels of a fill at the volume's faces, so many have a neighbor of the same value; noise has far fewer."""
NOISY = 0.2
"""Images in which fewer neighbors have one value are noisy: a flat region among them is not anatomy."""
LIKE_AIR = 0.1
"""Of the range: flat regions so near the darkest, at the edge of a fill, are air."""
CORNERS, FIRST_CORNER = 3, 1
LARGE = 0.04
"""Of the voxels: saturated anatomy that fills whole planes is smaller."""
EDGE = 0.2
"""Saturated anatomy has this part of its edge, or more, within this part of the range of its own value."""


@dataclass(frozen=True, eq=False)
class Fill:
    """The constant fill of a volume.

    Attributes:
        mask: Where it is, of the volume's shape.
        values: Its values, with the number of voxels that each has.
    """

    mask: NDArray[np.bool_]
    values: dict[float, int] = field(default_factory=dict)


def find_fill(array: NDArray) -> Fill:
    """Return the constant regions at the faces of a volume that are not anatomy.

    A region of one value is a fill if it holds three of the four corners of its slices; or if it is flat amid noise; or
    if it is far brighter than the rest and holds a corner. Saturated anatomy, flat tissue and smooth images of few gray
    levels are none of these.

    Args:
        array: Finite values, axes in any order.
    """
    fill, tried = Fill(np.zeros_like(array, bool)), set()
    while len(fill.values) < MOST_VALUES:
        candidates = list(_candidates(array, fill.mask))
        value = next((v for v in candidates if v not in tried and not tried.add(v)), None)
        if value is None:
            break
        region = _region(array, value, fill.mask)
        for others in ([v for v in candidates if v > value], [v for v in candidates if v < value]):
            if region is None and others:
                region = _region(array, value, fill.mask, aside=np.isin(array, others))
        if region is not None and region.sum() >= SMALLEST_FRACTION * array.size:
            fill.values[float(value)] = int(region.sum())
            fill.mask[region] = True
            tried = set(fill.values)  # what the new region reveals may be looked at once more
    return fill


def _candidates(array: NDArray, filled: NDArray[np.bool_]) -> Iterator[float]:
    """Yield the values that are common at the volume's faces, or at the edge of what is filled, in solid regions."""
    faces = list(zip(_faces(array), _faces(filled), strict=True))
    seen = np.concatenate([values[~done] for values, done in faces])
    twice = np.concatenate([_equal_pairs(values, done) for values, done in faces])
    if filled.any():
        yield from _common(array[_neighbors(filled) & ~filled], ON_EDGE_OF_FILL)
    values, counts = np.unique(seen, return_counts=True)
    pairs = _counts_of(values, twice)
    solid = (counts >= max(4, ON_FACES * seen.size)) & (pairs >= ALIKE * counts)
    yield from values[solid][np.argsort(-counts[solid])][:CANDIDATES].tolist()


def _faces(array: NDArray) -> list[NDArray]:
    """Return the six outer slices; `take` would copy the whole of an array that is in NIfTI's order."""
    return [np.moveaxis(array, axis, 0)[end] for axis in range(3) for end in (0, -1)]


def _common(values: NDArray, fraction: float) -> list[float]:
    found, counts = np.unique(values, return_counts=True)
    return found[counts >= max(4, fraction * values.size)].tolist()


def _equal_pairs(face: NDArray, filled: NDArray[np.bool_]) -> NDArray:
    """Return the value of every voxel of a face whose next one, along either axis, has the same."""
    after = np.zeros(face.shape, bool)
    after[:-1] |= face[1:] == face[:-1]
    after[:, :-1] |= face[:, 1:] == face[:, :-1]
    return face[after & ~filled]


def _counts_of(values: NDArray, where: NDArray) -> NDArray[np.intp]:
    found, counts = np.unique(where, return_counts=True)
    places = np.searchsorted(found, values)
    places[places == found.size] = 0
    return np.where(found[places] == values, counts[places], 0) if found.size else np.zeros(values.size, int)


def _region(
    array: NDArray, value: float, filled: NDArray[np.bool_], aside: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Return the region of a value if that is a fill, else None.

    Args:
        aside: What may be another fill, farther from the rest: without it, the value must be far from the rest itself.
    """
    value = float(value)  # uint8 less an int wraps around
    same = array == value
    neighbors = _count_neighbors(same)
    region = same & (neighbors >= 2) & _grown(same & (neighbors >= 4))
    rest = ~(same | filled) if aside is None else ~(same | filled | aside)
    if region.sum() < SMALLEST_FRACTION * array.size or not rest.any():
        return None
    others = sampled(picked(array, rest))
    tail = min(0.1, BAD_FRACTION * array.size / rest.sum())
    dark, bright, top = np.quantile(others, [2 * tail, 1 - 2 * tail, 1 - 1.2 * tail])
    if dark == bright:  # of two values, either may be the patient
        return None
    saturable = value > (dark + bright) / 2 and bool((np.abs(others - value) < EDGE * (bright - dark)).any())
    if saturable:
        region = _without_saturated(array, region, rest, value, EDGE * (bright - dark))
        if region.sum() < SMALLEST_FRACTION * array.size:
            return None
    if value >= bright:
        far = value > top + (bright - dark) / 3
        certain = _in_corners(region, region | filled, FIRST_CORNER) and _is_noisy(array, rest, dark, bright)
    elif filled.any() and 0 <= value - dark <= LIKE_AIR * (bright - dark):
        far, certain = False, False
    else:
        far = value < dark - (bright - dark) / 4
        certain = _is_noisy(array, rest, dark, bright)
    if not certain and not _in_corners(region, region, CORNERS):
        return None
    if far:
        return region if saturable else same
    return None if aside is not None else _connected(region, filled)


def _without_saturated(
    array: NDArray, region: NDArray[np.bool_], rest: NDArray[np.bool_], value: float, near: float
) -> NDArray[np.bool_]:
    """Return a region without its parts whose edge is much as bright as they are, as of saturated anatomy.

    A part that holds three corners, or a large one of whole planes, stays whatever its edge: fill may touch bright fat,
    or another fill.
    """
    parts = _parts_of(region)
    number = int(parts.max())
    edges, alike = np.zeros(number + 1), np.zeros(number + 1)
    for axis in range(3):
        inside, outside, values = (np.moveaxis(each, axis, 0) for each in (parts, rest, array))
        for here, there in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
            edge = (inside[here] > 0) & outside[there]
            of = inside[here][edge]
            edges += np.bincount(of, minlength=number + 1)
            alike += np.bincount(of, np.abs(values[there][edge] - value) < near, minlength=number + 1)
    kept = alike <= EDGE * edges
    sizes = np.bincount(parts[region], minlength=number + 1)
    for one in {int(sizes.argmax()), *np.flatnonzero(sizes > LARGE * array.size)} - set(np.flatnonzero(kept)):
        part = parts == one
        kept[one] = _in_corners(part, part, CORNERS) or (sizes[one] > LARGE * array.size and _has_planes(part))
    kept[0] = False
    return kept[parts]


def _connected(region: NDArray[np.bool_], filled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of a region that touch the volume's faces, or what is filled: not flat anatomy of its value."""
    parts = _parts_of(region)
    at_faces = [face.ravel() for face in _faces(parts)]
    kept = np.concatenate([*at_faces, parts[_neighbors(filled)]]) if filled.any() else np.concatenate(at_faces)
    return region & np.isin(parts, np.unique(kept[kept > 0]))


def _parts_of(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of the connected part of each voxel, 0 outside; in the mask's own order in memory."""
    return label(mask.T)[0].T if mask.flags.f_contiguous else label(mask)[0]


def _in_corners(region: NDArray[np.bool_], holder: NDArray[np.bool_], least: int) -> bool:
    """Return whether, along an axis, half of a region lies in slices of which `holder` has at least so many corners.

    Slices that are nothing but the region count only where most slices hold more: a scan has more of its patient than
    of empty slices.
    """
    for axis in range(3):
        slices = np.moveaxis(region, axis, 0)
        counts = np.moveaxis(holder, axis, 0)[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum(axis=1) >= least
        whole = slices.all(axis=(1, 2))
        if 2 * whole.sum() > whole.size:
            counts &= ~whole
        if slices[counts].sum() >= region.sum() / 2:
            return True
    return False


def _has_planes(part: NDArray[np.bool_]) -> bool:
    """Return whether nine in ten voxels of a part lie in planes of the volume that hold nothing else."""
    for axis in range(3):
        planes = np.moveaxis(part, axis, 0)
        if planes[planes.all(axis=(1, 2))].sum() >= 0.9 * part.sum():
            return True
    return False


def _is_noisy(array: NDArray, rest: NDArray[np.bool_], dark: float, bright: float) -> bool:
    """Return whether few neighbors have one value, among the voxels that are not as dark as air."""
    level = dark + (bright - dark) / 20
    left, right = array[..., :-1], array[..., 1:]
    tissue = rest[..., :-1] & rest[..., 1:] & (left > level) & (right > level)
    return bool((left[tissue] == right[tissue]).sum() < NOISY * tissue.sum())


def _neighbors(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return _count_neighbors(mask, beyond=False) > 0


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask and all voxels that touch it, with their corners too."""
    for axis in range(3):
        both = mask.copy(order="K")
        here, there = np.moveaxis(both, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] |= there[:-1]
        here[:-1] |= there[1:]
        mask = both
    return mask


def _count_neighbors(mask: NDArray[np.bool_], beyond: bool = True) -> NDArray[np.uint8]:
    """Return how many of the six neighbors of each voxel are in a mask; those beyond the volume count as `beyond`."""
    counts = np.zeros_like(mask, np.uint8)  # in the mask's own order in memory: to mix the two is ten times slower
    for axis in range(3):
        here, there = np.moveaxis(counts, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] += there[:-1]
        here[:-1] += there[1:]
        here[0] += beyond
        here[-1] += beyond
    return counts
