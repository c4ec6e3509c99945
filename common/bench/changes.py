"""What some changes for speed have brought: the figures of “How fast it is” in NOTES.md."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from functools import partial
from statistics import median

import click

from .. import lessons
from . import inside
from .report import Figure
from .report import short
from .run import Run
from .sites import Script
from .sites import Site
from .sites import copy_of
from .sites import step

LESS_TOKENS = "{% if form or current_user.is_authenticated %}"


def changes(run: Run) -> Iterator[Figure]:
    """CPU time before and after each change, in turn, without a server and its network."""
    with ExitStack() as leave:
        after, with_token, before_last = (leave.enter_context(copy_of(step(6))) for _ in range(3))
        use_token_everywhere(with_token)
        last = lessons.find_state("6.million")
        assert isinstance(last, lessons.Part)
        lessons.write(lessons.files_after(lessons.state_before(last)), before_last.folder)
        scripts = []
        for site in (with_token, before_last, after):
            run.seed(site, 6)
            scripts.append(leave.enter_context(closing(site.python(inside.PAGES, "A request"))))
        requests = run.pick(100, 5)
        for what, path, script in (
            ("/about, a token only where it is needed", "/about", scripts[0]),
            ("/posts/, columns and no count", "/posts/", scripts[1]),
        ):
            run.say(what)
            yield faster(run, what, partial(ask_both, script, scripts[2], f"{path} {requests}"))
        ways: Script = leave.enter_context(closing(after.python(inside.TWO_WAYS, "Two ways")))
        for what, line in (
            ("a long text, kept", f"text {run.pick(20, 2)}"),
            ("the current user, by a statement built once", f"user {run.pick(300, 5)}"),
            ("three fields of a form, drawn by a macro", f"fields {run.pick(300, 5)}"),
        ):
            run.say(what)
            yield faster(run, what, partial(ways.ask, line))


def ask_both(before: Script, after: Script, line: str) -> list[float]:
    """Ask two programs the same, one after the other."""
    return [before.ask(line), after.ask(line)]


def faster(run: Run, what: str, measure: Callable[[], list[float]]) -> Figure:
    """Return how many times as fast something is; ``measure`` returns its time before and after."""
    measure()  # the first time imports and compiles what all need
    before, after = zip(*(measure() for _ in range(run.pick(15, 1))), strict=True)
    shares = [slow / fast for slow, fast in zip(before, after, strict=True)]
    note = f"{short(1000 * median(before))} ms before, {short(1e6 * median(after))} µs after"
    return Figure(what, shares, "times as fast", note=note)


def use_token_everywhere(site: Site) -> None:
    """Let each page have a CSRF token, as it was at first."""
    path = site.folder / "app" / "templates" / "base.html"
    text = path.read_text(encoding="utf-8")
    if LESS_TOKENS not in text:
        raise click.ClickException(f"base.html of {site.name} has no {LESS_TOKENS}.")
    path.write_text(text.replace(LESS_TOKENS, "{% if true %}"), encoding="utf-8")
