"""Figures inside the page: SVG whose ids do not clash with those of another figure, and parts to link to."""

import html
import re
from pathlib import Path

NAMES = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(path: str | Path, prefix: str, description: str) -> str:
    """Return the `<svg>` of a file, its ids behind `{prefix}-`, with a description for those who cannot see it."""
    text = Path(path).read_text(encoding="utf-8")
    svg = NAMES.sub(lambda match: f"{match[1]}{prefix}-", text[text.index("<svg") :])
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(description)}"', 1)


def worst_case_id(method: str) -> str:
    """Return the id of the panel with the worst case of a method, in its figure of extremes."""
    return f"worst-{method}"
