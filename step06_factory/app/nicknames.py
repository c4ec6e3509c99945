"""Usernames for new accounts, made from a nickname, which may be any text."""

from collections.abc import Iterator
from itertools import accumulate
from itertools import count

from wcwidth import iter_graphemes

from .models import USERNAME_MAX
from .names import JOINER
from .names import clean_name
from .names import is_visible

# What a name does not begin or end with.
EDGE = f"{JOINER} "


def username_candidates(nickname: str) -> Iterator[str]:
    """Yield usernames that are valid and fit: Ada, Ada 2, Ada 3 …"""
    text = "".join(c for c in nickname[:100] if c.isspace() or c == JOINER or is_visible(c))
    # Cut between graphemes only: 👩‍💻 is three code points, but one character to people.
    beginnings = list(accumulate(iter_graphemes(clean_name(text).strip(EDGE))))
    for number in count(1):
        ending = f" {number}" if number > 1 else ""
        fitting = [start for start in beginnings if len(start + ending) <= USERNAME_MAX]
        yield (fitting[-1].rstrip(EDGE) if fitting else "WeChat user") + ending
