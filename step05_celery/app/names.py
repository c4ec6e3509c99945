"""How names and passwords are spelled, by the standard PRECIS (RFC 8264, 8265 and 8266)."""

from precis_i18n import get_profile
from precis_i18n.profile import Profile

NICKNAME = get_profile("NicknameCasePreserved")
PASSWORD = get_profile("OpaqueString")

# Visible by the standard, but their pictures are empty.
BLANKS = str.maketrans("\u2800\U0001d159", "  ")
# Joins two emoji to one, as in 👩‍💻, and is invisible itself.
JOINER = "\u200d"


def enforce(profile: Profile, text: str) -> str:
    """Return a text as a profile spells it, or "" if the profile does not allow it."""
    if len(text) > 1000:
        return text  # too long for any name or password, and slow to look at
    try:
        return profile.enforce(text)
    except UnicodeEncodeError:
        return ""


def clean_name(text: str) -> str:
    """Return a name in its standard spelling, or "" if it is empty or hides a character."""
    return enforce(NICKNAME, text.translate(BLANKS))


def clean_password(text: str) -> str:
    """Return a password as any keyboard types it, or "" if it is empty or hides a character."""
    return enforce(PASSWORD, text)


def clean_title(text: str) -> str:
    """Strip a title, and make each gap in it one plain space."""
    return " ".join(text.split())


def is_visible(text: str) -> bool:
    """Return whether a title shows something and hides nothing: no NUL, no line end."""
    return text.replace(JOINER, "").isprintable() and any(map(clean_name, text))


def name_key(text: str) -> str:
    """Return a key that is equal for equal names: Ada, ADA and Ａｄａ are one user."""
    return (clean_name(text) or text).casefold()
