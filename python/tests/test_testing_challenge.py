"""`assert_challenge`: RFC 9110 §11.6.1, over every framework's idea of a response."""

from __future__ import annotations

import http.client
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from types import SimpleNamespace
from typing import Any

import flask
import httpx
import httpx2
import pytest
import werkzeug
from litestar import Litestar
from litestar import Response as LitestarResponse
from litestar import get as litestar_get
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from doorward import Policy, Rejection
from doorward.testing import Challenge, DevIssuer, assert_challenge, challenges

BARE = "Bearer"
INVALID = 'Bearer error="invalid_token", error_description="The token is too old."'
SCOPE = 'Bearer error="insufficient_scope", scope="posts:write posts:read"'


class Answer:
    """A response as plain as can be."""

    def __init__(self, status: int, *fields: str, body: bytes = b"") -> None:
        self.status = status
        self.headers = [("WWW-Authenticate", field) for field in fields]
        self.body = body


# What a field says.

PARSED: dict[str, list[Challenge]] = {
    "": [],
    " , ,\t": [],
    "Bearer": [Challenge("Bearer", {})],
    "Bearer ,": [Challenge("Bearer", {})],
    ", Bearer": [Challenge("Bearer", {})],
    "Bearer, Negotiate": [Challenge("Bearer", {}), Challenge("Negotiate", {})],
    "Negotiate YWJj==": [Challenge("Negotiate", {}, "YWJj==")],
    "Negotiate a/b+c~-._, Bearer": [
        Challenge("Negotiate", {}, "a/b+c~-._"),
        Challenge("Bearer", {}),
    ],
    # No parameter without a value: the grammar makes it a token68.
    "Bearer error=": [Challenge("Bearer", {}, "error=")],
    "Bearer a=b": [Challenge("Bearer", {"a": "b"})],
    "Bearer A = b": [Challenge("Bearer", {"a": "b"})],
    'Bearer a="b"': [Challenge("Bearer", {"a": "b"})],
    'Bearer a=""': [Challenge("Bearer", {"a": ""})],
    r'Bearer a="say \"hi\", \\ you"': [Challenge("Bearer", {"a": r'say "hi", \ you'})],
    'Bearer a="b, Basic realm=c"': [Challenge("Bearer", {"a": "b, Basic realm=c"})],
    'Bearer a=1,b=2 ,, c="3"': [Challenge("Bearer", {"a": "1", "b": "2", "c": "3"})],
    'Basic realm="x", Bearer error="invalid_token", scope="a b", Digest qop=auth, nonce="n"': [
        Challenge("Basic", {"realm": "x"}),
        Challenge("Bearer", {"error": "invalid_token", "scope": "a b"}),
        Challenge("Digest", {"qop": "auth", "nonce": "n"}),
    ],
    # The example of RFC 9110 §11.6.1.
    'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""': [
        Challenge("Basic", {"realm": "simple"}),
        Challenge("Newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
    ],
    'Bearer a="é"': [Challenge("Bearer", {"a": "é"})],
}


@pytest.mark.parametrize("field", PARSED)
def test_parses(field: str) -> None:
    assert challenges(Answer(401, field)) == PARSED[field]


def test_lines_are_one_list() -> None:
    lines = ['Basic realm="a"', 'Bearer error="invalid_token"', ""]
    assert [one.scheme for one in challenges(Answer(401, *lines))] == ["Basic", "Bearer"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ('Bearer error="invalid_token', "a token or a quoted string"),
        ("Bearer error=,a=b", "a comma"),
        ('Bearer a="1", error=', "a token or a quoted string"),
        ("Bearer error=a b", "a comma"),
        ('Bearer error="a" scope="b"', "a comma"),
        ('Bearer error="a"scope="b"', "a comma"),
        ("Bearer a b", "a comma"),
        ('Bearer a="1", A="2"', "a only once"),
        ('"Bearer"', "a scheme"),
        ("Bearer @", "a comma"),
        ('Bearer a="\x00"', "a token or a quoted string"),
        ('Bearer a="1";b="2"', "a comma"),
    ],
)
def test_malformed_fields_are_refused(field: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as refused:
        challenges(Answer(401, field))
    assert "malformed at character" in str(refused.value)
    with pytest.raises(AssertionError, match="malformed at character"):
        assert_challenge(Answer(401, field))


# What is asserted of it.


def test_returns_the_challenge() -> None:
    found = assert_challenge(Answer(403, 'Basic realm="x"', SCOPE), "insufficient_scope")
    assert found.error == "insufficient_scope"
    assert found.scopes == ("posts:write", "posts:read")
    assert challenges(Answer(401, BARE))[0].scopes == ()


def test_good_ones_pass() -> None:
    assert_challenge(Answer(401, INVALID))
    assert_challenge(Answer(401, INVALID), error_description="The token is too old.")
    assert_challenge(Answer(401, "bearer error=invalid_token"), "invalid_token")
    assert_challenge(Answer(401, BARE), None)
    assert_challenge(Answer(400, 'Bearer error="invalid_request"'), "invalid_request")
    assert_challenge(Answer(403, SCOPE), "insufficient_scope", scope="posts:read posts:write")
    assert_challenge(Answer(403, SCOPE), "insufficient_scope", scope=["posts:read", "posts:write"])
    assert_challenge(Answer(401, 'DPoP error="invalid_token"'), scheme="dpop")
    assert_challenge(Answer(401, 'Bearer realm="a", error="use_dpop"'), "use_dpop", status=401)
    # Of several for one scheme, the one that is meant.
    assert_challenge(Answer(401, f'Bearer realm="other", {INVALID}'))


@pytest.mark.parametrize(
    ("answer", "arguments", "said"),
    [
        (Answer(403, INVALID), {}, "status: expected 401, found 403"),
        (Answer(200), {}, "status: expected 401, found 200"),
        (Answer(401), {}, "WWW-Authenticate: expected a Bearer challenge, found none"),
        (Answer(401, "Basic"), {}, "expected a Bearer challenge, found none"),
        (Answer(401, BARE), {}, "error: expected 'invalid_token', found none"),
        (Answer(401, SCOPE), {}, "error: expected 'invalid_token', found 'insufficient_scope'"),
        (Answer(401, INVALID), {"error": None}, "error: expected none, found 'invalid_token'"),
        (
            Answer(403, SCOPE),
            {"error": "insufficient_scope", "scope": "posts:write"},
            "scope: expected 'posts:write', found 'posts:write posts:read'",
        ),
        (
            Answer(403, 'Bearer error="insufficient_scope"'),
            {"error": "insufficient_scope", "scope": "a"},
            "scope: expected 'a', found none",
        ),
        (Answer(401, INVALID), {"realm": "api"}, "realm: expected 'api', found none"),
        (Answer(401, INVALID), {"status": 403}, "status: expected 403, found 401"),
        (Answer(401, 'Bearer token="invalid_token"'), {}, "error: expected 'invalid_token'"),
        (Answer(401, "Bearer invalid_token"), {}, "error: expected 'invalid_token', found none"),
    ],
)
def test_bad_ones_fail_and_say_why(answer: Answer, arguments: Any, said: str) -> None:
    with pytest.raises(AssertionError) as failed:
        assert_challenge(answer, **arguments)
    assert said in str(failed.value)


def test_a_failure_shows_what_was_sent() -> None:
    answer = Answer(403, 'Basic realm="x"', SCOPE, body=b'{"detail":"insufficient_scope"}')
    with pytest.raises(AssertionError) as failed:
        assert_challenge(answer)
    assert str(failed.value).splitlines() == [
        "the response does not refuse as expected",
        "  status: expected 401, found 403",
        "  error: expected 'invalid_token', found 'insufficient_scope'",
        "it was",
        "  403",
        '  WWW-Authenticate: Basic realm="x"',
        '  WWW-Authenticate: Bearer error="insufficient_scope", scope="posts:write posts:read"',
        '  {"detail":"insufficient_scope"}',
    ]
    with pytest.raises(AssertionError) as failed:
        assert_challenge(Answer(200, body=b"x" * 5000))
    assert "  no WWW-Authenticate\n" in str(failed.value)
    assert len(str(failed.value)) < 700


def test_an_error_of_ones_own_needs_a_status() -> None:
    with pytest.raises(ValueError, match="say which status goes with it"):
        assert_challenge(Answer(401, BARE), "use_dpop")


@pytest.mark.parametrize("stranger", [None, "401", {}, object()])
def test_what_is_no_response_is_a_type_error(stranger: object) -> None:
    with pytest.raises(TypeError, match=r"expected a response with \.status_code or \.status"):
        assert_challenge(stranger)
    with pytest.raises(TypeError, match=r"expected a response with \.headers"):
        challenges(stranger)


# Every framework's response.

FIELDS = [("WWW-Authenticate", 'Basic realm="x, y"'), ("WWW-Authenticate", INVALID)]


def of_starlette() -> object:
    def refuse(request: object) -> StarletteResponse:
        response = StarletteResponse("no", 401)
        for name, value in FIELDS:
            response.headers.append(name, value)
        return response

    return TestClient(Starlette(routes=[Route("/", refuse)])).get("/")


def of_starlettes_own_response() -> object:
    response = StarletteResponse("no", 401)
    for name, value in FIELDS:
        response.headers.append(name, value)
    return response


def of_litestar() -> object:
    @litestar_get("/", media_type="text/plain")
    async def refuse() -> LitestarResponse[str]:
        return LitestarResponse("no", status_code=401, headers={"WWW-Authenticate": INVALID})

    with LitestarClient(Litestar([refuse])) as client:
        return client.get("/")


def of_flask() -> object:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: ("no", 401, FIELDS))
    return app.test_client().get("/")


