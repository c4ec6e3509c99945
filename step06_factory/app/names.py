"""How names and titles are spelled, and when two names are the same."""

import unicodedata
from collections.abc import Iterator
from itertools import count

# Joins emoji to one, as in 👩‍💻, and cannot be seen itself.
JOINER = "\u200d"


def clean_name(text: str) -> str:
    """Spell a name in the one standard form of Unicode, each gap as one plain space."""
    return clean_title(unicodedata.normalize("NFKC", text))


def clean_title(text: str) -> str:
    """Cut spaces at both ends, and make each gap one plain space."""
    return " ".join(text.split())


def is_visible(text: str) -> bool:
    """Tell whether there is something to see, and nothing hidden: no NUL, no line end."""
    text = text.replace(JOINER, "")
    return text != "" and text.isprintable()


def name_key(text: str) -> str:
    """Return what is equal for equal names: Ada, ADA and Ａｄａ are one person."""
    return clean_name(text.replace(JOINER, "")).casefold()


def fit_name(text: str, length: int) -> str:
    """Make a name of any text: only what one can see of it, and only so many characters."""
    text = "".join(c for c in text if c.isprintable() or c.isspace() or c == JOINER)
    text = clean_name(text).strip(JOINER)
    # Not within a character that is joined of several, such as 👩‍💻 or 👍🏽.
    while 0 < length < len(text) and (
        JOINER in text[length - 1 : length + 1]
        or unicodedata.category(text[length]) in ("Mn", "Mc", "Me", "Sk")
    ):
        length -= 1
    return text[:length].rstrip()


def names_like(text: str) -> Iterator[str]:
    """Yield names that are not too long: Ada, Ada 2, Ada 3 …"""
    for number in count(1):
        ending = f" {number}" if number > 1 else ""
        yield (fit_name(text, 30 - len(ending)) or "WeChat user") + ending
