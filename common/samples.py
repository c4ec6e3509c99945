"""Sample texts for ``flask seed``: authors and posts to try things on."""

from __future__ import annotations

# Twenty with the seeded user: one page of posts, each by a different author.
AUTHORS = (
    "Ada Lovelace",
    "Alan Turing",
    "Annie Easley",
    "Barbara Liskov",
    "Dennis Ritchie",
    "Donald Knuth",
    "Dorothy Vaughan",
    "Edsger Dijkstra",
    "Frances Allen",
    "Grace Hopper",
    "Hedy Lamarr",
    "John McCarthy",
    "Karen Spärck Jones",
    "Katherine Johnson",
    "Ken Thompson",
    "Margaret Hamilton",
    "Radia Perlman",
    "Tony Hoare",
    "姚期智",
)

TOPICS = (
    ("Routes", "python", '@app.get("/")\ndef home():\n    return "Hello"'),
    (
        "Templates",
        "html+jinja",
        "{% for post in posts %}\n  <h2>{{ post.title }}</h2>\n{% endfor %}",
    ),
    ("Queries", "sql", "SELECT title FROM post\nWHERE author_id = 1\nORDER BY id DESC;"),
    ("Workers", "console", "$ celery -A app.celery_app worker\n$ flask run --debug"),
    (
        "Events",
        "javascript",
        "source.onmessage = (event) => {\n  show(JSON.parse(event.data));\n};",
    ),
)

BODY = """\
Day {number} of my notes, about **{topic}**.

## What I tried

```{language}
{code}
```

1. First I read the code.
2. Then I *broke* it, to see the message.
3. Then I mended it.

| what | minutes |
| --- | --- |
| reading | {reading} |
| trying | {trying} |

> What I cannot explain, I have not understood. <b>This is text, not HTML.</b>

Next time: `url_for`, and [the documentation](https://flask.palletsprojects.com/).
"""


def sample_post(number: int) -> dict[str, str]:
    """Return ``title`` (at most 120 characters) and ``body`` (Markdown) of sample post ``number``.

    Each number, from 1 on, has a title of its own.
    """
    topic, language, code = TOPICS[number % len(TOPICS)]
    body = BODY.format(
        number=number,
        topic=topic,
        language=language,
        code=code,
        reading=number % 50 + 10,
        trying=number % 35 + 5,
    )
    return {"title": f"{topic}, day {number}", "body": body}
