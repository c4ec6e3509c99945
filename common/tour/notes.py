"""The texts of the tour: NOTES.md and docs/, by their sections, as HTML.

A section `#### 3.4 Title` is the text of a part. All other sections of a chapter are on the page of
its lesson; what is no chapter, such as the glossary, has a page of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType
from markdown_it.utils import OptionsDict
from markupsafe import Markup
from markupsafe import escape

from common.lessons import Part
from common.lessons import files_after
from common.lessons import find_state
from common.steps import ROOT
from common.ui.rendering import align_by_class
from common.ui.rendering import end_of_table

from . import colours

NOTES = ROOT / "NOTES.md"
DOCS = ROOT / "docs"
CHAPTER = re.compile(r"Step (\d+) — ")
PART = re.compile(r"(\d+)\.(\d+) ")
GROUP = re.compile(r"(\d+[A-Z]) — ")
PATCH = re.compile(r"lessons/step(\d+)/([\w-]+)\.patch")
# The HTML that the texts may have.
ALLOWED = re.compile(r"(</?(?:details|summary|br|kbd)>|<a (?:id|name)=\"[\w-]+\"></a>)")
STEP_FOLDER = re.compile(r"^step\d+_\w+/")
# A line of an excerpt that stands for lines which are left out; as tests/support/course.py has it.
GAP = re.compile(r"\s*(?:(?:#|//|--|\{#|<!--)\s*)?…(?:\s*(?:#\}|-->))?\s*")


@dataclass(frozen=True)
class Address:
    """A page of the tour, such as ``/3/4``, and a place on it."""

    page: str
    fragment: str = ""


@dataclass
class Section:
    """A heading and what stands below it, up to the next heading."""

    title: str
    level: int
    anchor: str
    page: str
    tokens: list[Token]
    file: Path

    @property
    def text(self) -> str:
        """Its words below the heading, without marks, to search in."""
        words: list[str] = []
        for before, token in zip([None, *self.tokens], self.tokens, strict=False):
            if token.type == "inline" and not (before and before.type == "heading_open"):
                words.append(_visible(token))
            elif token.type in ("fence", "code_block"):
                words.append(token.content)
            elif token.type == "html_block":  # <summary> and the like
                words.append(re.sub(r"<!--.*?-->|<[^>]+>|`", "", token.content, flags=re.S))
        return "\n".join(words)


@dataclass
class Quote:
    """Lines of a file that a text quotes: where the text has them, and which numbers they have."""

    path: str
    anchor: str
    numbers: list[int]


Linker = Callable[[Address], str]


class Texts:
    """All sections of some Markdown files, by the page of the tour that they are on."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.pages: dict[str, list[Section]] = {}
        self.anchors: dict[tuple[Path, str], Address] = {}
        self.tops: dict[Path, str] = {}
        for file in files:
            self._read(file)

    def _read(self, file: Path) -> None:
        tokens = MARKDOWN.parse(file.read_text(encoding="utf-8"))
        seen: Counter[str] = Counter()
        page = "/" if file == NOTES else f"/docs/{file.stem}"
        chapter = ""
        self.tops[file] = page
        section: Section | None = None
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "heading_open" and token.level == 0:
                title, level = _visible(following), int(token.tag[1])
                anchor = _anchor(title, seen)
                if file == NOTES and level <= 2:
                    found = CHAPTER.match(title)
                    chapter = f"/{found[1]}" if found else ""
                    page = chapter or ("/" if level == 1 else f"/text/{anchor}")
                elif chapter and level <= 4:
                    part = PART.match(title) if level == 4 else None
                    page = f"/{part[1]}/{part[2]}" if part else chapter
                section = Section(title, level, anchor, page, [], file)
                self.pages.setdefault(page, []).append(section)
                self.anchors[file, anchor] = Address(page, anchor)
            if section is not None:
                section.tokens.append(token)
                for name in re.findall(r"<a (?:id|name)=\"([^\"]+)\"", token.content):
                    self.anchors[file, name] = Address(page, name)

    def find(self, link: str, file: Path) -> Address | None:
        """Return where a link of ``file`` leads in the tour, None if the tour has no such page."""
        parts = urlsplit(link)
        target = file if not parts.path else (file.parent / unquote(parts.path)).resolve()
        if parts.fragment and (target, parts.fragment) in self.anchors:
            return self.anchors[target, parts.fragment]
        if target in self.tops:
            return Address(self.tops[target])
        if target.parent == DOCS and target.suffix in (".png", ".svg") and target.is_file():
            return Address(f"/pictures/{target.name}")
        if target.is_relative_to(ROOT):
            found = PATCH.fullmatch(target.relative_to(ROOT).as_posix())
            try:
                part = find_state(f"{int(found[1])}.{found[2]}") if found else None
            except LookupError:
                return None
            if isinstance(part, Part):
                return Address(f"/{part.number}/{part.place}", "changes")
        return None

    def html(
        self,
        sections: Sequence[Section],
        to: Linker,
        *,
        up: int = 1,
        part: Part | None = None,
        shown: frozenset[str] = frozenset(),
    ) -> tuple[Markup, list[Quote]]:
        """Return sections as HTML, with headings ``up`` ranks higher, and what they quote.

        ``part`` says in which state of the app the quoted lines are, ``shown`` which lines its
        hunks have, by their names on the page; the others are in the whole file.
        """
        quotes: list[Quote] = []
        html = []
        env: dict[str, Any] = {
            **{"to": to, "up": up, "part": part, "shown": shown, "quotes": quotes}
        }
        for section in sections:
            env["find"] = lambda link, file=section.file: self.find(link, file)
            env["anchor"], env["title"] = section.anchor, section.title
            html.append(MARKDOWN.renderer.render(section.tokens, MARKDOWN.options, env))
        return Markup("".join(html)), quotes


