"""`learn.py tour`: serves the tour on this machine until it is stopped."""

from __future__ import annotations

import logging
import secrets
import webbrowser
from threading import Timer

import click
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from common import stack
from common.arguments import COMMAND

from .app import create_app
from .own import Own
from .runs import Runs


class Handler(WSGIRequestHandler):
    """Keeps a connection for the next request, and prints no line for each."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Say nothing: the address has the token in it."""


def serve(page: str, port: int, *, browser: bool, own: Own | None = None) -> None:
    """Serve the tour on 127.0.0.1, and open ``page`` in the browser."""
    token = secrets.token_urlsafe(16)
    runs = Runs()
    app = create_app(token, runs=runs, own=own)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        server = make_server(stack.HOST, port, app, threaded=True, request_handler=Handler)
    except (OSError, SystemExit):
        raise click.ClickException(
            f"Port {port} is in use, perhaps by another tour. Stop that, or use another port: "
            f"{COMMAND} tour --port {port + 1}"
        ) from None
    url = f"http://{stack.HOST}:{port}{page}?token={token}"
    click.echo(f"The tour is open at {click.style(url, fg='cyan', bold=True)}")
    click.echo("It is for you alone: the token in the address keeps others out. Ctrl-C stops it.")
    if own:
        click.echo(f"{own.folder} is checked as you save it, for the part that is open.")
    if browser:
        opening = Timer(0.1, webbrowser.open, (url,))
        opening.daemon = True
        opening.start()
    if own:
        own.start()
    try:
        with server:
            server.serve_forever()
    finally:
        runs.stop()
        if own:
            own.close()
