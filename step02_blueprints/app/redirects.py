"""Redirect to the page that the client came from, but never to another site."""

from flask import redirect
from flask import request
from flask import url_for
from werkzeug.wrappers import Response


def is_safe_url(target: str) -> bool:
    """Return whether a redirect to this text stays on our site: it is a path, and only a path."""
    return (
        target.startswith("/")
        and not target.startswith("//")  # //e.x is another host
        and "\\" not in target  # browsers read \ as /
        and " " not in target
        and target.isprintable()  # browsers drop tabs and line ends, /<TAB>/e.x is //e.x
    )


def redirect_back() -> Response:
    """Redirect to ``?next=``, else to the referring page, else to the home page."""
    referrer = request.referrer or ""
    for target in request.args.get("next"), referrer.removeprefix(request.host_url.rstrip("/")):
        # Not to the current page: a login form would only show itself again.
        if target and is_safe_url(target) and target.partition("?")[0] != request.path:
            return redirect(target)
    return redirect(url_for("main.home"))