def of_werkzeug() -> object:
    return werkzeug.Response("no", 401, FIELDS)


def of_httpx() -> object:
    return httpx.Response(401, headers=FIELDS, text="no")


def of_httpx2() -> object:
    return httpx2.Response(401, headers=FIELDS, text="no")


def of_httpx_unread() -> object:
    return httpx.Response(401, headers=FIELDS, stream=httpx.ByteStream(b"no"))


def of_http_client() -> object:
    return asked(lambda port: get(http.client.HTTPConnection("127.0.0.1", port, timeout=20)))


def of_urllib() -> object:
    def ask(port: int) -> object:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
        refused.value.close()
        return refused.value

    return asked(ask)


def get(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def asked(ask: Callable[[int], object]) -> object:
    """The answer of a real server that refuses once."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            for name, value in FIELDS:
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            return ask(server.server_address[1])
        finally:
            thread.join(20)


def of_asgi() -> object:
    """What an ASGI application sends: pairs of bytes."""

    pairs = [(name.lower().encode(), value.encode()) for name, value in FIELDS]
    return SimpleNamespace(status=401, headers=pairs)


def of_a_dict() -> object:
    return SimpleNamespace(status_code=401, headers={"www-authenticate": INVALID})


def of_a_message() -> object:
    headers = Message()
    for name, value in FIELDS:
        headers[name] = value
    return SimpleNamespace(code=401, headers=headers)


RESPONSES = [
    of_starlette,
    of_starlettes_own_response,
    of_litestar,
    of_flask,
    of_werkzeug,
    of_httpx,
    of_httpx2,
    of_httpx_unread,
    of_http_client,
    of_urllib,
    of_asgi,
    of_a_dict,
    of_a_message,
]


@pytest.mark.parametrize("response", RESPONSES)
def test_any_response(response: Callable[[], object]) -> None:
    found = assert_challenge(response(), error_description="The token is too old.")
    assert found.parameters["error"] == "invalid_token"
    with pytest.raises(AssertionError, match="expected 'insufficient_scope'"):
        assert_challenge(response(), "insufficient_scope")


def test_a_rejection() -> None:
    issuer = DevIssuer()
    auth = issuer.authenticator()
    with pytest.raises(Rejection) as refused:
        auth.verify(issuer.mint.expired())
    assert_challenge(refused.value)
    with pytest.raises(Rejection) as refused:
        auth.authenticate_blocking({"headers": []})
    assert_challenge(refused.value, None)
    with pytest.raises(Rejection) as refused:
        auth.permit(Policy(scopes="posts:read"), auth.verify(issuer.mint()))
    assert_challenge(refused.value, "insufficient_scope", scope="posts:read")
