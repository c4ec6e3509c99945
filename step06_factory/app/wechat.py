"""Log in with WeChat: the flow for websites, by hand."""

import re
import secrets
from itertools import filterfalse
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Blueprint
from flask import current_app
from flask import flash
from flask import json
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from flask_login import current_user
from flask_login import login_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from .extensions import db
from .models import User
from .nicknames import names_like
from .redirects import is_safe_url

bp = Blueprint("wechat", __name__, url_prefix="/auth/wechat")


class WeChatError(Exception):
    """Nobody can be logged in; the text says why, to a person."""


@bp.get("/login")
def login() -> Response:
    """Send the visitor to WeChat, which shows a code to scan."""
    # Only this browser knows it: a link from somebody else cannot come back with it.
    state = secrets.token_hex(16)
    session["wechat"] = [state, request.args.get("next", ""), current_user.get_id()]
    query = {
        "appid": current_app.config["WECHAT_APP_ID"],
        "redirect_uri": url_for("wechat.callback", _external=True),
        "response_type": "code",
        "scope": "snsapi_login",
        "state": state,
    }
    host = current_app.config["WECHAT_URL"] or "https://open.weixin.qq.com"
    return redirect(f"{host}/connect/qrconnect?{urlencode(query)}#wechat_redirect")


@bp.get("/callback")
def callback() -> Response:
    """Log in whom WeChat sends back, or link the account that is logged in."""
    # pop: a state is good for one try. Who keeps an old cookie has it still, but no second code.
    state, target, user_id = session.pop("wechat", ["", "", None])
    target = target if is_safe_url(target) else url_for("main.home")
    try:
        same = secrets.compare_digest(request.args.get("state", "").encode(), state.encode())
        if not state or not same or user_id != current_user.get_id():
            raise WeChatError("This login was not begun here, or is over. Please begin again.")
        if not request.args.get("code"):
            raise WeChatError("You have not allowed it in WeChat, so nothing has changed.")
        user = find_account(find_person(request.args["code"]))
    except WeChatError as error:
        flash(str(error), "error")
        back = url_for("auth.login", next=target)
        return redirect(target if current_user.is_authenticated else back)
    login_user(user)
    flash(f"Welcome, {user.username}. WeChat has told us who you are.")
    return redirect(target)


def find_person(code: str) -> dict[str, Any]:
    """Exchange the code for who has scanned: an openid and a nickname."""
    token = ask(
        "/sns/oauth2/access_token",
        appid=current_app.config["WECHAT_APP_ID"],
        secret=current_app.config["WECHAT_APP_SECRET"],
        code=code,
        grant_type="authorization_code",
    )
    return ask("/sns/userinfo", access_token=token.get("access_token"), openid=token["openid"])


def ask(path: str, **query: str | None) -> dict[str, Any]:
    """Return what WeChat's server answers; there is an openid in it, or it is an error."""
    host = current_app.config["WECHAT_URL"] or "https://api.weixin.qq.com"
    try:
        response = requests.get(host + path, params=query, timeout=5)
        response.raise_for_status()
        # The bytes: they are UTF-8, but come as text/plain, which requests takes for Latin-1.
        answer = json.loads(response.content)
    except (requests.RequestException, ValueError) as error:
        # Only the kind of error: its text holds the address, and that holds our secret.
        answer = type(error).__name__
    # Errors of WeChat's own have status 200, and an errcode in place of the openid.
    openid = answer.get("openid") if isinstance(answer, dict) else None
    if not isinstance(openid, str) or not re.fullmatch(r"[\w-]{1,64}", openid, re.ASCII):
        current_app.logger.warning("WeChat answered %s with %.200r", path, answer)
        raise WeChatError("WeChat does not tell us who you are right now. Please try again.")
    return answer


def find_account(person: dict[str, Any]) -> User:
    """Return the account of that openid; at the first time link the one in use, or make one."""
    query = select(User).where(User.wechat_openid == person["openid"])
    free_names = filterfalse(User.find, names_like(str(person.get("nickname") or "")))
    while (user := db.session.scalar(query)) is None:
        if current_user.is_authenticated:
            user = current_user
        else:
            # There has to be a password: one that nobody knows.
            user = User(next(free_names), secrets.token_hex(32))
            db.session.add(user)
        user.wechat_openid = person["openid"]
        try:
            db.session.commit()
        except IntegrityError:
            # Somebody has just taken the name, or this login came twice: look again.
            db.session.rollback()
    if current_user.is_authenticated and user != current_user:
        raise WeChatError("This WeChat account belongs to another account here.")
    return user
