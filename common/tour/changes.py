"""What a part changes, as it is drawn: files, hunks, blocks and lines, with their marks.

Which lines come and go is said by the patch, which git has made. What is told beyond that is found
here: words that change inside a line, lines that are only indented anew, lines that have moved.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from difflib import SequenceMatcher
from functools import lru_cache

from markupsafe import Markup

from common import diff
from common import lessons
from common import patches
from common.lessons import Part
from common.steps import State

from . import colours

IMPORT = re.compile(r"(from|import) ")
WORD = re.compile(r"\w+|\s+|.")
# How much of the letters of two lines is the same, at least, where one replaces the other and words
# are marked in both.
ALIKE = 0.35
# How many letters and digits lines that have moved have together, at least; as git has it.
MOVED = 20
# Two columns where no line is longer than this: longer ones would be broken.
SHORT = 52


@dataclass(eq=False)
class Line:
    """A line of a hunk. ``number`` is that in the new file; where it is removed, in the old one."""

    path: str
    sign: str  # a space, + or -
    number: int
    text: str
    line: colours.Line
    marks: tuple[colours.Span, ...] = ()
    # It is only indented anew: the line that it replaces, or is replaced by, has the same words.
    only_space: bool = False
    twin: Line | None = None  # where it has moved from or to

    @property
    def id(self) -> str:
        """The name of the line on its page."""
        return f"{self.path}-{'R' if self.sign == '-' else 'L'}{self.number}"

    @property
    def meaning(self) -> str:
        """The sign in words, for those who hear the page; styles draw it as +, − or ⇄."""
        if self.twin:
            return "moved from" if self.sign == "+" else "moved to"
        return {" ": "", "+": "added", "-": "removed"}[self.sign]

    @property
    def kind(self) -> str:
        """The sign as a name for styles."""
        return {" ": "same", "+": "added", "-": "removed"}[self.sign]

    @property
    def html(self) -> Markup:
        """The line as HTML."""
        return colours.draw(self.line, self.marks)


@dataclass
class Block:
    """Lines of a hunk that belong together: unchanged, added, removed, or replaced by others."""

    lines: list[Line]

    @property
    def kind(self) -> str:
        """What happens to its lines."""
        signs = {line.sign for line in self.lines}
        return (
            {" ": "same", "+": "added", "-": "removed"}["".join(signs)]
            if len(signs) == 1
            else ("replaced")
        )

    @property
    def is_short(self) -> bool:
        """Whether two columns are wide enough for its lines."""
        return max(len(line.text) for line in self.lines) <= SHORT


@dataclass
class Hunk:
    """Lines that follow each other in a file, with some unchanged ones around them."""

    id: str
    blocks: list[Block]

    @property
    def lines(self) -> list[Line]:
        """All lines of its blocks."""
        return [line for block in self.blocks for line in block.lines]

    @property
    def title(self) -> str:
        """Which lines of the new file these are; of the old one where the file is gone."""
        numbers = [line.number for line in self.lines if line.sign != "-"]
        numbers = numbers or [line.number for line in self.lines]
        if len(numbers) == 1:
            return f"line {numbers[0]}"
        return f"lines {numbers[0]} to {numbers[-1]}"


@dataclass
class File:
    """What happens to a file."""

    path: str
    old_path: str | None  # None where the file is new
    is_deleted: bool
    hunks: list[Hunk]
    whole: list[Markup] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The name of the file on its page."""
        return f"file-{self.path}"

    @property
    def note(self) -> str:
        """What happens to the file as a whole."""
        if self.old_path is None:
            return "new"
        if self.is_deleted:
            return "deleted"
        return f"moved from {self.old_path}" if self.old_path != self.path else ""

    @property
    def lines(self) -> list[Line]:
        """All lines of its hunks."""
        return [line for hunk in self.hunks for line in hunk.lines]

    def count(self, sign: str) -> int:
        """Return how many lines are added or removed."""
        return sum(line.sign == sign for line in self.lines)


def of_part(part: Part) -> list[File]:
    """Return what a part changes, drawn once for all pages."""
    return _of_part(part, part.patch.stat().st_mtime_ns if part.patch.exists() else 0)


@lru_cache(maxsize=256)
def _of_part(part: Part, _: int) -> list[File]:
    before, after = lessons.files_after(lessons.state_before(part)), lessons.files_after(part)
    found = part.changes if lessons.has_series(part.step) else None
    return between(before, after, found)


@lru_cache(maxsize=8)
def of_states(old: State | None, new: State) -> list[File]:
    """Return what changes from one state of the app to any other one."""
    return between(lessons.files_after(old), lessons.files_after(new))


def between(
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
    changes: list[patches.Change] | None = None,
) -> list[File]:
    """Return the changes from some files to others, as drawn. Without ``changes`` git finds them.

    Raises click.ClickException, which says how to get it, where git is needed and missing.
    """
    if changes is None:
        changes = patches.read(diff.compare(before, after, ("a", "b"), []).encode())
    files = []
    for change in changes:
        # Where git compares two folders, it names them too, but only where a file has moved.
        moved = change.old and change.new and change.old != change.new
        old = change.old.removeprefix("a/") if change.old and moved else change.old
        new = change.new.removeprefix("b/") if change.new and moved else change.new
        path = new or old or ""
        old_lines = _lines(before, old)
        new_lines = _lines(after, new)
        hunks = _hunks(change, path, old_lines, new_lines)
        whole = [colours.draw(line) for line in new_lines]
        files.append(File(path, old, new is None, list(hunks), whole))
    all_hunks = [hunk for file in files for hunk in file.hunks]
    for hunk in all_hunks:
        mark_indents(hunk)
    mark_moves(files)
    for hunk in all_hunks:
        for block in hunk.blocks:
            mark_words(block)
    return files


