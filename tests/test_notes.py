"""The texts of the course are true: code, commands and what they print, links, figures."""

import re
from collections import Counter

import pytest
from click import Group

from common.cli import cli
from common.steps import ROOT
from common.steps import STEPS
from common.steps import find_step
from tests.support.course import Page
from tests.support.course import all_pages
from tests.support.course import anchor
from tests.support.course import find_section
from tests.support.course import page
from tests.support.course import text_pages
from tests.support.figures import compute
from tests.support.figures import figures
from tests.support.figures import value_of

NOTES = ROOT / "NOTES.md"


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


LONG_LINES = {NOTES, ROOT / "README.md", ROOT / "docs" / "promises.md"}  # the last is made


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
