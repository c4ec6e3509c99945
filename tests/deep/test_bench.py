"""`learn.py bench`: it measures what is there, and fails with a message when that does not work.

The commands run in a copy of the repo, in which a step is broken on purpose.
"""

import json
import os
import shutil
import signal
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
import pytest

from common.steps import ROOT
from common.steps import STEPS
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until

if sys.platform == "win32":
    pytest.skip("the bench needs Linux or macOS", allow_module_level=True)

from common.bench import load
from common.bench.pages import limited
from common.bench.pages import long_text
from common.bench.report import Figure
from common.bench.sites import Client
from common.bench.sites import Site
from common.bench.sites import hello

pytestmark = [pytest.mark.patient, pytest.mark.timed, pytest.mark.xdist_group("bench")]

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "tests", "instance", "__pycache__", "*.pyc", ".*_cache"
)
SECONDS = 300  # for a quick bench on a machine that is busy with others


@dataclass
class Bench:
    """A copy of the repo, whose bench works in a folder of its own for temporary files."""

    base: Path
    root: Path

    @property
    def tmp(self) -> Path:
        return self.base / "tmp"

    def start(self, *words: object) -> Process:
        """Start `learn.py bench --quick`."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.base), "TMPDIR": str(self.tmp)}
        env |= {"PYTHONPATH": str(self.root), "LANG": "C.UTF-8"}
        argv = [sys.executable, "-P", "-m", "common.cli", "bench", "--quick", *map(str, words)]
        return Process(argv, cwd=self.base, env=env, log=Log(self.base / "log.txt"))

    def run(self, *words: object) -> tuple[int, str]:
        """Run it to its end, see that nothing is left of it, return exit code and output."""
        process = self.start(*words)
        try:
            code = process.wait(SECONDS)
            self.check_nothing_is_left(process)
        finally:
            end(process)
        return code, process.output

    def check_nothing_is_left(self, process: Process) -> None:
        wait_until(lambda: not session_of(process), "the end of all its processes", seconds=20)
        left = [file.name for file in self.tmp.iterdir()]
        assert not left, f"left in the folder for temporary files: {left}"

    @contextmanager
    def broken(self, number: int, file: str, old: str, new: str) -> Iterator[None]:
        """Put something wrong into a step for a while."""
        path = self.root / STEPS[number - 1].folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} has no “{old}” any more: break something else here"
        path.write_text(text.replace(old, new), encoding="utf-8")
        yield
        path.write_text(text, encoding="utf-8")


def session_of(process: Process) -> list[psutil.Process]:
    """What it has started and still runs."""
    found = []
    for other in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = other.pid != process.pid and os.getsid(other.pid) == process.pid
            if ours and other.status() != psutil.STATUS_ZOMBIE:
                found.append(other)
    return found


def end(process: Process) -> None:
    process.kill()
    for other in session_of(process):
        with suppress(psutil.Error):
            other.kill()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    base = new_folder()
    bench = Bench(base, base / "my copy")
    shutil.copytree(ROOT, bench.root, ignore=NOT_COPIED)
    bench.tmp.mkdir()
    yield bench
    remove_folder(base)


@pytest.fixture(scope="module")
def bare() -> Iterator[Site]:
    """A bare Flask app at work."""
    with hello() as site:
        site.gunicorn(workers=1)
        yield site


# -- when what is measured does not work ----------------------------------------------------------

DEAD_WORKER = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); "


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "number", "file", "old", "new", "message"),
    [
        pytest.param(
            "start",
            1,
            "app.py",
            'return render_template("home.html")',
            "abort(500)",
            "GET / of step01_hello answers 500",
            id="start-page-500",
        ),
        pytest.param(
            "start",
            6,
            "config.py",
            "class Config:",
            "raise SystemExit('broken')\n\n\nclass Config:",
            "broken",
            id="start-no-start",
        ),
        pytest.param(
            "pages",
            1,
            "app.py",
            'return render_template("about.html")',
            "abort(500)",
            "GET /about of step01_hello answers 500",
            id="pages-page-500",
        ),
        pytest.param(
            "pages",
            1,
            "app.py",
            'return render_template("about.html")',
            'POSTS.append(0)\n    return "<title>" if len(POSTS) < 9 else abort(503)',
            "GET /about: of ",
            id="pages-fails-under-load",
        ),
        pytest.param(
            "pages",
            3,
            "app/auth.py",
            "user.check_password(form.password.data):\n            login_user",
            "not user:\n            login_user",
            "The login of step03_login refused “ada”",
            id="pages-login-refused",
        ),
        pytest.param(
            "million",
            6,
            "app/templates/posts/index.html",
            'rel="next"',
            'rel="later"',
            "/posts/ of 20,000 posts has no link to older ones",
            id="million-no-older",
        ),
        pytest.param(
            "export",
            6,
            "app/archive.py",
            "yield len(links)",
            "raise ValueError('broken')",
            "An export failed in a copy of step06_factory",
            id="export-task-fails",
        ),
        pytest.param(
            "workers",
            6,
            "app/tasks.py",
            'report(task, "STARTED", 0, total)',
            DEAD_WORKER,
            "The worker of step06_factory has ended",
            id="workers-worker-dead",
        ),
        pytest.param(
            "workers",
            6,
            "app/tasks.py",
            'report(task, "STARTED", 0, total)',
            "raise ValueError('broken')",
            "An export ended as FAILURE",
            id="workers-export-fails",
        ),
        pytest.param(
            "report",
            6,
            "app/tasks.py",
            'report(task, "STARTED", 0, total)',
            "raise ValueError('broken')",
            "An export failed in a copy of step06_factory",
            id="report-task-fails",
        ),
        pytest.param(
            "away",
            6,
            "app/exports.py",
            "abort(503,",
            "abort(500,",
            "POST while Redis hangs answers 500, not 503",
            id="away-wrong-answer",
        ),
        pytest.param(
            "killed",
            6,
            "app/tasks.py",
            'report(task, "STARTED", 0, total)',
            DEAD_WORKER,
            "The worker of step06_factory has ended",
            id="killed-worker-dead",
        ),
        pytest.param(
            "streams",
            6,
            "app/events.py",
            "MAX_STREAMS = 10",
            "MAX_STREAMS = 3",
            "The server has refused a stream (429)",
            id="streams-refused",
        ),
        pytest.param(
            "changes",
            6,
            "app/templates/base.html",
            "{% if form or current_user",
            "{% if current_user",
            "base.html of step06_factory has no {% if form or",
            id="changes-nothing-to-undo",
        ),
        pytest.param(
            "changes",
            6,
            "app/main.py",
            'return render_template("main/about.html")',
            "raise ValueError('broken')",
            "A request failed in a copy of step06_factory",
            id="changes-page-500",
        ),
    ],
)
def test_bench_fails_with_what_it_measures(bench, measure, number, file, old, new, message):
    """A bench whose subject does not work says so, ends with code 1 and leaves nothing behind."""
    with bench.broken(number, file, old, new):
        code, output = bench.run(measure)
    assert message in output, output
    assert code == 1


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(bench):
    """Ctrl-C ends a bench with all its processes and folders, without a traceback."""
    process = bench.start("million")
    try:
        wait_until(
            lambda: "posts against 25" in process.output,
            "two sites under load",
            seconds=SECONDS,
        )
        assert len(session_of(process)) > 6, "the sites are not in the session"
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(30)
        bench.check_nothing_is_left(process)
    finally:
        end(process)
    assert code == 130
    assert "Traceback" not in process.output, process.output


# -- what it says and writes ----------------------------------------------------------------------


@pytest.mark.slow
def test_bench_prints_and_writes_figures(bench, tmp_path):
    """A bench prints each figure with its aim, and writes them with the facts of the machine."""
    code, output = bench.run("start", "--into", tmp_path)
    assert code == 0, output
    data = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert data["cores"] == os.cpu_count()
    assert data["packages"]["flask"]
    assert [figure["bench"] for figure in data["figures"]] == ["start"] * 3
    for figure in data["figures"]:
        assert figure["what"] in output
        assert figure["value"] > 0
    assert "≤ 4" in output
    assert "left]" in output, "how long it takes is not said"


def test_names_that_are_no_bench(bench):
    """A name that is no bench, or a folder that is none, is an error before anything begins."""
    code, output = bench.run("fast")
    assert (code, output.count("\n")) == (1, 1)
    assert "“fast” is none of these: start, pages," in output
    code, output = bench.run("start", "--into", bench.base / "nowhere")
    assert (code, "There is no folder" in output) == (1, True)


def test_an_aim_is_held_or_not():
    """A figure holds its aim if its median does."""
    assert Figure("fast", [0.4, 0.6, 0.5], at_least=0.5).holds is True
    assert Figure("fast", [0.4, 0.6, 0.49], at_least=0.5).holds is False
    assert Figure("slow", [1.0, 9.0, 1.2], at_most=1.1).holds is False
    assert Figure("slow", [1.0, 9.0, 1.1], at_most=1.1).holds is True
    assert Figure("just so", [1.0]).holds is None


def test_the_drawing_can_be_read_on_light_and_dark():
    """The drawing names each page, and has colours of its own for a dark ground."""
    pytest.importorskip("pygal", reason="a package for developers")
    from common.bench.chart import draw

    svg = draw([Figure("step 1  /about", [0.7], at_least=0.75), Figure("x", [0.2], at_least=0.1)])
    texts = " ".join(ET.fromstring(svg).itertext())
    for text in ("step 1", "0.7", "0.75", "prefers-color-scheme:dark"):
        assert text in texts
    assert b"<script" not in svg
    assert b"http://www.w3.org" in svg
    assert b"fonts.googleapis" not in svg


def test_long_post_is_as_long_as_posts_may_be():
    """The long post has 10,000 characters and six blocks of code."""
    assert len(long_text()) == 10_000
    assert long_text().count("```python") == 6


# -- the load generators --------------------------------------------------------------------------


@pytest.fixture(params=["wrk", "own"])
def seconds(request, monkeypatch) -> float:
    """Seconds of load by wrk, or by the client for machines without it."""
    if request.param == "own":
        monkeypatch.setattr(load, "wrk", lambda: None)
        return 0.3
    if not load.wrk():
        pytest.skip("wrk is not installed")
    return 1


def test_load_counts_requests(bare, seconds):
    """Load counts the requests, and the CPU time of both sides."""
    done = load.load(bare, Client(bare), "/", seconds)
    assert done.requests > 16
    assert seconds * 0.9 < done.seconds < seconds + 10
    assert 0 < done.client_cores < 2
    assert done.server_cores > 0
    assert done.rate == pytest.approx(done.requests / done.seconds)


def test_load_refuses_a_page_that_fails(bare, seconds):
    """Load on a page that answers an error is an error, and so is a server that has gone."""
    with pytest.raises(click.ClickException, match=r"GET /nowhere: of [\d,]+ requests.*failed"):
        load.load(bare, Client(bare), "/nowhere", seconds)


MINE = """

@app.get("/mine")
def mine():
    from flask import abort, request
    mine = request.cookies.get("session") == "ada" and request.headers["User-Agent"] == AGENT
    return "Hello" if mine else abort(403)
"""


def test_load_sends_what_a_login_has_sent(seconds, monkeypatch):
    """Under load, a client has the cookies and the User-Agent with which it has logged in."""
    with hello() as site:
        with (site.folder / "app.py").open("a") as file:
            file.write(MINE.replace("AGENT", repr(Client.agent)))
        site.gunicorn(workers=1)
        client = Client(site)
        with pytest.raises(click.ClickException, match="failed"):
            load.load(site, client, "/mine", seconds)
        monkeypatch.setattr(Client, "cookie_header", "session=ada")
        assert load.load(site, client, "/mine", seconds).requests > 0


def test_a_client_that_limits_is_told():
    """If the load generator is busy all the time, the bench says that it limits the ratios."""
    busy = load.Load(requests=9000, seconds=1, client_cores=0.98, server_cores=1)
    idle = load.Load(requests=9000, seconds=1, client_cores=0.2, server_cores=1)
    if load.wrk():
        assert limited([busy, busy, idle]).holds is False
    assert limited([idle, idle, busy]).holds in (True, None)
