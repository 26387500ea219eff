"""Tables to read: Markdown, LaTeX and HTML of the same cells, the best marked."""

import html
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dar_uda.evaluation.cells import Cell, Table
from dar_uda.jobs.files import write_beside

LATEX_SPECIAL = re.compile(r"([&%$#_{}])")
STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #ccc}"
    "th:first-child,td:first-child{text-align:left}"
)


@dataclass(frozen=True)
class Page:
    """Tables between a stamp, that says how they came about, and paragraphs that explain the columns."""

    stamp: str
    tables: Sequence[Table]
    explanation: Sequence[str]


def write_page(page: Page, files: Iterable[str | Path]) -> None:
    """Write a page to each file, in the form of its suffix: `.md`, `.tex` or `.html`."""
    forms = {".md": to_markdown, ".tex": to_latex, ".html": to_html}
    for path in files:
        with write_beside(path) as partial:
            partial.write_text(forms[Path(path).suffix](page), encoding="utf-8")


def to_markdown(page: Page) -> str:
    """Return the page for a terminal or a README: columns aligned, best **bold**."""
    parts = [page.stamp]
    for table in page.tables:
        parts += [f"## {table.title}", markdown_table(table)]
        parts.append("\n".join(f"- {remark}" for remark in table.remarks))
    parts.append(
        "\n".join(textwrap.fill(text, 120, initial_indent="- ", subsequent_indent="  ") for text in page.explanation)
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def to_latex(page: Page) -> str:
    r"""Return tables for a paper (package booktabs): best \textbf."""
    parts = [f"% {page.stamp}", "% needs \\usepackage{booktabs}"]
    for table in page.tables:
        columns = "l" + "r" * (len(table.header) - 1)
        rows = [_latex_row(map(Cell, table.header)), r"\midrule", *map(_latex_row, table.rows)]
        body = "\n".join(["\\begin{tabular}{" + columns + "}", r"\toprule", *rows, r"\bottomrule", r"\end{tabular}"])
        remarks = " ".join(f"{_escaped(remark.replace('`', ''))}." for remark in table.remarks)
        caption = f"{_escaped(table.title)}. {_escaped(page.stamp)} {remarks}".strip()
        parts.append(f"\\begin{{table}}\n\\centering\n{body}\n\\caption{{{caption}}}\n\\end{{table}}")
    parts += [_escaped(text.replace("`", "")) for text in page.explanation]
    return "\n\n".join(parts) + "\n"


def to_html(page: Page) -> str:
    """Return a page of its own, with no other file: best bold."""
    parts = [f"<p>{html.escape(page.stamp)}</p>"]
    for table in page.tables:
        head = "".join(f"<th>{html.escape(text)}</th>" for text in table.header)
        body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in table.rows)
        remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in table.remarks)
        parts.append(f"<h2>{html.escape(table.title)}</h2>\n<table>\n<tr>{head}</tr>\n{body}</table>\n")
        parts.append(f"<ul>{remarks}</ul>" if remarks else "")
    parts += [f"<p>{html.escape(text)}</p>" for text in page.explanation]
    start = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>DAR-UDA</title>'
    return f"{start}<style>{STYLE}</style></head>\n<body>\n" + "\n".join(filter(None, parts)) + "\n</body></html>\n"


def markdown_table(table: Table) -> str:
    """Return an aligned table, the first column to the left and the others to the right."""
    lines = [[_written(cell, "**{}**") for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.header, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([cells[0].ljust(widths[0]), *numbers]) + " |"

    rule = "|-" + "-" * widths[0] + "-|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return "\n".join([line(table.header), rule, *map(line, lines)])


def _latex_row(cells: Iterable[Cell]) -> str:
    return " & ".join(_written(cell, r"\textbf{{{}}}", _escaped) for cell in cells) + r" \\"


def _escaped(text: str) -> str:
    return LATEX_SPECIAL.sub(r"\\\1", text).replace("<", "$<$").replace(">", "$>$")


def _html_cell(cell: Cell) -> str:
    return f"<td>{_written(cell, '<b>{}</b>', html.escape)}</td>"


def _written(cell: Cell, best: str, escaped: Callable[[str], str] = str) -> str:
    """Return value, interval and note, in the mark of the best if the cell is; a dash where there is no value."""
    interval = f" [{', '.join(cell.limits)}]" if cell.limits else ""
    note = f" ({cell.note})" if cell.note else ""
    return (best if cell.is_best else "{}").format(escaped((cell.text or "-") + interval + note))
