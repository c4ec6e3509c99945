"""All of the tour in a real browser: each page is drawn, and says nothing to the console."""

from collections.abc import Iterator

import pytest

from common.lessons import all_parts
from common.steps import STEPS
from tests.support.axe import axe_source
from tests.support.chromium import Chromium
from tests.support.tour import Tour
from tests.test_accessibility import Findings

pytestmark = [pytest.mark.patient, pytest.mark.xdist_group("tour")]

# How far the page of a part is: its hunks are there, and nothing is wider than the screen.
DRAWN = """[
    document.querySelectorAll(".hunk tr").length > 0,
    document.documentElement.scrollWidth <= innerWidth,
    document.querySelector("button.done").checkVisibility(),
]"""


@pytest.fixture(scope="module")
def tour() -> Iterator[Tour]:
    """The tour at work."""
    tour = Tour()
    yield tour
    tour.close()


@pytest.fixture
def tab(tour: Tour, request: pytest.FixtureRequest) -> Chromium:
    """A real browser that has opened the address of the tour."""
    axe_source()  # skips where there is none, before a browser is started
    return request.getfixturevalue("chromium").reset(tour.visitor(), width=1440)


@pytest.mark.parametrize("width", [1440, 360])
def test_each_part_is_drawn(tab, width):
    """Every part of every lesson is drawn, without a word in the console, on both widths."""
    tab.set_width(width)
    for part in all_parts():
        if not part.changes:
            continue
        tab.open(f"/{part.number}/{part.place}")
        assert tab.js(DRAWN) == [True, True, True], f"{part.name}, {width} pixels"
        tab.check_logs()


@pytest.mark.parametrize("path", ["/", "/diff/1.2/1.4", "/diff/1/1.4?by=part", "/search?q=route"])
def test_other_pages_are_accessible(tab, path):
    """Axe finds nothing on the pages beside the lessons."""
    tab.open(path)
    findings = Findings()
    findings.add(tab, path)
    findings.check()


@pytest.mark.parametrize("number", [step.number for step in STEPS[1:]])
def test_lessons_are_accessible(tab, number):
    """Axe finds nothing on the pages of the other lessons, and of their first and last parts."""
    parts = [part for part in all_parts() if part.number == number]
    for path in (f"/{number}", *(f"/{number}/{part.place}" for part in (parts[0], parts[-1]))):
        tab.open(path)
        findings = Findings()
        findings.add(tab, path)
        findings.check()
