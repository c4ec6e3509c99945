"""How long it takes from `flask run` to the first page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from .report import Figure
from .run import Run
from .sites import copy_of
from .sites import hello
from .sites import step

AIMS = {1: 1.2, 6: 4.0}


def start(run: Run) -> Iterator[Figure]:
    """Time from `flask run` to the first page, of steps and of a bare Flask app, in turn."""
    with ExitStack() as leave:
        sites = {number: leave.enter_context(copy_of(step(number))) for number in AIMS}
        run.seed(sites[6], 6)
        all_sites = [leave.enter_context(hello()), *sites.values()]
        seconds: dict[str, list[float]] = {site.name: [] for site in all_sites}
        rounds = run.pick(5, 1)
        for number in range(rounds + 1):
            for site in all_sites:
                run.say(f"{site.name}, {number or 'once before'} of {rounds}")
                took = site.flask()
                site.stop_web()
                if number:  # the first one compiles what the others find compiled
                    seconds[site.name].append(took)
    bare, *steps = seconds.values()
    yield Figure("bare Flask app", bare, "s")
    for (number, aim), values in zip(AIMS.items(), steps, strict=True):
        yield Figure(
            f"step {number}, of a bare Flask app",
            [ours / hello for ours, hello in zip(values, bare, strict=True)],
            "times",
            at_most=aim,
            note=f"{median(values):.2f} s",
        )
