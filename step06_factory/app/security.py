"""What tells browsers, and us, whom to trust: headers, and the proxy in front."""

from flask import Flask
from flask import current_app
from flask import request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

# What a page may load, and from where: what an attacker smuggles into one then does nothing.
STRICT = {
    "default-src": "'none'",
    "connect-src": "'self'",
    "img-src": "'self' data:",  # Pico CSS draws the tick of a checkbox so
    "script-src": "'self'",
    "style-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Pages that are not ours have scripts and styles inside the HTML.
POLICIES = {
    "/admin/": STRICT
    | {
        "font-src": "'self' data:",
        "script-src": "'self' 'unsafe-inline'",
        "style-src": "'self' 'unsafe-inline'",
    },
}


def init_app(app: Flask) -> None:
    """Add the headers to each answer, and believe the proxies that the settings name."""
    app.after_request(add_headers)
    if number := app.config["TRUSTED_PROXIES"]:
        # They tell who is in front of them. Anybody can send such headers: without a proxy, off.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=number, x_proto=number, x_host=number)


def add_headers(response: Response) -> Response:
    """Add what makes a browser careful with our pages."""
    policy = STRICT
    for path, other in POLICIES.items():
        if request.path.startswith(path):
            policy = other
    headers = response.headers
    headers["Content-Security-Policy"] = "; ".join(map(" ".join, policy.items()))
    headers["X-Content-Type-Options"] = "nosniff"
    # Other sites do not learn where a visitor comes from. Our own pages do: the check of the CSRF
    # token needs it under HTTPS, and so does redirect_back().
    headers["Referrer-Policy"] = "same-origin"
    if seconds := current_app.config["HSTS_SECONDS"]:
        headers["Strict-Transport-Security"] = f"max-age={seconds}"
    return response
