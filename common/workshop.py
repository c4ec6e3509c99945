"""`learn.py parts STEP --edit`, `--save`, `--each` and `--keep`: a lesson as a git repository.

Each part is a commit: its subject is the title, and two trailers say its name and its group:

    A user edits what is theirs

    Part: edit
    Group: Posts in a table

So a lesson is changed with what git has for that: rebase, commit --amend, add -p. The tag `before`
is the state that the lesson begins with, the tag `goal` the step's folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from . import git
from . import lessons
from . import patches
from .lessons import Files
from .lessons import Part
from .steps import STEPS
from .steps import Step

BRANCH = "lesson"
# A line that Flask, ruff or an editor makes is not in the repository.
EXCLUDE = "instance/\n__pycache__/\n*.py[cod]\n.*_cache/\n.DS_Store\n*.swp\n*~\n"


@dataclass(frozen=True)
class Commit:
    """A commit of the repository, as the part that it becomes."""

    sha: str
    title: str
    slug: str
    group: str


# -- From parts to commits -------------------------------------------------------------------------


def edit(step: Step, directory: Path, old_before: Files | None = None) -> None:
    """Make a repository of a lesson, with what the step's folder has beyond it as fixups.

    ``old_before`` is the state that the patches are for, if the lesson before has changed since.
    """
    if directory.exists() and any(directory.iterdir()):
        raise click.ClickException(f"{directory} is there already; give a new folder.")
    lessons.forget()
    for earlier in STEPS[: step.number - 1]:
        if changed := lessons.changed_by_hand(earlier):
            raise click.ClickException(
                f"{earlier.folder} is not as its lesson leaves it ({', '.join(changed[:3])}). "
                f"Bring that into its parts first: learn.py parts {earlier.number} --refresh"
            )
    before = _files_before(step)
    goal = lessons.files_in(step.path)
    commits: list[tuple[str, Files]] = []
    trouble: list[str] = []
    state: Files = before if old_before is None else old_before
    begin = f"Before lesson {step.number}"
    first: list[tuple[str, Files]] = [(begin, state)]
    if lessons.has_series(step):
        for part in lessons.parts_of(step):
            state = _apply(part, state, trouble)
            commits.append((_message(part.title, part.slug, part.group.partition(" ")[2]), state))
    directory.mkdir(parents=True, exist_ok=True)
    git.run("init", "--quiet", "--initial-branch", BRANCH, cwd=directory)
    for key, value in zip(("name", "email"), git.identity(directory), strict=True):
        git.run("config", f"user.{key}", value, cwd=directory)
    (directory / ".git" / "info").mkdir(exist_ok=True)
    (directory / ".git" / "info" / "exclude").write_text(EXCLUDE, encoding="utf-8")
    git.commit_all(directory, first + commits, BRANCH)
    _tag(directory, "goal", f"{step.folder}, where this should end", goal)
    git.run("tag", "before", f"{BRANCH}~{len(commits)}", cwd=directory)
    git.run("reset", "--quiet", "--hard", BRANCH, cwd=directory)
    if first[0][1] != before:
        _move_on(directory, begin, before)
        state = git.files_of(directory, BRANCH)
    left = _add_fixups(directory, state, goal) if commits else 0
    git.run("reset", "--quiet", "--hard", BRANCH, cwd=directory)
    _say_edit(step, directory, len(commits), left, trouble)


def _tag(directory: Path, name: str, message: str, files: Files) -> None:
    """Make a commit that has no parent, under a tag."""
    git.commit_all(directory, [(message, files)], f"{name}-branch")
    git.run("tag", "--force", name, f"{name}-branch", cwd=directory)
    git.run("branch", "--quiet", "-D", f"{name}-branch", cwd=directory)


def _move_on(directory: Path, message: str, before: Files) -> None:
    """Put the parts on the new end of the lesson before."""
    git.run("tag", "old", "before", cwd=directory)
    _tag(directory, "before", message, before)
    try:
        git.run("rebase", "--quiet", "--onto", "before", "old", cwd=directory)
    except click.ClickException as error:
        raise click.ClickException(
            f"{error.message}\nThe lesson before has changed the same lines. Decide which stay, in "
            f"{directory}; git rebase --continue; then git diff HEAD goal shows what is missing."
        ) from None


def _files_before(step: Step) -> Files:
    return lessons.files_after(STEPS[step.number - 2]) if step.number > 1 else {}


def _message(title: str, slug: str, group: str) -> str:
    trailers = [f"Part: {slug}"] + [f"Group: {group}"] * bool(group)
    return "\n".join([title, "", *trailers, ""])


def _apply(part: Part, state: Files, trouble: list[str]) -> Files:
    """Apply a part's patch, or as much of it as git can where the lines before have changed."""
    patch = part.patch.read_bytes()
    try:
        return patches.apply(patch, state)
    except patches.PatchError as error:
        reason = str(error)
    with tempfile.TemporaryDirectory(prefix="learn-parts-") as name:
        folder = Path(name)
        git.run("init", "--quiet", cwd=folder)
        lessons.write(state, folder)
        for options in (), ("-C1",), ("-C1", "--reject"):
            words = ("apply", "--whitespace=nowarn", *options, "-")
            try:
                git.run(*words, cwd=folder, stdin=patch)
                break
            except click.ClickException:
                continue
        rejected = sorted(folder.rglob("*.rej"))
        for path in rejected:
            path.unlink()
        if rejected or "--reject" in options:
            trouble.append(f"{part.name} {part.title}: not all of it fits any more ({reason})")
        return lessons.files_in(folder)


