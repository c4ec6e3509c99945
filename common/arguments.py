"""The arguments that several commands of learn.py take: a step, or a part of one."""

from __future__ import annotations

import sys

import click

from .lessons import find_state
from .steps import State
from .steps import Step

COMMAND = "python learn.py" if sys.platform == "win32" else "python3 learn.py"


class StateType(click.ParamType[State]):
    """A step or a part as people type it: 3, step03_login, login, 3.4, 3.edit."""

    name = "step"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> State:
        """Return the step or part that ``value`` names."""
        if isinstance(value, State):
            return value
        try:
            return find_state(str(value))
        except LookupError as error:
            raise click.ClickException(str(error)) from error


class StepType(click.ParamType[Step]):
    """A whole step as people type it: 3, step03_login or login."""

    name = "step"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Step:
        """Return the step that ``value`` names."""
        if isinstance(value, Step):
            return value
        state = StateType().convert(value, param, ctx)
        if isinstance(state, Step):
            return state
        raise click.ClickException(f"“{value}” is one part. Give a whole step: {state.number}")


STATE = StateType()
STEP = StepType()
