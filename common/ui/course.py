"""What the home page says of the course: which step this is, what is new, three things to try.

The app is one of the steps if its folder has the name of one, or of a part of its lesson, such as
``2.login``. An app of your own has another name.
"""

import re
from functools import lru_cache
from pathlib import Path

from flask import current_app
from flask import url_for
from markupsafe import Markup
from werkzeug.routing import BuildError

from common.steps import STEPS
from common.steps import Step

from .rendering import render

# Markdown by the step's number; a link names an endpoint. Step 1 writes its own, without common.ui.
TEXTS = {
    2: """
New: pages in blueprints, settings in `config.py`, and a login written by hand.

- Open [the form for a new post](posts.new) without an account: you get there after the login.
- [Register](auth.register), and write a post in Markdown, with `**bold**` words and a list.
- Restart the server, and look at [the posts](posts.index): yours is gone. A list in memory ends
  with the program.
""",
    3: """
New: a database for accounts and posts, forms that check what is typed, and Flask-Login for the
current user.

- [Register](auth.register), restart the server and reload: you are still logged in.
- Run `flask seed --username ada --password correct-horse --posts 45`, and
  [page through the posts](posts.index).
- Log in with two browsers. Press [Log out everywhere](auth.account) in one, and reload in the
  other.
""",
    4: """
New: a schema that changes and keeps its rows, and a page for admins.

- [Register](auth.register), then run `flask make-admin NAME` with your name: the menu gets a link
  to the admin page.
- Run `flask db downgrade 0001`, and reload [the posts](posts.index): the page names the command
  that is missing.
- [Delete your account](auth.delete): all your posts go with it.
""",
    5: """
New: a Celery worker that does long work in the background, and an API in JSON.

- [Export your posts](exports.index), and reload the page while the bar moves. With
  `flask seed` you have enough posts to see it.
- Open [the documentation of the API](api-docs.openapi_swagger_ui), and press **Try it out**.
- Save a mail address at [Account](auth.account), log out, and press "I have forgotten my password":
  the worker prints the mail.
""",
    6: """
New: `create_app()` makes the app, for development, for tests and for a server with many users.

- Start [an export](exports.index), and open the page in a second window: both bars move together.
- Send [the login](auth.login) with a wrong password six times: the sixth time it tells you to
  wait.
- Open [the health check](health.healthz), stop Redis, and reload.
""",
}

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def link_to(match: re.Match[str]) -> str:
    """Return the Markdown of a link; only its text if the app does not have that page (yet)."""
    text, endpoint = match.groups()
    try:
        return f"[{text}]({url_for(endpoint)})"
    except BuildError:
        return text


@lru_cache(len(STEPS))
def to_html(text: str) -> Markup:
    """Return the HTML: these texts are the same for each request."""
    return render(text)


def about_step() -> Markup:
    """Return HTML about the step that the app is; nothing if it is none."""
    parts = Path(current_app.root_path).parts
    for step in STEPS:
        if step.number in TEXTS and any(is_folder_of(step, part) for part in parts):
            title = f"## Step {step.number} of {len(STEPS)}: {step.idea}\n"
            return to_html(title + LINK.sub(link_to, TEXTS[step.number]))
    return Markup()


def is_folder_of(step: Step, name: str) -> bool:
    """Return whether a folder has the name of a step, or of a part of its lesson."""
    return name.startswith(step.folder) or re.match(rf"{step.number}\.[a-z]", name) is not None
