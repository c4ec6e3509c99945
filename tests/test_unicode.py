"""Emoji and Chinese in every field, letter by letter, on every database."""

import pytest

from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.exports import Export

pytestmark = pytest.mark.since("2.write")

# One, two, three and four bytes a character; joined emoji; Chinese beyond the first 65,536.
MIXED = "Ada é 学习 𠮷𡈽 👩🏽‍💻📚"
# The longest that the forms take, of the largest characters: 40,000 bytes.
LONG = "📚𠮷" * 5000


def new_person(server) -> Person:
    person = Person(server)
    person.username = f"{new_name('')} 学习 𠮷📚"
    person.password = "密码📚 correct horse"
    return person


@pytest.mark.since("2.login")
def test_a_username_and_a_password_in_chinese_and_emoji(server):
    """A username and a password may have Chinese characters and emoji."""
    person = new_person(server)
    page = person.register(person.username, person.password)
    assert any(person.username in message for message in page.messages), f"{page} to a new member"
    assert person.username in person.get("/").words
    person.logout()
    page = person.login(person.username, person.password)
    assert person.is_logged_in(), f"{page}; “{person.username}” could register, but not log in"
    assert person.username in page.words
    person.close()


@pytest.mark.since("2.markdown")
def test_a_post_in_chinese_and_emoji(person, visitor):
    """A post may have Chinese characters and emoji."""
    number = person.write(MIXED, f"{MIXED}\n\n*{MIXED}*")
    page = visitor.get(f"/posts/{number}")
    assert page.heading == MIXED
    assert page.soup.find("em", string=MIXED), f"{page} without the text as it was typed"
    assert MIXED in visitor.get("/posts/").words


def test_the_longest_post_of_four_byte_characters(person, visitor):
    """The longest title and text may consist of emoji and rare Chinese characters."""
    title = "📚" * 120
    number = person.write(title, LONG)
    page = visitor.get(f"/posts/{number}")
    assert page.heading == title
    assert LONG in page.words, f"{page}; 10,000 characters went in, and others came out"


@pytest.mark.since("3.edit")
def test_editing_keeps_four_byte_characters(person):
    """Editing keeps emoji and rare Chinese characters."""
    number = person.write("Short", "text")
    person.submit(f"/posts/{number}/edit", title="📚" * 120, body=LONG)
    form = person.get(f"/posts/{number}/edit")
    assert form.soup.find("input", {"name": "title"})["value"] == "📚" * 120
    assert form.soup.find("textarea").get_text().strip() == LONG, f"{form} has another text"


@pytest.mark.since("5.pages")
@pytest.mark.usefixtures("worker")
def test_an_archive_in_chinese_and_emoji(server):
    """An archive keeps Chinese characters and emoji."""
    person = new_person(server).join()
    bodies = {MIXED: LONG, "学习日志": MIXED}
    for title, body in bodies.items():
        person.write(title, body)
    with Export.start(person).until_end().archive() as archive:
        texts = {
            name: archive.read(name).decode() for name in archive.namelist() if "posts/" in name
        }
    for title, body in bodies.items():
        assert [text for text in texts.values() if text.endswith(f"\n{body}\n")], f"no {title}.md"
        assert [text for text in texts.values() if f"<h1>{title}</h1>" in text], f"no page {title}"
    person.close()
