"""The repo itself: steps that build on each other by text, not by import."""

import ast
import importlib.metadata
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common import ui
from common.steps import ROOT
from common.steps import STEPS
from common.steps import Step
from common.steps import find_step
from tests.support.inline import Inline

NOT_OURS = {"instance", "__pycache__", ".pytest_cache", ".ruff_cache"}

# Named in a requirements.txt although nothing imports it, and why.
NEEDED = {
    "gevent": "the worker class in gunicorn.conf.py",
    "gunicorn": "a program, not a module that is imported",
    "packaging": "kombu imports it and does not ask for it",
    "pymysql": "SQLAlchemy imports it for mysql+pymysql://",
    "redis": "Celery imports it for redis://",
    "flask-swagger-ui": "its files are served, by the name of the package",
}
# Imported although no requirements.txt names it, and why.
COMES_ALONG = {
    "werkzeug": "Flask is made of it",
    "click": "Flask is made of it",
    "jinja2": "Flask is made of it",
    "markupsafe": "Flask is made of it",
    "alembic": "Flask-Migrate is made of it",
}

each_step = pytest.mark.parametrize("lesson", STEPS, ids=lambda lesson: lesson.folder)
each_lesson = pytest.mark.parametrize(
    ("before", "after"), list(pairwise(STEPS)), ids=[step.folder for step in STEPS[1:]]
)


def files(folder: Path) -> dict[str, Path]:
    """All files of a folder by their path in it, without data and caches."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not NOT_OURS & set(path.relative_to(folder).parts)
    }


def imports(path: Path) -> set[str]:
    """The modules that a file imports from outside its own package, with their full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path.name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def python_files(step: Step) -> list[Path]:
    return [path for name, path in files(step.path).items() if name.endswith(".py")]


def requirements(step: Step) -> dict[str, Requirement]:
    """What a step's requirements.txt names, by the standard spelling of the name."""
    lines = (step.path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pinned() -> dict[str, str]:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", text, re.M)
    return {canonicalize_name(name): version for name, version in lines}


# The registry


@each_step
def test_every_registered_step_exists(lesson):
    """Every step in the registry has a folder and a requirements.txt."""
    assert lesson.path.is_dir()
    assert (lesson.path / "requirements.txt").is_file()


def test_every_step_is_in_the_registry():
    """Every folder of a step is in the registry."""
    folders = {path.name for path in ROOT.glob("step[0-9]*") if path.is_dir()}
    assert folders == {step.folder for step in STEPS}
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_step_is_found_by_what_people_type():
    """A step is found by its number, its folder or a part of that."""
    for text in ("3", "03", "login", "step03_login", "step03_login/", "LOGIN", " 3 "):
        assert find_step(text).number == 3
    for text in ("", "7", "0", "step", "o", "nothing", "-1"):
        with pytest.raises(LookupError, match="step01_hello"):
            find_step(text)


@each_lesson
def test_a_step_changes_what_its_lesson_names_and_nothing_else(before, after):
    """A step changes the files that its lesson names, and no others."""
    old, new = files(before.path), files(after.path)
    names = old.keys() | new.keys()
    changed = {
        name
        for name in names
        if name not in old or name not in new or old[name].read_bytes() != new[name].read_bytes()
    }
    unnamed = sorted(name for name in changed if not after.does_touch(name))
    assert not unnamed, f"{after.folder} changes these, but its `touches` do not name them"
    for entry in after.touches:
        real = any(
            name == entry or (entry.endswith("/") and name.startswith(entry)) for name in changed
        )
        assert real, f"`touches` of {after.folder} names {entry}, where nothing changes"


@each_lesson
def test_no_file_moves(before, after):
    """No file moves after step 2."""
    if after.number == 2:
        return
    old, new = files(before.path), files(after.path)
    gone = sorted(old.keys() - new.keys())
    assert not gone, f"{after.folder} has lost these files of {before.folder}"


# Imports and requirements


@each_step
def test_a_step_imports_no_other_step_and_of_common_the_look_and_the_samples(lesson):
    """A step imports no other step, no tests, and little of common."""
    for path in python_files(lesson):
        for name in imports(path):
            assert not re.match(r"step\d", name), f"{path} imports {name}"
            assert not re.match(r"(tests|learn)\b", name), f"{path} imports {name}"
            if name.split(".")[0] == "common":
                allowed = name.startswith(("common.ui", "common.samples"))
                assert allowed, f"{path} imports {name}; steps may only use ui and samples"


@each_step
def test_a_step_imports_at_the_top(lesson):
    """A step imports at the top of its files, as nothing is circular."""
    for path in python_files(lesson):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = [
                    n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)
                ]
                assert not inner, f"{path}:{inner and inner[0].lineno} imports inside a function"


