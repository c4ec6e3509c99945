"""The commands of the texts that start a worker, a Redis or a database."""

import pytest

from tests.support.examples import type_section
from tests.support.examples import typed_sections


@pytest.mark.parametrize("section", typed_sections(long=True), ids=str)
def test_long_commands_print_what_the_text_says(section):
    """What a section of a text says to type works, and prints what the text says."""
    type_section(section)
