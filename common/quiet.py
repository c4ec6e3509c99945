"""Run flask or celery without the lines that are the same at every start.

``python -m common.quiet flask run --debug`` is ``python -m flask run --debug`` without banners, the
debugger's PIN and the requests for static files, ``python -m common.quiet celery …`` is a worker
without its banner and what its clock does each minute. `learn.py run --verbose` leaves this out.
All is done by hooks that the libraries offer, except for one, which `quiet_flask` names.
"""

import logging
import os
import runpy
import sys
import threading
import warnings
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from .stack import PROBE
from .stack import READY_FILE


def quiet_flask() -> None:
    """Set up what Flask and Werkzeug log."""
    import flask.cli

    # Flask has no setting for its banner, two lines on standard output.
    flask.cli.show_server_banner = lambda *_: None
    # Whether the request that this thread answers is one to show.
    is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)
    has_started = threading.Event()

    def of_requests_only(record: logging.LogRecord) -> bool:
        """Leave out what Werkzeug says before the first request, and of requests not shown."""
        if threading.current_thread() is threading.main_thread():  # such as: reloading
            wanted = has_started.is_set()
        else:
            wanted = is_shown.get()
        return wanted or record.levelno > logging.WARNING

    def of_shown_requests(record: logging.LogRecord) -> bool:
        """Leave out what the app itself logs of a request that is not shown."""
        hidden = flask.has_request_context() and not is_shown.get()
        return not hidden or record.levelno > logging.INFO

    def look_at(sender: flask.Flask, **_: object) -> None:
        has_started.set()
        name = (flask.request.endpoint or "").rpartition(".")[2]
        is_shown.set(name != "static" and flask.request.user_agent.string != PROBE)
        sender.logger.addFilter(of_shown_requests)  # once: the logger knows its filters

    logging.getLogger("werkzeug").addFilter(of_requests_only)
    flask.request_started.connect(look_at, weak=False)


def quiet_celery() -> None:
    """Set up what a worker logs, and let it say in READY_FILE that it is ready."""
    from celery import current_app
    from celery import signals
    from celery.platforms import SecurityWarning

    def not_by_the_clock(record: logging.LogRecord) -> bool:
        """Leave out the tasks that beat sends."""
        clock = {entry["task"] for entry in current_app.conf.beat_schedule.values()}
        return getattr(record, "data", {}).get("name") not in clock or (
            record.levelno > logging.INFO
        )

    def is_ready(**_: object) -> None:
        if file := os.environ.get(READY_FILE):
            Path(file).touch()

    warnings.simplefilter("ignore", SecurityWarning)  # in a container, everybody is root
    for name in ("celery.beat", "celery.apps.worker"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(not_by_the_clock)
    signals.worker_ready.connect(is_ready, weak=False)


QUIET: dict[str, Any] = {"flask": quiet_flask, "celery": quiet_celery}


def main() -> None:
    """Become the program that the first argument names."""
    del sys.argv[0]
    QUIET[sys.argv[0]]()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
