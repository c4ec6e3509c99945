r"""Lexers that take the same time for each character, whatever somebody writes.

Pygments knows 600 languages. Nearly every one of its lexers has a regular expression that tries
again and again ("backtracks") where a text does not fit: thirty characters of hostile Bash take
hours, and nothing can interrupt one match. So only its three simplest are used here. The others
are small ones of our own, and know less of their language. Their rules read nothing twice:

- The branches of a repeat begin with different characters: ``(?:[^"\\]|\\.)*``.
- What ends a string or a comment may be missing: ``"[^"\n]*"?`` never fails.
- What a rule reads before it fails, some other rule then takes in one piece.

tests/test_markdown.py looks for texts that break this; it has to pass with every new rule.
"""

import builtins
import keyword
import re
from collections.abc import Callable
from collections.abc import Iterator
from functools import cache
from typing import Any

from pygments.lexer import Lexer
from pygments.lexer import RegexLexer
from pygments.lexer import bygroups
from pygments.lexer import include
from pygments.lexers.data import JsonLexer
from pygments.lexers.diff import DiffLexer
from pygments.lexers.sql import SqlLexer
from pygments.token import Comment
from pygments.token import Generic
from pygments.token import Keyword
from pygments.token import Name
from pygments.token import Number
from pygments.token import Operator
from pygments.token import Punctuation
from pygments.token import String
from pygments.token import Text

Match = re.Match[str]
TokenType = Any  # Pygments has no types
Rules = dict[str, list[Any]]

SPACE = (r"\s+", Text)
NUMBER = (r"\d[\w.]*", Number)
OTHER = (r"[^\w\s]", Punctuation)
HASH_COMMENT = (r"(?<!\S)#.*", Comment.Single)
BLOCK_COMMENT = (r"/\*(?:[^*]|\*(?!/))*(?:\*/)?", Comment.Multiline)
DOUBLE_QUOTED = (r'"(?:[^"\\\n]|\\.)*"?', String)
SINGLE_QUOTED = (r"'(?:[^'\\\n]|\\.)*'?", String)
STRINGS = (DOUBLE_QUOTED, SINGLE_QUOTED)


def words(
    kinds: dict[TokenType, str], pattern: str = r"\w+"
) -> tuple[str, Callable[[Lexer, Match], Iterator[tuple[int, TokenType, str]]]]:
    """Return a rule that takes a whole word, and looks up what kind of word it is."""
    kind_of = {word: kind for kind, known in kinds.items() for word in known.split()}

    def classify(lexer: Lexer, match: Match) -> Iterator[tuple[int, TokenType, str]]:
        yield match.start(), kind_of.get(match[0], Name), match[0]

    return pattern, classify


class Python(RegexLexer):  # type: ignore[misc]
    """Python."""

    tokens: Rules = {
        "root": [
            SPACE,
            (r"#.*", Comment.Single),
            (r'[rRbBuUfFtT]{0,2}"""(?:[^"\\]|\\[\s\S]|"(?!""))*(?:""")?', String),
            (r"[rRbBuUfFtT]{0,2}'''(?:[^'\\]|\\[\s\S]|'(?!''))*(?:''')?", String),
            (r'[rRbBuUfFtT]{0,2}"(?:[^"\\\n]|\\[\s\S])*"?', String),
            (r"[rRbBuUfFtT]{0,2}'(?:[^'\\\n]|\\[\s\S])*'?", String),
            (r"@[\w.]+", Name.Decorator),
            (r"(def)([ \t]+)(\w+)", bygroups(Keyword, Text, Name.Function)),
            (r"(class)([ \t]+)(\w+)", bygroups(Keyword, Text, Name.Class)),
            NUMBER,
            words(
                {
                    Name.Builtin: " ".join(dir(builtins)),
                    Name.Builtin.Pseudo: "self cls",
                    Keyword: " ".join(keyword.kwlist),
                    Keyword.Constant: "None True False",
                    Operator.Word: "and or not in is",
                }
            ),
            OTHER,
        ]
    }


class PythonConsole(Python):
    """What an interactive Python shows: prompts, code, and what came out."""

    tokens: Rules = {
        "root": [
            (r"^(?:>>>|\.\.\.)(?=\s)", Generic.Prompt),
            (r"^(?!>>>\s|\.\.\.\s)(?:.+\n?|\n)", Generic.Output),
            (r"\n", Text),
            (r"[^\S\n]+", Text),
            *(rule for rule in Python.tokens["root"] if rule is not SPACE),
        ]
    }


SHELL_WORDS = {
    Keyword: """if then else elif fi for while until do done case esac in function select time
        return break continue exit""",
    Name.Builtin: """alias cd echo eval exec export kill local printf pwd read set shift source
        test trap type umask unalias unset wait""",
}


class Shell(RegexLexer):  # type: ignore[misc]
    """Scripts for Bash and other shells."""

    tokens: Rules = {
        "root": [
            SPACE,
            HASH_COMMENT,
            (r'"(?:[^"\\]|\\[\s\S])*"?', String),
            (r"'[^']*'?", String),
            (r"\\[\s\S]?", Text),
            (r"\$(?:\{[^}\n]*\}?|\w+)", Name.Variable),
            (r"\d+", Number),
            words(SHELL_WORDS, r"[\w-]+"),
            OTHER,
        ]
    }


class Console(Shell):
    """What a terminal shows: lines with a prompt are commands, the others came out."""

    tokens: Rules = {
        "root": [
            (r"^(?:[^$#%>\n]{0,80}[$#%>])(?= )", Generic.Prompt, "command"),
            (r".+\n?|\n", Generic.Output),
        ],
        "command": [
            (r"\n", Text, "#pop"),
            (r"[^\S\n]+", Text),
            *(rule for rule in Shell.tokens["root"] if rule is not SPACE),
        ],
    }


