"""NOTES.md and README.md say what is there: quoted code, commands, links."""

import re

import pytest
from click import Group

from common.cli import cli
from common.steps import ROOT
from common.steps import STEPS
from common.steps import find_step

PAGES = ("NOTES.md", "README.md")
FENCE = re.compile(r"^ *```(\w*) ?(\S*)\n(.*?)^ *```$", re.M | re.S)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def quotations() -> list[tuple[str, str]]:
    """The fences of NOTES.md that name a file, as (path, code)."""
    return [(path, code) for _, path, code in FENCE.findall(text_of("NOTES.md")) if path]


def test_notes_quote_code_of_every_step():
    """NOTES.md quotes code of every step."""
    quoted = {path.split("/")[0] for path, _ in quotations()}
    assert quoted == {step.folder for step in STEPS}


@pytest.mark.parametrize(("path", "code"), quotations(), ids=lambda value: value[:40])
def test_quoted_code_is_in_the_file(path, code):
    """Code that NOTES.md quotes is in the file that it names."""
    source = (ROOT / path).read_text(encoding="utf-8")
    assert code in source, f"NOTES.md quotes what is not in {path} any more:\n{code}"


@pytest.mark.parametrize("page", PAGES)
def test_named_commands_of_learn_exist(page):
    """Commands of learn.py that the texts name exist."""
    assert isinstance(cli, Group)
    used = re.findall(r"python3 learn\.py (\w+)(?: (\d))?(?: (\d))?", text_of(page))
    assert used
    for command, *steps in used:
        assert command in cli.commands, f"{page} names `learn.py {command}`, which is not there"
        for step in filter(None, steps):
            find_step(step)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """Links in the texts lead to files and headings that exist."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(page)):
        file, _, anchor = link.partition("#")
        target = ROOT / (file or page)
        assert target.exists(), f"{page} links to {file}, which is not there"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page} links to {link}, and no heading makes that anchor"


def test_every_step_has_a_chapter():
    """Every step has a chapter in NOTES.md and a line in README.md."""
    for step in STEPS:
        assert re.search(rf"^## Step {step.number} — ", text_of("NOTES.md"), re.M)
        assert step.folder in text_of("README.md")
