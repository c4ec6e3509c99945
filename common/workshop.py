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
from .carry import carry
from .carry import carry_all
from .lessons import Files
from .lessons import Part
from .steps import STEPS
from .steps import Step

BRANCH = "lesson"
# A line that Flask, ruff or an editor makes is not in the repository.
EXCLUDE = "instance/\n__pycache__/\n*.py[cod]\n.*_cache/\n.DS_Store\n*.swp\n*~\n"


# What some commit should get: hunks, or with None whole files.
Share = list[tuple[patches.Change, patches.Hunk | None]]
Shares = dict[str, Share]


@dataclass(frozen=True)
class Commit:
    """A commit of the repository, as the part that it becomes."""

    sha: str
    title: str
    slug: str
    group: str


# -- From parts to commits -------------------------------------------------------------------------


def edit(
    step: Step, directory: Path, old_before: Files | None = None, *, spread: bool = False
) -> None:
    """Make a repository of a lesson, with what the step's folder has beyond it as fixups.

    ``old_before`` is the state that the patches are for, if the lesson before has changed since.
    With ``spread`` there are no fixups: all states from the one that a line belongs to get it.
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
    trouble: list[str] = []
    messages: list[str] = []
    states: list[Files] = []
    state: Files = before if old_before is None else old_before
    if lessons.has_series(step):
        for part in lessons.parts_of(step):
            state = _apply(part, state, trouble)
            states.append(state)
            messages.append(_message(part.title, part.slug, part.group.partition(" ")[2]))
    _init(directory)
    if old_before is not None and old_before != before:
        changes = _changes(directory, old_before, before)
        states = [carry_all(changes, old_before, before, state) for state in states]
    begin = f"Before lesson {step.number}"
    commits = [(begin, before), *zip(messages, states, strict=True)]
    git.commit_all(directory, commits, BRANCH)
    _tag(directory, "goal", f"{step.folder}, where this should end", goal)
    git.run("tag", "before", f"{BRANCH}~{len(states)}", cwd=directory)
    left = 0
    if states and states[-1] != goal:
        shares = _share(directory, _changes(directory, states[-1], goal))
        left = sum(hunk.changed if hunk else 1 for share in shares.values() for _, hunk in share)
        if spread:
            states = _spread(directory, shares, states, goal)
            if "" in shares:
                paths = sorted({change.path for change, _ in shares[""]})
                raise click.ClickException(
                    f"No part touches {', '.join(paths)}, so --refresh cannot tell where it "
                    f"begins. Say so by hand: learn.py parts {step.number} --edit DIR"
                )
            commits = [(begin, before), *zip(messages, states, strict=True)]
            git.commit_all(directory, commits, BRANCH)
        else:
            _add_fixups(directory, shares, states[-1], goal)
    git.run("reset", "--quiet", "--hard", BRANCH, cwd=directory)
    if not spread:
        _say_edit(step, directory, len(states), left, trouble)


def _init(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    git.run("init", "--quiet", "--initial-branch", BRANCH, cwd=directory)
    for key, value in zip(("name", "email"), git.identity(directory), strict=True):
        git.run("config", f"user.{key}", value, cwd=directory)
    (directory / ".git" / "info").mkdir(exist_ok=True)
    (directory / ".git" / "info" / "exclude").write_text(EXCLUDE, encoding="utf-8")


def _changes(directory: Path, old: Files, new: Files) -> list[patches.Change]:
    """Return what differs between two sets of files, without any lines around it."""
    _tag(directory, "one", "one", old)
    _tag(directory, "other", "other", new)
    found = patches.read(_diff(directory, "one", "other", "--no-renames", "--unified=0"))
    git.run("tag", "--delete", "one", "other", cwd=directory)
    return found


def _tag(directory: Path, name: str, message: str, files: Files) -> None:
    """Make a commit that has no parent, under a tag."""
    git.commit_all(directory, [(message, files)], f"{name}-branch")
    git.run("tag", "--force", name, f"{name}-branch", cwd=directory)
    git.run("branch", "--quiet", "-D", f"{name}-branch", cwd=directory)


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


def _share(directory: Path, difference: list[patches.Change]) -> Shares:
    """Share what differs from the goal among the commits, by blame; "" gets what nobody touches."""
    order, last = _who_touched(directory)
    shares: Shares = {}
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
    return dict(sorted(shares.items(), key=lambda item: order.index(item[0]) if item[0] else 999))


def _add_fixups(directory: Path, shares: Shares, state: Files, goal: Files) -> None:
    """Add a commit for each share, which names the commit that it belongs to."""
    commits: list[tuple[str, Files]] = []
    done: Share = []
    for owner, share in shares.items():
        done += share
        message = "What belongs to no part yet"
        if owner:
            title = git.run("log", "-1", "--format=%s", owner, cwd=directory).decode().strip()
            message = f"fixup! {title}"
        commits.append((f"{message}\n", _with(done, state, goal)))
    assert commits[-1][1] == goal, "the fixups should end where the step does"
    git.commit_all(directory, commits, BRANCH, parent=BRANCH)


def _spread(directory: Path, shares: Shares, states: list[Files], goal: Files) -> list[Files]:
    """Put each share into the state that it belongs to, and into all later ones."""
    order, _ = _who_touched(directory)
    end = states[-1]
    new: list[Files] = []
    for number, state in enumerate(states):
        so_far = {owner for owner in shares if owner and order.index(owner) <= number}
        share = [entry for owner in shares if owner in so_far for entry in shares[owner]]
        if number == len(states) - 1:
            share = [entry for entries in shares.values() for entry in entries]
        new.append(_with(share, state, goal, end))
    return new


def _with(share: Share, state: Files, goal: Files, end: Files | None = None) -> dict[str, bytes]:
    """Return the state with some of the hunks that lead from the end of the lesson to the goal."""
    files = dict(state)
    end = state if end is None else end
    by_path: dict[str, list[patches.Hunk]] = {}
    for change, hunk in share:
        if hunk is not None:
            by_path.setdefault(change.path, []).append(hunk)
        elif change.new is None:
            files.pop(change.path, None)
        else:
            files[change.path] = goal[change.path]
    for path, hunks in by_path.items():
        if path in files:
            hunks.sort(key=lambda hunk: hunk.first)
            files[path] = carry(hunks, end[path], files[path])
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


def show(step: Step, directory: Path) -> None:
    """Print the commits as the parts that they would be, with their changed lines of code."""
    commits, before = read_commits(step, directory)
    for number, commit in enumerate(commits, 1):
        diff = _diff(directory, before or _no_files(directory), commit.sha, "-M", "--no-color")
        lines = sum(c.lines for c in patches.read(diff) if lessons.is_code(c.path))
        click.echo(f"{step.number}.{number:<3} {lines:>4}  {commit.slug:<20} {commit.title}")
        before = commit.sha
    left = _changes(directory, git.files_of(directory, "HEAD"), lessons.files_in(step.path))
    lines = sum(change.lines for change in left)
    click.echo(f"{len(commits)} commits; {lines} lines are left to {step.folder}.")


def _no_files(directory: Path) -> str:
    """Return git's name for an empty folder."""
    words = ("hash-object", "-t", "tree", "--stdin")
    return git.run(*words, cwd=directory, stdin=b"").decode().strip()


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
    before = first or _no_files(directory)
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

    The repositories are in ``directory``, where the one stays that cannot be saved.
    """
    lessons.forget()
    later = [other for other in STEPS[step.number - 1 :] if lessons.has_series(other)]
    before = {other: _files_before(other) for other in later}
    for other in later:
        repository = directory / other.folder
        edit(other, repository, before[other], spread=True)
        save(other, repository, update_step=False, check=check)
        shutil.rmtree(repository)
