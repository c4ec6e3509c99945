"""`learn.py promises`: what a state of the app promises, as text, read from the tests that ask."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import click

from . import check
from .steps import ROOT
from .steps import STEPS
from .steps import State

INTO = "docs/promises.md"
HEAD = f"""# What each step promises

A page beside the [notes](../NOTES.md#how-to-use-these-notes).

A learner's app is asked for this by `python3 learn.py check`, and for nothing else: it may have any
shape inside, be ahead of its step, and have more pages and fields. Each line is a promise; it holds
from its part to the last step. Behind it stand the requests that ask for it, with the names of the
fields, and the texts that count.

This page is made from the tests: `python3 learn.py promises --into {INTO}`
"""


def listed(state: State) -> list[dict[str, Any]]:
    """Return what a state promises, from the tests: title, part, requests, texts."""
    asking = check.Check(state, ROOT, everything=True)  # any folder: nothing is started
    words = [sys.executable, *check.PYTEST, *asking.words(), "--details"]
    done = subprocess.run(
        words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8"
    )
    for line in done.stdout.splitlines():
        if line.startswith('{"event": "promises"'):
            found: list[dict[str, Any]] = json.loads(line)["promises"]
            return found
    raise click.ClickException(f"The tests cannot be read:\n{done.stdout}{done.stderr}")


def show(state: State) -> None:
    """Print what a state promises, part by part."""
    part = ""
    for promise in listed(state):
        if promise["part"] != part:
            part = promise["part"]
            click.secho(f"\n{part} {check.title_of(promise['code'])}", bold=True)
        click.echo(f"  - {promise['title']}{later(promise)}")
        for line in details(promise):
            click.echo(f"      {line}")


def later(promise: dict[str, Any]) -> str:
    """Return the note at a promise that a usual check leaves out."""
    return " (asked by --all)" if promise["long"] else ""


def details(promise: dict[str, Any]) -> list[str]:
    """Return the requests that ask for a promise, and the texts that count."""
    lines = list(promise["requests"])
    if promise["texts"]:
        lines.append("texts: " + ", ".join(f"“{text}”" for text in promise["texts"]))
    return lines


def page() -> str:
    """Return the page of all promises, as Markdown: each at the part at which it begins."""
    lines = [HEAD]
    part, step = "", 0
    seen: set[str] = set()
    for state in STEPS:  # a promise may end before the last step
        for promise in listed(state):
            begins = int(promise["code"].partition(".")[0])
            if promise["id"] in seen or begins != state.number:
                continue
            seen.add(promise["id"])
            if begins != step:
                step, part = begins, ""
                lines.append(f"\n## Step {step}: {STEPS[step - 1].idea}\n")
            if promise["part"] != part:
                part = promise["part"]
                if "." in part:
                    lines.append(f"\n**{part} {check.title_of(promise['code'])}**\n")
            lines.append(f"- {escaped(promise['title'])}{later(promise)}")
            lines += [f"  - `{line.replace('`', '’')}`" for line in details(promise)]
    text = "\n".join(wrapped(line) for line in lines) + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def wrapped(line: str) -> str:
    """Return a line of a list in several, where it is long."""
    if not line.lstrip().startswith("- "):
        return line
    indent = " " * (line.index("- ") + 2)
    return textwrap.fill(
        line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def escaped(text: str) -> str:
    """Return a text whose angle brackets Markdown leaves alone."""
    return text.replace("<", "&lt;")


def write(path: Path) -> None:
    """Write the page of all promises."""
    path.write_text(page(), encoding="utf-8")