def _lines(files: Mapping[str, bytes], path: str | None) -> tuple[colours.Line, ...]:
    if path is None or path not in files:
        return ()
    text = files[path].decode(errors="replace")
    return colours.lines_of(text, colours.language_of(path))


def _hunks(
    change: patches.Change,
    path: str,
    old_lines: tuple[colours.Line, ...],
    new_lines: tuple[colours.Line, ...],
) -> Iterator[Hunk]:
    shift = 0  # how far later lines have moved down
    for number, hunk in enumerate(change.hunks, 1):
        old_at, new_at = hunk.first, hunk.first + shift
        lines: list[list[Line]] = []
        last = ""
        for sign in hunk.signs:
            source, at = (old_lines, old_at) if sign == "-" else (new_lines, new_at)
            drawn = source[at]
            text = "".join(piece for _, piece in drawn)
            # A block ends where unchanged lines begin or end, and where + is followed by -.
            if not lines or (sign != last and (" " in (sign, last) or sign == "-")):
                lines.append([])
            lines[-1].append(Line(path, sign, at + 1, text, drawn))
            old_at += sign != "+"
            new_at += sign != "-"
            last = sign
        shift += len(hunk.new) - len(hunk.old)
        yield Hunk(f"{path}-hunk-{number}", [Block(some) for some in lines])


# -- Inside of lines -------------------------------------------------------------------------------


def mark_indents(hunk: Hunk) -> None:
    """Mark the white space before lines that are only indented anew."""
    old = [line for line in hunk.lines if line.sign != "+"]
    new = [line for line in hunk.lines if line.sign != "-"]
    one_side, other_side = ([line.text.strip() for line in lines] for lines in (old, new))
    matcher = SequenceMatcher(None, one_side, other_side, autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        for one, other in zip(old[a : a + size], new[b : b + size], strict=True):
            signs = one.sign + other.sign
            if signs == "-+" and one.text != other.text and one.text.strip():
                one.only_space = other.only_space = True
                one.marks, other.marks = (
                    ((0, len(line.text) - len(line.text.lstrip())),) for line in (one, other)
                )


def mark_words(block: Block) -> None:
    """Mark what has changed in lines that replace others, in their order."""
    free = [line for line in block.lines if not (line.twin or line.only_space)]
    removed = [line for line in free if line.sign == "-"]
    added = [line for line in free if line.sign == "+"]
    first = 0
    for old in removed:
        for at in range(first, len(added)):
            pieces, others = WORD.findall(old.text), WORD.findall(added[at].text)
            matcher = SequenceMatcher(None, pieces, others, autojunk=False)
            codes = matcher.get_opcodes()
            same = [piece for code, a, b, *_ in codes if code == "equal" for piece in pieces[a:b]]
            # Brackets and commas are alike in most lines.
            if 2 * _letters(same) < ALIKE * (_letters(pieces) + _letters(others)):
                continue
            codes = [code for code in codes if code[0] != "equal"]
            old.marks = _spans(pieces, [(a, b) for _, a, b, _, _ in codes])
            added[at].marks = _spans(others, [(c, d) for *_, c, d in codes])
            first = at + 1
            break


def _letters(pieces: list[str]) -> int:
    """Return how many letters and digits pieces have together."""
    return sum(len(piece) for piece in pieces if re.match(r"\w", piece))


def _spans(pieces: list[str], ranges: list[tuple[int, int]]) -> tuple[colours.Span, ...]:
    """Return where pieces of a line begin and end, in characters."""
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    return tuple((starts[a], starts[b]) for a, b in ranges if a < b)


# -- Lines that have moved -------------------------------------------------------------------------


def mark_moves(files: list[File]) -> None:
    """Mark lines that are removed in one place and added in another, in the same order."""
    removed = [line for file in files for line in file.lines if line.sign == "-"]
    added = [line for file in files for line in file.lines if line.sign == "+"]
    places: dict[str, list[int]] = defaultdict(list)
    for place, line in enumerate(removed):
        if not line.only_space:
            places[line.text.strip()].append(place)
    at = 0
    while at < len(added):
        text = added[at].text.strip()
        starts = [] if added[at].only_space or not text else places.get(text, [])
        runs = (_run(removed, start, added, at) for start in starts)
        best = max(runs, key=len, default=[])
        # Many files import the same: such a line alone has not moved.
        own = "".join(new.text for _, new in best if not IMPORT.match(new.text))
        if len(re.findall(r"\w", own)) >= MOVED:
            for old, new in best:
                old.twin, new.twin = new, old
            at += len(best)
        else:
            at += 1


def _run(old: list[Line], a: int, new: list[Line], b: int) -> list[tuple[Line, Line]]:
    """Return the pairs of lines that are the same, from two places on, each in one file."""
    pairs: list[tuple[Line, Line]] = []
    for one, other in zip(old[a:], new[b:], strict=False):
        same_files = (one.path, other.path) == (old[a].path, new[b].path)
        free = not (one.twin or other.twin or one.only_space or other.only_space)
        if not (same_files and free and one.text.strip() == other.text.strip()):
            break
        pairs.append((one, other))
    while pairs and not pairs[-1][0].text.strip():
        pairs.pop()
    return pairs
