"""`learn.py doctor`: each fault is made for real, and has its row, its command and its exit code.

All is done in a copy of the repo with a .venv of its own, which borrows the packages of this one.
"""

import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import psutil
import pytest

from common import bootstrap
from common import stack
from common.doctor import databases
from common.doctor import machine
from common.doctor import services
from common.doctor.rows import OK
from common.steps import ROOT
from common.steps import STEPS
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.timed,
    pytest.mark.skipif(sys.platform == "win32", reason="the faults are made by means of POSIX"),
]

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "tests", "instance", "__pycache__", "*.pyc", ".*_cache"
)
# The doctor, with another port in the place of 5000, which may be in use here.
DOCTOR = """
import sys
sys.path.insert(0, sys.argv[1])
from common.doctor import doctor, services
services.PORT = int(sys.argv[2])
sys.exit(doctor("--fix" in sys.argv))
"""


@dataclass
class Seen:
    """What the doctor printed."""

    code: int
    out: str
    seconds: float

    def row(self, name: str) -> str:
        """Return a row, in one line."""
        found = re.search(rf"^[✓✗○] {re.escape(name)} .*(?:\n {{14}}→ .*)?", self.out, re.M)
        assert found, f"no row “{name}” in:\n{self.out}"
        return " ".join(found[0].split())


@dataclass
class Repo:
    """A copy of the repo; its folder has a space in its name."""

    base: Path
    port: int = field(default_factory=stack.free_port)
    redis_url: str = ""

    @property
    def root(self) -> Path:
        return self.base / "my copy"

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @property
    def packages(self) -> Path:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        return self.root / ".venv" / "lib" / version / "site-packages"

    def folder(self, number: int) -> Path:
        return self.root / STEPS[number - 1].folder

    def env(self, **variables: str) -> dict[str, str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "TMPDIR": str(self.base / "tmp"),
            "LANG": "C.UTF-8",
            "REDIS_URL": self.redis_url,
            **variables,
        }
        return {name: value for name, value in env.items() if value}

    def doctor(self, *words: str, **variables: str) -> Seen:
        """Call the doctor, by the Python of .venv."""
        command = [self.python, "-E", "-P", "-c", DOCTOR, self.root, self.port, *words]
        return self._run(command, variables)

    def learn(self, *words: str, **variables: str) -> Seen:
        """Call `learn.py doctor`, as one types it."""
        return self._run([sys.executable, self.root / "learn.py", "doctor", *words], variables)

    def _run(self, command: list[object], variables: dict[str, str]) -> Seen:
        began = time.monotonic()
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.base,
            env=self.env(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.stderr == "", done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) <= 24, f"one screen, not:\n{done.stdout}"
        for line in lines:
            # A command is never cut: one copies it.
            assert len(line) <= 80 or re.match(r" +→|(?:Not m|M)ended, ", line), line
        return Seen(done.returncode, done.stdout, time.monotonic() - began)

    def flask(self, number: int, *words: str) -> None:
        command = [str(self.python), "-m", "flask", *words]
        folder, env = self.folder(number), self.env()
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repo() -> Iterator[Repo]:
    repo = Repo(new_folder())
    shutil.copytree(ROOT, repo.root, ignore=NOT_COPIED)
    (repo.base / "tmp").mkdir()
    repo.python.parent.mkdir(parents=True)
    repo.python.symlink_to(sys._base_executable)
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), repo.root / ".venv")
    repo.packages.mkdir(parents=True)
    real = Path(sys.prefix, "lib", *repo.packages.relative_to(repo.root / ".venv" / "lib").parts)
    for path in real.iterdir():
        (repo.packages / path.name).symlink_to(path)
    for path in repo.packages.glob("*study_log*.pth"):  # it leads to this repo
        path.unlink()
        path.write_text(str(repo.root))
    port = stack.free_port()
    (repo.base / "redis").mkdir()
    command = stack.redis_command(port, repo.base / "redis")
    server = Process(command, cwd=repo.base, env={}, log=Log(repo.base / "redis.txt"))
    repo.redis_url = f"redis://127.0.0.1:{port}/0"
    wait_until(lambda: stack.redis_answers(repo.redis_url), "a Redis that answers")
    yield repo
    server.kill()
    remove_folder(repo.base)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a program that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_all_is_well(repo):
    """Where nothing is wrong, it says so, and the exit code is 0."""
    seen = repo.doctor()
    assert seen.code == 0, seen.out
    assert seen.out.splitlines()[-1] == "All is well."
    assert "in .venv" in seen.row("Python")
    assert re.match(r"✓ \.venv \d\d packages, each with the version", seen.row(".venv"))
    assert re.match(r"✓ git \d", seen.row("git"))
    assert seen.row(f"port {repo.port}") == f"✓ port {repo.port} free"
    assert re.search(r"valkey \S+ at 127.0.0.1:\d+, of this machine \(process", seen.row("Redis"))
    assert seen.row("worker") == "○ worker none runs; exports wait for one → python3 learn.py run 5"
    for number in (3, 4, 5, 6):
        assert "no database yet" in seen.row(f"step {number}")
    assert seen.row("variables").startswith("✓ variables of the steps' own, these are set: REDIS")
    assert seen.row("processes") == "✓ processes none is left over"
    assert seen.row("files") == "✓ files nothing is left over"
    assert "\033" not in seen.out, "colour is for terminals only"


