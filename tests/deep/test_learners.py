"""Learners at work: the real parts of a lesson one after the other, and a step renamed."""

import re

import pytest

from common import lessons
from common.check import Check
from common.lessons import Part
from common.lessons import has_series
from common.lessons import parts_of
from common.lessons import position
from common.lessons import state_before
from common.steps import STEPS
from tests.support.needed import REDIS
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.renamed import write_renamed
from tests.support.server import redis_program
from tests.test_check import SECONDS_OF_A_STEP
from tests.test_check import check

LESSONS = [step for step in STEPS if has_series(step)]
EVERY = 7  # of the parts; the first and the last are always among them

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("check"),
    pytest.mark.skipif(redis_program() is None, reason=REDIS.reason),
]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda step: step.folder)
def test_the_path_through_a_lesson(lesson, capsys):
    """The parts of a lesson raise the count of promises, until `check` says that it is done."""
    lessons.forget()
    parts = parts_of(lesson)
    base = new_folder()
    counts = []
    try:
        before = state_before(parts[0])
        lessons.write(lessons.files_after(before) if before else {}, base / "mine")
        for part in [*parts[:-1:EVERY], parts[-1]]:
            lessons.write(lessons.files_after(part), base / "mine")
            asked = Check(parts[-1], base / "mine")
            asked.processes = 1
            asked.only_lesson = True  # all that came before is asked by the test of one whole step
            result = asked.run()
            asked.finish(result)
            text = capsys.readouterr().out
            if not result.broken:  # a last part may promise nothing of its own
                break
            counts.append(count_of(text, part))
    finally:
        remove_folder(base)
    assert counts == sorted(counts), f"a part that was added keeps fewer promises: {counts}"
    assert len(set(counts)) > len(counts) // 2, f"most parts add promises: {counts}"
    assert f"keeps all promises of {parts[-1].label}: " in text, text


def count_of(text: str, part: Part) -> int:
    """Return how many promises are kept; the next one belongs to a later part."""
    found = re.search(r"^(\d+) of \d+ promises; next: (\S+)$", text, re.M)
    assert found, text
    following = lessons.find_state(found[2])
    assert position(following) > position(part), f"{part.label} is there.\n{text}"
    return int(found[1])


def test_step_5_under_other_names_keeps_all_promises():
    """A package with other modules, classes, templates and endpoints, Celery too, is all right."""
    base = new_folder()
    try:
        write_renamed(STEPS[4].path, base / "mine")
        answer = check("5", base / "mine")
    finally:
        remove_folder(base)
    assert answer.code == 0, re.sub(r"^✓.*\n", "", answer.text, flags=re.M)
    # Some 19 s on two idle cores; a busy machine has slower ones.
    assert answer.seconds < 4 * SECONDS_OF_A_STEP
