"""Learners at work: the real parts of a lesson one after the other, and a step renamed."""

import re

import pytest

from common import lessons
from common.lessons import has_series
from common.lessons import parts_of
from common.steps import STEPS
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.renamed import write_renamed
from tests.test_check import check
from tests.test_check import follow

pytestmark = pytest.mark.patient

LESSONS = [step for step in STEPS if has_series(step)]


@pytest.mark.timed
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda step: step.folder)
def test_the_path_through_a_lesson(lesson):
    """Each part of a lesson raises the count of promises, until `check` says that it is done."""
    lessons.forget()
    base = new_folder()
    try:
        follow(parts_of(lesson), base / "mine")
    finally:
        remove_folder(base)


def test_step_5_under_other_names_keeps_all_promises():
    """A package with other modules, classes, templates and endpoints, Celery too, is all right."""
    base = new_folder()
    try:
        write_renamed(STEPS[4].path, base / "mine")
        answer = check("5", base / "mine")
    finally:
        remove_folder(base)
    assert answer.code == 0, re.sub(r"^✓.*\n", "", answer.text, flags=re.M)
