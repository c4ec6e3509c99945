"""`learn.py check` as a patient teacher: one message for what is wrong, in a few lines."""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from common import bootstrap
from common import contract
from common import lessons
from common.lessons import Part
from common.lessons import parts_of
from common.steps import ROOT
from common.steps import STEPS
from tests.support.needed import REDIS
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.server import redis_program
from tests.teacher import SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timed, pytest.mark.xdist_group("check")]

LEFT_OUT = shutil.ignore_patterns("instance", "__pycache__")
LINES = 40  # of a message about one promise, with all that is not asked yet
LINES_OF_A_START = 10
# Seconds, on a machine with two cores and nothing else to do. What else goes on on this one changes
# little in how long its processors work for a check, so that is what is measured.
CORES = 2
SECONDS_TO_START, SECONDS_TO_FAIL, SECONDS_OF_A_STEP = 10, 5, 20
NO_WORDS = ("pytest", "assert ", "+ where", "Traceback", "AssertionError", "skipped")


@dataclass
class Answer:
    """What `learn.py check` wrote, how it ended, and the seconds that the processors worked.

    ``seconds`` is all of it, as if shared by two cores; ``until_failure`` ends at the first ✗.
    """

    code: int
    text: str
    seconds: float
    until_failure: float

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines() if line.strip()]


class Meter:
    """Measures how long the processors work for a process and all that it starts."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._used: dict[psutil.Process, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            with contextlib.suppress(psutil.Error):
                for process in (self._root, *self._root.children(recursive=True)):
                    times = process.cpu_times()
                    self._used[process] = times.user + times.system

    @property
    def seconds(self) -> float:
        return sum(list(self._used.values())) / CORES

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def check(step: str, app: Path, *options: str) -> Answer:
    words = ["-P", "-m", "common.cli", "check", step, "--app", str(app), *options]
    lines, until_failure = [], 0.0
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as run:
        meter = Meter(run.pid)
        for line in run.stdout:
            lines.append(line)
            if line.startswith(("✗", "Your app")) and not until_failure:
                until_failure = meter.seconds
        meter.stop()
    return Answer(run.returncode, "".join(lines), meter.seconds, until_failure)


@pytest.fixture
def folder():
    """A folder for a learner's app."""
    base = new_folder()
    yield base / "my app"
    remove_folder(base)


def copy(number: int, folder: Path) -> Path:
    shutil.copytree(STEPS[number - 1].path, folder, ignore=LEFT_OUT)
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r} any more"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# Apps that do not start


def in_python(app: Path) -> str:
    """A colon that is missing."""
    change(app / "app" / "main.py", "def about() -> str:", "def about() -> str")
    return (
        f"your app {app}/app/main.py, line 26 def about() -> str SyntaxError: expected ':' "
        "because Python cannot read the file;"
    )


def in_a_circle(app: Path) -> str:
    """A module that imports the app, which imports the module."""
    change(app / "app" / "main.py", "bp = ", "from . import app\n\nbp = ")
    return (
        f"your app {app}/app/main.py, line 7 from . import app ImportError: cannot import name "
        "'app' from partially initialized module 'app' (most likely due to a circular import) "
        f"({app}/app/__init__.py) because a part imports the app, which imports the part"
    )


def at_import(app: Path) -> str:
    """An import that never ends."""
    change(app / "app" / "main.py", "bp = ", "import time\n\ntime.sleep(1000)\nbp = ")
    return f"Your app hangs while it starts: your app {app}/app/main.py, line 9 time.sleep(1000)"


def with_its_port(app: Path) -> str:
    """A port that another program has."""
    taken = socket.create_server(("127.0.0.1", 0))
    BUSY.append(taken)
    line = f"socket.create_server(('127.0.0.1', {taken.getsockname()[1]}))"
    change(app / "app" / "main.py", "bp = ", f"import socket\n\n{line}\nbp = ")
    return f"your app {app}/app/main.py, line 9 {line} OSError: [Errno 98] Address already in use "


