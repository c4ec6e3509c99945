"""Settings of gunicorn, which finds this file by itself: run gunicorn in this folder."""

import resource

from gunicorn.workers.base import Worker

from config import find_config

# Ends here, with one line, if the settings are no good: workers would be started for ever.
find_config()

wsgi_app = "app:create_app()"
bind = "127.0.0.1:8000"
# One gevent worker serves many slow visitors at once: while one waits, another gets its turn.
worker_class = "gevent"
# How many at once, in each worker. A stream of events stays open for as long as somebody watches.
worker_connections = 2000
# Each of them needs two open files, one to the browser and one to Redis: take what we may have.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
# Seconds for a request to come in. When a thousand come at once, the usual 2 are over before the
# last ones have had a turn, and they would be cut off.
keepalive = 5
# Seconds for requests to end after Ctrl-C or a restart.
graceful_timeout = 10
# No control socket: it would be one file in the home folder for all gunicorns of this user.
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    """Show the worker to the app: streams ask it whether it has been told to stop."""
    worker.wsgi.config["GUNICORN_WORKER"] = worker
