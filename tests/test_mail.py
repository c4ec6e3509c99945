"""Mail: by a task, to a real SMTP server; a forgotten password; an export that is ready."""

import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.exports import FINAL
from tests.support.processes import Log
from tests.support.processes import wait_until
from tests.support.server import Server
from tests.support.server import running
from tests.support.smtp import MailServer

pytestmark = [pytest.mark.since(5), pytest.mark.xdist_group("mail")]

NEW_PASSWORD = "another long password"


@pytest.fixture(scope="module")
def smtp(tmp_path_factory) -> Iterator[MailServer]:
    """A mail server that takes everything."""
    server = MailServer(tmp_path_factory.mktemp("smtp")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(step, source, smtp) -> Iterator[Server]:
    """The step with a worker that sends its mails to ``smtp``."""
    server = Server(step, source)
    server.project.env["MAIL_URL"] = smtp.url
    for started in running(server):
        started.start_worker()
        yield started


@pytest.fixture
def visitor(site) -> Iterator[Browser]:
    """A browser of ``site`` that is not logged in."""
    with Browser(site) as browser:
        yield browser


def join(server: Server, email: str | None = None) -> Person:
    """Register somebody with a mail address of their own."""
    person = Person(server)
    person.email = email or f"{new_name()}@example.org"
    page = person.submit(
        "/auth/register", username=person.username, password=person.password, email=person.email
    )
    assert person.is_logged_in(), f"{page} for {person.email}"
    return person


@pytest.fixture
def ada(site) -> Iterator[Person]:
    with join(site) as person:
        yield person


def forget(browser: Browser, email: str):
    return browser.submit("/auth/forgot", email=email)


def link_in(mail) -> str:
    """Return the path of the link in a mail."""
    found = re.search(r"https?://\S+", mail.get_content())
    assert found, f"a mail without a link:\n{mail.get_content()}"
    return urlsplit(found[0]).path


def link_for(person: Person, smtp: MailServer) -> str:
    count = len(smtp.mails)
    with Browser(person.server) as browser:
        forget(browser, person.email)
    return link_in(smtp.next(person.email, count))


def choose(browser: Browser, path: str, password: str):
    return browser.submit(path, password=password)


# The smallest task, as one types it in `flask shell`

SEND = """
from flask.cli import ScriptInfo
with ScriptInfo().load_app().app_context():
    from app.{module} import {task}
    {task}.delay({arguments})
"""


def delay(server: Server, task: str, *arguments: str) -> None:
    """Send a task to the worker: ``mail.send_mail``."""
    module, name = task.split(".")
    code = SEND.format(module=module, task=name, arguments=", ".join(map(repr, arguments)))
    result = server.project.python("-c", code)
    assert result.code == 0, str(result)


def send_mail(server: Server) -> str:
    """Send a mail to a new address, and return that."""
    to = f"{new_name()}@example.org"
    delay(server, "mail.send_mail", to, "Hello", "A short text.")
    return to


@pytest.mark.since("5.mail", until="5.clock")
def test_a_task_runs_in_the_worker(server, worker):
    """`send_mail.delay()` returns at once, and the worker has the mail."""
    to = send_mail(server)
    assert server.workers, "this app has no worker"
    wait_until(lambda: to in server.worker.output, "the mail in the worker's log")


@pytest.mark.since("5.smtp", until="5.clock")
def test_a_mail_goes_to_the_mail_server(site, smtp):
    """With MAIL_URL, the worker hands a mail to that server."""
    count = len(smtp.mails)
    to = send_mail(site)
    mail = smtp.next(to, count)
    assert mail["Subject"] == "Hello"
    assert mail["Date"]


@pytest.mark.since("5.tls", until="5.clock")
@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # aiosmtpd sees no smtps://
@pytest.mark.parametrize("tls", ["starttls", "smtps"])
def test_the_worker_logs_in_to_the_mail_server_by_tls(idle_server, tmp_path, tls):
    """A mail server that wants a password gets it, by TLS."""
    smtp = MailServer(tmp_path, tls=tls, login=("study", "s3cret")).start()
    try:
        idle_server.project.env |= {"MAIL_URL": smtp.url, "SSL_CERT_FILE": str(smtp.certificate)}
        idle_server.start().start_worker()
        smtp.next(send_mail(idle_server), 0)
    finally:
        smtp.stop()


@pytest.mark.since("5.retry", until="5.clock")
def test_a_task_tries_again(site, smtp):
    """A mail server that says "not now" gets the same mail again, with the same Message-ID."""
    tries, count = smtp.tries, len(smtp.mails)
    smtp.replies = ["451 4.3.0 Not now"]
    to = send_mail(site)
    mail = smtp.next(to, count)
    assert smtp.tries == tries + 2
    assert mail["Message-ID"]
    site.forget_logs()


@pytest.mark.since("5.refused", until="5.clock")
def test_a_task_gives_up_what_can_never_work(site, smtp):
    """A mail server that says "never" is not asked again."""
    worker, tries = site.workers[0], smtp.tries
    before = len(worker.output)
    smtp.replies = ["550 5.1.1 No such user"]
    send_mail(site)
    wait_until(lambda: "No such user" in worker.output[before:], "the refusal in the worker's log")
    time.sleep(3)  # a second try would come within two seconds
    assert smtp.tries == tries + 1, "a mail that was refused for good was sent again"
    site.forget_logs()


@pytest.mark.since("5.link", until="5.clock")
def test_the_task_mails_a_link_to_the_account_with_the_address(site, smtp, ada):
    """`send_reset_link` mails a link to the account with an address, and nothing to others."""
    count = len(smtp.mails)
    for to in (f"{new_name()}@example.org", ada.email):
        delay(site, "reset.send_reset_link", to, f"{site.url}/auth/reset/TOKEN")
    mail = smtp.next(ada.email, count)
    assert ada.username in mail.get_content()
    assert "TOKEN" not in link_in(mail)
    assert len(smtp.mails) == count + 1


# The address of an account


@pytest.mark.since("5.address")
def test_an_account_may_have_no_address(visitor):
    """A mail address is optional."""
    visitor.submit("/auth/register", username=new_name(), password="a long password", email="")
    assert visitor.is_logged_in()


NO_ADDRESSES = (
    *("ada", "ada@", "@example.org", "ada@example", "ada@-.org", "ada@example..org"),
    *("a b@example.org", "ada@exa mple.org", "<ada@example.org>", "ada@127.0.0.1"),
    *("ada@example.org, eve@example.org", "ada@example.org\r\nBcc: eve@example.org"),
    *("\0@example.org", "x" * 300 + "@example.org"),
)


@pytest.mark.since("5.address")
@pytest.mark.parametrize("email", NO_ADDRESSES, ids=lambda email: ascii(email)[:30])
def test_what_is_no_address_is_refused(visitor, email):
    """What is no mail address is refused, with a message beside the field."""
    page = visitor.submit(
        "/auth/register", username=new_name(), password="a long password", email=email
    )
    assert not visitor.is_logged_in(), f"{page} for {email!r}"
    assert page.messages, f"{page}, and no message says why"


@pytest.mark.since("5.account")
@pytest.mark.parametrize(
    "email", ["ada+{}@example.org", "用户{}@例子.公司", "o'hara.{}@bücher.example"]
)
def test_an_address_in_any_script_is_taken(site, email):
    """A mail address may have letters of any script."""
    person = join(site, email.format(new_name("x")))
    page = person.get("/auth/account")
    assert page.soup.find("input", {"name": "email"})["value"], f"{page} without the address"
    person.close()


@pytest.mark.since("5.account")
def test_an_address_belongs_to_one_account(site, ada, visitor):
    """An address of another account is refused, in any case."""
    page = visitor.submit(
        "/auth/register",
        username=new_name(),
        password="a long password",
        email=ada.email.upper(),
    )
    assert not visitor.is_logged_in(), f"{page}; two accounts have one address"
    assert page.messages
    with join(site) as ben:
        page = ben.submit("/auth/account", email=ada.email, password=ben.password)
        assert page.messages
        assert ben.get("/auth/account").soup.find("input", {"name": "email"})["value"] == ben.email


@pytest.mark.since("5.address")
def test_an_address_is_for_its_owner_alone(site, ada):
    """No other user sees an address."""
    number = ada.write("By Ada")
    with Browser(site) as visitor, join(site) as ben:
        for browser in (visitor, ben):
            for path in ("/", "/posts/", f"/posts/{number}"):
                assert ada.email not in browser.get(path).text, f"{path} shows an address"


@pytest.mark.since("5.forgot")
def test_an_address_can_be_changed_and_removed(ada, smtp):
    """The account page changes the address, and removes it."""
    ada.email = f"{new_name()}@example.org"
    ada.submit("/auth/account", email=ada.email, password=ada.password)
    assert smtp is not None
    link_for(ada, smtp)  # waits for a mail to the new address
    ada.submit("/auth/account", email="", password=ada.password)
    assert not ada.get("/auth/account").soup.find("input", {"name": "email"}).get("value")


# A forgotten password


@pytest.mark.since("5.forgot")
def test_a_forgotten_password_is_replaced(ada, visitor, smtp):
    """The link in the mail sets a new password, and ends all sessions."""
    count = len(smtp.mails)
    path = link_for(ada, smtp)
    mail = smtp.next(ada.email, count)
    assert mail["Message-ID"]
    assert ada.username in mail.get_content()
    page = choose(visitor, path, NEW_PASSWORD)
    assert page.messages, f"{page}, but no message says that it worked"
    assert not ada.is_logged_in(), "the new password left an old session valid"
    visitor.login(ada.username, NEW_PASSWORD)
    assert visitor.is_logged_in()


@pytest.mark.since("5.forgot")
def test_a_link_is_good_once(ada, visitor, smtp):
    """Of two links, none is good after one of them was used."""
    first, second = link_for(ada, smtp), link_for(ada, smtp)
    choose(visitor, first, NEW_PASSWORD)
    for path in (first, second):
        page = visitor.get(path)
        assert page.path == "/auth/forgot", f"{page}; the link still works"
        assert page.messages, f"{page}, and no message says why"


@pytest.mark.since("5.forgot")
def test_a_link_dies_with_the_password_the_address_and_the_account(site, smtp, visitor):
    """A change of the password or the address, or the end of the account, voids a link."""
    for change in (
        lambda ada: ada.submit(
            "/auth/account", password=ada.password, new_password="the third password"
        ),
        lambda ada: ada.submit(
            "/auth/account", password=ada.password, email=f"{new_name()}@example.org"
        ),
        lambda ada: ada.submit("/auth/delete", password=ada.password),
    ):
        with join(site) as ada:
            path = link_for(ada, smtp)
            change(ada)
            page = visitor.get(path)
            assert page.path == "/auth/forgot", f"{page}; the link still works"


@pytest.mark.since("5.forgot")
@pytest.mark.parametrize("token", ["x", "TOKEN", "e30", "1.2.3", "MQ.aaaa.bbbb", "%00", "a" * 5000])
def test_a_forged_link_does_nothing(visitor, token):
    """A link that nobody has sent leads back, with a message."""
    page = visitor.get(f"/auth/reset/{token}")
    assert page.path == "/auth/forgot", f"{page}"
    assert page.messages


@pytest.mark.since("5.reset")
@pytest.mark.ours
def test_a_link_is_good_for_an_hour(site, ada, visitor, smtp):
    """A link of more than an hour ago is too old."""
    code = (
        "import time; real = time.time; time.time = lambda: real() - {age}\n"
        "from flask.cli import ScriptInfo\n"
        "app = ScriptInfo().load_app()\n"
        "from app.models import User\n"
        "from app.reset import serializer\n"
        "with app.app_context():\n"
        "    user = User.find({name!r})\n"
        "    print('token', serializer(user).dumps(user.id))\n"
    )
    for age, is_good in ((3500, True), (3700, False)):
        result = site.project.python("-c", code.format(age=age, name=ada.username))
        assert result.code == 0, str(result)
        token = result.output.split("token ")[1].strip()
        page = visitor.get(f"/auth/reset/{token}")
        assert page.path.startswith("/auth/reset/") == is_good, f"{page} after {age} s"


@pytest.mark.since("5.forgot")
@pytest.mark.timed
def test_an_unknown_address_gets_the_same_answer(site, ada):
    """A known and an unknown address get the same answer, in the same time."""
    pages, times = {}, {}
    for _ in range(4):
        for email in (ada.email, f"{new_name()}@example.org"):
            with Browser(site) as browser:
                form = browser.get("/auth/forgot")
                began = time.perf_counter()
                page = browser.submit_on(form, follow=False, email=email)
                times.setdefault(email == ada.email, []).append(time.perf_counter() - began)
                pages.setdefault(email == ada.email, (page.status, page.headers["Location"]))
    assert pages[True] == pages[False]
    known, unknown = (statistics.median(times[key]) for key in (True, False))
    assert known < 3 * unknown + 0.05, f"{known:.3f} s for a known one, {unknown:.3f} s else"


@pytest.mark.since("5.forgot")
def test_a_new_password_has_to_be_good(ada, visitor, smtp):
    """A password that is too short is refused, and the link stays good."""
    path = link_for(ada, smtp)
    page = choose(visitor, path, "short")
    assert page.messages
    choose(visitor, path, NEW_PASSWORD)
    visitor.login(ada.username, NEW_PASSWORD)
    assert visitor.is_logged_in()


# The mail server


@pytest.mark.slow
@pytest.mark.since("5.forgot")
@pytest.mark.parametrize("reply", ["451 4.3.0 Not now", "421 4.7.0 Try again later"])
def test_a_mail_that_is_refused_for_now_is_sent_again(site, ada, smtp, reply):
    """A mail server that says "not now" gets the mail again."""
    tries = smtp.tries
    smtp.replies = [reply, reply]
    link_for(ada, smtp)
    assert smtp.tries == tries + 3
    site.forget_logs()


@pytest.mark.slow
@pytest.mark.since("5.forgot")
def test_a_mail_that_is_refused_for_good_is_given_up(site, ada, smtp):
    """A mail server that says "never" is not asked again, and the log says so."""
    worker = site.workers[0]
    tries, before = smtp.tries, len(worker.output)
    smtp.replies = ["550 5.1.1 No such user"]
    with Browser(site) as browser:
        forget(browser, ada.email)
    wait_until(lambda: "No such user" in worker.output[before:], "the refusal in the worker's log")
    time.sleep(3)  # a second try would come within two seconds
    assert smtp.tries == tries + 1, "a mail that was refused for good was sent again"
    site.forget_logs()


@pytest.mark.since("5.forgot")
def test_without_a_mail_server_the_worker_prints_the_mail(own_server):
    """Without MAIL_URL, the worker's log has the mail."""
    worker = own_server.start_worker()
    with join(own_server) as ada, Browser(own_server) as browser:
        forget(browser, ada.email)
        wait_until(lambda: ada.email in worker.output, "the mail in the worker's log")
        path = wait_until(lambda: re.search(r"https?://\S+(/auth/reset/\S+)", worker.output), "it")
        choose(browser, path[1], NEW_PASSWORD)
        browser.login(ada.username, NEW_PASSWORD)
        assert browser.is_logged_in()


@pytest.mark.since("5.forgot")
@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # aiosmtpd sees no smtps://
@pytest.mark.parametrize("tls", ["starttls", "smtps"])
def test_a_password_for_the_mail_server_goes_by_tls(idle_server, tmp_path, tls):
    """The worker logs in to the mail server by TLS, from the start or by STARTTLS."""
    smtp = MailServer(tmp_path, tls=tls, login=("study", "s3cret")).start()
    try:
        idle_server.project.env |= {"MAIL_URL": smtp.url, "SSL_CERT_FILE": str(smtp.certificate)}
        idle_server.start().start_worker()
        with join(idle_server) as ada:
            link_for(ada, smtp)
    finally:
        smtp.stop()


@pytest.mark.since("5.forgot")
@pytest.mark.not_on_mysql("what the worker does before it asks the database again")
def test_a_password_for_the_mail_server_never_goes_without_tls(idle_server, tmp_path):
    """A mail server that offers no TLS gets no password, and the log says so."""
    smtp = MailServer(tmp_path).start()
    try:
        idle_server.project.env["MAIL_URL"] = smtp.url.replace("//", "//study:s3cret@")
        worker = idle_server.start().start_worker()
        with join(idle_server) as ada, Browser(idle_server) as browser:
            forget(browser, ada.email)
            wait_until(lambda: "no TLS" in worker.output, "the reason in the worker's log")
        assert smtp.tries == 0, "the mail was sent, and the password with it"
        assert "s3cret" not in worker.output, "the password is in the log"
    finally:
        smtp.stop()
    idle_server.forget_logs()


@pytest.mark.slow
@pytest.mark.since("5.forgot")
@pytest.mark.not_on_mysql("what the worker does before it asks the database again")
def test_a_mail_server_that_hangs_holds_a_worker_for_seconds(idle_server):
    """A mail server that never answers keeps the worker for some seconds, not for ever."""
    connections: list[socket.socket] = []

    def take(silent: socket.socket) -> None:
        with suppress(OSError):  # of the end
            while True:
                connections.append(silent.accept()[0])

    silent = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=take, args=[silent])
    thread.start()
    try:
        idle_server.project.env["MAIL_URL"] = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        worker = idle_server.start().start_worker()
        with join(idle_server) as ada, Browser(idle_server) as browser:
            forget(browser, ada.email)
            wait_until(lambda: "timed out" in worker.output, "the worker gives up", seconds=15)
            wait_until(lambda: len(connections) >= 2, "the second try", seconds=15)
    finally:
        idle_server.stop()
        silent.shutdown(socket.SHUT_RDWR)
        silent.close()
        thread.join(timeout=10)
        for connection in connections:
            connection.close()
    idle_server.forget_logs()


