"""The examples of the texts, as Sybil runs them: code that is shown, commands that are typed."""

import functools
import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.steps import ROOT
from common.steps import STEPS
from tests.support.course import Fence
from tests.support.course import Section
from tests.support.course import missing_lines
from tests.support.course import page
from tests.support.course import text_pages
from tests.support.states import folder_of
from tests.support.typed import Differs
from tests.support.typed import Terminal

sybil = pytest.importorskip("sybil", reason="`pip install -r requirements-dev.txt`: sybil")
FOLDERS = tuple(step.folder for step in STEPS)
# What takes long to start.
LONG = re.compile(
    r"celery |gunicorn|--mysql|--wechat"
    r"|learn\.py (?:run [456]|redis|test|check|bench|parts \d --save)"
)


@functools.cache
def examples(
    parser: Callable[[sybil.Document], Iterator[sybil.Region]], path: Path
) -> list[sybil.Example]:
    return list(sybil.Sybil(parsers=[parser]).parse(path))


def fences_in(document: sybil.Document, language: str) -> Iterator[tuple[sybil.Region, Fence]]:
    """Yield the fences of one language in a document of Sybil, each with its place in the text."""
    starts = [0]
    for line in document.text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for fence in page(Path(document.path)).fences:
        if fence.language == language:
            start = starts[fence.line - 1]
            end = starts[min(fence.line + fence.text.count("\n"), len(starts) - 1)]
            yield sybil.Region(start, end, parsed=fence), fence


# Code that is shown


def excerpts(document: sybil.Document) -> Iterator[sybil.Region]:
    """Find the fences that name a file after their language; a console has commands."""
    languages = {fence.language for fence in page(Path(document.path)).fences} - {"console"}
    for language in sorted(languages):
        for region, fence in fences_in(document, language):
            if fence.rest:
                region.evaluator = check_excerpt
                yield region


def check_excerpt(example: sybil.Example) -> str | None:
    """Return what is wrong with an excerpt, None if it is verbatim."""
    fence = example.parsed
    path = fence.rest.split()[0]
    if fence.section.step and not path.startswith(FOLDERS):
        file = folder_of(fence.section.step, fence.section.part) / path
    else:
        file = ROOT / path
    if not file.exists():
        return f"there is no file {path}"
    missing = missing_lines(fence.text, file.read_text(encoding="utf-8"))
    return missing and f"{path} has no such lines, one after the other:\n{missing}"


def all_excerpts() -> list[sybil.Example]:
    return [example for found in text_pages() for example in examples(excerpts, found.path)]


# Commands that are typed


def consoles(document: sybil.Document) -> Iterator[sybil.Region]:
    """Find the blocks that are typed here: ``console elsewhere`` is for another machine."""
    for region, fence in fences_in(document, "console"):
        if not fence.rest:
            region.evaluator = type_block
            yield region


def type_block(example: sybil.Example) -> str | None:
    """Type a block in the terminal of its section; return what was printed and should not be."""
    terminal = example.namespace["terminal"]
    if example.parsed.afresh:
        terminal.start_afresh()
    try:
        terminal.type(example.parsed.text)
    except Differs as problem:
        return str(problem)
    return None


def blocks_of(section: Section) -> list[sybil.Example]:
    """Return what is typed in a section."""
    return [e for e in examples(consoles, section.page) if e.parsed.section == section]


def typed_sections(*, long: bool) -> list[Section]:
    """Return the sections with something to type: those that take long, or the others."""
    sections = [section for found in text_pages() for section in found.sections]
    return [
        section
        for section in sections
        if (blocks := blocks_of(section))
        and any(LONG.search(block.parsed.text) for block in blocks) == long
    ]


def type_section(section: Section) -> None:
    """Type all blocks of a section in one terminal, one after the other."""
    blocks = blocks_of(section)
    typed = "".join(block.parsed.text for block in blocks)
    needs_redis = re.search(r"celery|gunicorn|redis|learn\.py run|flask run|\.delay\(", typed)
    terminal = Terminal(
        section.step,
        folder_of(section.step, section.part) if section.step else None,
        redis=bool(needs_redis) and "learn.py redis" not in typed,
        tables="flask db upgrade" not in typed,
    )
    try:
        for block in blocks:
            block.namespace["terminal"] = terminal
            block.evaluate()
    finally:
        terminal.close()
