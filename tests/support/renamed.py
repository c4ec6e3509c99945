"""A step as somebody else would have named it: other modules, classes, templates, endpoints.

It is made from the step itself, so it is right as long as the step is; and a promise that looks
inside the app, or at a name that only our app has, is not kept by it.
"""

import re
from pathlib import Path

from common import lessons
from common.steps import ROOT

MODULES = {
    "auth": "members",
    "posts": "notes",
    "main": "front",
    "models": "tables",
    "forms": "inputs",
    "exports": "downloads",
    "tasks": "jobs",
    "errors": "faults",
    "extensions": "plugins",
    "names": "spelling",
    "redirects": "ways",
}
CLASSES = {
    "User": "Member",
    "LoginForm": "EnterForm",
    "RegisterForm": "SignUpForm",
    "PostForm": "NoteForm",
    "TextForm": "PlainForm",
}
# The blueprints, whose names begin the endpoints and are the folders of the templates.
BLUEPRINTS = {name: MODULES[name] for name in ("auth", "posts", "main", "exports")}
TABLES = {"Member": "user"}


def write_renamed(source: Path, folder: Path) -> None:
    """Write a step into a folder under other names."""
    for path, content in lessons.files_in(source).items():
        here = folder / new_path(path)
        here.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith((".py", ".html")) and not path.startswith("migrations/"):
            content = renamed(content.decode(), path).encode()
        here.write_bytes(content)

    # The one page of common.ui that names endpoints; a template of the app comes before it.
    page = ROOT / "common" / "ui" / "templates" / "swagger_ui.html"
    text = renamed(page.read_text(encoding="utf-8"), page.name)
    (folder / "app" / "templates" / page.name).write_text(text, encoding="utf-8")


def new_path(path: str) -> str:
    parts = Path(path).parts
    if parts[0] != "app":
        return path
    names = MODULES if path.endswith(".py") else BLUEPRINTS
    return Path(
        *(re.sub(r"^\w+", lambda word: names.get(word[0], word[0]), p) for p in parts)
    ).as_posix()


def renamed(text: str, path: str) -> str:
    for old, new in CLASSES.items():
        text = re.sub(rf"\b{old}\b", new, text)
    for old, new in BLUEPRINTS.items():
        text = re.sub(rf"([\"']){old}/(\w+\.html)", rf"\1{new}/\2", text)
        text = re.sub(rf"([\"']){old}\.(\w+[\"'])", rf"\1{new}.\2", text)
        text = re.sub(rf"(Blueprint\(|blueprint == )\"{old}\"", rf'\1"{new}"', text)
    if not path.endswith(".py"):
        return text
    for old, new in MODULES.items():
        text = re.sub(rf"^(\s*)from \.{old} import", rf"\1from .{new} import", text, flags=re.M)
        text = re.sub(rf"^from app\.{old} import", f"from app.{new} import", text, flags=re.M)
        imported = re.search(rf"^from \. import {old}$", text, re.M)
        text = re.sub(rf"^from \. import {old}$", f"from . import {new}", text, flags=re.M)
        if imported:
            text = re.sub(rf"(?<![\w.\"]){old}\.(?=\w)", f"{new}.", text)
    for name, table in TABLES.items():
        text = re.sub(
            rf"(class {name}\(.*?\n    \"\"\".*?\"\"\"\n)",
            rf'\1\n    __tablename__ = "{table}"\n',
            text,
            flags=re.S,
        )
    return text
