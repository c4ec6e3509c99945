"""What is too much: too many login attempts, too large a request, too many people at once."""

from contextlib import suppress
from ipaddress import ip_address
from ipaddress import ip_network
from math import ceil
from time import time
from urllib.parse import quote

from flask import Blueprint
from flask import current_app
from flask import request
from flask_limiter import RateLimitExceeded
from redis.exceptions import RedisError
from sqlalchemy.exc import TimeoutError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from .errors import show_error
from .extensions import limiter
from .names import name_key

bp = Blueprint("limits", __name__)

# For one name from one address. By name alone, anybody could lock anybody out.
TRIES_OF_A_NAME = "5 per minute"
# For all names from one address: somebody may try one password with many names. A whole school may
# have one address, so it is not too few.
TRIES_OF_AN_ADDRESS = "100 per minute"


def address() -> str:
    """Return who asks. With IPv6 a visitor has a network of addresses, which counts as one."""
    text = request.remote_addr or "unknown"
    with suppress(ValueError):
        ip = ip_address(text)
        if ip.version == 6 and not ip.ipv4_mapped:
            return str(ip_network((int(ip), 64), strict=False))
    return text


def name() -> str:
    """Return the name that was typed, the same for all its spellings."""
    # No longer than a name can be; and quoted, since it is in the log when it is too much.
    return quote(name_key(request.form.get("username", ""))[:90])


def name_and_address() -> str:
    """Return who asks, and for which name."""
    return f"{address()} {name()}"


def is_nameless() -> bool:
    """Tell whether no name was typed: that is nobody's password that is tried."""
    return not name()


def forgive() -> None:
    """Give back what the tries of this request have cost: it was not a wrong one."""
    # They are counted before the password is checked. Afterwards would be too late: a thousand
    # tries at the same moment would all find that none has been counted yet.
    with suppress(RedisError):
        for limit in limiter.current_limits:
            limiter.limiter.hit(limit.limit, *limit.request_args, cost=-1)


@bp.app_errorhandler(RateLimitExceeded)
def show_too_many_tries(error: RateLimitExceeded) -> Response:
    """Say how long to wait, to people on the page and to programs in the header Retry-After."""
    seconds = 60
    with suppress(RedisError):
        seconds = max(1, ceil(limiter.current_limit.reset_at - time()))
    text = f"Too many attempts to log in. Please wait {seconds} s, then try again."
    return show_error(TooManyRequests(text, retry_after=seconds))


@bp.app_errorhandler(RequestEntityTooLarge)
def show_too_large(error: RequestEntityTooLarge) -> Response:
    """Say how much can be sent."""
    most = current_app.config["MAX_CONTENT_LENGTH"] // 1024
    text = f"This is too much to send at once: {most:,} KiB is the most."
    return show_error(RequestEntityTooLarge(text))


# What SQLAlchemy raises when all connections of the pool are in use, after pool_timeout.
@bp.app_errorhandler(TimeoutError)
def show_too_many_people(error: TimeoutError) -> Response:
    """Say that it is worth trying again."""
    current_app.logger.error("No connection to the database is free: %s", error)
    text = "Too many people are here at the moment. Please try again in some seconds."
    return show_error(ServiceUnavailable(text, retry_after=5))
