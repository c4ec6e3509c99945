"""The registry of the steps, and the only list of them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


# At which part of the course each thing begins that the commands and the tests ask for. A step
# alone, such as "4", means: at the end of its lesson. This is the only place that says so.
FEATURES = {
    "accounts": "2.login",
    "posts": "2.limits",
    "size": "2.size",
    "database": "3.post-row",
    "names": "3.names",
    "csrf": "3.csrf",
    "edit": "3.edit",
    "preview": "3.preview",
    "delete": "3.delete",
    "change-password": "3.change-password",
    "seed": "3.seed",
    "pagination": "3.pages",
    "logout-everywhere": "3.logout-everywhere",
    "migrations": "4.first",
    "admin": "4.admin-users",
    "delete-account": "4.delete-account",
    "exports": "5.start",
    "api": "5.create",
    "forgot": "5.forgot",
    "cancel": "5.cancel",
    "remove-export": "5.remove",
    "wechat": "6.wechat",
}
# The -A argument of the Celery worker, from which part on.
WORKERS = {"5.celery": "app.celery_app", "6.worker": "celery_worker"}


class State:
    """The app at one moment of the course: at the end of a step, or after one of its parts.

    ``number`` is that of the step.
    """

    number: int

    @property
    def label(self) -> str:
        """What people call it: ``step 3``, ``part 3.4``."""
        raise NotImplementedError

    @property
    def heading(self) -> str:
        """What it is about: ``Step 3 of 6: …``, ``Part 3.4: …``."""
        raise NotImplementedError

    @property
    def code(self) -> str:
        """What people type for it: ``3``, ``3.edit``."""
        raise NotImplementedError

    @property
    def folder(self) -> str:
        """The name of its folder."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """The absolute path of its folder, which for a part may have to be filled first."""
        raise NotImplementedError

    def is_at_or_after(self, place: str) -> bool:
        """Tell whether the course has come to ``place``: a step, ``3``, or a part, ``3.edit``."""
        raise NotImplementedError

    def does_touch(self, file: str) -> bool:
        """Tell whether the step or part may change ``file``, a path relative to its folder."""
        raise NotImplementedError

    def has(self, feature: str) -> bool:
        """Tell whether the app has one of FEATURES yet."""
        return self.is_at_or_after(FEATURES[feature])

    @property
    def database(self) -> bool:
        """Whether the app finds a database by DATABASE_URL."""
        return self.has("database")

    @property
    def migrates(self) -> bool:
        """Whether there is a `flask db upgrade` to run first."""
        return self.has("migrations")

    @property
    def worker(self) -> str | None:
        """The ``-A`` argument of the Celery worker, None where there is no worker."""
        names = [name for place, name in WORKERS.items() if self.is_at_or_after(place)]
        return names[-1] if names else None

    @property
    def wechat(self) -> bool:
        """Whether people can log in with WeChat."""
        return self.has("wechat")


@dataclass(frozen=True)
class Step(State):
    """One numbered folder: a runnable Flask project that adds one idea to the one before.

    ``touches`` lists what the lesson adds, changes or removes, as paths relative to the step's
    folder; a path that ends in ``/`` means all files below it. Every other file is byte-identical
    to the step before, and a test checks that.
    """

    number: int
    name: str
    idea: str
    touches: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people call it: ``step 3``."""
        return f"step {self.number}"

    @property
    def heading(self) -> str:
        """What it is about: ``Step 3 of 6: …``."""
        return f"Step {self.number} of {len(STEPS)}: {self.idea}"

    @property
    def code(self) -> str:
        """What people type for it: ``3``."""
        return str(self.number)

    @property
    def folder(self) -> str:
        """The name of the step's folder, such as ``step01_hello``."""
        return f"step{self.number:02}_{self.name}"

    @property
    def path(self) -> Path:
        """The absolute path of the step's folder."""
        return ROOT / self.folder

    def is_at_or_after(self, place: str) -> bool:
        """Tell whether the course has come to ``place`` at the end of this step."""
        return int(place.partition(".")[0]) <= self.number

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
            "migrations/versions/0006_archives.py",
            "migrations/versions/0007_queue.py",
            "migrations/versions/0008_email.py",
            "requirements.txt",
        ),
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
            "migrations/versions/0009_user_wechat_openid.py",
            "requirements.txt",
        ),
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
