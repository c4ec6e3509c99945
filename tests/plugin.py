"""The options of the suite: on which steps a test runs, in which order, and with what others.

A test says of itself in its file since which step its subject exists, with the mark ``since(N)``,
and takes the fixture ``server`` or one that builds on it. It then runs on step N and on every later
one: the fixture ``step`` is parametrized here. pyproject.toml lists all marks.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import mysql
from common.steps import STEPS
from common.steps import Step
from common.steps import find_step
from tests.support.mariadb import the_mariadb
from tests.support.project import Project

# The order of the course; the folder deep comes last.
ORDER = (
    *("repo", "notes", "learn"),
    *("pages", "accounts", "sessions", "redirects", "posts", "speed", "markdown"),
    *("names", "unicode", "bad_input", "csrf", "migrations", "database", "admin"),
    *("exports", "api", "libraries", "factory", "settings", "wechat", "production"),
    *("browser", "accessibility", "suite"),
)

failed: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("study log")
    group.addoption("--step", help="run what this step promises: a number, a folder or a part")
    group.addoption("--deep", action="store_true", help="run the tests in tests/deep too")
    group.addoption("--mysql", action="store_true", help="run steps 3 to 6 on a MariaDB of its own")
    group.addoption("--app", metavar="DIR", help="with --step: test this folder instead of ours")
    group.addoption(
        "--on-previous-step",
        action="store_true",
        help="run each test on the step before the one that it is for, to see that it fails",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts us in the background ignores these, and our programs would inherit that.
    for name, handler in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
        number = getattr(signal, name, None)  # there is no SIGHUP on Windows
        if number and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    option = config.option
    try:
        step = find_step(option.step) if option.step else None
        if option.mysql:
            mysql.find_program(mysql.SERVER)
            Project.new_database = lambda: the_mariadb().new_database()
    except LookupError as problem:
        raise pytest.UsageError(str(problem)) from None
    if option.mysql and step and not step.database:
        raise pytest.UsageError("--mysql is for steps with a database; step 3 is the first")
    if option.app and not step:
        raise pytest.UsageError("--app needs --step, which says what is promised")
    if option.app and not Path(option.app).is_dir():
        raise pytest.UsageError(f"--app: there is no folder {option.app}")
    Project.cheap_hashes = not option.app


# On which steps a test runs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition
    mark = test.get_closest_marker("since")
    uses_step = "step" in metafunc.fixturenames
    assert bool(mark) == uses_step, f"{test.nodeid} should use a step, and say since which: both"
    if mark:
        steps = steps_of(test, mark.args[0], mark.kwargs.get("until", len(STEPS)))
        values = [pytest.param(step, id=f"step{step.number}") for step in steps]
        metafunc.parametrize("step", values, indirect=True, scope="session")


def steps_of(test: pytest.Item, since: int, until: int) -> list[Step]:
    """Return the steps on which a test runs."""
    option = test.config.option
    if option.on_previous_step:
        return [step for step in STEPS if step.number == since - 1]
    steps = [step for step in STEPS if since <= step.number <= until]
    if option.step:
        return [step for step in steps if step == find_step(option.step)]
    steps = [step for step in steps if step.database or not option.mysql]
    if test.get_closest_marker("one_step"):
        return steps[-1:]
    if about := test.get_closest_marker("about"):
        # Where no lesson touches these files, they are those of the step before, byte by byte.
        ends = (steps[0], steps[-1])
        return [step for step in steps if step in ends or any(map(step.does_touch, about.args))]
    return steps


# Which tests run, and when


@pytest.hookimpl(tryfirst=True)  # before pytest puts the tests of one step side by side
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = filter(is_wanted, items)
    # In parallel the last come first: what takes long is at the end of the course.
    is_parallel = config.option.numprocesses or hasattr(config, "workerinput")
    items.sort(key=place, reverse=bool(is_parallel))
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (step := step_of(item)):
            item.add_marker(pytest.mark.xdist_group(f"step{step.number}"))
        is_timed = item.get_closest_marker("timed") or item.get_closest_marker("slow")
        if is_timed and not config.option.on_previous_step:
            item.add_marker(pytest.mark.flaky(reruns=1))  # measure again before it counts


def is_wanted(item: pytest.Item) -> bool:
    option = item.config.option
    is_deep = item.path.parent.name == "deep"
    if is_deep and not option.deep and not any("deep" in arg for arg in item.config.args):
        return False
    if item.get_closest_marker("not_on_mysql" if option.mysql else "only_on_mysql"):
        return False
    if not (option.mysql or option.step or option.on_previous_step):
        return True
    is_for_app = not item.get_closest_marker("ours")
    return step_of(item) is not None and (is_for_app or not option.app)


def step_of(item: pytest.Item) -> Step | None:
    """Return the step that a test runs on; None if it is about the repo, or about other steps."""
    call = getattr(item, "callspec", None)
    step = call.params.get("step") if call else None
    return step if isinstance(step, Step) else None


def place(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return ORDER.index(name) if name in ORDER else len(ORDER)


# What is said of the results


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.option.on_previous_step and item.nodeid.partition("[")[0] in failed:
        pytest.skip("it has failed with other values, which is what --on-previous-step asks for")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    report = yield
    if report.failed:
        failed.add(item.nodeid.partition("[")[0])
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which does not count where CI=true: {report.longrepr[2]}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a test was measured again: it has passed then, and nobody would know."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"measured again: {report.nodeid}")
        terminalreporter.line(report.longreprtext)
