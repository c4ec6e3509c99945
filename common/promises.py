"""`learn.py parts STEP --promises`: at which part of a lesson each promise of it begins to hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import click

from . import lessons
from .lessons import Part
from .steps import ROOT
from .steps import Step


def find_promises(step: Step, expression: str = "") -> None:
    """Run all that the lesson promises on each of its states, and print where it begins to hold.

    Each state is tested in a process of its own: a restart in one test loses what others share.
    """
    parts = lessons.parts_of(step)
    held: dict[str, list[bool]] = {}
    for place, part in enumerate(parts):
        click.echo(f"\r\033[K{part.name} {part.title} …", nl=False, err=True)
        for name, ok in _results(part, expression).items():
            results = held.setdefault(name, [False] * len(parts))
            results[place] = ok
    click.echo("\r\033[K", nl=False, err=True)
    begins: dict[int, list[str]] = {}
    for name, results in sorted(held.items()):
        last = max((place for place, ok in enumerate(results) if not ok), default=-1)
        gaps = [parts[place].name for place in range(last) if results[place]]
        note = f"   (also at {', '.join(gaps)})" if gaps else ""
        begins.setdefault(last + 1, []).append(name + note)
    for place, part in enumerate(parts):
        click.secho(f'since("{part.code}")  {part.name} {part.title}', bold=True)
        for name in begins.get(place, ["(no promise of its own)"]):
            click.echo(f"    {name}")
    for name in begins.get(len(parts), []):
        click.secho(f"does not hold at the end: {name}", fg="red")


def _results(part: Part, expression: str) -> dict[str, bool]:
    """Return whether each test holds in the state after a part; of several values, all."""
    with tempfile.TemporaryDirectory(prefix="learn-promises-") as name:
        report = Path(name, "report.xml")
        words = ["-m", "pytest", "-q", "-n0", "--tb=no", "-pno:cacheprovider", "--whole-lesson"]
        words += [f"--step={part.code}", f"--junitxml={report}", "-o", "junit_logging=no"]
        words += ["-k", expression] if expression else []
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
        if done.returncode > 1 or not report.exists():
            raise click.ClickException(f"The tests cannot run:\n{done.stdout}{done.stderr}")
        found: dict[str, bool] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            if case.find("skipped") is not None:
                continue
            file = case.get("classname", "").removeprefix("tests.")
            test = f"{file}::{case.get('name', '').partition('[')[0]}"
            ok = case.find("failure") is None and case.find("error") is None
            found[test] = found.get(test, True) and ok
        return found
