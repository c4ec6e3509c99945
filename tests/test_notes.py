"""The texts of the course are true: code, commands and what they print, links, figures."""

import functools
import re
from collections import Counter
from pathlib import Path

import pytest
from click import Group
from sybil import Document
from sybil import Example
from sybil import Sybil

from common.cli import cli
from common.steps import ROOT
from common.steps import STEPS
from common.steps import find_step
from tests.support.course import Page
from tests.support.course import Section
from tests.support.course import all_pages
from tests.support.course import anchor
from tests.support.course import fences_in
from tests.support.course import find_section
from tests.support.course import missing_lines
from tests.support.course import page
from tests.support.course import text_pages
from tests.support.figures import compute
from tests.support.figures import figures
from tests.support.figures import value_of
from tests.support.states import folder_of
from tests.support.typed import Differs
from tests.support.typed import Terminal
from tests.support.typed import pattern_of
from tests.support.typed import read_typed
from tests.support.typed import tidy

NOTES = ROOT / "NOTES.md"
FOLDERS = tuple(step.folder for step in STEPS)


# Excerpts


def check_excerpt(example: Example) -> str | None:
    """Return what is wrong with an excerpt, None if it is verbatim."""
    fence = example.parsed
    path = fence.rest.split()[0]
    if path.startswith(FOLDERS):
        file = ROOT / path
    elif fence.section.step:
        file = folder_of(fence.section.step, fence.section.part) / path
    else:
        file = ROOT / path
    if not file.exists():
        return f"there is no file {path}"
    missing = missing_lines(fence.text, file.read_text(encoding="utf-8"))
    return missing and f"{path} has no such lines, one after the other:\n{missing}"


def excerpts(document: Document):
    """Find the fences that name a file after their language; to type is what is in a console."""
    languages = {fence.language for fence in page(Path(document.path)).fences} - {"console"}
    for language in sorted(languages):
        for region, fence in fences_in(document, language):
            if fence.rest:
                region.evaluator = check_excerpt
                yield region


def type_block(example: Example) -> str | None:
    """Type a block in the terminal of its section; return what was printed and should not be."""
    try:
        example.namespace["terminal"].type(example.parsed.text)
    except Differs as problem:
        return str(problem)
    return None


def consoles(document: Document):
    """Find the blocks that are typed here: ``console elsewhere`` is for another machine."""
    for region, fence in fences_in(document, "console"):
        if not fence.rest:
            region.evaluator = type_block
            yield region


@functools.cache
def examples(parser, path: Path) -> list[Example]:
    return list(Sybil(parsers=[parser]).parse(path))


def all_excerpts():
    for found in text_pages():
        for example in examples(excerpts, found.path):
            yield pytest.param(example, id=str(example.parsed))


@pytest.mark.parametrize("example", list(all_excerpts()))
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


def typed_sections():
    """Yield the sections with something to type."""
    for found in text_pages():
        sections = {example.parsed.section for example in examples(consoles, found.path)}
        for section in found.sections:
            if section in sections:
                yield pytest.param(section, id=str(section), marks=marks_of(section))


def marks_of(section: Section) -> list[pytest.MarkDecorator]:
    """Return the marks of the test of a section: a comment ``<!-- slow -->`` makes it slow."""
    text = "\n".join(page(section.page).text.split("\n")[section.line : section.line + 3])
    return [pytest.mark.slow] * ("<!-- slow -->" in text)


@pytest.mark.parametrize("section", list(typed_sections()))
def test_commands_print_what_the_text_says(section):
    """What a section of a text says to type works, and prints what the text says."""
    blocks = [e for e in examples(consoles, section.page) if e.parsed.section == section]
    upgrades = any("flask db upgrade" in block.parsed.text for block in blocks)
    state = folder_of(section.step, section.part) if section.step else None
    terminal = Terminal(section.step, state, fresh=upgrades)
    try:
        for block in blocks:
            block.namespace["terminal"] = terminal
            block.evaluate()
    finally:
        terminal.close()


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