@pytest.mark.since("6.proxy")
@pytest.mark.not_on_mysql("settings")
def test_a_changed_host_header_gets_into_no_link(own_server, tmp_path):
    """In production, a mail links to the site's own host, whatever host the client names."""
    smtp = MailServer(tmp_path).start()
    try:
        own_server.project.env["MAIL_URL"] = smtp.url
        own_server.start_worker()
        with join(own_server) as ada:
            own_server.project.env |= {
                "APP_CONFIG": "production",
                "SECRET_KEY": "k" * 40,
                "DATABASE_URL": f"sqlite:///{own_server.project.database}",
            }
            result = own_server.project.try_flask("routes")
            assert result.code, "production sends mails with links to any host"
            assert "TRUSTED_HOSTS" in result.output
            assert "Traceback" not in result.output
            own_server.project.env["TRUSTED_HOSTS"] = "127.0.0.1"
            assert own_server.project.flask("routes").code == 0
            assert ada
    finally:
        smtp.stop()


# An export that is ready


def export_with_mail(person: Person):
    return person.submit("/exports/", mail="on")


@pytest.mark.since("5.ready")
def test_a_mail_says_that_an_export_is_ready(ada, smtp):
    """Who asked for it gets a mail with a link when the export is ready."""
    ada.write()
    count = len(smtp.mails)
    export_with_mail(ada)
    mail = smtp.next(ada.email, count)
    assert mail["To"] == ada.email
    assert link_in(mail) == "/exports/"
    states = [export["state"] for export in ada.get("/api/exports").json()]
    assert states == ["SUCCESS"]


