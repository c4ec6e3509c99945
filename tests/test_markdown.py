"""Markdown: what a text may cost, and how it is shown."""

import functools
import itertools
import random
import re
import signal
import time
import tracemalloc
from collections.abc import Iterator
from html import unescape

import pytest
from pygments.lexers import get_all_lexers

from common import ui
from common.ui.lexers import LEXERS
from common.ui.rendering import render
from tests.support.browser import NoAnswer

SIZE = 10_000  # what a post may have
MAX_RATIO = 20
MAX_BYTES = 1_000_000

# Notes as a learner writes them.
NOTES = """## What I learned about *routes*

A function answers a URL. [The docs](https://flask.palletsprojects.com/) call it a **view**. Its
name is what `url_for` takes; so a link does not break when the address changes.

1. Write the function.
2. Decorate it with `@app.get("/")`.
   - A rule may have parts, `<int:post_id>`.

| method | for |
| ------ | --- |
| GET    | reading |
| POST   | changing |

> A blueprint is a part of an app.

```python
@bp.get("/<int:post_id>")
def show(post_id: int) -> str:
    post = db.get_or_404(Post, post_id)  # 404 if there is none
    return render_template("posts/show.html", post=post)
```

"""

# What means something in Markdown or in code.
VISIBLE = """
* ** *** _ __ ` `` ``` ~~~ [ ] ( ) ]( ![ [a] [a]: [a](b) [a](<b> < > - + 1. 1) # | |- -| a| \\ & &#
&amp; a x0 " ' : ; , . = === --- http:// <http:// <a@b. <!-- </a ]: $ ${ {{ {% {# }} @ % /* */ // --
''' \"\"\" f" \\" \\' 中 ： é 🎉
"""
SPACES = ["\n", "\n\n", "\n ", "\n    ", " ", "    ", "\t", "\u00a0"]
MARKS = [*VISIBLE.split(), *SPACES, "> ", "- ", "1. ", "# ", '" \n', "\x00"]


