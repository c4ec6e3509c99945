"""Makes .venv on first use and hands over to it. Standard library only: nothing else is there yet.

A stamp in .venv says which set-up it holds. No stamp: somebody made .venv by hand, and it is
filled as it is. A stamp that says "unfinished": a set-up was interrupted, and .venv is made anew.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from typing import NoReturn

from .steps import ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
STAMP = VENV / ".learn-stamp"
LOCK = VENV / ".learn-lock"
UNFINISHED = "unfinished\n"
# What another virtual environment, or a shell's start-up file, may have left behind.
DISTURBING = (
    "CONDA_PREFIX",
    "PIP_PREFIX",
    "PIP_TARGET",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
)
# The pip settings that uv must share to reach the same index, and what uv calls them.
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


class SetupError(Exception):
    """The set-up cannot go on; the message says why, and what the learner can do."""


def main() -> None:
    """Set up .venv if it is not, then become ``python -m common.cli`` in it."""
    _open_standard_streams()
    try:
        if not is_set_up():
            set_up()
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nSet-up stopped. The next call of learn.py begins it again.")
    if sys.platform != "win32":
        # A Ctrl-C while the commands load waits until they can answer it without a traceback.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # -P: a folder common/ or a file click.py in the current directory must not be imported.
    hand_over([str(PYTHON), "-P", "-m", "common.cli", *sys.argv[1:]], clean_environment())


def is_set_up() -> bool:
    """Tell whether .venv holds what requirements.txt and pyproject.toml ask for now."""
    return PYTHON.exists() and _read_stamp() == _wanted_stamp()


def set_up() -> None:
    """Make or refresh .venv; a second call at the same time waits for the first.

    Raises SetupError, with a message for the learner.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends pip or uv
    try:
        VENV.mkdir(exist_ok=True)
        with _locked():
            if is_set_up():
                return
            began = time.monotonic()
            if _must_rebuild():
                _say("Setting up .venv, this once; it takes less than a minute.\n")
                _make_venv()
            else:
                _say("Bringing .venv up to date with requirements.txt.\n")
            STAMP.write_text(UNFINISHED, encoding="utf-8")
            _install()
            _write_stamp(_wanted_stamp())
            _say(f"Ready after {time.monotonic() - began:.0f} s.\n\n")
    except OSError as error:
        raise SetupError(f"Could not write to {VENV}: {error}.") from error


def clean_environment() -> dict[str, str]:
    """Return this environment without what would disturb the Python in .venv."""
    return {name: value for name, value in os.environ.items() if name not in DISTURBING}


def hand_over(argv: list[str], env: dict[str, str] | None = None) -> NoReturn:
    """Become the command ``argv``: same terminal, same process where the system can do that."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":  # where exec returns to the prompt at once
        sys.exit(run_in_foreground(argv, env))
    os.execvpe(argv[0], argv, os.environ if env is None else env)


def run_in_foreground(argv: list[str], env: dict[str, str] | None = None) -> int:
    """Run ``argv`` to its end and return its exit code.

    Ctrl-C reaches it too, so it is left to say how to end; if this process is told to end, it is.
    """
    with subprocess.Popen(argv, env=env) as process:
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()


# -- the stamp ------------------------------------------------------------------------------------


def _wanted_stamp() -> str:
    pins = hashlib.sha256()
    for file in ("requirements.txt", "pyproject.toml"):
        pins.update((ROOT / file).read_bytes())
    return f"{_place()}\n{pins.hexdigest()}\n"


def _place() -> str:
    # A virtual environment works only where it was made, with the Python it was made by.
    return f"{ROOT}\n{sys.version_info[0]}.{sys.version_info[1]}"


def _read_stamp() -> str:
    try:
        return STAMP.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _write_stamp(text: str) -> None:
    new = STAMP.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(STAMP)  # whole or not at all, whenever the power goes


def _must_rebuild() -> bool:
    stamp = _read_stamp()
    return not (stamp == "" or stamp.startswith(f"{_place()}\n")) or not _python_works()


def _python_works() -> bool:
    version = tuple(sys.version_info[:2])
    test = f"import pip, sys; sys.exit(sys.version_info[:2] != {version})"
    try:
        return subprocess.run([PYTHON, "-I", "-c", test], capture_output=True).returncode == 0
    except OSError:
        return False


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock on .venv; the system lets go of it when this process ends, however it ends."""
    with LOCK.open("ab") as file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                _say("Another learn.py is setting up .venv; waiting for it.\n")
            waiting = True
            time.sleep(0.2)
        yield


def _try_lock(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: go on without
        return True
    return True


# -- the steps of a set-up ------------------------------------------------------------------------


def _make_venv() -> None:
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupError(
            "This Python has no venv, which Study Log needs. On Debian and Ubuntu this installs "
            "it: sudo apt install python3-venv"
        )
    for old in VENV.iterdir():
        if old == LOCK:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    STAMP.write_text(UNFINISHED, encoding="utf-8")
    # From inside a virtual environment, ask the Python that it was made from.
    base = getattr(sys, "_base_executable", sys.executable)
    _call("a virtual environment", [base, "-I", "-m", "venv", str(VENV)])


def _install() -> None:
    pip = [str(PYTHON), "-I", "-m", "pip"]
    uv = [str(PYTHON), "-I", "-m", "uv", "pip", "install", "--python", str(PYTHON)]
    wanted = ["-r", "requirements.txt", "-e", "."]
    try:
        _call("uv, the fast installer", [*pip, "install", "--quiet", "--retries", "1", "uv"])
        _call("the packages", [*uv, *wanted], _uv_environment(pip))
    except SetupError:
        # An old system, a proxy that uv cannot pass …: pip takes longer and gets everywhere.
        _call("the packages, by pip", [*pip, "install", *wanted])


def _uv_environment(pip: list[str]) -> dict[str, str]:
    """Return the environment in which uv uses the index that the learner's pip is set to."""
    env = _tool_environment()
    listing = subprocess.run(
        [*pip, "config", "list"], env=env, capture_output=True, text=True, errors="replace"
    )
    settings = {}
    # Sorted so that what counts most comes last: global, then install, then the environment.
    rank = {"global": 0, "install": 1, ":env:": 2}
    found = []
    for line in listing.stdout.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if equals and section in rank and name in UV_SETTINGS:
            found.append((rank[section], name, str(ast.literal_eval(value))))
    for _, name, value in sorted(found):
        settings[UV_SETTINGS[name]] = value
    return {**settings, **env}  # what is set for uv itself counts most


def _tool_environment() -> dict[str, str]:
    quiet = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_PROGRESS": "1"}
    return {**clean_environment(), **quiet}


def _call(what: str, argv: list[str], env: dict[str, str] | None = None) -> None:
    """Run one tool, quietly, under one line of progress."""
    _say(f"  {what} … ")
    began = time.monotonic()
    result = subprocess.run(
        argv,
        cwd=ROOT,
        env=env or _tool_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode == 0:
        _say(f"{time.monotonic() - began:.1f} s\n")
        return
    _say("failed\n")
    last_lines = "\n".join(f"    {line}" for line in result.stdout.splitlines()[-12:])
    raise SetupError(
        f"Setting up failed at {what}:\n{last_lines}\n"
        "Call learn.py again once that is mended. If packages do not arrive, check the network, "
        "or set a mirror near you with: pip config set global.index-url URL"
    )


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _open_standard_streams() -> None:
    """Give each closed standard stream /dev/null, or the next file opened would take its place."""
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
