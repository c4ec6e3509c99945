"""Writing a post in a real browser: how much still fits, and what keeps a text from being lost."""

from collections.abc import Iterator

import pytest

from tests.support.browser import Person
from tests.support.chromium import Chromium

pytestmark = [
    pytest.mark.since("2.unsaved"),
    pytest.mark.ours,
    pytest.mark.about("app/templates/posts/form.html"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.not_on_mysql("what the browser does with the pages"),
]

LEFT = "document.querySelector('.left').textContent"
SPOKEN = "document.querySelector('form [role=status]').textContent"
TYPE = """(() => {
    const area = document.querySelector("textarea");
    area.value = arguments[0];
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
    return true;
})()"""
# Whether the browser would ask. A driver answers the question itself; this is the same event.
ASKS = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
PUBLISH = "main form button:not([name])"


@pytest.fixture
def tab(chromium: Chromium, person: Person) -> Iterator[Chromium]:
    """The browser, with the form of a new post in it."""
    chromium.reset(person).open("/posts/new")
    yield chromium
    chromium.check_logs()
    chromium.open_nothing()


@pytest.mark.since("3.post-fields")
def test_the_form_says_how_much_of_a_text_still_fits(tab):
    """Below the text is how many characters still fit, counted as the server counts them."""
    assert tab.js(LEFT) == "10,000 characters left"
    for text, words in (
        ("😀" * 100, "9,900 characters left"),
        ("one\ntwo", "9,993 characters left"),
        ("  \n x \n", "9,999 characters left"),
        ("x" * 9999, "1 character left"),
        ("x" * 10_002, "2 characters too many"),
    ):
        tab.js(TYPE, text)
        assert tab.js(LEFT) == words, f"for {text[:10]!r}"
    described = tab.js("document.querySelector('textarea').getAttribute('aria-describedby')")
    for name in described.split():
        assert tab.js(f"document.getElementById('{name}') !== null"), f"{name} is not there"


@pytest.mark.since("3.post-fields")
def test_how_much_still_fits_is_read_aloud_near_the_end_alone(tab):
    """A screen reader reads how much still fits only near the end, and not at each key."""
    tab.js(TYPE, "x" * 9900)
    assert tab.js(SPOKEN) == "", "it is read aloud at each key"
    tab.wait(f"{SPOKEN} === '100 characters left'", "it is read aloud after a pause")
    tab.js(TYPE, "x" * 100)
    tab.wait(f"{SPOKEN} === ''", "nothing is read aloud where much still fits")


def test_the_browser_asks_before_a_text_is_lost(tab):
    """The browser asks before it leaves a changed form, and never after the form was sent."""
    assert not tab.js(ASKS), "the browser asks though nothing is typed"
    tab.click("textarea")
    tab.press("a text")
    assert tab.js(ASKS), "the browser leaves a form with a text, and does not ask"
    tab.press("Backspace", *["Backspace"] * 5)
    assert not tab.js(ASKS), "the browser asks though all is as it was"
    tab.press("another text")
    tab.click("[name=title]")
    tab.press("A title", "Enter")
    tab.wait("location.pathname !== '/posts/new'", "Enter publishes, and nothing is asked")


@pytest.mark.since("3.preview")
def test_the_browser_asks_before_a_previewed_text_is_lost(tab):
    """The browser asks before it leaves a preview: its text is saved nowhere."""
    tab.click("[name=title]")
    tab.press("A title", "Tab", "a *text*")
    tab.click("[name=preview]")
    tab.wait("document.querySelector('main em')", "the preview")
    assert tab.js(ASKS), "the browser leaves a preview and does not ask"
    tab.click(PUBLISH)
    tab.wait("location.pathname !== '/posts/new'", "it is published, and nothing is asked")


def test_a_text_survives_a_session_that_ended(tab, person):
    """A text that was sent after the session had ended is in the form again after the login."""
    tab.click("[name=title]")
    tab.press("A title", "Tab", "an hour of work")
    tab.cdp("Network.clearBrowserCookies")
    tab.click(PUBLISH)
    tab.wait("document.querySelector('textarea') === null", "what follows is not the form")
    tab.forget_console()  # from step 3 on it says that the answer was a 400
    tab.open("/auth/login?next=/posts/new")
    tab.click("[name=username]")
    tab.press(person.username, "Tab", person.password, "Enter")
    tab.wait("location.pathname === '/posts/new'", "the form after the login")
    text = "document.querySelector('textarea').value"
    tab.wait(f"{text} === 'an hour of work'", "the text is in the form again")
    assert tab.js(ASKS), "the browser leaves the text that it brought back, and does not ask"
    tab.click(PUBLISH)
    tab.wait("location.pathname !== '/posts/new'", "it is published")
    tab.open("/posts/new")
    assert tab.js(text) == "", "a text that is published is in the next form"
