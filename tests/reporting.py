"""What a run says on the terminal: how far it is, how long it will take, and what it left out."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from tests.support.needed import TOOLS
from tests.support.needed import install

DURATIONS = "study-log/durations"  # in pytest's cache: how long each test took the last time


def pytest_configure(config: pytest.Config) -> None:
    if somebody_looks_on(config):
        config.pluginmanager.register(ProgressBar(config), "study log progress")
    elif os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config), "study log failures at once")


def somebody_looks_on(config: pytest.Config) -> bool:
    """Tell whether to draw: not in CI, not into a file, not where pytest is to show more."""
    option = config.option
    if not config.pluginmanager.has_plugin("terminal"):
        return False
    wants_other = option.verbose > 0 or option.capture == "no" or option.usepdb
    return (
        sys.stdout.isatty()
        and not (os.environ.get("CI") or os.environ.get("TERM") == "dumb")
        and not (wants_other or option.collectonly or hasattr(config, "workerinput"))
    )


class FailuresAtOnce:
    """In CI, show a failure when it happens: a run that is cut off there has no summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager  # the terminal's reporter comes later

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._plugins.get_plugin("terminalreporter")
        if report.failed and terminal:
            terminal.ensure_newline()
            terminal.section(f"failed: {report.nodeid}")
            terminal.line(report.longreprtext)


class ProgressBar:
    """A line that moves, in place of pytest's dots."""

    def __init__(self, config: pytest.Config) -> None:
        from rich.console import Console
        from rich.progress import BarColumn
        from rich.progress import Progress
        from rich.progress import TextColumn
        from rich.progress import TimeRemainingColumn

        # While a test runs, pytest collects what goes to standard output: draw beside that.
        self._screen = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        self._progress = Progress(
            TextColumn("{task.percentage:3.0f} %"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=Console(file=self._screen),
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
            speed_estimate_period=3600,  # all tests so far: they differ too much for less
        )
        self._cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
        self._known: dict[str, float] = self._cache.get(DURATIONS, {}) if self._cache else {}
        self._took: Counter[str] = Counter()
        self._failed: set[str] = set()
        self._weights: dict[str, float] = {}
        self._done = 0

    def _start(self, tests: Iterable[str]) -> None:
        if not self._weights and tests:
            usual = median(self._known.values()) if self._known else 1.0
            self._weights = {test: self._known.get(name_of(test), usual) for test in tests}
            self._task = self._progress.add_task("", total=sum(self._weights.values()) or 1.0)
            self._show()
            self._progress.start()

    def _show(self, advance: float = 0) -> None:
        failed = f", {len(self._failed)} failed" if self._failed else ""
        text = f"{self._done} of {len(self._weights)} tests{failed},"
        self._progress.update(self._task, advance=advance, description=text)

    def _stop(self) -> None:
        if self._weights:
            self._progress.stop()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._start([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._start(ids)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Iterator[Any]:
        """Leave out the dot; the test counts as before."""
        category, letter, word = yield
        return (category, "", "") if self._weights else (category, letter, word)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid] += report.duration
        if report.failed and report.nodeid not in self._failed:
            self._failed.add(report.nodeid)
            self._progress.console.print(
                "FAILED", name_of(report.nodeid), style="red", markup=False
            )

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self._weights:
            self._done += 1
            self._show(advance=self._weights.get(nodeid, 0))

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        self._stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self) -> None:
        self._stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._stop()
        if self._cache and self._took:
            took = {name_of(test): round(seconds, 2) for test, seconds in self._took.items()}
            self._cache.set(DURATIONS, self._known | took)

    def pytest_unconfigure(self) -> None:
        self._stop()
        self._screen.close()


def name_of(test: str) -> str:
    """Return the name of a test without the group that pytest-xdist adds to it: …@step3."""
    name, _, group = test.rpartition("@")
    return name if name and not group.endswith("]") else test


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was skipped, and what installs what is missing."""
    skipped = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
    )
    if not skipped:
        return
    missing = [tool for tool in TOOLS if tool.reason in skipped]
    named = {tool.reason: f"no {tool.name}" for tool in missing}
    why = "; ".join(f"{named.get(reason, reason)} ({n})" for reason, n in skipped.items())
    total = skipped.total()
    line = f"{total} {'test was' if total == 1 else 'tests were'} skipped: {why}."
    if command := install(missing):
        line += f" This installs what is missing: {command}"
    terminalreporter.line(line, yellow=True)
