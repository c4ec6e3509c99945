"""Create the app and wire its parts."""

from flask import Flask
from flask_login import current_user

from common import ui
from config import Config

from . import admin
from . import api
from . import auth
from . import commands
from . import errors
from . import exports
from . import health
from . import limits
from . import logs
from . import main
from . import posts
from . import security
from . import wechat
from . import worker
from .checks import find_config
from .extensions import celery_init_app
from .extensions import csrf
from .extensions import db
from .extensions import limiter
from .extensions import login_manager
from .extensions import migrate
from .openapi import DescribedApi


def create_app(config: str | Config | type[Config] | None = None) -> Flask:
    """Create an app with these settings, by default those that APP_CONFIG names."""
    app = Flask(__name__)
    app.config.from_object(find_config(config))

    logs.init_app(app)
    security.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db)
    # current_user is a lazy proxy: a page that does not use it sends no query for it.
    login_manager.init_app(app, add_context_processor=False)
    app.jinja_env.globals["current_user"] = current_user
    csrf.init_app(app)
    limiter.init_app(app)
    celery_init_app(app)
    worker.init_app(app)

    app.register_blueprint(ui.bp)
    app.register_blueprint(errors.bp)
    app.register_blueprint(main.bp)
    app.register_blueprint(limits.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(auth.bp)
    app.register_blueprint(posts.bp)
    app.register_blueprint(exports.bp)
    DescribedApi(app).register_blueprint(api.bp)
    app.register_blueprint(api.swagger_files)
    app.register_blueprint(commands.bp)
    admin.init_app(app)
    if app.config["WECHAT_APP_ID"]:
        app.register_blueprint(wechat.bp)
    return app
