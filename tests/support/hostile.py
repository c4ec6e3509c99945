"""Bad input: what people, and those who are up to no good, type into addresses and forms."""

import re

# Where a login must not lead. `{here}` stands for the address of the server.
ELSEWHERE = (
    "//e.x",
    "////e.x",
    "//user@e.x/",
    "//{here}@e.x/",
    "http://e.x",
    "http:///e.x",
    "https:e.x",
    "https://e.x/%2e%2e",
    "http:\\\\e.x",
    "http://{here}@e.x/",
    "http://{here}.e.x/",
    "http://{here}:pw@e.x",
    "javascript:alert(1)",
    "//e.x/\r\nSet-Cookie: stolen=1",
    "/%0d%0aSet-Cookie:%20stolen=1",
    "/posts/\nLocation: //e.x",
    "java\tscript:alert(1)",
    "javascript://{here}/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\\\\e.x",
    "\\/e.x",
    "/\\e.x",
    "\\e.x",
    "/\t/e.x",
    "/\n/e.x",
    "/\r\n/e.x",
    " //e.x",
    "\x00//e.x",
    "\x01//e.x",
    "/\t\\e.x",
    "ht\ntps://e.x",
    "\u3000//e.x",
    "//e\u3002x",
    "//e.x\\@{here}/",
    "//[",
    "http://[/",
    "http:\t//e.x",
)

# Where a login has to lead: on with what the person wanted.
HERE = ("/posts/", "/hello/Ada?greeting=Hi", "/hello/Ada%20L?greeting=Good+morning")

# Texts for a name or a title. Each is taken or refused, and never breaks a page.
TEXTS = {
    "empty": "",
    "spaces": "   ",
    "unicode spaces": "\u2003\u3000\u00a0",
    "invisible": "\u200b\u200d\ufeff",
    "long": "x" * 300,
    "huge": "x" * 100_000,
    "NUL": "a\x00b",
    "control characters": "a\x01\x1b[31m\x7fb",
    "line break": "a\r\nb",
    "markup": "<script>alert('{unique}')</script>",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "template": "{{{{ 7 * 191 }}}}{{% raw %}}",
    "percent": "%s%n%00%0d%0a",
    "emoji": "👩🏽‍💻📚🎉",
    "chinese": "学习日志",
    "accent composed": "é",
    "right to left override": "\u202eabc\u202c",
    "many accents": "a" + "\u0301" * 40,
    "highest character": "\U0010ffff",
    "path": "../../etc/passwd",
    "sql": "'; DROP TABLE user; --",
}

PASSWORDS = ("empty", "spaces", "huge", "NUL", "emoji", "percent")

# Pairs of names that people take for the same.
SAME_NAMES = {
    "another case": ("ada{unique}", "ADA{unique}"),
    "fullwidth letters": ("ada{unique}", "Ａｄａ{unique}"),
    "accents composed and not": ("re\u0301ne{unique}", "r\u00e9ne{unique}"),
    "ligature": ("fiona{unique}", "\ufb01ona{unique}"),
}

# A text, and what somebody types who looks for it.
SAME_TEXTS = {
    "umlaut": ("Ärger", "ärger"),
    "umlaut in two characters": ("Ärger", "a\u0308rger"),
    "Cyrillic": ("Ёлка", "ЁЛКА"),
    "Greek": ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    "Armenian": ("Երեւան", "ԵՐԵՒԱՆ"),
    "Vietnamese": ("Tiếng Việt", "TIẾNG VIỆT"),
    "Adlam": ("\U0001e900\U0001e901", "\U0001e922\U0001e923"),
    "fullwidth": ("ＡＢＣ", "ａｂｃ"),
    "Chinese": ("学习日志", "日志"),
}

# Each means something in a pattern of SQL or of regular expressions.
PATTERN_CHARACTERS = "%_\\*?.^$[](){}|+=/'\"#&~-"

# Numbers that no post and no page has.
BAD_NUMBERS = ("0", "-1", "abc", "1.5", "1e3", "%00", "9223372036854775808", "9" * 30)
BAD_PAGES = (*BAD_NUMBERS, "100000000", "1%20OR%201=1")

SPECIAL = {"http", "https", "ftp", "ws", "wss", "file"}


def host_in_browser(location: str, here: str) -> str:
    """Return the host that a browser on a page of ``here`` goes to when it gets ``location``.

    This is the part of the URL standard (https://url.spec.whatwg.org) that redirects to strangers
    rest on: browsers drop tabs and line breaks, trim control characters and spaces, take a
    backslash for a slash, and do not mind how many slashes follow `http:`.
    """
    text = re.sub(r"[\t\n\r]", "", location.strip("".join(map(chr, range(0x21)))))
    text = text.replace("\\", "/")
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text):
        name, rest = scheme[1].lower(), text[scheme.end() :]
        if name not in SPECIAL:
            return f"{name}:"
        if name == "http" and not rest.startswith("//"):
            return here
        if name != "http":
            return f"{name}:{rest}"
    elif text.startswith("//"):
        rest = text
    else:
        return here
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0]
    return authority.rpartition("@")[2].lower()
