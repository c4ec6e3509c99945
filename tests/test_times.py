"""Times on pages: they name their zone, and a script shows them in that of the reader."""

import re
from datetime import UTC
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag

from common.steps import State
from tests.support.browser import Page
from tests.support.exports import Export

pytestmark = pytest.mark.since("2.write")

# A time as a program writes it, such as 2026-01-05 10:00.
BARE_TIME = re.compile(r"\d{4}-\d\d-\d\d[ ,T]+\d\d:\d\d")
# Half an hour off, and on another day than UTC: what is wrong by hours or minutes shows.
ZONES = ["Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"]


def check_names_zone(tag: Tag, where: object) -> datetime:
    """Check that a ``<time>`` says in its text and for programs that it is UTC; return it."""
    assert tag.get("datetime"), f"{where}: {tag} has no datetime that a script can read"
    time = datetime.fromisoformat(tag["datetime"])
    assert time.tzinfo, f"{where}: the datetime of {tag} does not name its zone"
    text = tag.get_text()
    assert text.endswith(" UTC"), f"{where}: {text!r} does not say in which zone it is"
    shown = datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)
    assert shown == time, f"{where}: {tag} says two different times"
    return time


@pytest.mark.since("2.times")
@pytest.mark.about("app/templates/")
def test_times_name_their_zone(pages: list[Page], step: State):
    """Every time on a page names its zone: it is UTC."""
    found = 0
    for page in pages:
        for tag in page.soup("time"):
            check_names_zone(tag, page)
            found += 1
        others = page.soup.body or page.soup
        for tag in others(["time", "code"]):  # in <code> it is what one types
            tag.replace_with("")
        bare = BARE_TIME.search(others.get_text(" "))
        assert not bare, f"{page}: “{bare[0]}” is in no <time>, and says no zone"
    assert found > (5 if step.has("seed") else 0), f"only {found} times on all pages"


@pytest.mark.about("app/templates/")
def test_a_new_post_has_the_time_of_now(person):
    """The time of a new post is the present time."""
    page = person.get(f"/posts/{person.write()}")
    time = check_names_zone(page.soup.find("time"), page)
    age = (datetime.now(UTC) - time).total_seconds()
    assert -60 < age < 180, f"{page}: written now, and dated {time}"


def in_words(text: str, zone: str) -> str:
    """Return a time of a ``datetime`` attribute as the script shows it in a zone."""
    time = datetime.fromisoformat(text).astimezone(ZoneInfo(zone))
    seconds = f"{time:%S}" if text.count(":") == 2 else ""
    clock = ":".join(filter(None, [f"{time:%H:%M}", seconds]))
    return f"{time:%b} {time.day}, {time.year}, {clock}"


@pytest.mark.ours
@pytest.mark.about("app/templates/")
@pytest.mark.parametrize("zone", ZONES)
def test_a_script_shows_times_in_the_zone_of_the_reader(request, step, server, chromium, zone):
    """With scripts, times are shown in the time zone of the reader, and UTC is one look away."""
    if step.has("admin"):
        reader = request.getfixturevalue("admin")[0].again()
    else:
        reader = request.getfixturevalue("person")
    paths = ["/posts/", f"/posts/{reader.write()}"]
    paths += ["/admin/post/", "/admin/user/"] if step.has("admin") else []
    if step.has("exports"):
        reader.submit("/exports/")
        paths.append("/exports/")
    tab = chromium.reset(reader)
    tab.cdp("Emulation.setTimezoneOverride", timezoneId=zone)
    try:
        for path in paths:
            tab.open(path)
            times = tab.js(
                "[...document.querySelectorAll('time')]"
                ".map(time => [time.dateTime, time.textContent, time.title])"
            )
            assert times, f"{path} has no times"
            for value, text, title in times:
                assert text == in_words(value, zone), f"{path} shows {value} in {zone} as {text}"
                assert title.endswith(" UTC"), f"{path}: nothing tells the UTC of {text}"
        tab.check_logs()
    finally:
        tab.cdp("Emulation.setTimezoneOverride", timezoneId="")
        tab.open_nothing()


@pytest.mark.since("5.pages")
@pytest.mark.one_step
def test_times_in_an_archive_name_their_zone(worker, join):
    """The pages in an archive need no script for it: their times name the zone."""
    person = join()
    post = person.write()
    with Export.start(person).until_end().archive() as archive:
        pages = [name for name in archive.namelist() if name.endswith(".html")]
        assert f"posts/{post}.html" in pages, f"the archive has no page for the post: {pages}"
        for name in pages:
            soup = BeautifulSoup(archive.read(name), "html.parser")
            check_names_zone(soup.find("time"), name)


@pytest.mark.since("4.search")
@pytest.mark.one_step
def test_filters_by_time_say_that_they_compare_utc(admin):
    """The admin page's filters by time say that they compare UTC, since the list shows more."""
    page = admin[0].get("/admin/post/")
    names = [group["label"] for group in page.soup.select("#filter optgroup")]
    assert "Written (UTC)" in names, f"the filters are {names}"
