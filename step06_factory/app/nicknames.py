"""A name for who comes from elsewhere, made of a nickname that may be anything."""

import unicodedata
from collections.abc import Iterator
from itertools import count

from .names import JOINER
from .names import clean_name


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
