"""Words, found in the texts of the course, in its code and in the glossary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common import lessons
from common.lessons import Part
from common.steps import STEPS

from . import changes
from . import notes
from . import pages

MOST = 50  # of each kind; who finds more types another word
AROUND = 90  # characters of a text beside what is found


@dataclass(frozen=True)
class Hit:
    """A place where all words are: its page, what it is called, and some text around it."""

    kind: str
    page: str
    fragment: str
    title: str
    text: str


def search(query: str) -> dict[str, list[Hit]]:
    """Return where all words of the query are, by kind."""
    words = query.lower().split()
    found: dict[str, list[Hit]] = {"glossary": [], "texts": [], "code": []}
    if not words:
        return found
    for hit in entries():
        place = found[hit.kind]
        if len(place) < MOST and all(word in f"{hit.title} {hit.text}".lower() for word in words):
            text = _around(hit.text, words[0]) if hit.kind == "texts" else hit.text
            place.append(Hit(hit.kind, hit.page, hit.fragment, hit.title, text))
    return found


def entries() -> Iterator[Hit]:
    """Yield everything that can be found, in the order of the course."""
    texts = notes.texts()
    for page, sections in texts.pages.items():
        for section in sections:
            if section.anchor == "glossary":
                for term, *others in notes.rows_of(section):
                    yield Hit("glossary", page, section.anchor, term, " · ".join(others))
            else:
                is_part = notes.PART.match(section.title)
                title = section.title if is_part or section.level < 3 else _titled(page, section)
                yield Hit("texts", page, "" if is_part else section.anchor, title, section.text)
    for step in STEPS:
        for part in lessons.parts_of(step):
            page = pages.address_of(part)
            if page not in texts.pages:
                yield Hit("texts", page, "", f"{part.name} {part.title}", "")
            for file in changes.of_part(part):
                for line in file.lines:
                    if line.sign == "+" and line.text.strip():
                        title = f"{part.name} {file.path}, line {line.number}"
                        yield Hit("code", page, line.id, title, line.text.strip())


def index() -> tuple[list[Hit], list[tuple[Part, list[str]]]]:
    """Return what one can look through without a search: terms, and the files of each part."""
    terms = [hit for hit in entries() if hit.kind == "glossary"]
    parts = lessons.all_parts()
    return terms, [(part, [file.path for file in changes.of_part(part)]) for part in parts]


def _titled(page: str, section: notes.Section) -> str:
    """Return a title with that of what it is in: each lesson has an idea."""
    top = notes.texts().pages[page][0].title
    return f"{top.partition(' — ')[0]}: {section.title}"


def _around(text: str, word: str) -> str:
    """Return the text around the first place of a word, in one line."""
    at = max(text.lower().find(word), 0)
    start, end = max(at - AROUND, 0), at + len(word) + AROUND
    # No half words at either end.
    start = text.find(" ", start, at) + 1 if start else 0
    end = max(text.rfind(" ", at + len(word), end), at + len(word)) if end < len(text) else end
    words = " ".join(text[start:end].split())
    return ("… " if start else "") + words + (" …" if end < len(text) else "")
