"""Names, titles and passwords: what is the same to a reader is the same to the app."""

import pytest

from tests.support.browser import Browser
from tests.support.browser import new_name

pytestmark = [pytest.mark.since("3.visible"), pytest.mark.about("app/names.py", "app/forms.py")]

PASSWORD = "a long password"

# Each shows nothing, though Python's str.isprintable() and str.strip() let most of them through.
INVISIBLE = {
    "HANGUL FILLER": "\u3164",
    "HALFWIDTH HANGUL FILLER": "\uffa0",
    "HANGUL CHOSEONG FILLER": "\u115f",
    "HANGUL JUNGSEONG FILLER": "\u1160",
    "BRAILLE PATTERN BLANK": "\u2800",
    "MUSICAL SYMBOL NULL NOTEHEAD": "\U0001d159",
    "COMBINING GRAPHEME JOINER": "\u034f",
    "VARIATION SELECTOR-1": "\ufe00",
    "VARIATION SELECTOR-17": "\U000e0100",
    "MONGOLIAN VOWEL SEPARATOR": "\u180e",
    "MONGOLIAN FREE VARIATION SELECTOR": "\u180b",
    "KHMER VOWEL INHERENT AQ": "\u17b4",
    "ZERO WIDTH SPACE": "\u200b",
    "ZERO WIDTH JOINER": "\u200d",
    "WORD JOINER": "\u2060",
    "SOFT HYPHEN": "\u00ad",
    "TAG LATIN SMALL LETTER A": "\U000e0061",
    "NO-BREAK SPACE": "\u00a0",
    "IDEOGRAPHIC SPACE": "\u3000",
    "several": "\u3164\u2800\u200b \u034f",
}
invisible = pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE.keys())


@invisible
def test_a_name_that_nobody_can_see_is_refused(visitor, text):
    """A name without a visible character is refused, with a message."""
    page = visitor.register(text, PASSWORD)
    assert not visitor.is_logged_in(), f"{page}; there is an account whose name nobody can see"
    assert page.status < 500
    assert page.messages, f"{page}, and no message says why"


@invisible
def test_a_title_that_nobody_can_see_is_refused(person, visitor, text):
    """A title without a visible character is refused: nobody could click on it."""
    before = visitor.get("/posts/").post_ids()
    page = person.submit("/posts/new", title=text, body="text")
    assert visitor.get("/posts/").post_ids() == before, f"{page}; there is a post without a title"
    assert page.messages, f"{page}, and no message says why"


@invisible
def test_nobody_registers_as_somebody_else_with_something_invisible(server, account, text):
    """A name that differs from another one by invisible characters is not given."""
    name = account.username
    for fake in (f"{name}{text}", f"{text}{name}", f"{name[:4]}{text}{name[4:]}"):
        if " " in " ".join(fake.split()) or {"\u2800", "\U0001d159"} & set(fake[1:-1]):
            continue  # a gap in the middle can be seen
        with Browser(server) as browser:
            page = browser.register(fake, PASSWORD)
            assert not browser.is_logged_in(), f"{page}; {fake!r} looks like {name!r}"
            assert page.messages, f"{page}, and no message says why"


@pytest.mark.since("2.write")
@pytest.mark.parametrize(
    "title",
    ["I ❤️ Flask", "👩‍💻 day 1", "学习日志", "नमस्ते", "Straße №5", "🇩🇪", "e\u0301t\u00e9"],
)
def test_a_title_in_any_script_is_taken(person, title):
    """A title may have letters of any script, symbols and emoji."""
    number = person.write(title)
    assert number


@pytest.mark.since("3.names")
@pytest.mark.parametrize(
    "name", ["学习日志", "Ada Lovelace", "محمد", "नमस्ते", "Ωμέγα", "Günther 🎉"]
)
def test_a_name_in_any_script_is_taken(server, name):
    """A name may have letters of any script, and works at the next login."""
    name = f"{name} {new_name('')}"
    with Browser(server) as browser, Browser(server) as other:
        page = browser.register(name, PASSWORD)
        assert browser.is_logged_in(), f"{page} for the name {name!r}"
        other.login(name.upper(), PASSWORD)
        assert other.is_logged_in(), f"{name!r} cannot log in as {name.upper()!r}"


def test_a_name_is_kept_in_its_standard_spelling(visitor):
    """A name is kept in its standard spelling: full width as normal width, a gap as one space."""
    name = new_name("Ada  ")
    page = visitor.register(name.replace("Ada", "\uff21\uff44\uff41"), PASSWORD)
    assert visitor.is_logged_in(), f"{page}"
    menu = visitor.get("/").soup.find("nav").get_text()
    assert " ".join(name.split()) in menu, f"{page}, and the menu has another spelling: {menu}"


# The same password, typed on two systems.
SAME_PASSWORDS = {
    "composed and decomposed": ("pässwörd für mich", "pa\u0308sswo\u0308rd fu\u0308r mich"),
    "Hangul": (
        "비밀번호 여덟자",
        "\u1107\u1175\u1106\u1175\u11af\u1107\u1165\u11ab\u1112\u1169 여덟자",
    ),
    "a no-break space": ("correct horse", "correct\u00a0horse"),
    "an ideographic space": ("correct horse", "correct\u3000horse"),
    "Å as ångström": ("\u00c5ngström 123", "\u212bngström 123"),
}


@pytest.mark.since("3.passwords")
@pytest.mark.parametrize(("first", "second"), SAME_PASSWORDS.values(), ids=SAME_PASSWORDS.keys())
def test_a_password_is_the_same_on_every_keyboard(server, first, second):
    """A password that another system spells with other code points still logs in."""
    for chosen, typed in ((first, second), (second, first)):
        name = new_name()
        with Browser(server) as browser, Browser(server) as other:
            page = browser.register(name, chosen)
            assert browser.is_logged_in(), f"{page} for the password {chosen!r}"
            page = other.login(name, typed)
            assert other.is_logged_in(), f"{page}; {chosen!r} was chosen, {typed!r} typed"
    with Browser(server) as stranger:
        stranger.login(name, first + " ")
        assert not stranger.is_logged_in(), f"one space more was taken for {first!r}"


@pytest.mark.parametrize("password", ["eight\x00chars", "eight\u200bchars", "tab\tin the middle"])
def test_a_password_that_hides_a_character_is_refused(visitor, password):
    """A password with an invisible character is refused: its owner might never type it again."""
    page = visitor.register(new_name(), password)
    assert not visitor.is_logged_in(), f"{page} for the password {password!r}"
    assert page.messages, f"{page}, and no message says why"
