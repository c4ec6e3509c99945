"""The events of exports, as a stream: what a watcher gets, when, and for how long."""

import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests

from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.exports import FINAL
from tests.support.exports import KEYS
from tests.support.exports import ORDER
from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.processes import wait_until
from tests.support.server import FLASK_RUN
from tests.support.server import GUNICORN
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since("6.stream"),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("waiting"),
    pytest.mark.not_on_mysql("what Redis publishes"),
]

# Seconds: from a change to the watcher, between two signs of life, and of a stream in these tests.
SOON = 2
KEEP_ALIVE = 5
LONGEST = 20
# Until the server has noticed that a client has gone: what it sends next may still seem to arrive.
NOTICED_WITHIN = 2 * KEEP_ALIVE
# The stream of all exports of a user.
ALL = "/api/exports/events"


# What is the same for every server is seen at one.
at_gunicorn = pytest.mark.parametrize("people", [GUNICORN], ids=["gunicorn"], indirect=True)


@dataclass(frozen=True)
class Event:
    """An event: the status of an export, the ids of all, or a comment (then ``status`` is "")."""

    after: float
    status: dict | list | str | None
    name: str = "message"


@pytest.fixture(scope="module", params=[FLASK_RUN, GUNICORN], ids=["flask-run", "gunicorn"])
def people(request, lab: Lab) -> Iterator[list[Author]]:
    """Somebody with many posts and somebody with a few, at one server or the other."""
    page = Browser(lab).get(f"/api/exports/{uuid4()}/events", follow=False)
    assert page.status == 401, f"{page}; visitors of a stream log in first, so 401"
    many, few = lab.authors(2000, 20)
    if request.param is FLASK_RUN:
        yield [many, few]
    else:
        with lab.beside(request.param) as served:
            many.server = few.server = served
            yield [many, few]


@pytest.fixture(autouse=True)
def no_exports_left(fresh: None, people: list[Author]) -> Iterator[None]:
    yield
    for person in (*people, *people):  # one that was running needs to be told twice
        for export in person.get("/api/exports").json():
            person.api("DELETE", f"/api/exports/{export['id']}")


def follow(person: Author, path: str, **headers: str) -> Iterator[Event]:
    """Follow a stream until the server ends it."""
    began = time.monotonic()
    url = f"{person.server.url}{path}"
    with person.http.get(url, stream=True, timeout=2 * KEEP_ALIVE, headers=headers) as answer:
        assert answer.status_code == 200, f"GET {path} is {answer.status_code}"
        kind = answer.headers["Content-Type"]
        assert kind.startswith("text/event-stream"), f"the stream's type is {kind}"
        name = "message"
        try:
            for line in answer.iter_lines(chunk_size=1):
                after = time.monotonic() - began
                assert after < LONGEST, f"the stream still goes on after {LONGEST} s"
                if line.startswith(b"event: "):
                    name = line.removeprefix(b"event: ").decode()
                elif line.startswith(b"data: "):
                    yield Event(after, json.loads(line.removeprefix(b"data: ")), name)
                    name = "message"
                elif line.startswith(b":"):
                    yield Event(after, "")
        except requests.ConnectionError as problem:
            raise AssertionError(f"no event came, nor a sign of life: {problem}") from None


def events(export: Export, **headers: str) -> Iterator[Event]:
    """Follow the stream of an export, without the events that are of no export."""
    stream = follow(export.owner, f"{export.path}/events", **headers)
    return (event for event in stream if event.name == "message")


def test_the_stream_shows_an_export_from_start_to_end(lab, people):
    """The event stream of an export shows its state and progress from the start to the end."""
    lab.start_worker()
    export = people[0].export()
    story = list(events(export))
    statuses = [event.status for event in story if event.status]
    seen(f"{len(statuses)} events, the first after {story[0].after:.2f} s, the last {statuses[-1]}")
    assert story[0].after < 1, f"the present state came after {story[0].after:.1f} s only"
    for answer in statuses:
        assert set(answer) == KEYS, f"another shape than that of GET {export.path}: {answer}"
        assert answer["id"] == export.id
    ranks = [ORDER.index(answer["state"]) for answer in statuses]
    assert ranks == sorted(ranks), f"a state came back: {[answer['state'] for answer in statuses]}"
    numbers = [answer["current"] for answer in statuses]
    assert numbers == sorted(numbers), f"the bar went back: {numbers}"
    assert len(set(numbers)) > 3, f"the bar hardly moved: {numbers}"
    assert statuses[-1] == export.look(), "the last event is not how the export ended"
    assert statuses[-1]["state"] == "SUCCESS"
    gap = max(b.after - a.after for a, b in itertools.pairwise(story))
    assert gap < KEEP_ALIVE, f"nothing came for {gap:.1f} s"
    export.check_archive()


