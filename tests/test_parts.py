"""The parts of the lessons: small patches of one idea each, which make the steps byte for byte."""

import ast
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Mapping

import pytest

from common import git
from common import lessons
from common import patches
from common.lessons import files_after
from common.lessons import parts_of
from common.steps import ROOT
from common.steps import STEPS

LARGEST = 60
MEDIAN = 35
# A part may come without a promise of its own, but no more than one in three of a lesson.
MOST_WITHOUT_PROMISE = 1 / 3
# Names and messages that come and go within a lesson, and why that is worth it.
SHORT_LIVED = {
    "1.hello": {"hello_world": "Flask's own first page, before it gets a template"},
}

LESSONS = [step for step in STEPS if lessons.has_series(step)]
PARTS = [part for step in LESSONS for part in parts_of(step)]

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda step: step.folder)
each_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.code)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="sudo apt install git")


# The patches


@each_lesson
def test_the_parts_make_the_step_byte_for_byte(lesson):
    """The patches of a lesson, applied in order, give the step's folder byte for byte."""
    made, there = files_after(lesson), lessons.files_in(lesson.path)
    other = sorted(name for name in {*made, *there} if made.get(name) != there.get(name))
    assert not other, (
        f"{other} in {lesson.folder} are not as the parts leave them. A change of a step goes "
        f"into its parts too: python3 learn.py parts {lesson.number} --refresh"
    )


@needs_git
@each_lesson
def test_git_applies_the_patches_to_the_same_end(lesson, tmp_path):
    """git applies each patch too, with the same result as learn.py."""
    lessons.write(files_after(lessons.state_before(parts_of(lesson)[0])), tmp_path)
    git.run("init", "--quiet", cwd=tmp_path)
    for part in parts_of(lesson):
        git.run("apply", part.patch, cwd=tmp_path)
        assert lessons.files_in(tmp_path) == files_after(part), f"{part.patch.name} differs"


@each_lesson
def test_the_series_names_every_patch_once(lesson):
    """The series of a lesson names each of its patches once."""
    named = [part.patch.name for part in parts_of(lesson)]
    assert sorted(named) == sorted(path.name for path in lessons.folder_of(lesson).glob("*.patch"))


@each_part
def test_a_patch_is_a_title_and_a_plain_diff(part):
    """A patch is a title in the first line, an empty line and a diff without git's hashes."""
    lines = part.patch.read_text(encoding="utf-8").splitlines()
    assert lines[1] == ""
    assert lines[2].startswith("diff --git a/")
    assert not [line for line in lines if line.startswith("index ")]
    assert part.changes, "it changes nothing"


@each_part
def test_a_part_has_one_idea(part):
    """The title of a part names one idea: without “and”, in a few words."""
    assert not re.search(r"\band\b|&", part.title), f"“{part.title}” is two parts"
    assert re.fullmatch(r"\S.{5,58}[^\s.]", part.title), part.title
    titles = [other.title for other in PARTS]
    assert titles.count(part.title) == 1, f"“{part.title}” is there twice"


@each_part
def test_a_part_is_small(part):
    """A part changes at most 60 lines of code."""
    assert lessons.code_lines(part) <= LARGEST, f"{part.title}: cut it in two"


def test_most_parts_are_smaller():
    """The median of all parts is at most 35 changed lines of code."""
    assert statistics.median(map(lessons.code_lines, PARTS)) <= MEDIAN


@each_lesson
def test_a_lesson_has_a_number_of_parts_that_one_can_do(lesson):
    """A lesson has 8 to 55 parts, in groups with a title."""
    assert 8 <= len(parts_of(lesson)) <= 55
    assert all(part.group for part in parts_of(lesson)), "a comment in the series begins a group"


def test_a_patch_that_does_not_fit_is_refused():
    """A patch that is not exactly for these files is refused."""
    patch = b"T\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert patches.apply(patch, {"x": b"a\nb\n"}) == {"x": b"a\nc\n"}
    for other in (b"a\n", b"a\nb", b"\na\nb\n", b"a\r\nb\n", b""):
        with pytest.raises(patches.PatchError):
            patches.apply(patch, {"x": other})
    with pytest.raises(patches.PatchError):
        patches.apply(patch, {})