@pytest.mark.since("5.ready")
def test_only_who_asks_for_it_gets_a_mail(ada, smtp):
    """Without the tick there is no mail, and without an address there is no tick."""

    def has_tick() -> bool:
        return "mail" in {field.get("name") for field in ada.get("/exports/").fields}

    ada.write()
    count = len(smtp.mails)
    assert has_tick(), "the account has an address, and nobody asks whether to mail"
    ada.submit("/exports/")
    finished(ada)
    ada.submit("/auth/account", email="", password=ada.password)
    assert not has_tick(), "nobody can be mailed without an address"
    time.sleep(1)  # a mail is sent as soon as the export has ended
    assert len(smtp.mails) == count


def finished(person: Person, count: int = 1) -> list[str]:
    def states() -> list[str]:
        return [export["state"] for export in person.get("/api/exports").json()]

    wait_until(lambda: len(states()) == count and set(states()) <= FINAL, "the end of the exports")
    return states()


@pytest.mark.since("5.ready")
def test_a_mail_that_fails_does_not_make_the_export_fail(site, ada, smtp):
    """An export is finished even if its mail cannot be sent."""
    ada.write()
    smtp.replies = ["554 5.0.0 Never"]
    export_with_mail(ada)
    assert finished(ada) == ["SUCCESS"]
    wait_until(lambda: "5.0.0 Never" in site.workers[0].output, "the refusal in the worker's log")
    site.forget_logs()