@at_gunicorn
def test_the_stream_of_a_finished_export_is_its_final_state(lab, people):
    """The stream of a finished export sends its final state once, and ends."""
    lab.start_worker()
    export = people[1].export().until_end()
    story = list(events(export))
    assert [event.status for event in story] == [export.look()], "the end, once, was expected"
    assert story[-1].after < SOON


@at_gunicorn
def test_a_reconnected_stream_goes_on(lab, people):
    """A client that reconnects gets the present state first, and then the rest."""
    lab.start_worker()
    export = people[0].export()
    stream = events(export)
    before = next(
        event.status for event in stream if event.status and event.status["current"] > 100
    )
    injected(f"the watcher is cut off at {before['current']} posts, and comes back")
    stream.close()
    story = [event.status for event in events(export, **{"Last-Event-ID": "1"}) if event.status]
    seen(f"first {story[0]['current']} posts, then {len(story) - 1} events to {story[-1]['state']}")
    assert story[0]["current"] >= before["current"], "the bar went back"
    assert story[-1]["state"] == "SUCCESS"


@at_gunicorn
@pytest.mark.parametrize("at_work", [True, False], ids=["running", "waiting"])
def test_cancelling_reaches_open_streams(lab, people, at_work):
    """When an export is cancelled, its open streams say so and end."""
    if at_work:
        lab.start_worker()
    export = people[0].export()
    stream = events(export)
    for event in stream:
        if event.status and (event.status["current"] or not at_work):
            break
    injected(f"DELETE while it is {event.status['state']}")
    began = time.monotonic()
    export.owner.again().api("DELETE", export.path)
    rest = list(stream)
    took = time.monotonic() - began
    seen(f"{rest[-1].status['state']} after {took:.2f} s")
    assert rest[-1].status["state"] == "REVOKED", f"the stream ended with {rest[-1].status}"
    assert took < SOON, f"the watcher heard of it after {took:.1f} s"


@at_gunicorn
def test_a_deleted_export_has_no_stream(lab, people):
    """A deleted export has no stream: 404."""
    lab.start_worker()
    export = people[1].export().until_end()
    export.cancel()
    assert export.owner.get(f"{export.path}/events").status == 404


@pytest.mark.since("6.listen")
def test_a_waiting_stream_is_kept_alive(lab, people):
    """A stream of an export that waits is kept alive, and still sends the end."""
    injected("no worker runs, so nothing happens")
    export = people[1].export()
    stream = events(export)
    assert next(stream).status["state"] == "PENDING"
    for _ in range(2):
        began = time.monotonic()
        next(event for event in stream if event.status == "")
        took = time.monotonic() - began
        assert took < KEEP_ALIVE, f"{took:.1f} s without a sign of life"
    lab.start_worker()
    rest = [event.status for event in stream if event.status]
    assert rest[-1]["state"] == "SUCCESS", f"the stream ended with {rest[-1]}"


def test_streams_show_the_end_after_an_outage_of_redis(lab, people):
    """After an outage of Redis, a client that reconnects sees the export to its end."""
    lab.start_worker()
    export = people[0].export()
    stream = events(export)
    next(event for event in stream if event.status and event.status["current"] > 100)
    injected("Redis is killed while somebody watches")
    lab.redis.kill()
    last = None
    for _ in range(3):
        for event in stream:
            last = event.status or last
        stream = events(export)
    seen(last)
    assert last, "without Redis no event came"
    assert last["state"] in ("PROGRESS", "SUCCESS"), f"what the row knows was expected: {last}"
    injected("Redis is back")
    lab.start_redis()
    deadline = time.monotonic() + 30
    while last["state"] not in FINAL and time.monotonic() < deadline:
        for event in events(export):
            last = event.status or last
    seen(last)
    assert last["state"] == "SUCCESS"


def test_events_are_for_the_owner_alone(lab, people):
    """Only the owner gets the events of an export: 404 for other users, 401 for anonymous ones."""
    mine, other = people
    export = mine.export()
    unknown = f"/api/exports/{uuid4()}/events"
    for path in (f"{export.path}/events", unknown, "/api/exports/1/events"):
        page = other.get(path)
        assert page.status == 404, f"{page}; it is not theirs"
        assert page.json()["message"]
    other.http.cookies.clear()
    page = other.get(f"{export.path}/events", follow=False)
    assert page.status == 401, f"{page}; visitors log in first"
    assert page.json()["message"]
    other.login(other.username, other.password)


# One stream for all exports


