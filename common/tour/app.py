"""The tour as a Flask app, for this machine and the person at it.

It listens on 127.0.0.1 alone, and answers only where it is asked for by that name. Who opens it
needs the token, which is in the address that the terminal prints; a cookie remembers it.
"""

from __future__ import annotations

import hmac
import json
import posixpath
from collections.abc import Iterator
from urllib.parse import quote

import click
from flask import Flask
from flask import Response
from flask import abort
from flask import redirect
from flask import render_template
from flask import request
from flask import send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from common import lessons
from common import ui
from common.lessons import Part
from common.steps import STEPS
from common.steps import State
from common.steps import Step

from . import changes
from . import notes
from . import pages
from . import search
from .notes import Address
from .notes import Linker
from .own import Own
from .runs import Runs

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HOSTS = ["127.0.0.1", "localhost"]


def create_app(
    token: str | None, *, runs: Runs | None = None, own: Own | None = None, static: bool = False
) -> Flask:
    """Make the app. ``static`` is for pages that are written as files: links lead to files.

    ``runs`` starts parts, ``own`` is the app of the learner's.
    """
    app = Flask(__name__, static_url_path="/static")
    app.config["TRUSTED_HOSTS"] = HOSTS
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(ui.bp)
    app.jinja_env.globals.update(
        STEPS=STEPS,
        groups_of=pages.groups_of,
        address_of=pages.address_of,
        title_of=pages.title_of,
        neighbours=pages.neighbours,
        find_state=lessons.find_state,
        to=link_to_file if static else link,
        is_static=static,
        runs=runs,
        own=own,
    )
    if token:
        _keep_out_others(app, token)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(HTTPException)
    def show_error(error: HTTPException) -> ResponseReturnValue:
        """Say what is wrong, in words."""
        return render_template("tour/error.html", error=error), error.code or 500

    @app.errorhandler(click.ClickException)
    def show_problem(error: click.ClickException) -> ResponseReturnValue:
        """Say what the commands of the terminal would say."""
        return render_template("tour/error.html", error=error, message=error.message), 503

    to = link_to_file if static else link
    _add_pages(app, to, runs, own)
    if static:
        _add_index(app, to)
    if runs:
        _add_work(app, runs, own)
    return app


def _keep_out_others(app: Flask, token: str) -> None:
    """Answer only a browser that has opened the address with the token."""

    @app.before_request
    def check() -> ResponseReturnValue | None:
        request.host  # noqa: B018 - raises an error that becomes a 400 where it is none of HOSTS
        # Cookies are shared by all ports of a host, so the port is in the name.
        cookie = f"tour-{request.environ.get('SERVER_PORT')}"
        given = request.args.get("token", "")
        if given and hmac.compare_digest(given.encode(), token.encode()):
            # Two slashes at the beginning would name another host.
            answer = redirect("/" + request.path.lstrip("/"))
            answer.set_cookie(cookie, token, httponly=True, samesite="Lax")
            return answer
        known = request.cookies.get(cookie, "")
        if not hmac.compare_digest(known.encode(), token.encode()):
            abort(403, "Open the address that the terminal shows: it has the token of this tour.")
        if request.method not in ("GET", "HEAD"):
            # Another page on this machine may send a form here, and its cookie is ours too.
            origin = request.headers.get("Origin", "")
            if origin != request.host_url.rstrip("/"):
                abort(403, "This form is not one of the tour.")
        return None


# -- Links -----------------------------------------------------------------------------------------


def link(address: Address | str, fragment: str = "") -> str:
    """Return the link to a page of the tour."""
    page, fragment = _both(address, fragment)
    return quote(page) + (f"#{quote(fragment)}" if fragment else "")


def link_to_file(address: Address | str, fragment: str = "") -> str:
    """Return the link from the page that is being written to the file of another one."""
    page, fragment = _both(address, fragment)
    here = posixpath.dirname(file_of(request.path))
    target = posixpath.relpath(file_of(page), here or ".")
    return quote(target) + (f"#{quote(fragment)}" if fragment else "")


def _both(address: Address | str, fragment: str) -> tuple[str, str]:
    if isinstance(address, Address):
        return address.page, address.fragment or fragment
    return address, fragment


def file_of(page: str) -> str:
    """Return the file that a page is written to, as a path without a slash before it."""
    name = page.strip("/") or "index"
    return name if posixpath.splitext(name)[1] else f"{name}.html"


# -- Pages -----------------------------------------------------------------------------------------


