"""What the column `split` of a cases table makes of a case."""

GROUPS = {"train": ("train",), "test": ("test",), "both": ("train", "test", "both")}
"""The groups of a case, by its value in the column: trainings see the group `train`, methods segment the group `test`.

A target's cases of `both` are in training without their labels, which score the masks.
"""


def is_in(split: str, group: str) -> bool:
    """Return whether a case with this value in the column is in a group; with any other value it is in none."""
    return group in GROUPS.get(split, ())
