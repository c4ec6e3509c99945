"""Makes .venv on first use and hands over to it. Standard library only: no package is there yet.

A stamp in .venv says which set-up it has. No stamp: .venv was made by hand, and packages are added
to it if it works. A stamp that says "unfinished": a set-up was interrupted, and .venv is rebuilt.
Where .venv is a link to another folder, that folder is left alone.
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
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import nullcontext
from typing import BinaryIO
from typing import NoReturn

from .steps import ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
STAMP = VENV / ".learn-stamp"
UNFINISHED = "unfinished\n"
# What the commands keep in it, with data: a new .venv has them still.
KEPT = ("parts", "redis")
VERSION = sys.version_info[:2]
# What another virtual environment, another project or a shell's start-up file may have left behind:
# variables that begin like this.
DISTURBING = (
    "CONDA_PREFIX",
    "PYTEST_",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONSAFEPATH",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
)
# The settings of pip, and the variables of uv, that would make them install into another place.
ELSEWHERE = ("dry-run", "no-deps", "prefix", "python", "root", "target", "user")
UV_ELSEWHERE = ("UV_CONFIG_FILE", "UV_PROJECT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_WORKING_DIR")
# The settings of pip that uv must share to reach the same index, and what uv calls them.
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
}


class SetupError(Exception):
    """The set-up cannot go on; the message says why, and what the learner can do."""


def main() -> None:
    """Set up .venv if it is not, then become ``python -m common.cli`` in it."""
    _open_standard_streams()
    try:
        if sys.argv[1:] in (["doctor"], ["doctor", "--fix"]):
            _call_the_doctor()
        if not is_set_up():
            if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
                signal.signal(signal.SIGINT, interrupt)
            set_up()
        # A Ctrl-C while the commands load waits until they can answer it without a traceback.
        with holding_interrupts():
            # -P: a folder common/ or a file click.py in the current directory must not be imported.
            hand_over([str(PYTHON), "-P", "-m", "common.cli", *sys.argv[1:]], clean_environment())
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nSet-up stopped. The next call of learn.py begins it again.")


def _call_the_doctor() -> NoReturn:
    """Run `learn.py doctor` as it is: without a set-up, and with the learner's own variables."""
    from .doctor import doctor

    if not is_in_venv() and python_works():
        become_venv(sys.argv[1:])
    sys.exit(doctor(fix="--fix" in sys.argv))


def become_venv(words: list[str]) -> NoReturn:
    """Run learn.py with these words by the Python of .venv, whatever packages it has."""
    # -E: without the variables that would disturb it, which the doctor still sees.
    hand_over([str(PYTHON), "-E", "-P", str(ROOT / "learn.py"), *words])


def is_in_venv() -> bool:
    """Tell whether this is the Python of .venv."""
    return os.path.realpath(sys.prefix) == os.path.realpath(VENV)


def is_unfinished() -> bool:
    """Tell whether the last set-up was interrupted."""
    return _read_stamp() == UNFINISHED


def is_set_up() -> bool:
    """Tell whether .venv holds what requirements.txt and pyproject.toml ask for now."""
    return (
        PYTHON.exists() and (VENV / "pyvenv.cfg").exists() and _read_stamp() == _place() + _pins()
    )


