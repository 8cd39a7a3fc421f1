"""`doorward.conformance.check` finds every hole in real applications, and none in sound ones."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import httpx
import jwt
import pytest
import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request, Response
from flask import Flask, jsonify
from flask import Response as FlaskResponse
from flask import request as flask_request
from litestar import Litestar
from litestar import get as litestar_get
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Mount
from starlette.routing import Route as StarletteRoute
from starlette.testclient import TestClient

from doorward import ANY, Authenticator, ConfigError, Identity, Issuer, Rejection
from doorward.conformance import Finding, Report, check
from doorward.fastapi import Guard
from doorward.testing import DevIssuer

CHALLENGE = {"WWW-Authenticate": "Bearer"}


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer()


@pytest.fixture(scope="module")
def auth(issuer: DevIssuer) -> Authenticator:
    return issuer.authenticator()


def odd(report: Report, route: str) -> dict[str, str]:
    """What is not as it should be on a route: the codes, by attack."""
    return {
        finding.attack: finding.code
        for finding in report.findings
        if finding.route == route and finding.state != "pass"
    }


def tried(report: Report, route: str) -> set[str]:
    return {finding.attack for finding in report.findings if finding.route == route}


# FastAPI.


def sound(auth: Authenticator) -> FastAPI:
    app = FastAPI(title="Sound")
    guard = Guard(auth)

    @app.get("/health")
    async def health() -> str:
        return "well"

    @app.get("/hello")
    async def hello(visitor: Identity | None = Depends(guard.optional)) -> str:
        return visitor.subject if visitor else "stranger"

    @app.get("/me")
    async def me(caller: Identity = Depends(guard)) -> str:
        return caller.subject

    @app.get("/admin", dependencies=[Depends(guard.requires(role="org:admin"))])
    async def admin() -> None: ...

    @app.post("/posts/{post_id}/comments", dependencies=[Depends(guard)])
    async def comment(
        post_id: int,
        page: Annotated[int, Query()],
        text: Annotated[str, Body(embed=True)],
    ) -> None: ...

    return app


def test_a_sound_fastapi_passes_without_a_warning(issuer: DevIssuer, auth: Authenticator) -> None:
    report = check(sound(auth), issuer=issuer, optional="/hello", strict=True)
    report.assert_passed()
    assert report.passed
    assert bool(report) is True
    assert [(one.route, one.access, one.state) for one in report.routes] == [
        ("GET /admin", "protected", "pass"),
        ("GET /health", "public", "pass"),
        ("GET /hello", "optional", "pass"),
        ("GET /me", "protected", "pass"),
        ("POST /posts/{post_id}/comments", "protected", "pass"),
    ]
    everything = {"alg_none", "stranger_key", "hmac_with_public_key", "expired", "wrong_azp"}
    assert everything <= tried(report, "GET /me") & tried(report, "POST /posts/{post_id}/comments")
    assert "good_token" in tried(report, "GET /me")
    assert "good_token" not in tried(report, "POST /posts/{post_id}/comments")
    assert [one.attack for one in report.not_tried] == ["wrong_aud"]


def believing(request: Request) -> dict[str, Any]:
    """Decodes a token and believes it, as somebody does who has read half a tutorial."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise HTTPException(401, headers=CHALLENGE) from None
    return claims