@pytest.mark.since("5.ready")
@pytest.mark.ours
def test_an_export_that_is_deleted_before_its_mail_is_no_error(own_server):
    """The worker mails nobody about an export that is deleted meanwhile."""
    code = (
        "from flask.cli import ScriptInfo\n"
        "app = ScriptInfo().load_app()\n"
        "from app.tasks import tell_owner\n"
        "with app.app_context():\n"
        "    tell_owner('0' * 32)\n"
    )
    result = own_server.project.python("-c", code)
    assert result.code == 0, str(result)


# By the clock

# Runs the task in the step's folder, as a worker does.
REVOKE = """
from flask.cli import ScriptInfo
app = ScriptInfo().load_app()
from app.clock import revoke_abandoned_exports
with app.app_context():
    revoke_abandoned_exports()
"""
RESEND = """
from flask.cli import ScriptInfo
app = ScriptInfo().load_app()
from app.clock import resend_lost_exports
with app.app_context():
    resend_lost_exports()
"""
LONG_AGO = "created_at = '2020-01-01', sent_at = '2100-01-01'"


@pytest.mark.since("5.clock")
@pytest.mark.ours
def test_a_lost_task_is_sent_again_by_the_clock(own_server):
    """A task that nobody has taken is sent again by the clock, though nobody looks."""
    with Person(own_server).join() as ada:
        ada.write()
        ada.submit("/exports/")
        own_server.project.change("UPDATE export SET sent_at = '2020-01-01 00:00:00.000000'")
        own_server.redis.kill()
        own_server.start_redis()  # it is empty now
        result = own_server.project.python("-c", RESEND)
        assert result.code == 0, str(result)
        (row,) = own_server.project.rows("SELECT * FROM export")
        assert not str(row["sent_at"]).startswith("2020"), "nobody has sent its task again"