def _add_pages(app: Flask, to: Linker, runs: Runs | None, own: Own | None) -> None:
    @app.get("/")
    def contents() -> str:
        """Show the lessons, and how to use the tour."""
        return render_template("tour/contents.html", titles=pages.titles())

    @app.get("/<int:number>")
    def lesson(number: int) -> str:
        """Show a lesson: what it is about, its parts, and what is told after them."""
        page = pages.lesson_page(_step(number), to)
        return render_template("tour/lesson.html", page=page)

    @app.get("/<int:number>/<name>")
    def part(number: int, name: str) -> ResponseReturnValue:
        """Show a part: its text, and what it changes beside it."""
        found = _part(number, name)
        if name != str(found.place):
            return redirect(link(pages.address_of(found)))
        if own:
            own.open(found)
        return render_template(
            "tour/part.html", page=pages.part_page(found, to), version=version(runs, own)
        )

    @app.get("/diff/<old>/<new>")
    def compare(old: str, new: str) -> str:
        """Show what changes from one state of the app to another one, by file or by part."""
        first = None if old == "0" else _state(old)
        last = _state(new)
        by_part = request.args.get("by") == "part"
        parts = list(_parts_between(first, last)) if by_part else []
        return render_template(
            "tour/diff.html",
            old=first,
            new=last,
            by_part=by_part,
            parts=[(part, changes.of_part(part)) for part in parts],
            files=[] if by_part else changes.of_states(first, last),
            all_parts=lessons.all_parts(),
        )

    @app.get("/diff/")
    def choose() -> ResponseReturnValue:
        """Lead to the page that the form asks for."""
        old, new = request.args.get("from", ""), request.args.get("to", "")
        if not old or not new:
            return redirect(link("/diff/1/2"))
        by = "?by=part" if request.args.get("by") == "part" else ""
        return redirect(link(f"/diff/{old}/{new}") + by)

    @app.get("/search")
    def find() -> str:
        """Show where words are in texts, code and glossary."""
        query = request.args.get("q", "").strip()[:200]
        return render_template(
            "tour/search.html", query=query, found=search.search(query), index=search.index
        )

    @app.get("/text/<name>")
    @app.get("/docs/<name>")
    def text(name: str) -> str:
        """Show a text that is no lesson."""
        texts = notes.texts()
        if not (sections := texts.pages.get(request.path)):
            abort(404)
        up = 1 if sections[0].level == 2 else 0
        html, _ = texts.html(sections, to, up=up)
        return render_template("tour/text.html", title=sections[0].title, text=html)

    @app.get("/pictures/<name>")
    def picture(name: str) -> Response:
        """Send a picture of a text."""
        if not name.endswith((".png", ".svg")):
            abort(404)
        return send_from_directory(notes.DOCS, name)


def _add_index(app: Flask, to: Linker) -> None:
    """Add what a script searches where there is no program to do it."""

    @app.get("/search-index.js")
    def search_index() -> Response:
        """Send everything that can be found: kind, link, title and text of each place."""
        rows = [
            (hit.kind, to(Address(hit.page, hit.fragment)), hit.title, hit.text)
            for hit in search.entries()
        ]
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        script = f'"use strict";\nconst MOST = {search.MOST}, AROUND = {search.AROUND};\n'
        return Response(f"{script}const INDEX = {text};\n", mimetype="text/javascript")


def version(runs: Runs | None, own: Own | None) -> str:
    """Return what changes when there is something new of an app that runs or is checked."""
    run = runs.now if runs else None
    return f"{own.version if own else 0}.{run and (run.url, run.count, run.running)}"


def _add_work(app: Flask, runs: Runs, own: Own | None) -> None:
    """Add what runs an app: a part of the course, and the checks of the learner's own."""

    @app.post("/<int:number>/<name>/run")
    def start(number: int, name: str) -> ResponseReturnValue:
        """Run a part."""
        found = _part(number, name)
        runs.start(found)
        return redirect(link(pages.address_of(found), "live"), 303)

    @app.post("/<int:number>/<name>/stop")
    def stop(number: int, name: str) -> ResponseReturnValue:
        """Stop what runs."""
        runs.stop()
        return redirect(link(pages.address_of(_part(number, name)), "live"), 303)

    @app.get("/<int:number>/<name>/live")
    def live(number: int, name: str) -> ResponseReturnValue:
        """Send what is new of the apps; nothing where that is known already."""
        found = _part(number, name)
        if own:
            own.open(found)
        now = version(runs, own)
        if request.args.get("since") == now:
            return "", 204
        return render_template("tour/live.html", part=found, version=now)

    @app.get("/<int:number>/<name>/mine")
    def mine(number: int, name: str) -> str:
        """Show the learner's files of a part against those of the course, once they have tried."""
        found = _part(number, name)
        if own is None:
            abort(404, "This tour was started without --app DIR.")
        if not own.has_tried(found):
            abort(403, f"Try {found.name} yourself first: your files are as they were before it.")
        files, odd = own.against_ours(found), own.odd_files(found)
        return render_template("tour/mine.html", part=found, files=files, odd=odd)


def _state(name: str) -> State:
    """Return the step or part of that name."""
    try:
        return lessons.find_state(name)
    except LookupError as error:
        abort(404, str(error))


def _parts_between(old: State | None, new: State) -> Iterator[Part]:
    begin = lessons.position(old) if old else (0, 0)
    for part in lessons.all_parts():
        if begin < lessons.position(part) <= lessons.position(new):
            yield part


def _step(number: int) -> Step:
    if not 1 <= number <= len(STEPS):
        abort(404, f"There are lessons 1 to {len(STEPS)}.")
    return STEPS[number - 1]


def _part(number: int, name: str) -> Part:
    """Return a part by its place in the lesson, or by its name."""
    parts = lessons.parts_of(_step(number))
    for part in parts:
        if name in (str(part.place), part.slug):
            return part
    abort(404, f"Lesson {number} has the parts {parts[0].name} to {parts[-1].name}.")
