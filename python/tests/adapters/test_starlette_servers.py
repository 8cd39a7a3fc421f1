"""The Starlette door as real servers serve it and real clients see it.

Run as a program this file is the server: uvicorn or hypercorn, on a socket that listens already.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import http_table
import pytest
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from doorward import Authenticator, Policy
from doorward.starlette import (
    AuthMiddleware,
    authorize,
    identity,
    optional_identity,
    renew,
    requires,
)
from doorward.testing import DevIssuer

PARTY = "http://localhost:3000"
SERVERS = ("uvicorn", "hypercorn")


# The server


async def public(request: Request) -> Response:
    caller = optional_identity(request)
    return JSONResponse({"hello": "stranger" if caller is None else caller.subject})


async def me(request: Request) -> Response:
    caller = identity(request)
    return JSONResponse(
        {
            "subject": caller.subject,
            "kind": caller.kind,
            "organization": caller.organization_id,
            "role": caller.role,
        }
    )


@requires(permission="org:posts:delete")
async def delete(request: Request) -> Response:
    post = int(request.path_params["post"])
    return JSONResponse({"deleted": post, "by": identity(request).subject})


@requires(role="admin")
def admin(request: Request) -> Response:
    return JSONResponse({"admin": identity(request).subject})


@requires(scopes="posts:read")
def scoped(request: Request) -> Response:
    return JSONResponse({"scopes": identity(request).scopes})


async def ask(websocket: WebSocket) -> None:
    """Judges the caller anew with each message, by the role that it names."""
    await websocket.accept()
    # The client may be gone by the time it is answered.
    with suppress(WebSocketDisconnect):
        await websocket.send_text(identity(websocket).subject)
        async for role in websocket.iter_text():
            caller = await authorize(websocket, Policy(role=role) if role else None)
            await websocket.send_text(caller.subject)


@requires()
async def behind(websocket: WebSocket) -> None:
    await ask(websocket)


async def renewing(websocket: WebSocket) -> None:
    await websocket.accept()
    async for token in websocket.iter_text():
        await websocket.send_json((await renew(websocket, token)).expires_at)


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(f"{identity(websocket).subject}: {data}")


def application(auth: Authenticator) -> Starlette:
    front = Middleware(AuthMiddleware, auth=auth, exclude=["/public", "/own/*"])
    optional = Middleware(AuthMiddleware, auth=auth, optional=True)
    own = requires(auth=auth, close_at_expiry=True, query_parameter="access_token")
    return Starlette(
        routes=[
            Route("/public", public, middleware=[optional]),
            Route("/me", me),
            Route("/posts/{post}", delete, methods=["DELETE"]),
            Route("/admin", admin),
            Route("/scoped", scoped),
            WebSocketRoute("/behind", behind),
            WebSocketRoute("/own/ask", own(ask)),
            WebSocketRoute("/own/echo", own(Echo)),
            WebSocketRoute("/own/renew", own(renewing)),
            WebSocketRoute("/own/admin", requires(role="admin", auth=auth)(ask)),
        ],
        middleware=[front],
    )


def everything() -> Any:
    """An application for each table, and one whose time goes by."""
    keys = os.environ["TABLE_KEYS"]
    tables = {
        name: application(
            http_table.authenticator(name, jwt_key=None if content.get("issuer_down") else keys)
        )
        for name, content in http_table.TABLES.items()
    }
    live = application(
        Authenticator.clerk(
            issuer=os.environ["ISSUER"],
            jwt_key=os.environ["KEYS"],
            authorized_parties=PARTY,
            leeway=0,
        )
    )

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        table = dict(scope.get("headers", ())).get(b"x-table", b"").decode()
        await tables.get(table, live)(scope, receive, send)

    return dispatch


def serve(server: str, fd: int) -> None:
    if server == "uvicorn":
        import uvicorn

        uvicorn.run(everything(), fd=fd, log_level="warning", ws="websockets-sansio")
        return
    from hypercorn.asyncio import serve as run
    from hypercorn.config import Config

    async def until_told() -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        config = Config()
        config.bind = [f"fd://{fd}"]
        await run(everything(), config, shutdown_trigger=told.wait)

    asyncio.run(until_told())


# Its clients


class Server:
    def __init__(self, issuer: DevIssuer, port: int) -> None:
        self.issuer = issuer
        self.address = f"127.0.0.1:{port}"

    def ask(
        self, method: str, path: str, fields: list[tuple[str, str]]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            connection.putrequest(method, path)
            for name, value in fields:
                connection.putheader(name, value.encode())
            connection.endheaders()
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def token(self, **spec: Any) -> str:
        return self.issuer.mint(**{"azp": PARTY, "sub": "user_1", "ttl": 60, **spec})

    def connect(self, path: str, **options: Any) -> ClientConnection:
        return connect(f"ws://{self.address}{path}", open_timeout=20, proxy=None, **options)

    def as_user(self, path: str, **spec: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.token(**spec)}"}
        return self.connect(path, additional_headers=headers)

    def refusal(self, path: str, **options: Any) -> Any:
        with pytest.raises(InvalidStatus) as refused:
            self.connect(path, **options)
        return refused.value.response


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    issuer = DevIssuer()
    log = tmp_path_factory.mktemp("server") / "log"
    listener = socket.create_server(("127.0.0.1", 0))
    environ = {
        **os.environ,
        "ISSUER": issuer.issuer,
        "KEYS": issuer.jwks(),
        "TABLE_KEYS": http_table.issuer().jwks(),
        "PYTHONPATH": str(Path(http_table.__file__).parent),
    }
    command = [sys.executable, __file__, request.param, str(listener.fileno())]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environ, pass_fds=[listener.fileno()], stdout=output, stderr=output
        )
        port = listener.getsockname()[1]
        listener.close()
        try:
            yield Server(issuer, port)
        finally:
            process.terminate()
            process.wait(20)
    written = log.read_text()
    assert "Traceback" not in written, written


def drain(connection: ClientConnection) -> None:
    while True:
        connection.recv(timeout=20)


def closing(connection: ClientConnection) -> tuple[int, str]:
    """How the server closes, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:
        drain(connection)
    received = closed.value.rcvd
    assert received is not None
    return received.code, received.reason


