"""Where the codes of messages are explained."""

import re

PAGE = "docs/questions.md"
"""Its tables have a row for every code."""
CODE = re.compile(r"\bDAR-\d{3}\b")
MOST = 3
"""Codes of one message for which a line is added."""


def explained(text: str) -> str:
    """Return a message followed by a line for each of its first codes: where the code is explained."""
    codes = list(dict.fromkeys(CODE.findall(text)))[:MOST]
    return "\n".join([text, *(f"{PAGE}#{code.lower()} explains {code}" for code in codes)])
