"""`learn.py parts --edit`, `--save` and the others: a lesson as a git repository, and back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from common import git
from common import lessons
from common import workshop
from common.lessons import parts_of
from common.steps import STEPS
from common.steps import Step

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="sudo apt install git")


def lines(*words: str) -> str:
    """Return the words, far enough from each other for git to take them apart."""
    return "\n\n\n\n\n".join([*words, ""])


APP = lines("start", "zero", "one", "two", "three")
BEFORE = {"app.py": lines("start", "one").encode(), "gone.txt": b"gone\n"}


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A lesson that is not cut yet, in a folder that is not ours."""
    monkeypatch.setattr(lessons, "LESSONS", tmp_path / "lessons")
    monkeypatch.setattr("common.steps.ROOT", tmp_path)
    lessons.forget()
    for step in STEPS[:2]:
        lessons.write(BEFORE, step.path)
    goal = {"app.py": APP.encode(), "b c.html": b"", "config.py": b"A = 1\n"}
    lessons.write(goal, STEPS[1].path)
    yield STEPS[1]
    lessons.forget()


@pytest.fixture
def directory(tmp_path: Path, lesson: Step) -> Path:
    """The repository of the lesson, as an author begins with it."""
    directory = tmp_path / "my parts"
    workshop.edit(lesson, directory)
    return directory


