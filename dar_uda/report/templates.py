"""The templates of the page, and how they are filled."""

import hashlib
from math import isnan
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).parent / "page"


def render(**values: Any) -> str:
    """Return the page with these values in it, all escaped but the drawings, which matplotlib escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "mebibytes": mebibytes}
    return environment.get_template("page.html").render(**values)


def template_version() -> str:
    """Return a digest of the templates, for which a report is made again as for changed code."""
    files = sorted(TEMPLATES.iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def duration(seconds: float) -> str:
    """Return a time as people say it: `42 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def mebibytes(amount: float) -> str:
    """Return a whole number, a dash where nothing was measured."""
    return "–" if isnan(amount) else f"{amount:.0f}"
