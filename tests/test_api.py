"""The description of the API: it is valid, complete, and the API does what it says."""

import json
from collections.abc import Iterator

import pytest

from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.described import NEEDED
from tests.support.described import Run
from tests.support.exports import Export
from tests.support.server import Server

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.usefixtures("worker"),
    pytest.mark.xdist_group("api"),
    pytest.mark.not_on_mysql("what the API says of itself"),
]

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="session")
def spec(server: Server) -> dict:
    """The description, as everybody gets it."""
    browser = Person(server)
    spec = browser.get("/api/openapi.json").json()
    browser.close()
    return spec


def operations(spec: dict) -> Iterator[tuple[str, dict]]:
    """What can be done, as (“GET /api/exports”, its description)."""
    for path, item in spec["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method.upper()} {path}", item[method]


def validator(spec: dict, schema: dict) -> object:
    """Return what checks a value against a schema of this description."""
    schemas = pytest.importorskip("openapi_schema_validator", reason=NEEDED)
    kind = schemas.OAS30Validator if spec["openapi"].startswith("3.0") else schemas.OAS31Validator
    return kind({**schema, "components": spec["components"]}, format_checker=kind.FORMAT_CHECKER)


def check_described(spec: dict, page: Page, status: int, operation: str) -> None:
    """Check that an answer is an error which the description has, in the form that it says."""
    assert page.status == status, f"{page} instead of {status}"
    answers = dict(operations(spec))[operation]["responses"]
    assert str(status) in answers, f"{page}, but {operation} describes only {sorted(answers)}"
    schema = answers[str(status)]["content"]["application/json"]["schema"]
    validator(spec, schema).validate(page.json())


# What it says


@pytest.mark.since("5.openapi")
def test_the_openapi_document_is_valid(spec):
    """The OpenAPI document is valid."""
    tool = pytest.importorskip("openapi_spec_validator", reason=NEEDED)
    tool.validate(spec)


@pytest.mark.since("5.errors")
@pytest.mark.ours
def test_each_operation_has_a_name_of_its_own(spec):
    """Each operation has its own operationId."""
    names = [what.get("operationId") for _, what in operations(spec)]
    assert None not in names, f"a program cannot call what has no operationId: {names}"
    assert len(set(names)) == len(names), f"an operationId that is there twice: {names}"


@pytest.mark.since("5.errors")
@pytest.mark.ours
def test_each_operation_documents_its_errors(step, spec):
    """Each operation documents the errors that it can answer with."""
    for name, what in operations(spec):
        wanted = {"401", "500", "503"}
        wanted |= {"404"} if "{" in name else set()
        wanted |= {"400", "413"} if not name.startswith("GET") else set()
        is_limited = step.is_at_or_after("6.bounded") and name.endswith("/events")
        wanted |= {"429"} if name.startswith("POST") or is_limited else set()
        wanted |= {"409"} if name.endswith("/archive") else set()
        missing = wanted - what["responses"].keys()
        assert not missing, f"the description of {name} lacks {sorted(missing)}"
        assert "default" not in what["responses"], f"with a default, {name} may answer anything"


@pytest.mark.since("5.openapi")
@pytest.mark.ours
def test_each_response_has_a_schema_and_an_example(spec):
    """Each response has a schema, and each JSON response an example."""
    for name, what in operations(spec):
        for code, answer in what["responses"].items():
            for kind, media in answer.get("content", {}).items():
                assert media.get("schema"), f"the {kind} of {name} {code} has no schema"
                if kind == "application/json":
                    shown = {"example", "examples"} & media.keys()
                    assert shown, f"{name} {code} has no example"


@pytest.mark.since("5.openapi")
@pytest.mark.ours
def test_the_openapi_document_names_the_session_and_the_token(spec, person):
    """The document says which operations need the session cookie and the CSRF token."""
    (cookie,) = person.http.cookies.keys()
    schemes = spec["components"]["securitySchemes"]
    placed = {name: (scheme["in"], scheme["name"]) for name, scheme in schemes.items()}
    for name, what in operations(spec):
        needs = {placed[key] for way in what.get("security", spec["security"]) for key in way}
        assert ("cookie", cookie) in needs, f"{name} needs a login, and says {needs}"
        unsafe = not name.startswith("GET")
        token = ("header", "X-CSRFToken") in needs
        assert token == unsafe, f"{name} says of what it needs: {needs}"


@pytest.mark.since("5.openapi")
@pytest.mark.ours
def test_the_openapi_document_has_no_unused_components(spec):
    """The document has no unused components."""
    text = json.dumps(spec)
    for kind, parts in spec["components"].items():
        for name in parts if kind != "securitySchemes" else ():
            assert f'"#/components/{kind}/{name}"' in text, f"nothing uses {kind}/{name}"


@pytest.mark.since("5.openapi")
def test_the_examples_fit_their_schemas(spec):
    """The examples fit their schemas."""
    found = 0
    for name, what in operations(spec):
        for code, answer in what["responses"].items():
            media = answer.get("content", {}).get("application/json", {})
            examples = [example["value"] for example in media.get("examples", {}).values()]
            examples += [media["example"]] if "example" in media else []
            for example in examples:
                problems = list(validator(spec, media["schema"]).iter_errors(example))
                assert not problems, f"the example of {name} {code}: {problems[0].message}"
                found += 1
    assert found, "there is no example"


# What it does


@pytest.fixture(scope="session")
def people(server: Server, worker: None) -> Iterator[list[Person]]:
    """Two people. The first one has posts for an export that takes a moment."""
    people = [Person(server).join() for _ in range(2)]
    account = ("--username", people[0].username, "--password", people[0].password)
    server.project.flask("seed", *account, "--posts", "150")
    yield people
    for person in people:
        person.close()


@pytest.fixture
def exports(people: list[Person]) -> list[str]:
    """The ids of all that the first one has: a finished export, and a cancelled one."""
    person = people[0]
    while left := person.get("/api/exports").json():  # one under way is cancelled, then deleted
        for export in left:
            person.api("DELETE", f"/api/exports/{export['id']}")
    finished = Export.start(person).until_end()
    for _ in range(5):
        export = Export.start(person)
        export.cancel()
        if person.get(export.path).status == 200:  # else it had just finished, and was deleted
            return [finished.id, export.until_end("REVOKED").id]
    raise AssertionError("no export could be cancelled before its end")


@pytest.mark.since("5.errors")
def test_error_responses_are_documented(spec, people, exports):
    """Each error response is documented, and fits its schema."""
    ada, ben = people
    finished, cancelled = (f"/api/exports/{export}" for export in exports)
    parts = [(f"field {number}", (None, "text")) for number in range(1001)]
    for page, status, operation in (
        (ben.post("/api/exports"), 400, "POST /api/exports"),
        (ben.api("POST", "/api/exports", files=parts), 413, "POST /api/exports"),
        (ben.get(finished), 404, "GET /api/exports/{export_id}"),
        (ben.api("DELETE", finished), 404, "DELETE /api/exports/{export_id}"),
        (ada.request("DELETE", cancelled), 400, "DELETE /api/exports/{export_id}"),
        (ada.get(f"{cancelled}/archive"), 409, "GET /api/exports/{export_id}/archive"),
    ):
        check_described(spec, page, status, operation)


@pytest.mark.since("5.errors")
def test_anonymous_requests_get_401_before_400(spec, visitor):
    """An anonymous request without a token gets 401, not 400."""
    check_described(spec, visitor.post("/api/exports"), 401, "POST /api/exports")


@pytest.mark.since("5.cancel")
@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"a=1&a=2", b"--x\r\n"], ids=repr)
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "no type",
    ],
)
def test_an_unexpected_body_is_ignored(person, kind, body):
    """An unexpected request body is ignored."""
    headers = {"Content-Type": kind, "X-CSRFToken": person.get("/").csrf_token}
    unknown = "/api/exports/8dc92a5e-6a3f-4d0b-9d43-0a7c51f2b6e1"
    page = person.request("DELETE", unknown, data=body, headers=headers)
    assert page.status == 404, f"{page}, sent with {body!r} as {kind}"
    assert page.json()["message"]


# All at once


@pytest.mark.slow
def test_the_api_keeps_to_its_openapi_document(server, spec, people, exports):
    """Generated requests, good and bad, get what the OpenAPI document says."""
    run = Run(server.url, exports, people, "coverage", "fuzzing", "stateful")
    assert run.code == 0, str(run)
    met = run.answers
    for name, what in operations(spec):
        method, path = name.split()
        path = path.replace("{export_id}", "{}")
        good = next(int(code) for code in what["responses"] if code.startswith("2"))
        assert (method, path, good) in met, f"no {name} was answered by {good}: {sorted(met)}"


@pytest.mark.slow
def test_anonymous_requests_get_what_the_openapi_document_says(server, spec, exports):
    """Anonymous generated requests get 401 from every operation."""
    run = Run(server.url, exports, [], "coverage")
    assert run.code == 0, str(run)
    for name, _ in operations(spec):
        method, path = name.split()
        codes = {
            c for m, p, c in run.answers if (m, p) == (method, path.replace("{export_id}", "{}"))
        }
        assert codes in ({401}, {401, 404}), f"visitors got {sorted(codes)} for {name}"
