"""The texts of the course, as GitHub reads them: sections, anchors, fences, tables, links."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from common.steps import ROOT
from common.steps import STEPS
from common.steps import Step

MARKDOWN = MarkdownIt("commonmark").enable("table")
# Folders with texts that are not ours, or not for readers.
LEFT_OUT = {"node_modules", "instance", "__pycache__"}
STEP_TITLE = re.compile(r"Step (\d+) — ")
STEP_COMMENT = re.compile(r"^<!-- step: (\d+) -->", re.M)  # for a page that is about one step
LINK_IN_HTML = re.compile(r"<(?:a|img)\b[^>]*(?:href|src)=\"([^\"]+)\"")
PART_TITLE = re.compile(r"(\d+\.\d+) ")


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, up to the next heading."""

    page: Path
    title: str
    level: int
    anchor: str
    line: int
    step: Step | None = None
    part: str | None = None

    def __str__(self) -> str:
        return f"{self.page.name}#{self.anchor}"


@dataclass(frozen=True)
class Fence:
    """A block between two lines of backticks. Its first line names the language and more."""

    section: Section
    language: str
    rest: str
    text: str
    line: int
    # The comment <!-- afresh --> before it: what was typed so far is undone.
    afresh: bool = False

    def __str__(self) -> str:
        return f"{self.section.page.name}:{self.line}"


@dataclass(frozen=True)
class Row:
    """A row of a table, as Markdown."""

    section: Section
    cells: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"{self.section.page.name}:{self.line}"


class Page:
    """A Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.tokens = MARKDOWN.parse(self.text)
        self.sections: list[Section] = []
        self.fences: list[Fence] = []
        self.rows: list[Row] = []
        self._read()

    def _read(self) -> None:
        seen: Counter[str] = Counter()
        section = Section(self.path, "", 0, "", 1)
        step: Step | None = None
        afresh = False
        if is_about_one := STEP_COMMENT.search(self.text):
            step = STEPS[int(is_about_one[1]) - 1]
        for token, inline in zip(self.tokens, [*self.tokens[1:], None], strict=True):
            line = token.map[0] + 1 if token.map else 0
            if token.type == "heading_open":
                title = visible_text(inline)
                level = int(token.tag[1])
                if level <= 2 and not is_about_one:
                    found = STEP_TITLE.match(title)
                    step = STEPS[int(found[1]) - 1] if found else None
                found = PART_TITLE.match(title)
                part = found[1] if found and step and level == 4 else None
                section = Section(self.path, title, level, anchor(title, seen), line, step, part)
                self.sections.append(section)
            elif token.type == "fence":
                language, _, rest = token.info.strip().partition(" ")
                fence = Fence(section, language, rest.strip(), token.content, line, afresh)
                self.fences.append(fence)
            if token.type != "inline":
                afresh = token.type == "html_block" and "<!-- afresh -->" in token.content
        self.rows = list(self._table_rows())

    def _table_rows(self) -> Iterator[Row]:
        section, in_body, cells, line = None, False, [], 0
        by_line = {section.line: section for section in self.sections}
        for token in self.tokens:
            if token.type == "heading_open":
                section = by_line[token.map[0] + 1]
            elif token.type in ("tbody_open", "tbody_close"):
                in_body = token.type == "tbody_open"
            elif token.type == "tr_open":
                cells, line = [], token.map[0] + 1
            elif token.type == "inline" and in_body:
                cells.append(token.content)
            elif token.type == "tr_close" and in_body and section:
                yield Row(section, tuple(cells), line)

    @property
    def anchors(self) -> set[str]:
        """What can stand behind ``#`` in a link to this page."""
        own = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", self.text))
        return own | {section.anchor for section in self.sections}

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield the line and the target of each link and picture."""
        for token in self.tokens:
            for child in token.children or ():
                target = child.attrGet("href") or child.attrGet("src")
                if target:
                    yield (token.map[0] + 1 if token.map else 0), str(target)
            if token.type in ("html_block", "inline"):
                for target in LINK_IN_HTML.findall(token.content):
                    yield (token.map[0] + 1 if token.map else 0), target


def visible_text(inline: Token | None) -> str:
    """Return a heading as it is shown."""
    if inline is None:
        return ""
    children = inline.children or ()
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def anchor(title: str, seen: Counter[str]) -> str:
    """Return the anchor that GitHub gives a heading; a second one of the same name gets ``-1``."""
    name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name] - 1}"


@cache
def page(path: Path) -> Page:
    return Page(path)


def all_pages() -> list[Page]:
    """Every Markdown file of the repo."""
    files = [
        path
        for path in sorted(ROOT.rglob("*.md"))
        if not any(
            part.startswith(".") or part in LEFT_OUT for part in path.relative_to(ROOT).parts
        )
    ]
    return [page(path) for path in files]


def text_pages() -> list[Page]:
    """The pages that teach: NOTES.md, README.md and docs/."""
    return [found for found in all_pages() if found.path.parent in (ROOT, ROOT / "docs")]


def find_section(sections: list[Section], line: int) -> Section | None:
    """Return the section that a line is in."""
    return next((found for found in reversed(sections) if found.line <= line), None)


# Excerpts

GAP = re.compile(r"\s*(?:(?:#|//|--|\{#|<!--)\s*)?…(?:\s*(?:#\}|-->))?\s*")


def missing_lines(excerpt: str, source: str) -> str | None:
    """Return the first lines of an excerpt that are not in the source, or None if all are.

    Lines without a gap between them follow each other in the source too; ``…`` or ``# …`` marks a
    gap. An excerpt may stand further to the left than its source does, all lines alike.
    """
    chunks: list[list[str]] = [[]]
    for line in excerpt.rstrip("\n").split("\n"):
        if GAP.fullmatch(line):
            chunks.append([])
        else:
            chunks[-1].append(line)
    chunks = [chunk for chunk in chunks if any(line.strip() for line in chunk)]
    lines = source.split("\n")
    first = chunks[0][0] if chunks else ""
    # How far to the right the source is: as far as any line that is the excerpt's first one.
    shifts = {
        line[: len(line) - len(first)]
        for line in lines
        if line.endswith(first) and not line[: len(line) - len(first)].strip()
    }
    worst = chunks[0] if chunks else []
    for shift in sorted(shifts, key=len):
        at = 0
        for chunk in chunks:
            wanted = [f"{shift}{line}" if line.strip() else "" for line in chunk]
            found = find_lines(lines, wanted, at)
            if found is None:
                worst = chunk
                break
            at = found + len(chunk)
        else:
            return None
    return "\n".join(worst)


def find_lines(lines: list[str], wanted: list[str], start: int) -> int | None:
    """Return where the wanted lines begin, one after the other; None if they are not there."""
    for at in range(start, len(lines) - len(wanted) + 1):
        if [line.rstrip() for line in lines[at : at + len(wanted)]] == [w.rstrip() for w in wanted]:
            return at
    return None