def set_up() -> None:
    """Make or refresh .venv; a second call at the same time waits for the first.

    Raises SetupError, with a message for the learner.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends pip or uv
    try:
        with _locked():
            if is_set_up():
                return
            began = time.monotonic()
            if _is_usable():
                _say("Bringing .venv up to date with requirements.txt.\n")
            else:
                _say("Setting up .venv, this once; it takes less than a minute.\n")
                _make_venv()
            STAMP.write_text(UNFINISHED, encoding="utf-8")
            _install()
            STAMP.write_text(_place() + _pins(), encoding="utf-8")
            _say(f"Ready after {time.monotonic() - began:.0f} s.\n\n")
    except OSError as error:
        raise SetupError(f"Could not write to {VENV}: {error}.") from error


def clean_environment() -> dict[str, str]:
    """Return this environment without what would disturb the Python in .venv."""
    return {name: value for name, value in os.environ.items() if not name.startswith(DISTURBING)}


def interrupt(*_: object) -> NoReturn:
    """Stop at the first Ctrl-C; another one must not disturb how a program ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Let a Ctrl-C wait. A program that is started in the block has to let it through again."""
    if sys.platform == "win32":  # which cannot do that
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def hand_over(argv: list[str], env: dict[str, str] | None = None) -> NoReturn:
    """Become the command ``argv``: same terminal, same process where the system can do that."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":  # where exec returns to the prompt at once
        signal.signal(signal.SIGINT, interrupt)
        sys.exit(run_in_foreground(argv, env))
    os.execvpe(argv[0], argv, os.environ if env is None else env)


def run_in_foreground(
    argv: list[str], env: dict[str, str] | None = None, hold: bool = False
) -> int:
    """Run ``argv`` to its end and return its exit code.

    Ctrl-C reaches it too, so it decides how to end; with ``hold``, from when on. When this process
    ends, it is terminated.
    """
    with holding_interrupts() if hold else nullcontext():
        process = subprocess.Popen(argv, env=env)
    with process:
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()


# -- what .venv is now ----------------------------------------------------------------------------


def _place() -> str:
    # A virtual environment works only in the folder where it was made, with the same Python.
    return "{}\n{}.{}\n".format(ROOT, *VERSION)


