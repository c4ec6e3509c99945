"""The tables "What goes wrong" are true: each message comes from a mistake that is made here."""

import re

import pytest

from common.mistakes import Mistake
from common.mistakes import all_mistakes
from common.mistakes import git_apply
from tests.support.course import text_pages
from tests.support.mistakes import quoted
from tests.support.mistakes import source_of
from tests.support.mistakes import trial
from tests.support.project import Project


def rows():
    """Return the rows of all tables “What goes wrong”."""
    found = [row for page in text_pages() for row in page.rows]
    return [row for row in found if "goes wrong" in row.section.title.lower()]


def those(where: str) -> list[Mistake]:
    return [mistake for mistake in all_mistakes() if mistake.where == where]


@pytest.mark.parametrize("mistake", all_mistakes(), ids=lambda mistake: mistake.name)
def test_each_mistake_fits_its_folder(mistake):
    """The patch of each mistake fits the folder of its step as it is now."""
    if not mistake.diff:
        return
    project = Project(mistake.step, source_of(mistake))
    try:
        problem = git_apply(mistake.diff, project.folder)
    finally:
        project.close()
    assert not problem, (
        f"{mistake.path.name} does not fit {mistake.state.folder} any more:\n{problem}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [*those("page"), *those("terminal")], ids=lambda m: m.name)
def test_each_mistake_is_seen_as_the_text_says(mistake):
    """Who makes the mistake sees its symptom, word for word."""
    with trial(mistake) as made:
        seen = made.look()
    assert mistake.symptom in seen, (
        f"{mistake.title}: “{mistake.symptom}” is not what one sees, but:\n{seen[-3000:]}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("mistake", all_mistakes(), ids=lambda mistake: mistake.name)
def test_each_mistake_has_its_row(mistake):
    """Each mistake has a row in a table “What goes wrong”, with its symptom, cause and cure."""
    fitting = [row for row in rows() if mistake.symptom in quoted(row.cells[0])]
    if len(fitting) > 1:
        fitting = [row for row in fitting if row.section.step in (mistake.step, None)]
    assert fitting, f"no row says “{mistake.symptom}”:\n{row_of(mistake)}"
    causes = {(row.cells[1], row.cells[2]) for row in fitting}
    assert (mistake.cause, mistake.fix) in causes, (
        f"{fitting[0]} says why and what to do in other words than {mistake.path.name}:\n"
        f"{row_of(mistake)}"
    )


def row_of(mistake: Mistake) -> str:
    return f"| `{mistake.symptom}` | {mistake.cause} | {mistake.fix} |"


def test_mistakes_are_of_one_form():
    """Each file of a mistake has all its lines, short ones, and a promise that notices it."""
    for mistake in all_mistakes():
        name = mistake.path.name
        assert re.fullmatch(r"[a-z0-9-]+\.patch", name)
        assert mistake.title and mistake.title[-1] not in ".:", f"the first line of {name}"
        assert mistake.tries or mistake.where == "check", f"{name} does not say what to try"
        assert mistake.diff or mistake.noticed_by == "none", f"{name}: Noticed-by"
        if mistake.noticed_by != "none":
            file, _, test = mistake.noticed_by.partition("::")
            text = (mistake.path.parents[2] / file).read_text(encoding="utf-8")
            assert f"def {test}(" in text, f"{name}: there is no {mistake.noticed_by}"
