"""What tells browsers, and us, whom to trust: headers, and the proxy in front."""

from flask import Flask
from flask import current_app
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

# What a page may load, and from where: what an attacker smuggles into one does nothing then. No
# script and no style works inside the HTML, only in files of ours.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' data:",  # the style sheet draws ticks and arrows with data:
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def init_app(app: Flask) -> None:
    """Add the headers to each answer, and believe as many proxies as the settings say."""
    app.after_request(add_headers)
    if number := app.config["TRUSTED_PROXIES"]:
        # They say who is in front of them. Anybody can send such headers: without a proxy, off.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=number, x_proto=number, x_host=number)


def add_headers(response: Response) -> Response:
    """Add what makes a browser careful with our pages."""
    headers = response.headers
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    # Other sites do not learn where a visitor comes from. Our own do: the check of the CSRF token
    # asks for that under HTTPS, and so does redirect_back().
    headers["Referrer-Policy"] = "same-origin"
    if seconds := current_app.config["HSTS_SECONDS"]:
        headers["Strict-Transport-Security"] = f"max-age={seconds}"
    return response