def _add_fixups(directory: Path, state: Files, goal: Files) -> int:
    """Share the difference to the goal among the parts, by blame; return how many lines."""
    if state == goal:
        return 0
    difference = patches.read(_diff(directory, BRANCH, "goal", "--no-renames", "--unified=0"))
    order, last = _who_touched(directory)
    shares: dict[str, list[tuple[patches.Change, patches.Hunk | None]]] = {}
    for change in difference:
        owner = last.get(change.path, "")
        if change.old is None or change.new is None or not change.hunks:
            shares.setdefault(owner, []).append((change, None))
            continue
        blame = _blame(directory, change.path)
        for hunk in change.hunks:
            lines = blame[hunk.first : hunk.first + len(hunk.old)]
            lines = lines or blame[max(hunk.first - 1, 0) : hunk.first + 1]  # the neighbours
            parts = [sha for sha in lines if sha in order]
            best = max(parts, key=order.index) if parts else owner
            shares.setdefault(best, []).append((change, hunk))
    commits: list[tuple[str, Files]] = []
    done: list[tuple[patches.Change, patches.Hunk | None]] = []
    for owner in sorted(shares, key=lambda sha: order.index(sha) if sha else len(order)):
        done += shares[owner]
        if owner:
            title = git.run("log", "-1", "--format=%s", owner, cwd=directory).decode().strip()
            message = f"fixup! {title}\n"
        else:
            message = "What belongs to no part yet\n"
        commits.append((message, _with(done, state, goal)))
    assert commits[-1][1] == goal, "the fixups should end where the step does"
    git.commit_all(directory, commits, BRANCH, parent=BRANCH)
    return sum(change.lines for change in difference)


def _with(
    done: list[tuple[patches.Change, patches.Hunk | None]], state: Files, goal: Files
) -> dict[str, bytes]:
    """Return the state with some of the hunks that lead to the goal."""
    files = dict(state)
    by_path: dict[str, list[patches.Hunk]] = {}
    for change, hunk in done:
        if hunk is not None:
            by_path.setdefault(change.path, []).append(hunk)
        elif change.new is None:
            files.pop(change.path, None)
        else:
            files[change.path] = goal[change.path]
    for path, hunks in by_path.items():
        change = patches.Change(path, path, sorted(hunks, key=lambda hunk: hunk.first))
        files[path] = patches.replace(change, state[path])
    return files


def _who_touched(directory: Path) -> tuple[list[str], dict[str, str]]:
    """Return the commits of the parts in order, and the last of them to touch each file."""
    words = ("log", "--reverse", "--format=%x01%H", "--name-only", "--no-renames")
    output = git.run(*words, f"before..{BRANCH}", cwd=directory).decode()
    last: dict[str, str] = {}
    order: list[str] = []
    for entry in output.split("\1")[1:]:
        sha, *paths = filter(None, entry.splitlines())
        order.append(sha)
        last |= dict.fromkeys(paths, sha)
    return order, last


def _blame(directory: Path, path: str) -> list[str]:
    """Return the commit that each line of a file comes from."""
    output = git.run("blame", "--porcelain", BRANCH, "--", path, cwd=directory)
    return re.findall(r"^([0-9a-f]{40}) \d+ \d+", output.decode(errors="replace"), re.M)


def _diff(directory: Path, old: str, new: str, *options: str) -> bytes:
    order = directory / ".git" / "order"
    return git.run(*git.diff_options(order), "--no-color", *options, old, new, "--", cwd=directory)