def holed(auth: Authenticator) -> FastAPI:
    app = FastAPI(title="Holed")
    guard = Guard(auth)

    def caller(request: Request) -> Identity | None:
        try:
            return auth.authenticate_blocking(request.scope)
        except Rejection:
            return None

    @app.get("/sound", dependencies=[Depends(guard)])
    def sound() -> None: ...

    @app.get("/forgotten")
    def forgotten() -> None: ...

    @app.get("/unsigned")
    def unsigned(request: Request) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token.count(".") == 2 and token.endswith("."):
            claims = believing(request)
            assert claims["sub"]
        elif caller(request) is None:
            raise HTTPException(401, headers=CHALLENGE)

    @app.post("/believes")
    def believes(
        claims: Annotated[dict[str, Any], Depends(believing)],
        text: Annotated[str, Body(embed=True)],
    ) -> None: ...

    @app.get("/breaks")
    def breaks(request: Request) -> str:
        if "authorization" not in request.headers:
            raise HTTPException(401, headers=CHALLENGE)
        found = caller(request)
        return found.subject  # type: ignore[union-attr]

    @app.get("/forbids")
    def forbids(request: Request) -> None:
        if caller(request) is None:
            raise HTTPException(403)

    @app.get("/mute")
    def mute(request: Request) -> None:
        if caller(request) is None:
            raise HTTPException(401)

    @app.get("/stale")
    def stale(request: Request, response: Response) -> None:
        """Once somebody was let in, the cookie lets everybody in."""
        if request.cookies.get("seen") != "yes" and caller(request) is None:
            raise HTTPException(401, headers=CHALLENGE)
        response.set_cookie("seen", "yes")

    return app


@pytest.fixture(scope="module")
def holes(issuer: DevIssuer, auth: Authenticator) -> Report:
    return check(holed(auth), issuer=issuer, protect_all=True)


def test_every_hole_is_found_and_nothing_else(holes: Report) -> None:
    assert not holes.passed
    assert odd(holes, "GET /sound") == {}
    # Cookies of one answer do not go with the next request.
    assert odd(holes, "GET /stale") == {}
    forgotten = odd(holes, "GET /forgotten")
    assert forgotten["no_credentials"] == forgotten["wrong_azp"] == "let_in"
    unsigned = odd(holes, "GET /unsigned")
    assert unsigned == dict.fromkeys(("alg_none", "alg_none_spelling", "no_signature"), "let_in")
    believes = odd(holes, "POST /believes")
    assert set(believes.values()) == {"believed"}
    assert {"alg_none", "stranger_key", "expired", "bad_signature"} <= set(believes)
    assert "junk" not in believes
    breaks = odd(holes, "GET /breaks")
    assert breaks["junk"] == breaks["expired"] == "server_error"
    assert set(odd(holes, "GET /forbids").values()) == {"forbidden"}
    assert set(odd(holes, "GET /mute").values()) == {"no_challenge"}


def test_a_report_is_read_by_people_and_by_machines(holes: Report) -> None:
    with pytest.raises(AssertionError) as raised:
        holes.assert_passed()
    assert str(holes) in str(raised.value)
    assert "fail  GET /forgotten" in str(holes)
    assert "\x1b" not in str(holes)
    failures, warnings = len(holes.failures), len(holes.warnings)
    assert repr(holes) == f"Report(passed=False, failures={failures}, warnings={warnings})"
    assert holes.summary["failures"] == failures > 0 < warnings == holes.summary["warnings"]

    told = json.loads(holes.to_json())
    assert [Finding(**one) for one in told["findings"]] == list(holes.findings)
    assert told["target"] == "Holed"

    suites = ElementTree.fromstring(holes.to_junit())
    failed = suites.findall(".//failure")
    assert len(failed) == failures == int(suites.attrib["failures"])
    assert {one.attrib["classname"] for one in suites.iter("testcase")} == {
        one.route for one in holes.routes
    }


def test_no_token_is_in_a_report(issuer: DevIssuer, auth: Authenticator) -> None:
    token = issuer.mint(ttl=600)
    report = check(sound(auth), token=token, cookie="__session")
    assert token not in str(report) + repr(report) + report.to_json() + report.to_junit()
    assert "eyJ" not in str(report) + report.to_json()
    assert "good_token" in tried(report, "GET /me")
    assert "alg_none (cookie)" in tried(report, "GET /me")


def test_without_an_issuer_it_says_what_was_not_tried(auth: Authenticator) -> None:
    report = check(sound(auth), optional="/hello")
    assert report.passed
    needs = {one.attack: one.needs for one in report.not_tried}
    assert "issuer" in needs["expired"]
    assert "good token" in needs["truncated"]
    assert "key set" in needs["hmac_with_public_key"]