@pytest.mark.since("6.source")
@at_gunicorn
def test_one_stream_has_all_exports(lab, people):
    """One stream has the events of all exports of its user, of nobody else's, and then ends."""
    other = people[0]
    mine = lab.authors(400)[0]
    mine.server = other.server
    exports = {export.id: export for export in (mine.export(), mine.export(), mine.export())}
    other.export()
    stream = follow(mine, ALL)
    first = next(stream)
    assert first.name == "ids", f"the ids of all exports come first, not {first}"
    assert sorted(first.status) == sorted(exports)
    lab.start_workers(2)
    story: dict[str, list[dict]] = {identity: [] for identity in exports}
    for event in stream:
        if event.status and event.name == "message":
            assert event.status["id"] in exports, f"this export is another user's: {event.status}"
            story[event.status["id"]].append(event.status)
    for identity, news in story.items():
        states = [answer["state"] for answer in news]
        seen(f"{identity[:8]}: {len(news)} events, {list(dict.fromkeys(states))}")
        assert news[0]["state"] == "PENDING", f"the present state comes first, not {news[0]}"
        assert states == sorted(states, key=ORDER.index), f"a state came back: {states}"
        assert all(set(answer) == KEYS for answer in news), f"another shape: {news[0]}"
        assert news[-1] == exports[identity].look(), "the last event is not how the export ended"
        assert news[-1]["state"] == "SUCCESS"


@pytest.mark.since("6.source")
@at_gunicorn
def test_the_stream_of_all_exports_tells_what_is_started_and_deleted(lab, people):
    """The stream of all exports tells of exports that are started or deleted while it is open."""
    mine = people[1]
    first = mine.export()
    stream = follow(mine, ALL)
    assert next(stream).status == [first.id]
    twin = mine.again()
    began = time.monotonic()
    injected("another export is started")
    second = Export.start(twin)
    ids = next(event.status for event in stream if event.name == "ids")
    assert sorted(ids) == sorted([first.id, second.id])
    news = next(event.status for event in stream if event.status)
    assert (news["id"], news["state"]) == (second.id, "PENDING")
    injected("the first export is cancelled, and deleted")
    twin.api("DELETE", first.path)
    news = next(event.status for event in stream if event.status)
    assert (news["id"], news["state"]) == (first.id, "REVOKED")
    twin.api("DELETE", first.path)
    ids = next(event.status for event in stream if event.name == "ids")
    assert ids == [second.id], f"one export was deleted, and the stream has {ids}"
    seen(f"all that within {time.monotonic() - began:.1f} s")
    lab.start_worker()
    last = [event.status for event in stream if event.status][-1]
    assert (last["id"], last["state"]) == (second.id, "SUCCESS")


@at_gunicorn
def test_a_cancelled_export_stays_cancelled_in_the_stream(lab, people):
    """No report of a worker that has not noticed yet comes after the end of an export."""
    mine = people[0]
    lab.start_workers(2)
    gone, other = mine.export(), mine.export()
    stream = follow(mine, ALL)
    next(e for e in stream if e.name == "message" and e.status and e.status["state"] == "PROGRESS")
    mine.again().api("DELETE", gone.path)
    states = [
        event.status["state"]
        for event in stream
        if event.status and event.name == "message" and event.status["id"] == gone.id
    ]
    assert states[-1] == "REVOKED", f"the cancelled export was {states}"
    assert "REVOKED" not in states[:-1], f"it went on after the end: {states}"
    other.until_end()


@pytest.mark.since("6.source")
def test_a_user_without_exports_gets_a_stream_that_ends(lab, people):
    """The stream of a user without exports says so, and ends."""
    assert [event.status for event in follow(people[1], ALL)] == [[]]


# How many, and how long


def opened(person: Author, path: str) -> requests.Response:
    """Open a stream, and leave it open."""
    url = f"{person.server.url}{path}"
    return requests.get(url, cookies=person.http.cookies, stream=True, timeout=10)


def is_open(person: Author) -> bool:
    """Tell whether one more stream is accepted. It is closed at once."""
    with opened(person, ALL) as answer:
        return answer.status_code == 200


@pytest.mark.since("6.bounded")
def test_a_user_can_open_only_so_many_streams(people):
    """Too many streams of one user are refused with a 429; other users have theirs."""
    mine, other = people
    export = mine.export()
    other.export()
    paths = itertools.cycle([ALL, f"{export.path}/events"])
    streams = [opened(mine, path) for path, _ in zip(paths, range(50), strict=False)]
    try:
        codes = [stream.status_code for stream in streams]
        accepted = codes.count(200)
        seen(f"of {len(codes)} streams {accepted} are accepted")
        assert 6 <= accepted <= 20, f"of {len(codes)} streams {accepted} are accepted"
        assert codes == [200] * accepted + [429] * (50 - accepted)
        assert str(accepted) in streams[-1].json()["message"], "the message tells the limit"
        assert is_open(other), "one user's streams use up another user's"
        assert mine.get("/exports/").status == 200, "the page itself is refused, too"
        injected("one of them is closed")
        streams[0].close()
        wait_until(lambda: is_open(mine), "a stream is accepted again", seconds=NOTICED_WITHIN)
    finally:
        for stream in streams:
            stream.close()


