"""A stand-in for WeChat's servers: for learners without an app there, and for the tests.

It responds as WeChat's documentation of the login for websites says: a page where a person would
scan a code, and two endpoints for the app's server. One address stands for both hosts of WeChat.
`learn.py run 6 --wechat` starts it; by hand: ``flask --app common.wechat_standin run --port 5001``.

The page asks for the WeChat ID of the person who scans: the same ID is the same person the next
time. It can also play a fault afterwards; see ``FAULTS``. Nothing is kept when it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from dataclasses import field
from urllib.parse import urlencode
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import redirect
from flask import render_template_string
from flask import request
from werkzeug.wrappers import Response as BaseResponse

from . import stack
from . import ui

APP_ID = os.environ.get("WECHAT_APP_ID", stack.WECHAT_APP_ID)
APP_SECRET = os.environ.get("WECHAT_APP_SECRET", stack.WECHAT_APP_SECRET)
CODE_SECONDS = 600  # how long a code is valid
TOKEN_SECONDS = 7200
SLOW_SECONDS = 15  # longer than an app should wait
# The domains that the app is registered for; a real app has one, and it is never this machine.
DOMAINS = ("127.0.0.1", "localhost", "::1")

# The parameters that WeChat requires, in this order.
PARAMETERS = ["appid", "redirect_uri", "response_type", "scope", "state"]

# The faults that can be chosen on the page: in the response to the code, or in the next one, which
# is about the person.
FAULTS = {
    "expired": "The code is too old already",
    "code-errcode": "The code: WeChat is busy (errcode -1 at status 200)",
    "code-500": "The code: status 500",
    "code-timeout": f"The code: no answer for {SLOW_SECONDS} seconds",
    "code-html": "The code: a page instead of JSON",
    "code-empty": "The code: JSON with nothing in it",
    "person-errcode": "The person: WeChat is busy (errcode -1 at status 200)",
    "person-500": "The person: status 500",
    "person-timeout": f"The person: no answer for {SLOW_SECONDS} seconds",
    "person-html": "The person: a page instead of JSON",
    "person-empty": "The person: JSON with nothing in it",
    "person-half-emoji": "The person: a nickname that ends with half an emoji",
}

PAGE = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ title }} · WeChat stand-in</title>
  <link rel="icon" href="{{ url_for('ui.static', filename='favicon.svg') }}">
  <link rel="stylesheet" href="{{ url_for('ui.static', filename='pico.min.css') }}">
  <link rel="stylesheet" href="{{ url_for('ui.static', filename='ui.css') }}">
</head>
<body>
  <header class="container"><p class="meta">A stand-in for WeChat, on this machine</p></header>
  <main class="container">
    <h1>{{ title }}</h1>
    {% for line in lines %}<p>{{ line }}</p>{% endfor %}
    {% if faults %}
    <form method="post" action="{{ request.full_path }}">
      <label for="account">WeChat ID of the person who scans</label>
      <input id="account" name="account" value="ada" required maxlength="100">
      <label for="nickname">Nickname</label>
      <input id="nickname" name="nickname" value="Ada 学习 📚" maxlength="100">
      <label for="fault">Afterwards</label>
      <select id="fault" name="fault">
        <option value="">All goes well</option>
        {% for name, words in faults.items() %}<option value="{{ name }}">{{ words }}</option>
        {% endfor %}
      </select>
      <div class="actions">
        <button name="answer" value="approve">Approve</button>
        <button name="answer" value="refuse" class="secondary">Refuse</button>
      </div>
    </form>
    {% endif %}
  </main>
</body>
</html>
"""

app = Flask(__name__)
app.register_blueprint(ui.bp)


@dataclass
class Approval:
    """The approval of a person: openid, unionid, nickname, and the chosen fault."""

    openid: str
    unionid: str
    nickname: str
    fault: str
    since: float = field(default_factory=time.monotonic)

    def is_expired(self, seconds: int) -> bool:
        """Tell whether it is older than ``seconds``."""
        return self.fault == "expired" or time.monotonic() > self.since + seconds


codes: dict[str, Approval] = {}
tokens: dict[str, Approval] = {}
used: set[str] = set()


def identity(kind: str, account: str) -> str:
    """Return the openid or unionid of an account: 28 characters, always the same."""
    digest = hashlib.sha256(f"{kind} {account}".encode()).digest()
    return "o" + urlsafe_b64encode(digest).decode()[:27]


def page(title: str, *lines: str, status: int = 200, **values: object) -> tuple[str, int]:
    """Return a page for the person."""
    return render_template_string(PAGE, title=title, lines=lines, **values), status


def error(code: int, message: str) -> Response:
    """Return an error as WeChat does: with status 200."""
    return answer({"errcode": code, "errmsg": f"{message}, rid: {secrets.token_hex(8)}"})


def answer(values: dict[str, object]) -> Response:
    """Return JSON as WeChat does: UTF-8, called text/plain."""
    try:
        data = json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half an emoji
        data = json.dumps(values).encode()
    return Response(data, content_type="text/plain")


