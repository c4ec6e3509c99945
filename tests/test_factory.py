"""`create_app()`: several apps in one process, each with its own settings, and gunicorn."""

import json
import sys

import psutil
import pytest

from common.stack import free_port
from tests.support.browser import Person
from tests.support.exports import Export
from tests.support.processes import answers
from tests.support.processes import wait_until
from tests.support.project import SECRET_KEY
from tests.support.project import Project
from tests.support.project import tail
from tests.support.server import FLASK_RUN
from tests.support.server import GUNICORN
from tests.support.server import require_gunicorn

pytestmark = [pytest.mark.since("6.testing"), pytest.mark.xdist_group("factory")]

WORKER = ("-m", "celery", "-A", "celery_worker", "worker", "--concurrency", "1")


@pytest.mark.since("6.factory")
def test_the_factory_makes_an_app_each_time(project):
    """`create_app()` makes a new app each time, with a Celery app of its own."""
    ask = "one.extensions['celery'] is two.extensions['celery']"
    code = f"from app import create_app; one, two = create_app(), create_app(); print({ask})"
    result = project.python("-c", code)
    assert result.code == 0, f"create_app() twice: {result}"
    assert result.output.split()[-1] == "False", "both apps have the same Celery"


# Two apps in one process, each with a Redis of its own.
TWO_REDIS = """
from celery import current_app
from app import create_app

apps = [create_app(), create_app()]
for app, url in zip(apps, ["redis://one/0", "redis://two/0"]):
    app.extensions["celery"].conf.broker_url = url
for app in [*apps, apps[0]]:
    app.test_client().get("/about")
    print(current_app.conf.broker_url)
"""


@pytest.mark.ours
@pytest.mark.since("6.factory")
def test_a_request_uses_the_redis_of_its_app(project):
    """A task goes to the Redis of the app that serves the request."""
    result = project.python("-c", TWO_REDIS)
    assert result.code == 0, str(result)
    used = [line for line in result.output.splitlines() if line.startswith("redis://")]
    assert used == ["redis://one/0", "redis://two/0", "redis://one/0"]


@pytest.mark.since("6.worker")
def test_an_import_makes_no_app(project):
    """To import `app` makes no app; `celery_worker` makes the one of the worker."""
    code = "import app; print([name for name in ('app', 'celery_app') if hasattr(app, name)])"
    result = project.python("-c", code)
    assert result.code == 0, str(result)
    assert result.output.splitlines()[-1] == "[]", f"an import makes an app: {result}"
    code = "import celery_worker as w; print(w.celery_app is w.flask_app.extensions['celery'])"
    result = project.python("-c", code)
    assert result.output.splitlines()[-1] == "True", str(result)


# Runs in the step's folder, as a learner's own test would: two apps, with a user in the first.
TWO_APPS = """
import json
import re
from app import create_app

apps = [create_app("testing"), create_app("testing")]
apps[0].config["ONLY_HERE"] = True
apps[0].jinja_env.globals["ONLY_HERE"] = True
apps[0].add_url_rule("/only-here", "only_here", lambda: "here")

def fill_in(client, path, **fields):
    found = re.search(r'name="csrf-token" content="([^"]*)"', client.get(path).text)
    fields["csrf_token"] = found[1] if found else ""
    return client.post(path, data=fields, follow_redirects=True)

for app in apps:
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
clients = [app.test_client() for app in apps]
person = {"username": "ada", "password": "a long password"}
fill_in(clients[0], "/auth/register", **person)
fill_in(clients[0], "/posts/new", title="Only in the first", body="text")

def is_known(client):
    page = fill_in(client, "/auth/login", **person)
    return "/auth/logout" in page.text

def describes_it(app):
    return "ONLY_HERE" in app.test_client().get("/api/openapi.json").text

for api in apps[0].extensions.get("flask-smorest", {"apis": {}})["apis"].values():
    api["ext_obj"].spec.components.schema("ONLY_HERE", {})

print(json.dumps({
    "same": apps[0] is apps[1],
    "testing": [app.testing for app in apps],
    "celery": apps[0].extensions["celery"] is apps[1].extensions["celery"],
    "accounts": [is_known(client) for client in clients],
    "posts": ["Only in the first" in client.get("/posts/").text for client in clients],
    "settings": ["ONLY_HERE" in app.config for app in apps],
    "globals": ["ONLY_HERE" in app.jinja_env.globals for app in apps],
    "routes": [client.get("/only-here").status_code for client in clients],
    "descriptions": [describes_it(app) for app in apps],
}))
"""


