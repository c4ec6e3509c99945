"""What the bench prints and writes: each figure with its aim, and how long it still takes."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any
from typing import Self

from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import ProgressColumn
from rich.progress import Task
from rich.progress import TextColumn
from rich.text import Text

from . import load

# What the figures depend on beside the machine.
PACKAGES = "flask", "werkzeug", "jinja2", "sqlalchemy", "celery", "gunicorn", "gevent", "redis"


@dataclass(frozen=True)
class Figure:
    """One figure: the median of ``values`` in ``unit``, and the aim that it should hold."""

    what: str
    values: list[float]
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the aim is held; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def aim(self) -> str:
        """The aim as text."""
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}"
        return "" if self.at_most is None else f"≤ {self.at_most:,g}"

    @property
    def spread(self) -> str:
        """The smallest and the largest value."""
        if len(self.values) < 2:
            return ""
        return f"{short(min(self.values))} to {short(max(self.values))}"


def short(number: float) -> str:
    """Return a number with three digits that count."""
    if abs(number) >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.{1 if abs(number) >= 10 else 2 if abs(number) >= 0.2 else 3}f}"


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load generator": load.generator(),
        "load average": [round(number, 2) for number in os.getloadavg()],
        "packages": {name: version(name) for name in PACKAGES},
    }


class TimeLeft(ProgressColumn):
    """The time that is left, of the whole bench."""

    def __init__(self, time_left: Callable[[], str]) -> None:
        super().__init__()
        self._time_left = time_left

    def render(self, task: Task) -> Text:
        """Return it as it is now."""
        return Text(self._time_left())


class Report:
    """Prints and keeps the figures; ``plan`` says how many seconds each measurement takes.

    As a context manager it shows below them, on a terminal, what is being measured.
    """

    def __init__(self, plan: dict[str, int], quick: bool) -> None:
        self.figures: list[tuple[str, Figure]] = []
        self._plan, self._quick = plan, quick
        self._current, self._pace = "", 1.0
        self._console = Console(highlight=False)
        # Where the figures go into a file, there may still be a terminal to watch.
        terminal = self._console if self._console.is_terminal else Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeLeft(self._time_left))
        self._progress = Progress(*columns, console=terminal, transient=True)
        self._shown = terminal.is_terminal
        self._task = self._progress.add_task("", total=sum(plan.values()))
        self._began = self._part_began = time.monotonic()
        self._machine = machine()

    def __enter__(self) -> Self:
        """Print what is measured where, and begin."""
        facts = self._machine
        busy = facts["load average"][0]
        self._print(
            f"{facts['cores']} cores, Python {facts['python']}, {facts['system']}, {facts['date']}."
            f" Load generator: {facts['load generator']}. Load average before: {busy:.1f}"
            + (", so other programs were busy." if busy > 0.5 else ".")
        )
        if self._quick:
            self._print("Quick: this shows that all can be measured; the figures are rough.")
        if self._shown:
            self._progress.start()
        return self

    def _print(self, what: str | Text) -> None:
        self._console.print(what, soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        """Take the progress off the terminal."""
        self._progress.stop()

    def begin(self, name: str) -> None:
        """Begin with the measurement ``name``."""
        now, finished = time.monotonic(), list(self._plan).index(name)
        if planned := sum(list(self._plan.values())[:finished]):
            self._pace = (now - self._began) / planned  # this machine may be a slow one
        self._current, self._part_began = name, now
        self.say("")
        self._print(Text(f"\n{name}", "bold"))

    def say(self, text: str) -> None:
        """Tell what is being measured, and how many seconds are left."""
        what = f"{self._current}: {text}" if text else self._current
        done = sum(self._plan.values()) - self._seconds_left()
        self._progress.update(self._task, description=what, completed=done)
        if text and not self._shown:
            print(f"[{self._time_left()}] {what} …", file=sys.stderr, flush=True)

    def _seconds_left(self) -> float:
        """Return the seconds that are left by the plan."""
        names = list(self._plan)
        rest = sum(self._plan[name] for name in names[names.index(self._current) :])
        # A part that takes longer than planned is nearly done for as long as it takes.
        here = 0.95 * self._plan[self._current]
        return rest - min((time.monotonic() - self._part_began) / self._pace, here)

    def _time_left(self) -> str:
        seconds = self._seconds_left() * self._pace if self._current else 0
        return f"{seconds // 60:.0f}:{seconds % 60:02.0f} left"

    def add(self, name: str, figure: Figure) -> None:
        """Print a figure and keep it."""
        self.figures.append((name, figure))
        value = f"{short(figure.value)} {figure.unit}".rstrip()
        line = Text(f"  {figure.what:<50} {value:>13}  {figure.spread:<16} {figure.aim:<8}")
        if figure.holds is not None and not self._quick:
            good, bad = ("yes", "NO") if self._console.options.ascii_only else ("✓", "✗")
            line.append(good if figure.holds else bad, "green" if figure.holds else "bold red")
        line.append(f"  {figure.note}" if figure.note else "", "dim")
        line.rstrip()
        self._print(line)

    def summarize(self) -> None:
        """Print how many aims are held."""
        seconds = time.monotonic() - self._began
        aims = [figure for _, figure in self.figures if figure.holds is not None]
        held = sum(figure.holds is True for figure in aims)
        text = "" if self._quick else f"{held} of {len(aims)} aims are held. "
        self._print(f"\n{text}{len(self.figures)} figures in {seconds:.0f} s.")

    def write(self, folder: Path) -> None:
        """Write bench.json, and bench.svg if Pygal is there to draw it."""
        from .chart import draw

        figures = [
            {"bench": name, **asdict(figure), "value": figure.value, "holds": figure.holds}
            for name, figure in self.figures
        ]
        data = {**self._machine, "quick": self._quick, "figures": figures}
        text = json.dumps(data, indent=1, ensure_ascii=False)
        (folder / "bench.json").write_text(f"{text}\n", encoding="utf-8")
        self._print(f"Written: {folder / 'bench.json'}")
        pages = [figure for name, figure in self.figures if name == "pages"]
        if not pages:
            return
        try:
            svg = draw([figure for figure in pages if figure.at_least])
        except ModuleNotFoundError as error:
            self._print(
                f"No drawing, since {error.name} is not installed: "
                f"{sys.executable} -m pip install -r requirements-dev.txt"
            )
            return
        (folder / "bench.svg").write_bytes(svg)
        self._print(f"Written: {folder / 'bench.svg'}")
