"""The path of a learner through each whole lesson: the real parts, one after the other."""

import pytest

from common import lessons
from common.lessons import has_series
from common.lessons import parts_of
from common.steps import STEPS
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.test_check import follow

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
