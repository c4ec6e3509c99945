"""learn.py itself: its commands as a learner types them, and the set-up of .venv.

The commands run in a copy of the repo without .git, as from an unpacked ZIP, so that nothing of the
learner's is touched. The set-up is tested with its installers replaced: a real one takes long and
needs a network.
"""

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler
from urllib.request import build_opener

import click
import psutil
import pytest
import requests

from common import bootstrap
from common import mysql
from common import patches
from common import stack
from common.lessons import code_lines
from common.lessons import files_after
from common.lessons import files_in
from common.lessons import parts_of
from common.lessons import source_names
from common.lessons import state_before
from common.processes import Terminal
from common.run import find_redis
from common.run import run
from common.steps import ROOT
from common.steps import STEPS
from common.to_try import TO_TRY
from common.welcome import PASSWORD
from common.welcome import welcome
from tests.support.needed import MARIADB
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.project import tail
from tests.support.terminal import on_terminal

pytestmark = pytest.mark.timed

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "tests", "instance", "__pycache__", "*.pyc", ".*_cache"
)
# What a step's folder gathers in use, and no lesson is about.
GATHERED = ("instance/data.sqlite", "app/__pycache__/x.pyc", ".DS_Store", "app/.models.py.swp")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@dataclass
class Copy:
    """The repo in another folder, whose name has a space, and an environment with little in it."""

    base: Path
    root: Path

    @property
    def tmp(self) -> Path:
        """Where the commands make their temporary files."""
        return self.base / "tmp"

    def env(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "TMPDIR": str(self.tmp),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.root),
            **variables,
        }

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-P", "-m", "common.cli", *map(str, words)]

    def learn(self, *words: object, seconds: float = 60, **variables: str) -> Result:
        """Run a command of learn.py to its end, from a folder that is not the repo."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.base,
            env=self.env(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *words: object, **variables: str) -> "Running":
        return Running(self, words, variables)


class Running:
    """A command of learn.py that goes on until it is stopped."""

    def __init__(self, copy: Copy, words: tuple[object, ...], variables: dict[str, str]) -> None:
        self.words = " ".join(map(str, words))
        log = Log(copy.base / f"{time.monotonic_ns()}.txt")
        env = copy.env(**variables)
        self.process = Process(copy.command(*words), cwd=copy.base, env=env, log=log)

    @property
    def output(self) -> str:
        return self.process.output

    def wait_for(self, text: str, *, seconds: float = 30) -> None:
        def seen() -> bool:
            found = text in self.output
            if not found and not self.process.running:
                pytest.fail(f"learn.py {self.words} ended before “{text}”:\n{tail(self.output)}")
            return found

        wait_until(seen, f"“{text}” from learn.py {self.words}", seconds=seconds)

    def find(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches the pattern."""
        found = wait_until(lambda: re.search(pattern, self.output), f"{pattern} in the output")
        assert isinstance(found, re.Match)
        return found

    def send(self, name: str) -> None:
        """Send a signal; to the whole group if a key in the terminal does so: Ctrl-C, Ctrl-\\."""
        number = getattr(signal, name)
        if name in ("SIGINT", "SIGQUIT"):
            os.killpg(self.process.pid, number)
        else:
            os.kill(self.process.pid, number)

    def family(self) -> list[psutil.Process]:
        """Return all processes that it started and that still run."""
        return in_session(self.process.pid)

    def names(self) -> str:
        """Return the names of these processes."""
        return " ".join(process.name() for process in self.family())

    def left(self) -> list[str]:
        """Name what it started and still runs."""
        found = []
        for process in self.family():
            with suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return found

    def end(self) -> None:
        self.process.kill()
        for process in self.family():
            with suppress(psutil.Error):
                process.kill()


def in_session(leader: int) -> list[psutil.Process]:
    """Return what runs in the session of learn.py, whose parents may be gone, but not itself."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = process.pid != leader and os.getsid(process.pid) == leader
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    base = new_folder()
    copy = Copy(base, base / "my copy")
    shutil.copytree(ROOT, copy.root, ignore=NOT_COPIED)
    copy.tmp.mkdir()
    for step in STEPS:
        for name in GATHERED:
            file = step_folder(copy, step.number) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"gathered in {step.folder}")
    yield copy
    remove_folder(base)


@pytest.fixture
def start(copy: Copy) -> Iterator[Callable[..., Running]]:
    """Start commands of learn.py that are ended after the test, whatever happened."""
    started: list[Running] = []

    def start(*words: object, **variables: str) -> Running:
        started.append(copy.start(*words, **variables))
        return started[-1]

    yield start
    for running in started:
        running.end()


@pytest.fixture
def redis_port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a Redis that was there before learn.py, with options if it gets some."""
    port = stack.free_port()
    log = Log(tmp_path / "redis.txt")
    command = [*stack.redis_command(port, tmp_path), *getattr(request, "param", ())]
    server = Process(command, cwd=tmp_path, env={}, log=log)
    wait_until(lambda: not stack.port_is_free(port), "a Redis that listens")
    yield port
    server.kill()


def step_folder(copy: Copy, number: int) -> Path:
    return copy.root / STEPS[number - 1].folder


def page(port: int, path: str = "/") -> str:
    """Return a page, asked for without a proxy."""
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}{path}", None, 30) as answer:
        return answer.read().decode()


# -- the table, and words for what cannot be -------------------------------------------------------


def test_table_names_every_step_and_what_to_type(copy):
    """`learn.py` alone prints the steps, and what to type next."""
    code, out, err = copy.learn()
    assert (code, err) == (0, "")
    for step in STEPS:
        assert re.search(rf"{step.number} +{step.folder} +{re.escape(step.idea)}", out), out
    found = re.findall(r"learn.py (\w+)", out)
    assert found == ["tour", "run", "start", "check", "diff"], "what a learner needs, no more"
    assert "\033" not in out, "colour is for terminals only"


