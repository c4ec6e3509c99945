"""The folder of a step, or of a part of its lesson."""

import tempfile
from functools import cache
from pathlib import Path

from common import lessons
from common.steps import Step
from tests.support.processes import the_reaper


@cache
def folder_of(step: Step, part: str | None = None) -> Path:
    """Return the folder of a part, such as ``3.4``; without one, that of the step."""
    if part is None:
        return step.path
    # Not processes.new_folder(): it has to stay as long as the tests run.
    folder = Path(tempfile.mkdtemp(prefix="study log part ")).resolve()
    the_reaper().tell("watch", "folder", folder)
    lessons.write(lessons.files_after(lessons.find_state(part)), folder / step.folder)
    return folder / step.folder