def _say_edit(step: Step, directory: Path, count: int, left: int, trouble: list[str]) -> None:
    here = f'cd "{directory}"'
    click.echo(f"{directory} has {count} commits, one for each part of lesson {step.number}.")
    for line in trouble:
        click.secho(line, fg="yellow")
    if not count:
        click.echo(
            "It has the state before the lesson. Its end is the tag goal: git diff HEAD goal.\n"
            "Commit part after part, the title in the first line, then a line “Part: name” "
            "(and “Group: title” where a group begins)."
        )
    elif left:
        click.echo(
            f"{left} lines of {step.folder} were in no part. They are at the end as fixups; look "
            f"at them, then put them where they belong: {here} && "
            "git rebase -i --autosquash before"
        )
    click.echo(f"Then: learn.py parts {step.number} --save {directory}")


# -- From commits to parts -------------------------------------------------------------------------


def save(
    step: Step, directory: Path, *, update_step: bool, check: Callable[[list[Part]], bool] | None
) -> None:
    """Write the commits back as the patches of a lesson, if they end where the step does.

    ``check`` is asked whether the states that have changed hold; if not, nothing is changed.
    """
    commits, first = read_commits(step, directory)
    after = git.files_of(directory, "HEAD")
    goal = lessons.files_in(step.path)
    if after != goal and not update_step:
        names = sorted(name for name in {*after, *goal} if after.get(name) != goal.get(name))
        raise click.ClickException(
            f"The last commit is not {step.folder}: {', '.join(names[:5])} differ. If the folder "
            f"is right, bring it in: git checkout goal -- . in a new --edit, or learn.py parts "
            f"{step.number} --refresh. If the commits are right, add --update-step."
        )
    old = _states(step)
    folder = lessons.folder_of(step)
    kept = {path: path.read_bytes() for path in folder.glob("*")} if folder.exists() else {}
    kept_step = goal
    try:
        _write_series(step, directory, commits, first)
        if update_step:
            lessons.write(after, step.path)
        lessons.forget()
        parts = lessons.parts_of(step)
        if lessons.files_after(step) != after:
            raise click.ClickException("The patches do not give the last commit: a mistake here.")
        changed = [part for part in parts if old.get(part.slug) != lessons.files_after(part)]
        if check and changed and not check(changed):
            raise click.ClickException("So nothing was saved. Mend that, or add --no-check.")
    except BaseException:
        for path in folder.glob("*"):
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
        if update_step:
            lessons.write(kept_step, step.path)
        lessons.forget()
        raise
    click.echo(f"{folder} has {len(parts)} parts; {len(changed)} states have changed.")


def read_commits(step: Step, directory: Path) -> tuple[list[Commit], str]:
    """Return the commits that become parts, and the one before them, "" for none."""
    if not (directory / ".git").exists():
        raise click.ClickException(f"{directory} is no git repository; parts --edit makes one.")
    for name in ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD"):
        if (directory / ".git" / name).exists():
            raise click.ClickException("A rebase or merge is under way there; finish it first.")
    if dirty := git.run("status", "--porcelain", cwd=directory).decode().strip():
        raise click.ClickException(f"Not everything is committed there:\n{dirty}")
    form = "%H%x1f%s%x1f%(trailers:key=Part,valueonly)%x1f%(trailers:key=Group,valueonly)%x1e"
    words = ("log", "--reverse", "--first-parent", f"--format={form}", "HEAD")
    found: list[Commit] = []
    for entry in git.run(*words, cwd=directory).decode().split("\x1e"):
        if entry.strip():
            sha, title, slug, group = (value.strip() for value in entry.split("\x1f"))
            found.append(Commit(sha, title, slug, group))
    first = _first_commit(step, directory, found)
    if first:
        found = found[[commit.sha for commit in found].index(first) + 1 :]
    _check_commits(found)
    return found, first


def _first_commit(step: Step, directory: Path, commits: list[Commit]) -> str:
    """Return the last commit that has just the files that the lesson begins with."""
    before = _files_before(step)
    begin = ""
    for commit in commits:
        if commit.slug:
            break
        if git.files_of(directory, commit.sha) == before:
            begin = commit.sha
    if not begin and before:
        raise click.ClickException(
            f"No commit there is the end of lesson {step.number - 1}, which lesson {step.number} "
            f"begins with. Make a repository that is: learn.py parts {step.number} --edit DIR"
        )
    return begin


def _check_commits(commits: list[Commit]) -> None:
    if not commits:
        raise click.ClickException("There is no commit that could be a part.")
    slugs = [commit.slug for commit in commits]
    for commit in commits:
        what = f"{commit.sha[:7]} “{commit.title}”"
        if commit.title.startswith(("fixup!", "squash!")):
            raise click.ClickException(
                f"{what} waits for its place: git rebase -i --autosquash before"
            )
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", commit.slug):
            raise click.ClickException(
                f"{what} needs a line “Part: name” at its end, of small letters, digits and -"
                + (f", not “{commit.slug}”" if commit.slug else "")
            )
        if slugs.count(commit.slug) > 1 or commit.slug == "series":
            raise click.ClickException(f"{what}: another part is called {commit.slug} too")


