"""What a strict Content-Security-Policy forbids: scripts and styles inside of the HTML."""

import re
from html.parser import HTMLParser


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.found.append(f"line {line}: an inline <{tag}>")
        for name, value in attrs:
            if name == "style" or re.fullmatch(r"on[a-z]+", name):
                self.found.append(f"line {line}: {name}= in <{tag}>")
            if name in ("href", "src", "action") and (value or "").startswith("javascript:"):
                self.found.append(f"line {line}: a javascript: address")
