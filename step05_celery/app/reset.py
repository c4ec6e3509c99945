"""A forgotten password: a mail with a link that is good once, and for an hour."""

from celery import shared_task
from flask import current_app
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from .extensions import db
from .mail import send_mail
from .models import User

# Seconds for which a link is good.
MAX_AGE = 60 * 60

TEXT = """Hello {name},

this link lets you choose a new password for Study Log. It is good for one hour.

{link}

If you did not ask for it, do nothing: your password stays as it is.
"""


def serializer(user: User | None) -> URLSafeTimedSerializer:
    """Return what signs the links of a user.

    The password's hash is part of the key: with a new password, all links of before are void.
    """
    salt = f"reset {user.email} {user.password_hash}" if user else "reset"
    return URLSafeTimedSerializer(current_app.secret_key, salt=salt)


def find_user(token: str) -> User | None:
    """Return the user of a link, or None if it is used, too old or forged."""
    _, user_id = serializer(None).loads_unsafe(token)
    user = db.session.get(User, user_id) if type(user_id) is int and 0 < user_id < 2**31 else None
    try:
        return user and serializer(user).loads(token, max_age=MAX_AGE) and user
    except BadData:
        return None


@shared_task(ignore_result=True)
def send_reset_link(email: str, link: str) -> None:
    """Mail a link to the user with this address, if there is one; TOKEN in it is replaced."""
    if user := User.find_by_email(email):
        link = link.replace("TOKEN", serializer(user).dumps(user.id))
        text = TEXT.format(name=user.username, link=link)
        send_mail.delay(user.email, "A new password for Study Log", text)
