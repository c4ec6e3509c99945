"""How names and titles are spelled, and when two names are the same."""

import unicodedata

# Joins two emoji to one, as in 👩‍💻, and is invisible itself.
JOINER = "\u200d"


def clean_name(text: str) -> str:
    """Return a name in Unicode's NFKC form, each gap as one plain space."""
    return clean_title(unicodedata.normalize("NFKC", text))


def clean_title(text: str) -> str:
    """Strip a title, and make each gap in it one plain space."""
    return " ".join(text.split())


def is_visible(text: str) -> bool:
    """Return whether a text shows something and hides nothing: no NUL, no line end."""
    text = text.replace(JOINER, "")
    return text != "" and text.isprintable()


def name_key(text: str) -> str:
    """Return a key that is equal for equal names: Ada, ADA and Ａｄａ are one user."""
    return clean_name(text.replace(JOINER, "")).casefold()
