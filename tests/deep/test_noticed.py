"""Each mistake is noticed by `check`: the promise that its file names fails, and says so."""

import pytest

from common.check import Check
from common.mistakes import all_mistakes
from common.mistakes import git_apply
from tests.support.mistakes import source_of
from tests.support.project import Project

pytestmark = pytest.mark.xdist_group("noticed")


@pytest.mark.parametrize(
    "mistake",
    [mistake for mistake in all_mistakes() if mistake.noticed_by != "none"],
    ids=lambda mistake: mistake.name,
)
def test_each_mistake_is_noticed_by_its_promise(mistake, capsys):
    """The promise that a mistake names fails for it, or the app does not start."""
    project = Project(mistake.step, source_of(mistake))
    try:
        assert not git_apply(mistake.diff, project.folder)
        asked = Check(mistake.step, project.folder, everything=True)
        asked.only, asked.processes = mistake.noticed_by, 1
        result = asked.run()
        asked.finish(result)
    finally:
        project.close()
    text = capsys.readouterr().out
    assert [promise.id for promise in result.broken] == [mistake.noticed_by], (
        f"{mistake.noticed_by} does not notice: {mistake.title}\n{text}{result.trouble}"
    )
    if mistake.where == "check":
        assert mistake.symptom in text, text
