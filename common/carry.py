"""A change of some lines, carried to other states of the same file.

git's rebase stops where two changes touch neighbouring lines. Here each line is looked up in the
other state; where it is there, what replaces it goes to its place, whatever is beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from difflib import SequenceMatcher

from .patches import LINE
from .patches import Change
from .patches import Hunk

Files = Mapping[str, bytes]


def carry_all(changes: Sequence[Change], before: Files, after: Files, state: Files) -> Files:
    """Return a state of the lesson after what has changed ``before`` it, to be ``after``."""
    files = dict(state)
    for change in changes:
        path = change.path
        if change.old is None:
            files.setdefault(path, after[path])
        elif change.new is None:
            if files.get(path) == before[path]:
                del files[path]
        elif path in files:
            files[path] = carry(change.hunks, before[path], files[path])
    return files


def carry(hunks: Sequence[Hunk], before: bytes, state: bytes) -> bytes:
    """Return ``state`` with the hunks, which are for ``before``, where their lines are in it."""
    source: list[bytes] = LINE.findall(before)
    target: list[bytes] = LINE.findall(state)
    place: dict[int, int] = {}
    for block in SequenceMatcher(None, source, target, autojunk=False).get_matching_blocks():
        place |= {block.a + n: block.b + n for n in range(block.size)}
    gone: set[int] = set()
    new: dict[int, list[bytes]] = {}
    for hunk in hunks:
        old = range(hunk.first, hunk.first + len(hunk.old))
        if any(line not in place for line in old):
            continue
        if old:
            at = place[old[0]]
            gone |= {place[line] for line in old}
        elif hunk.first - 1 in place:
            at = place[hunk.first - 1] + 1
        elif hunk.first in place:
            at = place[hunk.first]
        elif not source or not target:
            at = 0
        else:
            continue
        new.setdefault(at, []).extend(hunk.new)
    lines: list[bytes] = []
    for number in range(len(target) + 1):
        lines += new.get(number, [])
        if number < len(target) and number not in gone:
            lines.append(target[number])
    return b"".join(lines)
