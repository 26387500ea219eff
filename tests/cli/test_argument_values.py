"""The text of one argument, as a value."""

import argparse

import pytest

from dar_uda.cli import values


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.label_values, "bone=10-12,20", ("bone", [10, 11, 12, 20])),
        (values.several_label_values, "liver=1,spleen=6,7", [("liver", [1]), ("spleen", [6, 7])]),
        (values.tolerance, "liver=2.5", ("liver", 2.5)),
        (values.series, "mr= *t2=a* ", ("mr", "*t2=a*")),
        (values.window, "ct=-350,350", ("ct", (-350.0, 350.0))),
        (values.fraction, "0.25", 0.25),
        (values.from_zero, "0", 0),
    ],
)
def test_a_text_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        (values.label_values, "liver=0", "DAR-354"),
        (values.several_label_values, "mean=2", "DAR-354"),
        (values.tolerance, "liver=nan", "DAR-354"),
        (values.series, "mr= ", "DAR-446"),
        (values.window, "ct=350,-350", "DAR-269"),
        (values.fraction, "1", "DAR-269"),
        (values.from_zero, "-1", "DAR-261"),
    ],
)
def test_another_text_is_refused_with_what_was_expected(read, text, code):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{code}: .*{text.strip()}.*(expected|is not)"):
        read(text)