def without_a_name(app: Path) -> str:
    """A package without an app in it."""
    (app / "app" / "__init__.py").write_text("", encoding="utf-8")
    return (
        "it wrote Error: Failed to find Flask application or factory in module 'app'. Use "
        "'app:name' to specify one."
    )


BUSY: list[socket.socket] = []


@pytest.mark.parametrize(
    "broken", [in_python, in_a_circle, at_import, with_its_port, without_a_name]
)
def test_an_app_that_does_not_start_gets_one_message(broken: Callable[[Path], str], folder):
    """An app that does not start gets one message: the learner's own file, the line, the cause."""
    message = broken(copy(2, folder))
    answer = check("2", folder)
    words = " ".join(answer.text.replace("^", "").split())
    assert answer.code == 1
    assert words.startswith("Your app does not start: ") or "hangs" in message
    assert message in words, answer.text
    assert len(answer.lines) <= LINES_OF_A_START, answer.text
    assert not [word for word in NO_WORDS if word in answer.text], answer.text
    assert answer.seconds < SECONDS_TO_START


@pytest.mark.slow
@pytest.mark.skipif(redis_program() is None, reason=REDIS.reason)
def test_a_worker_that_does_not_start_gets_one_message(folder):
    """A worker that cannot import its tasks ends the check with one message."""
    copy(5, folder)
    change(
        folder / "config.py",
        '"worker_disable_prefetch"',
        '"imports": ["app.jobs"],\n        "worker_disable_prefetch"',
    )
    answer = check("5", folder)
    assert "ModuleNotFoundError: No module named 'app.jobs'" in answer.text, answer.text
    assert "does not start" in answer.text
    assert len([line for line in answer.lines if line[0] not in "✓○"]) <= LINES_OF_A_START
    assert answer.seconds < SECONDS_TO_START


def test_a_wrong_folder_is_named(folder):
    """A folder without an app is refused, and one below it that has an app is named."""
    copy(2, folder)
    words = ["-P", "-m", "common.cli", "check", "2", "--app", str(folder.parent)]
    run = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert "has no app.py, wsgi.py or app/__init__.py" in run.stderr
    assert f"Did you mean {folder}?" in run.stderr
    assert len(run.stderr.splitlines()) == 1


# Apps that break a promise


def in_a_template(app: Path) -> tuple[str, str]:
    path = app / "app" / "templates" / "base.html"
    change(path, "{% endblock %}", "{% endblok %}")
    return "sent GET /", (f"your app {path}, line {line_of(path, 'endblok')}")


def in_a_view(app: Path) -> tuple[str, str]:
    path = app / "app" / "main.py"
    change(path, '    return render_template("main/home.html")', "    while True: pass")
    return "came back no answer within 5 seconds", f"your app {path}, line 13, in home"


def without_an_end(app: Path) -> tuple[str, str]:
    path = app / "app" / "main.py"
    change(path, 'return render_template("main/home.html")', "return drop_by_drop()")
    more = """def drop_by_drop():
    while True:
        time.sleep(0.5)
        yield "drop"


"""
    change(path, "bp = ", f"import time\n\n{more}bp = ")
    return "came back no answer within 5 seconds", f"your app {path}, line 11, in drop_by_drop"


def with_rubbish(app: Path) -> tuple[str, str]:
    path = app / "app" / "main.py"
    change(path, "bp = ", "print('\\x07\\x1b[31mnoise\\0' * 20_000)\nbp = ")
    change(path, '"/about"', '"/about/"')
    return "came back 200 OK", "GET /about/ answered 200; the rule '/about' without a trailing"


