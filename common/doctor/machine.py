"""Python, packages, git, variables and files: what the standard library can look at."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from urllib.request import proxy_bypass

from .. import bootstrap
from .. import stack
from ..steps import ROOT
from .rows import OK
from .rows import WRONG
from .rows import Row

INSTALL_GIT = {"darwin": "xcode-select --install", "win32": "winget install Git.Git"}
# A line of requirements.txt: name, version and, after a semicolon, where it is needed.
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)\s*(;?)", re.M)
# What the steps are meant to be set by.
SETTINGS = re.compile(
    r"(?:DATABASE|REDIS|MAIL)_URL|MAIL_FROM|SECRET_KEY|APP_CONFIG|TRUSTED_\w+|WECHAT_\w+"
)
DAY = 24 * 60 * 60
# The variables of this terminal, whatever the other checks do to their own.
ENVIRONMENT = dict(os.environ)


def python() -> list[Row]:
    """Say which Python this is; learn.py itself stops with an older one."""
    where = "in .venv" if bootstrap.is_in_venv() else f"at {sys.executable}"
    return [Row(OK, "Python", f"{platform.python_version()} {where}")]


# -- .venv -----------------------------------------------------------------------------------------


def environment() -> list[Row]:
    """Compare the packages in .venv with the pins in requirements.txt."""
    if problem := _problem_of_venv():
        return [Row(WRONG, ".venv", problem, "python3 learn.py doctor --fix", _set_up_again)]
    installed = _installed()
    pins, needed = _pins()
    wrong = []
    for name, versions in sorted(installed.items()):
        if name in pins and len(versions) > 1:
            wrong.append(f"{name} is there twice: {', '.join(sorted(versions))}")
        elif name in pins and not versions <= pins[name]:
            wrong.append(f"{name} is {min(versions)}, its pin {' or '.join(sorted(pins[name]))}")
    # Without study-log, which is this repo, no step finds common.ui.
    wrong += [f"{name} is missing" for name in sorted({*needed, "study-log"} - installed.keys())]
    if not wrong:
        count = len(pins.keys() & installed.keys())
        return [Row(OK, ".venv", f"{count} packages, each with the version of requirements.txt")]
    more = f"; {len(wrong) - 1} more" if wrong[1:] else ""
    pip = f"{bootstrap.PYTHON.relative_to(ROOT)} -m pip install -r requirements.txt -e ."
    return [Row(WRONG, ".venv", wrong[0] + more, pip, _set_up_again)]


def _problem_of_venv() -> str:
    """Say why .venv cannot be used, if it cannot."""
    if not bootstrap.VENV.exists():
        return "is not there yet"
    if bootstrap.is_of_another_place():
        return f"is a link to {os.path.realpath(bootstrap.VENV)}, made for another folder"
    if not bootstrap.is_in_venv() and not bootstrap.python_works():
        return "does not work: its Python or pip is gone, or is another one"
    if bootstrap.is_unfinished():
        return "its set-up was interrupted"
    return ""


def _installed() -> dict[str, set[str]]:
    """Return the versions of each package in .venv; two of one are a broken installation."""
    folders = [
        *bootstrap.VENV.glob("lib/python3*/site-packages"),
        bootstrap.VENV / "Lib/site-packages",
    ]
    found: dict[str, set[str]] = {}
    for package in metadata.distributions(path=[str(folder) for folder in folders]):
        if name := package.metadata["Name"]:
            found.setdefault(_plain(name), set()).add(package.version)
    return found


def _pins() -> tuple[dict[str, set[str]], set[str]]:
    """Return the versions of each pin, and the names of those that every machine needs."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins: dict[str, set[str]] = {}
    needed = set()
    for name, version, condition in PIN.findall(text):
        pins.setdefault(_plain(name), set()).add(version)
        if not condition:
            needed.add(_plain(name))
    return pins, needed


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _set_up_again() -> str:
    if bootstrap.is_set_up():
        bootstrap.STAMP.unlink()  # as one made by hand, it gets what requirements.txt says
    bootstrap.set_up()
    return "set up as requirements.txt says; what you have run there is kept"


