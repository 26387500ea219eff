"""The text of one argument of the `dar-uda` command, as a value: each function raises what argparse prints."""

import argparse
import re

from dar_uda.data.cases_table import DOMAIN
from dar_uda.plan.errors import PlanError
from dar_uda.plan.task import listed_values

STRUCTURE = re.compile("(?!(?:background|mean)$)[A-Za-z][A-Za-z0-9_-]*")
LABEL_VALUES = re.compile("[1-9][0-9]*(-[1-9][0-9]*)?(,[1-9][0-9]*(-[1-9][0-9]*)?)*")


def label_values(text: str) -> tuple[str, list[int]]:
    """Return the structure and the values of `spleen=2,3` or `bone=10-14`.

    Raises:
        argparse.ArgumentTypeError: The text has no such form.
    """
    structure, _, values = text.partition("=")
    if not STRUCTURE.fullmatch(structure) or not LABEL_VALUES.fullmatch(values):
        raise argparse.ArgumentTypeError(
            f"DAR-354: {text}: expected a structure and its values from 1, such as liver=1, spleen=2,3 or bone=10-14; "
            "a structure is letters, digits, _ and -, other than background and mean"
        )
    try:
        return structure, listed_values(values.split(","))
    except PlanError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def several_label_values(text: str) -> list[tuple[str, list[int]]]:
    """Return the structures of `liver=1,spleen=6,7` with their values; see `label_values`."""
    return [label_values(one) for one in re.split(r",(?=[^,]*=)", text)]


def tolerance(text: str) -> tuple[str, float]:
    """Return the structure and the distance in mm of `liver=3`.

    Raises:
        argparse.ArgumentTypeError: The text has no such form, or the distance is not above 0.
    """
    structure, _, millimeters = text.partition("=")
    try:
        distance = float(millimeters)
    except ValueError:
        distance = 0.0
    if not 0 < distance < float("inf"):
        raise argparse.ArgumentTypeError(f"DAR-354: {text}: expected a structure and a distance in mm, such as liver=3")
    return structure, distance


def series(text: str) -> tuple[str, str]:
    """Return the domain and the pattern of `mr=*t2*`.

    Raises:
        argparse.ArgumentTypeError: The text has no such form.
    """
    domain, _, pattern = text.partition("=")
    if not DOMAIN.fullmatch(domain) or not pattern.strip():
        raise argparse.ArgumentTypeError(f"DAR-446: {text}: expected a domain and a pattern, such as mr='*t2*'")
    return domain, pattern.strip()


def window(text: str) -> tuple[str, tuple[float, float]]:
    """Return the domain and the two values of `ct=-350,350`.

    Raises:
        argparse.ArgumentTypeError: The text has no such form, or the first value is not the lower.
    """
    domain, _, values = text.partition("=")
    try:
        low, high = map(float, values.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise argparse.ArgumentTypeError(
            f"DAR-269: {text}: expected a domain and two values, the lower first: ct=-350,350"
        )
    return domain, (low, high)


def fraction(text: str) -> float:
    """Return a number between 0 and 1, without these.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"DAR-269: {text} is not a fraction between 0 and 1, such as 0.2")
    return number


def from_zero(text: str) -> int:
    """Return a whole number that is not negative.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"DAR-261: found {text}, expected a whole number from 0")
    return int(text)
