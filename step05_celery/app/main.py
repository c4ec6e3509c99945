"""The pages that belong to no other part."""

from flask import Blueprint
from flask import render_template
from flask import request

bp = Blueprint("main", __name__)


@bp.get("/")
def home() -> str:
    """Show the home page."""
    return render_template("main/home.html")


@bp.get("/hello/")
@bp.get("/hello/<name>")
def hello(name: str | None = None) -> str:
    """Greet the name in the path; ``?greeting=`` replaces "Hello"."""
    greeting = request.args.get("greeting") or "Hello"
    return render_template("main/hello.html", name=name, greeting=greeting)


# No slash at the end: /about/ is a 404.
@bp.get("/about")
def about() -> str:
    """Show what this site is about."""
    return render_template("main/about.html")
