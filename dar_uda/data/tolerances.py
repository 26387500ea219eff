"""How far surfaces may lie apart and still agree, in words."""

from collections.abc import Iterable


def tolerances_in_words(structures: Iterable[str], tolerances: Iterable[float | None]) -> str:
    """Return the tolerances of the NSD for those who read it: `NSD tolerance: liver 5 mm, spleen 3 mm.`"""
    known = [f"{name} {one:g} mm" for name, one in zip(structures, tolerances, strict=True) if one is not None]
    return f"NSD tolerance: {', '.join(known)}."