def texts() -> Texts:
    """Return the texts as they are now; they are read again only where they have changed."""
    files = (NOTES, *sorted(DOCS.glob("*.md")))
    return _texts(tuple((file, file.stat().st_mtime_ns) for file in files if file.is_file()))


@lru_cache(maxsize=1)
def _texts(files: tuple[tuple[Path, int], ...]) -> Texts:
    return Texts([file for file, _ in files])


def _visible(inline: Token | None) -> str:
    children = (inline.children if inline else None) or ()
    kinds = {"text": "", "code_inline": "", "softbreak": " "}
    return "".join(child.content or kinds[child.type] for child in children if child.type in kinds)


def _anchor(title: str, seen: Counter[str]) -> str:
    """Return the anchor that GitHub gives a heading; a second one of the same name gets ``-1``."""
    name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name] - 1}"


def rows_of(section: Section) -> list[list[str]]:
    """Return the rows of the tables of a section, without their heads."""
    rows: list[list[str]] = []
    in_body = False
    for token in section.tokens:
        if token.type in ("tbody_open", "tbody_close"):
            in_body = token.type == "tbody_open"
        elif token.type == "tr_open" and in_body:
            rows.append([])
        elif token.type == "inline" and in_body and token.level > 3:
            rows[-1].append(token.content.replace("`", ""))
    return rows


def find_quote(excerpt: str, lines: Sequence[str]) -> list[int]:
    """Return which lines of a file an excerpt quotes, from 1 on; none if they are not there.

    Lines follow each other as in the file, but where ``…`` stands for a gap. An excerpt may stand
    further to the left than the file has it, all lines alike.
    """
    chunks: list[list[str]] = [[]]
    for line in excerpt.rstrip("\n").split("\n"):
        if GAP.fullmatch(line):
            chunks.append([])
        else:
            chunks[-1].append(line.rstrip())
    chunks = [chunk for chunk in chunks if any(chunk)]
    if not chunks:
        return []
    stripped = [line.rstrip() for line in lines]
    first = chunks[0][0]
    shifts = {line[: len(line) - len(first)] for line in stripped if line.endswith(first)}
    for shift in sorted((s for s in shifts if not s.strip()), key=len):
        numbers: list[int] = []
        at = 0
        for chunk in chunks:
            wanted = [f"{shift}{line}" if line else "" for line in chunk]
            places = range(at, len(stripped) - len(wanted) + 1)
            found = next((n for n in places if stripped[n : n + len(wanted)] == wanted), None)
            if found is None:
                break
            at = found + len(wanted)
            numbers += range(found + 1, at + 1)
        else:
            return numbers
    return []