@pytest.fixture
def commit(directory: Path) -> Callable[..., None]:
    def commit(message: str, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            if text is None:
                (directory / name).unlink()
            else:
                (directory / name).write_text(text)
        git.run("add", "-A", cwd=directory)
        git.run("commit", "-qm", message, cwd=directory)

    return commit


@pytest.fixture
def cut(lesson: Step, directory: Path, commit: Callable[..., None]) -> Path:
    """The lesson in three parts, saved."""
    commit(
        "The first\n\nPart: first\nGroup: Beginnings",
        {"app.py": lines("start", "one", "two"), "x.py": ""},
    )
    commit("The second\n\nPart: second", {"config.py": "A = 1\n", "gone.txt": None, "x.py": None})
    files = {"app.py": APP, "b c.html": ""}
    commit("The third\n\nPart: third\nGroup: Ends", files)
    workshop.save(lesson, directory, update_step=False, check=None)
    return directory


def log(directory: Path) -> list[str]:
    return git.run("log", "--reverse", "--format=%s", cwd=directory).decode().splitlines()


def series(step: Step) -> list[str]:
    return [part.code for part in parts_of(step)]


def test_a_lesson_is_cut_by_commits(lesson, cut):
    """Commits with a title and a name become patches in groups, which give the step."""
    assert [(p.name, p.code, p.title, p.group) for p in parts_of(lesson)] == [
        ("2.1", "2.first", "The first", "2A Beginnings"),
        ("2.2", "2.second", "The second", "2A Beginnings"),
        ("2.3", "2.third", "The third", "2B Ends"),
    ]
    assert dict(lessons.files_after(lesson)) == lessons.files_in(lesson.path)
    text = (lessons.folder_of(lesson) / "series").read_text()
    assert text == "# Beginnings\nfirst.patch\nsecond.patch\n\n# Ends\nthird.patch\n"


def test_an_edited_lesson_that_is_saved_is_the_same(lesson, cut, tmp_path):
    """What --edit makes and --save writes back is the same, byte for byte."""
    before = {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()}
    workshop.edit(lesson, tmp_path / "again")
    assert log(tmp_path / "again") == ["Before lesson 2", "The first", "The second", "The third"]
    workshop.save(lesson, tmp_path / "again", update_step=False, check=None)
    assert {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()} == before


def test_a_change_of_the_step_goes_to_the_parts_that_it_belongs_to(lesson, cut, tmp_path):
    """--edit shares what the step has beyond its parts among them by blame; --refresh does all."""
    files = {"app.py": APP.replace("two", "TWO"), "config.py": "A = 2\n"}
    for name, text in files.items():
        (lesson.path / name).write_text(text)
    workshop.edit(lesson, tmp_path / "again")
    assert log(tmp_path / "again")[4:] == ["fixup! The first", "fixup! The second"]
    with pytest.raises(click.ClickException, match="--autosquash"):
        workshop.save(lesson, tmp_path / "again", update_step=False, check=None)
    workshop.refresh(lesson, tmp_path / "fresh", None)
    states = [lessons.files_after(part) for part in parts_of(lesson)]
    assert [state["app.py"] for state in states] == [
        lines("start", "one", "TWO").encode(),
        lines("start", "one", "TWO").encode(),
        lines("start", "zero", "one", "TWO", "three").encode(),
    ]
    assert states[1]["config.py"] == b"A = 2\n"


def test_a_change_of_an_earlier_step_goes_through(lesson, cut, commit, tmp_path):
    """A line that has changed in an earlier step changes in all states of the later lessons."""
    first = STEPS[0]
    workshop.edit(first, tmp_path / "first")
    git.run("checkout", "goal", "--", ".", cwd=tmp_path / "first")
    git.run("commit", "-qm", "All\n\nPart: all", cwd=tmp_path / "first")
    workshop.save(first, tmp_path / "first", update_step=False, check=None)
    for step in STEPS[:2]:
        path = step.path / "app.py"
        path.write_text("# Above.\n\n\n" + path.read_text().replace("start", "START"))
    with pytest.raises(click.ClickException, match="--refresh"):
        workshop.edit(lesson, tmp_path / "again")
    workshop.refresh(first, tmp_path / "fresh", None)
    app = "# Above.\n\n\n" + lines("START", "one", "two")
    assert lessons.files_after(parts_of(lesson)[0])["app.py"] == app.encode()
    for step in STEPS[:2]:
        assert dict(lessons.files_after(step)) == lessons.files_in(step.path)


def test_a_file_that_no_part_knows_waits_for_its_part(lesson, cut, tmp_path):
    """A new file in the step is a commit that no part has, which is not saved."""
    (lesson.path / "new.py").write_text("")
    with pytest.raises(click.ClickException, match="Part: name"):
        workshop.refresh(lesson, tmp_path / "fresh", None)
    assert series(lesson) == ["2.first", "2.second", "2.third"]


@pytest.mark.parametrize(
    ("message", "files", "answer"),
    [
        ("No name", {"z.py": ""}, "needs a line “Part: name”"),
        ("Odd\n\nPart: a/b", {"z.py": ""}, "not “a/b”"),
        ("Twice\n\nPart: first", {"z.py": ""}, "is called first too"),
        ("Elsewhere\n\nPart: fourth", {"z.py": ""}, "z.py differ"),
    ],
)
def test_what_cannot_be_a_lesson_is_not_saved(lesson, cut, commit, message, files, answer):
    """Commits without a name, or with another end, are refused, and nothing changes."""
    before = {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()}
    commit(message, files)
    with pytest.raises(click.ClickException, match=answer):
        workshop.save(lesson, cut, update_step=False, check=None)
    assert {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()} == before


def test_a_state_that_does_not_hold_is_not_saved(lesson, cut, commit):
    """--save asks for a check of the states that have changed; if one fails, nothing is saved."""
    before = {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()}
    commit("The fourth\n\nPart: fourth", {"z.py": "z = 1\n"})
    asked = []
    with pytest.raises(click.ClickException, match="nothing was saved"):
        workshop.save(lesson, cut, update_step=True, check=lambda parts: bool(asked.extend(parts)))
    assert [part.code for part in asked] == ["2.fourth"]
    assert {path: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()} == before
    assert not (lesson.path / "z.py").exists()
    workshop.save(lesson, cut, update_step=True, check=lambda parts: True)
    assert (lesson.path / "z.py").read_text() == "z = 1\n"


def test_a_command_runs_in_each_state(lesson, cut):
    """--each runs a command in every state and keeps what it changes; a failure keeps nothing."""
    head = git.run("rev-parse", "HEAD", cwd=cut)
    with pytest.raises(click.ClickException, match=r"The second.*nothing was changed"):
        workshop.each(lesson, cut, "echo changed > app.py && test -e x.py")
    assert git.run("rev-parse", "HEAD", cwd=cut) == head
    workshop.each(lesson, cut, "sed -i s/two/2/ app.py")
    assert git.run("show", "HEAD~2:app.py", cwd=cut) == lines("start", "one", "2").encode()
    assert git.run("show", "HEAD:app.py", cwd=cut) == APP.replace("two", "2").encode()
    assert log(cut) == ["Before lesson 2", "The first", "The second", "The third"]


def test_a_state_changes_alone(lesson, cut):
    """--keep leaves the states after an amended one as they were: two patches change."""
    git.run("checkout", "--quiet", "HEAD~1", cwd=cut)
    (cut / "config.py").write_text("A = 0\n")
    git.run("commit", "--quiet", "--amend", "-a", "-C", "HEAD", cwd=cut)
    before = {path.name: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()}
    workshop.keep(lesson, cut)
    workshop.save(lesson, cut, update_step=False, check=None)
    after = {path.name: path.read_bytes() for path in lessons.folder_of(lesson).iterdir()}
    assert {n for n in after if after[n] != before[n]} == {"second.patch", "third.patch"}
    assert lessons.files_after(parts_of(lesson)[1])["config.py"] == b"A = 0\n"


def test_a_folder_that_is_there_is_not_overwritten(lesson, tmp_path):
    """--edit never overwrites a folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(click.ClickException, match="is there already"):
        workshop.edit(lesson, tmp_path / "mine")
