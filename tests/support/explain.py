"""What an app wrote when it failed: the learner's own lines of it, and the known cause."""

import re
from functools import cache
from pathlib import Path
from textwrap import dedent

from common.steps import State
from tests.support.course import text_pages

FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:,? in (?P<name>.*))?$')
ERROR = re.compile(r"^\s*[\w.]*(?:Error|Exception|Warning|Interrupt|Exit|NotFound)\b.*$")
# The line that `flask run` writes for each request.
REQUEST = re.compile(r'^.* "[A-Z]+ .* HTTP/1\.\d" \d{3} -$', re.M)
# Python begins with it what it writes of an exception.
TRACEBACK = "Traceback (most recent call last)"
# Celery says this where the module that is named after -A is missing, or has no Celery app in it.
NO_WORKER = "Unable to load celery application"
# A message of a row is looked for without its quoted and angled words, which differ.
FEW = 12


def own_trace(text: str, folders: tuple[Path, Path] | None) -> dict[str, object] | None:
    """Return the place in the learner's own files, the code there and the last line of the error.

    ``folders`` are the copy that ran, and the folder that it is a copy of.
    """
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    hangs = next((n for n, line in enumerate(lines) if "(most recent call first)" in line), None)
    starts = [n for n, line in enumerate(lines) if TRACEBACK in line]
    if hangs is not None:
        frames = [m for m in map(FRAME.match, lines[hangs:]) if m]
        return place_of(frames, folders, "", "")
    if not starts:
        return None
    block = lines[starts[-1] :]
    frames = [(n, m) for n, m in enumerate(map(FRAME.match, block)) if m]
    last = frames[-1][0] if frames else 0
    error = next((n for n in range(last + 1, len(block)) if ERROR.match(block[n])), None)
    message = block[error].strip() if error is not None else ""
    own = [(n, m) for n, m in frames if folders and is_own(m["path"], folders[0])]
    code = []
    for line in block[own[-1][0] + 1 : error] if own else []:
        if FRAME.match(line):
            break
        if line.strip(" ^~") or "SyntaxError" in message:  # else it only underlines
            code.append(line)
    return place_of([m for _, m in reversed(own)], folders, message, dedent("\n".join(code[:2])))


def place_of(
    frames: list[re.Match[str]], folders: tuple[Path, Path] | None, message: str, code: str
) -> dict[str, object] | None:
    for frame in frames:
        if folders and is_own(frame["path"], folders[0]):
            path = folders[1] / Path(frame["path"]).relative_to(folders[0])
            return {
                "path": str(path),
                "line": int(frame["line"]),
                "name": frame["name"] or "",
                "code": (code or line_of(path, int(frame["line"]))).splitlines(),
                "error": message.replace(str(folders[0]), str(folders[1])),
            }
    return {"path": "", "line": 0, "name": "", "code": [], "error": message} if message else None


def line_of(path: Path, number: int) -> str:
    """Return one line of a file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[number - 1].strip()
    except (OSError, IndexError):
        return ""


def is_own(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder) and "site-packages" not in path


@cache
def known_causes() -> list[tuple[int | None, str, str, str, list[list[str]]]]:
    """Return the rows of all tables "What goes wrong": lesson, section, cause, fix, messages."""
    found = []
    for text in text_pages():
        for row in text.rows:
            if "goes wrong" in row.section.title.lower() and len(row.cells) >= 3:
                number = row.section.step.number if row.section.step else None
                shown = filter(is_message, re.findall(r"`([^`]+)`", row.cells[0]))
                messages = [pieces(message) for message in shown]
                where = f"{row.section.page.name}, line {row.line}"
                found.append((number, where, row.cells[1], row.cells[2], messages))
    return found


def is_message(text: str) -> bool:
    """Tell what a program says from a name or a path, which any log may have."""
    return " " in text or "Error" in text or "NotFound" in text


def pieces(message: str) -> list[str]:
    """Return what is always the same in a message: what stands between its quoted words."""
    parts = re.split(r"['\"“][^'\"”]*['\"”]|[\w/]+\.html|\d+|…|<[^>]*>", message)
    return [part.strip(" .:") for part in parts if part.strip(" .:")]


def cause_of(text: str, state: State | None) -> dict[str, str] | None:
    """Return the row of NOTES that explains a message: the most telling, then newest one."""
    number = state.number if state else 6
    text = REQUEST.sub("", text)
    best: tuple[tuple[int, int], dict[str, str]] | None = None
    for lesson, where, cause, fix, messages in known_causes():
        if lesson and lesson > number:
            continue
        for message in messages:
            size = sum(map(len, message))
            worth = size, lesson or 0
            if (
                size >= FEW
                and all(part in text for part in message)
                and (not best or worth > best[0])
            ):
                best = worth, {"cause": cause, "fix": fix, "where": where}
    if not best and "SyntaxError: " in text:  # Python has many words for it, and one row is there
        return cause_of("SyntaxError: expected", state)
    return best[1] if best else None