def test_a_good_token_that_is_refused_proves_nothing(
    issuer: DevIssuer, auth: Authenticator
) -> None:
    report = check(sound(auth), issuer=issuer, mint={"azp": "https://unknown.example"})
    assert odd(report, "GET /me")["good_token"] == "good_refused"
    assert not report


def test_an_audience_is_checked_where_tokens_have_one(issuer: DevIssuer) -> None:
    app = FastAPI()

    def guarded(path: str, audience: Any) -> None:
        trusted = Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=audience)
        app.get(path, dependencies=[Depends(Guard(Authenticator([trusted])))])(lambda: None)

    guarded("/strict", "my-api")
    guarded("/lax", ANY)
    report = check(app, issuer=issuer, mint={"kind": "oidc", "aud": "my-api"})
    assert odd(report, "GET /strict") == {}
    assert odd(report, "GET /lax") == {"wrong_aud": "let_in"}


def test_what_the_document_calls_public_can_be_demanded_to_be_protected(
    auth: Authenticator,
) -> None:
    app = sound(auth)
    with pytest.raises(ConfigError, match="no route is protected"):
        check(app, only=["/health"])
    report = check(app, only=["/health"], protect_all=True)
    assert odd(report, "GET /health")["no_credentials"] == "let_in"
    report = check(app, only=["GET /me", "/health"])
    assert [one.route for one in report.skipped] == [
        "GET /admin",
        "GET /hello",
        "POST /posts/{post_id}/comments",
    ]
    refused = check(app, public=["/admin"], only=["/admin", "/me"])
    assert odd(refused, "GET /admin") == {"no_credentials": "open_refused"}


# Clients.


def test_a_test_client_is_used_and_left_as_it_was(issuer: DevIssuer, auth: Authenticator) -> None:
    client = TestClient(holed(auth))
    client.cookies.set("seen", "yes")
    report = check(client, issuer=issuer, protect_all=True)
    assert odd(report, "GET /stale") == {}
    # This client hands on what the application raises.
    breaks = [one for one in report.failures if one.route == "GET /breaks"]
    assert {one.found for one in breaks} == {"the application raised AttributeError"}
    assert client.cookies.get("seen") == "yes"


def test_an_application_in_a_middleware_is_asked_for_its_document(
    issuer: DevIssuer, auth: Authenticator
) -> None:
    inner = sound(auth)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    check(TestClient(outer), issuer=issuer, optional="/hello", strict=True).assert_passed()


def test_an_api_that_always_asks_to_wait_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("doorward.conformance.time.sleep", waits.append)
    app = FastAPI()

    @app.get("/{path:path}")
    def limited(path: str) -> Response:
        return Response(status_code=429, headers={"Retry-After": "86400"})

    report = check(TestClient(app), routes=["/a", "/b"])
    assert odd(report, "GET /a")["route"] == "unproven"
    assert waits == [5] * 12


def test_a_client_that_is_signed_in_is_refused(issuer: DevIssuer, auth: Authenticator) -> None:
    client = TestClient(sound(auth), headers={"Authorization": f"Bearer {issuer.mint()}"})
    with pytest.raises(ConfigError, match="not signed in"):
        check(client)


@pytest.mark.parametrize("target", [object(), httpx.AsyncClient(), 7, Path("app.py")])
def test_what_cannot_be_checked_says_what_can(target: object) -> None:
    with pytest.raises(TypeError, match="base URL"):
        check(target)


# Flask.


def flask_app(auth: Authenticator) -> Flask:
    app = Flask("shop")

    @app.before_request
    def guard() -> FlaskResponse | None:
        if flask_request.path in {"/health", "/forgotten/1"}:
            return None
        try:
            auth.authenticate_blocking(flask_request.environ)
        except Rejection as refused:
            return FlaskResponse(refused.body, refused.status, refused.headers)
        return None

    @app.get("/health")
    def health() -> str:
        return "well"

    @app.route("/me", methods=["GET", "PUT"])
    def me() -> FlaskResponse:
        return jsonify({})

    @app.delete("/posts/<int(min=1):post_id>/<any(draft, final):state>/<uuid:key>")
    def delete(post_id: int, state: str, key: str) -> str:
        return ""

    @app.get("/forgotten/<name>")
    def forgotten(name: str) -> str:
        return name

    @app.get("/items/")
    def items() -> str:
        return ""

    return app


