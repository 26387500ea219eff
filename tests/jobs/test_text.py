"""What of a name or a message reaches a terminal, a log or a table."""

import logging
import os

import pytest

from dar_uda.cli.command import _failed, _Plain, _say
from dar_uda.jobs.log import job_log, start_log
from dar_uda.jobs.progress import Progress
from dar_uda.jobs.text import shown, shown_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p\xe9: \u8089 \U0001f600 1\u00d72", "p\xe9: \u8089 \U0001f600 1\u00d72"),
        ("two\nlines", "two\nlines"),
        (os.fsdecode(b"caf\xe9.nii"), r"caf\xe9.nii"),
        ("\x1b[2J\x07\r\t", r"\x1b[2J\x07\r\t"),
        ("\x9b1m\u202egpj.\u2066", r"\x9b1m\u202egpj.\u2066"),
    ],
)
def test_text_is_as_it_is_but_for_what_a_terminal_obeys_and_utf_8_cannot_hold(text, expected):
    assert shown(text) == expected


def test_names_are_one_line_and_differ_where_files_do():
    names = ["a\nb", "a\\nb", "a\x1b", "a\\x1b", os.fsdecode(b"\xe9"), "\\xe9", "\xe9"]
    assert len({shown_name(name) for name in names}) == len(names)
    assert not any("\n" in shown_name(name) for name in names)


NASTY = os.fsdecode(b"\x1b]0;x\x07caf\xe9")


def test_no_terminal_and_no_log_gets_control_characters(tmp_path, capsys):
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        start_log(tmp_path / "job.log")
        logging.warning("scan %s", NASTY)
        Progress(NASTY, 1).report(1)
        with pytest.raises(SystemExit), job_log(tmp_path / "job.log"):
            raise ValueError(NASTY)
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level
    _failed(NASTY)
    _say(NASTY)
    record = logging.LogRecord("x", logging.INFO, "", 0, NASTY, (), None)
    told = "".join(capsys.readouterr()) + (tmp_path / "job.log").read_text(encoding="utf-8") + _Plain().format(record)
    assert told.count(r"\x1b]0;x\x07caf\xe9") == 10
    assert "\x1b" not in told and "\x07" not in told
