"""Names and messages as a terminal, a log or a table can hold them."""

import re

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but the line end, other ends of a line, and what turns the direction of text around."""


def shown(text: str) -> str:
    r"""Return text with control characters, and bytes that are not UTF-8, written out: `caf\xe9`, `\x1b[31m`.

    File names may hold both. A terminal would obey the former; a UTF-8 file cannot hold the latter.
    """
    text = CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def on_one_line(text: str) -> str:
    r"""Return what `shown` does, with line ends as `\n`: what comes from a file forges no line."""
    return shown(text).replace("\n", "\\n")


def shown_message(text: str) -> str:
    """Return what `shown` does, lines after the first indented: a name with a line end in it begins no message."""
    return shown(text).rstrip("\n").replace("\n", "\n  ")


def shown_name(name: str) -> str:
    """Return the name of a file on one line; two names never look alike."""
    return on_one_line(name.replace("\\", "\\\\"))
