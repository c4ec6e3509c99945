"""Each mistake is noticed: the promise that its file names fails, and says what is wrong."""

import os
import re
import subprocess
import sys

import pytest

from common.mistakes import all_mistakes
from common.mistakes import git_apply
from common.steps import ROOT
from tests.support.mistakes import source_of
from tests.support.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("check")]

# The plugins of other packages take longer to load than one promise to be asked for.
LIGHT = ("-p", "no:cacheprovider", "-o", "addopts=", "--disable-plugin-autoload")


@pytest.mark.parametrize(
    "mistake",
    [mistake for mistake in all_mistakes() if mistake.noticed_by != "none"],
    ids=lambda mistake: mistake.name,
)
def test_each_mistake_is_noticed_by_its_promise(mistake):
    """The promise that a mistake names fails for it."""
    project = Project(mistake.step, source_of(mistake))
    try:
        assert not git_apply(mistake.diff, project.folder)
        options = ["-q", "--step", str(mistake.step.number), "--app", str(project.folder)]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *LIGHT, *options, mistake.noticed_by],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        project.close()
    assert run.returncode == 1, (
        f"{mistake.noticed_by} does not notice: {mistake.title}\n{run.stdout}"
    )
    assert re.search(r"^(?:FAILED|ERROR) ", run.stdout, re.M), run.stdout
    if mistake.where == "check":
        assert mistake.symptom in run.stdout, run.stdout
