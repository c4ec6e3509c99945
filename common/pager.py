"""Long texts on a terminal, a screen at a time: $GIT_PAGER, $PAGER, or less with a prompt."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress

# For less: leave at the end if it fits on the screen, keep colours, keep the text in sight; -Ps is
# its prompt.
LESS = ("-F", "-R", "-X", r"-Psspace\: on, b\: back, /word\: search, q\: leave")


def show(text: str) -> None:
    """Print a text: by a pager on a terminal, as it is into a pipe or a file."""
    command = _command() if sys.stdout.isatty() else []
    if not command:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    pager = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert pager.stdin
    with suppress(OSError):  # it was left before the end
        pager.stdin.write(text.encode(errors="replace"))
    with suppress(OSError):
        pager.stdin.close()
    while True:
        try:
            pager.wait()
            return
        except KeyboardInterrupt:  # less stays, and so do we
            continue


def _command() -> list[str]:
    """Return the pager as a command; nothing where there is none, or it is switched off."""
    words = ["less"]
    for name in ("GIT_PAGER", "PAGER"):
        if name in os.environ:
            words = shlex.split(os.environ[name])
            break
    if not words or words == ["cat"] or not (program := shutil.which(words[0])):
        return []
    if words == ["less"] and not os.environ.get("LESS"):
        words += LESS
    return [program, *words[1:]]
