"""The news of an export as a stream of server-sent events."""

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

from .exports import describe
from .exports import percent
from .extensions import db
from .models import Export
from .tasks import export_posts

# Seconds without news, after which we say that we are still there. A visitor who has gone is
# noticed only when something is sent.
KEEP_ALIVE = 3
# Seconds between two events: a bar needs no more.
EVENT_EVERY = 0.25

FINAL = ("SUCCESS", "FAILURE", "REVOKED")

# OpenAPI has a word of its own for streams from 3.2 on. Before, this stands for each event.
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
    """Yield the present state of an export, then each change, until it has ended."""
    url = current_app.config["REDIS_URL"]
    # More patience than elsewhere: nobody waits for this, and a thousand may come at once.
    options = {"socket_connect_timeout": 5, "socket_timeout": 5}
    try:
        with (
            closing(Redis.from_url(url, **options)) as redis,
            redis.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            # First listen, then look: what happens in between is heard.
            channel.subscribe(export_posts.backend.get_key_for_task(export_id))
            channel.get_message(timeout=1)  # the word that it is done
            yield from changes(export_id, channel)
    except RedisError:
        # The browser connects again by itself. Until Redis is back it gets what the row says.
        yield event(look(export_id))
    except TimeoutError:
        return  # too many people at the database: the browser comes back in a second


def changes(export_id: str, channel: PubSub) -> Iterator[str]:
    """Yield an event now, and whenever Celery publishes a new state of the task."""
    news = look(export_id)
    yield event(news)
    while news and news["state"] not in FINAL and not is_stopping():
        message = channel.get_message(timeout=KEEP_ALIVE)
        if message is None:
            yield ": still here\n\n"
            news = look(export_id)  # a worker may have died, which nobody publishes
        else:
            sleep(EVENT_EVERY)
            messages = [message]
            while message := channel.get_message():
                messages.append(message)
            news = progress(news, [json.loads(message["data"]) for message in messages])
            news = news or look(export_id)
        yield event(news)


def is_stopping() -> bool:
    """Tell whether this process has been told to stop. The browser then goes to the next one."""
    worker = current_app.config.get("GUNICORN_WORKER")
    return worker is not None and not worker.alive


def look(export_id: str) -> dict[str, Any] | None:
    """Return the state of an export as the API tells it, None if it was deleted."""
    export = db.session.get(Export, export_id, populate_existing=True)
    news = describe(export) if export else None
    db.session.rollback()  # a stream must not keep a connection to the database
    return news


def progress(news: dict[str, Any], reports: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the news with the last report of the task, None if one of them is no mere progress."""
    if any(report["status"] != "PROGRESS" for report in reports):
        return None
    current, total = reports[-1]["result"]["current"], reports[-1]["result"]["total"]
    return news | {
        "state": "PROGRESS",
        "current": current,
        "total": total,
        "percent": percent(current, total),
        "message": f"{current:,} of {total:,} posts.",
    }


def event(news: dict[str, Any] | None) -> str:
    """Return one event: a line of data and an empty line. retry is in milliseconds."""
    return f"retry: 1000\ndata: {json.dumps(news)}\n\n"
