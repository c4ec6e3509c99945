"""The log: a line for each request, and one id for all that a request sets off."""

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

from config import LOG_FORMAT

# The id of the request that this code works for; in the worker, of the one that sent the task.
request_id: ContextVar[str] = ContextVar("request_id", default="-")

# What a proxy may send as an id: it goes into our log and into a header.
SANE_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)


class Record(logging.LogRecord):
    """A line of the log that knows the id, whoever wrote it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_id = request_id.get()


def init_app(app: Flask) -> None:
    """Log to the terminal, where systemd and others pick it up."""
    logging.setLogRecordFactory(Record)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    # `flask run` writes a line for each request too, and ours says more. Its other lines stay.
    werkzeug = logging.getLogger("werkzeug")
    werkzeug.addFilter(is_no_request)
    werkzeug.propagate = False
    app.before_request(begin)
    app.after_request(log_request)


def is_no_request(record: logging.LogRecord) -> bool:
    """Tell whether this is something else than the line of `flask run` for a request."""
    return " HTTP/1." not in record.getMessage()


def begin() -> None:
    """Give the request its id: that of our proxy, or a new one."""
    g.began = perf_counter()
    given = request.headers.get("X-Request-ID", "")
    trusted = current_app.config["TRUSTED_PROXIES"] and SANE_ID.fullmatch(given)
    request_id.set(given if trusted else uuid4().hex)


def log_request(response: Response) -> Response:
    """Write the line; a stream only begins now. Tell the visitor the id, in case of a complaint."""
    # quote() leaves no line break and no colour code in the log. The query may hold a secret.
    method, path = quote(request.method), quote(request.path)
    milliseconds = (perf_counter() - g.began) * 1000
    # Enough of the session's id to tell sessions apart, and too little to be one.
    session_id = str(session.get("_user_id", "-"))[:8]
    line = "%s %s %d in %d ms, session %s"
    current_app.logger.info(line, method, path, response.status_code, milliseconds, session_id)
    response.headers["X-Request-ID"] = request_id.get()
    return response


@before_task_publish.connect
def send_id_along(headers: dict[str, Any], **_: object) -> None:
    """Send the id with the task, as a header of its message."""
    headers["request_id"] = request_id.get()


@task_prerun.connect
def take_id_over(task: Task, **_: object) -> None:
    """In the worker: from here on the log has the id of the request that sent the task."""
    request_id.set(task.request.get("request_id") or "-")


@task_postrun.connect
def forget_id(**_: object) -> None:
    """In the worker: what comes now belongs to no request."""
    request_id.set("-")
