"""The examples in the texts are true: code, commands, what they print. Sybil finds them."""

import pytest

from common.steps import ROOT
from common.steps import STEPS
from tests.support.course import missing_lines
from tests.support.examples import all_excerpts
from tests.support.examples import examples
from tests.support.examples import excerpts
from tests.support.examples import type_section
from tests.support.examples import typed_sections
from tests.support.typed import Differs
from tests.support.typed import Terminal
from tests.support.typed import pattern_of
from tests.support.typed import read_typed
from tests.support.typed import tidy

NOTES = ROOT / "NOTES.md"


# Excerpts


@pytest.mark.parametrize("example", all_excerpts(), ids=lambda example: str(example.parsed))
def test_excerpts_are_verbatim(example):
    """Code that a text shows is in the file that it names, line by line."""
    example.evaluate()


def test_every_step_is_quoted():
    """NOTES.md shows code of every step."""
    quoted = {example.parsed.section.step for example in examples(excerpts, NOTES)}
    assert quoted >= set(STEPS)


@pytest.mark.parametrize(
    ("excerpt", "is_there"),
    [
        ("a = 1\nb = 2", True),
        ("c = 3", True),  # further to the left than its source
        ("def f():\n    c = 3\n    d = 4", True),
        ("def f():\n    …\n    d = 4", True),
        ("a = 1\n# …\nd = 4", False),  # not as far to the right as the line before
        ("b = 2\na = 1", False),
        ("a = 1\nc = 3", False),
        ("a", False),  # half a line
        ("d = 4\n# …\na = 1", False),
    ],
)
def test_what_verbatim_means(excerpt, is_there):
    """An excerpt is whole lines in their order, and only a mark may stand for others."""
    source = "a = 1\nb = 2\n\ndef f():\n    c = 3\n    d = 4\n"
    assert (missing_lines(excerpt, source) is None) == is_there


# Commands


@pytest.mark.slow
@pytest.mark.parametrize("section", typed_sections(long=False), ids=str)
def test_commands_print_what_the_text_says(section):
    """What a section of a text says to type works, and prints what the text says."""
    type_section(section)


def test_how_a_block_is_read():
    """A block is commands, what goes into them, and what they print."""
    block = "$ cd x   # a folder\n$ flask shell\n>>> 1 + 1\n2\n$ echo a\na\n…\n"
    one, two, three = read_typed(block)
    assert (one.command, one.printed) == ("cd x", [])
    assert (two.command, two.python, two.printed) == ("flask shell", "1 + 1\n", ["2"])
    assert three.printed == ["a", "…"]


@pytest.mark.parametrize(
    ("text", "printed", "fits"),
    [
        ("a", "a\n", True),
        ("a", "a\nb\n", False),
        ("a\n…", "a\nb\nc\n", True),
        ("a\n…\nc", "a\nc\n", True),
        ("a …", "a 17\n", True),
        ("a …", "b 17\n", False),
        ("(a)", "(a)\n", True),
    ],
)
def test_what_three_points_stand_for(text, printed, fits):
    """Three points stand for what varies, and nothing else may differ."""
    assert bool(pattern_of(text.split("\n")).fullmatch(tidy(printed))) == fits


def test_a_terminal_notices_what_is_wrong():
    """A command that fails, or prints something else than the text says, is noticed."""
    terminal = Terminal(None)
    try:
        terminal.type("$ echo here\nhere\n")
        terminal.type("$ X=1\n")
        terminal.type("$ echo $X\n1\n")
        for wrong in ("$ echo here\nthere\n", "$ false\n", "$ python3 learn.py run 7\n"):
            with pytest.raises(Differs):
                terminal.type(wrong)
    finally:
        terminal.close()
