"""git, as the commands of learn.py use it: apart from the settings and repositories around it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import click

Files = Mapping[str, bytes]
# What would send git to another repository, as in a hook, or change the form of a diff.
VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_DIFF_OPTS", "GIT_EXTERNAL_DIFF")
# The files of a diff in the order of the course, not of the alphabet: first what others build on.
ORDER = """
requirements.txt
config.py
app/extensions.py
app/names.py
app/models.py
migrations/*
app/redirects.py
app/forms.py
app/mail.py
app/archive.py
app/leases.py
app/export_status.py
app/tasks.py
app/worker.py
celery_worker.py
app/main.py
app/auth.py
app/reset.py
app/wechat.py
app/posts.py
app/admin.py
app/exports.py
app/openapi.py
app/api.py
app/events.py
app/errors.py
app/commands.py
*.py
*/base.html
*.html
*.js
*.css
*
"""


def program() -> str:
    """Return git, or say how to get it."""
    if found := shutil.which("git"):
        return found
    raise click.ClickException(
        "This needs git: sudo apt install git (Debian, Ubuntu), xcode-select --install (Mac), "
        "https://git-scm.com/download/win (Windows)"
    )


def environment() -> dict[str, str]:
    """Return our environment without what changes git's behaviour."""
    return {name: value for name, value in os.environ.items() if name not in VARIABLES}


def run(
    *words: str | Path, cwd: Path, stdin: bytes | None = None, codes: tuple[int, ...] = (0,)
) -> bytes:
    """Run ``git …`` in a folder and return what it wrote. Any other code is an error."""
    done = subprocess.run(
        [program(), *map(str, words)], cwd=cwd, env=environment(), input=stdin, capture_output=True
    )
    if done.returncode not in codes:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise click.ClickException(f"git {words[0]} failed in {cwd}:\n{said[:500]}")
    return done.stdout


def diff_options(order: Path) -> list[str]:
    """Return the options for each diff here; writes git's order of files into ``order``."""
    patterns = [f"*{name.lstrip('*')}" for name in ORDER.split()]  # whatever folder comes before
    order.write_text("\n".join(patterns), encoding="utf-8")
    return [
        *("-c", "core.quotePath=false", "-c", "diff.context=3", "diff", f"-O{order}"),
        *("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"),
        "--diff-algorithm=histogram",
    ]


def without_hashes(diff: bytes) -> bytes:
    """Return a diff without the lines in which git names its objects, in colour or not."""
    return re.sub(rb"^(?:\x1b\[\d*m)?index [0-9a-f]+\.\.[^\n]*\n", b"", diff, flags=re.M)


def commit_all(
    repository: Path, commits: list[tuple[str, Files]], branch: str, parent: str = ""
) -> None:
    """Make these commits on a branch, each a message and all files, in one go.

    They follow ``parent``; without one the first has none.
    """
    name, mail = identity(repository)
    stream: list[bytes] = []
    for number, (message, files) in enumerate(commits):
        text = message.encode()
        stream.append(f"commit refs/heads/{branch}\ncommitter {name} <{mail}> now\n".encode())
        stream.append(f"data {len(text)}\n".encode() + text + b"\n")
        if parent and number == 0:
            stream.append(f"from {parent}\n".encode())
        stream.append(b"deleteall\n")
        for path, content in sorted(files.items()):
            head = f"M 100644 inline {path}\ndata {len(content)}\n"
            stream.append(head.encode() + content + b"\n")
    words = ("fast-import", "--quiet", "--force", "--date-format=now")
    run(*words, cwd=repository, stdin=b"".join(stream))


def identity(repository: Path) -> tuple[str, str]:
    """Return the name and the mail address for commits; git may know none on this machine."""
    found = [
        run("config", f"user.{key}", cwd=repository, codes=(0, 1)).decode().strip()
        for key in ("name", "email")
    ]
    return found[0] or "Study Log", found[1] or "study-log@localhost"


def files_of(repository: Path, commit: str) -> dict[str, bytes]:
    """Return all files of a commit by their path."""
    listing = run("ls-tree", "-rz", "--full-tree", commit, cwd=repository).decode()
    entries = [entry.partition("\t") for entry in listing.split("\0") if entry]
    names = [head.split()[2] for head, _, _ in entries]
    output = run("cat-file", "--batch", cwd=repository, stdin="\n".join([*names, ""]).encode())
    files = {}
    for _, _, path in entries:
        head, _, output = output.partition(b"\n")
        size = int(head.split()[2])
        files[path], output = output[:size], output[size + 1 :]
    return files
