"""The fixtures of the suite: a step at work, and the people who use it."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common import lessons
from common.steps import State
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.chromium import Chromium
from tests.support.mariadb import MariaDB
from tests.support.mariadb import the_mariadb
from tests.support.project import Project
from tests.support.server import FLASK_RUN
from tests.support.server import Server
from tests.support.server import running
from tests.support.site import Visit
from tests.support.site import every_page
from tests.support.wechat import StandIn

pytest_plugins = ["tests.plugin", "tests.reporting"]


@pytest.fixture(scope="session")
def step(request: pytest.FixtureRequest) -> State:
    """The step or part under test; plugin.py chooses it."""
    return request.param


@pytest.fixture(scope="session")
def source(
    step: State, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder to test: ours, or the learner's own. Tests work on copies of it."""
    if app := pytestconfig.option.app:
        return Path(app).resolve()
    if not isinstance(step, lessons.Part):
        return step.path
    folder = tmp_path_factory.mktemp("part") / step.folder
    lessons.write(lessons.files_after(step), folder)
    return folder


@pytest.fixture(scope="session")
def server(step: State, source: Path) -> Iterator[Server]:
    """The step at work, started once for all its tests: they make their own people."""
    yield from running(Server(step, source))


@pytest.fixture
def own_server(step: State, source: Path) -> Iterator[Server]:
    """The step at work for this test alone, which may stop it or change its files."""
    yield from running(Server(step, source))


@pytest.fixture
def idle_server(step: State, source: Path) -> Iterator[Server]:
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
    if server.step.worker:
        server.start_worker()


@pytest.fixture(autouse=True)
def clean_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which the step logged a traceback or a deprecation."""
    shared = "server" in request.fixturenames
    server = request.getfixturevalue("server") if shared else None
    yield
    if server and request.node.get_closest_marker("expects_traceback"):
        server.forget_logs()
    elif server:
        server.check_logs()


# People and their browsers


@pytest.fixture
def visitor(server: Server) -> Iterator[Browser]:
    """A browser that is not logged in."""
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def join(server: Server) -> Iterator[Callable[[], Person]]:
    """Make people with new accounts: ``ada, ben = join(), join()``."""
    with ExitStack() as people:
        yield lambda: people.enter_context(Person(server)).join()


@pytest.fixture(scope="session")
def account(server: Server) -> Iterator[Person]:
    """An account to log in to from other browsers; tests leave it as it is."""
    with Person(server) as person:
        yield person.join()


@pytest.fixture
def person(account: Person) -> Iterator[Person]:
    """A logged-in user: the same account for all tests, in a browser for this one."""
    with account.again() as person:
        yield person


@pytest.fixture(scope="session")
def seeded(server: Server) -> Person:
    """Somebody whom `flask seed` has made, with enough posts for three pages."""
    person = Person(server)
    names = ("--username", person.username, "--password", person.password)
    server.project.flask("seed", *names, "--posts", "45")
    return person


@pytest.fixture(scope="session")
def admin(server: Server) -> tuple[Person, str]:
    """Somebody whom `flask make-admin` has made an admin, and what it said."""
    person = Person(server).join()
    return person, server.project.flask("make-admin", person.username).output


# All pages


@pytest.fixture(scope="session")
def site(server: Server, request: pytest.FixtureRequest) -> list[Visit]:
    """Every kind of page, as visitors, users and admins get it."""
    own = bool(request.config.option.app)
    return every_page(server, request.getfixturevalue, unfinished=own)


@pytest.fixture(scope="session")
def pages(site: list[Visit]) -> list[Page]:
    """The HTML pages among them. Those below /api/ are made by tools and look as they like."""
    return [page for _, link, page in site if page.is_html and not link.startswith("/api/")]


# Other programs


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
    """The step once more, on the same data, configured for the stand-in for WeChat."""
    with server.beside(FLASK_RUN, **standin.variables) as other:
        yield other