def faulty(fault: str, where: str) -> Response | None:
    """Return the faulty response, or None if the fault is not for this endpoint."""
    match fault.removeprefix(f"{where}-"):
        case "errcode":
            return error(-1, "system error")
        case "500":
            return Response("Internal Server Error", 500)
        case "timeout":
            time.sleep(SLOW_SECONDS)
            return Response("Gateway Timeout", 504)
        case "html":
            return Response("<!doctype html><title>Maintenance</title>")
        case "empty":
            return answer({})
    return None


@app.get("/")
def home() -> tuple[str, int]:
    """Show the settings that an app needs."""
    return page(
        "Settings for your app",
        "Apps send their users here to log in with WeChat. Set these variables for yours:",
        f"WECHAT_APP_ID={APP_ID}",
        f"WECHAT_APP_SECRET={APP_SECRET}",
        f"WECHAT_URL={request.host_url.rstrip('/')}",
    )


def is_registered(url: str) -> bool:
    """Tell whether a URL is on a domain that the app is registered for."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname in DOMAINS


def link_problem() -> str:
    """Return what is wrong with the app's link to this page, or an empty text."""
    query = request.args
    if list(query) != PARAMETERS:
        return f"The parameters have to be, in this order: {', '.join(PARAMETERS)}."
    if query["appid"] != APP_ID:
        return f"appid: there is no app “{query['appid']}”."
    if not is_registered(query["redirect_uri"]):
        return f"redirect_uri 参数错误: “{query['redirect_uri']}” is on no domain of this app."
    if query["response_type"] != "code":
        return "response_type has to be “code”."
    if query["scope"] != "snsapi_login":
        return "scope has to be “snsapi_login”."
    if not re.fullmatch(r"[A-Za-z0-9]{1,128}", query["state"]):
        return "state has to have up to 128 characters, letters and digits only."
    return ""


@app.get("/connect/qrconnect")
def qrconnect() -> tuple[str, int]:
    """Show the page where a person approves or refuses; with WeChat, they scan a code."""
    if problem := link_problem():
        return page("This link cannot be opened", problem, status=400)
    back = urlsplit(request.args["redirect_uri"])
    return page(
        "Log in with WeChat",
        f"{back.netloc} wants to know who you are. With WeChat you would scan a code now, "
        "and answer on your phone.",
        faults=FAULTS,
    )


@app.post("/connect/qrconnect")
def answer_app() -> BaseResponse | tuple[str, int]:
    """Redirect back to the app: with a code, or without one after a refusal."""
    if problem := link_problem():
        return page("This link cannot be opened", problem, status=400)
    query = {"state": request.args["state"]}
    if request.form.get("answer") == "approve":
        account, fault = request.form.get("account", ""), request.form.get("fault", "")
        code = secrets.token_hex(16)
        codes[code] = Approval(
            openid=identity(f"openid {APP_ID}", account),
            unionid=identity("unionid", account),
            nickname=request.form.get("nickname", ""),
            fault=fault,
        )
        query = {"code": code} | query
    target = request.args["redirect_uri"]
    return redirect(f"{target}{'&' if '?' in target else '?'}{urlencode(query)}")


@app.get("/sns/oauth2/access_token")
def exchange_code() -> Response:
    """Exchange a code for a token, once."""
    query = request.args
    for number, name in ((41002, "appid"), (41004, "secret"), (41008, "code")):
        if not query.get(name):
            return error(number, f"{name} missing")
    if query["appid"] != APP_ID:
        return error(40013, "invalid appid")
    if query["secret"] != APP_SECRET:
        return error(40125, "invalid appsecret")
    if query.get("grant_type") != "authorization_code":
        return error(40002, "invalid grant_type")
    approval = codes.pop(query["code"], None)
    if approval is None:
        return (
            error(40163, "code been used")
            if query["code"] in used
            else error(40029, "invalid code")
        )
    used.add(query["code"])
    if approval.is_expired(CODE_SECONDS):
        return error(40029, "invalid code")
    if trouble := faulty(approval.fault, "code"):
        return trouble
    token = secrets.token_urlsafe(64)
    tokens[token] = approval
    return answer(
        {
            "access_token": token,
            "expires_in": TOKEN_SECONDS,
            "refresh_token": secrets.token_urlsafe(64),
            "openid": approval.openid,
            "scope": "snsapi_login",
            "unionid": approval.unionid,
        }
    )


@app.get("/sns/userinfo")
def userinfo() -> Response:
    """Return the person who has approved."""
    approval = tokens.get(request.args.get("access_token", ""))
    if approval is None:
        return error(40001, "invalid credential, access_token is invalid or not latest")
    if approval.is_expired(TOKEN_SECONDS):
        return error(42001, "access_token expired")
    if request.args.get("openid") != approval.openid:
        return error(40003, "invalid openid")
    if trouble := faulty(approval.fault, "person"):
        return trouble
    half = "\ud83d" if approval.fault == "person-half-emoji" else ""
    return answer(
        {
            "openid": approval.openid,
            "nickname": approval.nickname + half,
            "sex": 0,
            "language": "",
            "city": "",
            "province": "",
            "country": "",
            "headimgurl": "",
            "privilege": [],
            "unionid": approval.unionid,
        }
    )