@pytest.mark.parametrize("kind", ["app", "client"])
def test_flask_is_checked_by_its_url_map(kind: str, issuer: DevIssuer, auth: Authenticator) -> None:
    app = flask_app(auth)
    target = app if kind == "app" else app.test_client()
    report = check(target, issuer=issuer, public="/health")
    assert [(one.route, one.state) for one in report.routes] == [
        ("GET /health", "pass"),
        ("GET /me", "pass"),
        ("PUT /me", "pass"),
        ("DELETE /posts/{post_id}/{state}/{key}", "pass"),
        ("GET /forgotten/{name}", "fail"),
        ("GET /items/", "pass"),
    ]
    assert set(odd(report, "GET /forgotten/{name}").values()) == {"let_in"}
    assert check(target, issuer=issuer, public=["/health", "/forgotten/*"])


def test_a_slash_that_is_missing_is_followed(auth: Authenticator) -> None:
    report = check(flask_app(auth), routes=["/items", "GET /me"])
    assert report.passed, str(report)
    assert odd(report, "GET /items") == {}


# Starlette and Litestar.


def test_starlette_is_checked_by_its_routes(issuer: DevIssuer, auth: Authenticator) -> None:
    async def guarded(request: Any) -> StarletteResponse:
        try:
            identity = await auth.authenticate(request)
        except Rejection as refused:
            return StarletteResponse(refused.body, refused.status, dict(refused.headers))
        return JSONResponse(identity.subject)

    async def forgotten(request: Any) -> StarletteResponse:
        return JSONResponse("welcome")

    v1 = [
        StarletteRoute("/me/{number:int}", guarded, methods=["GET", "DELETE"]),
        StarletteRoute("/open", forgotten),
    ]
    app = Starlette(routes=[Mount("/v1", routes=v1), StarletteRoute("/health", forgotten)])
    report = check(app, issuer=issuer, public="/health")
    assert {one.route: one.state for one in report.routes} == {
        "GET /v1/me/{number}": "pass",
        "DELETE /v1/me/{number}": "pass",
        "GET /v1/open": "fail",
        "GET /health": "pass",
    }


def test_litestar_is_checked_by_its_document(issuer: DevIssuer, auth: Authenticator) -> None:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        try:
            await auth.authenticate(connection.scope)
        except Rejection as refused:
            raise NotAuthorizedException(headers=dict(refused.headers)) from None

    security = [{"bearer": list[str]()}]

    @litestar_get("/me", guards=[guard], security=security)
    async def me() -> str:
        return "me"

    @litestar_get("/forgotten", security=security)
    async def forgotten() -> str:
        return "welcome"

    @litestar_get("/health")
    async def health() -> str:
        return "well"

    app = Litestar([me, forgotten, health])
    for target in (app, LitestarClient(app)):
        report = check(target, issuer=issuer)
        assert {one.route: (one.access, one.state) for one in report.routes} == {
            "GET /me": ("protected", "pass"),
            "GET /forgotten": ("protected", "fail"),
            "GET /health": ("public", "pass"),
        }


# Servers.


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def test_a_url_and_an_httpx_client_find_the_document(auth: Authenticator) -> None:
    with DevIssuer() as issuer:
        mounted = FastAPI(openapi_url=None)
        mounted.mount("/v1", sound(issuer.authenticator()))
        with served(mounted) as url:
            report = check(f"{url}/v1/", issuer=issuer.start(), optional="/hello", strict=True)
            report.assert_passed()
            assert report.summary["protected"] == 3
            assert json.loads(report.to_json())["target"] == f"{url}/v1"
            with httpx.Client(base_url=f"{url}/v1") as client:
                again = check(client, issuer=issuer, optional="/hello", strict=True)
            again.assert_passed()
            assert again.summary == report.summary
            whole = check(url, openapi=f"{url}/v1/openapi.json", only=["/v1/me"])
            assert [one.route for one in whole.routes] == ["GET /me"]
            with pytest.raises(ConfigError, match="no OpenAPI document"):
                check(f"{url}/v2")


