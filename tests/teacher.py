"""The plugin of `learn.py check`: pytest asks an app for promises, one at a time, as it is told.

A promise is a test function, and its docstring says it; its parametrized cases are one promise. The
plugin writes one line of JSON for each thing that happens, and reads from standard input which
promise to ask next: `common/check.py` gives the orders and draws what a learner sees. So nothing
that pytest itself prints is in the way, and several processes can share the work.
"""

import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests

from common.lessons import Part
from common.lessons import find_state
from common.lessons import position
from common.steps import FEATURES
from common.steps import State
from tests.plugin import ORDER
from tests.plugin import THOROUGH
from tests.plugin import place
from tests.plugin import step_of
from tests.plugin import takes_long
from tests.support import forked
from tests.support import project
from tests.support.asked import requests_of
from tests.support.asked import texts_of
from tests.support.browser import Browser
from tests.support.browser import NoAnswer
from tests.support.browser import Page
from tests.support.explain import NO_WORKER
from tests.support.explain import TRACEBACK
from tests.support.explain import cause_of
from tests.support.explain import own_trace
from tests.support.processes import NotReady
from tests.support.server import Server

# pytest takes the standard streams for the tests; a plugin that is named by -p is imported before.
ORDERS, ANSWERS = os.dup(0), os.dup(1)
SECONDS = 5  # what a request may take, and a program until it is ready
MANY = 4  # cases of one promise that are asked, if not all are
# What lesson 1 teaches, and the contract leaves to each app.
TAUGHT = {
    "test_axe_finds_no_violations",
    "test_no_page_scrolls_sideways",
    "test_hello_takes_the_greeting_from_the_query",
    "test_hello_shows_markup_in_the_query_as_text",
    "test_every_page_begins_with_a_link_to_its_content",
    "test_the_first_stop_of_tab_skips_the_navigation",
}
# What a test takes that is slow to make: the quick ones come first in each part.
WEIGHTS = {
    **{"visitor": 1, "server": 1, "account": 2, "person": 2, "join": 2},
    **{"admin": 3, "seeded": 4, "worker": 5, "site": 6, "pages": 6},
    **{"idle_server": 7, "project": 7, "own_server": 8},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-case", action="store_true", help="ask for each case of a promise")
    parser.addoption("--details", action="store_true", help="say what each promise is asked by")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "xdist_group(name): for pytest-xdist, which is not here")
    config.pluginmanager.register(Teacher(config), "study log teacher")
    Browser.seconds = Server.seconds = SECONDS
    Browser.ends_servers = True
    project.LINES = 80
    if config.option.app and not config.option.every_case:
        # Half of the time would go into protecting the passwords of a copy that is thrown away.
        project.Project.cheap_hashes = True
    if config.option.step and not find_state(config.option.step).has("exports"):
        forked.LIBRARIES = " ".join(name for name in forked.LIBRARIES.split() if is_early(name))


def is_early(library: str) -> bool:
    """Tell whether a library is there before there are exports; the others take long to import."""
    return not library.startswith(("celery", "kombu", "flask_smorest", "flask_limiter", "requests"))


