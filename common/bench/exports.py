"""How fast exports are, what they need, and what their reports and a dead worker cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from statistics import median

from . import inside
from .report import Figure
from .run import ADA
from .run import Run
from .run import add_people
from .run import add_posts
from .sites import Script
from .sites import Site
from .sites import copy_of
from .sites import step

MIB = 2**20 if sys.platform == "darwin" else 2**10  # what ru_maxrss counts
AUTHORS = ("ben", "cyd", "dan", "eve")


def export(run: Run) -> Iterator[Figure]:
    """Time and memory of a big export against small ones, in one process."""
    small, big = run.pick((1_000, 20_000), (20, 200))
    with copy_of(step(6)) as site:
        run.seed(site, 6)
        add_people(site, ["few", "many"])
        add_posts(site, "few", small)
        add_posts(site, "many", big)
        site.redis()
        with closing(site.python(inside.EXPORT, "An export")) as script:
            script.ask("few:report")  # the first one imports what all need
            runs = [script.ask("few:report") for _ in range(run.pick(5, 1))]
            run.say(f"{big:,} posts")
            seconds, memory, posts = script.ask("many:report")
    few = [posts / seconds for seconds, _, posts in runs]
    many = posts / seconds
    yield Figure(f"{small:,} posts, posts a second", few)
    yield Figure(f"{big:,} posts, posts a second", [many])
    yield Figure(f"time a post, {big:,} to {small:,}", [rate / many for rate in few], at_most=1.1)
    grown = (memory - runs[-1][1]) / MIB
    yield Figure(f"memory, {big:,} over {small:,} posts", [grown], "MiB more", at_most=64)


def workers(run: Run) -> Iterator[Figure]:
    """Posts a second with one and two worker processes, and in a plain loop, in turn."""
    number = run.pick(1_000, 50)
    with ExitStack() as leave:
        sites = [leave.enter_context(copy_of(step(6))) for _ in range(2)]
        senders = []
        for processes, site in enumerate(sites, start=1):
            run.seed(site, 6)
            add_people(site, list(AUTHORS))
            for name in AUTHORS:
                add_posts(site, name, number)
            site.redis()
            site.worker(processes)
            senders.append(
                leave.enter_context(closing(site.python(inside.SEND, "Sending exports")))
            )
        plain = leave.enter_context(closing(sites[0].python(inside.EXPORT, "An export")))
        rates: list[list[float]] = [[], [], []]
        rounds = run.pick(5, 1)
        for turn in range(rounds + 1):
            run.say(f"{turn or 'once before'} of {rounds}")
            done = [plain.ask(f"{name}:plain") for name in AUTHORS]
            seconds, posts = sum(each[0] for each in done), sum(each[2] for each in done)
            took = [seconds, *(_export_all(*pair) for pair in zip(sites, senders, strict=True))]
            if turn:  # the first turn imports what all need
                for rate, seconds in zip(rates, took, strict=True):
                    rate.append(posts / seconds)
    loop, one, two = rates
    yield Figure("plain loop, posts a second", loop)
    yield Figure(
        "1 worker process, of a plain loop",
        [ours / plainly for ours, plainly in zip(one, loop, strict=True)],
        "times",
        at_least=0.9,
        note=f"{median(one):,.0f} posts a second",
    )
    yield Figure(
        "2 worker processes, of one",
        [both / alone for both, alone in zip(two, one, strict=True)],
        "times",
        at_least=1.7,
        note=f"{median(two):,.0f} posts a second",
    )


def _export_all(site: Site, sender: Script) -> float:
    """Let the worker export the posts of all authors; return the seconds that it took."""
    began = time.monotonic()
    ids = sender.ask(" ".join(AUTHORS))
    marks = ", ".join("?" * len(ids))

    def states() -> list[str]:
        with site.database() as database:
            query = f"SELECT state FROM export WHERE id IN ({marks})"
            return [state for (state,) in database.execute(query, ids)]

    site.wait(lambda: "PENDING" not in states(), "the exports end")
    took = time.monotonic() - began
    if wrong := set(states()) - {"SUCCESS"}:
        raise site.failure(f"An export ended as {', '.join(wrong)}.")
    return took


def report(run: Run) -> Iterator[Figure]:
    """Time that progress reports take: exports with and without them, in turn."""
    number, rounds = run.pick((2_000, 7), (50, 1))
    with copy_of(step(6)) as site:
        run.seed(site, 6)
        add_posts(site, ADA, number)
        site.redis()
        with closing(site.python(inside.EXPORT, "An export")) as script:
            script.ask("ada:quiet")
            costs = []
            for turn in range(rounds):
                run.say(f"{turn + 1} of {rounds}")
                with_reports, without = (script.ask(f"ada:{mode}") for mode in ("report", "quiet"))
                costs.append(100 * (with_reports[0] / without[0] - 1))
    yield Figure("reporting progress costs", costs, "% of time", at_most=5)