@pytest.mark.parametrize("broken", [in_a_template, in_a_view, without_an_end, with_rubbish])
def test_a_broken_promise_gets_one_message(broken: Callable[[Path], tuple[str, str]], folder):
    """The first promise that is not kept says what was sent and came back, and where to look."""
    messages = broken(copy(2, folder))
    answer = check("2", folder)
    words = " ".join(answer.text.split())
    assert answer.code == 1
    assert not [message for message in messages if message not in words], answer.text
    assert len([line for line in answer.lines if line.startswith("✗")]) == 1
    assert len([line for line in answer.lines if line[0] != "✓"]) <= LINES
    assert not [word for word in NO_WORDS if word in answer.text], answer.text
    assert re.search(r"^\d+ of \d+ promises; next: 1", answer.text, re.M)
    # An app that hangs in a loop keeps one core busy while it is waited for.
    waited = SECONDS / CORES if broken is in_a_view else 0
    assert answer.until_failure < SECONDS_TO_FAIL + waited


@pytest.mark.slow
def test_a_database_that_is_behind_is_explained(folder):
    """A model without its revision is explained by the row of the notes."""
    copy(4, folder)
    title = "    title: Mapped[str] = mapped_column(String(TITLE_MAX))\n"
    more = "    subtitle: Mapped[str | None] = mapped_column(String(TITLE_MAX))\n"
    change(folder / "app" / "models.py", title, title + more)
    answer = check("4", folder)
    assert "no such column: post.subtitle" in answer.text, answer.text
    assert "the model has changed, and there is no revision for it" in answer.text
    assert 'flask db migrate -m "…"' in answer.text
    assert len([line for line in answer.lines if line.startswith("✗")]) == 1


@pytest.mark.slow
@pytest.mark.skipif(redis_program() is None, reason=REDIS.reason)
def test_a_task_that_fails_shows_its_line(folder):
    """An exception in the worker is shown with the learner's own line and the row of the notes."""
    copy(5, folder)
    change(folder / "app" / "extensions.py", "task_cls=FlaskTask, ", "")
    answer = check("5", folder)
    assert f"your app   {folder}{os.sep}app{os.sep}leases.py, line " in answer.text, answer.text
    assert "RuntimeError: Working outside of application context." in answer.text
    assert "because    a task without `FlaskTask`" in answer.text
    assert len([line for line in answer.lines if line.startswith("✗")]) == 1


# Apps that are right


@pytest.mark.slow
def test_one_file_for_everything_up_to_step_3():
    """An app in one file, with names of its own, keeps all that step 3 promises."""
    answer = check("3", ROOT / "tests" / "apps" / "one_file")
    assert answer.code == 0, answer.text
    assert "✗" not in answer.text
    assert answer.seconds < SECONDS_OF_A_STEP


