"""The stream of an export's status: server-sent events, read as a program would."""

import json
from collections.abc import Iterator

import pytest
import requests

from tests.support.browser import Person
from tests.support.exports import Export
from tests.support.server import Server

pytestmark = [pytest.mark.since("6.stream"), pytest.mark.xdist_group("events")]

ALL = "/api/exports/events"
# Seconds until a stream should have said something.
PATIENCE = 8


def open_stream(person: Person, path: str) -> requests.Response:
    """Open a stream, and leave it open."""
    return person.http.get(person.server.url + path, stream=True, timeout=PATIENCE)


def lines_of(person: Person, path: str) -> Iterator[str]:
    """Read the lines of a stream as they come."""
    with open_stream(person, path) as stream:
        assert stream.status_code == 200, f"GET {path} is {stream.status_code}"
        kind = stream.headers["Content-Type"]
        assert kind.startswith("text/event-stream"), f"GET {path} has the type {kind}"
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            if line:
                yield line


def statuses(lines: Iterator[str]) -> Iterator[dict]:
    """Return the exports of a stream, without what else it says."""
    texts = (line.removeprefix("data: ") for line in lines if line.startswith("data: {"))
    return map(json.loads, texts)


@pytest.fixture
def ada(server: Server) -> Iterator[Person]:
    """A user with a few posts."""
    person = Person(server).join()
    for number in range(3):
        person.write(f"Post {number}")
    yield person
    person.close()


@pytest.fixture
def waiting(idle_server: Server) -> Iterator[Person]:
    """A user with an export that waits: there is no worker."""
    person = Person(idle_server.start()).join()
    person.write()
    person.api("POST", "/api/exports")
    yield person
    person.close()
    idle_server.stop()


def test_a_stream_ends_with_its_export(ada, worker):
    """The stream of an export sends its status, and ends with what a GET answers."""
    export = Export.start(ada)
    story = list(statuses(lines_of(ada, f"{export.path}/events")))
    assert story, "the stream has no events"
    assert story[-1] == export.look()
    assert story[-1]["state"] == "SUCCESS"


def test_one_stream_has_all_exports_of_a_user(ada, worker):
    """The stream of all exports has each of them, and ends when all have ended."""
    ids = {Export.start(ada).id for _ in range(2)}
    ended = {status["id"] for status in statuses(lines_of(ada, ALL)) if status["archive_url"]}
    assert ended == ids


@pytest.mark.slow
@pytest.mark.since("6.listen")
def test_a_stream_says_that_it_is_still_there(waiting):
    """A stream with nothing to tell says so every few seconds, in a comment."""
    comments = (line for line in lines_of(waiting, ALL) if line.startswith(":"))
    assert next(comments), "it ends, or says nothing"


@pytest.mark.since("6.source")
def test_a_stream_begins_with_the_ids_of_all(waiting):
    """The first event lists the ids of all exports, so a page can drop those that are deleted."""
    ids = [export["id"] for export in waiting.get("/api/exports").json()]
    lines = lines_of(waiting, ALL)
    first = [line for line, _ in zip(lines, range(3), strict=False)]
    assert "event: ids" in first, f"the stream begins with {first}"
    assert f"data: {json.dumps(ids)}" in first, f"the stream begins with {first}"


@pytest.mark.since("6.describe")
def test_an_event_is_described(server):
    """The description of the API tells the form of an event."""
    with Person(server) as visitor:
        paths = visitor.get("/api/openapi.json").json()["paths"]
    content = paths[ALL]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert "data" in content["schema"]["properties"], content


@pytest.mark.since("6.bounded")
def test_a_user_has_a_bounded_number_of_streams(waiting):
    """A user who has too many streams open gets a 429 for one more."""
    streams = []
    try:
        while len(streams) < 30:
            streams.append(open_stream(waiting, ALL))
        codes = [stream.status_code for stream in streams]
        assert codes[0] == 200
        assert codes[-1] == 429, f"{codes.count(200)} streams of one user are open at once"
        assert waiting.get("/about").status == 200
    finally:
        for stream in streams:
            stream.close()