@pytest.mark.parametrize("found", text_pages(), ids=lambda found: found.path.name)
def test_named_commands_of_learn_exist(found):
    """Commands of learn.py that the texts name exist."""
    assert isinstance(cli, Group)
    named = re.findall(r"(?:`|\$ )(?:python3 )?learn\.py (\w+)(?: (\d)\b)?(?: (\d)\b)?", found.text)
    for command, *steps in named:
        assert command in cli.commands, f"{found.path.name} names `learn.py {command}`"
        for step in filter(None, steps):
            find_step(step)


# Links


@pytest.mark.parametrize("found", all_pages(), ids=lambda found: found.path.name)
def test_links_lead_somewhere(found):
    """Links lead to files that exist, and to headings that GitHub gives that anchor."""
    lost = []
    for line, link in found.links():
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue
        file, _, fragment = link.partition("#")
        target = (found.path.parent / file).resolve() if file else found.path
        if not target.exists():
            lost.append(f"{found.path.name}:{line}: there is no {file}")
        elif fragment and target.suffix == ".md" and fragment not in page(target).anchors:
            lost.append(f"{found.path.name}:{line}: {target.name} has no #{fragment}")
    assert not lost, "\n".join(lost)


def test_anchors_are_those_of_github():
    """Anchors are made of headings as GitHub makes them."""
    seen: Counter[str] = Counter()
    titles = ["Step 1 — Routes and templates", "What's `url_for`?", "Run it", "Run it", "3.4 A, b"]
    assert [anchor(title, seen) for title in titles] == [
        "step-1--routes-and-templates",
        "whats-url_for",
        "run-it",
        "run-it-1",
        "34-a-b",
    ]


# Figures


@pytest.mark.parametrize("found", all_pages(), ids=lambda found: found.path.name)
def test_figures_are_right(found):
    """A figure with a comment that says what it counts is the one that comes out."""
    wrong = []
    named = Counter(re.findall(r"<!-- figure: (.+?) -->", found.text))
    for line, text, name in figures(found):
        named[name] -= 1
        if value_of(text) != (value := compute(name)):
            wrong.append(f"{found.path.name}:{line}: {name}: {value:g}, and the text says {text}")
    assert not wrong, "\n".join(wrong)
    assert not +named, f"no number before these comments: {+named}"


# Form


@pytest.mark.parametrize("found", text_pages(), ids=lambda found: found.path.name)
def test_lines_are_short(found):
    """Lines of the texts have 100 characters at most, but in tables, code and long links."""
    fenced = re.sub(r"(?ms)^ *```.*?^ *```$", lambda m: "\n" * m[0].count("\n"), found.text)
    if found.path in LONG_LINES:
        pytest.skip("its lines are cut when it is written anew")
    long = [
        f"{found.path.name}:{number}: {len(line)}"
        for number, line in enumerate(fenced.split("\n"), start=1)
        if len(line) > 100 and not line.lstrip().startswith("|") and " " in line[:100].strip()
    ]
    assert not long, "\n".join(long)


LONG_LINES = {NOTES, ROOT / "README.md"}


def test_every_step_has_a_chapter():
    """Every step has a chapter in NOTES.md and a line in README.md."""
    chapters = [section.step for section in page(NOTES).sections if section.level == 2]
    assert [step for step in chapters if step] == list(STEPS)
    for step in STEPS:
        assert step.folder in page(ROOT / "README.md").text


def test_side_pages_are_linked():
    """NOTES.md links every page in docs/, and each of them links back."""
    for side in (found for found in text_pages() if found.path.parent.name == "docs"):
        assert f"docs/{side.path.name}" in page(NOTES).text, f"nothing links {side.path.name}"
        assert "../NOTES.md" in side.text, f"{side.path.name} has no link back to the course"


def test_a_section_is_found_by_its_line():
    """A line belongs to the heading above it."""
    found: Page = page(NOTES)
    second = found.sections[1]
    assert find_section(found.sections, second.line) == second
    assert find_section(found.sections, second.line - 1) == found.sections[0]