def test_it_is_quick(repo):
    """It works for a second at most: on a machine with nothing else to do, it is there in two."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    repo.learn()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


# -- Redis, the port, variables --------------------------------------------------------------------


def test_a_redis_that_hangs_does_not_hang_the_doctor(repo, silent):
    """A Redis that takes the connection and says nothing is named within seconds."""
    seen = repo.doctor(REDIS_URL=f"redis://127.0.0.1:{silent}/0")
    assert seen.code == 1
    assert seen.row("Redis") == (
        f"✗ Redis hangs: 127.0.0.1:{silent} is open, and nothing is answered → unset REDIS_URL"
    )
    assert seen.seconds < 10
    assert seen.out.splitlines()[-1] == "1 to mend by what follows →."


def test_no_redis_where_redis_url_says(repo):
    """A REDIS_URL at which nobody answers, or that is none, is wrong."""
    seen = repo.doctor(REDIS_URL="redis://127.0.0.1:1/0")
    assert seen.row("Redis") == ("✗ Redis none answers at REDIS_URL, 127.0.0.1:1 → unset REDIS_URL")
    seen = repo.doctor(REDIS_URL="http://127.0.0.1")
    assert "✗ Redis REDIS_URL is no address of a Redis" in seen.row("Redis")


def test_no_redis_is_no_fault_where_nobody_asked_for_one(monkeypatch):
    """Without REDIS_URL, `learn.py run` starts a Redis; `learn.py redis` is for others."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setattr(stack, "DEFAULT_REDIS_URL", f"redis://127.0.0.1:{stack.free_port()}/0")
    monkeypatch.setattr(services, "ours", tuple)
    (row,) = services.redis_server()
    assert (row.mark, row.mend) == ("○", "python3 learn.py redis")


def test_a_redis_with_a_password(repo, tmp_path):
    """A Redis that refuses us is told apart from none."""
    port = stack.free_port()
    command = [*stack.redis_command(port, tmp_path), "--requirepass", "secret"]
    server = Process(command, cwd=tmp_path, env={}, log=Log(tmp_path / "redis.txt"))
    try:
        wait_until(lambda: not stack.port_is_free(port), "a Redis that listens")
        seen = repo.doctor(REDIS_URL=f"redis://127.0.0.1:{port}/0")
        assert f"→ export REDIS_URL=redis://:PASSWORD@127.0.0.1:{port}/0" in seen.row("Redis")
        assert seen.code == 1
        seen = repo.doctor(REDIS_URL=f"redis://:secret@127.0.0.1:{port}/0")
        assert seen.code == 0
        assert "secret" not in seen.out, "passwords are shown to nobody"
    finally:
        server.kill()


