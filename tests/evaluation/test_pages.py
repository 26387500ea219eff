from dar_uda.evaluation.cells import SCORE, Cell, Table
from dar_uda.evaluation.pages import Page, to_html, to_latex, to_markdown, write_page


def page(text):
    rows = [[Cell("a_b"), Cell(text, is_best=True)]]
    return Page("100 % & more", [Table("ct-to-mr", ["method", "Dice"], rows, ["`a_b`: <i>"])], ["x < 1", "end"])


def test_every_form_is_written_out_by_hand():
    assert to_markdown(page("0.5")) == (
        "100 % & more\n\n## ct-to-mr\n\n"
        "| method |    Dice |\n|--------|--------:|\n| a_b    | **0.5** |\n\n- `a_b`: <i>\n\n- x < 1\n- end\n"
    )
    latex = to_latex(page("5%"))
    assert r"a\_b & \textbf{5\%} \\" in latex
    assert r"\caption{ct-to-mr. 100 \% \& more a\_b: $<$i$>$.}" in latex
    assert latex.endswith("\\end{table}\n\nx $<$ 1\n\nend\n")
    assert latex.count(r"\begin{tabular}{lr}") == latex.count(r"\end{tabular}") == 1


def test_html_shows_text_as_text():
    text = to_html(page("<script>"))
    assert "<td><b>&lt;script&gt;</b></td>" in text and "<script>" not in text
    assert "`a_b`: &lt;i&gt;" in text


def test_an_interval_and_a_note_are_in_brackets_and_a_missing_value_is_a_dash():
    rows = [[Cell("a"), Cell(0.5, SCORE, (0.25, 0.75), note="3 of 4"), Cell(None, SCORE)]]
    shown = Page("stamp", [Table("t", ["method", "Dice", "ASD"], rows)], ["end"])
    assert "| a      | 0.500 [0.250, 0.750] (3 of 4) |   - |" in to_markdown(shown)
    assert r"a & 0.500 [0.250, 0.750] (3 of 4) & - \\" in to_latex(shown)
    assert "<td>a</td><td>0.500 [0.250, 0.750] (3 of 4)</td><td>-</td>" in to_html(shown)


def test_a_file_has_the_form_of_its_suffix(tmp_path):
    files = [tmp_path / f"t.{suffix}" for suffix in ("html", "md", "tex")]
    write_page(page("0.5"), files)
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert texts == [form(page("0.5")) for form in (to_html, to_markdown, to_latex)]
