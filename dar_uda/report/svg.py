"""Figures inside the page: SVG whose names do not clash with those of another."""

import html
import re
from pathlib import Path

NAMES = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(path: str | Path, prefix: str, description: str) -> str:
    """Return the `<svg>` of a file, every id in it behind a prefix, with a description for those who cannot see it."""
    text = Path(path).read_text(encoding="utf-8")
    svg = NAMES.sub(lambda match: f"{match[1]}{prefix}-", text[text.index("<svg") :])
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(description)}"', 1)
