"""Usernames for new accounts, made from a nickname, which may be any text."""

from collections.abc import Iterator
from itertools import accumulate
from itertools import count

from wcwidth import iter_graphemes

from .models import USERNAME_MAX
from .names import clean_name


def username_candidates(nickname: str) -> Iterator[str]:
    """Yield usernames that are valid and fit: Ada, Ada 2, Ada 3 …"""
    text = "".join(clean_name(c) or " " * c.isspace() for c in nickname[:100])
    # Cut between graphemes only: é may be two code points, but it is one character to people.
    beginnings = list(accumulate(iter_graphemes(clean_name(text))))
    for number in count(1):
        ending = f" {number}" if number > 1 else ""
        names = [start + ending for start in beginnings if len(start + ending) <= USERNAME_MAX]
        yield clean_name(names[-1] if names else "") or f"WeChat user{ending}"
