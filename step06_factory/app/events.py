"""The status of an export as a stream of server-sent events."""

from collections.abc import Iterator
from contextlib import closing
from time import sleep
from typing import Any

from flask import current_app
from flask import json
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from sqlalchemy.exc import TimeoutError

from .export_status import UNFINISHED
from .export_status import export_to_dict
from .export_status import percent
from .extensions import db
from .leases import take_lost
from .models import Export
from .tasks import export_posts
from .tasks import resend

# Seconds until we send a comment if there is no event: a client that has gone is noticed only when
# something is sent.
KEEP_ALIVE = 3
# Seconds between two events: a bar needs no more.
EVENT_INTERVAL = 0.25

# Before OpenAPI 3.2, which has streams, this stands for each event.
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "description": "An export as JSON, or null if it was deleted.",
            "contentMediaType": "application/json",
            "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/Export"}, {"type": "null"}]},
        },
        "retry": {"type": "integer", "description": "Milliseconds until a browser tries again."},
    },
}


def watch(export_id: str) -> Iterator[str]:
    """Yield the status of an export as an event, then each change, until it has ended."""
    url = current_app.config["REDIS_URL"]
    # Longer than elsewhere: no page waits for this, and a thousand clients may come at once.
    options = {"socket_connect_timeout": 5, "socket_timeout": 5}
    try:
        with (
            closing(Redis.from_url(url, **options)) as redis,
            redis.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            # First subscribe, then look: no change in between is missed.
            channel.subscribe(export_posts.backend.get_key_for_task(export_id))
            channel.get_message(timeout=1)  # the confirmation
            yield from changes(export_id, channel)
    except RedisError:
        # The browser connects again by itself. Until Redis is back it gets what the row has.
        yield event(read_status(export_id))
    except TimeoutError:
        return  # no database connection is free: the browser comes back in a second


def changes(export_id: str, channel: PubSub) -> Iterator[str]:
    """Yield an event now, and whenever Celery publishes a new state of the task."""
    status = read_status(export_id)
    yield event(status)
    while status and status["state"] in UNFINISHED and not is_stopping():
        message = channel.get_message(timeout=KEEP_ALIVE)
        if message is None:
            yield ": still here\n\n"
            resend(take_lost(Export.id == export_id))
            status = read_status(export_id)  # a worker may have died, which nobody publishes
        else:
            sleep(EVENT_INTERVAL)
            messages = [message]
            while message := channel.get_message():
                messages.append(message)
            reports = [json.loads(message["data"]) for message in messages]
            status = add_progress(status, reports) or read_status(export_id)
        yield event(status)


def is_stopping() -> bool:
    """Tell whether this process has been told to stop. The browser then goes to the next one."""
    worker = current_app.config.get("GUNICORN_WORKER")
    return worker is not None and not worker.alive


def read_status(export_id: str) -> dict[str, Any] | None:
    """Return the status of an export from the database, None if it was deleted."""
    export = db.session.get(Export, export_id, populate_existing=True)
    status = export_to_dict(export) if export else None
    db.session.rollback()  # a stream must not keep a connection to the database
    return status


def add_progress(status: dict[str, Any], reports: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the status with the last progress report, None if another report is among them."""
    if any(report["status"] != "PROGRESS" for report in reports):
        return None
    current, total = reports[-1]["result"]["current"], reports[-1]["result"]["total"]
    return status | {
        "state": "PROGRESS",
        "current": current,
        "total": total,
        "percent": percent(current, total),
        "message": f"{current:,} of {total:,} posts.",
    }


def event(status: dict[str, Any] | None) -> str:
    """Return one event: a line of data and an empty line. retry is in milliseconds."""
    return f"retry: 1000\ndata: {json.dumps(status)}\n\n"