@needs_git
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"a": b"1\n"}),
        ({"a": b"1\n"}, {}),
        ({"a": b""}, {"a": b"1"}),
        ({"a": b"1"}, {"a": b"1\n"}),
        ({"a": b"1\n2\n3"}, {"a": b"0\n1\n2\n4"}),
        ({}, {"a": b"", "b/c d": b"--- x\n+++ y\n"}),
        ({"a": b"--- x\n"}, {"a": b"-- x\n@@ -1 +1 @@\n"}),
        ({"a": b"x\n" * 50}, {"b/ü": b"x\n" * 50 + b"y\n"}),
        ({"a": b"\n" * 9}, {"a": b"\n" * 4 + b"\r\n\x0c\n" + b"\n" * 5}),
    ],
)
def test_what_git_writes_is_applied(tmp_path, before, after):
    """Whatever git writes as a patch of text files gives the same files again."""
    git.run("init", "--quiet", "-b", "x", cwd=tmp_path)
    git.commit_all(tmp_path, [("before", before), ("after", after)], "x")
    order = tmp_path / ".git" / "order"
    diff = git.run(*git.diff_options(order), "-M", "x~1", "x", cwd=tmp_path)
    assert patches.apply(b"Title\n\n" + git.without_hashes(diff), before) == after
    assert git.files_of(tmp_path, "x") == after


# What is in the states between


def top_names(files: Mapping[str, bytes]) -> set[str]:
    """Return the names that the app defines at the top of its files, and its messages."""
    found: set[str] = set()
    for path, content in files.items():
        if path.startswith("migrations/"):
            continue
        if path.endswith(".html"):
            found.add(path)
        if path.endswith(".py"):
            found |= set(names_in(ast.parse(content, path)))
    return found


def names_in(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        for target in node.targets if isinstance(node, ast.Assign) else ():
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
    for call in ast.walk(tree):
        for value in call.args if isinstance(call, ast.Call) else ():
            if isinstance(value, ast.Constant) and " " in str(value.value):
                yield f"“{value.value}”"


@pytest.mark.slow
@each_lesson
def test_no_name_is_left_in_the_middle(lesson):
    """A name or a message that a lesson does not end with is in no state in its middle."""
    ends = top_names(files_after(lesson))
    before = top_names(files_after(lessons.state_before(parts_of(lesson)[0])))
    known: set[str] = set()
    for part in parts_of(lesson):
        names = top_names(files_after(part)) - ends - before - known
        listed = set(SHORT_LIVED.get(part.code, {}))
        assert names == listed, (
            f"{part.name} {part.title} has {names - listed or 'no more ' + str(listed - names)}, "
            f"which neither the lesson before nor the end of this one has. Was it renamed later? "
            f"python3 learn.py parts {lesson.number} --in DIR --each 'sed -i s/old/new/g …'"
        )
        known |= names


def test_no_state_has_an_unused_import(tmp_path):
    """In no state a name is imported and not used, used and not there, or given twice."""
    pytest.importorskip("ruff", reason="pip install -r requirements-dev.txt")
    for part in PARTS:
        files = {n: c for n, c in files_after(part).items() if n.endswith(".py")}
        lessons.write(files, tmp_path / part.code)
    words = ["-m", "ruff", "check", "--isolated", "--no-cache", "--select=F", "."]
    run = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# Promises


def promised() -> set[str]:
    """Return the parts that tests name as the beginning of what they promise."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r"""since\(["']([\d.a-z-]+)["']""", text)}


@each_lesson
def test_most_parts_have_a_promise_of_their_own(lesson):
    """Two of three parts have a promise of their own, which fails before them."""
    names = promised()
    parts = parts_of(lesson)
    without = [part.code for part in parts[:-1] if part.code not in names]
    assert len(without) <= len(parts) * MOST_WITHOUT_PROMISE, f"no test is for {without}"


def test_every_promised_part_is_there():
    """The parts that tests name as a beginning are parts of the course."""
    codes = {part.code for part in PARTS}
    cut = {str(step.number) for step in LESSONS}
    unknown = {name for name in promised() - codes if name.partition(".")[0] in cut}
    assert not unknown, f"tests say since(…) of these, which are in no series: {unknown}"
