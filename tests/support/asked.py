"""What a test sends and looks for, read from its code: routes, fields, texts that count."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from collections.abc import Iterator
from types import FunctionType

# What people in the tests do, as requests; `tests/support/browser.py` has them.
DEEDS = {
    "register": "POST /auth/register: username, password",
    "join": "POST /auth/register: username, password",
    "login": "POST /auth/login: username, password",
    "come_back": "POST /auth/login: username, password",
    "logout": "POST /auth/logout",
    "write": "POST /posts/new: title, body",
}
SENDING = {"get": "GET", "post": "POST", "submit": "POST", "api": "", "request": ""}
NO_FIELDS = {"to", "button", "follow", "headers", "data", "json", "timeout", "allow_redirects"}


def requests_of(function: Callable[..., object]) -> list[str]:
    """Return the requests of a test, such as ``POST /posts/new: title, body``, each once."""
    return list(dict.fromkeys(line for tree in trees(function) for line in requests_in(tree)))


def texts_of(function: Callable[..., object]) -> list[str]:
    """Return the texts that a test looks for in what comes back."""
    found = [text for tree in trees(function) for text in texts_in(tree)]
    return list(dict.fromkeys(found))


def trees(function: Callable[..., object], depth: int = 2) -> Iterator[ast.AST]:
    """Yield the code of a test and of the functions of its file that it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield tree
    names = getattr(function, "__globals__", {})
    for call in ast.walk(tree):
        if depth and isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            other = names.get(call.func.id)
            if isinstance(other, FunctionType) and other.__module__ == function.__module__:
                yield from trees(other, depth - 1)


def requests_in(tree: ast.AST) -> Iterator[str]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if isinstance(call.func, ast.Name) and call.func.id == "join":
            name = "join"
        if name in DEEDS:
            yield DEEDS[name]
        elif name in SENDING:
            words = [text for text in map(path_of, call.args) if text]
            method = SENDING[name]
            if not method and words and words[0].isupper():
                method = words.pop(0)
            if method and words and words[0].startswith("/"):
                yield from one_request(method, words[0], call)


def one_request(method: str, path: str, call: ast.Call) -> Iterator[str]:
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    path = path_of(given["to"]) or path if "to" in given else path
    fields = [name for name in given if name not in NO_FIELDS] if method == "POST" else []
    sent = [given.get("data"), given.get("json"), *call.args[1:]]
    for value in sent if method != "GET" else ():
        if isinstance(value, ast.Dict):
            fields += [k.value for k in value.keys if isinstance(k, ast.Constant)]
    line = f"{method} {path}"
    yield f"{line}: {', '.join(dict.fromkeys(map(str, fields)))}" if fields else line


def path_of(node: ast.expr) -> str:
    """Return a text; what is filled in is shown as ``…``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
        return "".join(map(str, parts))
    return ""


def texts_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        for test in ast.walk(node.test):
            if isinstance(test, ast.Compare) and any(
                isinstance(op, ast.In | ast.Eq) for op in test.ops
            ):
                for side in (test.left, *test.comparators):
                    if isinstance(side, ast.Constant) and isinstance(side.value, str):
                        yield side.value