class Handler(BaseHTTPRequestHandler):
    """One path that streams for ever, one that never answers, one that leads elsewhere."""

    protocol_version = "HTTP/1.1"
    gate = threading.Event()
    elsewhere = ""
    visits = 0

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(307)
            self.send_header("Location", f"{self.elsewhere}/moved")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/streams":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1\r\nx\r\n")
            self.gate.wait(20)
        elif self.path == "/hangs":
            self.gate.wait(20)
            self.close_connection = True
        else:
            type(self).visits += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


def test_servers_that_stream_hang_or_lead_elsewhere_are_bounded() -> None:
    class Elsewhere(Handler):
        visits = 0

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other,
    ):
        for one in (server, other):
            threading.Thread(target=one.serve_forever, daemon=True).start()
        Handler.elsewhere = f"http://127.0.0.1:{other.server_port}"
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            report = check(
                url,
                routes=["/streams", "/hangs", "/moved"],
                timeout=0.3,
                # Every other path is open there.
                waive="trailing_slash",
            )
        finally:
            Handler.gate.set()
            server.shutdown()
            other.shutdown()
    assert odd(report, "GET /streams") == {}
    assert set(odd(report, "GET /hangs").values()) == {"no_answer"}
    assert odd(report, "GET /moved")["route"] == "unproven"
    assert Elsewhere.visits == 0


def test_nobody_there_is_a_connection_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with pytest.raises(ConnectionError, match="no API"):
        check(url, routes=["/me"])
    with pytest.raises(ConnectionError, match="no API"):
        check(url)
    with pytest.raises(ConnectionError, match="doorward dev"):
        check(url, routes=["/me"], issuer=url)


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"public": "/helth"}, 'did you mean "/health"'),
        ({"waive": "alg_nun"}, "alg_none"),
        ({"mint": {}}, "issuer"),
        ({"max_probes": 3}, "at most 3"),
        ({"headers": {"Cookie": "a=b"}}, "would hide"),
        ({"headers": {"X-Tenant": "a\nb"}}, "does not allow"),
        ({"headers": {"X-Tenant": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}}, "does not allow"),
        ({"token": "Bearer a.b.c"}, "without its scheme"),
        ({"routes": ["me"]}, "begins with '/'"),
        ({"openapi": {"swagger": "2.0"}}, "OpenAPI 3"),
    ],
)
def test_mistakes_name_the_setting(
    arguments: dict[str, Any], said: str, auth: Authenticator
) -> None:
    with pytest.raises(ConfigError, match=said):
        check(sound(auth), **arguments)


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://a", "a URL"), ("http://me:secret@a", "credentials"), ("http://a/?b", "query")],
)
def test_a_target_is_a_bare_url(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        check(url, routes=["/me"])
    assert "secret" not in str(raised.value)


def test_a_document_is_read_from_a_file(tmp_path: Path, auth: Authenticator) -> None:
    document = tmp_path / "openapi.yaml"
    document.write_text("openapi: 3.0.0\npaths:\n  /me: {get: {security: [{b: []}]}}\n")
    report = check(sound(auth), openapi=document, routes=["DELETE /me"])
    assert [one.route for one in report.routes] == ["GET /me", "DELETE /me"]
    # FastAPI has no such route: 405 for everybody.
    assert odd(report, "DELETE /me")["route"] == "unproven"


def test_the_guide_names_every_attack(auth: Authenticator) -> None:
    with pytest.raises(ConfigError, match="expected one of") as raised:
        check(sound(auth), waive="everything")
    names = str(raised.value).partition("expected one of ")[2].split(", ")
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "conformance.md").read_text()
    assert len(names) > 30
    assert [name for name in names if f"`{name}`" not in guide] == []


def test_it_imports_no_framework() -> None:
    code = """
import sys, doorward.conformance
print(sorted({"flask", "django", "fastapi", "starlette", "litestar", "httpx"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert answer.stdout.strip() == "[]"
