"""When two names are the same name."""

import unicodedata


def clean_name(text: str) -> str:
    """Spell a name in the one standard form of Unicode, without spaces around it."""
    return unicodedata.normalize("NFKC", text).strip()


def name_key(text: str) -> str:
    """Return what is equal for equal names: Ada, ADA and Ａｄａ are one person."""
    return clean_name(text).casefold()
