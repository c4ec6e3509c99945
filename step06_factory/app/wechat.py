"""Log in with WeChat: OAuth 2.0 for websites, by hand."""

import re
import secrets
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
from .nicknames import username_candidates
from .redirects import is_safe_url

bp = Blueprint("wechat", __name__, url_prefix="/auth/wechat")


class WeChatError(Exception):
    """The login failed; the text tells the user why."""


@bp.get("/login")
def login() -> Response:
    """Redirect to WeChat, which shows a QR code to scan."""
    # Only this browser has it in its session, so a link from an attacker comes without it.
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
    """Log in the person that WeChat sends back, or link the current user."""
    # pop: a state is valid once. An old cookie still has it, but there is no second code.
    state, target, user_id = session.pop("wechat", ["", "", None])
    target = target if is_safe_url(target) else url_for("main.home")
    try:
        same = secrets.compare_digest(request.args.get("state", "").encode(), state.encode())
        if not state or not same or user_id != current_user.get_id():
            raise WeChatError("This login did not start here, or it is over. Please start again.")
        if not request.args.get("code"):
            raise WeChatError("You did not approve the login in WeChat, so nothing has changed.")
        user = find_or_create_account(fetch_person(request.args["code"]))
    except WeChatError as error:
        flash(str(error), "error")
        login_page = url_for("auth.login", next=target)
        return redirect(target if current_user.is_authenticated else login_page)
    login_user(user)
    flash(f"Welcome, {user.username}. You are logged in with WeChat.")
    return redirect(target)


def fetch_person(code: str) -> dict[str, Any]:
    """Exchange the code for an openid and a nickname."""
    token = fetch(
        "/sns/oauth2/access_token",
        appid=current_app.config["WECHAT_APP_ID"],
        secret=current_app.config["WECHAT_APP_SECRET"],
        code=code,
        grant_type="authorization_code",
    )
    return fetch("/sns/userinfo", access_token=token.get("access_token"), openid=token["openid"])


def fetch(path: str, **query: str | None) -> dict[str, Any]:
    """Return the answer of WeChat's server, which has an openid, or raise WeChatError."""
    host = current_app.config["WECHAT_URL"] or "https://api.weixin.qq.com"
    try:
        response = requests.get(host + path, params=query, timeout=5)
        response.raise_for_status()
        # Not response.json(): the bytes are UTF-8, but text/plain, which requests reads as Latin-1.
        answer = json.loads(response.content)
    except (requests.RequestException, ValueError) as error:
        # Only the name of the error: its text has the URL, and the URL has our secret.
        answer = type(error).__name__
    # Errors of WeChat's own have status 200, and an errcode instead of an openid.
    openid = answer.get("openid") if isinstance(answer, dict) else None
    if not isinstance(openid, str) or not re.fullmatch(r"[\w-]{1,64}", openid, re.ASCII):
        current_app.logger.warning("WeChat answered %s with %.200r", path, answer)
        raise WeChatError("WeChat could not log you in. Please try again.")
    return answer


def find_or_create_account(person: dict[str, Any]) -> User:
    """Find the account with this openid, else link the current user's, else create one."""
    openid, nickname = person["openid"], str(person.get("nickname") or "")
    try:
        return find_account(openid) or link_account(openid) or create_account(openid, nickname)
    except IntegrityError:
        # Another request has just taken the name, or this person logged in twice: try again.
        db.session.rollback()
        return find_or_create_account(person)


def find_account(openid: str) -> User | None:
    """Return the account with this openid, if there is one."""
    user = db.session.scalar(select(User).where(User.wechat_openid == openid))
    if user and current_user.is_authenticated and user != current_user:
        raise WeChatError("This WeChat account belongs to another account here.")
    return user


def link_account(openid: str) -> User | None:
    """Link the current user's account, if a user is logged in."""
    if not current_user.is_authenticated:
        return None
    current_user.wechat_openid = openid
    db.session.commit()
    return current_user._get_current_object()  # the user itself, not the proxy


def create_account(openid: str, nickname: str) -> User:
    """Create an account with a name like the nickname, and a password that nobody knows."""
    name = next(name for name in username_candidates(nickname) if not User.find(name))
    user = User(name, secrets.token_hex(32))
    user.wechat_openid = openid
    db.session.add(user)
    db.session.commit()
    return user
