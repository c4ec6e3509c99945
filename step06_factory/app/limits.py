"""Limits: on attempts to log in, on the size of a request, on connections to the database."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from math import ceil
from time import time
from typing import Any
from urllib.parse import quote

from flask import Blueprint
from flask import current_app
from flask import request
from flask_limiter import RateLimitExceeded
from flask_login import current_user
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

View = Callable[..., Any]


# Asked before each request, so that no other one costs a search for limits.
@limiter.request_filter
def is_no_attempt() -> bool:
    """Limit POST alone: to look at a form is no attempt."""
    return request.method != "POST"


def limit_logins(view: View) -> View:
    """Limit the attempts to log in, by name and address, and by address alone."""
    text = "Too many attempts."
    # By name alone, anybody could lock anybody out.
    by_name = limiter.limit("5 per minute", key_func=name_and_address, error_message=text)
    # For one password with many names. A whole school may have one address, so it is not too few.
    by_address = limiter.limit("100 per minute", key_func=client_address, error_message=text)
    return by_name(by_address(view))


def limit_registrations(view: View) -> View:
    """Limit the new accounts from one address."""
    return limiter.limit(
        lambda: current_app.config["REGISTRATION_LIMIT"],
        key_func=client_address,
        error_message="Too many new accounts from your network.",
    )(view)


def refund() -> None:
    """Give back what this request has cost: its password was right."""
    # Attempts are counted before the password is checked. Afterwards would be too late: a thousand
    # attempts at the same moment would all find that none has been counted yet.
    with suppress(RedisError):
        for limit in limiter.current_limits:
            limiter.limiter.hit(limit.limit, *limit.request_args, cost=-1)


def client_address() -> str:
    """Return the client's address, or its /64 network on IPv6."""
    address = request.remote_addr or "unknown"
    is_ipv6 = ":" in address and "." not in address  # ::ffff:192.0.2.1 is IPv4
    with suppress(ValueError):  # a proxy may send what is no address
        return str(ip_network(f"{address}/64", strict=False)) if is_ipv6 else address
    return address


def name_and_address() -> str:
    """Return the client's address and the name or mail address, equal for all spellings of it."""
    name = request.form.get("username") or request.form.get("email")
    if request.endpoint in ("auth.account", "auth.delete") and current_user.is_authenticated:
        name = current_user.username  # it is this password that is asked for
    # At most as long as a name can be; and quoted, since the limiter writes it into the log.
    return f"{client_address()} {quote(name_key(name or '')[:90])}"


@bp.app_errorhandler(RateLimitExceeded)
def show_too_many_attempts(error: RateLimitExceeded) -> Response:
    """Tell people and programs how long to wait."""
    seconds = 60
    with suppress(RedisError):
        seconds = max(1, ceil(limiter.current_limit.reset_at - time()))
    text = f"{error.description} Please wait {seconds} s, then try again."
    return show_error(TooManyRequests(text, retry_after=seconds))


@bp.app_errorhandler(RequestEntityTooLarge)
def show_too_large(error: RequestEntityTooLarge) -> Response:
    """Tell how large a request may be."""
    size, fields = current_app.config["MAX_CONTENT_LENGTH"], current_app.config["MAX_FORM_PARTS"]
    text = f"This is too large. The limit is {size // 1024:,} KiB, in {fields:,} fields."
    return show_error(RequestEntityTooLarge(text))


# SQLAlchemy raises it when no connection to the database is free within pool_timeout.
@bp.app_errorhandler(TimeoutError)
def show_busy(error: TimeoutError) -> Response:
    """Say that the site is busy, and when to try again."""
    current_app.logger.error("No connection to the database is free: %s", error)
    text = "Too many people are here at the moment. Please try again in a few seconds."
    return show_error(ServiceUnavailable(text, retry_after=5))
