"""Lines of code as HTML, with the colours of highlight.css and with marks on some words."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath

from markupsafe import Markup
from markupsafe import escape
from pygments.token import STANDARD_TYPES

from common.ui.lexers import lexer_for

# A line is a list of pieces: the name of its colour in highlight.css, and its text.
Line = tuple[tuple[str, str], ...]
# From which character to which one.
Span = tuple[int, int]

LANGUAGES = {"ini": "ini", "cfg": "ini", "mako": "py", "toml": "toml", "svg": "html"}


def language_of(path: str) -> str:
    """Return the language of a file."""
    ending = PurePosixPath(path).suffix.lstrip(".").lower()
    return LANGUAGES.get(ending, ending)


@lru_cache(maxsize=1024)
def lines_of(text: str, language: str) -> tuple[Line, ...]:
    """Return the lines of a text, in coloured pieces."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    lexer = lexer_for(language)
    # Pygments takes other line ends for \n, and we do not: then the lines would not fit.
    if lexer is None or "\r" in text or "\x00" in text:
        return tuple((("", line),) for line in lines)
    found: list[list[tuple[str, str]]] = [[]]
    for kind, value in lexer.get_tokens(text):
        first, *others = value.split("\n")
        colour = STANDARD_TYPES.get(kind, "")
        found[-1].append((colour, first))
        for other in others:
            found.append([(colour, other)])
    return tuple(tuple(piece for piece in line if piece[1]) for line in found[: len(lines)])


def draw(line: Line, marks: tuple[Span, ...] = ()) -> Markup:
    """Return a line as HTML; what is in ``marks`` has changed."""
    html: list[str] = []
    at = 0
    for colour, text in line:
        cuts = {at, at + len(text)}
        cuts |= {cut for span in marks for cut in span if at < cut < at + len(text)}
        for start, end in pairwise(sorted(cuts)):
            piece = str(escape(text[start - at : end - at]))
            if any(a <= start and end <= b for a, b in marks):
                piece = f"<mark>{piece}</mark>"
            html.append(f'<span class="{colour}">{piece}</span>' if colour else piece)
        at += len(text)
    return Markup("".join(html))


def draw_block(text: str, language: str) -> Markup:
    """Return a block of code as HTML."""
    return Markup("\n").join(draw(line) for line in lines_of(text, language))
