"""MkDocs hook: the site's pages lie where they lie in the repository, so that a link leads to the same page in both."""

import html
import re
from pathlib import Path, PurePosixPath

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
NAMES = ("*.md", "results/*.md", "images/*", "site.css")
PAGES = (
    "README.md",
    "config/README.md",
    "benchmarks/README.md",
    "docs/*.md",
    "docs/results/*.md",
    "docs/images/*",
    "docs/site.css",
)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)\)")
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.+?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages of the whole repository in the place of those of docs/."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for pattern in PAGES:
        for path in sorted(REPOSITORY.glob(pattern)):
            name = path.relative_to(REPOSITORY).as_posix()
            files.append(File(name, str(REPOSITORY), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Leave of a link to a file that is no page, such as a module, its text alone."""

    def linked(match: re.Match[str]) -> str:
        path = REPOSITORY / PurePosixPath(page.file.src_uri).parent / match[2]
        name = path.resolve().relative_to(REPOSITORY).as_posix() if path.exists() else None
        return match[0] if name is None or files.get_file_from_path(name) else match[1]

    return LINK.sub(linked, markdown)


def on_page_content(content: str, **_: object) -> str:
    """Write equations as MathML, which browsers draw without a script."""

    def drawn(match: re.Match[str]) -> str:
        return convert(html.unescape(match[2]), display="block" if match[1] == "div" else "inline")

    return EQUATION.sub(drawn, content)
