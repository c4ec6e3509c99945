"""Load on one page: wrk where it is installed, else the small client of this folder."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .sites import Client
from .sites import Site

CONNECTIONS = 16
# wrk calls this at its end: the figures as JSON, where nothing else is printed.
WRK_SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format('{"requests": %d, "seconds": %f, "errors": %d}',
    summary.requests, summary.duration / 1e6, e.status + e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What some seconds of load have come to, with the cores that both sides kept busy."""

    requests: int
    seconds: float
    client_cores: float
    server_cores: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def rate_by_cpu(self) -> float:
        """Requests for each second of the server's CPU time: the client cannot limit them."""
        return self.rate / self.server_cores


@cache
def wrk() -> str | None:
    """Return the path of wrk, if it is installed."""
    return shutil.which("wrk")


def generator() -> str:
    """Return the name of the load generator."""
    return "wrk" if wrk() else "in Python (wrk is not installed)"


def load(site: Site, client: Client, path: str, seconds: float) -> Load:
    """Ask for a page as fast as it comes, with 16 connections.

    Raises click.ClickException if there is one answer that is no success.
    """
    headers = {"User-Agent": client.agent, "Cookie": client.cookie_header}
    url = f"{client.url}{path}"
    # wrk measures whole seconds.
    argv = _own(url, seconds, headers)
    if (program := wrk()) and seconds >= 1:
        argv = _wrk(program, site, url, seconds, headers)
    client_before, server_before = _children_cpu(), site.web_cpu()
    process = site.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _, output = process.communicate(timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        raise site.failure(f"GET {path}: the load generator does not end.") from None
    if process.returncode:
        raise site.failure(f"GET {path}: the load generator failed: {output.decode().strip()}")
    found: dict[str, Any] = json.loads(output)
    if not found["errors"] and not found["requests"]:
        raise site.failure(f"GET {path}: under load, no answer came within {seconds} s.")
    if found["errors"]:
        raise site.failure(
            f"GET {path}: of {found['requests']:,} requests under load, {found['errors']:,} failed."
        )
    measured = found["seconds"]
    return Load(
        found["requests"],
        measured,
        (_children_cpu() - client_before) / measured,
        max(site.web_cpu() - server_before, 1e-3) / measured,
    )


def _wrk(program: str, site: Site, url: str, seconds: float, headers: dict[str, str]) -> list[str]:
    script = site.base / "wrk.lua"
    script.write_text(WRK_SCRIPT)
    argv = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout=30s"]
    argv += ["-s", str(script)]
    for name, value in headers.items():
        argv += ["-H", f"{name}: {value}"] * bool(value)
    return [*argv, url]


def _own(url: str, seconds: float, headers: dict[str, str]) -> list[str]:
    file = Path(__file__).with_name("client.py")
    return [
        sys.executable,
        "-I",
        "-S",
        str(file),
        url,
        str(seconds),
        str(CONNECTIONS),
        json.dumps(headers),
    ]


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
