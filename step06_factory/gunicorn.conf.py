"""Settings of gunicorn, which finds this file by itself: run gunicorn in this folder."""

import resource
import subprocess
import sys

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

wsgi_app = "app:create_app()"
bind = "127.0.0.1:8000"
# One gevent worker serves many clients at once: while one request waits, another one gets its turn.
worker_class = "gevent"
# How many at once, in each worker. A stream of events stays open for as long as somebody watches.
worker_connections = 2000
# Each of them needs two open files, one to the browser and one to Redis: take what we may have.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
# Seconds for the headers of a request to arrive. When a thousand clients come at once, the default
# of 2 is over before the last ones have had a turn.
keepalive = 5
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


def post_worker_init(worker: Worker) -> None:
    """Give the app its worker: streams ask it whether it has to stop."""
    worker.wsgi.config["GUNICORN_WORKER"] = worker
