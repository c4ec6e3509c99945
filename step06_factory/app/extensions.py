"""The extensions, not yet bound to an app.

All modules import them from here, and only ``app/__init__.py`` binds them to the app. So no module
needs to import the app, and there are no circular imports.
"""

import sqlite3

from celery import Celery
from celery import Task
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """What all models share."""

    # Each constraint gets a name by this rule: without a name it could not be changed later.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table_args__ = {
        # MySQL: all of Unicode, compared as SQLite compares it, however the database was created.
        "mysql_collate": "utf8mb4_bin",
        "mariadb_collate": "utf8mb4_bin",
        # Without it, SQLite gives the id of a deleted row to the next one.
        "sqlite_autoincrement": True,
    }


db = SQLAlchemy(model_class=Base)

migrate = Migrate()

login_manager = LoginManager()
login_manager.login_view = "auth.login"
login_manager.login_message = "Please log in to see this page."

csrf = CSRFProtect()

# It limits only the views that ask for it: see app/limits.py.
limiter = Limiter(get_remote_address)


@event.listens_for(Engine, "connect")
def enforce_foreign_keys(connection: object, record: object) -> None:
    """Let SQLite refuse a row whose foreign key points nowhere, as other databases do."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA foreign_keys = ON")


def celery_init_app(app: Flask) -> Celery:
    """Make the Celery app whose tasks run inside the context of the Flask app."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    # Redis is both: the queue that brings tasks to the workers, and the place for their states.
    redis_url = app.config["REDIS_URL"]
    celery_app = Celery(app.name, task_cls=FlaskTask, broker=redis_url, backend=redis_url)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    # The task is there once for all apps: this says whose Redis it uses, the one of this request.
    app.before_request(celery_app.set_current)
    app.extensions["celery"] = celery_app
    return celery_app