@pytest.fixture(scope="session")
def two_apps(step, source) -> dict:
    project = Project(step, source)
    try:
        result = project.python("-c", TWO_APPS)
        assert result.code == 0, f'create_app("testing") twice: {result}'
        files = [path.name for path in project.folder.glob("instance/*")]
        return json.loads(result.output.splitlines()[-1]) | {"files": files}
    finally:
        project.close()


def test_each_call_creates_an_app(two_apps):
    """Each call of `create_app()` makes a new app, with a Celery app of its own."""
    assert not two_apps["same"]
    assert not two_apps["celery"], "both apps have the same Celery"


@pytest.mark.parametrize("what", ["accounts", "posts", "settings", "globals"])
def test_two_apps_share_nothing(two_apps, what):
    """Two apps share no accounts, posts, settings or template globals."""
    first, second = two_apps[what]
    assert first, f"the first app has lost its {what}"
    assert not second, f"the second app has the {what} of the first"


def test_a_route_of_one_app_is_not_in_the_other(two_apps):
    """A route of one app is not in the other."""
    assert two_apps["routes"] == [200, 404]


@pytest.mark.ours
def test_two_apps_have_separate_openapi_documents(two_apps):
    """Two apps have separate OpenAPI documents."""
    assert two_apps["descriptions"] == [True, False]


def test_a_testing_app_does_not_touch_the_real_database(two_apps):
    """`create_app("testing")` leaves the real data alone: the database, and the key."""
    assert two_apps["testing"] == [True, True], 'create_app("testing") sets no TESTING'
    assert not two_apps["files"], f"tests write {two_apps['files']} into instance/"


def try_to_start(server, command: tuple[str, ...], **variables: str) -> tuple[bool, str]:
    """Start a program of the step; return whether it started, and its output."""
    port = free_port()
    words = [sys.executable, *(word.replace("{port}", str(port)) for word in command)]
    process = server.project.spawn(words, server.web_log, **variables)
    try:
        wait_until(
            lambda: not process.running or answers(port) or " ready." in process.output,
            f"`{' '.join(command[1:3])}` starts or ends",
        )
        return process.running, process.output
    finally:
        process.kill()


def assert_no_start_without_a_key(server, command: tuple[str, ...]) -> None:
    """Check that a program ends in production without SECRET_KEY, with one clear line."""
    started, output = try_to_start(server, command, APP_CONFIG="production")
    assert not started, f"`{command[1]}` started in production without SECRET_KEY"
    assert "SECRET_KEY" in output, f"it does not name what is missing:\n{tail(output)}"
    assert "Traceback" not in output, f"one clear line would do:\n{tail(output)}"


@pytest.mark.since("6.production")
@pytest.mark.parametrize("command", [FLASK_RUN, WORKER], ids=lambda words: words[1])
def test_production_refuses_to_start_without_a_secret_key(server, command):
    """In production no program starts without SECRET_KEY, and one clear line says why."""
    assert_no_start_without_a_key(server, command)


@pytest.mark.since("6.gunicorn")
def test_gunicorn_ends_when_the_settings_are_wrong(server):
    """Without SECRET_KEY gunicorn ends with one clear line; it does not try for ever."""
    require_gunicorn()
    assert_no_start_without_a_key(server, GUNICORN)


@pytest.mark.since("6.production")
def test_production_starts_with_a_secret_key(server):
    """With its settings production starts; with an unknown APP_CONFIG nothing does."""
    started, output = try_to_start(
        server,
        FLASK_RUN,
        APP_CONFIG="production",
        SECRET_KEY=SECRET_KEY,
        DATABASE_URL="sqlite:///p.db",
    )
    assert started, f"with SECRET_KEY it should start:\n{tail(output)}"
    started, output = try_to_start(server, FLASK_RUN, APP_CONFIG="no-such-settings")
    assert not started, "it starts although APP_CONFIG is misspelt"
    assert "no-such-settings" in output, f"it does not say what is wrong:\n{tail(output)}"
    server.forget_logs()


@pytest.mark.slow
@pytest.mark.since("6.gunicorn")
def test_gunicorn_serves_the_app_and_stops_on_sigterm(server, worker):
    """Gunicorn serves the app, and stops on SIGTERM with all its workers."""
    require_gunicorn()
    with server.beside(GUNICORN) as gunicorn:
        assert "gevent" in gunicorn.web.output, "gunicorn.conf.py should ask for gevent workers"
        person = Person(gunicorn).join()
        number = person.write("Served by gunicorn")
        assert person.get(f"/posts/{number}").heading == "Served by gunicorn"
        assert person.get("/no-such-page").status == 404
        Export.start(person).until_end().archive()
        person.close()
        children = psutil.Process(gunicorn.web.pid).children(recursive=True)
        assert children, "gunicorn has no worker"
        assert gunicorn.web.terminate() == 0
        wait_until(lambda: not any(child.is_running() for child in children), "its workers end")
