"""The commands behind learn.py. Each imports what it needs, so that the others start faster."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path

import click

from .arguments import COMMAND
from .arguments import STATE
from .bootstrap import interrupt
from .lessons import Part
from .parts_cli import parts_command
from .parts_cli import playground
from .parts_cli import start_command
from .steps import ROOT
from .steps import STEPS
from .steps import State
from .steps import Step
from .tour_cli import tour_command
from .trouble_cli import break_command
from .trouble_cli import doctor_command

DEFAULT_PORT = 5000  # as in flask run
PYTEST = (sys.executable, "-m", "pytest", "-p", "common.interrupts")


PORT = click.IntRange(1, 65535)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Study Log: a Flask app in six steps, each the one before plus one idea.

    STEP is a number, a folder name or an unambiguous part of one: 3, step03_login, login. Or it is
    a part of a step, by number or name: 3.4, 3.edit.
    """
    if ctx.invoked_subcommand is None:
        show_table()


def show_table() -> None:
    """Print the steps, what each teaches and what to type next."""
    width = max(len(step.folder) for step in STEPS)
    click.echo("Study Log: a Flask app in six steps, each the one before plus one idea.\n")
    for step in STEPS:
        number, folder = click.style(str(step.number), bold=True), step.folder.ljust(width)
        click.echo(f"  {number}  {click.style(folder, fg='cyan')}  {step.idea}")
    click.echo("\nType next:")
    for words, meaning in (
        ("tour", "read the lessons in the browser, text beside code"),
        ("run 1", "start a step, then open it in the browser"),
        ("start 1 DIR", "begin a folder of your own, to write step 1 yourself"),
        ("check 1 --app DIR", "see which promises of step 1 your own app keeps"),
        ("diff 1 2", "read in the terminal what step 2 changes"),
    ):
        click.echo(f"  {COMMAND} {click.style(words.ljust(width + 3), bold=True)}{meaning}")
    click.echo(f"\nAll other commands: {COMMAND} --help. The text of the course: NOTES.md")


@cli.command("run")
@click.argument("step", type=STATE)
@click.option(
    "--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="The port of the page."
)
@click.option("--mysql", is_flag=True, help="Steps 3 to 6: start a MariaDB and use it.")
@click.option("--wechat", is_flag=True, help="Step 6: start a WeChat stand-in to log in with.")
@click.option("--verbose", is_flag=True, help="Show all lines, of banners and static files too.")
def run_command(step: State, port: int, mysql: bool, wechat: bool, verbose: bool) -> None:
    """Start a step with all that it needs; Ctrl-C stops it.

    That is the web server; from step 4 on, the migrations; from step 5 on, a worker and Redis. If
    no Redis answers at REDIS_URL, one is started for this run.
    """
    from .run import run

    _require(step)
    if wechat and not step.wechat:
        other = next(step for step in STEPS if step.wechat)
        raise click.ClickException(
            f"{step.label.capitalize()} has no login with WeChat; step {other.number} has one: "
            f"{COMMAND} run {other.number} --wechat"
        )
    color = click.get_current_context().color
    run(step, port, with_mysql=mysql, with_wechat=wechat, verbose=verbose, color=color)


@cli.command("diff")
@click.argument("words", metavar="[A] B [PATH]...", nargs=-1, required=True)
@click.option("--stat", is_flag=True, help="Only which files change, and by how much.")
@click.option("-w", "ignore_space", is_flag=True, help="Leave out changes of indentation.")
@click.option("--whole", is_flag=True, help="All in one, instead of part by part.")
def diff_command(words: tuple[str, ...], stat: bool, ignore_space: bool, whole: bool) -> None:
    """Show the lesson: what changes from A to B, part by part.

    A and B are steps or parts. Without A, it is the state before B: diff 3 is diff 2 3, and diff
    3.4 is what that part changes. PATH is a file or folder inside a step, such as app/models.py.
    """
    from .diff import diff
    from .diff import find_states

    try:
        old, new, paths = find_states(words)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    for state in (old, new):
        if isinstance(state, Step):
            _require(state)
    color = sys.stdout.isatty() and click.get_current_context().color is not False
    diff(old, new, paths, stat=stat, ignore_space=ignore_space, whole=whole, color=color)


cli.add_command(tour_command)
cli.add_command(parts_command)
cli.add_command(start_command)
cli.add_command(break_command)
cli.add_command(doctor_command)


