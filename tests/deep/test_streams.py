"""The events of an export, as a stream: what a watcher gets, and when."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests

from tests.support.browser import Browser
from tests.support.exports import FINAL
from tests.support.exports import KEYS
from tests.support.exports import ORDER
from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.server import FLASK_RUN
from tests.support.server import GUNICORN
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(6),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("waiting"),
    pytest.mark.not_on_mysql("what Redis publishes"),
]

# Seconds: from a change to the watcher, between two signs of life, and of a stream in these tests.
SOON = 2
KEEP_ALIVE = 5
LONGEST = 20


# What is the same for every server is seen at one.
at_gunicorn = pytest.mark.parametrize("people", [GUNICORN], ids=["gunicorn"], indirect=True)


@dataclass(frozen=True)
class Event:
    """One line of the stream: the status of the export, or a comment (then ``status`` is "")."""

    after: float
    status: dict | str


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
    for person in people:
        for export in person.get("/api/exports").json():
            person.api("DELETE", f"/api/exports/{export['id']}")


def events(export: Export, **headers: str) -> Iterator[Event]:
    """Follow the stream of an export until the server ends it."""
    began = time.monotonic()
    url = f"{export.server.url}{export.path}/events"
    with export.owner.http.get(url, stream=True, timeout=2 * KEEP_ALIVE, headers=headers) as answer:
        assert answer.status_code == 200, f"GET {export.path}/events is {answer.status_code}"
        kind = answer.headers["Content-Type"]
        assert kind.startswith("text/event-stream"), f"the stream's type is {kind}"
        try:
            for line in answer.iter_lines(chunk_size=1):
                after = time.monotonic() - began
                assert after < LONGEST, f"the stream still goes on after {LONGEST} s"
                if line.startswith(b"data:"):
                    yield Event(after, json.loads(line.removeprefix(b"data:")))
                elif line.startswith(b":"):
                    yield Event(after, "")
        except requests.ConnectionError as problem:
            raise AssertionError(f"no event came, nor a sign of life: {problem}") from None


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
