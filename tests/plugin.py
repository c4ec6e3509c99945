"""The options of the suite: on which states a test runs, in which order, and with what others.

A test says of itself in its file since which part of the course its subject exists, with the mark
``since("3.edit")``, or ``since(3)``, which is the end of lesson 3. It takes the fixture ``server``
or one that builds on it. It then runs on that part and at the end of each step from there on: the
fixture ``step`` is parametrized here. pyproject.toml lists all marks.
"""

import os
import signal
from binascii import crc32
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import mysql
from common.lessons import Part
from common.lessons import all_parts
from common.lessons import find_state
from common.lessons import has_series
from common.lessons import parts_of
from common.lessons import position
from common.lessons import state_before
from common.steps import STEPS
from common.steps import State
from common.steps import Step
from tests.support.mariadb import the_mariadb
from tests.support.project import Project

# The order of the course; the folder deep comes last.
ORDER = (
    *("repo", "notes", "examples", "mistakes", "break", "doctor", "learn", "check", "tour"),
    *("pages", "accounts", "sessions", "redirects", "posts", "writing", "speed", "markdown"),
    *("names", "unicode", "bad_input", "csrf", "migrations", "database", "admin"),
    *("exports", "events", "api", "libraries", "factory", "settings", "wechat", "production"),
    *("browser", "accessibility", "suite"),
)

# What takes too long to be run on every state of the app.
THOROUGH = ("browser", "accessibility", "production")

# Seconds after which a test hangs: it fails, and shows where it is.
TIMEOUT = 300
DEEP_TIMEOUT = 1500