# -- git, variables, files -------------------------------------------------------------------------


def git() -> list[Row]:
    """Look for git; a Mac without the developer tools has one that does not work."""
    command = INSTALL_GIT.get(sys.platform, "sudo apt install git")
    program = shutil.which("git")
    if program is None:
        return [Row(WRONG, "git", "is not installed; diff, break and parts need it", command)]
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return [Row(WRONG, "git", f"{program} does not answer", command)]
    if done.returncode:
        return [Row(WRONG, "git", f"{program} does not work", command)]
    return [Row(OK, "git", done.stdout.strip().removeprefix("git version "))]


def variables() -> list[Row]:
    """Find the variables that change what flask, celery, pytest or Python do in this terminal."""
    names = sorted(name for name in ENVIRONMENT if _is_foreign(name))
    commands = [_unset(names)] if names else []
    if proxies := _proxies():
        names += proxies
        commands.append(_set("no_proxy", "127.0.0.1,localhost"))
    if names:
        does = "changes what is typed here" if len(names) == 1 else "change what is typed here"
        return [Row(WRONG, "variables", f"{_some(names)} {does}", "; ".join(commands))]
    if settings := sorted(name for name in ENVIRONMENT if SETTINGS.fullmatch(name)):
        return [Row(OK, "variables", f"of the steps' own, these are set: {', '.join(settings)}")]
    return [Row(OK, "variables", "none that changes anything")]


def _is_foreign(name: str) -> bool:
    value = ENVIRONMENT[name]
    if name == "VIRTUAL_ENV":
        return os.path.realpath(value) != os.path.realpath(bootstrap.VENV)
    if name == "PYTHONPATH":
        return value != str(ROOT)
    if name in ("CONDA_PREFIX", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV_PROMPT"):
        return False  # set by what is harmless: an environment of conda, a Mac's Python, activate
    return name.startswith((*stack.FOREIGN, *bootstrap.DISTURBING))


def _proxies() -> list[str]:
    """Return the variables by which requests to this machine would go to a proxy."""
    found = [name for name in ENVIRONMENT if name.lower() in ("http_proxy", "all_proxy")]
    return [] if proxy_bypass("127.0.0.1") else found


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:2])}, {len(names) - 2} more"


def _unset(names: list[str]) -> str:
    """Return the command that unsets these: as many as fit into a line, the rest next time."""
    if sys.platform == "win32":
        return f"set {names[0]}="
    command = "unset"
    for name in names:
        if len(command) + len(name) < 60 or command == "unset":
            command += f" {name}"
    return command


def _set(name: str, value: str) -> str:
    return f"{'set' if sys.platform == 'win32' else 'export'} {name}={value}"


def files() -> list[Row]:
    """Find what an interrupted start or test has left: never anything with data in it."""
    left = [*_half_keys(), *_copies_of_tests()]
    if not left:
        return [Row(OK, "files", "nothing is left over")]
    text = f"{len(left)} left over by what was interrupted, such as {left[0].name}"

    def remove() -> str:
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return f"deleted {', '.join(map(str, left))}"

    return [Row(WRONG, "files", text, "python3 learn.py doctor --fix", remove)]


def _half_keys() -> list[Path]:
    """Return the secret keys that no app has come to use; see config.py."""
    found = []
    for path in ROOT.glob("step*/instance/secret_key.*"):
        if path.suffix[1:].isdigit() and time.time() - path.stat().st_mtime > 60:
            found.append(path)
    return found


def _copies_of_tests() -> list[Path]:
    """Return the copies of steps that tests have made, which no test of today uses."""
    found = []
    for path in Path(tempfile.gettempdir()).glob("study log *"):
        with suppress(OSError):  # a test that runs now has just deleted it
            if _is_old_copy(path):
                found.append(path)
    return found


def _is_old_copy(path: Path) -> bool:
    has_its_form = (path / "home").is_dir() and (path / "tmp").is_dir() and any(path.glob("* copy"))
    return (
        has_its_form
        and re.fullmatch(r"study log [a-z0-9_]{8}", path.name) is not None
        and time.time() - path.stat().st_mtime > DAY
        and path.owner() == getpass.getuser()
    )
