"""How commands print: what came from outside is text, and nothing but text."""

import pytest

from bridge.cli.output import console, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("grün ☁️ 1.0", "grün ☁️ 1.0"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("back\r\x08\x07", "back\\r\\x08\\x07"),
        ("right to left \u202e", "right to left \\u202e"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text, shown):
    """No event steers a terminal."""
    assert shown == plain(text)


def test_the_console_knows_no_markup_and_no_emoji_codes(capsys):
    """Brackets and colons of an event come out as they went in."""
    console().print("[red]x[/red] [/] :bomb: http://x/[1]")

    assert "[red]x[/red] [/] :bomb: http://x/[1]\n" == capsys.readouterr().out


def test_the_console_breaks_no_line(capsys):
    """What is copied from the output is what was there."""
    console().print("word " * 100)

    assert 1 == len(capsys.readouterr().out.splitlines())
