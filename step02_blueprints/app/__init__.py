"""Create the app and wire its parts."""

from flask import Flask

from common import ui

from . import auth
from . import errors
from . import main
from . import posts

app = Flask(__name__)
app.config.from_object("config.Config")

app.register_blueprint(ui.bp)
app.register_blueprint(errors.bp)
app.register_blueprint(main.bp)
app.register_blueprint(auth.bp)
app.register_blueprint(posts.bp)