def test_help_names_every_command(copy):
    """`--help` names every command."""
    code, out, _ = copy.learn("--help")
    assert code == 0
    for name in ("tour", "run", "start", "diff", "test", "check", "redis", "doctor", "break"):
        assert re.search(rf"^  {name} ", out, re.M), f"{name} is not in:\n{out}"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run", "9"], "There is no step “9”"),
        (["run", "step0"], "could be any of these: step01_hello"),
        (["run", "celry"], "There is no step “celry”. Did you mean celery?"),
        (["run", "step3_logn"], "There is no step “step3_logn”. Did you mean step03_login?"),
        (["run"], "Missing argument 'STEP'. See: learn.py run --help"),
        (["rnu", "1"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "1", "--verbos"], "Did you mean '--verbose'?"),
        (["run", "1", "--port", "99999"], "99999"),
        (["run", "1", "--prot", "5001"], "--port"),
        (["run", "5", "--wechat"], "step 6 has one: python3 learn.py run 6 --wechat"),
        (["run", "2", "--mysql"], "Step 2 has no database yet; step 3 is the first."),
        (["diff"], "Missing argument '[A] B [PATH]...'. See: learn.py diff --help"),
        (["diff", "9"], "There is no step “9”"),
        (["diff", "1.99"], "There is no part “1.99”. Lesson 1 has 1.1 to"),
        (["diff", "2", "9"], "There is no step “9”"),
        (["run", "1.nothing"], "python3 learn.py parts 1 lists them"),
        (["run", "1.e"], "could be any of these parts: 1.1 hello, "),
        (["start", "2", "my copy"], "is there already; give the name of a new folder"),
        (["parts", "1.hello"], "“1.hello” is one part. Give a whole step: 1"),
        (["parts", "1", "--save", "nowhere"], "is no git repository; parts --edit makes one"),
        (["diff", "2", "3", "app/model.py"], "Did you mean app/models.py?"),
        (["diff", "2", "3", "instance"], "There is no “instance”"),
        (["diff", "2", "3", "../step03_login"], "There is no “../step03_login”"),
        (["check", "2", "--app", "nowhere"], "There is no folder"),
        (["check", "2", "--app", "."], "has no app.py, wsgi.py or app/__init__.py"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_gets_one_clear_line(copy, words, answer):
    """A wrong command gets one clear line."""
    code, out, err = copy.learn(*words)
    assert answer in err
    assert code in (1, 2)
    assert out == ""
    assert len(err.splitlines()) == 1, f"one line, not:\n{err}"


@posix
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_an_error_is_red_on_a_terminal_unless_that_is_not_wanted(copy, variables):
    """An error is red on a terminal, unless NO_COLOR or TERM says otherwise."""
    env = copy.env(**{"TERM": "xterm", **variables})
    for words in (["run", "9"], ["rnu"]):
        code, seen = on_terminal(copy.command(*words), cwd=copy.base, env=env)
        assert code in (1, 2)
        assert seen.startswith("\033[31m") != bool(variables), seen
        assert "\033" not in seen or not variables, seen


# -- Ctrl-C ----------------------------------------------------------------------------------------


@posix
def test_ctrl_c_while_learn_py_loads_is_silent(tmp_path):
    """Ctrl-C ends learn.py without a traceback while it still loads."""
    shutil.copy(ROOT / "learn.py", tmp_path)
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "__init__.py").touch()
    loading = "import time\nprint('loading', flush=True)\ntime.sleep(30)\n"
    (tmp_path / "common" / "bootstrap.py").write_text(loading)
    with subprocess.Popen(
        [sys.executable, "learn.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as learn:
        assert learn.stdout
        assert learn.stdout.readline() == "loading\n"
        learn.send_signal(signal.SIGINT)
        assert learn.stdout.read() == ""
    assert learn.returncode == -signal.SIGINT


@pytest.mark.slow
@posix
@pytest.mark.parametrize("words", ["", "diff 2 3", "redis --port", "test -n0"])
def test_ctrl_c_never_shows_a_traceback(copy, suite, words):
    """Ctrl-C at any moment ends a command without a traceback; a second one changes nothing."""
    command = copy.command(*words.split())
    if words.endswith("--port"):
        command.append(str(stack.free_port()))
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
        with bootstrap.holding_interrupts():  # as learn.py starts it
            learn = subprocess.Popen(
                command,
                cwd=copy.base,
                env=copy.env(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        time.sleep(delay)
        for _ in range(2):
            with suppress(ProcessLookupError):
                os.killpg(learn.pid, signal.SIGINT)
        output, _ = learn.communicate(timeout=60)
        assert "Traceback" not in output, f"after {delay} s:\n{output}"
        assert "Exception ignored" not in output, f"after {delay} s:\n{output}"
        assert in_session(learn.pid) == []
        assert list(copy.tmp.iterdir()) == [], f"a folder is left after {delay} s"


# -- diff ------------------------------------------------------------------------------------------


def test_diff_shows_the_lesson_and_nothing_else(copy):
    """`diff` shows the files of the lesson, and nothing that a step gathers in use."""
    code, out, err = copy.learn("diff", "2", "login", "--whole")
    assert (code, err) == (0, "")
    assert "+++ b/step03_login/app/models.py" in out
    assert "--- a/step02_blueprints/config.py\n+++ b/step03_login/config.py" in out
    for name in GATHERED:
        assert Path(name).name not in out, f"diff shows {name}, which nobody wrote"
    assert "gathered in" not in out
    assert "\033" not in out, "colour is for terminals only"


def test_diff_shows_what_git_would_track():
    """`diff` shows the same files with and without .git."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone to compare with")
    for step in STEPS:
        listing = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=step.path,
            check=True,
            capture_output=True,
            text=True,
        )
        by_git = {line for line in listing.stdout.splitlines() if (step.path / line).exists()}
        assert set(source_names(step.path)) == by_git


def test_diff_of_one_path(copy):
    """`diff` can be limited to some paths."""
    for path in ("config.py", "./config.py", "step03_login/config.py"):
        code, out, _ = copy.learn("diff", "2", "3", path, "--whole")
        assert code == 0
        assert re.findall(r"^diff --git .*", out, re.M) == [
            "diff --git a/step02_blueprints/config.py b/step03_login/config.py"
        ]
    _, out, _ = copy.learn("diff", "2", "3", "app/templates/auth", "config.py", "--whole")
    files = re.findall(r"^diff --git a/\S+ b/step03_login/(\S+)", out, re.M)
    assert "config.py" in files
    assert {str(Path(file).parent) for file in files} == {".", "app/templates/auth"}


def test_diff_stat(copy):
    """`diff --stat` shows a summary only."""
    code, out, _ = copy.learn("diff", "2", "3", "--stat")
    assert code == 0
    assert re.search(r"config\.py +\| +\d+", out)
    assert re.search(r"\d+ files changed, \d+ insertions", out)
    assert "@@" not in out


def test_diff_stat_without_changes_of_indentation(copy):
    """`diff --stat -w` shows a summary without changes of indentation."""
    code, out, _ = copy.learn("diff", "2", "3", "--stat", "-w")
    assert code == 0
    assert re.match(r"\d+ files changed", out.splitlines()[-1].strip()), out


def test_diff_without_changes_of_indentation(copy):
    """`diff -w` leaves changes of indentation out."""
    plain = copy.learn("diff", "5", "6", "app/__init__.py", "--whole").out
    quiet = copy.learn("diff", "5", "6", "app/__init__.py", "--whole", "-w").out
    assert 0 < len(quiet) < len(plain)


def test_diff_of_a_step_with_itself(copy):
    """`diff` of a step with itself says that there is no difference."""
    code, out, _ = copy.learn("diff", "3", "3")
    assert (code, out) == (0, "No difference between step03_login and step03_login.\n")


@pytest.mark.slow
@posix
def test_diff_is_that_of_git_whatever_git_is_set_to(copy):
    """In a git hook, and with another program for diffs."""
    (copy.base / ".gitconfig").write_text("[diff]\n\texternal = echo from the settings\n")
    wanted = copy.learn("diff", "2", "3", HOME=str(copy.tmp))
    variables = {
        "GIT_EXTERNAL_DIFF": "echo from the environment",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_DIR": "/nowhere",
        "GIT_WORK_TREE": "/nowhere",
    }
    try:
        assert copy.learn("diff", "2", "3") == wanted
        assert copy.learn("diff", "2", "3", **variables) == wanted
    finally:
        (copy.base / ".gitconfig").unlink()


def test_diff_of_a_lesson_shows_its_parts_in_order(copy):
    """`diff` of a lesson shows the parts in order, each under its number, title and group."""
    code, out, err = copy.learn("diff", "1")
    assert (code, err) == (0, "")
    titles = re.findall(r"^(1\.\d+ .+)\n─+\ndiff --git", out, re.M)
    assert titles == [f"{part.name} {part.title}" for part in parts_of(STEPS[0])]
    groups = re.findall(r"^\n(1[A-Z] .+)\n$", out, re.M)
    assert groups == list(dict.fromkeys(part.group for part in parts_of(STEPS[0])))
    assert "index " not in out, "the names of git's objects mean nothing here"


def test_diff_of_a_part_is_its_patch(copy):
    """`diff` of a part, by number or name, shows what its patch says; of a range, these parts."""
    part = parts_of(STEPS[0])[3]
    for name in ("1.4", part.code, f"step01_hello.{part.slug}"):
        out = copy.learn("diff", name).out
        shown = patches.read(out.encode())
        assert [(c.path, c.lines) for c in shown] == [(c.path, c.lines) for c in part.changes]
    out = copy.learn("diff", "1.2", "1.4").out
    assert re.findall(r"^(1\.\d+) ", out, re.M) == ["1.3", "1.4"]
    out = copy.learn("diff", "1", "app.py").out
    assert set(re.findall(r"^diff --git \S+ b/(.+)", out, re.M)) == {"app.py"}


def test_diff_goes_from_what_others_build_on_to_templates(copy):
    """`diff` shows the files in the order of the course: config before views before templates."""
    out = copy.learn("diff", "1", "2", "--whole").out
    found = re.findall(r"^diff --git \S+ b/step02_blueprints/(.+)", out, re.M)
    order = [
        "requirements.txt",
        "config.py",
        "app/main.py",
        "app/auth.py",
        "app/templates/base.html",
    ]
    assert [name for name in found if name in order] == order


def test_diff_says_what_a_learner_has_changed(copy):
    """`diff` shows the course's files, says which ones were changed, and how to get them back."""
    app = step_folder(copy, 1) / "app.py"
    text = app.read_text()
    wanted = copy.learn("diff", "1").out
    try:
        app.write_text(f"{text}\n# mine\n")
        code, out, err = copy.learn("diff", "1")
        assert (code, out) == (0, wanted)
        assert "step01_hello has changes of yours, which are not shown here: app.py." in err
        assert "python3 learn.py start 2 DIR" in err, "this copy has no git to restore from"
    finally:
        app.write_text(text)


@posix
@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, "space: on, b: back, /word: search, q: leave"),
        ({"PAGER": "sed s/^/paged:/"}, "paged:"),
        ({"PAGER": "false", "GIT_PAGER": "sed s/^/paged:/"}, "paged:"),
        ({"PAGER": "cat"}, "1.1 "),
        ({"NO_COLOR": "1", "PAGER": "cat"}, "\n+from flask import Flask"),
    ],
)
def test_diff_on_a_terminal_is_paged_with_a_prompt(copy, variables, shown):
    """On a terminal, `diff` is shown by the pager; less says which keys go on and leave."""
    import pty

    leader, follower = pty.openpty()
    env = copy.env(TERM="xterm", **variables)
    process = subprocess.Popen(
        copy.command("diff", "1"), cwd=copy.base, env=env, stdin=follower, stdout=follower
    )
    os.close(follower)
    seen = b""
    try:
        while shown.replace("\n", "\r\n").encode() not in seen:
            chunk = os.read(leader, 4096)
            assert chunk, seen.decode()
            seen += chunk
        os.write(leader, b"q")
    except OSError:
        pytest.fail(f"no “{shown}” in what a terminal shows:\n{seen.decode()[-2000:]}")
    finally:
        os.close(leader)
        process.kill()
        process.wait()


# -- parts, start ----------------------------------------------------------------------------------


def test_parts_lists_a_lesson(copy):
    """`parts` lists number, title and changed lines of the parts of a lesson, in groups."""
    code, out, err = copy.learn("parts", "1")
    assert (code, err) == (0, "")
    for part in parts_of(STEPS[0]):
        row = (
            rf"^ +{re.escape(part.name)}  {re.escape(part.title)} +{code_lines(part)}  {part.slug}$"
        )
        assert re.search(row, out, re.M), out
        assert f"\n  {part.group}\n" in out


def test_start_makes_a_folder_of_ones_own(copy, tmp_path):
    """`start` puts the state before a part into a new folder, and says what to type next."""
    mine = tmp_path / "my own app"
    part = parts_of(STEPS[0])[4]
    code, out, err = copy.learn("start", part.code, mine)
    assert (code, err) == (0, "")
    assert files_in(mine) == files_after(state_before(part))
    assert f'learn.py check {part.code} --app "{mine}"' in out
    assert f"learn.py diff {part.code}" in out
    before = files_in(mine)
    code, _, err = copy.learn("start", part.code, mine)
    assert (code, "is there already" in err) == (1, True)
    assert files_in(mine) == before


def test_start_with_the_first_part_is_an_empty_folder(copy, tmp_path):
    """`start` with the first part of the course makes an empty folder."""
    code, out, _ = copy.learn("start", "1.1", tmp_path / "empty")
    assert code == 0
    assert list((tmp_path / "empty").iterdir()) == []
    assert "nothing in it yet" in out


@pytest.mark.slow
def test_run_of_a_part_keeps_its_own_data(copy, start):
    """`run` of a part serves that state from a folder of its own, which keeps what it gathers."""
    port = stack.free_port()
    running = start("run", "1.hello", "--port", port)
    running.wait_for(f"Open http://127.0.0.1:{port}/")
    assert "Hello, World!" in page(port)
    running.send("SIGINT")
    running.process.wait(10)
    folder = copy.root / ".venv" / "parts" / "1.hello"
    assert (folder / "app.py").is_file()
    (folder / "instance").mkdir(exist_ok=True)
    (folder / "instance" / "kept").write_text("kept")
    (folder / "app.py").write_text((folder / "app.py").read_text().replace("World", "Ada"))
    running = start("run", "1.1", "--port", port)
    running.wait_for(f"Open http://127.0.0.1:{port}/")
    assert "Hello, Ada!" in page(port), "what somebody has changed there is not overwritten"
    assert "runs as you have changed it" in running.output
    assert (folder / "instance" / "kept").exists()


def test_diff_leaves_no_file(copy):
    """`diff` leaves no temporary file."""
    copy.learn("diff", "2", "3", "--stat")
    assert list(copy.tmp.iterdir()) == []


def test_diff_without_git_says_how_to_get_it(copy):
    """Without git, `diff` says how to install it."""
    code, out, err = copy.learn("diff", "2", "3", PATH=str(copy.tmp))
    assert (code, out) == (1, "")
    assert "This needs git: sudo apt install git" in err


# -- run -------------------------------------------------------------------------------------------


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("name", "code"),
    [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGQUIT", 131), ("SIGKILL", -9)],
)
def test_run_shows_the_page_and_leaves_nothing(start, name, code):
    """Ctrl-C, kill, a closed window, Ctrl-\\; and kill -9, which nobody can answer."""
    port = stack.free_port()
    other = {"FLASK_APP": "other", "FLASK_RUN_PORT": "1"}  # as a shell's start-up file may have it
    running = start("run", "1", "--port", port, **other)
    running.wait_for(f"Open http://127.0.0.1:{port}/")
    assert "<h1>" in page(port)
    assert len(running.family()) >= 3, "the reaper, flask run and its reloader's child"
    running.send(name)
    assert running.process.wait(5) == code
    wait_until(lambda: not running.left(), "the end of all processes", seconds=5)
    assert "Traceback" not in running.output
    assert stack.port_is_free(port)


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_run_leaves_nothing_if_it_is_stopped_while_it_starts(start, name, code):
    """`run` ends cleanly even if it is stopped while it starts."""
    for delay in (0.0, 0.02, 0.1, 0.3):
        running = start("run", "5", "--port", stack.free_port(), REDIS_URL=nowhere())
        wait_until(running.family, "the first process of run 5")
        time.sleep(delay)
        running.send(name)
        assert running.process.wait(10) == code
        wait_until(lambda running=running: not running.left(), "the end of all", seconds=5)
        assert "Traceback" not in running.output, running.output


@pytest.mark.slow
@posix
def test_run_ends_its_start_with_what_to_do(start, copy):
    """The last lines of a start say where the page is, how to get a login, and what to try."""
    port = stack.free_port()
    running = start("run", "3", "--port", port)
    running.wait_for("Ctrl-C stops everything.")
    block = running.output
    assert block.startswith("\nStep 3 of 6: Flask-SQLAlchemy, Flask-Login, Flask-WTF\n"), block
    assert "web     | " not in block, "a banner, or the request by which learn.py has looked"
    for path, meaning in TO_TRY[3]:
        assert re.search(rf" http://127\.0\.0\.1:{port}{path} +{re.escape(meaning)}\n", block), path
    told = re.findall(r"^ {6}(\S.*)$", block.partition("There is no account yet.")[2], re.M)
    typed = "\n".join(told[:2])
    seeded = subprocess.run(typed, shell=True, cwd=copy.base, env=copy.env(), capture_output=True)
    assert b"ada has 50 new posts" in seeded.stdout, f"{typed}\n{seeded.stderr.decode()}"
    with requests.Session() as visitor:
        visitor.trust_env = False
        visitor.get(f"http://127.0.0.1:{port}/ui/ui.css", timeout=30).raise_for_status()
        visitor.get(f"http://127.0.0.1:{port}/posts/", timeout=30).raise_for_status()
    running.wait_for('"GET /posts/ HTTP/1.1" 200')
    assert "ui.css" not in running.output, "requests for static files are left out"

    database = f"sqlite:///{step_folder(copy, 3) / 'instance' / 'study_log.db'}"
    again = welcome(STEPS[2], port, {"DATABASE_URL": database})
    assert f"Log in as ada, with the password {PASSWORD}." in again


@pytest.mark.slow
@posix
def test_run_tells_only_the_password_that_it_knows(copy, tmp_path):
    """Of an account with a password of its own, the name is enough."""
    step = STEPS[2]
    env = copy.env(DATABASE_URL=f"sqlite:///{tmp_path / 'data.db'}")
    for name in ("ada", "ben"):
        seed = ["seed", "--username", name, "--password", "a-secret-of-mine", "--posts", "0"]
        command = [sys.executable, "-m", "flask", *seed]
        subprocess.run(command, cwd=step_folder(copy, 3), env=env, check=True, capture_output=True)
    block = welcome(step, 5000, env)
    assert "Log in as ada or ben, or register." in block
    assert PASSWORD not in block
    assert "secret" not in block
    away = welcome(step, 5000, {"DATABASE_URL": "sqlite:////no/such/folder/x.db"})
    assert "Open" in away, "whatever the database is, the rest is there"


@posix
def test_run_verbose_shows_all(start):
    """`run --verbose` shows what flask run prints: banners, the PIN, static files."""
    port = stack.free_port()
    running = start("run", "1", "--verbose", "--port", port)
    running.wait_for(f"Open http://127.0.0.1:{port}/")
    page(port, "/static/style.css")
    running.wait_for("style.css")
    for text in ("WARNING: This is a development server", "Running on", "Debugger PIN"):
        assert text in running.output


def test_there_are_three_things_to_try_in_each_step():
    """Each step has three things to try, and each fits into a line of a terminal."""
    assert list(TO_TRY) == [step.number for step in STEPS]
    for step in STEPS:
        assert len(TO_TRY[step.number]) == 3
        block = re.sub(r"\033\[\d*m", "", welcome(step, 5000, {"DATABASE_URL": "none"}))
        assert max(map(len, block.splitlines())) <= 80, block


@pytest.mark.slow
@posix
def test_run_stops_everything_if_one_process_ends(start):
    """`run` stops everything if one of its processes ends."""
    running = start("run", "1", "--port", stack.free_port())
    running.wait_for("Open http://")
    flask = next(process for process in running.family() if "flask" in process.cmdline())
    flask.kill()  # its reloader's child lives on, unless somebody looks after it
    assert running.process.wait(10) == 1
    assert "The process “web” ended (by SIGKILL), so everything was stopped." in running.output
    assert running.left() == []


@pytest.mark.slow
@posix
def test_run_ends_when_nobody_reads_its_output(copy):
    """As in `learn.py run 1 | head -1`."""
    with subprocess.Popen(
        copy.command("run", "1", "--port", stack.free_port()),
        env=copy.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as learn:
        assert learn.stdout
        assert learn.stdout.readline() == b"\n"
        assert learn.stdout.readline() == b"Step 1 of 6: routes and templates\n"
        learn.stdout.close()
        assert learn.wait(30) == 143
        assert learn.stderr
        assert learn.stderr.read() == b""
    assert in_session(learn.pid) == []


@posix
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_run_has_colours_on_a_terminal_unless_they_are_not_wanted(copy, variables):
    """`run` uses colors on a terminal, unless NO_COLOR or TERM says otherwise."""
    ours, theirs = os.openpty()
    learn = subprocess.Popen(
        copy.command("run", "1", "--port", stack.free_port()),
        env=copy.env(**{"TERM": "xterm", **variables}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while b"stops everything." not in seen:
            seen += os.read(ours, 10_000)
    finally:
        learn.terminate()
        assert learn.wait(10) == 143
        os.close(ours)
    if variables:
        assert b"\033[" not in seen
    else:
        assert b"\033[1mCtrl-C\033[0m" in seen


@pytest.mark.parametrize("words", [["run", "1"], ["redis"]], ids=" ".join)
def test_taken_port_is_one_clear_line(copy, words):
    """A port that is taken is one clear line, with the number of a free one."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, out, err = copy.learn(*words, "--port", port)
    assert (code, out) == (1, "")
    assert re.match(rf"Port {port} is in use", err), err
    suggested = re.search(r"--port (\d+)", err)
    assert suggested, f"no other port is suggested: {err}"
    assert int(suggested[1]) != port
    assert len(err.splitlines()) == 1


def nowhere() -> str:
    """Return the URL of a Redis that is not there."""
    return f"redis://localhost:{stack.free_port()}/0"


# What another tutorial may have left in a shell's start-up file.
LEFT_OVER = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/1",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "FLASK_ENV_FILE": "nowhere.env",
}


@pytest.mark.slow
@posix
def test_run_5_brings_redis_and_a_worker_and_ends_them(start, copy):
    """`run 5` starts Redis and a worker, and stops them."""
    port, url = stack.free_port(), nowhere()
    running = start("run", "5", "--port", port, REDIS_URL=url, **LEFT_OVER)
    running.wait_for(f"Open http://127.0.0.1:{port}/", seconds=60)
    assert "so this run has its own. In other terminals:" in running.output
    own = running.find(r"export REDIS_URL=(\S+)")[1]
    assert stack.redis_answers(own)
    assert "<h1>" in page(port)
    migrated = running.output.index("migrate | ")
    assert migrated < running.output.index("worker  | "), "migrations come before all others"
    assert "valkey-server" in running.names()
    for noise in ("celery@", "[queues]", "SecurityWarning", "Debugger", "Running on"):
        assert noise not in running.output, f"the same at every start: {noise}"
    before, _, after = running.output.partition("Ctrl-C stops everything.\n")
    assert "worker  | " in before
    assert re.fullmatch(r'\n(web +\| .*"GET / HTTP/1.1" 200 -\n)?', after), "the last words"
    running.send("SIGINT")
    assert running.process.wait(10) == 130
    assert running.left() == []
    assert not stack.redis_answers(own)
    assert "Traceback" not in running.output, tail(running.output)
    assert running.output.rstrip().endswith("Stopped.")
    assert list(copy.tmp.iterdir()) == [], "Redis left its folder"


@pytest.mark.slow
@posix
def test_two_runs_have_a_redis_each(start, copy):
    """The first one to end must not take the Redis of the other one away."""
    url = nowhere()
    first = start("run", "5", "--port", stack.free_port(), REDIS_URL=url)
    of_first = first.find(r"export REDIS_URL=(\S+)")[1]
    code, _, err = copy.learn("run", "5", "--port", stack.free_port(), REDIS_URL=url)
    assert code == 1
    assert err.startswith("Another learn.py run of this step has its Redis in instance/redis.")
    assert len(err.splitlines()) == 1
    second = start("run", "6", "--port", stack.free_port(), REDIS_URL=url)
    of_second = second.find(r"export REDIS_URL=(\S+)")[1]
    assert of_first != of_second
    first.send("SIGINT")
    assert first.process.wait(10) == 130
    assert not stack.redis_answers(of_first)
    assert stack.redis_answers(of_second)
    assert second.process.running


# For a program: localhost is another address first, as ::1 is on many machines.
TWO_ADDRESSES = """
import socket
find = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if host != "localhost":
        return find(host, *args, **kwargs)
    return find("127.0.0.2", *args, **kwargs) + find("127.0.0.1", *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.slow
@posix
def test_run_6_uses_the_redis_that_answers_and_brings_a_stand_in_for_wechat(
    start, copy, redis_port, tmp_path
):
    """`run 6 --wechat` uses a Redis that answers, and starts the stand-in for WeChat."""
    """Behind a proxy, and with something silent at the first address of localhost."""
    port, url = stack.free_port(), f"redis://localhost:{redis_port}/0"
    (tmp_path / "sitecustomize.py").write_text(TWO_ADDRESSES)
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    python_path = f"{tmp_path}{os.pathsep}{copy.root}"
    with socket.socket() as silent:
        with suppress(OSError):  # macOS has only 127.0.0.1
            silent.bind(("127.0.0.2", redis_port))
            silent.listen()
        running = start(
            *("run", "6", "--wechat", "--port", port),
            **proxies,
            REDIS_URL=url,
            WECHAT_APP_ID="mine",
            PYTHONPATH=python_path,
        )
        running.wait_for(f"Open http://127.0.0.1:{port}/", seconds=60)
    assert f"Redis: using the one that answers at redis://127.0.0.1:{redis_port}" in running.output
    assert "valkey" not in running.names()
    standin = running.find(r"WeChat: a stand-in answers at (http://127\.0\.0\.1:(\d+))")
    with requests.Session() as visitor:
        visitor.trust_env = False
        shown = visitor.get(f"http://127.0.0.1:{port}/auth/wechat/login", timeout=30)
        assert shown.url.startswith(f"{standin[1]}/connect/qrconnect?appid=")
        approval = {"account": "ada", "nickname": "Ada", "answer": "approve"}
        home = visitor.post(shown.url, data=approval, timeout=30)
        visitor.get(f"http://127.0.0.1:{port}/ui/ui.css", timeout=30).raise_for_status()
        visitor.get(f"http://127.0.0.1:{port}/about", timeout=30).raise_for_status()
    running.wait_for("GET /about 200 in ")  # this step logs requests itself
    assert "ui.css" not in running.output, "requests for static files are left out"
    assert "WeChat has told us who you are" in home.text or "Log out" in home.text, home.text
    running.send("SIGTERM")  # to learn.py alone, as kill and IDEs send it
    assert running.process.wait(10) == 143
    assert running.left() == []
    assert stack.redis_answers(url), "a Redis that was there before must be there afterwards"
    assert stack.port_is_free(int(standin[2]))
    assert "Traceback" not in running.output, tail(running.output)


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("redis://127.0.0.9:1/0", "No Redis answers at REDIS_URL, redis://127.0.0.9:1/0."),
        ("somewhere", "REDIS_URL is “somewhere”, no address of a Redis"),
        ("redis://localhost:port/0", "REDIS_URL is “redis://127.0.0.1:port/0”, no address"),
    ],
)
def test_run_says_if_the_redis_elsewhere_does_not_answer(copy, url, answer):
    """`run` says if the Redis at REDIS_URL does not answer."""
    code, _, err = copy.learn("run", "5", "--port", stack.free_port(), REDIS_URL=url)
    assert code == 1
    assert answer in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
@posix
@pytest.mark.parametrize("redis_port", [("--requirepass", "right")], indirect=True)
def test_run_uses_no_redis_that_refuses(copy, redis_port, monkeypatch, tmp_path):
    """`run` says if the Redis at REDIS_URL refuses its login."""
    for login in ("", ":wrong@"):
        url = f"redis://{login}127.0.0.1:{redis_port}/0"
        code, _, err = copy.learn("run", "5", "--port", stack.free_port(), REDIS_URL=url)
        assert code == 1
        assert err.startswith("The Redis at REDIS_URL, redis://")
        assert "wrong" not in err
        assert len(err.splitlines()) == 1
    code, _, err = copy.learn("redis", "--port", redis_port)
    assert (code, err.partition(".")[0]) == (
        1,
        f"Port {redis_port} is in use by a Redis that wants a password",
    )
    # Nobody has asked for the one at the usual address: there the run brings its own.
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(stack, "DEFAULT_REDIS_URL", f"redis://127.0.0.1:{redis_port}/0")
    with Terminal() as terminal:
        own = find_redis(terminal, tmp_path / "own")
        assert stack.redis_answers(own)
        assert own != stack.DEFAULT_REDIS_URL


@pytest.mark.slow
def test_run_stops_if_the_migration_fails(copy):
    """`run` stops if the migration fails, and shows why."""
    nowhere = f"sqlite:///{copy.base / 'no' / 'folder' / 'app.db'}"
    code, out, err = copy.learn("run", "4", "--port", stack.free_port(), DATABASE_URL=nowhere)
    assert code == 1
    assert "migrate | " in out, "what flask db upgrade wrote has to be seen"
    assert "flask db upgrade failed in step04_migrate, so the step was not started" in err
    assert "web" not in out


@posix
@pytest.mark.slow
def test_run_5_with_mysql_keeps_its_data_and_leaves_nothing(start, copy):
    """`run 5 --mysql` keeps its data between runs, and leaves no process."""
    try:
        mysql.find_program(mysql.SERVER)
    except LookupError:
        pytest.skip(MARIADB.reason)
    port = stack.free_port()
    words = ("run", "5", "--mysql", "--port", port)
    redis = nowhere()
    for file in step_folder(copy, 5).glob("instance/study_log.db"):
        file.unlink()  # of another test
    for name, code in (("SIGKILL", -9), ("SIGINT", 130)):
        running = start(*words, REDIS_URL=redis)
        running.wait_for(f"Open http://127.0.0.1:{port}/", seconds=60)
        assert "mariadbd" in running.names()
        if name == "SIGKILL":
            assert "day 1" not in page(port, "/posts/")
            seed_as_in_another_terminal(copy, running.output)
            again = copy.learn(*words[:3], "--port", stack.free_port(), REDIS_URL=redis)
            assert again.code == 1
            assert again.err == (
                "Another learn.py run with --mysql uses the database of this step. "
                "Stop that first.\n"
            )
        assert "day 1" in page(port, "/posts/"), "the data is not in the MariaDB, or was lost"
        running.send(name)
        assert running.process.wait(30) == code
        wait_until(lambda running=running: not running.left(), "the end of all", seconds=30)
        assert "Traceback" not in running.output, tail(running.output)
    assert running.output.rstrip().endswith("Stopped.")
    assert not list(step_folder(copy, 5).glob("instance/study_log.db")), (
        "there is an SQLite file too"
    )


def seed_as_in_another_terminal(copy: Copy, output: str) -> None:
    """Do what learn.py run --mysql says for other terminals, and then `flask seed`."""
    seed = "seed --username ada --password correct-horse --posts 1"
    told = re.search(r"^ +(export DATABASE_URL=\S+)$", output, re.M)
    assert told, f"no line for other terminals:\n{tail(output)}"
    subprocess.run(
        f'{told[1]}; "{sys.executable}" -m flask {seed}',
        shell=True,
        cwd=step_folder(copy, 5),
        env=copy.env(),
        check=True,
        capture_output=True,
    )


def test_a_mariadb_keeps_to_its_folder(mariadb):
    """A private MariaDB keeps all its files in its own folder."""
    with mariadb.cursor() as cursor:
        for name in ("datadir", "tmpdir", "pid_file"):
            cursor.execute(f"SELECT @@{name}")
            (where,) = cursor.fetchone()
            assert Path(mariadb.folder, "data", where).is_relative_to(mariadb.folder), where


def test_run_with_mysql_leaves_a_database_alone_that_is_set(copy):
    """`run --mysql` leaves a database alone that DATABASE_URL names."""
    url = "mysql+pymysql://me:secret@somewhere/mine"
    code, out, err = copy.learn(
        "run", "3", "--mysql", "--port", stack.free_port(), DATABASE_URL=url
    )
    assert (code, out) == (1, "")
    assert err.startswith("DATABASE_URL is set")
    assert len(err.splitlines()) == 1
    assert "secret" not in err


def test_run_with_mysql_says_what_to_install(monkeypatch):
    """Without MariaDB, `run --mysql` says what to install."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(click.ClickException) as stopped:
        run(STEPS[2], stack.free_port(), with_mysql=True)
    for words in ("sudo apt install mariadb-server", "brew install mariadb"):
        assert words in stopped.value.message
    assert "\n" not in stopped.value.message


# -- redis, test -----------------------------------------------------------------------------------


@posix
def test_redis_runs_in_the_foreground_until_it_is_stopped(start, copy):
    """`redis` runs in the foreground until it is stopped."""
    port = stack.free_port()
    running = start("redis", "--port", port)
    wait_until(lambda: stack.redis_answers(f"redis://127.0.0.1:{port}"), "a Redis that answers")
    assert psutil.Process(running.process.pid).name() == "valkey-server", "it takes our place"
    again = copy.learn("redis", "--port", port)
    assert again.code == 0
    assert f"A Redis answers at redis://127.0.0.1:{port}/0 already" in again.out
    running.send("SIGINT")
    running.process.wait(5)
    assert not stack.redis_answers(f"redis://127.0.0.1:{port}")


SUITE = """
import os, pytest

def test_it(pytestconfig):
    print("asked for", pytestconfig.option.step, pytestconfig.option.app)
    assert os.environ.get("APP") != "wrong", "the page has no title"
"""
SUITE_OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--step")
    parser.addoption("--app")
"""


@pytest.fixture
def suite(copy: Copy) -> Iterator[Path]:
    """A suite of one test in place of the real one, which takes long."""
    tests = copy.root / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(SUITE)
    (tests / "conftest.py").write_text(SUITE_OPTIONS)
    # The real one has marks and plugins in it that this suite knows nothing of.
    settings = (copy.root / "pyproject.toml").read_text()
    (copy.root / "pyproject.toml").write_text("[tool.pytest]\ntestpaths = ['tests']\n")
    yield tests
    shutil.rmtree(tests)
    (copy.root / "pyproject.toml").write_text(settings)


@pytest.mark.slow
def test_test_hands_all_arguments_to_pytest(copy, suite):
    """`test` hands all arguments to pytest."""
    code, _, err = copy.learn("test", "-s", "-k", "it", "--step", "3", "--help-me")
    assert code == 4
    assert "unrecognized arguments: --help-me" in err
    code, out, _ = copy.learn("test", "-s", "-k", "it", "--step", "3")
    assert code == 0
    assert "asked for 3 None" in out
    assert "1 passed" in out.splitlines()[-1]
    assert copy.learn("test", APP="wrong").code == 1


# -- learn.py, the file ----------------------------------------------------------------------------


def test_an_old_python_gets_one_clear_line():
    """An old Python gets one clear line, not a syntax error."""
    ast.parse((ROOT / "learn.py").read_text("ascii"), feature_version=(3, 4))
    pretend = (
        "import runpy, sys; sys.version_info = (3, 7, 17);"
        f"runpy.run_path({str(ROOT / 'learn.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Study Log needs Python 3.11 or newer, and this is Python 3.7.")
    assert len(done.stderr.splitlines()) == 1


@posix
def test_learn_py_hands_over_whatever_the_environment_is(copy, suite, monkeypatch):
    """From another folder with a common/ of its own, in a shell that is set for another project."""
    make_venv_of_this_python(copy, monkeypatch)
    elsewhere = copy.base / "elsewhere"
    (elsewhere / "common").mkdir(parents=True)
    for name in ("common/__init__.py", "common/cli.py", "click.py"):
        (elsewhere / name).write_text("raise SystemExit('the wrong file was imported')")
    env = copy.env(PYTHONPATH=str(elsewhere), VIRTUAL_ENV="/nowhere", PYTHONSAFEPATH="1")
    done = subprocess.run(
        f'exec "{sys.executable}" "{copy.root / "learn.py"}" diff 1 1 <&-',  # and no standard input
        shell=True,
        cwd=elsewhere,
        env=env,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No difference between step01_hello and step01_hello.\n"
    env |= {"PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "nothing"}
    learn = [sys.executable, copy.root / "learn.py", "test"]
    done = subprocess.run(learn, cwd=elsewhere, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 passed" in done.stdout.splitlines()[-1]


def make_venv_of_this_python(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the copy a .venv that is set up, without an installation."""
    venv = copy.root / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys._base_executable)
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), venv)
    packages = Path(sysconfig.get_path("purelib"))
    own = venv / packages.relative_to(sys.prefix)
    own.mkdir(parents=True)
    # The packages of this .venv, and common/ of the copy: not of the repo, as a link would.
    (own / "copy.pth").write_text(f"{packages}\n{copy.root}\n")
    monkeypatch.setattr(bootstrap, "ROOT", copy.root)
    (venv / ".learn-stamp").write_text(bootstrap._place() + bootstrap._pins())


# -- the set-up of .venv ---------------------------------------------------------------------------


class Installers:
    """Stand in for venv, pip and uv; ``called`` tells which were, ``failing`` which cannot."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.pause = 0.0

    def call(self, what: str, argv: list[str], env: object = None, parts: object = None) -> None:
        words = list(map(str, argv))
        tool = words[words.index("-m") + 1]
        tool = "pip install uv" if words[-1] == "uv" else tool
        self.called.append(tool)
        if tool == "venv":
            make_empty_venv()
        time.sleep(self.pause)
        if tool in self.failing:
            raise self.failing[tool]


EVERYTHING = ["venv", "pip install uv", "uv"]


def make_empty_venv() -> None:
    bootstrap.PYTHON.parent.mkdir(parents=True)
    bootstrap.PYTHON.touch()
    (bootstrap.VENV / "pyvenv.cfg").touch()
    activate = f"VIRTUAL_ENV='{bootstrap.VENV}'\nexport VIRTUAL_ENV\n"
    bootstrap.PYTHON.with_name("activate").write_text(activate)


@pytest.fixture
def installers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installers:
    """A repo that needs one package, and installers that only write down what they are asked."""
    installers = Installers()
    (tmp_path / "requirements.txt").write_text("flask==3.1.3\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / ".learn-stamp",
        "_call": installers.call,
        "_installer_environment": dict,
        "python_works": lambda: bootstrap.PYTHON.exists(),
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return installers


def set_up_again(installers: Installers) -> list[str]:
    """Return what the next call of learn.py would install."""
    installers.called.clear()
    if not bootstrap.is_set_up():
        bootstrap.set_up()
    assert bootstrap.is_set_up()
    return installers.called.copy()


def test_first_use_sets_up_and_the_second_does_not(installers, capsys):
    """The first use sets up .venv, and the second does not."""
    assert set_up_again(installers) == EVERYTHING
    assert "Setting up .venv, this once" in capsys.readouterr().err
    assert set_up_again(installers) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("file", ["requirements.txt", "pyproject.toml"])
def test_changed_pins_are_installed_into_what_is_there(installers, tmp_path, file):
    """Changed requirements are installed into the .venv that is there."""
    set_up_again(installers)
    (tmp_path / file).write_text("something-else==1\n")
    assert set_up_again(installers) == ["pip install uv", "uv"]


def test_moved_repo_or_other_python_is_set_up_anew(installers, tmp_path, monkeypatch):
    """After a move of the repo or with another Python, .venv is rebuilt."""
    set_up_again(installers)
    (bootstrap.VENV / "old").mkdir()
    stamp = bootstrap.STAMP.read_text()
    bootstrap.STAMP.write_text(stamp.replace(str(tmp_path), "/where/it/was"))
    assert set_up_again(installers) == EVERYTHING
    assert not (bootstrap.VENV / "old").exists(), "the old .venv has to go first"
    bootstrap.STAMP.write_text(stamp.replace("\n3.", "\n2."))
    assert set_up_again(installers) == EVERYTHING


@pytest.mark.parametrize("part", ["bin/python", "bin", "pyvenv.cfg"])
def test_venv_that_lost_a_part_is_set_up_anew(installers, monkeypatch, part):
    """If its Python is gone, .venv is rebuilt."""
    set_up_again(installers)
    lost = bootstrap.VENV / part
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    monkeypatch.setattr(bootstrap, "python_works", lambda: False)
    assert set_up_again(installers) == EVERYTHING


def test_venv_made_by_hand_is_kept_and_filled(installers):
    """A .venv that was made by hand is kept and filled."""
    make_empty_venv()
    assert set_up_again(installers) == ["pip install uv", "uv"]


@posix
def test_venv_made_by_hand_in_another_folder_is_set_up_anew(installers):
    """A .venv that was moved here from another folder is made anew."""
    make_empty_venv()
    bootstrap.VENV.rename(bootstrap.VENV.with_name("elsewhere"))
    elsewhere, bootstrap_venv = bootstrap.VENV.with_name("elsewhere"), bootstrap.VENV
    activate = elsewhere / "bin" / "activate"
    activate.write_text(activate.read_text().replace(str(bootstrap_venv), str(elsewhere)))
    elsewhere.rename(bootstrap_venv)
    assert set_up_again(installers) == EVERYTHING


@posix
@pytest.mark.parametrize("stamp", ["", "unfinished\n", "/another/place\n3.11\n"])
@pytest.mark.parametrize("failing", [None, *EVERYTHING])
def test_what_a_venv_links_to_is_left_alone(installers, tmp_path, stamp, failing, capsys):
    """Where .venv is a link, a set-up makes a folder in its place, and never touches the target."""
    target = tmp_path / "of another project"
    target.mkdir()
    bootstrap.VENV.symlink_to(target)
    make_empty_venv()
    (target / ".learn-stamp").write_text(stamp)
    (target / "lib").mkdir()
    (target / "lib" / "package.py").write_text("theirs")
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    if failing:
        installers.failing[failing] = bootstrap.SetupError("no network")
        with suppress(bootstrap.SetupError):
            bootstrap.set_up()
    else:
        assert set_up_again(installers) == EVERYTHING
        assert set_up_again(installers) == []
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before
    assert not bootstrap.VENV.is_symlink()
    assert f"a link to {target}, which stays as it is" in capsys.readouterr().err


@posix
def test_a_venv_on_another_disk_is_kept(installers, tmp_path):
    """A .venv that was set up here, and then moved to where there is room, is still ours."""
    set_up_again(installers)
    bootstrap.VENV.rename(tmp_path / "on another disk")
    bootstrap.VENV.symlink_to(tmp_path / "on another disk")
    assert set_up_again(installers) == []
    (tmp_path / "requirements.txt").write_text("something-else==1\n")
    assert set_up_again(installers) == ["pip install uv", "uv"]
    assert bootstrap.VENV.is_symlink()


@posix
def test_a_python_is_used_only_if_it_keeps_to_its_venv(tmp_path, monkeypatch):
    """A half-made .venv may hold a link to the system's Python, and nothing that keeps it in."""
    venv = tmp_path / "my venv"
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin" / "python")
    assert not bootstrap.python_works(), "there is none"
    bootstrap.PYTHON.parent.mkdir(parents=True)
    bootstrap.PYTHON.symlink_to(sys._base_executable)
    assert not bootstrap.python_works(), "it would install into the system"
    home = f"home = {Path(sys._base_executable).parent}\n"
    (venv / "pyvenv.cfg").write_text(home + "include-system-site-packages = false\n")
    assert not bootstrap.python_works(), "it has no pip"
    (venv / "lib").symlink_to(Path(sys.prefix, "lib"))
    assert bootstrap.python_works()


@pytest.mark.parametrize("tool", EVERYTHING)
def test_interrupted_set_up_begins_again(installers, tool):
    """An interrupted setup begins again."""
    installers.failing[tool] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bootstrap.set_up()
    assert not bootstrap.is_set_up()
    installers.failing.clear()
    # A venv that has all it needs, as it has here, is as good as one that was made by hand.
    assert set_up_again(installers) == (EVERYTHING[1:] if tool == "venv" else EVERYTHING)


@pytest.mark.parametrize("tool", ["pip install uv", "uv"])
def test_pip_takes_over_where_uv_fails(installers, tool):
    """Where uv fails, pip takes over."""
    installers.failing[tool] = bootstrap.SetupError("no such thing here")
    called = set_up_again(installers)
    assert called[-2:] == [tool, "pip"]


def test_nothing_is_set_up_where_pip_fails_too(installers):
    """Where pip fails as well, nothing counts as set up."""
    installers.failing["uv"] = installers.failing["pip"] = bootstrap.SetupError("no network")
    with pytest.raises(bootstrap.SetupError, match="no network"):
        bootstrap.set_up()
    assert not bootstrap.is_set_up()


@posix
def test_two_at_once_set_up_once(installers, capsys):
    """Two commands at the same time set up .venv once."""
    installers.pause = 0.2
    threads = [threading.Thread(target=bootstrap.set_up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert installers.called == EVERYTHING
    assert "Another learn.py is setting up .venv; waiting for it." in capsys.readouterr().err


def test_missing_venv_names_the_command_that_installs_it(installers, monkeypatch):
    """If the module venv is missing, a message names the command that installs it."""
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.SetupError, match="sudo apt install python3-venv"):
        bootstrap.set_up()


def test_failing_tool_shows_its_last_lines_and_what_to_do(capsys):
    """A tool that fails shows its last lines, and what to do."""
    noise = "for n in range(99): print('line', n)\nraise SystemExit(3)"
    with pytest.raises(bootstrap.SetupError) as failure:
        bootstrap._call("the packages", [sys.executable, "-c", noise], {})
    message = str(failure.value)
    assert message.startswith("Setting up failed at the packages. Check the network,")
    assert message.index("index-url") < message.index("line 98"), "the advice comes first"
    assert "line 80" not in message, "the last lines are enough"


@pytest.fixture
def pip_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pip.conf of the learner's, and no setting of this machine's."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    return tmp_path / "pip.conf"


@pytest.mark.slow
def test_uv_uses_the_index_that_pip_is_set_to(pip_conf, monkeypatch):
    """uv uses the package index that pip is configured for."""
    pip_conf.write_text("[global]\nindex-url = https://mirror.example/simple\n")
    used = bootstrap._installer_environment
    assert used()["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://nearer.example/simple")
    assert used()["UV_DEFAULT_INDEX"] == "https://nearer.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert used()["UV_DEFAULT_INDEX"] == "https://own.example/simple"


def test_nothing_is_installed_outside_of_venv(pip_conf, monkeypatch):
    """A pip.conf or a variable may say: install into that folder."""
    settings = ["index-url = https://mirror.example/simple", "user = true"]
    where = ["proxy = http://proxy.example:3128", "target = /one", "prefix = /two", "root = /three"]
    pip_conf.write_text("\n".join(["[global]", *settings, "[install]", *where]))
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "UV_SYSTEM_PYTHON", "UV_PYTHON"):
        monkeypatch.setenv(name, "1")
    env = bootstrap._installer_environment()
    pip = [sys.executable, "-I", "-m", "pip", "config", "list"]
    listing = subprocess.run(pip, env=env, capture_output=True, text=True, check=True).stdout
    found = dict(line.partition("=")[::2] for line in listing.splitlines())
    assert all(name.startswith(":env:.") for name in found), "it reads no file"
    assert found[":env:.index-url"] == "'https://mirror.example/simple'"
    assert found[":env:.proxy"] == "'http://proxy.example:3128'"
    assert not {name.removeprefix(":env:.") for name in found} & set(bootstrap.ELSEWHERE)
    assert {name for name in env if name.startswith("UV_")} == {
        *("UV_DEFAULT_INDEX", "UV_NO_CONFIG", "UV_NO_PROGRESS")
    }
