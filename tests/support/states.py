"""The folder of a step, or of a part of its lesson."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from common import lessons
from common.lessons import Part
from common.steps import Step


def folder_of(step: Step, part: str | None = None) -> Path:
    """Return the folder of a part, such as ``3.4``; without one, that of the step."""
    state = lessons.find_state(part) if part else step
    return filled(state) if isinstance(state, Part) else state.path


@functools.cache
def filled(part: Part) -> Path:
    """Return a folder with the state after a part, which is there until the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="study log ")) / part.folder
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    lessons.write(lessons.files_after(part), folder)
    return folder