def test_the_redis_of_learn_py(repo):
    """A Redis that learn.py has started is told apart from others."""
    port = stack.free_port()
    command = [repo.python, "-P", "-m", "common.cli", "redis", "--port", port]
    log = Log(repo.base / "learn redis.txt")
    server = Process(list(map(str, command)), cwd=repo.base, env=repo.env(), log=log)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        wait_until(lambda: stack.redis_answers(url), "a Redis that answers")
        seen = repo.doctor(REDIS_URL=url)
        assert f"of learn.py redis (process {server.pid})" in seen.row("Redis")
    finally:
        server.kill()


def test_the_port_in_use_by_another_program(repo, silent):
    """Another program on the port is named, and the command that takes another port."""
    holder = Repo(repo.base, port=silent, redis_url=repo.redis_url)
    seen = holder.doctor()
    assert seen.code == 1
    me = psutil.Process().name()
    assert seen.row(f"port {silent}") == (
        f"✗ port {silent} in use by {me} (process {os.getpid()}), not of this folder "
        f"→ python3 learn.py run 1 --port {silent + 1}"
    )


@pytest.mark.parametrize(
    ("variables", "row"),
    [
        (
            {"FLASK_APP": "wrong"},
            "✗ variables FLASK_APP changes what is typed here → unset FLASK_APP",
        ),
        (
            {"CELERY_BROKER_URL": "redis://elsewhere", "PYTEST_ADDOPTS": "-x"},
            "✗ variables CELERY_BROKER_URL, PYTEST_ADDOPTS change what is typed here "
            "→ unset CELERY_BROKER_URL PYTEST_ADDOPTS",
        ),
        (
            {"http_proxy": "http://127.0.0.1:9"},
            "✗ variables http_proxy changes what is typed here "
            "→ export no_proxy=127.0.0.1,localhost",
        ),
        (
            {"http_proxy": "http://127.0.0.1:9", "no_proxy": "localhost,127.0.0.1"},
            "✓ variables of the steps' own, these are set: REDIS_URL",
        ),
        (
            {"VIRTUAL_ENV": "/home/ada/other"},
            "✗ variables VIRTUAL_ENV changes what is typed here → unset VIRTUAL_ENV",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_variables_that_change_something(repo, variables, row):
    """A variable that would change what one types has a row, with what takes it away."""
    seen = repo.learn(**variables)
    assert seen.row("variables") == row
    assert seen.code == 1 or row[0] == OK


# -- .venv -----------------------------------------------------------------------------------------


@pytest.fixture
def older_flask(repo) -> Iterator[None]:
    """Flask in .venv is of another version than its pin."""
    (real,) = repo.packages.glob("flask-3*.dist-info")
    target = real.readlink()
    real.unlink()
    fake = repo.packages / "flask-2.9.9.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask\nVersion: 2.9.9\n")
    yield
    shutil.rmtree(fake, ignore_errors=True)
    real.symlink_to(target)


def test_a_package_of_another_version(repo, older_flask):
    """A package that is not as its pin says is named, with the command that installs it."""
    seen = repo.doctor()
    assert seen.code == 1
    assert re.fullmatch(
        r"✗ \.venv flask is 2\.9\.9, its pin 3\.\S+ "
        r"→ \.venv/bin/python -m pip install -r requirements\.txt -e \.",
        seen.row(".venv"),
    )
    last = "1 to mend by what follows →; python3 learn.py doctor --fix does what is safe."
    assert seen.out.splitlines()[-1] == last


def test_a_package_that_is_missing_stops_nothing(repo):
    """Where a package that the doctor needs is missing, all that can be looked at is."""
    found = [
        path for path in repo.packages.iterdir() if re.match(r"(redis|click)(-\d|$)", path.name)
    ]
    links = {path: path.readlink() for path in found}
    assert len(links) == 4
    for path in links:
        path.unlink()
    try:
        seen = repo.learn()
    finally:
        for path, target in links.items():
            path.symlink_to(target)
    assert seen.code == 1
    assert "✗ .venv click is missing; 1 more" in seen.row(".venv")
    assert seen.row("Redis") == "○ Redis not looked at: redis is missing in .venv"
    assert "✓ git" in seen.row("git")


def test_a_venv_without_a_python(repo):
    """Where .venv is broken, the doctor runs by the Python that was typed, and says so."""
    home = repo.python.readlink()
    repo.python.unlink()
    repo.python.symlink_to("/nowhere/python")
    try:
        seen = repo.learn()
    finally:
        repo.python.unlink()
        repo.python.symlink_to(home)
    assert seen.code == 1
    assert seen.row(".venv") == (
        "✗ .venv does not work: its Python or pip is gone, or is another one "
        "→ python3 learn.py doctor --fix"
    )
    assert "in .venv" not in seen.row("Python")
    assert "no database yet" in seen.row("step 6")


def test_fix_installs_what_the_pins_say(repo, older_flask, monkeypatch):
    """The mending of .venv is its set-up; the stamp that says it is well is no hindrance."""
    stamp = repo.root / ".venv" / ".learn-stamp"
    for name, value in {
        "ROOT": repo.root,
        "VENV": stamp.parent,
        "PYTHON": repo.python,
        "STAMP": stamp,
        "is_in_venv": lambda: True,
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(machine, "ROOT", repo.root)
    stamp.write_text(bootstrap._place() + bootstrap._pins())
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    called = []
    monkeypatch.setattr(bootstrap, "_install", lambda: called.append("install"))
    (row,) = machine.environment()
    assert row.mark == "✗"
    assert row.fix
    assert row.fix().startswith("set up as requirements.txt says")
    assert called == ["install"]
    assert bootstrap.is_set_up()


def test_a_new_venv_keeps_what_the_learner_has_in_it(tmp_path, monkeypatch):
    """A broken .venv is made anew around the parts that somebody has run, and their data."""
    venv = tmp_path / ".venv"
    data = venv / "parts" / "3.edit" / "instance" / "study_log.db"
    data.parent.mkdir(parents=True)
    data.write_text("rows")
    (venv / "lib").mkdir()
    (venv / "lib" / "old.py").touch()
    monkeypatch.setattr(bootstrap, "VENV", venv)
    called = []
    monkeypatch.setattr(bootstrap, "_call", lambda *words: called.append(words))
    bootstrap._make_venv()
    assert data.read_text() == "rows"
    assert not (venv / "lib").exists()
    assert called and "--clear" not in called[0][1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_a_link_to_another_venv_is_named(tmp_path, monkeypatch):
    """A .venv that is a link to that of another folder is named; --fix replaces the link alone."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / ".learn-stamp").write_text("/another/folder\n")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / ".learn-stamp")
    bootstrap.VENV.symlink_to(tmp_path / "theirs")
    (row,) = machine.environment()
    assert (row.mark, row.mend) == ("✗", "python3 learn.py doctor --fix")
    assert row.text == f"is a link to {tmp_path / 'theirs'}, made for another folder"


# -- databases -------------------------------------------------------------------------------------


def newest(number: int) -> str:
    return list(databases.revisions(STEPS[number - 1]))[-1]


def make_database(repo: Repo, number: int, revision: str | None) -> Path:
    """Make a small database at a revision; ``None`` is one without the table for it."""
    path = repo.folder(number) / "instance" / "study_log.db"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE user (id INTEGER)")
        if revision is not None:
            database.execute("CREATE TABLE alembic_version (version_num TEXT)")
            database.execute("INSERT INTO alembic_version VALUES (?)", [revision])
        database.commit()
    return path


@pytest.fixture
def no_databases(repo) -> Iterator[None]:
    yield
    for step in STEPS:
        shutil.rmtree(repo.root / step.folder / "instance", ignore_errors=True)


@pytest.mark.usefixtures("no_databases")
def test_each_database_is_compared_with_its_migrations(repo):
    """A database behind, ahead of, or without revisions is told apart, and is not changed."""
    paths = [
        make_database(repo, 3, None),
        make_database(repo, 4, newest(4)),
        make_database(repo, 5, "0002"),
        make_database(repo, 6, None),
    ]
    before = [path.read_bytes() for path in paths]
    seen = repo.doctor()
    assert seen.code == 1
    assert seen.row("step 3") == "✓ step 3 a database with 1 tables"
    assert seen.row("step 4") == f"✓ step 4 its database is at the newest revision, {newest(4)}"
    assert seen.row("step 5") == (
        f"✗ step 5 its database is at 0002, the newest is {newest(5)} "
        "→ cd step05_celery && flask db upgrade"
    )
    assert seen.row("step 6") == (
        "✗ step 6 has tables that no migration made (create_all?) "
        "→ cd step06_factory && flask db stamp 0001 && flask db upgrade"
    )
    assert [path.read_bytes() for path in paths] == before
    make_database(repo, 4, "0999")
    paths[2].write_text("no database at all, but a text of some length" * 99)
    paths[3].unlink()
    seen = repo.doctor()
    assert "at 0999, of which there is no file → git restore step04_migrate/migrations" in (
        seen.row("step 4")
    )
    assert seen.row("step 5").startswith("✗ step 5 study_log.db is no database → mv step05_celery/")


@pytest.mark.slow
@pytest.mark.usefixtures("no_databases")
def test_fix_upgrades_a_database_and_keeps_the_old_one(repo):
    """`--fix` upgrades a database that is behind; how it was before is kept beside it."""
    repo.flask(4, "db", "upgrade", "0003")
    path = repo.folder(4) / "instance" / "study_log.db"
    assert f"at 0003, the newest is {newest(4)}" in repo.doctor().row("step 4")
    seen = repo.doctor("--fix")
    kept = path.with_name("study_log.db.at-0003")
    assert f"Mended, step 4: upgraded; step04_migrate/instance/{kept.name} is the" in seen.out
    assert seen.code == 0, seen.out
    assert seen.row("step 4") == f"✓ step 4 its database is at the newest revision, {newest(4)}"
    with closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0003",)


@pytest.mark.slow
def test_a_database_elsewhere(repo, silent, tmp_path):
    """The database that DATABASE_URL names is asked, and one that hangs hangs nothing."""
    url = f"mysql+pymysql://ada:secret@127.0.0.1:{silent}/study_log"
    seen = repo.doctor(DATABASE_URL=url)
    assert "✗ database DATABASE_URL cannot be used" in seen.row("database")
    assert "→ unset DATABASE_URL" in seen.row("database")
    assert "secret" not in seen.out
    path = tmp_path / "mine.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES (?)", [newest(5)])
        database.commit()
    seen = repo.doctor(DATABASE_URL=f"sqlite:///{path}")
    assert seen.row("database").startswith(
        f"✓ database at {newest(5)}, the newest of step 5: sqlite:////"
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '0002'")
        database.commit()
    seen = repo.doctor(DATABASE_URL=f"sqlite:///{path}")
    assert seen.row("database").startswith("✗ database at 0002, which is the newest of no step")
    assert "→ flask db upgrade" in seen.row("database")
    missing = tmp_path / "none.db"
    assert "not there yet" in repo.doctor(DATABASE_URL=f"sqlite:///{missing}").row("database")
    assert not missing.exists(), "to look is not to make one"


def test_revisions_are_read_as_alembic_reads_them():
    """The newest revision is that of alembic itself."""
    from alembic.script import ScriptDirectory

    for step in STEPS:
        if step.migrates:
            heads = ScriptDirectory(str(step.path / "migrations")).get_heads()
            found = databases.revisions(step)
            assert heads == [list(found)[-1]]
            assert all(set(olders) <= found.keys() for olders in found.values())


# -- workers, what is left over --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("no_databases")
def test_the_worker_tells_which_tasks_it_knows(repo):
    """A worker is asked for its tasks; one with older code, or that hangs, is told apart."""
    repo.flask(5, "db", "upgrade")
    command = [str(repo.python), *stack.worker_command("app.celery_app").argv[1:]]
    command += ["--concurrency", "1"]
    env = repo.env()
    log = Log(repo.base / "worker.txt")
    worker = Process(command, cwd=repo.folder(5), env=env, log=log)
    code = repo.folder(5) / "app" / "mail.py"
    text = code.read_text()
    try:
        wait_until(lambda: " ready." in worker.output, "a worker that is ready", seconds=60)
        # What is set here is another Redis than the worker's: it is asked where it is.
        seen = repo.doctor(CELERY_BROKER_URL="redis://127.0.0.1:1/0")
        assert re.match(r"✓ worker that of step 5 answers; \d tasks: ", seen.row("worker"))
        assert seen.row("processes") == "✓ processes none is left over; 2 of yours run"
        code.write_text(f"{text}\n\n@shared_task\ndef a_new_one() -> None:\n    ...\n")
        again = f"→ kill {worker.pid}; python3 learn.py run 5"
        assert repo.doctor().row("worker") == (
            f"✗ worker that of step 5 has older code, without app.mail.a_new_one {again}"
        )
        code.write_text(text)
        os.kill(worker.pid, signal.SIGSTOP)
        seen = repo.doctor()
        assert seen.row("worker") == (
            f"✗ worker worker of step 5 (process {worker.pid}) does not answer {again}"
        )
    finally:
        code.write_text(text)
        worker.kill()


@pytest.mark.slow
@pytest.mark.usefixtures("no_databases")
def test_what_a_killed_run_has_left_is_ended(repo):
    """What is left of a `learn.py run` that was killed is named, and `--fix` ends just that."""
    env = repo.env()
    port, other = stack.free_port(), stack.free_port()
    command = [str(repo.python), "-P", "-m", "common.cli", "run", "1", "--port", str(port)]
    run = Process(command, cwd=repo.base, env=env, log=Log(repo.base / "run.txt"))
    left: list[psutil.Process] = []
    # Typed by hand, in the same folder: it is the learner's, and stays.
    by_hand = Process(
        [str(repo.python), "-m", "flask", "run", "--port", str(other)],
        cwd=repo.folder(1),
        env=env,
        log=Log(repo.base / "hand.txt"),
    )
    try:
        wait_until(lambda: "Ctrl-C" in run.output, "the page of step 1", seconds=60)
        seen = Repo(repo.base, other, repo.redis_url).doctor()
        assert "left of" not in seen.row("processes"), "it is at work"
        assert seen.row(f"port {other}") == (
            f"✓ port {other} in use by flask run of step 1 (process {by_hand.pid}), which is yours"
        )
        children = psutil.Process(run.pid).children(recursive=True)
        reaper = next(c for c in children if "reaper.py" in " ".join(c.cmdline()))
        left = [child for child in children if child != reaper]
        reaper.kill()
        os.kill(run.pid, signal.SIGKILL)
        run.wait(10)
        seen = repo.doctor()
        assert seen.code == 1
        assert seen.row("processes").startswith(
            "✗ processes left of a run that was killed: flask run of step 1 (process"
        )
        assert f"→ kill {left[0].pid}" in seen.row("processes")
        seen = repo.doctor("--fix")
        assert "Mended, processes: ended flask run of step 1" in seen.out
        assert seen.code == 0, seen.out
        assert not [process for process in left if process.is_running()]
        assert by_hand.running, "what was typed by hand is not ours to end"
    finally:
        by_hand.kill()
        run.kill()
        for process in left:
            if process.is_running():
                process.kill()


@pytest.mark.slow
@pytest.mark.usefixtures("no_databases")
def test_files_that_are_left_over(repo):
    """What interrupted starts and tests have left is named; `--fix` deletes that and no data."""
    instance = repo.folder(2) / "instance"
    instance.mkdir()
    tmp = repo.base / "tmp"
    old_copy, notes, new_copy = (
        tmp / name for name in ("study log abcd1234", "study log homework", "study log efgh5678")
    )
    for folder in (old_copy, new_copy):
        for name in ("home", "tmp", "step01_hello copy"):
            (folder / name).mkdir(parents=True)
    notes.mkdir()
    (notes / "notes.txt").write_text("mine")
    key, half = instance / "secret_key", instance / "secret_key.4711"
    key.write_text("the key")
    half.write_text("half a key")
    long_ago = time.time() - 3 * 24 * 60 * 60
    for path in (old_copy, notes, key, half):
        os.utime(path, (long_ago, long_ago))
    seen = repo.doctor()
    assert seen.code == 1
    assert seen.row("files") == (
        "✗ files 2 left over by what was interrupted, such as secret_key.4711 "
        "→ python3 learn.py doctor --fix"
    )
    seen = repo.doctor("--fix")
    assert seen.code == 0
    assert not old_copy.exists() and not half.exists()
    for path in (new_copy, notes / "notes.txt", key):
        assert path.exists(), f"--fix has deleted {path.name}"
    seen = repo.doctor("--fix", FLASK_APP="wrong")
    assert "There is nothing here that can be mended without you." in seen.out
    assert seen.code == 1


# -- the form of it --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_databases")
def test_all_faults_at_once_are_one_screen(repo, older_flask, silent):
    """However much is wrong, it fits into 24 lines of 80 columns, with commands that are whole."""
    for number in (4, 5, 6):
        make_database(repo, number, "0001")
    (repo.folder(3) / "instance").mkdir()
    (repo.folder(3) / "instance" / "study_log.db").write_text("nothing of SQLite" * 99)
    (repo.folder(3) / "instance" / "secret_key.1").touch()
    os.utime(repo.folder(3) / "instance" / "secret_key.1", (0, 0))
    many = {
        f"FLASK_{name}": "x" for name in ("APP", "DEBUG", "RUN_PORT", "RUN_HOST", "SKIP_DOTENV")
    }
    sick = Repo(repo.base, port=silent, redis_url=f"redis://127.0.0.1:{silent}/0")
    seen = sick.doctor(**many, http_proxy="http://127.0.0.1:9", PATH=str(repo.base))
    assert seen.code == 1
    assert seen.out.count("✗") == 10
    assert "git is not installed; diff, break and parts need it" in seen.row("git")


def test_what_hangs_is_one_row(monkeypatch):
    """A check that hangs, or that fails in a way nobody thought of, costs its own row alone."""
    from common import doctor

    def fail() -> list:
        raise ValueError("of a new kind")

    never = threading.Event()
    checks = (("git", machine.git), ("disk", never.wait), ("odd", fail))
    monkeypatch.setattr(doctor, "CHECKS", checks)
    monkeypatch.setattr(doctor, "PATIENCE", 0.5)
    rows = {row.name: row.text for row in doctor.look()}
    never.set()
    assert rows["disk"] == "no answer within 0.5 s"
    assert rows["odd"] == "cannot be looked at: of a new kind"


@pytest.mark.slow
def test_a_terminal_without_these_signs_gets_others(repo):
    """Where the terminal has no ✓, there is another sign."""
    seen = repo.doctor(PYTHONIOENCODING="ascii")
    assert "✓" in seen.out, "-E: the variable does not count"
    command = [sys.executable, "-P", "-m", "common.cli", "doctor"]
    env = repo.env(PYTHONIOENCODING="ascii", PYTHONPATH=str(repo.root))
    done = subprocess.run(command, cwd=repo.base, env=env, capture_output=True, text=True)
    assert re.search(r"^\+ git ", done.stdout, re.M), done.stdout + done.stderr