def test_closed_streams_do_not_count(people):
    """However a stream ends, it is not counted any more."""
    mine = people[1]
    export = mine.export()
    injected("60 HEAD requests")
    for path in (ALL, f"{export.path}/events"):
        for _ in range(30):
            assert mine.request("HEAD", path).status == 200
    injected("three times 50 streams, closed before they have said a word")
    for _ in range(3):
        streams = [opened(mine, ALL) for _ in range(50)]
        for stream in streams:
            stream.close()
        wait_until(lambda: is_open(mine), "another stream is accepted", seconds=NOTICED_WITHIN)
    injected("an export that has ended: 30 streams that end at once")
    export.cancel()
    time.sleep(NOTICED_WITHIN)
    for _ in range(30):
        assert [event.status for event in follow(mine, ALL) if event.name == "message"]


def log_out_everywhere(author: Author) -> None:
    assert author.submit("/auth/account", to="/auth/logout-everywhere").status == 200


def change_password(author: Author) -> None:
    new = f"{author.password}-new"
    page = author.submit("/auth/account", password=author.password, new_password=new)
    assert page.messages, f"{page}"
    author.password = new


def delete_account(author: Author) -> None:
    admin = Person(author.server).join()
    admin.server.project.flask("make-admin", admin.username)
    (row,) = admin.server.project.rows(
        "SELECT id FROM user WHERE username = :name", name=author.username
    )
    token = admin.get("/").csrf_token
    admin.post("/admin/user/delete/", {"id": row["id"], "csrf_token": token})
    page = Browser(author.server).login(author.username, author.password)
    assert page.path == "/auth/login", f"{page}; the account was to be deleted"
    admin.close()


@at_gunicorn
@pytest.mark.parametrize("at_work", [True, False], ids=["running", "waiting"])
@pytest.mark.parametrize("end", [log_out_everywhere, change_password, delete_account])
def test_the_end_of_a_session_ends_its_streams(lab, people, end, at_work):
    """When all sessions of a user end, or the account, open streams end; others go on."""
    other = people[1]
    victim = lab.authors(4000 if at_work else 1)[0]
    victim.server = other.server
    export = victim.export()
    other.export()
    if at_work:
        lab.start_worker()
    # Closed by hand: a generator that nobody holds would close its stream.
    streams = [follow(victim, ALL), follow(victim, f"{export.path}/events"), follow(other, ALL)]
    for stream in streams:
        next(event for event in stream if event.status and event.name == "message")
    injected(f"{end.__name__} in another browser")
    end(victim.again())
    began = time.monotonic()
    rest = [list(stream) for stream in streams[:2]]
    took = time.monotonic() - began
    states = [event.status["state"] for story in rest for event in story if "state" in event.status]
    seen(f"both streams have ended after {took:.1f} s, with {states[-3:]}")
    assert "SUCCESS" not in states, "the stream went on to the end of the export"
    assert took < KEEP_ALIVE, f"the old session's streams went on for {took:.1f} s"
    page = victim.get(ALL, follow=False)
    assert page.status == 401, f"{page}; the session has ended"
    assert next(streams[2]) is not None, "the stream of another user has ended"


@at_gunicorn
def test_a_session_that_is_valid_keeps_its_stream(people):
    """A stream goes on while its session is valid: after another login, and another logout."""
    mine = people[1]
    export = mine.export()
    stream = follow(mine, ALL)
    next(stream)
    twin = Browser(mine.server)
    mine.come_back(twin)
    twin.logout()
    began = time.monotonic()
    for event in stream:
        if event.after > 2 * KEEP_ALIVE:
            break
    assert time.monotonic() - began > KEEP_ALIVE, "the stream has ended, though its session has not"
    export.cancel()


@pytest.mark.since("6.bounded")
@at_gunicorn
def test_a_locked_database_ends_a_stream_and_the_client_comes_back(lab, people):
    """When the database is locked, a stream ends without a traceback, and can be opened again."""
    mine = people[1]
    export = mine.export()
    stream = follow(mine, ALL)
    next(stream)
    with closing(sqlite3.connect(lab.project.database, isolation_level=None)) as database:
        injected("another program locks the database")
        database.execute("BEGIN EXCLUSIVE")
        list(stream)
        database.execute("ROLLBACK")
    assert next(follow(mine, ALL)).status == [export.id]
