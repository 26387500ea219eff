"""A message says where its code is explained."""

from dar_uda.jobs.error_codes import explained


def test_a_message_without_a_code_stays_as_it_is():
    assert explained("out of luck") == "out of luck"


def test_a_line_says_where_each_code_is_explained_once():
    text = "DAR-017: a\nline 2: b (DAR-020), DAR-017"
    assert explained(text) == (
        f"{text}\ndocs/questions.md#dar-017 explains DAR-017\ndocs/questions.md#dar-020 explains DAR-020"
    )


def test_only_the_first_three_codes_of_a_message_have_a_line():
    lines = explained("DAR-004 DAR-001 DAR-003 DAR-002").splitlines()[1:]
    assert [line.split()[-1] for line in lines] == ["DAR-004", "DAR-001", "DAR-003"]
