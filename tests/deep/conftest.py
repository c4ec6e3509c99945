"""The laboratory: a step whose Redis, workers and database a test may take away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.steps import State
from tests.support.faults import Lab
from tests.support.server import running


@pytest.fixture(scope="module")
def database_url() -> str | None:
    """The database of the laboratory: that of the step, unless a file asks for another one."""
    return None


@pytest.fixture(scope="module")
def lab(step: State, source: Path, database_url: str | None) -> Iterator[Lab]:
    """The step at work without a worker, for the tests of one file."""
    lab = Lab(step, source)
    if database_url:
        lab.project.env["DATABASE_URL"] = database_url
    yield from running(lab)


@pytest.fixture
def fresh(lab: Lab) -> Iterator[None]:
    """No worker and no task from the test before; and no page has failed after."""
    lab.stop_workers()
    yield
    lab.check_logs()