failed: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("study log")
    group.addoption("--step", help="run what this step or part promises: 3, login, 3.edit")
    group.addoption("--deep", action="store_true", help="run the tests in tests/deep too")
    group.addoption("--mysql", action="store_true", help="run steps 3 to 6 on a MariaDB of its own")
    group.addoption("--app", metavar="DIR", help="with --step: test this folder instead of ours")
    group.addoption(
        "--on-state-before",
        action="store_true",
        help="run each test on the state before the part or lesson that it is for; it should fail; "
        "with --step: what that lesson promises",
    )
    group.addoption(
        "--parts",
        action="store_true",
        help="run each test on every part from its own on, but what takes long",
    )
    group.addoption("--one-of", metavar="N", type=int, default=1, help="with --parts: one of N")
    group.addoption("--sparing", action="store_true", help="leave out what takes long")
    group.addoption(
        "--whole-lesson",
        action="store_true",
        help="with --step=PART: run what any part of its lesson promises",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts us in the background ignores these, and our programs would inherit that.
    for name, handler in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
        number = getattr(signal, name, None)  # there is no SIGHUP on Windows
        if number and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    option = config.option
    try:
        step = find_state(option.step) if option.step else None
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


# On which states a test runs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition
    mark = test.get_closest_marker("since")
    uses_step = "step" in metafunc.fixturenames
    assert bool(mark) == uses_step, f"{test.nodeid} should use a step, and say since which: both"
    if mark:
        since, until = place(mark.args[0]), place(mark.kwargs.get("until", len(STEPS)))
        states = states_of(test, since, until)
        values = [pytest.param(state, id=name_of(state)) for state in states]
        metafunc.parametrize("step", values, indirect=True, scope="session")


def place(where: int | str) -> State:
    """Return the state that a mark names: 3, or 3.edit."""
    try:
        state = find_state(str(where))
    except LookupError as problem:
        raise pytest.UsageError(f"since({where!r}): {problem}") from None
    assert isinstance(state, Step) or state.code == where, f"since({where!r}): {state.code}?"
    return state


def name_of(state: State) -> str:
    """Return a state's name in the names of the tests: step3, 3.edit."""
    return f"step{state.number}" if isinstance(state, Step) else state.code


def states_of(test: pytest.Item, since: State, until: State) -> list[State]:
    """Return the states on which a test runs."""
    option = test.config.option
    if option.on_state_before:
        # What only the end of a lesson is promised for is not there before the lesson.
        before = state_before(since if isinstance(since, Part) else parts_of(since)[0])
        is_asked_for = not option.step or find_state(option.step).number == since.number
        return [before] if before and is_asked_for else []
    if option.step:
        state = find_state(option.step)
        if option.whole_lesson:
            return [state] if since.number == state.number else []
        return [state] if is_between(since, state, until) else []
    if option.parts:
        cut = [part for part in all_parts() if has_series(part.step)]
        parts: list[State] = [part for part in cut if is_between(since, part, until)]
        return worth_it(test, parts)
    steps = [step for step in STEPS if is_between(since, step, until)]
    steps = worth_it(test, [step for step in steps if step.database or not option.mysql])
    is_in_the_middle = isinstance(since, Part) and since != parts_of(since.step)[-1]
    if is_in_the_middle and not option.mysql:
        return [since, *steps]
    return steps


def is_between(since: State, state: State, until: State) -> bool:
    return position(since) <= position(state) <= position(until)


def worth_it(test: pytest.Item, states: list[State]) -> list[State]:
    """Leave out the states on which a test would see what it has seen on others."""
    if test.get_closest_marker("one_step"):
        return states[-1:]
    if about := test.get_closest_marker("about"):
        # What does not touch these files leaves them as they were before, byte by byte.
        ends = states[:1] + states[-1:]
        return [
            state for state in states if state in ends or any(map(state.does_touch, about.args))
        ]
    return states


# Which tests run, and when


@pytest.hookimpl(tryfirst=True)  # before pytest puts the tests of one step side by side
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = [item for item in items if is_wanted(item)]
    if config.option.parts:
        # One of a test's values is enough to notice that a part has lost an older promise.
        first = {(i.parent, i.originalname, step_of(i)): i for i in wanted[::-1]}.values()
        wanted = [item for item in list(first)[::-1] if is_in_sample(item, config.option.one_of)]
    kept = set(wanted)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = wanted
    # In parallel the last come first: what takes long is at the end of the course.
    is_parallel = getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput")
    items.sort(key=order_of, reverse=bool(is_parallel))
    for item in items:
        state = step_of(item)
        is_alone = item.get_closest_marker("xdist_group") is None
        # A part has a server of its own, so its tests need not wait for those of other states.
        if state and (is_alone or (isinstance(state, Part) and item.path.parent.name != "deep")):
            item.add_marker(pytest.mark.xdist_group(name_of(state)))
        is_timed = item.get_closest_marker("timed") or item.get_closest_marker("slow")
        if is_timed and not config.option.on_state_before:
            item.add_marker(pytest.mark.flaky(reruns=1))  # measure again before it counts
        if config.pluginmanager.has_plugin("timeout") and not config.option.timeout:
            item.add_marker(pytest.mark.timeout(DEEP_TIMEOUT if is_deep(item) else TIMEOUT))


def is_wanted(item: pytest.Item) -> bool:
    option = item.config.option
    if is_deep(item) and not option.deep and not is_named(item):
        return False
    if item.get_closest_marker("holds_before") and option.on_state_before:
        return False
    if item.get_closest_marker("not_on_mysql" if option.mysql else "only_on_mysql"):
        return False
    if (option.parts or option.sparing) and takes_long(item):
        return False
    # In the middle of a lesson, what takes long is run where that state is asked for.
    is_in_the_middle = isinstance(step_of(item), Part) and not (
        option.step or option.on_state_before
    )
    if is_in_the_middle and (takes_long(item) or item.path.parent.name == "deep"):
        return False
    if not (option.mysql or option.step or option.parts or option.on_state_before):
        return True
    is_for_app = not item.get_closest_marker("ours")
    return step_of(item) is not None and (is_for_app or not option.app)


def is_deep(item: pytest.Item) -> bool:
    """Tell whether a test is not for everybody: it takes long, or needs a browser."""
    marks = ("slow", "patient")
    has_mark = any(map(item.get_closest_marker, marks))
    return item.path.parent.name == "deep" or has_mark or needs_browser(item)


def is_named(item: pytest.Item) -> bool:
    return any(item.path.stem in arg or "deep" in arg for arg in item.config.args)


def is_in_sample(item: pytest.Item, share: int) -> bool:
    """Choose one of ``share`` tests, on other parts for each test, and the same at every run."""
    state = step_of(item)
    assert state is not None
    return crc32(f"{item.originalname} {state.code}".encode()) % share == 0


def takes_long(item: pytest.Item) -> bool:
    marks = ("slow", "timed", "alone", "xdist_group")
    is_thorough = needs_browser(item) or item.path.stem[5:] in THOROUGH
    return is_thorough or any(map(item.get_closest_marker, marks))


def needs_browser(item: pytest.Item) -> bool:
    return not {"chromium", "tab"}.isdisjoint(getattr(item, "fixturenames", ()))


def step_of(item: pytest.Item) -> State | None:
    """Return the state that a test runs on; None if it is about the repo, or about several."""
    call = getattr(item, "callspec", None)
    step = call.params.get("step") if call else None
    return step if isinstance(step, State) else None


def order_of(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return ORDER.index(name) if name in ORDER else len(ORDER)


# What is said of the results


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.option.on_state_before and item.nodeid.partition("[")[0] in failed:
        pytest.skip("it has failed with other values, which is what --on-state-before asks for")


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
