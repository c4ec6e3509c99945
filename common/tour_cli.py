"""The command of learn.py that shows the lessons in the browser: tour."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import STATE
from .lessons import Part
from .steps import State

DEFAULT_PORT = 5050  # beside those of the apps, which begin at 5000


@click.command("tour")
@click.argument("step", type=STATE, required=False)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"The port of the tour; by default {DEFAULT_PORT}, or the next one that is free.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--app",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Your own app: it is checked as you save, and shown beside ours.",
)
@click.option("--html", metavar="DIR", help="Write the tour as files, to put on any host.")
def tour_command(
    step: State | None, port: int | None, no_browser: bool, app: Path | None, html: str | None
) -> None:
    """Read the lessons in the browser: the text of a part beside what it changes."""
    from . import stack

    if html:
        from .tour.export import export

        folder = Path(html)
        click.echo(f"{export(folder)} pages are in {folder}; begin with {folder / 'index.html'}")
        return
    from .tour.own import Own
    from .tour.serve import serve

    if port is None:
        ports = range(DEFAULT_PORT, DEFAULT_PORT + 50)
        port = next((p for p in ports if stack.port_is_free(p)), DEFAULT_PORT)
    if app and step is None:
        raise click.UsageError("--app needs the step that you write: tour 3 --app DIR.")
    own = Own(step, app) if app and step else None
    serve(page_of(step), port, browser=not no_browser, own=own)


def page_of(state: State | None) -> str:
    """Return the page of the tour about a step or a part."""
    if state is None:
        return "/"
    return f"/{state.number}/{state.place}" if isinstance(state, Part) else f"/{state.number}"
