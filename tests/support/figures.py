"""The figures in the texts: each is worked out, so that none is out of date.

A comment after a figure says what it counts: ``six<!-- figure: steps --> steps``.
"""

import re
import subprocess
from collections.abc import Callable
from collections.abc import Iterator

from common.mistakes import all_mistakes
from common.steps import ROOT
from common.steps import STEPS
from tests.support.course import Page
from tests.support.course import all_pages

NAMES = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS = {name: number for number, name in enumerate(NAMES)}
NUMBER = rf"\d[\d,.]*|\b(?:{'|'.join(WORDS)})\b"
FIGURE = re.compile(rf"({NUMBER})<!-- figure: (.+?) -->", re.I)


def figures(page: Page) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the figure and its name, for each figure of a page."""
    for number, line in enumerate(page.text.split("\n"), start=1):
        for match in FIGURE.finditer(line):
            yield number, match[1], match[2]


def value_of(text: str) -> float:
    """Return the number that is written: ``1,050``, ``0.9`` or ``six``."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    return float(text.rstrip(".,").replace(",", ""))


def changed_lines(old: str, new: str, *options: str) -> int:
    """Count the lines that git sees added or removed between two folders."""
    command = ["git", "diff", "--no-index", "--numstat", *options, f"{old}/", f"{new}/"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    ours = (line.split("\t") for line in run.stdout.splitlines() if "instance" not in line)
    return sum(int(add) + int(take) for add, take, path in ours if "__pycache__" not in path)


def changed_lines_of_step(number: str) -> int:
    step = STEPS[int(number) - 1]
    return changed_lines(STEPS[step.number - 2].folder, step.folder)


def rows_of_what_goes_wrong() -> int:
    return sum(
        len(page.rows) and sum("goes wrong" in row.section.title for row in page.rows)
        for page in all_pages()
    )


# What a figure can be called; the rest of its name goes to the function.
COMPUTED: dict[str, Callable[[str], float]] = {
    "steps": lambda _: len(STEPS),
    "mistakes": lambda _: len(all_mistakes()),
    "messages": lambda _: rows_of_what_goes_wrong(),
    "changed lines of step": changed_lines_of_step,
}


def compute(name: str) -> float:
    """Return a figure by its name; KeyError if nobody knows how to count that."""
    if name in COMPUTED:
        return COMPUTED[name]("")
    stem, _, rest = name.rpartition(" ")
    return COMPUTED[stem](rest)
