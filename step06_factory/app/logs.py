"""Logging: a line for each request, with an id that its tasks in the worker have too."""

import logging
import re
from contextvars import ContextVar
from time import perf_counter
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from celery import Task
from celery.signals import before_task_publish
from celery.signals import task_postrun
from celery.signals import task_prerun
from flask import Flask
from flask import current_app
from flask import g
from flask import request
from flask import session
from werkzeug.wrappers import Response

LOG_FORMAT = "%(asctime)s %(levelname)s %(request_id)s %(message)s"

# The id of the current request; in the worker, of the request that sent the current task.
request_id: ContextVar[str] = ContextVar("request_id", default="-")

# An id that a proxy may send: it goes into the log and into a header.
VALID_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)


class Record(logging.LogRecord):
    """A log record with the request id, also when a library writes it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_id = request_id.get()


def init_app(app: Flask) -> None:
    """Log to the terminal, where systemd and others collect it."""
    logging.setLogRecordFactory(Record)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    # `flask run` logs each request too, with less in it: keep only its other lines.
    werkzeug = logging.getLogger("werkzeug")
    werkzeug.addFilter(lambda record: " HTTP/1." not in record.getMessage())
    werkzeug.propagate = False
    app.before_request(set_request_id)
    app.after_request(log_request)


def set_request_id() -> None:
    """Give the request an id: that of a trusted proxy, or a new one."""
    g.started_at = perf_counter()
    given = request.headers.get("X-Request-ID", "")
    trusted = int(current_app.config["TRUSTED_PROXIES"]) and VALID_ID.fullmatch(given)
    request_id.set(given if trusted else uuid4().hex)


def log_request(response: Response) -> Response:
    """Log the request, and return its id in a header, for bug reports."""
    # quote(): no line break or colour code gets into the log. No query: it may hold a secret.
    method, path = quote(request.method), quote(request.path)
    # The link for a new password has its secret in the path.
    if token := (request.view_args or {}).get("token"):
        path = path.replace(quote(token), "TOKEN")
    milliseconds = (perf_counter() - g.started_at) * 1000
    # Enough of the session's id to tell sessions apart, and too little to be one.
    session_id = str(session.get("_user_id", "-"))[:8]
    line = "%s %s %d in %d ms, session %s"
    current_app.logger.info(line, method, path, response.status_code, milliseconds, session_id)
    response.headers["X-Request-ID"] = request_id.get()
    return response


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_: object) -> None:
    """Send the id with the task, as a header of its message."""
    headers["request_id"] = request_id.get()


@task_prerun.connect
def restore_request_id(task: Task, **_: object) -> None:
    """In the worker, log with the id of the request that sent the task."""
    request_id.set(task.request.get("request_id") or "-")


@task_postrun.connect
def clear_request_id(**_: object) -> None:
    """In the worker, log without an id until the next task."""
    request_id.set("-")