@cli.command("test", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("--deep", is_flag=True, help="Run the deep tests too: faults, crowds, large data.")
@click.option(
    "--mysql", is_flag=True, help="Steps 3 to 6, on a MariaDB that is started for the tests."
)
@click.argument("arguments", metavar="[PYTEST ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
def test_command(deep: bool, mysql: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests of all steps, or some of them: arguments go to pytest."""
    from .bootstrap import hand_over
    from .bootstrap import holding_interrupts

    os.chdir(ROOT)
    options = ["--deep"] * deep + ["--mysql"] * mysql
    with holding_interrupts():
        hand_over([*PYTEST, *options, *arguments])


@cli.command("check")
@click.argument("step", type=STATE)
@click.option(
    "--app",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder where you type flask run in your own app; by default, our app is checked.",
)
@click.option("--watch", is_flag=True, help="Check again each time that you save a file.")
@click.option("--all", "everything", is_flag=True, help="Ask for everything, and do not stop.")
@click.option("--mysql", is_flag=True, help="Use a MariaDB that is started for the tests.")
def check_command(
    step: State, app: Path | None, watch: bool, everything: bool, mysql: bool
) -> None:
    """Say which promises of a step or part our app keeps, or your own, and what is next."""
    from .check import Check

    if app is None:
        _require(step)
    else:
        app = app.expanduser().resolve()
        _require_flask_app(app)
    check = Check(step, app, everything=everything, mysql=mysql)
    if watch:
        from .watch import watch_app

        sys.exit(watch_app(check))
    sys.exit(check.finish(check.run()))


@cli.command("promises")
@click.argument("step", type=STATE, required=False)
@click.option(
    "--into",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the promises of all steps into a page; it is docs/promises.md.",
)
def promises_command(step: State | None, into: Path | None) -> None:
    """Print what a step or part promises: what check asks your app for, with routes and fields."""
    from . import contract

    if into:
        contract.write(into)
    elif step is None:
        raise click.UsageError("Of which step? For example: promises 3")
    else:
        contract.show(step)


@cli.command("redis")
@click.option("--port", type=PORT, default=6379, show_default=True)
def redis_command(port: int) -> None:
    """Start a Redis for the commands that you type by hand."""
    from . import stack
    from .bootstrap import hand_over

    url = f"redis://{stack.HOST}:{port}/0"
    try:
        stack.check_redis(url)
        click.echo(f"A Redis answers at {url} already; nothing to start.")
        return
    except PermissionError:
        why = "a Redis that wants a password"
    except ConnectionError:
        why = "another program"
    if not stack.port_is_free(port):
        raise click.ClickException(
            f"Port {port} is in use by {why}. Stop that, or use another port: --port {port + 1}, "
            f"with REDIS_URL=redis://127.0.0.1:{port + 1}/0 for the steps."
        )
    directory = Path(sys.prefix, "redis", str(port))
    try:
        argv = stack.redis_command(port, directory)
    except LookupError as error:
        raise click.ClickException(str(error)) from None
    directory.mkdir(parents=True, exist_ok=True)
    click.echo(f"Redis at {url} (Ctrl-C stops it)")
    hand_over(argv)


@cli.command("bench")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--quick", is_flag=True, help="Under a minute: only that all can be measured.")
@click.option(
    "--into",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write bench.json and bench.svg into this folder; NOTES.md shows those in docs.",
)
def bench_command(names: tuple[str, ...], quick: bool, folder: Path | None) -> None:
    """Measure the figures of this repo on your machine, and compare them with their aims.

    NAME is one of start, pages, changes, million, export, workers, report, away, killed, streams;
    without one, all are measured, which takes about ten minutes. Nothing else should run meanwhile.
    """
    if sys.platform == "win32":
        raise click.ClickException("These figures need Linux or macOS: Redis, prefork, gunicorn.")
    from .bench import bench

    bench(names, quick, folder)


def _require(state: State) -> None:
    """See to it that the folder of a step or part is there."""
    if isinstance(state, Part):
        playground(state)
    elif not state.path.is_dir():
        raise click.ClickException(f"The folder {state.path} is missing; restore it from git.")


def _require_flask_app(folder: Path) -> None:
    if not folder.is_dir():
        raise click.ClickException(f"There is no folder {folder}.")
    if _has_flask_app(folder):
        return
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and _has_flask_app(path)]
    near = [*inside, *([folder.parent] if _has_flask_app(folder.parent) else [])]
    raise click.ClickException(
        f"{folder} has no app.py, wsgi.py or app/__init__.py, so flask run would find no app "
        + (f"there. Did you mean {near[0]}?" if near else "there. ")
        + "Give the folder in which you type flask run." * (not near)
    )


def _has_flask_app(folder: Path) -> bool:
    # Where flask run looks for an app, and where our steps have it.
    return any((folder / f).is_file() for f in ("app.py", "wsgi.py", "app/__init__.py"))


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback, whatever it is doing."""
    try:
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, interrupt)
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by bootstrap
        code = run_command_line()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # while Python ends
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def run_command_line() -> int | str | None:
    """Run the command that was typed, and return its exit code; an error is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # for terminals without “ ” and …
    # None: colours on terminals, and nowhere else.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    color = False if plain else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cli.main(prog_name="learn.py", standalone_mode=False, color=color)
    except click.UsageError as error:
        name = f"{error.ctx.command_path} --help" if error.ctx else "learn.py --help"
        click.secho(f"{error.format_message()} See: {name}", fg="red", err=True, color=color)
        return error.exit_code
    except click.ClickException as error:
        click.secho(error.format_message(), fg="red", err=True, color=color)
        return error.exit_code
    except click.Abort:
        return 130
    except SystemExit as stop:
        return stop.code
    return 0


if __name__ == "__main__":
    main()