def _states(step: Step) -> dict[str, Files]:
    """Return the states of a lesson as they were saved, by the names of the parts."""
    if not lessons.has_series(step):
        return {}
    try:
        return {part.slug: lessons.files_after(part) for part in lessons.parts_of(step)}
    except (patches.PatchError, OSError):
        return {}


def _write_series(step: Step, directory: Path, commits: list[Commit], first: str) -> None:
    folder = lessons.folder_of(step)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.patch"):
        path.unlink()
    empty = git.run("hash-object", "-t", "tree", "--stdin", cwd=directory, stdin=b"").decode()
    before = first or empty.strip()
    group = ""
    series: list[str] = []
    for commit in commits:
        if commit.group and commit.group != group:
            group = commit.group
            series += [""] * bool(series) + [f"# {group}"]
        series.append(f"{commit.slug}.patch")
        diff = _diff(directory, before, commit.sha, "-M", "--no-color")
        diff = git.without_hashes(diff)
        text = commit.title.encode() + b"\n\n" + diff
        (folder / f"{commit.slug}.patch").write_bytes(text)
        before = commit.sha
    (folder / "series").write_text("\n".join([*series, ""]), encoding="utf-8")


# -- All states at once ----------------------------------------------------------------------------


def each(step: Step, directory: Path, command: str) -> None:
    """Run a shell command in every state of the repository, and keep what it changes."""
    commits, first = read_commits(step, directory)
    changed = 0
    new: list[tuple[str, Files]] = []
    with tempfile.TemporaryDirectory(prefix="learn-parts-") as name:
        folder = Path(name, step.folder)
        folder.mkdir()
        for commit in commits:
            files = git.files_of(directory, commit.sha)
            lessons.write(files, folder)
            code = subprocess.run(command, shell=True, cwd=folder).returncode
            if code:
                raise click.ClickException(
                    f"In “{commit.title}” the command ended with {code}; nothing was changed."
                )
            after = lessons.files_in(folder)
            changed += after != files
            message = git.run("log", "-1", "--format=%B", commit.sha, cwd=directory).decode()
            new.append((message, after))
    if changed:
        _replace_branch(directory, new, first)
    click.echo(f"The command ran in {len(commits)} states and changed {changed} of them.")


def keep(step: Step, directory: Path) -> None:
    """Put the later parts, with their files as they are, after the part that was amended.

    The repository is at an amended commit, as after `git checkout` and `git commit --amend`.
    """
    form = "%(trailers:key=Part,valueonly)"
    slug = git.run("log", "-1", f"--format={form}", "HEAD", cwd=directory).decode().strip()
    amended = git.run("rev-parse", "HEAD", cwd=directory).decode().strip()
    git.run("checkout", "--quiet", BRANCH, cwd=directory)
    try:
        commits, _ = read_commits(step, directory)
        slugs = [commit.slug for commit in commits]
        if slug not in slugs:
            raise click.ClickException("Check out the commit of a part, and amend that, first.")
    except click.ClickException:
        git.run("checkout", "--quiet", amended, cwd=directory)
        raise
    later = commits[slugs.index(slug) + 1 :]
    new: list[tuple[str, Files]] = [
        (
            git.run("log", "-1", "--format=%B", commit.sha, cwd=directory).decode(),
            git.files_of(directory, commit.sha),
        )
        for commit in later
    ]
    _replace_branch(directory, new, amended)
    click.echo(f"{len(later)} later parts are as they were; the next one undoes what you changed.")


def _replace_branch(directory: Path, commits: list[tuple[str, Files]], parent: str) -> None:
    if commits:
        git.commit_all(directory, commits, f"{BRANCH}-new", parent=parent)
    else:
        git.run("branch", "--force", f"{BRANCH}-new", parent, cwd=directory)
    git.run("checkout", "--quiet", "-B", BRANCH, f"{BRANCH}-new", cwd=directory)
    git.run("branch", "--quiet", "-D", f"{BRANCH}-new", cwd=directory)


def refresh(step: Step, directory: Path, check: Callable[[list[Part]], bool] | None) -> None:
    """Bring what has changed in the steps' folders into this lesson and the later ones.

    Where git cannot do it alone, the repository stays in ``directory``.
    """
    lessons.forget()
    later = [other for other in STEPS[step.number - 1 :] if lessons.has_series(other)]
    before = {other: _files_before(other) for other in later}
    for other in later:
        repository = directory / other.folder
        edit(other, repository, before[other])
        words = ("-c", "sequence.editor=true", "rebase", "--quiet", "-i", "--autosquash", "before")
        git.run(*words, cwd=repository)
        save(other, repository, update_step=False, check=check)
        shutil.rmtree(repository)
