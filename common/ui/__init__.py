"""The look that all steps share: a blueprint with styles, a favicon, form macros and a filter.

Register it with ``app.register_blueprint(ui.bp)``. It brings

- ``url_for('ui.static', filename=…)``: ``pico.min.css`` (Pico CSS 2.1.1), ``ui.css``,
  ``highlight.css`` (made by ``python -m common.ui``) and ``favicon.svg``;
- ``{% include "ui/course.html" %}``: which step this is, and what to try;
- ``{% from "ui/forms.html" import field %}``: a form field with its label and errors;
- ``{{ text | markdown }}``: Markdown as safe HTML;
- ``{{ text | code }}``: a text whose `commands` look like commands;
- ``{{ time | when }}``: a time in UTC, which ``times.js`` shows in the reader's own time zone;
- ``{{ error | heading }}``, ``{{ error | advice }}``, ``way_back(error)``: an error page in plain
  words, and where to go from it;
- ``writing.js``: the length left below a text, and a question before a text is lost.
"""

import re
from datetime import datetime

from flask import Blueprint
from flask import Flask
from flask import Response
from flask import session
from flask.sansio.blueprints import BlueprintSetupState
from markupsafe import Markup
from markupsafe import escape

from .course import about_step
from .errors import advice
from .errors import heading
from .errors import way_back
from .rendering import render
from .unnamed_fields import NamedFieldsRequest

# No bp.errorhandler, no bp.before_request: what an app does is the lesson, and stays in the steps.
bp = Blueprint(
    "ui", __name__, static_folder="static", static_url_path="/ui", template_folder="templates"
)

bp.add_app_template_filter(heading)
bp.add_app_template_filter(advice)
bp.add_app_template_global(way_back)
bp.add_app_template_global(about_step)


@bp.app_template_filter("markdown")
def markdown(text: str) -> Markup:
    """Return Markdown (CommonMark and tables) as HTML that is safe to put into a page.

    What would take long, or become large, is shown as it was written: nothing is an error.
    """
    return render(text)


@bp.app_template_filter("code")
def code(text: str) -> Markup:
    """Return a text as HTML, with each command that is between two ` as <code>."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@bp.record_once
def refuse_unnamed_fields(state: BlueprintSetupState) -> None:
    """Answer 400 to a form that no browser sends, and that Flask-WTF does not expect."""
    assert isinstance(state.app, Flask)
    state.app.request_class = NamedFieldsRequest


@bp.app_template_filter("when")
def when(time: datetime | str, timespec: str = "minutes") -> Markup:
    """Return a time in UTC, or its ISO format, as HTML that names the zone.

    ``times.js`` shows it in the reader's own zone, with seconds if ``timespec`` is "seconds".
    """
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    text = time.replace(tzinfo=None).isoformat(" ", timespec)
    # Nothing to escape in digits; and Markup.format() is a tenth of the time of a list of 20 posts.
    return Markup(f'<time datetime="{text.replace(" ", "T")}Z">{text} UTC</time>')


@bp.after_app_request
def keep_private(response: Response) -> Response:
    """Let no browser and no proxy keep a page that belongs to a session.

    After a logout, the Back button would show it to the next person at the same computer. What says
    itself how long it may be kept, as files in ``static`` do, stays as it is.
    """
    if "Cache-Control" not in response.headers and session:
        response.headers["Cache-Control"] = "no-store"
    return response
