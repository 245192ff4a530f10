import pytest

from sabotnb.text_limits import beginning, cut, within


@pytest.mark.parametrize(
    ("text", "line"), [("abcd", "abcd"), ("abcde", "abc…"), ("a\nb\x00", "a b "), ("\u2028" * 9, "   …"), ("", "")]
)
def test_a_line_is_as_long_as_the_limit_with_its_ellipsis(text, line):
    assert cut(text, 4) == line


@pytest.mark.parametrize(("text", "begun"), [("abcd", "abcd"), ("abcde", "abcd..."), ("", "")])
def test_three_dots_follow_the_beginning_of_a_longer_text(text, begun):
    assert beginning(text, 4) == begun


@pytest.mark.parametrize(("text", "shown"), [("abcd", "abcd"), ("abcde", "a..."), ("", "")])
def test_three_dots_are_within_the_limit(text, shown):
    assert within(text, 4) == shown
