"""Tables to read: Markdown, LaTeX and HTML of the same cells, the best and the second best marked."""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dar_uda.jobs.files import write_beside

LATEX_SPECIAL = re.compile(r"([&%$#_{}])")
STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #ccc}"
    "th:first-child,td:first-child{text-align:left}"
)


@dataclass(frozen=True)
class Cell:
    """Text, and its rank among those compared: 1 best, 2 second best, None neither."""

    text: str
    rank: int | None = None


@dataclass
class Section:
    """A table with a title, and remarks below it."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    remarks: Sequence[str] = field(default_factory=list)


@dataclass
class Page:
    """Sections between a stamp, that says how they came about, and an explanation of the columns."""

    stamp: str
    sections: Sequence[Section]
    explanation: str


def write_page(page: Page, markdown: str | Path, latex: str | Path, html_file: str | Path) -> None:
    """Write a page in its three forms."""
    for path, rendered in ((markdown, to_markdown), (latex, to_latex), (html_file, to_html)):
        with write_beside(path) as partial:
            partial.write_text(rendered(page), encoding="utf-8")


def to_markdown(page: Page) -> str:
    """Return the page for a terminal or a README: columns aligned, best **bold**, second best _slanted_."""
    parts = [page.stamp]
    for section in page.sections:
        parts += [f"## {section.title}", _markdown_table(section)]
        parts.append("\n".join(f"- {remark}" for remark in section.remarks))
    return "\n\n".join([*filter(None, parts), page.explanation]) + "\n"


def to_latex(page: Page) -> str:
    r"""Return tables for a paper (package booktabs): best \textbf, second best \underline."""
    parts = [f"% {page.stamp}", "% needs \\usepackage{booktabs}"]
    for section in page.sections:
        columns = "l" + "r" * (len(section.header) - 1)
        rows = [_latex_row([Cell(text) for text in section.header]), r"\midrule", *map(_latex_row, section.lines)]
        body = "\n".join(["\\begin{tabular}{" + columns + "}", r"\toprule", *rows, r"\bottomrule", r"\end{tabular}"])
        remarks = " ".join(f"{_escaped(remark.replace('`', ''))}." for remark in section.remarks)
        caption = f"{_escaped(section.title)}. {_escaped(page.stamp)} {remarks}".strip()
        parts.append(f"\\begin{{table}}\n\\centering\n{body}\n\\caption{{{caption}}}\n\\end{{table}}")
    return "\n\n".join(parts) + "\n"


def to_html(page: Page) -> str:
    """Return a page of its own, with no other file: best bold, second best underlined."""
    parts = [f"<p>{html.escape(page.stamp)}</p>"]
    for section in page.sections:
        head = "".join(f"<th>{html.escape(text)}</th>" for text in section.header)
        body = "".join(f"<tr>{''.join(map(_html_cell, line))}</tr>\n" for line in section.lines)
        remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in section.remarks)
        parts.append(f"<h2>{html.escape(section.title)}</h2>\n<table>\n<tr>{head}</tr>\n{body}</table>\n")
        parts.append(f"<ul>{remarks}</ul>" if remarks else "")
    parts.append(f"<p>{html.escape(page.explanation)}</p>")
    start = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>DAR-UDA</title>'
    return f"{start}<style>{STYLE}</style></head>\n<body>\n" + "\n".join(filter(None, parts)) + "\n</body></html>\n"


def ranks(values: Sequence[float | None], *, highest_first: bool) -> list[int | None]:
    """Return 1 for the best value, 2 for the second best of at least three different ones; None for all others.

    Equal values share a rank.
    """
    there = sorted({value for value in values if value is not None}, reverse=highest_first)
    marked = {value: rank for rank, value in enumerate(there[: 1 if len(there) < 3 else 2], start=1)}
    return [marked.get(value) if len(there) > 1 else None for value in values]


def _markdown_table(section: Section) -> str:
    """Return an aligned table, the first column to the left and the others to the right."""
    marks: dict[int | None, Callable[[str], str]] = {1: "**{}**".format, 2: "_{}_".format}
    lines = [[marks.get(cell.rank, str)(cell.text) for cell in line] for line in section.lines]
    widths = [max(map(len, column)) for column in zip(section.header, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([cells[0].ljust(widths[0]), *numbers]) + " |"

    rule = "|-" + "-" * widths[0] + "-|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return "\n".join([line(section.header), rule, *map(line, lines)])


def _latex_row(cells: Sequence[Cell]) -> str:
    marks = {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}
    return " & ".join(marks.get(cell.rank, "{}").format(_escaped(cell.text)) for cell in cells) + r" \\"


def _escaped(text: str) -> str:
    return LATEX_SPECIAL.sub(r"\\\1", text)


def _html_cell(cell: Cell) -> str:
    marks = {1: "<b>{}</b>", 2: "<u>{}</u>"}
    return f"<td>{marks.get(cell.rank, '{}').format(html.escape(cell.text))}</td>"
