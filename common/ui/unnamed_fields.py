"""A mend for Flask-WTF 1.3: a multipart field without a name ends its check of the token in a 500.

Delete this file when Flask-WTF skips such fields: tests/test_bad_input.py says when it does.
"""

from typing import Any

from flask import Request
from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser


class NamedFieldsParser(FormDataParser):
    """Refuse a form in which a field has no name: no browser sends one."""

    def parse(self, *args: Any, **options: Any) -> Any:
        """Return the stream, the fields and the files of a request."""
        stream, fields, files = super().parse(*args, **options)
        if None in fields:
            raise BadRequest("A field of this form has no name.")
        return stream, fields, files


class NamedFieldsRequest(Request):
    """A request whose form fields all have names."""

    form_data_parser_class = NamedFieldsParser
