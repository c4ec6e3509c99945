"""Commands for the terminal: flask seed, flask make-admin."""

from datetime import timedelta

import click
from flask import Blueprint
from sqlalchemy import insert

from .extensions import db
from .models import Post
from .models import User
from .models import now
from .names import clean_name
from .names import is_visible

# cli_group=None: the command is `flask seed`, not `flask commands seed`.
bp = Blueprint("commands", __name__, cli_group=None)

TOPICS = [
    ("Routes", "python", '@app.get("/")\ndef home():\n    return "Hello"'),
    (
        "Templates",
        "html+jinja",
        "{% for post in posts %}\n  <h2>{{ post.title }}</h2>\n{% endfor %}",
    ),
    ("Queries", "sql", "SELECT title FROM post\nWHERE author_id = 1\nORDER BY id DESC;"),
    ("Workers", "console", "$ celery -A app.celery_app worker\n$ flask run --debug"),
    (
        "Events",
        "javascript",
        "source.onmessage = (event) => {\n  show(JSON.parse(event.data));\n};",
    ),
]

BODY = """\
Day {number} of my notes, about **{topic}**.

## What I tried

```{language}
{code}
```

1. First I read the code.
2. Then I *broke* it, to see the message.
3. Then I mended it.

| what | minutes |
| --- | --- |
| reading | {reading} |
| trying | {trying} |

> What I cannot explain, I have not understood. <b>This is text, not HTML.</b>

Next time: `url_for`, and [the documentation](https://flask.palletsprojects.com/).
"""


def sample_post(number: int) -> dict[str, str]:
    """Return title and body of one post; each number has its own."""
    topic, language, code = TOPICS[number % len(TOPICS)]
    body = BODY.format(
        number=number,
        topic=topic,
        language=language,
        code=code,
        reading=number % 50 + 10,
        trying=number % 35 + 5,
    )
    return {"title": f"{topic}, day {number}", "body": body}


@bp.cli.command("seed")
@click.option("--username", required=True)
@click.option("--password", required=True)
@click.option("--posts", type=click.IntRange(0, 100_000), default=50, show_default=True)
def seed(username: str, password: str, posts: int) -> None:
    """Add a user with posts to try things on, or more posts to a user who is there."""
    username = clean_name(username)
    if len(username) > 30 or not is_visible(username):
        raise click.BadParameter("a name has 1 to 30 characters that one can see")
    if not 8 <= len(password) <= 128:
        raise click.BadParameter("a password has 8 to 128 characters")
    user = User.find(username)
    if user is None:
        user = User(username, password)
        db.session.add(user)
        db.session.flush()  # the database gives the user its id
    elif not user.check_password(password):
        raise click.ClickException(f"{user.username} exists, with another password.")
    # One INSERT for many rows: much faster than an object each.
    if posts:
        rows = [
            {
                **sample_post(number),
                "author_id": user.id,
                "created_at": now() - timedelta(hours=posts - number),
            }
            for number in range(1, posts + 1)
        ]
        db.session.execute(insert(Post), rows)
    db.session.commit()
    click.echo(f"{user.username} has {posts} new posts.")


@bp.cli.command("make-admin")
@click.argument("username")
def make_admin(username: str) -> None:
    """Let a user into the admin pages."""
    user = User.find(username)
    if user is None:
        raise click.ClickException(f"There is no user “{username}”. Register first.")
    user.is_admin = True
    db.session.commit()
    click.echo(f"{user.username} is an admin.")
