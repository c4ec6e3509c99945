"""Create the app and wire its parts."""

from flask import Flask
from flask_login import current_user

from common import ui

from . import auth
from . import commands
from . import errors
from . import main
from . import posts
from .extensions import csrf
from .extensions import db
from .extensions import login_manager

app = Flask(__name__)
app.config.from_object("config.Config")

db.init_app(app)
# current_user is a lazy proxy: a page that does not use it sends no query for it.
login_manager.init_app(app, add_context_processor=False)
app.jinja_env.globals["current_user"] = current_user
csrf.init_app(app)

app.register_blueprint(ui.bp)
app.register_blueprint(errors.bp)
app.register_blueprint(main.bp)
app.register_blueprint(auth.bp)
app.register_blueprint(posts.bp)
app.register_blueprint(commands.bp)

# Creates the tables that are missing, and leaves the others as they are.
with app.app_context():
    db.create_all()
