"""How fast pages are, as a share of what a bare Flask page is on the same server."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from os import cpu_count
from statistics import median
from typing import NamedTuple

import click

from .load import Load
from .load import load
from .load import wrk
from .report import Figure
from .report import short
from .run import ADA
from .run import POSTS
from .run import Run
from .run import add_posts
from .sites import Client
from .sites import copy_of
from .sites import hello
from .sites import step

LONG = "/posts/1"
FIRST_WITH_POSTS = 3  # in a database
PER_PAGE = 20
BYTES_A_POST = 500


class Page(NamedTuple):
    """A page, who asks for it, and the share of a bare Flask page that it should reach."""

    step: int
    path: str
    aim: float
    logged_in: bool = False

    def __str__(self) -> str:
        """Name it as the table does."""
        what = "post of 10,000 characters" if self.path == LONG else self.path
        who = (
            ", logged in"
            if self.logged_in
            else ", anonymous"
            if self.step >= FIRST_WITH_POSTS
            else ""
        )
        return f"step {self.step}  {what}{who}"


PAGES = (
    Page(1, "/about", 0.75),
    Page(2, "/about", 0.60),
    Page(3, "/about", 0.50),
    Page(3, "/about", 0.26, logged_in=True),
    Page(3, "/auth/login", 0.29),
    Page(3, "/posts/", 0.17),
    Page(3, "/posts/", 0.165, logged_in=True),
    Page(3, LONG, 0.15),
    Page(6, "/about", 0.42),
    Page(6, "/about", 0.22, logged_in=True),
    Page(6, "/auth/login", 0.24),
    Page(6, "/posts/", 0.20),
    Page(6, "/posts/", 0.15, logged_in=True),
)
# A text as long as a post may be, with six blocks of code.
CODE = "\n```python\n" + "def square(number):\n    return number * number  # a line\n" * 6 + "```\n"
PARAGRAPH = "A paragraph with *some* emphasis, `code` and a [link](https://example.org/).\n\n"


def long_text() -> str:
    """Return Markdown of 10,000 characters with six blocks of code."""
    part = PARAGRAPH * ((10_000 // 6 - len(CODE)) // len(PARAGRAPH)) + CODE
    return (part * 6).ljust(10_000, ".")


def in_turn(run: Run, sides: dict[str, tuple[Client, str]]) -> Iterator[list[Load]]:
    """Put load on each of these pages in turn; yield what each round has come to."""
    for client, path in sides.values() if not run.quick else ():
        load(client.site, client, path, 0.5)  # the first requests fill what is kept
    for _ in range(run.pick(5, 1)):
        yield [shared_load(run, client, path) for client, path in sides.values()]


def shared_load(run: Run, client: Client, path: str) -> Load:
    """Put load on a page; again, if one of the two workers has accepted nearly all connections."""
    for _ in range(run.pick(5, 1)):
        done = load(client.site, client, path, run.pick(2, 0.15))
        if done.server_cores > 0.7 * min(cpu_count() or 1, 2):
            break
    return done


def rate(done: Load) -> float:
    """Return the requests a second; without wrk, a second of CPU time, which no client limits."""
    return done.rate if wrk() else done.rate_by_cpu


def pages(run: Run) -> Iterator[Figure]:
    """Pages of the steps against a bare Flask page, in turn, on two gevent workers."""
    loads: list[Load] = []
    bare_rates: list[float] = []
    with hello() as bare:
        bare.gunicorn()
        bare_client = Client(bare)
        bare_client.get("/")
        for number, group in groupby(PAGES, key=lambda page: page.step):
            run.say(f"step {number} starts")
            with copy_of(step(number)) as site:
                clients = {False: Client(site)}
                if number >= FIRST_WITH_POSTS:
                    run.seed(site, number)
                    with site.database() as database:
                        database.execute("UPDATE post SET body = ? WHERE id = 1", [long_text()])
                if number == 6:
                    site.redis()
                site.gunicorn()
                if number >= FIRST_WITH_POSTS:
                    clients[True] = Client(site, ADA)
                for page in group:
                    run.say(str(page))
                    client = clients[page.logged_in]
                    client.get(page.path)
                    sides = {"bare": (bare_client, "/"), "page": (client, page.path)}
                    rounds = list(in_turn(run, sides))
                    shares = [rate(ours) / rate(hello) for hello, ours in rounds]
                    by_cpu = median(our.rate_by_cpu / hello.rate_by_cpu for hello, our in rounds)
                    yield Figure(
                        str(page),
                        shares,
                        at_least=page.aim,
                        note=f"{median(rate(our) for _, our in rounds):,.0f} requests a second; "
                        f"by CPU time {short(by_cpu)}",
                    )
                    loads += [done for pair in rounds for done in pair]
                    bare_rates += [hello.rate for hello, _ in rounds]
    yield Figure("bare Flask page, requests a second", bare_rates)
    yield limited(loads)


def limited(loads: list[Load]) -> Figure:
    """How much of a core the client used: near 1, it would be what limits the fast pages."""
    used = [done.client_cores for done in loads]
    # What the client takes, the server does not get, and most so from the fastest page.
    bias = 100 * max(used) / (cpu_count() or 1)
    note = f"at most {max(used):.2f}: it makes a share {bias:.0f} % too large at most"
    if not wrk():
        note = "no wrk here, so rates are by the CPU time of the server, which no client limits"
    return Figure("load generator, in cores", used, at_most=0.8 if wrk() else None, note=note)


def million(run: Run) -> Iterator[Figure]:
    """The list of posts when there are a million, against that of 25 posts."""
    number = run.pick(1_000_000, 20_000)
    needed = BYTES_A_POST * number
    if shutil.disk_usage(tempfile.gettempdir()).free < 2 * needed:
        raise click.ClickException(
            f"{number:,} posts need {2 * needed / 1e9:.1f} GB of free space for a while in "
            f"{tempfile.gettempdir()}; the variable TMPDIR names another folder."
        )
    with ExitStack() as leave:
        sites = [leave.enter_context(copy_of(step(6))) for _ in range(2)]
        for site in sites:
            run.seed(site, 6)
        run.say(f"writing {number:,} posts")
        # Short texts: the list does not show them.
        add_posts(sites[1], ADA, number - POSTS, "'A text, as short as texts are not.'")
        for site in sites:
            site.redis()
            site.gunicorn()
        few_client, client = map(Client, sites)
        few_client.get("/posts/")
        last = last_page(client, number)
        what = f"{number:,} posts"
        run.say(f"{what} against 25")
        sides = {"few": (few_client, "/posts/"), "many": (client, "/posts/")}
        yield Figure(
            f"/posts/, {what} against 25",
            [rate(few) / rate(many) for few, many in in_turn(run, sides)],
            "times slower",
            at_most=1.05,
        )
        run.say(f"the last page of {what}")
        sides = {"first": (client, "/posts/"), "last": (client, last)}
        yield Figure(
            f"{what}, the last page against the first",
            [rate(first) / rate(last) for first, last in in_turn(run, sides)],
            "times slower",
            at_most=1.1,
            note=last,
        )


def last_page(client: Client, number: int) -> str:
    """Return the path of the last page, which has the oldest post, and no page after it."""
    first = client.get("/posts/")
    found = re.search(r'<a[^>]+rel="next"[^>]*>', first)
    link = re.search(r'href="([^"]+)"', found[0]) if found else None
    if not link:
        raise client.site.failure(f"/posts/ of {number:,} posts has no link to older ones.")
    # By ids, which are 1, 2, 3 … here, or by the number of the page.
    last = PER_PAGE + 1 if "before=" in link[1] else -(-number // PER_PAGE)
    path = re.sub(r"\b(before|page)=\d+", rf"\g<1>={last}", link[1])
    text = client.get(path)
    if '"/posts/1"' not in text or 'rel="next"' in text:
        raise client.site.failure(f"{path} is not the last page of {number:,} posts.")
    return path
