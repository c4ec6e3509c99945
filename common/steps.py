"""The registry of the steps, and the only list of them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Step:
    """One numbered folder: a runnable Flask project that adds one idea to the one before.

    ``touches`` lists what the lesson adds, changes or removes, as paths relative to the step's
    folder; a path that ends in ``/`` means all files below it. Every other file is byte-identical
    to the step before, and a test checks that. ``worker`` is the ``-A`` argument of the
    step's Celery worker, None where the step has no worker. ``database`` says whether it finds one
    by DATABASE_URL, ``wechat`` whether people can log in with WeChat.
    """

    number: int
    name: str
    idea: str
    touches: tuple[str, ...] = ()
    database: bool = False
    migrates: bool = False
    worker: str | None = None
    wechat: bool = False

    @property
    def folder(self) -> str:
        """The name of the step's folder, such as ``step01_hello``."""
        return f"step{self.number:02}_{self.name}"

    @property
    def path(self) -> Path:
        """The absolute path of the step's folder."""
        return ROOT / self.folder

    def does_touch(self, file: str) -> bool:
        """Tell whether the lesson may change ``file``, a path relative to the step's folder."""
        return any(file == t or (t.endswith("/") and file.startswith(t)) for t in self.touches)


STEPS = (
    Step(1, "hello", "routes and templates"),
    Step(
        2,
        "blueprints",
        "blueprints, config, sessions by hand",
        touches=("app.py", "templates/", "static/", "app/", "config.py", "requirements.txt"),
    ),
    Step(
        3,
        "login",
        "Flask-SQLAlchemy, Flask-Login, Flask-WTF",
        touches=(
            "app/__init__.py",
            "app/auth.py",
            "app/commands.py",
            "app/errors.py",
            "app/extensions.py",
            "app/forms.py",
            "app/models.py",
            "app/names.py",
            "app/posts.py",
            "app/templates/auth/",
            "app/templates/base.html",
            "app/templates/error.html",
            "app/templates/posts/",
            "config.py",
            "requirements.txt",
        ),
        database=True,
    ),
    Step(
        4,
        "migrate",
        "Flask-Migrate",
        touches=(
            "app/__init__.py",
            "app/admin.py",
            "app/auth.py",
            "app/commands.py",
            "app/errors.py",
            "app/extensions.py",
            "app/forms.py",
            "app/models.py",
            "app/templates/auth/",
            "migrations/",
            "requirements.txt",
        ),
        database=True,
        migrates=True,
    ),
    Step(
        5,
        "celery",
        "Celery and Redis",
        touches=(
            "app/__init__.py",
            "app/api.py",
            "app/admin.py",
            "app/archive.py",
            "app/auth.py",
            "app/clock.py",
            "app/errors.py",
            "app/export_status.py",
            "app/exports.py",
            "app/extensions.py",
            "app/forms.py",
            "app/kombu_fix.py",
            "app/leases.py",
            "app/mail.py",
            "app/models.py",
            "app/openapi.py",
            "app/reset.py",
            "app/static/",
            "app/task_queue.py",
            "app/tasks.py",
            "app/templates/archive/",
            "app/templates/auth/",
            "app/templates/exports/",
            "app/worker.py",
            "config.py",
            "migrations/versions/0005_exports.py",
            "migrations/versions/0006_email.py",
            "requirements.txt",
        ),
        database=True,
        migrates=True,
        worker="app.celery_app",
    ),
    Step(
        6,
        "factory",
        "create_app()",
        touches=(
            "app/__init__.py",
            "app/api.py",
            "app/auth.py",
            "app/checks.py",
            "app/errors.py",
            "app/events.py",
            "app/exports.py",
            "app/extensions.py",
            "app/health.py",
            "app/limits.py",
            "app/logs.py",
            "app/models.py",
            "app/nicknames.py",
            "app/posts.py",
            "app/security.py",
            "app/static/progress.js",
            "app/templates/auth/",
            "app/templates/posts/index.html",
            "app/wechat.py",
            "celery_worker.py",
            "config.py",
            "gunicorn.conf.py",
            "migrations/versions/0007_user_wechat_openid.py",
            "requirements.txt",
        ),
        database=True,
        migrates=True,
        worker="celery_worker",
        wechat=True,
    ),
)


def find_step(text: str) -> Step:
    """Return the step that ``text`` names: a number, a folder name or an unambiguous part of one.

    Raises LookupError, with a message for the person who typed it, if none or several fit.
    """
    wanted = text.strip().rstrip("/\\").lower()
    if wanted.isdigit():
        fitting = [step for step in STEPS if step.number == int(wanted)]
    else:
        fitting = [
            step
            for step in STEPS
            if wanted == f"step{step.number}" or (wanted and wanted in step.folder)
        ]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(step.folder for step in fitting or STEPS)
    if fitting:
        raise LookupError(f"“{text}” could be any of these: {known}.")
    names = [name for step in STEPS for name in (step.name, step.folder)]
    if close := get_close_matches(wanted, names, n=1):
        raise LookupError(f"There is no step “{text}”. Did you mean {close[0]}?")
    raise LookupError(f"There is no step “{text}”. The steps are: {known}.")