def fill(text: str, size: int = SIZE) -> str:
    return (text * (size // len(text) + 1))[:size]


def hostile(marks: list[str], chance: random.Random) -> Iterator[str]:
    """Yield texts of ``SIZE`` characters that say the same few things again and again."""
    a, b, c, d = (chance.choice(marks) for _ in range(4))
    depth = chance.choice([1, 2, 3, 5, 8, 12, 19, 20, 60])
    yield a + fill(b + c)
    yield fill(a)
    yield fill(a + "\n")
    yield fill(a + b + c + d)
    yield fill(a + b + c + "\n")
    yield fill(a, SIZE // 2) + c + fill(b, SIZE // 2)
    yield fill(a, SIZE // 3) + fill(b, SIZE // 3) + fill(c, SIZE // 3)
    yield a + fill(b, SIZE // 2) + fill(c, SIZE // 2)
    yield fill(a * depth + b + "\n" + c + "\n")
    yield a * depth + b + "\n" + fill(c + "\n")
    yield "".join(a * count + b + "\n" for count in range(1, 200))
    yield "".join("  " * count + a + b + "\n" for count in range(1, 200))
    yield "".join(chance.choice([a, b, c, d]) for _ in range(SIZE))
    yield "".join(chance.choice(marks) for _ in range(SIZE))
    yield a + b + fill("".join(chance.choice(marks) for _ in range(chance.randint(1, 8))))


def hostile_tables_and_links(marks: list[str], chance: random.Random) -> Iterator[str]:
    """Yield texts where few characters ask for many: cells left out, definitions used again."""
    a, b = chance.choice(marks), chance.choice(marks)
    columns = chance.choice([1, 2, 3, 5, 10, 30, 100, 181, 500, 1000])
    head = "a|" * columns + "\n" + "-|" * columns + "\n"
    yield head + fill(b + "\n")
    yield fill(head + fill("x\n", columns * 4) + "\n")
    yield fill(f"> {head.strip()}\n")
    yield f"[a]: {fill(a, SIZE // 2)}\n\n" + fill("[a]" + b)
    yield f'[a]: b "{fill(a, SIZE // 2)}"\n\n' + fill("[a]")
    yield "".join(f"[{number}]: {a}{b}\n" for number in range(600)) + fill("[1]")


def marks_of(language: str) -> list[str]:
    """Return MARKS and what the rules of a lexer are made of, if it has rules."""
    states = getattr(LEXERS[language], "tokens", {})
    patterns = [rule[0] for rules in states.values() for rule in rules if isinstance(rule, tuple)]
    found = re.findall(r"[^\W_]+|[^\w\s]", " ".join(filter(is_text, patterns)))
    return sorted({*MARKS, *found})


def is_text(pattern: object) -> bool:
    return isinstance(pattern, str)


latest = [""]  # what is looked at, for a test that finds no end


def seconds(text: str) -> tuple[float, str]:
    """Return how long a text takes, and its HTML."""
    latest[0] = text
    render.cache_clear()  # as for the first reader: the others get what it has kept
    before = time.thread_time()  # of this process alone, whatever else the machine does
    html = ui.markdown(text)
    return time.thread_time() - before, html


@functools.cache
def usual() -> float:
    """Return how long an ordinary text of SIZE takes."""
    return min(seconds(fill(NOTES))[0] for _ in range(5))


@pytest.fixture(autouse=True)
def no_end() -> Iterator[None]:
    """End a test that would go on for hours inside one match of a regular expression."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def stop(*_: object) -> None:
        pytest.fail(f"no end within a minute: {latest[0][:80]!r}…")

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


def check(text: str) -> None:
    """Fail if a text takes too long or becomes too large; measure again before it counts."""
    text = text[:SIZE]
    took, html = seconds(text)
    assert len(html.encode()) <= MAX_BYTES, f"{len(html)} characters of HTML for {text[:80]!r}…"
    for _ in range(3):
        if took <= MAX_RATIO * usual():
            return
        took = min(took, seconds(text)[0])
    pytest.fail(f"{took / usual():.0f} times as long as an ordinary text: {text[:80]!r}…")


def fenced(language: str, code: str) -> str:
    return f"~~~~~~{language}\n{code[: SIZE - 100]}\n~~~~~~"


def search(seed: int) -> None:
    chance = random.Random(seed)
    containers = ["> ", "- ", "1. ", "\n", "    ", "a", chance.choice(MARKS)]
    texts = (
        hostile(MARKS, chance),
        hostile_tables_and_links(MARKS, chance),
        hostile(containers, chance),
    )
    for text in itertools.chain(*texts):
        check(text)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_no_text_costs_much_more_than_an_ordinary_one(seed):
    """No text takes much longer to render than an ordinary one."""
    search(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_no_text_of_many_costs_much_more_than_an_ordinary_one(seed):
    """No text of many generated ones takes much longer to render than an ordinary one."""
    search(seed)


@pytest.mark.slow
@pytest.mark.parametrize("container", ["> ", "- ", "1. ", "> - "])
def test_no_containers_cost_much_more_than_an_ordinary_text(container):
    """No quotations or lists in each other take much longer to render than an ordinary text."""
    depths, insides, befores = (1, 2, 20), ("", "a", "- "), ("a", "</a", "    -")
    for depth, inside, before in itertools.product(depths, insides, befores):
        check(fill(f"{container * depth}{inside}\n{before}\n"))


ONCE_EACH = sorted({lexer: name for name, lexer in LEXERS.items()}.values())


@pytest.mark.slow
@pytest.mark.parametrize("language", ONCE_EACH)
def test_nothing_that_is_left_open_makes_code_backtrack(language):
    """Nothing that is left open makes the highlighter backtrack."""
    repeated = (
        "\\",
        "\\\\",
        "\\a",
        "a",
        "a ",
        " ",
        "\n",
        '""',
        "''",
        "*",
        "-",
        "#",
        "{",
        "&",
        "a:",
        "a=",
    )
    for mark, pump in itertools.product(marks_of(language), repeated):
        check(fenced(language, mark + fill(pump, 300)))


def search_code(language: str, seeds: range) -> None:
    for seed in seeds:
        for code in hostile(marks_of(language), random.Random(f"{language} {seed}")):
            check(fenced(language, code))


@pytest.mark.parametrize("language", ONCE_EACH)
def test_no_code_costs_much_more_than_an_ordinary_text(language):
    """No code takes much longer to highlight than an ordinary text to render."""
    search_code(language, range(2))


@pytest.mark.slow
@pytest.mark.parametrize("language", ONCE_EACH)
def test_no_code_of_many_costs_much_more_than_an_ordinary_text(language):
    """No code of many generated ones takes much longer to highlight than a text to render."""
    search_code(language, range(100, 110))


# Each takes the lexer of Pygments, which is not used, from seconds to hours.
BACKTRACKING = {
    "rell": '"' + "\\" * 40,
    "scala": '"' + "\\" * 40,
    "autohotkey": '" \n' * 3_000,
    "bash": "$'" + "\\" * 40,
    "ini": "a" + " " * 5_000,
    "python": " \n" * 5_000,
    "console": "a:" * 5_000,
    "css": "{" + "yes" * 3_000,
    "html": "&" * 10_000,
    "javascript": "'\\" * 5_000,
    "jinja": "{{" + "'\\" * 5_000,
    "toml": "'''" + "*" * 9_000,
    "pycon": '  File "a", line 7' * 500,
}


@pytest.mark.parametrize("language", BACKTRACKING)
def test_code_that_makes_regular_expressions_backtrack(language):
    """Code that makes regular expressions backtrack is shown in time."""
    check(fenced(language, BACKTRACKING[language]))


def test_a_language_is_either_safe_or_plain():
    """A language is highlighted if its lexer is safe, and shown as plain text otherwise."""
    code = "".join(BACKTRACKING.values())[:2_000] + "\n# def if 1 'a' \"b\" <c> /* d */\n"
    names = {name for _, aliases, _, _ in get_all_lexers() for name in aliases}
    assert names > {"python", "rell"}
    for name in sorted(names - LEXERS.keys()):
        took, html = seconds(fenced(name, code))
        assert "<span" not in html, f"{name} is coloured, but nobody has searched for slow texts"
        assert took <= MAX_RATIO * usual(), f"{name} takes {took:.1f} s"


WIDE_TABLE = "|".join("a" * 181) + "\n" + "|".join("-" * 181) + "\n" + "x\n" * 364


@pytest.mark.parametrize(
    "text",
    [
        fill(WIDE_TABLE + "\n"),
        "[a]: " + "🎉" * 5_000 + "\n\n" + "[a]" * 1_600,
        "[a]: b '" + "<" * 5_000 + "'\n\n" + "[a]" * 1_600,
    ],
    ids=["tables", "addresses", "titles"],
)
def test_no_text_takes_much_memory(text):
    """No text takes much memory to render."""
    tracemalloc.start()
    try:
        html = ui.markdown(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(html) <= MAX_BYTES
    assert peak < 50_000_000, f"{peak / 1e6:.0f} MB for {text[:60]!r}…"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("> - " * 40 + "the innermost", "the innermost"),
        ("[a]: " + "中" * 5_000 + "\n\n" + "[a]" * 1_600 + "the end", "the end"),
        (
            "|".join("a" * 181) + "\n" + "|".join("-" * 181) + "\n" + "x\n" * 400 + "the end",
            "the end",
        ),
    ],
    ids=["nesting", "links", "tables"],
)
def test_what_costs_too_much_is_shown_as_it_was_written(text, sentence):
    """A text that takes too much time to render is shown as it was written."""
    html = ui.markdown(text)
    assert sentence in html, f"a part of the text is lost: {html[-80:]}"
    assert "<td>" not in html
    assert "<a " not in html


@pytest.mark.parametrize(
    "text",
    [
        "| a | b | c |\n| - | - | - |\n" + "| 1 | 2 | 3 |\n" * 700,
        "| a | b |\n| - | - |\n| 1 |\n",
        "a|b\n-|-\n1|2\n",
    ],
    ids=["long", "a cell is left out", "short"],
)
def test_an_honest_table_is_a_table(text):
    """An ordinary table is a table."""
    html = ui.markdown(text)
    assert html.count("<tr>") == text.count("\n") - 1, html[:200]


def test_lists_in_lists():
    """Lists may be in lists."""
    text = "".join("  " * depth + "- item\n" for depth in range(6))
    assert ui.markdown(text).count("<ul>") == 6


def test_quotations():
    """Quotations may be in quotations."""
    html = ui.markdown("> one\n> > two\nstill two\n> > and two\n\n> three\n")
    assert html.count("<blockquote>") == 3
    assert "<p>two\nstill two\nand two</p>" in html


@pytest.mark.parametrize(
    ("language", "code", "part"),
    [
        ("python", "def f():  # why", '<span class="k">def</span>'),
        ("Python", "x = f'{y}'", "<span class=\"s\">f'{y}'</span>"),
        ("pycon", ">>> 1 + 1\n2", '<span class="go">2</span>'),
        ("console", "$ flask run\n * Running", '<span class="gp">$</span>'),
        ("bash", "export FLASK_APP=app  # why", '<span class="nb">export</span>'),
        ("dockerfile", "FROM python:3.13", '<span class="k">FROM</span>'),
        ("js", "const x = `y`; // why", '<span class="c1">// why</span>'),
        ("css", "a { color: red }", '<span class="na">color</span>'),
        ("html", '<p class="a">', '<span class="na">class</span>'),
        ("html+jinja", "{% if x %}", '<span class="k">if</span>'),
        ("json", '{"a": 1}', '<span class="nt">"a"</span>'),
        ("sql", "SELECT 1", '<span class="k">SELECT</span>'),
        ("yaml", "a: b  # why", '<span class="na">a</span>'),
        ("toml", '[a]\nb = "c"', '<span class="nn">[a]</span>'),
        ("diff", "+new\n-old", '<span class="gi">+new</span>'),
    ],
)
def test_code_is_coloured(language, code, part):
    """Code in a known language is highlighted."""
    html = str(ui.markdown(fenced(language, code)))
    assert part in html
    assert unescape(re.sub(r"<[^>]*>", "", html)).strip() == code, "the code itself has changed"


STRONG = {
    "注意：": "**注意：**请先登录。",
    "“重要”": "这是**“重要”**的。",
    "「重要」": "これは**「重要」**です。",
    "強調。": "**強調。**次の文。",
    "이것(this)": "**이것(this)**은 중요하다.",
    "（括弧）": "全角**（括弧）**です。",
    "ＦＬＡＳＫ！": "**ＦＬＡＳＫ！**を使う。",
    "ｶﾅ｡": "**ｶﾅ｡**です。",
    "plain": "a **plain** word",
}


@pytest.mark.parametrize("words", STRONG)
def test_emphasis_in_texts_without_spaces(words):
    """Emphasis works in texts without spaces, such as Chinese."""
    html = ui.markdown(STRONG[words])
    assert f"<strong>{words}</strong>" in html, html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*強調。*です", "<p><em>強調。</em>です</p>\n"),
        ("***注意：***请", "<p><em><strong>注意：</strong></em>请</p>\n"),
        ("我**`code`**吗", "<p>我<strong><code>code</code></strong>吗</p>\n"),
        # What is as CommonMark says, also beside these characters.
        ("** 注意**", "<p>** 注意**</p>\n"),
        ("**\u3000注意**", "<p>**\u3000注意**</p>\n"),
        ("\\*\\*注意：\\*\\*请", "<p>**注意：**请</p>\n"),
        ("中_文_字", "<p>中_文_字</p>\n"),
        ("~~注意：~~请", "<p>~~注意：~~请</p>\n"),
        ('a**"b"**c', "<p>a**&quot;b&quot;**c</p>\n"),
        ("2*3 and 4*5", "<p>2<em>3 and 4</em>5</p>\n"),
    ],
)
def test_stars_and_other_marks(text, html):
    """Stars and other marks that mean nothing are shown as they were written."""
    assert ui.markdown(text) == html


@pytest.mark.since("2.write")
@pytest.mark.about("app/posts.py")
def test_a_hostile_post_stops_nobody(person, visitor):
    """A hostile post is shown in time, and stops nobody."""
    codes = (fenced(name, code[:600]) for name, code in BACKTRACKING.items())
    try:
        number = person.write(body="\n".join([*codes, "The end."]))
        page = visitor.get(f"/posts/{number}", timeout=10)
    except NoAnswer:
        pytest.fail("a post of 8,000 characters takes longer than ten seconds")
    assert "The end." in page.words


def test_a_text_is_rendered_once():
    """Who reads a text that others have read gets their HTML; what is kept has a bound."""
    first = ui.markdown(NOTES)
    assert ui.markdown(NOTES) is first, "the same text was rendered again"
    most = render.cache_info().maxsize
    assert most, "every text would be kept for ever"
    assert most * MAX_BYTES <= 100_000_000, f"{most} texts may be too much for a small machine"
