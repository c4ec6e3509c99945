"""How names and titles are spelled, and when two names are the same."""

import unicodedata

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
