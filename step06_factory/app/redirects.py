"""Send visitors back to where they came from, but never to another site."""

from typing import Any

from flask import redirect
from flask import request
from flask import url_for
from werkzeug.wrappers import Response


def is_safe_url(target: str) -> bool:
    """Tell whether a redirect to this text stays on our site: a path, and nothing but a path."""
    return (
        target.startswith("/")
        and not target.startswith("//")  # //e.x is another host
        and "\\" not in target  # browsers read \ as /
        and " " not in target
        and target.isprintable()  # browsers drop tabs and line ends, /<TAB>/e.x is //e.x
    )


def redirect_back(default: str = "main.home", **values: Any) -> Response:
    """Redirect to ?next=, else to the page before, else to the default endpoint."""
    referrer = request.referrer or ""
    for target in request.args.get("next"), referrer.removeprefix(request.host_url.rstrip("/")):
        # Not to the page that we are on: a login form would only show itself again.
        if target and is_safe_url(target) and target.partition("?")[0] != request.path:
            return redirect(target)
    return redirect(url_for(default, **values))