def test_our_own_app_is_checked_without_a_folder():
    """Without --app our app is checked, and the end says what is next."""
    words = [sys.executable, "-P", "-m", "common.cli", "check", "1.4"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(
        r"^Our app keeps all promises of part 1.4: \d+. Next: python3 learn.py diff 1.5$",
        run.stdout,
        re.M,
    )


def test_the_path_of_a_learner():
    """From `start` on, each part that is added raises the count, until the part is done."""
    base = new_folder()
    try:
        follow(parts_of(STEPS[0])[:4], base / "mine")
    finally:
        remove_folder(base)


def follow(parts: Sequence[Part], app: Path) -> None:
    """Start before the first part, add one after the other, and check after each."""
    run = [sys.executable, "-P", "-m", "common.cli", "start", parts[0].code, str(app)]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    last = parts[-1]
    counts = []
    for part in parts:
        lessons.write(lessons.files_after(part), app)
        answer = check(last.code, app)
        if answer.code == 0:
            break
        found = re.search(r"^(\d+) of \d+ promises; next: (\S+)$", answer.text, re.M)
        assert found, answer.text
        counts.append(int(found[1]))
        assert counts == sorted(counts), f"{part.name}: {counts}\n{answer.text}"
    assert answer.code == 0, answer.text
    assert len(set(counts)) > len(counts) // 2, "most parts keep a promise more"
    assert f"keeps all promises of {last.label}" in answer.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_ends_a_check_without_a_traceback():
    """Ctrl-C ends a check at once, and leaves no process behind."""
    words = [sys.executable, "-P", "-m", "common.cli", "check", "1"]
    for delay in (0.1, 3):
        with bootstrap.holding_interrupts():  # as learn.py starts it
            run = subprocess.Popen(
                words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        with run:
            time.sleep(delay)
            os.killpg(run.pid, signal.SIGINT)
            output, _ = run.communicate(timeout=60)
        assert "Traceback" not in output, output
        wait_until(lambda run=run: not is_group(run.pid), "all that it started has ended")


def is_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


# At work: again on save, and the keyboard


class Terminal:
    """`learn.py check --watch` in a terminal, with somebody at the keyboard."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = os.openpty()
        with bootstrap.holding_interrupts():  # as learn.py starts it
            self.program = subprocess.Popen(
                [sys.executable, "-P", "-c", CONTROLLED, "check", *words, "--watch"],
                cwd=ROOT,
                env={**os.environ, "TERM": "xterm"},  # the pager asks what it may draw
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, text: str) -> str:
        """Return what is on the screen up to a text that comes now."""
        start = len(self.seen)
        while text not in self.seen[start:]:
            ready, _, _ = select.select([self._ours], [], [], 60)
            assert ready, f"“{text}” does not come:\n{self.seen}"
            self.seen += os.read(self._ours, 10_000).decode("utf-8", "replace")
        return self.seen[start:]

    def type(self, key: str, answer: str) -> str:
        os.write(self._ours, key.encode())
        return self.wait_for(answer)

    def end(self, key: str) -> None:
        """Press a key that ends it; nothing runs on, and the terminal is as it was."""
        os.write(self._ours, key.encode())
        with contextlib.suppress(OSError):  # on Linux, the end of a terminal is an error
            while text := os.read(self._ours, 10_000):
                self.seen += text.decode("utf-8", "replace")
        self.program.wait(timeout=60)
        wait_until(lambda: not is_group(self.program.pid), "all that it started has ended")
        os.close(self._ours)


# A program gets the Ctrl-C of a terminal only if that is its own.
CONTROLLED = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("common.cli", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_watching_answers_the_keyboard_and_each_save(folder):
    """--watch: h is a hint, d the diff, a saved file is checked at once; q and Ctrl-C end it."""
    lessons.write(lessons.files_after(lessons.find_state("1.2")), folder)
    keys = "h hint"
    work = Terminal("1.2", "--app", str(folder))
    assert "keeps all promises of part 1.2" in work.wait_for(keys)
    page = folder / "templates" / "home.html"
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("<h1>", "<h2>").replace("</h1>", "</h2>"), encoding="utf-8")
    seen = work.wait_for(keys)
    assert "saved; checking again" in seen
    assert "✗" in seen and "1.2 Every page has one <h1>" in seen, seen
    hint = work.type("h", "NOTES.md, line")
    assert "1.2 Every page has one <h1>" in hint
    diff = work.type("d", "q: leave")  # of the pager
    assert "templates/home.html" in diff
    work.type("qa", keys)
    page.write_text(right, encoding="utf-8")
    seen = work.wait_for(keys)
    assert "\a" in seen and "keeps all promises" in seen, "it is done: a green block and a bell"
    assert seen.index("keeps all promises") < seen.index("Compare it with ours")
    work.end("q")
    assert work.program.returncode == 0
    for moment in ("✓", keys):  # while it asks, and while it waits
        work = Terminal("1.2", "--app", str(folder))
        work.wait_for(moment)
        work.end("\x03")
        assert "Traceback" not in work.seen, work.seen


# What is promised


def test_the_page_of_promises_is_up_to_date():
    """docs/promises.md is what the tests ask for."""
    path = ROOT / contract.INTO
    assert path.read_text(encoding="utf-8") == contract.page(), (
        f"the tests have changed: python3 learn.py promises --into {contract.INTO}"
    )