def _pins() -> str:
    files = (ROOT / "requirements.txt", ROOT / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() + "\n"


def _read_stamp() -> str:
    try:
        return STAMP.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _is_usable() -> bool:
    """Tell whether packages can go into .venv as it is."""
    stamp = _read_stamp()
    if is_of_another_place():
        return False
    if stamp == "":
        return python_works() and not _was_moved()
    return stamp.startswith(_place()) and python_works()


def is_of_another_place() -> bool:
    """Tell whether .venv is a link to what was not set up for this folder, and so is not ours."""
    return VENV.is_symlink() and not _read_stamp().startswith(_place())


def python_works() -> bool:
    """Tell whether .venv has this Python and pip, and they work in .venv and nowhere else."""
    test = (
        "import os, pip, sys; v = sys.version_info; print(v[0], v[1], os.path.realpath(sys.prefix))"
    )
    try:
        done = subprocess.run([PYTHON, "-I", "-c", test], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout == "{} {} {}\n".format(*VERSION, os.path.realpath(VENV))


def _was_moved() -> bool:
    """Tell whether .venv was made in another folder, so that what is in its bin/ cannot run."""
    activate = PYTHON.with_name("activate")
    if sys.platform == "win32" or not activate.exists():
        return False
    ask = ["sh", "-c", '. "$0" && printf %s "$VIRTUAL_ENV"', str(activate)]
    made_in = subprocess.run(ask, capture_output=True, text=True).stdout
    return os.path.realpath(made_in) != os.path.realpath(VENV)


# -- the set-up -----------------------------------------------------------------------------------


@contextmanager
def _locked() -> Iterator[None]:
    """Let one set-up go on at a time. The system unlocks when this process ends in any way."""
    with (ROOT / "requirements.txt").open("r+b") as file:
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

            file.seek(2**30)  # after the end: others may read the file meanwhile
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: go on without
        return True
    return True


def _make_venv() -> None:
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupError(
            "This Python has no venv, which Study Log needs. On Debian and Ubuntu this installs "
            "it: sudo apt install python3-venv"
        )
    # From inside a virtual environment, ask the Python that it was made from.
    base = getattr(sys, "_base_executable", sys.executable)
    if VENV.is_symlink():  # what it leads to belongs to somebody: only the link goes
        _say(f"  .venv was a link to {os.path.realpath(VENV)}, which stays as it is.\n")
        VENV.unlink()
    elif VENV.is_dir():
        for path in VENV.iterdir():
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    argv = [base, "-I", "-m", "venv", str(VENV)]
    _call("a virtual environment", argv, clean_environment())


def _install() -> None:
    pip = [str(PYTHON), "-I", "-m", "pip", "install"]
    uv = [str(PYTHON), "-I", "-m", "uv", "pip", "install", "--python", str(PYTHON)]
    wanted = [*_parts(), ["-r", "requirements.txt", "-e", "."]]
    env = _installer_environment()
    try:
        _call("uv, the fast installer", [*pip, "--quiet", "--retries", "1", "uv"], env)
        _call("the packages", uv, env, wanted)
    except SetupError:
        # An old system, a proxy that uv cannot use …: pip is slower and works everywhere.
        _call("the packages, by pip", pip, env, wanted)


def _parts() -> list[list[str]]:
    """Return what to install first, a few packages at a time, so that the progress can be shown.

    Nothing is left out, and nothing comes that was not there: requirements.txt has all packages,
    with exact versions. Where nobody looks on, one call for all is faster.
    """
    if not sys.stderr.isatty():
        return []
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line[:1].isalnum()]
    return [["--no-deps", *pins[start : start + 8]] for start in range(0, len(pins), 8)]


def _installer_environment() -> dict[str, str]:
    """Return the environment for pip and uv: with the learner's index, but for .venv only.

    What pip is set to, by files or variables, is handed on in variables, so that a ``target`` or
    the like can be left out. Nothing of ours may be installed outside of .venv.
    """
    env = clean_environment()
    listing = subprocess.run(
        [str(PYTHON), "-I", "-m", "pip", "config", "list"],
        env={**env, "PIP_USER": "0"},  # which has another meaning for this command
        capture_output=True,
        text=True,
        errors="replace",
    )
    env = {n: v for n, v in env.items() if not n.startswith(("PIP_", *UV_ELSEWHERE))}
    settings = {}
    for section in ("global", "install", ":env:"):  # what counts most comes last
        for line in listing.stdout.splitlines():
            name, _, value = line.removeprefix(f"{section}.").partition("=")
            if line.startswith(f"{section}.") and name not in ELSEWHERE:
                settings[f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    for_uv = {UV_NAMES[name]: value for name, value in settings.items() if name in UV_NAMES}
    settings |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # What is set for uv itself counts more than what is set for pip.
    return {**settings, **for_uv, **env, "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1"}


def _call(
    what: str, argv: list[str], env: dict[str, str], parts: Sequence[Sequence[str]] = ((),)
) -> None:
    """Run one tool, quietly, under one line of progress: once for each of ``parts``."""
    _say(f"  {what} … ")
    began = time.monotonic()
    for done, part in enumerate(parts):
        if done and sys.stderr.isatty():
            left = (time.monotonic() - began) / done * (len(parts) - done)
            _say(f"\r  {what} … {100 * done // len(parts)} %, about {left:.0f} s left  ")
        result = subprocess.run(
            [*argv, *part],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if result.returncode != 0:
            break
    if len(parts) > 1 and sys.stderr.isatty():
        _say(f"\r{' ' * 70}\r  {what} … ")  # over what was there
    if result.returncode == 0:
        _say(f"{time.monotonic() - began:.1f} s\n")
        return
    _say("failed\n")
    last_lines = "\n".join(f"    {line}" for line in result.stdout.splitlines()[-12:])
    raise SetupError(
        f"Setting up failed at {what}. Check the network, then call learn.py again.\n"
        "If packages do not arrive, set a mirror near you: pip config set global.index-url URL\n\n"
        f"What it said last:\n{last_lines}"
    )


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _open_standard_streams() -> None:
    """Open /dev/null for each closed standard stream, or the next file would take its place."""
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