class Teacher:
    """Answers the orders of `common/check.py`."""

    def __init__(self, config: pytest.Config) -> None:
        self._out = os.fdopen(ANSWERS, "w", encoding="utf-8")
        self._orders = os.fdopen(ORDERS, encoding="utf-8")
        self._config = config
        self._long: set[str] = set()
        app = config.option.app
        self._app = Path(app).resolve() if app else None
        self._promises: list[list[pytest.Function]] = []
        self._server: Server | None = None
        self._start = 0  # how much the app had written before this test
        self._servers: list[Server] = []
        self._written: dict[int, int] = {}  # and how much each worker had, by its process id
        self._failure: dict[str, Any] | None = None
        self._skipped = ""

    def _say(self, event: str, **values: object) -> None:
        self._out.write(json.dumps({"event": event, **values}) + "\n")
        self._out.flush()

    # Which promises there are, and which are asked

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        self._long = {item.nodeid for item in items if takes_long(item)}
        # What the contract does not fix is asked in the lesson that teaches it, and not later.
        option = self._config.option
        number = find_state(option.step).number
        items[:] = [
            item
            for item in items
            if not option.app or item.name.partition("[")[0] not in TAUGHT or number == 1
        ]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        found: dict[object, list[pytest.Item]] = {}
        for item in session.items:
            found.setdefault(item.nodeid.partition("[")[0], []).append(item)
        self._promises = sorted(found.values(), key=order_of)
        listed = [
            describe(items) | {"long": items[0].nodeid in self._long} for items in self._promises
        ]
        if self._config.option.details:
            listed = [
                promise | details(items[0])
                for promise, items in zip(listed, self._promises, strict=True)
            ]
        self._say("promises", promises=listed)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        # What comes next is not known yet: keep what all tests share, and no more.
        between = Between.from_parent(session, name="between")
        for line in self._orders:
            number, _, is_last_time = line.strip().partition(" ")
            items = self._promises[int(number)]
            cases = items if session.config.option.every_case else spread(items, MANY)
            self._failure, self._skipped, later = None, "", False
            for item in cases:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=between)
                if self._failure and not is_last_time and self._is_kept_so_far(item, between):
                    self._failure, later = None, True
                if self._failure or later:
                    break
            self._say(
                "asked", number=number, failure=self._failure, skipped=self._skipped, later=later
            )
        return True

    def _is_kept_so_far(self, item: pytest.Item, between: pytest.Item) -> bool:
        """Ask again, but for nothing that comes after the part that made the promise.

        Some promises are about all pages, or all forms. An app on its way has not all of them yet,
        and those that are missing have promises of their own.
        """
        failure, begin = self._failure, begin_of(item)
        if not self._app or not failure or failure["kind"] != "promise":
            return False

        def has(state: State, feature: str) -> bool:
            return all(s.is_at_or_after(FEATURES[feature]) for s in (state, begin))

        self._failure = None
        with mock.patch.object(State, "has", has):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=between)
        is_kept, self._failure = self._failure is None, failure
        return is_kept

    # What was found

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[Any]:
        value = yield
        if isinstance(value, Server):
            self._server = value
            self._servers.append(value)
            self._start = 0
        return value

    def pytest_runtest_setup(self) -> None:
        Page.latest = None
        Browser.latest = None
        if self._server:
            self._start = self._server.web_log.size if self._server.web_log.path.exists() else 0
        self._servers = [server for server in self._servers if server.web_log.path.exists()]
        self._written = {w.pid: w.log.size for server in self._servers for w in server.workers}

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Say in words what was expected. In the tests, what came back stands on the left."""
        words = {
            "==": f"{show(right)} was expected, and it is {show(left)}",
            "!=": f"anything but {show(right)} was expected",
            "in": f"{show(left)} was expected in {show(right)}",
            "not in": f"{show(left)} should not be in {show(right)}",
            "<": f"less than {show(right)} was expected, and it is {show(left)}",
            "<=": f"at most {show(right)} was expected, and it is {show(left)}",
            ">": f"more than {show(right)} was expected, and it is {show(left)}",
            ">=": f"at least {show(right)} was expected, and it is {show(left)}",
        }
        return [words[op]] if op in words else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[pytest.TestReport]:
        report = yield
        if report.skipped and isinstance(report.longrepr, tuple):
            self._skipped = str(report.longrepr[2]).removeprefix("Skipped: ")
        if report.failed and call.excinfo and not self._failure:
            self._failure = self._explain(item, call.excinfo.value)
        return report

    def _explain(self, item: pytest.Item, error: BaseException) -> dict[str, Any]:
        """Return what a learner needs to know about a promise that is not kept."""
        start = error if isinstance(error, NotReady) else error.__context__
        is_new = self._server is None or "worker" in str(error)
        if is_new and (
            isinstance(start, NotReady)
            or (isinstance(error, pytest.fail.Exception) and isinstance(start, AssertionError))
        ):
            log = str(start)
            # Before the part that makes the worker, an app is right without one.
            kind = "promise" if NO_WORKER in log else "start"
        elif isinstance(error, NoAnswer):
            log, kind = self._where_it_hangs(), "hang"
        else:
            log, kind = self._log(), "promise"
            if isinstance(error, requests.ConnectionError) and self._has_ended():
                self._server.restart()  # for the promises after this one
                self._server.forget_logs()
            if TRACEBACK not in log:
                logs = [str(error), *self._worker_logs()]
                log = next((text for text in logs if TRACEBACK in text), log)
            if not log and isinstance(error, AssertionError):
                log = str(error)  # of a command, such as `flask db upgrade`
        # A worker may be in another copy than the app that was asked last.
        copy = folder_in(log, self._app) or (self._server and self._server.project.folder)
        for name in ("project", "idle_server", "own_server"):
            other = getattr(item, "funcargs", {}).get(name)
            copy = getattr(getattr(other, "project", other), "folder", None) or copy
        source = self._app or getattr(step_of(item), "path", None)
        folders = (copy, source) if copy and source else None
        trace = own_trace(log, folders)
        return {
            "kind": kind,
            "sent": sent(),
            "expected": expectation(error, first_line(item)),
            "came": came(error),
            "trace": trace,
            "cause": cause_of(log, step_of(item)),
            "said": said_last(log) if kind == "start" else "",
        }

    def _has_ended(self) -> bool:
        """Tell whether the app has ended, while its test goes on."""
        server = self._server
        return bool(
            server and server.web and not server.web.running and server.web_log.path.exists()
        )

    def _log(self) -> str:
        """Return what the app has written during this test."""
        if not self._server or not self._server.web_log.path.exists():
            return ""
        return self._server.web_log.text(self._start)

    def _worker_logs(self) -> list[str]:
        """Return what each worker has written during this test."""
        workers = [worker for server in self._servers for worker in server.workers]
        return [worker.log.text(self._written.get(worker.pid, 0)) for worker in workers]

    def _where_it_hangs(self) -> str:
        """End an app that does not answer; Python writes in which line it was."""
        if not self._server or not self._server.web:
            return ""
        log = self._server.web.abort()
        self._server.restart()
        self._server.forget_logs()
        return log

    # What is wrong with the tests themselves

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._say("trouble", text=report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        self._say("trouble", text=str(excrepr))


def folder_in(log: str, app: Path | None) -> Path | None:
    """Return the folder of the copy, from what a program wrote that did not start."""
    if app is None:
        return None
    found = re.search(rf'File "(.*/{re.escape(app.name)} copy)/', log)
    return Path(found[1]) if found else None


class Between(pytest.Item):
    """Stands for the next test, whichever it is."""

    def runtest(self) -> None:
        """Do nothing: it is never run."""


# Promises


def order_of(items: list[pytest.Item]) -> tuple[object, ...]:
    """Return where in the course a promise begins, and how long it takes."""
    item = items[0]
    names = getattr(item, "fixturenames", ())
    weight = max((WEIGHTS.get(name, 0) for name in names), default=0)
    slow = any(map(item.get_closest_marker, ("slow", "timed", "alone")))
    slow = slow or "chromium" in names or item.path.stem[5:] in THOROUGH
    return position(begin_of(item)), slow, weight, place_in_course(item)


def place_in_course(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    return ORDER.index(name) if name in ORDER else len(ORDER)


def begin_of(item: pytest.Item) -> State:
    mark = item.get_closest_marker("since")
    assert mark
    return place(mark.args[0])


def describe(items: list[pytest.Function]) -> dict[str, Any]:
    """Return what `learn.py check` and `learn.py promises` show of a promise."""
    begin = begin_of(items[0])
    return {
        "id": items[0].nodeid.partition("[")[0],
        "title": first_line(items[0]),
        "part": begin.name if isinstance(begin, Part) else str(begin.number),
        "code": begin.code,
        "worker": "worker" in items[0].fixturenames,
        "site": "site" in items[0].fixturenames,
    }


def details(item: pytest.Function) -> dict[str, Any]:
    """Return what `learn.py promises` shows beside: the requests, and the texts that count."""
    number = begin_of(item).number
    return {
        "requests": [r for r in requests_of(item.function) if is_there(r, number)],
        "texts": texts_of(item.function),
    }


def is_there(request: str, number: int) -> bool:
    """Tell whether a step has what a request is for; some tests do more where there is more."""
    return number > 1 or not re.search(r"/auth/|/posts/new", request)


def first_line(item: pytest.Item) -> str:
    doc = inspect.getdoc(getattr(item, "function", None)) or item.name
    return doc.partition("\n")[0].replace("``", "`").rstrip(".")


def spread(items: list[pytest.Item], count: int) -> list[pytest.Item]:
    """Return at most so many, from the first to the last."""
    if len(items) <= count:
        return items
    step = (len(items) - 1) / (count - 1)
    return [items[round(number * step)] for number in range(count)]


# What was sent, expected and came back


def show(value: object) -> str:
    """Return a value as a learner reads it, on one line."""
    if isinstance(value, str):
        text = " ".join(value.split())
        return f"“{text[:100]}…”" if len(text) > 100 else f"“{text}”"
    if isinstance(value, list | tuple | set | frozenset) and not value:
        return "nothing"
    text = " ".join(repr(value).split())
    return f"{text[:160]}…" if len(text) > 160 else text


def sent() -> str:
    """Return the last request, with the fields of its form."""
    if not (request := Browser.latest):
        return ""
    method, path, fields = request
    shown = [f"{name}={show(value)}" for name, value in fields if name != "csrf_token"]
    return " ".join([method, path, *shown])


def came(error: BaseException) -> str:
    if isinstance(error, NoAnswer):
        return f"no answer within {SECONDS} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no answer: the app has ended, or closed the connection"
    if not (page := Page.latest):
        return ""
    moved = f", after a redirect to {page.path}" if page.response.history else ""
    says = f"; the page says: {' · '.join(page.messages)}" if page.is_html and page.messages else ""
    reason = page.response.reason or ""
    return f"{page.status} {reason}".strip() + moved + says


def expectation(error: BaseException, promise: str) -> str:
    """Return what was expected, from the words of the assertion, without pytest's own."""
    text = re.sub(r"^\w*Error: ", "", str(error))
    if "logged what no page may cause" in text:
        what = "a task" if text.startswith("a worker") else "an answer"
        return f"{what} without an exception or a deprecation in the app"
    lines = []
    for line in text.splitlines():
        if re.match(r"\s+\+\s+where|\s+\+\s+and", line):
            continue
        if line.startswith("assert "):
            if lines:
                break
            line = line.removeprefix("assert ")
            if "was expected" not in line and "should not be" not in line:
                return promise
        lines.append(line)
    if not isinstance(error, AssertionError | pytest.fail.Exception):
        return promise
    return "\n".join(lines[:8]).strip() or promise


def said_last(log: str) -> str:
    """Return the last line that a program wrote."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else ""