class Dockerfile(Shell):
    """How to build a container."""

    tokens: Rules = {
        "root": [
            (
                r"^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN"
                r"|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\b",
                Keyword,
            ),
            *Shell.tokens["root"],
        ]
    }


class JavaScript(RegexLexer):  # type: ignore[misc]
    """JavaScript and TypeScript."""

    tokens: Rules = {
        "root": [
            SPACE,
            (r"//.*", Comment.Single),
            BLOCK_COMMENT,
            *STRINGS,
            (r"`(?:[^`\\]|\\[\s\S])*`?", String.Backtick),
            NUMBER,
            words(
                {
                    Keyword: """as async await break case catch class const continue debugger
                        default delete do else enum export extends finally for from function get if
                        implements import in instanceof interface let new of return set static
                        super switch this throw try type typeof var void while with yield""",
                    Keyword.Constant: "true false null undefined NaN Infinity",
                    Name.Builtin: """Array Boolean console Date document Error EventSource fetch
                        FormData JSON Map Math Number Object Promise RegExp Set String Symbol URL
                        window""",
                },
                r"[\w$]+",
            ),
            OTHER,
        ]
    }


class Css(RegexLexer):  # type: ignore[misc]
    """Style sheets."""

    tokens: Rules = {
        "root": [
            SPACE,
            BLOCK_COMMENT,
            *STRINGS,
            (r"@[\w-]+", Keyword),
            (r"[.#][\w-]+", Name.Class),
            (r":{1,2}[\w-]+", Name.Decorator),
            (r"\{", Punctuation, "block"),
            (r"[\w-]+", Name.Tag),
            OTHER,
        ],
        "block": [
            SPACE,
            BLOCK_COMMENT,
            *STRINGS,
            (r"\}", Punctuation, "#pop"),
            (r"\{", Punctuation, "#push"),
            (r"[@!][\w-]+", Keyword),
            (r"[\w-]+(?=[ \t]*:)", Name.Attribute),
            (r"#[\w-]+|\d[\w.%]*", Number),
            (r"[\w-]+", Name),
            OTHER,
        ],
    }


class Html(RegexLexer):  # type: ignore[misc]
    """HTML with the marks of Jinja in it."""

    tokens: Rules = {
        "jinja": [
            (r"\{#(?:[^#]|#(?!\}))*(?:#\})?", Comment.Multiline),
            (r"\{[{%]-?", Comment.Preproc, "expression"),
        ],
        "root": [
            include("jinja"),
            (r"[^<{&]+", Text),
            (r"<!--(?:[^-]|-(?!->))*(?:-->)?", Comment.Multiline),
            (r"<[!/]?[\w:-]+", Name.Tag, "tag"),
            (r"&#?\w{1,32};", Name.Entity),
            (r"[<{&]", Text),
        ],
        "tag": [
            include("jinja"),
            SPACE,
            (r"/?>", Name.Tag, "#pop"),
            (r'"', String, "double"),
            (r"'", String, "single"),
            (r"[\w:@.-]+", Name.Attribute),
            OTHER,
        ],
        "double": [include("jinja"), (r'[^"{]+|\{', String), (r'"', String, "#pop")],
        "single": [include("jinja"), (r"[^'{]+|\{", String), (r"'", String, "#pop")],
        "expression": [
            SPACE,
            (r"-?[%}]\}", Comment.Preproc, "#pop"),
            *STRINGS,
            NUMBER,
            words(
                {
                    Keyword: """as autoescape block break call continue do elif else endautoescape
                        endblock endcall endfilter endfor endif endmacro endset endtrans endwith
                        extends filter for from if ignore import include macro missing pluralize
                        recursive set trans with without context""",
                    Keyword.Constant: "true false none True False None",
                    Operator.Word: "and or not in is",
                }
            ),
            OTHER,
        ],
    }


class Settings(RegexLexer):  # type: ignore[misc]
    """Keys and values: YAML, TOML, INI files and environment files."""

    tokens: Rules = {
        "root": [
            SPACE,
            HASH_COMMENT,
            (r"^;.*", Comment.Single),
            (r"^\[.*", Name.Namespace),
            (r"^---", Name.Namespace),
            *STRINGS,
            (r"[\w./][\w./-]*(?=[ \t]*[=:])", Name.Attribute),
            (r"[&*!$]\w+", Name.Variable),
            (r"\d[\w.:+-]*", Number),
            words({Keyword.Constant: "true false null yes no"}, r"[\w./][\w./-]*"),
            OTHER,
        ]
    }


LEXERS: dict[str, type[Lexer]] = {
    name: lexer
    for lexer, names in {
        Python: "python python3 py py3",
        PythonConsole: "pycon",
        Shell: "bash sh shell zsh powershell pwsh ps1 bat",
        Console: "console shell-session",
        Dockerfile: "docker dockerfile",
        JavaScript: "javascript js typescript ts",
        Css: "css scss",
        Html: "html html+jinja jinja jinja2 html+django django xml svg",
        Settings: "yaml yml toml ini cfg env dotenv properties",
        JsonLexer: "json",
        SqlLexer: "sql sqlite3 mysql",
        DiffLexer: "diff udiff patch",
    }.items()
    for name in names.split()
}


def lexer_for(language: str) -> Lexer | None:
    """Return the lexer of a language, or None where there is none."""
    name = language.lower()
    return _ready(name) if name in LEXERS else None


@cache
def _ready(name: str) -> Lexer:
    """Return a lexer with its rules compiled: not before it is needed, or each start would wait."""
    return LEXERS[name](stripnl=False)
