"""`learn.py tour --html DIR`: the tour as files, for any host and under any path.

All links are relative, and a script searches. What needs a program is left out: the comparison of
any two states, and the app of the learner.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urldefrag

import click

from common import ui

from . import notes
from . import pages
from .app import create_app
from .app import file_of

# What says that a folder was written by this, and may be written again.
MARK = ".study-log-tour"
STYLES = ("pico.min.css", "highlight.css", "favicon.svg", "pico.LICENSE")


def export(folder: Path) -> int:
    """Write the tour into a folder, and return how many pages it has."""
    folder = folder.expanduser().absolute()
    try:
        prepare(folder)
        files = dict(_files())
        if problems := list(_dead_links(files)):
            raise click.ClickException("\n".join(["The tour has links to nothing:", *problems]))
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / MARK).touch()
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}.") from error
    return sum(name.endswith(".html") for name in files)


def prepare(folder: Path) -> None:
    """See to it that nothing of somebody else's is in the folder, and nothing of an older tour."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / MARK).is_file():
            raise click.ClickException(
                f"{folder} is there already, and not from here; give the name of a new folder."
            )
        for old in folder.iterdir():
            if old.name.startswith("."):
                continue  # .git and the like belong to who keeps the folder
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield each file of the tour: its name and its content."""
    app = create_app(None, static=True)
    texts = [page for page in notes.texts().pages if page.startswith(("/text/", "/docs/"))]
    with app.test_client() as client:
        for page in ["/", *pages.order(), *texts, "/search", "/search-index.js"]:
            answer = client.get(page)
            if answer.status_code != 200:
                raise click.ClickException(f"The page {page} answers {answer.status}.")
            yield file_of(page), answer.data
    static = Path(str(app.static_folder))
    for name in ("tour.css", "tour.js", "search.js"):
        yield f"static/{name}", (static / name).read_bytes()
    look = Path(str(ui.bp.static_folder))
    for name in STYLES:
        yield f"ui/{name}", (look / name).read_bytes()
    for picture in sorted([*notes.DOCS.glob("*.png"), *notes.DOCS.glob("*.svg")]):
        yield f"pictures/{picture.name}", picture.read_bytes()


class _Links(HTMLParser):
    """The links of a page, and the names that links can lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.names.add(value)


def _dead_links(files: dict[str, bytes]) -> Iterator[str]:
    """Yield each link that leads to no file, or to no place in it."""
    read = {name: _Links(c.decode()) for name, c in files.items() if name.endswith(".html")}
    for name, page in read.items():
        for link in page.links:
            if "://" in link or link.startswith("mailto:"):
                continue
            path, fragment = urldefrag(link)
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path)))
            target = target if path else name
            known = read[target].names if target in read else set()
            if target not in files or (fragment and unquote(fragment) not in known):
                yield f"{name}: {link}"
