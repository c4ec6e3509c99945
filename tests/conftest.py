"""The fixtures and options of the suite.

A test says since which step its subject exists, with the mark ``since(N)``, and takes the fixture
``server`` or one that builds on it. It then runs on step N and on every later one, each started
once: the fixture ``step`` is parametrized here, nothing is copied.
"""

import argparse
import os
import re
import signal
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from common import mysql
from common.steps import STEPS
from common.steps import Step
from common.steps import find_step
from tests.support.browser import ADDRESS_BAR
from tests.support.browser import MARKDOWN
from tests.support.browser import REFUSED_FORM
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import walk
from tests.support.chromium import Chromium
from tests.support.mariadb import MariaDB
from tests.support.mariadb import the_mariadb
from tests.support.project import Project
from tests.support.server import FLASK_RUN
from tests.support.server import Server
from tests.support.wechat import StandIn


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("study log")
    group.addoption("--step", help="run what this step promises: a number, a folder or a part")
    group.addoption("--mysql", action="store_true", help="run steps 3 to 6 on a MariaDB of its own")
    group.addoption("--app", metavar="DIR", help="with --step: test this folder instead of ours")
    group.addoption(
        "--too-early",
        action="store_true",
        help="run each test on the step before the one that it is for, to see that it fails",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Who starts us in the background may have these ignored, and what we start would inherit that.
    for name, handler in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
        number = getattr(signal, name, None)  # there is no SIGHUP on Windows
        if number and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    option = config.option
    if option.app and not option.step:
        raise pytest.UsageError("--app needs --step, which says what is promised")
    if option.step:
        try:
            find_step(option.step)
        except LookupError as problem:
            raise pytest.UsageError(str(problem)) from None
    if option.mysql:
        use_mysql(option)
    if option.app and not Path(option.app).is_dir():
        raise pytest.UsageError(f"--app: there is no folder {option.app}")


def use_mysql(option: argparse.Namespace) -> None:
    """Let each copy of a step have a database of its own on a MariaDB."""
    if option.step and not find_step(option.step).database:
        raise pytest.UsageError("--mysql is for steps with a database; step 3 is the first")
    try:
        mysql.find_program(mysql.SERVER)
    except LookupError as missing:
        raise pytest.UsageError(str(missing)) from None
    Project.new_database = lambda: the_mariadb().new_database()


def span(definition: pytest.Item) -> tuple[int, int] | None:
    """Return the first and the last step that a test is for, None if it is about the repo."""
    if (mark := definition.get_closest_marker("since")) is None:
        return None
    return mark.args[0], mark.kwargs.get("until", STEPS[-1].number)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    needs_step = "step" in metafunc.fixturenames
    if (steps := span(metafunc.definition)) is None:
        assert not needs_step, f"{metafunc.definition.nodeid} has to say since which step"
        return
    assert needs_step, f"{metafunc.definition.nodeid} is for some steps, but uses none"
    option = metafunc.config.option
    if option.too_early:
        chosen = [step for step in STEPS if step.number == steps[0] - 1]
    elif option.step:
        only = find_step(option.step)
        chosen = [only] if only.number in range_of(steps) else []
    else:
        chosen = [step for step in STEPS if step.number in range_of(steps)]
        chosen = [step for step in chosen if step.database or not option.mysql]
        if metafunc.definition.get_closest_marker("one_step"):
            chosen = chosen[-1:]
        if about := metafunc.definition.get_closest_marker("about"):
            # Where no lesson touches these files, they are those of the step before, byte by byte.
            chosen = [
                step
                for step in chosen
                if step in (chosen[0], chosen[-1]) or any(map(step.does_touch, about.args))
            ]
    metafunc.parametrize(
        "step",
        [pytest.param(step, id=f"step{step.number}") for step in chosen],
        indirect=True,
        scope="session",
    )


def range_of(steps: tuple[int, int]) -> range:
    return range(steps[0], steps[1] + 1)


# Tests that wait for something within seconds, on a machine that may be busy with something else.
TIMED = {"test_browser", "test_cancelling", "test_crashes", "test_learn", "test_streams"}


# What --mysql leaves out: the database makes no difference there, or is MariaDB anyhow.
NOT_ON_MYSQL = {
    "test_accessibility.py": "what the browser does with the pages",
    "test_admin.py::test_a_post_that_is_deleted_while": "a trigger in SQLite's words",
    "test_admin.py::test_what_the_database_says": "a trigger in SQLite's words",
    "test_api.py": "what the API says of itself",
    "test_big.py": "memory and time of the app; test_mysql.py has a large archive",
    "test_browser.py": "what the browser does with the pages",
    "test_crashes.py::test_a_worker_that_was_never_started": "waits for Celery and Redis",
    "test_crashes.py::test_workers_die_in_the_middle": "mostly waits for Celery and Redis",
    "test_crowds.py": "what a thousand watchers hold is connections to Redis",
    "test_csrf.py": "what the app refuses before it asks the database",
    "test_machines.py": "takes a MariaDB itself",
    "test_mysql.py": "takes a MariaDB itself",
    "test_outages.py": "Redis goes away",
    "test_production.py": "headers, settings, logs and limits",
    "test_redirects.py": "where a login leads",
    "test_streams.py": "what Redis publishes",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.too_early:
        for item in items:
            if item.get_closest_marker("slow") or item.path.stem in TIMED:
                item.add_marker(pytest.mark.flaky(reruns=1))  # measure again before it counts
    option = config.option
    if option.numprocesses or hasattr(config, "workerinput"):
        items.sort(key=lambda item: urgency(item.nodeid))

    def wanted(item: pytest.Item) -> bool:
        if option.mysql and any(name in item.nodeid for name in NOT_ON_MYSQL):
            return False
        if not option.mysql and item.get_closest_marker("only_on_mysql"):
            return False
        if not option.mysql and not option.step and not option.too_early:
            return True
        call = getattr(item, "callspec", None)
        if call is None or not isinstance(call.params.get("step"), Step):
            return False  # about the repo, or about other steps
        return not (option.app and item.get_closest_marker("ours"))

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = filter(wanted, items)


# These mostly wait, for what comes back after some seconds: all by one process, beside the others.
WAITING = ("test_outages", "test_crashes", "test_cancelling", "test_streams")
# These start steps of their own, or take their time, so each of these files is a group.
OWN_GROUP = (
    "test_accessibility",
    "test_browser",
    "test_big",
    "test_admin",
    "test_wechat",
    "test_production",
    "test_crowds",
    "test_machines",
    "test_api",
    "test_mysql",
    "test_factory",
)
# One run shows for all steps that their tests fail on the step before.
TOO_EARLY = "test_each_new_test_fails_on_the_step_before"
# The longest come first. What is in no group (None) fills the gaps.
GROUPS = ("waiting", "step6", "step5", *OWN_GROUP, TOO_EARLY, "step4", "step3", "step2", None)


def group_of(nodeid: str) -> str | None:
    """Return what a test is run together with, by one process; None if it stands for itself."""
    file = Path(nodeid.partition("::")[0]).stem
    if file in WAITING:
        return "waiting"
    if file in OWN_GROUP:
        return file
    if TOO_EARLY in nodeid:
        return TOO_EARLY
    of_step = re.search(r"[\[-](step\d+)[\]-]", nodeid)
    return of_step[1] if of_step else None


def urgency(nodeid: str) -> int:
    """Return when a test should begin: small numbers first."""
    group = TOO_EARLY if "test_suite.py" in nodeid else group_of(nodeid)
    return GROUPS.index(group) if group in GROUPS else len(GROUPS)


class ByStep(LoadScopeScheduling):
    """Gives all tests of one step to the same process, so that each step is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStep:
    return ByStep(config, log)


failed: set[str] = set()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.option.too_early and item.nodeid.partition("[")[0] in failed:
        pytest.skip("it has failed with other values, which is what --too-early asks for")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Iterator[pytest.TestReport]:
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


def running(server: Server) -> Iterator[Server]:
    """Start a server, hand it to the tests, end it; nothing is left of it in any case."""
    try:
        server.start()
    except AssertionError as problem:
        server.forget_logs()
        server.close()
        pytest.fail(str(problem), pytrace=False)
    except BaseException:
        server.forget_logs()
        server.close()
        raise
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def step(request: pytest.FixtureRequest) -> Step:
    """The step under test; see ``pytest_generate_tests``."""
    return request.param


@pytest.fixture(scope="session")
def source(step: Step, pytestconfig: pytest.Config) -> Path:
    """The folder to test: ours, or the learner's own. Tests work on copies of it."""
    app = pytestconfig.option.app
    return Path(app).resolve() if app else step.path


@pytest.fixture(scope="session")
def server(step: Step, source: Path) -> Iterator[Server]:
    """The step at work, started once for all its tests: they make their own people."""
    yield from running(Server(step, source))


@pytest.fixture
def own_server(step: Step, source: Path) -> Iterator[Server]:
    """The step at work for this test alone, which may stop it or change its files."""
    yield from running(Server(step, source))


@pytest.fixture
def idle_server(step: Step, source: Path) -> Iterator[Server]:
    """The step in a fresh copy of its folder, for this test alone, with nothing started yet."""
    server = Server(step, source)
    yield server
    server.close()


@pytest.fixture
def project(idle_server: Server) -> Project:
    """A fresh copy of the step's folder, without a database, for commands."""
    return idle_server.project


@pytest.fixture(scope="session")
def worker(server: Server) -> None:
    """The step's Celery worker, at work beside its server."""
    server.start_worker()


@pytest.fixture(scope="session")
def seeded(server: Server) -> Person:
    """Somebody whom `flask seed` has made, with enough posts for three pages."""
    person = Person(server)
    server.project.flask(
        "seed", "--username", person.username, "--password", person.password, "--posts", "45"
    )
    return person


@pytest.fixture(scope="session")
def admin(server: Server) -> tuple[Person, str]:
    """Somebody whom `flask make-admin` has made an admin, and what it said."""
    person = Person(server).join()
    return person, server.project.flask("make-admin", person.username).output


@pytest.fixture(autouse=True)
def clean_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which the step logged a traceback or a deprecation."""
    shared = "server" in request.fixturenames
    server = request.getfixturevalue("server") if shared else None
    yield
    if server is None:
        return
    if request.node.get_closest_marker("expects_traceback"):
        server.forget_logs()
    server.check_logs()


@pytest.fixture
def visitor(server: Server) -> Iterator[Browser]:
    """A browser that is not logged in."""
    browser = Browser(server)
    yield browser
    browser.close()


@pytest.fixture
def join(server: Server) -> Iterator[Callable[[], Person]]:
    """Make people with new accounts: ``ada, ben = join(), join()``."""
    people: list[Person] = []

    def new_person() -> Person:
        people.append(Person(server))
        return people[-1].join()

    yield new_person
    for person in people:
        person.close()


@pytest.fixture(scope="session")
def account(server: Server) -> Iterator[Person]:
    """An account to log in to from other browsers; tests leave it as it is."""
    person = Person(server)
    yield person.join()
    person.close()


@pytest.fixture
def person(account: Person) -> Iterator[Person]:
    """Somebody who is logged in: the same account for all tests, in a browser for this one."""
    person = account.again()
    yield person
    person.close()


@pytest.fixture(scope="session")
def site(
    server: Server, step: Step, request: pytest.FixtureRequest
) -> Iterator[list[tuple[str, str, Page]]]:
    """Every kind of page, as (where the link was, link, page): for visitors and for people.

    What links lead to is all there. Pages for admins too, as soon as a link leads to them.
    """
    visitor = Browser(server)
    found = list(walk(visitor))
    found.append((ADDRESS_BAR, "/no-such-page", visitor.get("/no-such-page")))
    people = []
    if step.number >= 3:
        request.getfixturevalue("seeded")  # so that the list of posts has pages
    if step.number >= 2:
        people.append(person := Person(server).join())
        number = person.write(f"A title {'that is long ' * 4}{'x' * 60}", MARKDOWN)
        found += walk(person)
        refused = [
            visitor.submit("/auth/register", username=" ", password="long enough"),
            visitor.submit("/auth/register", username="Ada", password="short"),
            visitor.register(person.username, "long enough"),
            visitor.login(person.username, "wrong password"),
            person.submit("/posts/new", title="x" * 121, body="Text."),
            person.submit("/posts/new", title="Title", body=" "),
        ]
        found += [(REFUSED_FORM, page.path, page) for page in refused]
    if step.number >= 3:
        people.append(other := Person(server).join())
        found.append((ADDRESS_BAR, f"/posts/{number}/edit", other.get(f"/posts/{number}/edit")))
    if step.number >= 4:
        admin, _ = request.getfixturevalue("admin")
        if any(link.startswith("/admin/") for link in admin.get("/").links()):
            visits = walk(admin, "/admin/", per_kind=1)  # its lists have a link for each order
            found += (visit for visit in visits if visit[1].startswith("/admin"))
    if step.number >= 5:
        found.append((ADDRESS_BAR, "/exports/", person.submit("/exports/")))
    yield found
    for browser in visitor, *people:
        browser.close()


@pytest.fixture(scope="session")
def pages(site: list[tuple[str, str, Page]]) -> list[Page]:
    """The HTML pages among them. Those below /api/ are made by tools and look as they like."""
    return [page for _, link, page in site if page.is_html and not link.startswith("/api/")]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A real browser, the same for all steps."""
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def mariadb() -> MariaDB:
    """A MariaDB server of the tests' own; each taker asks it for a database."""
    return the_mariadb()


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    """The stand-in for WeChat's servers."""
    standin = StandIn()
    yield standin
    standin.close()


@pytest.fixture(scope="session")
def wechat(server: Server, standin: StandIn) -> Iterator[Server]:
    """The step once more, on the same data, told of the stand-in for WeChat."""
    with server.beside(FLASK_RUN, **standin.variables) as other:
        yield other
