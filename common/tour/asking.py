"""A plugin for pytest: asks an app for its promises in the order of the course, and says in JSON
what came of each, a line each, on standard output.

It begins with the promise that STUDY_LOG_FIRST names, which was not kept the last time.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from common import lessons

MARK = "since"


def place_of(item: pytest.Item) -> str:
    """Return the step or part that a promise begins with."""
    mark = item.get_closest_marker(MARK)
    return str(mark.args[0]) if mark else "1"


def say(**event: Any) -> None:
    """Print a line of JSON; pytest may be in the middle of one of its own."""
    print("\n" + json.dumps(event), file=sys.__stdout__, flush=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Put the promises in the order of the course, and list them."""
    yield
    first = os.environ.get("STUDY_LOG_FIRST", "")
    items.sort(
        key=lambda item: (
            item.nodeid != first,
            lessons.position(lessons.find_state(place_of(item))),
        )
    )
    promises = []
    for item in items:
        text = inspect.getdoc(getattr(item, "function", None)) or item.name
        part = lessons.last_part(lessons.find_state(place_of(item)))
        promises.append({"id": item.nodeid, "title": text.split("\n")[0], "part": part.code})
    say(event="promises", promises=promises)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say what came of a promise."""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash else str(report.longrepr)
        say(event="broken", id=report.nodeid, text=text[:3000])
    elif report.when == "call" or report.skipped:
        say(event="skipped" if report.skipped else "kept", id=report.nodeid)
