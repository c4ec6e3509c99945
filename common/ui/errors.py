"""What an HTTP error means, in the words of this site, and how to go on after it.

``{{ error | heading }}``, ``{{ error | advice }}`` and ``way_back(error)`` are for error.html.
"""

from flask import current_app
from flask import request
from flask import url_for
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import default_exceptions

# For each code that a page of a step can have: a heading, and what to do.
WORDS = {
    400: (
        "This request is not accepted",
        "A part of it is missing or broken, so nothing is saved.",
    ),
    403: ("You may not do this", "Your account has no right to it."),
    404: ("There is no such page", "The address may be mistyped, or what was there is deleted."),
    405: ("This address cannot do that", "Please use the links and buttons of the site."),
    409: ("Somebody was faster", "This was changed at the same moment, so nothing is saved."),
    413: ("This is too large", "It is more than this site takes at a time, so nothing is saved."),
    414: ("This address is too long", "Please ask for less at a time."),
    416: ("There is no such part", "The file is shorter than the part that was asked for."),
    429: ("Please wait", "This was too often. Please try again in a minute."),
    500: (
        "Something went wrong here",
        "The fault is ours, and it is in the log. Please try again in some minutes.",
    ),
    503: ("This does not work now", "Please try again in some seconds."),
}
# The same request would get the same answer.
FINAL = (403, 404, 405)
# What names a place in a list, in the query of its address.
PLACES = {"page", "before"}


def heading(error: HTTPException) -> str:
    """Return what happened, in a few words."""
    return WORDS[error.code][0] if error.code in WORDS else error.name


def advice(error: HTTPException) -> str:
    """Return what the app says about the error, or else what to do in general."""
    if error.code in WORDS and error.description == default_exceptions[error.code].description:
        return WORDS[error.code][1]
    return error.description or ""


def way_back(error: HTTPException) -> Markup | None:
    """Return a link to where the client can try again, or None where that would not help."""
    if not (request.endpoint and is_page()):
        return None
    code = error.code or 500
    is_read = request.method in ("GET", "HEAD")
    if not is_read and code not in FINAL:
        label = "Back to the form"
    elif is_read and code == 404 and PLACES & request.args.keys():
        label = "The first page"
    elif is_read and (code == 414 or code >= 500):
        label = "Try again"
    else:
        return None
    here = url_for(request.endpoint, **request.view_args or {}, next=request.args.get("next"))
    return Markup('<a href="{}">{}</a>').format(here, label)


def is_page() -> bool:
    """Return whether this address also answers a GET."""
    adapter = current_app.create_url_adapter(request)
    return adapter is not None and adapter.test(method="GET")
