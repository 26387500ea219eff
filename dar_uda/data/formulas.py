"""Texts that a spreadsheet would take for a formula when it opens a table."""

FORMULAS = ("=", "+", "-", "@")
"""What formulas begin with."""


def as_cell(text: str) -> str:
    """Return a text as a cell of a table: behind an apostrophe where a spreadsheet would compute with it.

    Names of files may come from strangers. What is computed can send what is in the table elsewhere.
    """
    return f"'{text}" if text.startswith(FORMULAS) else text
