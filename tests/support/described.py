"""An API held to its own description: Schemathesis sends what it says, and what it forbids."""

import json
import os
import re
import sys

import pytest

from tests.support.browser import Person
from tests.support.needed import DEV_PACKAGES
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.project import tail

NEEDED = DEV_PACKAGES.reason  # the API is held to its description by schemathesis

# Nothing is kept from run to run, and nothing is left to chance. Random ids alone would only find
# 404, so those of real exports are mixed in.
SETTINGS = """\
request-timeout = 20
[cache]
enabled = false
[analysis.constants]
enabled = false
[generation]
database = "none"
deterministic = true
max-examples = 5
[dictionaries.exports]
values = {exports}
[parameters]
"path.export_id" = {{ dictionary = "exports", probability = 0.7 }}
"""
# The first one sends all requests. What is theirs alone, the second one must not get.
PEOPLE = """\
[auth.wfc]
path = "people.json"
user = "{0}"
peers = ["{0}", "{1}"]
"""


class Run:
    """All requests of one run, and what came of them."""

    def __init__(self, url: str, exports: list[str], people: list[Person], *phases: str) -> None:
        pytest.importorskip("schemathesis", reason=NEEDED)
        folder = new_folder()
        settings = SETTINGS.format(exports=json.dumps(exports))
        if people:
            settings += PEOPLE.format(*[person.username for person in people])
            known = {"auth": [{"name": p.username, "fixedHeaders": login(p)} for p in people]}
            (folder / "people.json").write_text(json.dumps(known))
        (folder / "schemathesis.toml").write_text(settings)
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"]
        command += ["--checks=all", "--no-color", f"--phases={','.join(phases)}"]
        command += ["--report=har", "--report-har-path=report.json"]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
        process = Process(command, cwd=folder, env=env, log=Log(folder / "output.txt"))
        try:
            self.code = process.wait(120)
            self.output = process.output
            report = folder / "report.json"
            self._report = json.loads(report.read_text()) if report.exists() else {}
        finally:
            process.kill()
            remove_folder(folder)

    def __str__(self) -> str:
        return f"`st run` ended with code {self.code} and wrote:\n{tail(self.output, 100)}"

    @property
    def answers(self) -> set[tuple[str, str, int]]:
        """Method, path and status of all that was answered, with {} for the ids."""
        found = set()
        for entry in self._report["log"]["entries"]:
            request = entry["request"]
            path = re.sub(r"^https?://[^/]+|\?.*", "", request["url"])
            path = re.sub(r"(/exports/)(?!events$)[^/]+", r"\1{}", path)
            found.add((request["method"], path, entry["response"]["status"]))
        return found


def login(person: Person) -> list[dict[str, str]]:
    """Return the headers that a program sends for this person."""
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies)
    token = person.get("/").csrf_token
    return [{"name": "Cookie", "value": cookie}, {"name": "X-CSRFToken", "value": token}]
