"""What is on the pages of the tour: their order, their texts, what a part changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from common import lessons
from common.lessons import Part
from common.steps import STEPS
from common.steps import Step

from . import changes
from . import notes
from .changes import File
from .notes import Linker
from .notes import Section

# The sections of a chapter that stand before the parts.
FIRST = ("What you will have", "The idea", "Run it", "See it")


@dataclass(frozen=True)
class Group:
    """Parts of a lesson under one title, and what the notes say of them together."""

    title: str
    parts: list[Part]
    text: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class PartPage:
    """A part: its text, and what it changes."""

    part: Part
    anchor: str
    text: Markup | None  # None where nobody has written it yet
    files: list[File]
    quoted: dict[str, str]  # by the name of a line, where the text quotes it

    @property
    def replaces(self) -> bool:
        """Whether lines are replaced, and can be shown in one column or two."""
        blocks = (block for file in self.files for hunk in file.hunks for block in hunk.blocks)
        return any(block.kind == "replaced" for block in blocks)

    @property
    def indents(self) -> bool:
        """Whether lines are indented anew, and can be left out."""
        return any(line.only_space for file in self.files for line in file.lines)


@dataclass(frozen=True)
class LessonPage:
    """A lesson: what comes before its parts, the parts, and what comes after them."""

    step: Step
    title: str
    anchor: str
    begin: Markup
    groups: list[Group]
    end: Markup


def groups_of(step: Step) -> list[Group]:
    """Return the parts of a lesson under the titles of their groups."""
    parts = groupby(lessons.parts_of(step), key=lambda part: part.group)
    return [Group(title, list(some)) for title, some in parts]


def address_of(part: Part) -> str:
    """Return the address of the page of a part."""
    return f"/{part.number}/{part.place}"


def part_page(part: Part, to: Linker) -> PartPage:
    """Return what is on the page of a part."""
    files = changes.of_part(part)
    texts = notes.texts()
    if (sections := texts.pages.get(address_of(part))) is None:
        return PartPage(part, "title", None, files, {})
    shown = frozenset(line.id for file in files for line in file.lines)
    # The heading is that of the page.
    text, quotes = texts.html(_without_heading(sections), to, up=2, part=part, shown=shown)
    quoted = {
        f"{quote.path}-L{number}": quote.anchor for quote in quotes for number in quote.numbers
    }
    return PartPage(part, sections[0].anchor, text, files, quoted)


def lesson_page(step: Step, to: Linker) -> LessonPage:
    """Return what is on the page of a lesson."""
    texts = notes.texts()
    title, anchor = f"Step {step.number} — {step.idea}", ""
    begin: list[Section] = []
    end: list[Section] = []
    of_groups: dict[str, Section] = {}
    for section in texts.pages.get(f"/{step.number}", []):
        if section.level == 2:
            title, anchor = section.title, section.anchor
            begin.extend(_without_heading([section]))
        elif found := notes.GROUP.match(section.title):
            of_groups[found[1]] = section
        else:
            # The parts stand where a reader has seen what the lesson is about.
            (begin if section.title in FIRST and not end else end).append(section)
    groups = []
    for group in groups_of(step):
        if about := of_groups.get(group.title.partition(" ")[0]):
            text, _ = texts.html(_without_heading([about]), to)
            groups.append(Group(group.title, group.parts, text, about.anchor))
        else:
            groups.append(group)
    html_begin, html_end = (texts.html(sections, to)[0] for sections in (begin, end))
    return LessonPage(step, title, anchor, html_begin, groups, html_end)


def _without_heading(sections: Sequence[Section]) -> list[Section]:
    found = []
    for section in sections:
        ends = [at for at, t in enumerate(section.tokens) if t.type == "heading_close"]
        tokens = section.tokens[ends[0] + 1 :]
        found.append(Section(section.title, section.level, "", section.page, tokens, section.file))
    return found[:1] + list(sections[1:])


def titles() -> defaultdict[str, str]:
    """Return what each page is called, in the order of the texts; nothing for those without one."""
    found = defaultdict(str)
    for page, sections in notes.texts().pages.items():
        found[page] = notes.CHAPTER.sub("", sections[0].title)
    return found


def order() -> list[str]:
    """Return the addresses of all lessons and parts, in the order of the course."""
    found = []
    for step in STEPS:
        found.append(f"/{step.number}")
        found += [address_of(part) for part in lessons.parts_of(step)]
    return found


def neighbours(page: str) -> tuple[str | None, str | None]:
    """Return the pages before and after a page of the course."""
    pages = order()
    if page not in pages:
        return None, None
    at = pages.index(page)
    return (pages[at - 1] if at else None), (pages[at + 1] if at + 1 < len(pages) else None)


def title_of(page: str) -> str:
    """Return what a page of the course is called in a link."""
    number, _, place = page.strip("/").partition("/")
    step = STEPS[int(number) - 1]
    if not place:
        return f"Lesson {number}: {step.idea}"
    part = lessons.parts_of(step)[int(place) - 1]
    return f"{part.name} {part.title}"
