"""`as_user` with the real clients of real frameworks. Django's are in `test_testing_django.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient as FastAPIClient
from flask import Flask, request
from litestar import Litestar, Request, get
from litestar import WebSocket as LitestarWebSocket
from litestar import websocket as litestar_websocket
from litestar.exceptions import HTTPException as LitestarError
from litestar.testing import AsyncTestClient
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from doorward import Authenticator, Rejection
from doorward.testing import AsUser, DevIssuer, as_user, signed_in


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer()


@pytest.fixture(scope="module")
def auth(issuer: DevIssuer) -> Authenticator:
    return issuer.authenticator()


@pytest.fixture
def ada(issuer: DevIssuer) -> str:
    return issuer.mint(sub="ada")


@pytest.fixture
def bob(issuer: DevIssuer) -> str:
    return issuer.mint(sub="bob")


def starlette_app(auth: Authenticator) -> Starlette:
    async def me(request: StarletteRequest) -> PlainTextResponse:
        try:
            return PlainTextResponse((await auth.authenticate(request.scope)).subject)
        except Rejection as refused:
            return PlainTextResponse(refused.reason, refused.status)

    async def socket(websocket: WebSocket) -> None:
        identity = await auth.authenticate(websocket.scope)
        await websocket.accept()
        await websocket.send_text(identity.subject)
        await websocket.close()

    return Starlette(routes=[Route("/me", me), WebSocketRoute("/ws", socket)])


def fastapi_app(auth: Authenticator) -> FastAPI:
    app = FastAPI()
    app.mount("/", starlette_app(auth))
    return app


def litestar_app(auth: Authenticator) -> Litestar:
    @get("/me", media_type="text/plain")
    async def me(request: Request[Any, Any, Any]) -> str:
        try:
            return (await auth.authenticate(request.scope)).subject
        except Rejection as refused:
            raise LitestarError(refused.reason, status_code=refused.status) from None

    @litestar_websocket("/ws")
    async def socket(socket: LitestarWebSocket[Any, Any, Any]) -> None:
        identity = await auth.authenticate(socket.scope)
        await socket.accept()
        await socket.send_text(identity.subject)
        await socket.close()

    return Litestar([me, socket])


def flask_app(auth: Authenticator) -> Flask:
    app = Flask(__name__)

    @app.get("/me")
    def me() -> tuple[str, int]:
        try:
            return auth.authenticate_blocking(request.environ).subject, 200
        except Rejection as refused:
            return str(refused.reason), refused.status

    return app


def wsgi_app(auth: Authenticator) -> Callable[..., list[bytes]]:
    def app(environ: MutableMapping[str, Any], start_response: Any) -> list[bytes]:
        try:
            status, body = "200 OK", auth.authenticate_blocking(environ).subject
        except Rejection as refused:
            status, body = f"{refused.status} No", str(refused.reason)
        start_response(status, [("content-type", "text/plain")])
        return [body.encode()]

    return app


def httpx_client(library: Any) -> Callable[[Authenticator], Any]:
    def client(auth: Authenticator) -> Any:
        transport = library.WSGITransport(wsgi_app(auth))
        return library.Client(transport=transport, base_url="https://api.test")

    return client


def httpx_async_client(library: Any) -> Callable[[Authenticator], Any]:
    def client(auth: Authenticator) -> Any:
        transport = library.ASGITransport(starlette_app(auth))
        return library.AsyncClient(transport=transport, base_url="https://api.test")

    return client


CLIENTS: dict[str, Callable[[Authenticator], Any]] = {
    "starlette": lambda auth: TestClient(starlette_app(auth)),
    "fastapi": lambda auth: FastAPIClient(fastapi_app(auth)),
    "flask": lambda auth: flask_app(auth).test_client(),
    "litestar": lambda auth: LitestarClient(litestar_app(auth)),
    "litestar_async": lambda auth: AsyncTestClient(litestar_app(auth)),
    "httpx": httpx_client(httpx),
    "httpx2": httpx_client(httpx2),
    "httpx_async": httpx_async_client(httpx),
    "httpx2_async": httpx_async_client(httpx2),
}
Ask = Callable[[], tuple[int, str]]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, auth: Authenticator) -> Iterator[Any]:
    client = CLIENTS[request.param](auth)
    if hasattr(client, "__aenter__"):
        loop = asyncio.new_event_loop()
        client.run = loop.run_until_complete
        loop.run_until_complete(client.__aenter__())
        yield client
        loop.run_until_complete(client.__aexit__(None, None, None))
        loop.close()
    else:
        with client:
            yield client


@pytest.fixture
def ask(client: Any) -> Ask:
    def ask() -> tuple[int, str]:
        answer = client.get("/me")
        if hasattr(client, "run"):
            answer = client.run(answer)
        return answer.status_code, answer.text

    return ask


@pytest.mark.parametrize("via", ["header", "cookie"])
def test_the_same_client_is_somebody_from_now_on(
    client: Any, ask: Ask, ada: str, bob: str, via: Any
) -> None:
    assert ask()[0] == 401
    assert as_user(client, ada, via=via) is client
    assert ask() == (200, "ada")
    as_user(client, bob, via=via)
    assert ask() == (200, "bob")


@pytest.mark.parametrize("via", ["header", "cookie"])
def test_a_block_gives_back_what_was_there(client: Any, ask: Ask, ada: str, via: Any) -> None:
    with signed_in(client, ada, via=via) as same:
        assert same is client
        assert ask() == (200, "ada")
    assert ask()[0] == 401


@pytest.mark.parametrize("inner", ["header", "cookie"])
@pytest.mark.parametrize("outer", ["header", "cookie"])
def test_one_user_at_a_time(
    client: Any, ask: Ask, ada: str, bob: str, outer: Any, inner: Any
) -> None:
    """A client never presents two credentials, and has the first ones back in the end."""
    with signed_in(client, ada, via=outer):
        with signed_in(client, bob, via=inner):
            assert ask() == (200, "bob")
        assert ask() == (200, "ada")
    assert ask()[0] == 401


def test_a_block_that_fails_gives_back_too(client: Any, ask: Ask, ada: str) -> None:
    with pytest.raises(RuntimeError, match=r"^mine$"), signed_in(client, ada):
        raise RuntimeError("mine")
    assert ask()[0] == 401


def test_another_session_cookie(ada: str, issuer: DevIssuer) -> None:
    """The one that is named after the instance, and the plain one, are not sent together."""
    client = TestClient(starlette_app(issuer.authenticator(cookies=["__session_dev"])))
    as_user(client, "stale", via="cookie")
    as_user(client, ada, via="cookie", cookie="__session_dev")
    assert list(client.cookies) == ["__session_dev"]
    assert client.get("/me").text == "ada"


def test_other_headers_and_cookies_stay(auth: Authenticator, ada: str) -> None:
    client = TestClient(starlette_app(auth), headers={"X-Mine": "1"}, cookies={"theme": "dark"})
    with signed_in(client, ada, via="cookie"):
        client.headers["X-Later"] = "2"
        client.cookies.set("later", "2")
    assert client.headers["x-mine"] == "1"
    assert client.headers["x-later"] == "2"
    assert dict(client.cookies) == {"theme": "dark", "later": "2"}


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_credentials_of_httpx_itself_step_aside(
    auth: Authenticator, ada: str, library: Any
) -> None:
    client = httpx_client(library)(auth)
    client.auth = ("somebody", "else")
    before = client.auth
    with signed_in(client, ada):
        assert client.get("/me").text == "ada"
    assert client.auth is before


@pytest.mark.parametrize("via", ["header", "cookie"])
def test_websockets(auth: Authenticator, ada: str, via: Any) -> None:
    for client in (TestClient(starlette_app(auth)), FastAPIClient(fastapi_app(auth))):
        with as_user(client, ada, via=via).websocket_connect("/ws") as session:
            assert session.receive_text() == "ada"
    with (
        LitestarClient(litestar_app(auth)) as client,
        as_user(client, ada, via=via).websocket_connect("/ws") as session,
    ):
        assert session.receive_text() == "ada"


@pytest.mark.parametrize("via", ["header", "cookie"])
async def test_asynchronous_websockets(auth: Authenticator, ada: str, via: Any) -> None:
    async with AsyncTestClient(litestar_app(auth)) as client:
        as_user(client, ada, via=via)
        with await client.websocket_connect("/ws") as session:
            assert session.receive_text() == "ada"


def test_flask_sends_cookies_to_the_servers_name(auth: Authenticator, ada: str) -> None:
    app = flask_app(auth)
    app.config["SERVER_NAME"] = "api.test:5000"
    client = app.test_client()
    with signed_in(client, ada, via="cookie"):
        assert client.get("/me").text == "ada"
    assert client.get("/me").status_code == 401


def test_flask_keeps_a_cookie_with_its_attributes(auth: Authenticator, ada: str) -> None:
    client = flask_app(auth).test_client()
    client.set_cookie("__session", "mine", httponly=True, samesite="Strict", max_age=60)
    before = client.get_cookie("__session")
    with signed_in(client, ada, via="cookie"):
        assert client.get("/me").text == "ada"
    assert client.get_cookie("__session") == before


@pytest.mark.parametrize(
    "stranger", [object(), None, Flask(__name__), {}, Starlette(), httpx.Response(200)]
)
def test_an_unknown_client_is_a_type_error(stranger: object, ada: str) -> None:
    with pytest.raises(TypeError) as refused:
        as_user(stranger, ada)
    said = str(refused.value)
    assert type(stranger).__name__ in said
    for name in ("TestClient", "httpx2", "Flask", "AsyncClient", "APIClient", "Litestar"):
        assert name in said
    assert ada not in said


def test_mistakes_are_said_without_the_token(auth: Authenticator, ada: str) -> None:
    client = TestClient(starlette_app(auth))
    for arguments, options, kind in (
        ((f"Bearer {ada}",), {}, ValueError),
        ((ada.encode(),), {}, TypeError),
        ((ada,), {"via": "body"}, ValueError),
    ):
        with pytest.raises(kind) as refused:
            as_user(client, *arguments, **options)  # type: ignore[arg-type]
        assert ada not in str(refused.value)
    assert client.get("/me").status_code == 401


def test_as_user_with_an_issuer_at_hand(auth: Authenticator, issuer: DevIssuer, ada: str) -> None:
    client = TestClient(starlette_app(auth))
    with AsUser(issuer.mint, {"sub": "default"}) as signs_in:
        assert signs_in(client) is client
        assert client.get("/me").text == "default"
        assert signs_in(client, sub="bob").get("/me").text == "bob"
        assert signs_in(client, ada, via="cookie").get("/me").text == "ada"
        with signs_in.signed_in(client, issuer.mint.expired()) as same:
            assert same.get("/me").text == "token_expired"
        assert client.get("/me").text == "ada"
        with pytest.raises(TypeError, match=r"^a token, or what to mint \(sub\), but not both$"):
            signs_in(client, ada, sub="bob")
    assert client.get("/me").status_code == 401
    assert dict(client.cookies) == {}
