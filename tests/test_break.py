"""`learn.py break`: a copy of a step with one real mistake in it, to find and mend.

That each mistake is seen as its file says, test_mistakes has seen; this is about the command.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest

from common import lessons
from common.mistakes import LATER
from common.mistakes import Mistake
from common.mistakes import all_mistakes
from common.mistakes import files_with
from common.mistakes import find_mistake
from common.steps import ROOT
from common.steps import STEPS
from common.trouble_cli import how_to_see
from common.trouble_cli import make
from tests.support.project import Project

pytestmark = pytest.mark.timed

Learn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def learn(tmp_path) -> Learn:
    """Run a command of learn.py in a folder of its own."""
    project = Project(STEPS[0], STEPS[0].path)

    def learn(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "common.cli", *map(str, words)],
            cwd=tmp_path,
            env={**project.env, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )

    yield learn
    project.close()


def assert_not_given_away(mistake: Mistake, text: str) -> None:
    for told in (mistake.title, mistake.name, mistake.cause, mistake.fix):
        assert told not in text, f"{mistake.code}: “{told}” says what is wrong"


def test_the_list_shows_what_one_sees_and_not_what_is_wrong(learn):
    """`break` lists the mistakes by step, by what one sees of each."""
    done = learn("break")
    assert (done.returncode, done.stderr) == (0, "")
    for step in STEPS:
        assert f"Step {step.number}: " in done.stdout
    for mistake in all_mistakes():
        assert f"  {mistake.code}  {mistake.symptom[:40]}" in done.stdout
        assert mistake.title in mistake.symptom or mistake.title not in done.stdout
        assert mistake.name not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_each_mistake_says_how_to_see_it():
    """Of each mistake, one is told what to type and to open, in words for people."""
    for mistake in all_mistakes():
        lines = how_to_see(mistake, "DIR")
        assert len(lines) > 1 or "--check" in lines[0], lines
        for line in lines:
            assert "{" not in line and LATER not in line, line
            assert line.split()[0] not in ("send", "open", "post", "register", "start"), line


def test_a_copy_has_the_mistake_and_nothing_is_told(learn, tmp_path):
    """`break NAME DIR` makes a copy with the mistake in it, and tells the symptom alone."""
    mistake = find_mistake("a-colon-too-few")
    done = learn("break", mistake.code, "my copy")
    assert (done.returncode, done.stderr) == (0, "")
    assert mistake.symptom in done.stdout
    assert f'cd "{tmp_path / "my copy"}"' in done.stdout
    assert_not_given_away(mistake, done.stdout)
    copy = lessons.files_in(tmp_path / "my copy")
    ours = lessons.files_after(STEPS[0])
    assert {name for name in ours | copy if ours.get(name) != copy.get(name)} == {"app.py"}
    assert copy == files_with(mistake)


def test_nothing_is_overwritten(learn, tmp_path):
    """A folder with something in it is left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "app.py").write_text("mine")
    done = learn("break", "1a", "mine")
    assert done.returncode == 1
    assert "is there already; give the name of a new folder" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "app.py"]
    (tmp_path / "empty").mkdir()
    assert learn("break", "1a", "empty").returncode == 0
    assert (tmp_path / "empty" / "app.py").exists()


@pytest.mark.slow
def test_check_tells_when_it_is_mended(learn, tmp_path):
    """`break NAME DIR --check` says whether the promise is kept again."""
    mistake = find_mistake("markup-that-runs")
    assert learn("break", mistake.code, "my copy").returncode == 0
    done = learn("break", mistake.code, "my copy", "--check")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Not mended yet. This promise is not kept:" in done.stdout
    assert len(done.stdout.splitlines()) < 5, done.stdout
    assert_not_given_away(mistake, done.stdout)
    lessons.write(lessons.files_after(mistake.state), tmp_path / "my copy")
    done = learn("break", mistake.code, "my copy", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Mended. This promise is kept again: ")
    assert f'check 1 --app "{tmp_path / "my copy"}"' in done.stdout


def test_explain_tells_cause_and_cure(learn):
    """`break NAME --explain` tells what is wrong, and what mends it."""
    mistake = find_mistake("no-user-loader")
    for name in (mistake.code, "NO-USER-LOADER", "user-loader"):
        done = learn("break", name, "--explain")
        assert done.returncode == 0
        for text in (mistake.title, mistake.symptom, mistake.cause, mistake.fix):
            assert text in done.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["9z"], "There is no mistake “9z”; python3 learn.py break lists them."),
        (["another"], "could be any of these mistakes: 1b, 2d."),
        (["--explain"], "--check and --explain need the NAME of a mistake."),
        (["1a", "--check"], "--check needs the folder, too: break 1a DIR"),
        (["1a", "nowhere", "--check"], "There is no folder"),
        (["no-redis", ".", "--check"], "No promise notices this one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_gets_one_clear_line(learn, words, answer):
    """What cannot be is said in one line."""
    done = learn("break", *words)
    assert answer in done.stderr
    assert (done.returncode in (1, 2), done.stdout) == (True, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_mistake_of_the_terminal_comes_with_a_sound_copy(learn, tmp_path):
    """Where the mistake is in what one types, the copy is the step, and one is told so."""
    done = learn("break", "worker-before-app", "copy")
    assert "The mistake is made in the terminal." in done.stdout
    assert "celery worker -A app.celery_app" in done.stdout
    assert "--check" not in done.stdout, "there is nothing to check"
    assert lessons.files_in(tmp_path / "copy") == lessons.files_after(STEPS[4])


@pytest.mark.slow
def test_a_copy_comes_with_the_database_that_the_mistake_needs(learn, tmp_path):
    """What is wrong only in a database that was there before, is seen at once in the copy."""
    mistake = find_mistake("revision-deleted")
    # Another database, perhaps with data in it, is left alone.
    other = tmp_path / "other.db"
    done = learn("break", mistake.code, "my copy", DATABASE_URL=f"sqlite:///{other}")
    assert (done.returncode, done.stderr) == (0, "")
    assert not other.exists()
    assert not list(tmp_path.glob(".break-*")), "nothing is left"
    project = Project(STEPS[3], tmp_path / "my copy")
    try:
        (project.folder / "instance").mkdir()
        database = tmp_path / "my copy" / "instance" / "study_log.db"
        (project.folder / "instance" / "study_log.db").write_bytes(database.read_bytes())
        result = project.try_flask("db", "upgrade")
    finally:
        project.close()
    assert mistake.symptom in result.output


@pytest.mark.slow
def test_a_copy_is_whole_or_not_there(tmp_path):
    """Where the copy cannot be made ready, there is none."""
    mistake = replace(find_mistake("revision-deleted"), tries=("$ flask no-such-thing", LATER))
    with pytest.raises(click.ClickException, match="flask no-such-thing failed"):
        make(mistake, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_the_reader_says_what_is_wrong_with_a_file(tmp_path):
    """A file of a mistake that lacks a line is an error that names it."""
    from common.mistakes import read_mistake

    text = (ROOT / "lessons/mistakes/no-redis.patch").read_text(encoding="utf-8")
    for wrong, message in (
        (text.replace("Cause:", "Reason:"), "there is no header Reason"),
        (text.replace("Fix: ", "Fixed "), "no line “Fix: …”"),
        (text.replace("Where: terminal", "Where: nowhere"), "Where, one of page, terminal"),
    ):
        file = Path(tmp_path, "wrong.patch")
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_mistake(file)
