"""`learn.py bench`: the figures of this repo, measured on this machine, in copies of the steps.

A figure that is a ratio has both of its sides measured in turn, in this run: it says the same on a
fast machine and on a slow one.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from . import changes
from . import exports
from . import outages
from . import pages
from . import starts
from . import streams
from .report import Figure
from .report import Report
from .run import Run


class Measure(NamedTuple):
    """A part of the bench, and how many seconds it takes, roughly: whole and quick."""

    take: Callable[[Run], Iterator[Figure]]
    seconds: int
    quick: int


MEASURES = {
    "start": Measure(starts.start, 25, 8),
    "pages": Measure(pages.pages, 300, 13),
    "million": Measure(pages.million, 70, 7),
    "export": Measure(exports.export, 60, 5),
    "workers": Measure(exports.workers, 60, 9),
    "report": Measure(exports.report, 30, 5),
    "away": Measure(outages.away, 15, 5),
    "killed": Measure(outages.killed, 35, 11),
    "streams": Measure(streams.streams, 60, 9),
    "changes": Measure(changes.changes, 25, 6),
}


def bench(names: tuple[str, ...], quick: bool = False, folder: Path | None = None) -> None:
    """Take these measurements, or all; print each figure as soon as it is there.

    Write bench.json and bench.svg into ``folder``, if there is one.
    """
    for name in names:
        if name not in MEASURES:
            raise click.ClickException(f"“{name}” is none of these: {', '.join(MEASURES)}.")
    if folder and not folder.is_dir():
        raise click.ClickException(f"There is no folder {folder}.")
    # So that the copies are deleted, too, when the terminal is closed.
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    chosen = {name: MEASURES[name] for name in names or MEASURES}
    plan = {name: m.quick if quick else m.seconds for name, m in chosen.items()}
    with Report(plan, quick) as report, Run(quick, report.say) as run:
        for name, measure in chosen.items():
            report.begin(name)
            for figure in measure.take(run):
                report.add(name, figure)
    report.summarize()
    if folder:
        report.write(folder)
