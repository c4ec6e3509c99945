"""What some tests need and not every machine has, and the command that installs it."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program or some packages; ``reason`` is what a test says that is skipped without it."""

    name: str
    apt: str = ""
    brew: str = ""
    requirements: str = ""

    @property
    def reason(self) -> str:
        return f"no {self.name} here: {install([self])}"


def install(tools: Iterable[Tool]) -> str:
    """Return one command that installs all of these; "" on a system for which we know none."""
    system, python = {
        "linux": ("sudo apt install {apt}", ".venv/bin/python"),
        "darwin": ("brew install {brew}", ".venv/bin/python"),
    }.get(sys.platform, ("", r".venv\Scripts\python"))
    tools = list(tools)
    packages = {
        "apt": " ".join(tool.apt for tool in tools if tool.apt),
        "brew": " ".join(tool.brew for tool in tools if tool.brew),
    }
    files = sorted({tool.requirements for tool in tools if tool.requirements})
    pip = f"{python} -m pip install " + " ".join(f"-r {file}" for file in files)
    commands = [system.format(**packages)] * any(packages.values()) + [pip] * any(files)
    return " && ".join(filter(None, commands))


CHROMIUM = Tool("Chromium", "chromium chromium-driver", "--cask chromium chromedriver")
MARIADB = Tool("MariaDB", "mariadb-server", "mariadb")
REDIS = Tool("Redis", "redis-server", "redis")
PACKAGES = Tool("package of requirements.txt", requirements="requirements.txt")
DEV_PACKAGES = Tool("package of requirements-dev.txt", requirements="requirements-dev.txt")
TOOLS = (CHROMIUM, MARIADB, REDIS, PACKAGES, DEV_PACKAGES)
