"""What the parser of the command says to an option of earlier versions."""

import pytest

from dar_uda.cli.arguments import parser
from dar_uda.plan.renamed import names

NEEDED = {"cases": ["chaos", ".", "-o", "x"], "export": ["masks", "-o", "x"], "predict": ["bundle", "a.nii", "-o", "x"]}
RENAMED = [row for row in names() if row.kind == "option" and row.before]


@pytest.mark.parametrize("row", RENAMED, ids=lambda row: row.before)
@pytest.mark.parametrize("value", [" 0.3", "=0.3"])
def test_an_old_option_is_refused_with_the_present_one(row, value, capsys):
    _, command, option = row.before.split()
    with pytest.raises(SystemExit):
        parser().parse_args([command, *NEEDED[command], *f"{option}{value}".split()])
    assert f"; {option} is now {row.name.split()[-1]}\n" in capsys.readouterr().err


def test_another_unknown_option_is_refused_as_ever(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["export", "masks", "-o", "x", "--licenze"])
    assert capsys.readouterr().err.endswith("error: unrecognized arguments: --licenze\n")


def test_an_old_option_is_named_where_its_value_is_taken_for_another_word(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["cases", "--test-share", "0.2", "chaos", ".", "-o", "x"])
    assert capsys.readouterr().err.endswith("; --test-share is now --test-fraction\n")
