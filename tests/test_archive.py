"""Archives: any title is read back by YAML readers, and any disk is old enough for a ZIP."""

import json
import unicodedata
import zipfile
from datetime import datetime
from itertools import zip_longest

import pytest

from tests.support.needed import DEV_PACKAGES

pytestmark = [pytest.mark.since(5), pytest.mark.about("app/archive.py"), pytest.mark.ours]

NEEDED = DEV_PACKAGES.reason  # two YAML readers read the front matter

# Prints the front matter of a post for each title of a file.
FRONT_MATTER = """
import json
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from flask.cli import ScriptInfo

with ScriptInfo().load_app().app_context():
    from app.archive import front_matter
    titles = json.loads(Path(sys.argv[1]).read_text())
    posts = [SimpleNamespace(title=title, created_at=datetime(2026, 3, 1)) for title in titles]
    print(json.dumps([front_matter(post) for post in posts]))
"""

# Makes the same archive twice, on a machine whose files and whose clock are of 1970.
OLD_DISK = """
import os
import shutil
import sys
import time
from pathlib import Path
from flask.cli import ScriptInfo

with ScriptInfo().load_app().app_context():
    from app import archive
    from app.models import User
    copy = Path(sys.argv[2])
    shutil.copytree(archive.ui.bp.static_folder, copy / "static")
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    archive.ui.bp.static_folder = copy / "static"
    author_id = User.find(sys.argv[1]).id
    for number in 1, 2:
        time.time = lambda: 0.0 if number == 2 else 1e9
        with open(copy / f"{number}.zip", "w+b") as file:
            print(list(archive.write_archive(file, author_id)))
"""

TITLES = {
    "emoji": "Party 🎉",
    "emoji of several characters": "👩🏽‍💻🏳️‍🌈🇨🇳",
    "quotes and backslashes": "a \"b\" \\ \\n \\u0041 'c'",
    "YAML": "--- # & * ! | > % @ ` {a: [b]} yes: no",
    "only a colon": ":",
    "spaces at both ends": "  a  b  ",
    "numbers, booleans, nothing": "null",
    "line ends that are none in HTML": "a\u2028b\u2029c\u0085d",
    "control characters": "".join(map(chr, [*range(1, 32), *range(127, 160)])),
    "byte order marks": "\ufeffa\ufeff",
    "what is no character": "\ufffe\uffff\ufdd0\U0001ffff",
    "private use": "\ue000\U000f0000\U0010fffd",
    "right to left": "\u202eabc\u202c\u2066d\u2069",
    "invisible": "\u00ad\u200b\u3164\u2800\u00a0",
    "tags": "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Chinese, also rare": "学习日志𠮷",
    "long": "a b" * 40,
}


def all_characters() -> list[str]:
    """Titles with all characters of Unicode that are assigned, and all of the first plane."""
    characters = [
        chr(number)
        for number in range(1, 0x110000)
        if not 0xD800 <= number <= 0xDFFF
        and (number < 0x10000 or unicodedata.category(chr(number)) not in ("Cn", "Co"))
    ]
    # The wide range of Chinese characters is all of one kind: each hundredth stands for it.
    wide = [c for c in characters if unicodedata.category(c) == "Lo" and ord(c) > 0x3400]
    characters = sorted({*characters} - {*wide} | {*wide[::100]})
    return ["".join(characters[start : start + 500]) for start in range(0, len(characters), 500)]


def read_back(project, titles: list[str]) -> None:
    path = project.base / "titles.json"
    path.write_text(json.dumps(titles))
    result = project.python("-c", FRONT_MATTER, str(path))
    assert result.code == 0, str(result)
    pyyaml = pytest.importorskip("yaml", reason=NEEDED)
    ruamel = pytest.importorskip("ruamel.yaml", reason=NEEDED).YAML(typ="safe", pure=True)
    for title, text in zip(titles, json.loads(result.output), strict=True):
        start, head, rest = text.split("---\n")
        assert not start, f"no front matter at the start: {text!r}"
        assert not rest.strip(), f"more than front matter: {text!r}"
        for name, load in {"PyYAML": pyyaml.safe_load, "ruamel.yaml": ruamel.load}.items():
            found = load(head)
            wrong = [pair for pair in zip_longest(title, found["title"]) if len({*pair}) > 1]
            assert not wrong, f"{name} reads {wrong[0][1]!a} where {wrong[0][0]!a} was written"
            assert isinstance(found["date"], datetime), f"{name} reads no time from {head[-30:]!r}"


@pytest.mark.since("5.archive")
def test_titles_are_read_back_as_they_were(project):
    """YAML readers read each title in the front matter as it was written."""
    read_back(project, list(TITLES.values()))


@pytest.mark.since("5.archive")
@pytest.mark.slow
def test_each_character_is_read_back_as_it_was(project):
    """YAML readers read each character of Unicode as it was written."""
    read_back(project, all_characters())


@pytest.mark.since("5.pages")
def test_files_of_1970_are_no_problem_and_the_archive_is_the_same_again(idle_server):
    """An archive does not depend on the times of files or clocks."""
    project = idle_server.start().project
    project.flask("seed", "--username", "ada", "--password", "a-long-password", "--posts", "3")
    folder = project.base / "disk"
    result = project.python("-c", OLD_DISK, "ada", str(folder))
    assert result.code == 0, str(result)
    first, second = (folder / f"{number}.zip" for number in (1, 2))
    assert first.read_bytes() == second.read_bytes(), "the same posts make another archive"
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            assert info.external_attr >> 16 & 0o400, f"{info.filename} cannot be read when unpacked"
            assert info.compress_type == zipfile.ZIP_DEFLATED, f"{info.filename} is not compressed"
