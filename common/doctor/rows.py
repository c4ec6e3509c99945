"""A row of what the doctor says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Well; to be mended; not running, which is well as long as nobody needs it.
OK, WRONG, IDLE = "✓", "✗", "○"


@dataclass(frozen=True)
class Row:
    """What was looked at, how it is, and the one command that mends or starts it.

    ``fix`` does that, where it is safe: no data is deleted and nothing ended that is not ours. It
    returns what it did.
    """

    mark: str
    name: str
    text: str
    mend: str = ""
    fix: Callable[[], str] | None = None