@each_step
def test_the_requirements_cover_the_imports(lesson):
    """A step's requirements.txt names what it imports, and nothing else."""
    distributions = importlib.metadata.packages_distributions()
    own = {path.stem for path in lesson.path.glob("*.py")} | {"app", "common"}
    named = requirements(lesson)
    imported = set()
    for path in python_files(lesson):
        for name in {name.split(".")[0] for name in imports(path)} - own:
            if name in sys.stdlib_module_names:
                continue
            packages = {canonicalize_name(package) for package in distributions.get(name, [])}
            assert packages, f"{path} imports {name}, which is not installed"
            imported |= packages
            assert packages & (named.keys() | COMES_ALONG.keys()), (
                f"{path} imports {name}, but {lesson.folder}/requirements.txt does not name "
                f"{' or '.join(sorted(packages))}"
            )
    idle = named.keys() - imported - NEEDED.keys()
    assert not idle, f"nothing imports what {lesson.folder}/requirements.txt names: {idle}"


@each_step
def test_the_requirements_admit_what_was_tested(lesson):
    """A step's requirements.txt admits the versions that were tested."""
    versions = pinned()
    for name, requirement in requirements(lesson).items():
        assert name in versions, f"{name} is not in the requirements.txt of the repo"
        assert requirement.specifier, f"{name} has no range in {lesson.folder}/requirements.txt"
        assert versions[name] in requirement.specifier, (
            f"{lesson.folder} asks for {requirement}, but {versions[name]} is what was tested"
        )


@each_lesson
def test_a_later_step_asks_for_the_same_versions(before, after):
    """A later step asks for the same versions."""
    old, new = requirements(before), requirements(after)
    for name in old.keys() & new.keys():
        assert str(old[name]) == str(new[name]), f"{after.folder} changes the range of {name}"


# Templates and files that browsers get


def templates() -> list[Path]:
    folders = [step.path for step in STEPS] + [ROOT / "common"]
    return [path for folder in folders for path in files(folder).values() if path.suffix == ".html"]


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_templates_have_no_inline_scripts_or_styles(path):
    """Templates have no inline scripts or styles, and never switch escaping off."""
    parser = Inline()
    # tags in the middle of an HTML tag would confuse the parser; what they say is not our concern
    parser.feed(re.sub(r"\{[%#].*?[%#]\}", "", path.read_text(encoding="utf-8"), flags=re.S))
    assert not parser.found, "move it into a file in static/: " + "; ".join(parser.found)
    unsafe = re.findall(r"\|\s*safe\b", path.read_text(encoding="utf-8"))
    assert not unsafe, f"{path} switches escaping off"


@pytest.mark.parametrize("folder", [*(s.folder for s in STEPS), "common"])
def test_no_file_loads_from_another_host(folder):
    """No template, style or script loads anything from another host."""
    fetch = re.compile(
        r"""(?:src\s*=\s*|@import\s+|url\(\s*|<link[^>]*href\s*=\s*|fetch\(\s*)["']?(?:https?:)?//[^"'\s)]+""",
        re.I,
    )
    for name, path in files(ROOT / folder).items():
        if path.suffix in (".html", ".css", ".js", ".py"):
            found = fetch.findall(path.read_text(encoding="utf-8"))
            assert not found, f"{folder}/{name} fetches {found}"


@pytest.mark.parametrize("folder", ["step02_blueprints", "step06_factory", "2.login", "6.api-v2"])
def test_home_needs_no_page_that_the_app_does_not_have(folder):
    """The home page links to what the app has so far; an app of one's own is no step."""
    app = Flask("app", root_path=f"/home/ada/{folder}/app")
    app.register_blueprint(ui.bp)
    with app.test_request_context():
        assert f"Step {int(folder.removeprefix('step')[:2].strip('.'))} of" in ui.about_step()
        assert "<a" not in ui.about_step(), "a link to a page that this app does not have"
        for name in ("auth.register", "exports.index"):
            app.add_url_rule(f"/{name}", name)
        assert "<a" in ui.about_step(), "no link to a page that this app has"
        for name in ("notes", "2. term", "step"):
            app.root_path = f"/home/ada/{name}/app"
            assert not ui.about_step(), f"an app of one's own in “{name}” is no step"
