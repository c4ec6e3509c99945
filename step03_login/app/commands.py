"""Commands for the terminal: flask seed."""

from datetime import timedelta
from secrets import token_hex

import click
from flask import Blueprint
from sqlalchemy import insert
from werkzeug.datastructures import MultiDict

from common.samples import AUTHORS
from common.samples import sample_post

from .extensions import db
from .forms import RegisterForm
from .models import Post
from .models import User
from .models import now

# cli_group=None: the command is `flask seed`, not `flask commands seed`.
bp = Blueprint("commands", __name__, cli_group=None)


@bp.cli.command("seed")
@click.option("--username", required=True)
@click.option("--password", required=True)
@click.option("--posts", type=click.IntRange(0, 100_000), default=50, show_default=True)
def seed(username: str, password: str, posts: int) -> None:
    """Add a user with posts, and a post each by other authors."""
    typed = MultiDict({"username": username, "password": password})
    form = RegisterForm(typed, meta={"csrf": False})
    if not form.validate():
        field, messages = form.errors.popitem()
        raise click.BadParameter(messages[0], param_hint=f"--{field}")
    user = User.find(username)
    if user and not user.check_password(password):
        raise click.ClickException(f"{user.username} exists, with another password.")
    user = user or User(form.username.data, password)
    db.session.add(user)  # before the search for the others: it may be one of them
    others = [User.find(name) or User(name, token_hex()) for name in AUTHORS]
    db.session.add_all(others)
    db.session.flush()  # the database gives the new users their ids
    authors = [*[user] * (posts - 1), *others, *[user] * (posts > 0)]
    rows = [
        {
            **sample_post(number),
            "author_id": author.id,
            "created_at": now() - timedelta(hours=len(authors) - number),
        }
        for number, author in enumerate(authors, start=1)
    ]
    # One INSERT for many rows: much faster than an object for each.
    db.session.execute(insert(Post), rows)
    db.session.commit()
    click.echo(f"{user.username} has {posts} new posts.")
