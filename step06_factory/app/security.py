"""Security headers for browsers, and the headers of a proxy in front."""

from flask import Flask
from flask import current_app
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

# What a page may load, and from where. Scripts and styles work only in files of this site: what an
# attacker gets into the HTML does nothing.
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
    """Add the headers to every response, and trust as many proxies as the settings say."""
    app.after_request(add_headers)
    if number := int(app.config["TRUSTED_PROXIES"]):
        # Their headers name the client. Anybody can send such headers, so it is off by default.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=number, x_proto=number, x_host=number)


def add_headers(response: Response) -> Response:
    """Add the security headers."""
    headers = response.headers
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    # Other sites do not see which page a visitor comes from. Ours does: the CSRF check under HTTPS
    # and redirect_back() need it.
    headers["Referrer-Policy"] = "same-origin"
    if seconds := current_app.config.get("HSTS_SECONDS"):
        headers["Strict-Transport-Security"] = f"max-age={seconds}"
    return response
