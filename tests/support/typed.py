"""A terminal: what the texts of the course say is typed, and what it prints is compared.

In a ``console`` block, a line that begins with ``$`` is typed, lines that begin with ``>>>`` and
``...`` go to the program that was typed last, and the others are what is printed. ``…`` stands for
what differs each time: a part of a line or, on a line of its own, whole lines.

The ports of the texts are free ones here, so that several terminals can be at work at once.
"""

import contextlib
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from common.stack import free_port
from common.steps import ROOT
from common.steps import STEPS
from common.steps import Step
from tests.support import reaper
from tests.support.processes import NotReady
from tests.support.processes import answers
from tests.support.processes import new_folder
from tests.support.processes import own_group
from tests.support.processes import remove_folder
from tests.support.processes import the_reaper
from tests.support.processes import wait_until
from tests.support.server import quiet_port
from tests.support.server import redis_program

# What belongs to the repo and not to a step.
SHARED = ("common", "tests", "lessons", "docs")
FILES = (".gitignore", "learn.py", "NOTES.md", "README.md", "pyproject.toml")
FILES += ("requirements.txt", "requirements-dev.txt")
LEFT_OUT = shutil.ignore_patterns("instance", "__pycache__", ".pytest_cache", ".git")
# The program that stays at work until somebody stops it, and how one sees that it is ready.
SERVERS = {
    r"flask (?:--app \S+ )?run\b": 5000,
    r"python3 learn\.py run\b": 5000,
    r"python3 learn\.py tour\b": 5000,
    r"gunicorn\b": 8000,
    r"python3 learn\.py redis\b": 6379,
    r"redis-server\b": 6379,
    r"celery .*\bworker\b": 0,
    r"celery .*\bbeat\b": 0,
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# A block that begins like this is typed in the folder of the repo, as in a new terminal.
AT_THE_ROOT = re.compile(r"cd step|python3 learn\.py|source \.venv")


class Differs(AssertionError):
    """A command has printed something else than the text says."""


@dataclass
class Typed:
    """One command of a text, what goes into it, and what the text says that it prints."""

    command: str
    lines: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    @property
    def server(self) -> int | None:
        """The port of a program that stays at work, 0 if it has none; None for other programs."""
        command = re.sub(r"^(?:[A-Z_]+=\S* )+", "", self.command)
        for pattern, port in SERVERS.items():
            if re.match(pattern, command) and not re.search(r"--help|--version", command):
                named = re.search(r"--port[ =](\d+)", command)
                return int(named[1]) if named else port
        return None

    @property
    def python(self) -> str:
        """The lines that are typed into it, without their prompts."""
        return "".join(f"{line[4:]}\n" for line in self.lines)


def read_typed(block: str) -> list[Typed]:
    """Return the commands of a ``console`` block."""
    commands: list[Typed] = []
    for line in block.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            # What follows two spaces and # is a remark for the reader.
            commands.append(Typed(re.sub(r"\s{2,}#.*$", "", line[2:]).strip()))
        elif commands and re.match(r"(?:>>>|\.\.\.)(?: |$)", line):
            commands[-1].lines.append(line.ljust(4))
        elif commands and commands[-1].command.endswith("\\"):
            commands[-1].command += "\n" + line
        elif commands:
            commands[-1].printed.append(line)
    return commands


def pattern_of(lines: list[str]) -> re.Pattern[str]:
    """Return what fits the lines of a text: ``…`` fits anything, alone on its line whole lines."""
    parts = []
    for line in lines:
        if not line.strip():
            continue
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            pieces = (re.escape(piece) for piece in line.rstrip().split("…"))
            parts.append(".*?".join(pieces) + r"[ \t]*\n")
    return re.compile("".join(parts))


def tidy(text: str) -> str:
    """Return what was printed, without colors and empty lines."""
    lines = ANSI.sub("", text).replace("\r", "").split("\n")
    return "".join(f"{line.rstrip()}\n" for line in lines if line.strip())


class Terminal:
    """A shell in a copy of the repo, in which one step may be in the state of a part."""

    def __init__(
        self,
        step: Step | None,
        state: Path | None = None,
        *,
        redis: bool = True,
        tables: bool = True,
    ) -> None:
        self.base = new_folder()
        self.root = self.base / "study-log"
        self.root.mkdir()
        for name in SHARED:
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, self.root / name, ignore=LEFT_OUT)
        for name in FILES:
            shutil.copy(ROOT / name, self.root / name)
        for one in STEPS:
            source = state if state and one == step else one.path
            shutil.copytree(source, self.root / one.folder, ignore=LEFT_OUT)
        (self.root / ".venv").symlink_to(Path(sys.prefix))
        (self.base / "home").mkdir()
        self.ports = {port: free_port() for port in (5000, 5001, 8000)} | {6379: quiet_port()}
        self.servers: dict[int, tuple[int, Path]] = {}
        # Where the next block is typed.
        self.folder = str(self.root / step.folder if step else self.root)
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **own_group(),
        )
        the_reaper().tell("watch", "process", self.shell.pid)
        # learn.py without the set-up of .venv, which has been done for the real one.
        learn = (
            f'[ "$1" = learn.py ] && set -- -P -m common.cli "${{@:2}}"; "{sys.executable}" "$@"'
        )
        self._run(f"python3() {{ {learn}; }}; export -f python3")
        if redis and (not step or step.worker):
            self._start_redis()
        if tables and step and step.migrates:
            printed, code = self._run("flask db upgrade")
            assert code == 0, printed

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "PYTHONPATH": str(self.root),
            "PYTHONUNBUFFERED": "1",
            "FLASK_RUN_PORT": str(self.ports[5000]),
            "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{self.ports[8000]}",
            "REDIS_URL": f"redis://127.0.0.1:{self.ports[6379]}/0",
        }

    def _start_redis(self) -> None:
        """Start the Redis that the learner has at work in another terminal."""
        if program := redis_program():
            port = self.ports[6379]
            options = f'--port {port} --bind 127.0.0.1 --save "" --dir "$TMPDIR"'
            self._start(f'"{program}" {options}', 6379)

    def start_afresh(self) -> None:
        """Forget what was done so far: end the servers, delete all data."""
        for port in [port for port in self.servers if port != 6379]:
            self.stop(port)
        for one in STEPS:
            shutil.rmtree(self.root / one.folder / "instance", ignore_errors=True)

    # What is typed

    def type(self, block: str, seconds: float = 240) -> None:
        """Type a block of a text, and raise Differs where something else is printed."""
        commands = read_typed(block)
        at_root = commands and AT_THE_ROOT.match(commands[0].command)
        self._run(f'cd "{self.root if at_root else self.folder}"')
        for typed in commands:
            command = self._with_free_ports(typed)
            if typed.server is not None and not self._must_end(typed):
                self._serve(typed, command)
                continue
            if typed.lines:
                command += f" <<'END_OF_LINES'\n{typed.python}END_OF_LINES"
            printed, code = self._run(command, seconds)
            printed = self._as_in_the_text(printed)
            if typed.lines:
                # What comes before the first prompt is a greeting; prompts stay without a line end.
                _, _, printed = printed.partition(">>> ")
                printed = tidy(re.sub(r"(?m)^(?:(?:>>>|\.\.\.) ?)+", "", printed))
                printed = re.sub(r"(?m)^now exiting.*\n", "", printed)
            if typed.printed and not pattern_of(typed.printed).fullmatch(printed):
                raise Differs(self._difference(typed, printed))
            if not typed.printed and code:
                raise Differs(f"$ {typed.command}\nends with code {code} and prints\n{printed}")
            if typed.command.startswith("cd "):
                self.folder = self._run("pwd")[0].strip()

    @staticmethod
    def _must_end(typed: Typed) -> bool:
        """Tell whether a server ends by itself here, since the text shows its last words."""
        return any("Error" in line or "needs the variable" in line for line in typed.printed)

    @staticmethod
    def _difference(typed: Typed, printed: str) -> str:
        wanted = "\n".join(typed.printed)
        return f"$ {typed.command}\nprints\n{printed}\nand the text says\n{wanted}"

    def _with_free_ports(self, typed: Typed) -> str:
        command = typed.command
        for port, free in self.ports.items():
            command = re.sub(rf"(?<![\w.]){port}\b", str(free), command)
        if re.match(r"python3 learn\.py (?:run|redis|tour)", command) and "--port" not in command:
            command += f" --port {self.ports[typed.server or 5000]}"
        return command

    def _as_in_the_text(self, printed: str) -> str:
        for port, free in self.ports.items():
            printed = re.sub(rf"\b{free}\b", str(port), printed)
        return tidy(printed.replace(str(self.root), "/study-log"))

    def _run(self, command: str, seconds: float = 60) -> tuple[str, int]:
        """Type a command, wait for its end, return what it printed and its code."""
        mark = f"END-{secrets.token_hex(8)}"
        if "<<'END_OF_LINES'" in command:
            script = f"{command}\n"
        else:
            script = f"{{ {command}\n}} </dev/null\n"
        script += f"printf '\\n%s %s\\n' {mark} $?\n"
        self.shell.stdin.write(script.encode())
        self.shell.stdin.flush()
        output, deadline = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.shell.stdout, selectors.EVENT_READ)
            while not (found := re.search(rf"\n{mark} (\d+)\n".encode(), output)):
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise Differs(f"$ {command}\nhas not ended after {seconds:g} s: {output!r}")
                piece = os.read(self.shell.stdout.fileno(), 65536)
                if not piece:
                    raise Differs(f"$ {command}\nhas ended the shell: {output!r}")
                output += piece
        return output[: found.start()].decode("utf-8", "replace"), int(found[1])

    # Servers

    def _serve(self, typed: Typed, command: str) -> None:
        port = typed.server or 0
        self.stop(port)
        pid, log = self._start(command, port)

        def ready() -> bool:
            text = self._as_in_the_text(log.read_text(errors="replace"))
            if not running(pid):
                raise Differs(f"$ {typed.command}\nhas ended at once:\n{text}")
            lines = [pattern_of([line]) for line in typed.printed if line.strip() != "…"]
            at = 0
            for line in lines:
                found = line.search(text, at)
                if not found:
                    return False
                at = found.end()
            if port:
                return answers(self.ports.get(port, port))
            return bool(lines) or "ready." in text or "beat: Starting" in text

        try:
            wait_until(ready, f"`{typed.command}` is ready", seconds=40, every=0.1)
        except NotReady as problem:
            printed = self._as_in_the_text(log.read_text(errors="replace"))
            raise Differs(f"{problem}\n{self._difference(typed, printed)}") from None

    def _start(self, command: str, port: int) -> tuple[int, Path]:
        key = port or -len(self.servers) - 1
        log = self.base / f"log{abs(key)}-{secrets.token_hex(4)}.txt"
        log.touch()
        quoted = command.replace("'", "'\\''")
        printed, _ = self._run(f"setsid bash -c '{quoted}' >\"{log}\" 2>&1 & echo $!")
        pid = int(printed.split()[-1])
        the_reaper().tell("watch", "process", pid)
        self.servers[key] = pid, log
        if command.startswith('"'):
            wait_until(lambda: answers(self.ports[port]), "Redis is ready")
        return pid, log

    def stop(self, port: int) -> None:
        """End the server at a port."""
        if port in self.servers:
            pid, _ = self.servers.pop(port)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
            with contextlib.suppress(NotReady):
                wait_until(lambda: not running(pid), "the program ends", seconds=5)
            reaper.end_group(pid)
            the_reaper().tell("forget", "process", pid)

    def close(self) -> None:
        """End all programs, and delete the copy."""
        for port in reversed(list(self.servers)):  # Redis is the first
            self.stop(port)
        self.shell.stdin.close()
        reaper.end_group(self.shell.pid)
        self.shell.wait(timeout=10)
        self.shell.stdout.close()
        the_reaper().tell("forget", "process", self.shell.pid)
        remove_folder(self.base)


def running(pid: int) -> bool:
    """Tell whether a program that the shell has started is at work."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or ") Z" not in stat.read_text()