# -- Markdown as HTML ------------------------------------------------------------------------------

Tokens = Sequence[Token]


def _heading(
    self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType
) -> str:
    rank = max(1, int(tokens[at].tag[1]) - env["up"])
    if tokens[at].type == "heading_close":
        return f"</h{rank}>\n"
    anchor = f' id="{escape(env["anchor"])}"' if at == 0 else ""
    return f"<h{rank}{anchor}>"


def _link(self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType) -> str:
    link = str(tokens[at].attrGet("href") or "")
    if re.match(r"(https?|mailto):", link):
        return f'<a href="{escape(link)}" rel="noreferrer">'
    address = env["find"](link)
    # What the tour does not have stays as words.
    env.setdefault("open", []).append("a" if address else "span")
    return f'<a href="{escape(env["to"](address))}">' if address else "<span>"


def _end_of_link(
    self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType
) -> str:
    depth = next(n for n in range(at, -1, -1) if tokens[n].type == "link_open")
    link = str(tokens[depth].attrGet("href") or "")
    if re.match(r"(https?|mailto):", link):
        return "</a>"
    return f"</{env['open'].pop()}>"


def _image(self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType) -> str:
    words = self.renderInlineAsText(tokens[at].children or [], options, env)
    address = env["find"](str(tokens[at].attrGet("src") or ""))
    if address is None:
        return str(escape(words))
    return f'<img src="{escape(env["to"](address))}" alt="{escape(words)}">'


def _fence(self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType) -> str:
    """Return a block of code; one that quotes a file says which, and leads there."""
    token = tokens[at]
    language, _, rest = token.info.strip().partition(" ")
    shown = dedent(token.content)  # a quotation may stand further to the left than its file has it
    code = f"<code>{colours.draw_block(shown, language.lower())}</code>"
    block = f'<pre tabindex="0">{code}</pre>\n'
    part: Part | None = env["part"]
    path = STEP_FOLDER.sub("", rest.strip())
    if part is None or ("/" not in path and "." not in path):
        return block
    content = files_after(part).get(path, b"").decode(errors="replace")
    numbers = find_quote(token.content, content.split("\n"))
    anchor = f"quote-{len(env['quotes']) + 1}"
    if not numbers:
        return f"<figure><figcaption>{escape(path)}</figcaption>{block}</figure>\n"
    env["quotes"].append(Quote(path, anchor, numbers))
    lines = [f"{path}-L{number}" for number in numbers]
    target = next((line for line in lines if line in env["shown"]), f"{path}-W{numbers[0]}")
    return (
        f'<figure class="quote" id="{anchor}"><figcaption>'
        f'<a href="#{escape(target)}">{escape(path)}, line {numbers[0]}</a>'
        f"</figcaption>{block}</figure>\n"
    )


def _table(self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType) -> str:
    """Return the begin of a table and of a box around it that the keyboard can scroll."""
    env["tables"] = env.get("tables", 0) + 1
    name = f"{env['title']}, table {env['tables']}"
    box = f'<div class="table" role="region" aria-label="{escape(name)}" tabindex="0">\n'
    return box + self.renderToken(tokens, at, options, env)


def _html(self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType) -> str:
    """Return the HTML that the texts may have; any other is shown, as it would be in `…`."""
    text = re.sub(r"<!--.*?-->", "", tokens[at].content, flags=re.S)
    pieces = ALLOWED.split(text)
    for place in range(0, len(pieces), 2):
        pieces[place] = re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(pieces[place])))
    return "".join(pieces)


def _code_block(
    self: RendererHTML, tokens: Tokens, at: int, options: OptionsDict, env: EnvType
) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>\n'


def _parser() -> Any:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.push("align_by_class", align_by_class)
    rules = {
        "heading_open": _heading,
        "heading_close": _heading,
        "link_open": _link,
        "link_close": _end_of_link,
        "image": _image,
        "html_block": _html,
        "html_inline": _html,
        "fence": _fence,
        "code_block": _code_block,
        "table_open": _table,
        "table_close": end_of_table,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


MARKDOWN = _parser()
