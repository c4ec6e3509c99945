"""The status of exports as a stream of server-sent events."""

from collections.abc import Iterator
from contextlib import closing
from time import monotonic
from time import sleep
from typing import Any

from flask import Response
from flask import abort
from flask import current_app
from flask import json
from flask import stream_with_context
from flask_login import current_user
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from sqlalchemy import and_
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from .export_status import UNFINISHED
from .export_status import export_to_dict
from .export_status import percent
from .extensions import db
from .leases import database_clock
from .models import Export
from .models import User
from .tasks import export_posts

# Streams that a user may have open at a time, in each process. A page needs one, and that of a page
# which was closed is noticed seconds later.
MAX_STREAMS = 10
# Seconds until we look at the database again, and send a comment: a client that has gone is noticed
# only when something is sent.
KEEP_ALIVE = 3
# Seconds between two events: a bar needs no more.
EVENT_INTERVAL = 0.25

# Before OpenAPI 3.2, which has streams, this stands for each event.
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {
            "type": "string",
            "enum": ["message", "ids"],
            "description": "A message is an export. First, and whenever an export was started or "
            "deleted, come the ids of all.",
        },
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Export"},
                    {"type": "array", "items": {"type": "string", "format": "uuid"}},
                ]
            },
        },
        "retry": {"type": "integer", "description": "Milliseconds until a browser tries again."},
    },
}

Statuses = dict[str, dict[str, Any]]


def open_stream(export_id: str | None = None) -> Response:
    """Stream one of the current user's exports, or all. End in a 429 if too many are open."""
    # Counted in each process by itself: what streams use up is what a process has. And when a
    # process dies, no count is left over.
    users = current_app.extensions.setdefault("streams", [])
    user_id = current_user.id
    users.append(user_id)  # count, then check: of many requests at once, not one too many gets in
    if users.count(user_id) > MAX_STREAMS:
        users.remove(user_id)
        abort(429, f"You have {MAX_STREAMS} open streams. Please close one of them.")
    response = Response(
        stream_with_context(watch(current_user.get_id(), export_id)),
        mimetype="text/event-stream",
        # nginx would collect the events and send them in one piece at the end.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    response.call_on_close(lambda: users.remove(user_id))
    return response


def watch(session_id: str, export_id: str | None) -> Iterator[str]:
    """Yield the status of each export as an event, then each change, until all have ended."""
    try:
        yield from listen(session_id, export_id)
    except SQLAlchemyError as error:
        # It is locked or away, or has no free connection: the browser comes back in a second.
        current_app.logger.error("The database does not answer: %s", error)


def listen(session_id: str, export_id: str | None) -> Iterator[str]:
    """Yield the events with a connection to Redis; without one, what the rows have."""
    url = current_app.config["REDIS_URL"]
    # Longer than elsewhere: no page waits for this, and a thousand clients may come at once.
    options = {"socket_connect_timeout": 5, "socket_timeout": 5}
    try:
        with (
            closing(Redis.from_url(url, **options)) as redis,
            redis.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            yield from changes(session_id, export_id, channel)
    except RedisError:
        # The browser connects again by itself.
        yield from map(event, (read_statuses(session_id, export_id, {}) or {}).values())


def changes(session_id: str, export_id: str | None, channel: PubSub) -> Iterator[str]:
    """Yield an event for each export now, and for each that has another status later."""
    statuses: Statuses = {}
    subscribed: set[str] = set()
    while not is_stopping():
        found = read_statuses(session_id, export_id, statuses)
        if found is None:
            return
        unfinished = {id for id, status in found.items() if status["state"] in UNFINISHED}
        if new := unfinished - subscribed:
            # First subscribe, then look again: no change in between is missed.
            subscribe(channel, new)
            subscribed |= new
            continue
        if found.keys() != statuses.keys() or not found:
            yield event(list(found), "ids")
        for id, status in found.items():
            if status != statuses.get(id):
                yield event(status)
        if not unfinished:
            return
        statuses = found
        yield from progress(statuses, channel)


def subscribe(channel: PubSub, export_ids: set[str]) -> None:
    """Subscribe to what Celery publishes of these exports, and wait until Redis has confirmed."""
    channel.subscribe(*map(export_posts.backend.get_key_for_task, export_ids))
    for _ in export_ids:
        channel.get_message(timeout=1)


def progress(statuses: Statuses, channel: PubSub) -> Iterator[str]:
    """Yield an event for each progress report, until it is time to look at the database again."""
    end = monotonic() + KEEP_ALIVE
    while (seconds := end - monotonic()) > 0:
        message = channel.get_message(timeout=seconds)
        if message is None:
            continue
        messages = [message]
        while message := channel.get_message():
            messages.append(message)
        reports = [json.loads(message["data"]) for message in messages]
        if any(report["status"] != "PROGRESS" for report in reports):
            return
        for id, report in {report["task_id"]: report for report in reports}.items():
            if id in statuses and statuses[id]["state"] in UNFINISHED:
                statuses[id] = add_progress(statuses[id], report["result"])
                yield event(statuses[id])
        sleep(EVENT_INTERVAL)
    yield ": still here\n\n"


def is_stopping() -> bool:
    """Tell whether this process has been told to stop. The browser then goes to the next one."""
    worker = current_app.config.get("GUNICORN_WORKER")
    return worker is not None and not worker.alive


def read_statuses(session_id: str, export_id: str | None, known: Statuses) -> Statuses | None:
    """Return the status of each export by id, or None if the session has ended."""
    mine = [Export.owner_id == User.id]
    if export_id:
        mine.append(Export.id == export_id)
    # An outer join: there is a row for a user without exports, and none for a session that has
    # ended, since the user is logged out everywhere, has another password, or is deleted.
    columns = (Export.__table__, database_clock().label("now"))
    query = select(*columns).select_from(User).outerjoin(Export, and_(*mine))
    rows = db.session.execute(query.where(User.session_id == session_id)).all()
    db.session.rollback()  # a stream keeps no connection to the database while it waits for Redis
    statuses = {}
    for row in rows:
        if row.id in known and known[row.id]["state"] == row.state != "PENDING":
            statuses[row.id] = known[row.id]  # an export that has ended stays as it is
        elif row.id:
            statuses[row.id] = export_to_dict(row, row.now)
    return statuses if rows else None


def add_progress(status: dict[str, Any], result: dict[str, int]) -> dict[str, Any]:
    """Return the status with what a progress report says."""
    current, total = result["current"], result["total"]
    return status | {
        "state": "PROGRESS",
        "current": current,
        "total": total,
        "percent": percent(current, total),
        "message": f"{current:,} of {total:,} posts.",
    }


def event(data: object, name: str = "message") -> str:
    """Return one event: lines, and an empty one at the end. retry is in milliseconds."""
    kind = "" if name == "message" else f"event: {name}\n"
    return f"retry: 1000\n{kind}data: {json.dumps(data)}\n\n"
