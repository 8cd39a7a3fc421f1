"""What another site makes a browser send with the session cookie is refused by every door alike."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from fastapi import Depends, FastAPI
from flask import Flask
from litestar import Litestar, Request, route
from litestar.testing import TestClient as LitestarClient
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from support import ISSUER, PARTY, Clock, Signer, bearer

from doorward import Authenticator
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard
from doorward.flask import Doorward as FlaskDoor
from doorward.litestar import DoorwardPlugin
from doorward.quart import Doorward as QuartDoor
from doorward.starlette import DoorwardBackend, on_error, requires

METHODS = ["GET", "POST", "DELETE"]
EVIL = "https://evil.example"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


#: Sends a request with these headers to `/` of an application behind the door.
Ask = Callable[..., Answer]


def answer(found: Any) -> Answer:
    headers = {name.lower(): value for name, value in found.headers.items()}
    return Answer(found.status_code, headers, found.content)


def flask(auth: Authenticator, **options: Any) -> Ask:
    app = Flask(__name__)
    FlaskDoor(app, auth, protect=True, **options)
    app.add_url_rule("/", "index", lambda: "done", methods=METHODS)
    client = app.test_client(use_cookies=False)

    def ask(method: str, headers: Mapping[str, str]) -> Answer:
        found = client.open("/", method=method, headers=headers, base_url="http://testserver.local")
        fields = {name.lower(): value for name, value in found.headers.items()}
        return Answer(found.status_code, fields, found.data)

    return ask


def quart(auth: Authenticator, **options: Any) -> Ask:
    app = Quart(__name__)
    QuartDoor(app, auth, protect=True, **options)

    @app.route("/", methods=METHODS)
    async def index() -> str:
        return "done"

    async def once(method: str, headers: Mapping[str, str]) -> Answer:
        client = app.test_client(use_cookies=False)
        fields = {"Host": "testserver.local", **headers}
        found = await client.open("/", method=method, headers=fields)  # type: ignore[arg-type]
        told = {name.lower(): value for name, value in found.headers.items()}
        return Answer(found.status_code, told, await found.get_data(as_text=False))

    return lambda method, headers: asyncio.run(once(method, headers))


async def done(request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse("done")


def asgi(auth: Authenticator, **options: Any) -> Ask:
    app = Starlette(routes=[Route("/", done, methods=METHODS)])
    return asking(AuthMiddleware(app, auth, **options))


def slow_asgi(auth: Authenticator, **options: Any) -> Ask:
    """The way of those who ask for something special."""

    class Own(AuthMiddleware): ...

    app = Starlette(routes=[Route("/", done, methods=METHODS)])
    return asking(Own(app, auth, optional=True, **options))


def decorator(auth: Authenticator, **options: Any) -> Ask:
    guarded = Route("/", requires(auth=auth)(done), methods=METHODS)
    front = [Middleware(AuthMiddleware, auth=auth, optional=True, **options)] if options else []
    return asking(Starlette(routes=[guarded], middleware=front))


def backend(auth: Authenticator, **options: Any) -> Ask:
    door = DoorwardBackend(auth, **options)
    front = Middleware(AuthenticationMiddleware, backend=door, on_error=on_error)
    guarded = Route("/", requires()(done), methods=METHODS)
    return asking(Starlette(routes=[guarded], middleware=[front]))


def fastapi(auth: Authenticator, **options: Any) -> Ask:
    guard = Guard(auth, **options)
    app = FastAPI(dependencies=[Depends(guard.requires(role="admin")), Depends(guard.optional)])
    app.add_api_route("/", lambda: "done", methods=METHODS)
    return asking(app)


def litestar(auth: Authenticator, **options: Any) -> Ask:
    @route("/", http_method=["GET", "POST", "DELETE"], status_code=200)  # type: ignore[list-item]
    async def index() -> str:
        return "done"

    app = Litestar([index], plugins=[DoorwardPlugin(auth, **options)], logging_config=None)

    def ask(method: str, headers: Mapping[str, str]) -> Answer:
        with LitestarClient(app, base_url="http://testserver.local") as client:
            return answer(client.request(method, "/", headers=dict(headers)))

    return ask


def asking(app: Any) -> Ask:
    client = TestClient(app, base_url="http://testserver.local")
    return lambda method, headers: answer(client.request(method, "/", headers=headers))


DOORS = [flask, quart, asgi, slow_asgi, decorator, backend, fastapi, litestar]
every_door = pytest.mark.parametrize("door", DOORS)


@every_door
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"Origin": "http://testserver.local"}, 200),
        ({"Origin": "http://testserver.local:80"}, 200),
        ({"Origin": PARTY}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://outside.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": PARTY}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver.local"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "whatever"}, 403),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver.local:8080"}, 403),
        ({"Origin": "http://testserver.local.evil.example"}, 403),
        ({"Origin": "http://testserver.local@evil.example"}, 403),
        ({"Origin": "http://[testserver"}, 403),
    ],
)
def test_a_cookie_that_another_site_sends(
    auth: Authenticator, keys: Signer, door: Callable[..., Ask], fields: dict[str, str], status: int
) -> None:
    ask = door(auth)
    cookie = {"Cookie": f"__session={keys.session()}", **fields}
    for method in ("POST", "DELETE"):
        found = ask(method, cookie)
        assert found.status == status
        if status == 403:
            assert found.body == b'{"detail":"cross_origin"}'
            assert found.headers["content-type"] == "application/json"
            assert found.headers["cache-control"] == "no-store"
            assert "www-authenticate" not in found.headers
    assert ask("GET", cookie).status == 200
    # A page of another site cannot write this header.
    assert ask("POST", {**bearer(keys.session()), **fields}).status == 200


@every_door
def test_bad_credentials_are_bad_from_everywhere(
    auth: Authenticator, door: Callable[..., Ask]
) -> None:
    found = door(auth)("POST", {"Cookie": "__session=junk", "Origin": EVIL})
    assert (found.status, found.body) == (401, b'{"detail":"token_malformed"}')


@every_door
def test_it_can_be_left_to_something_else(
    auth: Authenticator, keys: Signer, door: Callable[..., Ask]
) -> None:
    ask = door(auth, check_origin=False)
    assert ask("POST", {"Cookie": f"__session={keys.session()}", "Origin": EVIL}).status == 200


@every_door
def test_it_is_told_as_every_refusal(
    keys: Signer, clock: Clock, door: Callable[..., Ask], caplog: pytest.LogCaptureFixture
) -> None:
    auth = Authenticator.clerk(
        issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, problem_details=True
    )
    with caplog.at_level(logging.INFO, logger="doorward"):
        found = door(auth)(
            "POST", {"Cookie": f"__session={keys.session()}", "Origin": EVIL, "Accept": "*/*"}
        )
    assert found.headers["content-type"] == "application/problem+json"
    assert json.loads(found.body) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "The session cookie came with a request that another site made the browser send.",
        "reason": "cross_origin",
    }
    assert EVIL in caplog.text
    assert "authorized_parties" in caplog.text


def test_an_open_path_of_litestar_does_not_know_the_caller(
    auth: Authenticator, keys: Signer
) -> None:
    """Nobody is refused there, but a handler may act upon whom it sees."""

    @route("/", http_method=["POST"], exclude_from_auth=True, status_code=200)  # type: ignore[list-item]
    async def index(request: Request[Any, Any, Any]) -> str:
        return str(request.auth and request.auth.subject)

    app = Litestar([index], plugins=[DoorwardPlugin(auth)], logging_config=None)
    cookie = {"Cookie": f"__session={keys.session()}"}
    with LitestarClient(app, base_url="http://testserver.local") as client:
        assert client.post("/", headers=cookie).text == "user_1"
        assert client.post("/", headers={**cookie, "Origin": EVIL}).text == "None"


def test_a_websocket_under_wsgi_is_opened_by_pages_of_ours(
    auth: Authenticator, keys: Signer
) -> None:
    """There a handshake is a GET, and no CORS protects it."""
    app = Flask(__name__)
    FlaskDoor(app, auth, protect=True)
    app.add_url_rule("/", "index", lambda: "done", websocket=True)
    client = app.test_client(use_cookies=False)
    cookie = {"Cookie": f"__session={keys.session()}"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    for origin, status in (
        ({}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": EVIL}, 403),
    ):
        assert client.get("/", headers={**cookie, **upgrade, **origin}).status_code == status


def test_an_encrypted_connection_wants_an_encrypted_page(auth: Authenticator, keys: Signer) -> None:
    app = AuthMiddleware(Starlette(routes=[Route("/", done, methods=METHODS)]), auth)
    client = TestClient(app, base_url="https://testserver.local")
    cookie = {"Cookie": f"__session={keys.session()}"}
    secure, plain = (
        {**cookie, "Origin": f"{scheme}://testserver.local"} for scheme in ("https", "http")
    )
    assert client.post("/", headers=secure).status_code == 200
    assert client.post("/", headers=plain).status_code == 403
