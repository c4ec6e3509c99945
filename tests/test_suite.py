"""The suite itself: it can tell the steps apart, and it leaves nothing behind."""

import os
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from common.steps import ROOT
from common.steps import STEPS


def pytest_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Our environment without what pytest and CI put there: a run inside a run is a run."""
    ours = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    ours.pop("CI", None)
    return ours | variables


@pytest.mark.parametrize(
    ("before", "after"),
    list(pairwise(STEPS)),
    ids=[f"{before.folder}-is-not-step-{after.number}" for before, after in pairwise(STEPS)],
)
def test_each_new_test_fails_on_the_step_before(before, after, tmp_path):
    report = tmp_path / "report.xml"
    run = subprocess.run(
        pytest_command(
            *("-n=0", "--step", str(before.number), "--held-to", str(after.number)),
            *("--tb=no", "-o", "junit_logging=no", f"--junitxml={report}"),
        ),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stdout + run.stderr
    functions: dict[str, list[bool]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name').partition('[')[0]}"
        error = case.find("error")
        failed = case.find("failure") is not None or (
            error is not None and "setup" in error.get("message", "")
        )
        functions.setdefault(name, []).append(failed)
    assert functions, f"no test is new in {after.folder}: {run.stdout}"
    blind = [name for name, failed in functions.items() if not any(failed)]
    assert not blind, (
        f"these tests are for {after.folder}, but {before.folder} passes them too:\n"
        + "\n".join(blind)
    )
