from dar_uda.evaluation.pages import Cell, Page, Section, ranks, to_html, to_latex, to_markdown


def test_the_two_best_of_three_and_the_best_of_two_are_ranked_and_equals_share():
    assert ranks([0.1, 0.3, 0.2, None], highest_first=True) == [None, 1, 2, None]
    assert ranks([3.0, 1.0, 1.0, 2.0], highest_first=False) == [None, 1, 1, 2]
    assert ranks([0.1, 0.2], highest_first=True) == [None, 1]
    assert ranks([0.2, None], highest_first=True) == [None, None]
    assert ranks([0.5, 0.5, 0.5], highest_first=True) == [None] * 3


def page(text):
    lines = [[Cell("a_b"), Cell(text, 1)]]
    return Page("100 % & more", [Section("ct-to-mr", ["method", "Dice"], lines, ["`a_b`: <i>"])], "end")


def test_every_form_is_written_out_by_hand():
    assert to_markdown(page("0.5")) == (
        "100 % & more\n\n## ct-to-mr\n\n"
        "| method |    Dice |\n|--------|--------:|\n| a_b    | **0.5** |\n\n- `a_b`: <i>\n\nend\n"
    )
    latex = to_latex(page("5%"))
    assert r"a\_b & \textbf{5\%} \\" in latex
    assert r"\caption{ct-to-mr. 100 \% \& more a\_b: <i>.}" in latex
    assert latex.count(r"\begin{tabular}{lr}") == latex.count(r"\end{tabular}") == 1


def test_html_shows_text_as_text():
    text = to_html(page("<script>"))
    assert "<td><b>&lt;script&gt;</b></td>" in text and "<script>" not in text
    assert "`a_b`: &lt;i&gt;" in text