@pytest.mark.since("5.old")
@pytest.mark.ours
@pytest.mark.slow
def test_old_exports_are_deleted_by_the_clock(idle_server):
    """Exports of more than 30 days ago are deleted; two beats at once do no harm."""
    project = idle_server.project
    config = project.folder / "config.py"
    config.write_text(config.read_text().replace("3600", "1"))
    idle_server.start().start_worker()
    with join(idle_server) as ada:
        ada.write()
        for _ in range(2):
            ada.api("POST", "/api/exports")
        finished(ada, 2)
        new, old = (export["id"] for export in ada.get("/api/exports").json())
        project.change(f"UPDATE export SET finished_at = '2020-01-01' WHERE id = '{old}'")
        words = ["-m", "celery", "-A", idle_server.step.worker, "beat", "--loglevel", "INFO"]
        beats = [
            project.spawn(
                [sys.executable, *words, "--schedule", f"beat{number}"],
                Log(project.base / f"beat{number}.txt"),
            )
            for number in range(2)
        ]
        try:
            wait_until(lambda: all("Sending due task" in beat.output for beat in beats), "both")
            wait_until(lambda: len(ada.get("/api/exports").json()) == 1, "the end of the old one")
        finally:
            for beat in beats:
                beat.kill()
        assert not project.rows("SELECT 1 FROM export_chunk WHERE export_id = :id", id=old)
        assert ada.get(f"/api/exports/{new}/archive").status == 200, "the new one is gone too"


@pytest.mark.since("5.old")
@pytest.mark.ours
def test_an_export_that_no_worker_takes_is_revoked(own_server):
    """An export that waits for a worker for a day is revoked, and says why."""
    with join(own_server) as ada:
        ada.write()
        for _ in range(2):
            ada.api("POST", "/api/exports")
        new, old = (export["id"] for export in ada.get("/api/exports").json())
        own_server.project.change(f"UPDATE export SET {LONG_AGO} WHERE id = '{old}'")
        assert own_server.project.python("-c", REVOKE).code == 0
        states = {export["id"]: export for export in ada.get("/api/exports").json()}
        assert states[old]["state"] == "REVOKED"
        assert "worker" in states[old]["message"]
        assert states[new]["state"] == "PENDING"
