"""Settings of gunicorn, which finds this file by itself: run gunicorn in this folder."""

import hashlib
import resource
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from typing import Any

from gevent import Timeout
from gevent.threadpool import ThreadPool
from gunicorn.arbiter import Arbiter
from gunicorn.http.body import Body
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker
from werkzeug.exceptions import RequestTimeout

wsgi_app = "app:create_app()"
bind = "127.0.0.1:8000"
# One gevent worker serves many clients at once: while one request waits, another one gets its turn.
worker_class = "gevent"
# How many at once, in each worker. A stream of events stays open for as long as somebody watches.
worker_connections = 2000
# Each of them needs two open files, one to the browser and one to Redis. Where the system refuses
# so many, there are fewer.
files = 2 * worker_connections + 100
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft < files:
    with suppress(OSError, ValueError):
        most = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
# Seconds for the headers of a request to arrive. When a thousand clients come at once, the default
# of 2 is over before the last ones have had a turn.
keepalive = 5
# Seconds for the body of a request to arrive.
BODY_TIMEOUT = 10
# Seconds for requests to end after Ctrl-C or a restart.
graceful_timeout = 10
# No control socket: it would be one file in the home folder for all gunicorns of this user.
control_socket_disable = True


def on_starting(arbiter: Arbiter) -> None:
    """Create the app once: with wrong settings, gunicorn ends here instead of retrying for ever."""
    # In another process: what this one imports, a reload would not import again.
    code = "from app import create_app; create_app()"
    if status := subprocess.run([sys.executable, "-c", code]).returncode:
        sys.exit(status)


class TimedBody:
    """The body of a request, which has to arrive in time, and whole."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.end = monotonic() + BODY_TIMEOUT

    def read(self, size: int | None = None) -> bytes:
        """Read from the body, or raise an error that becomes a 408 or a 400."""
        try:
            with Timeout(self.end - monotonic(), RequestTimeout()):
                return self.body.read(size)
        except ParseException as error:
            raise OSError("A chunk of the body is broken.") from error


def post_worker_init(worker: Worker) -> None:
    """Adapt the app to gunicorn and gevent."""
    app = worker.wsgi
    app.config["GUNICORN_WORKER"] = worker  # streams ask it whether they have to stop
    wsgi_app = app.wsgi_app

    def with_timed_body(environ: dict[str, Any], *args: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = TimedBody(environ["wsgi.input"])
        return wsgi_app(environ, *args)

    app.wsgi_app = with_timed_body

    # gevent changes what waits for the network, so that others get their turn. To hash a password
    # is work without a pause: threads do it, two at a time.
    scrypt, threads = hashlib.scrypt, ThreadPool(2)
    hashlib.scrypt = lambda *args, **options: threads.apply(scrypt, args, options)