@pytest.mark.parametrize(("table", "case"), http_table.rows())
def test_row(server: Server, table: str, case: http_table.Case) -> None:
    fields = [("X-Table", table), *http_table.headers(table, case)]
    status, headers, body = server.ask(case["method"], http_table.path(table, case), fields)
    http_table.check(table, case, status=status, headers=headers, body=body)


@pytest.mark.parametrize("path", ["/behind", "/own/ask"])
def test_lets_the_caller_in(server: Server, path: str) -> None:
    with server.as_user(path) as connection:
        assert connection.recv(timeout=20) == "user_1"


def test_lets_the_caller_into_a_class(server: Server) -> None:
    with server.as_user("/own/echo") as connection:
        connection.send("hello")
        assert connection.recv(timeout=20) == "user_1: hello"


@pytest.mark.parametrize("path", ["/behind", "/own/ask", "/own/echo", "/own/admin"])
def test_refuses_the_handshake(server: Server, path: str) -> None:
    stranger = server.refusal(path)
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert stranger.body == b'{"detail":"credentials_missing"}'
    headers = {"Authorization": f"Bearer {server.token(defect='expired')}"}
    expired = server.refusal(path, additional_headers=headers)
    assert expired.status_code == 401
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert expired.headers["cache-control"] == "no-store"
    assert expired.headers["content-type"] == "application/json"
    assert expired.body == b'{"detail":"token_expired"}'


def test_refuses_lacking_rights_before_accepting(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    refused = server.refusal("/own/admin", additional_headers=headers)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert refused.body == b'{"detail":"role_required"}'


@pytest.mark.parametrize("path", ["/behind", "/own/ask"])
def test_lacking_a_right_after_accepting(server: Server, path: str) -> None:
    with server.as_user(path) as connection:
        connection.send("")
        assert [connection.recv(timeout=20) for _ in range(2)] == ["user_1", "user_1"]
        connection.send("boss")
        assert closing(connection) == (4403, "role_required")


@pytest.mark.parametrize("path", ["/own/ask", "/own/echo"])
def test_closes_at_expiry(server: Server, path: str) -> None:
    start = time.monotonic()
    with server.as_user(path, ttl=3) as connection:
        assert closing(connection) == (4401, "token_expired")
    assert time.monotonic() - start < 20


def test_goes_on_with_a_fresh_token_of_the_same_caller(server: Server) -> None:
    with server.as_user("/own/renew", ttl=2) as connection:
        connection.send(server.token(ttl=60))
        until = json.loads(connection.recv(timeout=20))
        assert until > time.time() + 30
        connection.send(server.token(sub="user_2"))
        assert closing(connection) == (4403, "another_caller")


@pytest.mark.parametrize("path", ["/own/ask", "/own/echo"])
def test_token_as_subprotocol(server: Server, path: str) -> None:
    offered = [Subprotocol(f"bearer.{server.token()}"), Subprotocol("chat")]
    with server.connect(path, subprotocols=offered) as connection:
        assert connection.subprotocol == "chat"
        connection.send("")
        assert str(connection.recv(timeout=20)).startswith("user_1")


def test_token_in_the_url(server: Server) -> None:
    with server.connect(f"/own/ask?access_token={server.token()}") as connection:
        assert connection.recv(timeout=20) == "user_1"


@pytest.mark.parametrize("path", ["/behind", "/own/ask"])
def test_cookies_count_on_our_own_pages(server: Server, path: str) -> None:
    cookie = {"Cookie": f"__session={server.token()}"}
    for origin in (PARTY, f"http://{server.address}"):
        with server.connect(path, additional_headers=cookie, origin=Origin(origin)) as connection:
            assert connection.recv(timeout=20) == "user_1"
    foreign = Origin("https://evil.example")
    assert server.refusal(path, additional_headers=cookie, origin=foreign).status_code == 401


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
