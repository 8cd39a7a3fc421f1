"""The Litestar door as real servers serve it and real clients see it.

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
from pathlib import Path
from typing import Any

import http_table
import pytest
from litestar import Litestar, Request, WebSocket, get, route, websocket, websocket_listener
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from doorward import Authenticator, Identity, Policy
from doorward.litestar import DoorwardPlugin, User, authorize, renew, requires
from doorward.testing import DevIssuer

PARTY = "http://localhost:3000"
SERVERS = ("uvicorn", "hypercorn")

Caller = NamedDependency[Identity]
Guest = NamedDependency["Identity | None"]
Socket = WebSocket[User, Identity, State]


# The server


@get("/public", optional_auth=True)
async def public(optional_identity: Guest) -> dict[str, Any]:
    return {"hello": "stranger" if optional_identity is None else optional_identity.subject}


@get("/me")
async def me(request: Request[User, Identity, State]) -> dict[str, Any]:
    caller = request.auth
    return {
        "subject": caller.subject,
        "kind": caller.kind,
        "organization": caller.organization_id,
        "role": caller.role,
    }


@route(
    "/posts/{post:int}",
    http_method=["DELETE"],
    status_code=200,
    guards=[requires(permission="org:posts:delete")],
)
async def delete(identity: Caller, post: FromPath[int]) -> dict[str, Any]:
    return {"deleted": post, "by": identity.subject}


@get("/admin", guards=[requires(role="admin")])
async def admin(identity: Caller) -> dict[str, Any]:
    return {"admin": identity.subject}


@get("/scoped", guards=[requires(scopes="posts:read")])
async def scoped(identity: Caller) -> dict[str, Any]:
    return {"scopes": identity.scopes}


@websocket("/ask")
async def ask(socket: Socket) -> None:
    """Judges the caller anew with each message, by the role that it names."""
    await socket.accept()
    await socket.send_text(socket.auth.subject)
    async for role in socket.iter_data():
        caller = await authorize(socket, Policy(role=str(role)) if role else None)
        await socket.send_text(caller.subject)


@websocket("/renew")
async def renewing(socket: Socket) -> None:
    await socket.accept()
    async for token in socket.iter_data():
        await socket.send_json((await renew(socket, str(token))).expires_at)


@websocket("/admin-socket", guards=[requires(role="admin")])
async def administer(socket: Socket) -> None:
    await socket.accept()
    await socket.close()


@websocket_listener("/listen")
async def listen(data: str, identity: Caller) -> str:
    return f"{identity.subject}: {data}"


def application(auth: Authenticator) -> Litestar:
    plugin = DoorwardPlugin(auth, close_at_expiry=True, query_parameter="access_token")
    handlers = [public, me, delete, admin, scoped, ask, renewing, administer, listen]
    return Litestar(handlers, plugins=[plugin])


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
    if case["method"] == "OPTIONS" and case["status"] == 405:
        # The router's own answer, and Litestar's router has one for OPTIONS.
        case = {**case, "status": 204}
    http_table.check(table, case, status=status, headers=headers, body=body)


def test_lets_the_caller_in(server: Server) -> None:
    with server.as_user("/ask") as connection:
        assert connection.recv(timeout=20) == "user_1"
    with server.as_user("/listen") as connection:
        connection.send("hello")
        assert connection.recv(timeout=20) == "user_1: hello"


@pytest.mark.parametrize("path", ["/ask", "/listen", "/admin-socket"])
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


def test_guards_refuse_the_handshake(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    refused = server.refusal("/admin-socket", additional_headers=headers)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert refused.body == b'{"detail":"role_required"}'


def test_lacking_a_right_after_accepting(server: Server) -> None:
    with server.as_user("/ask") as connection:
        connection.send("")
        assert [connection.recv(timeout=20) for _ in range(2)] == ["user_1", "user_1"]
        connection.send("boss")
        assert closing(connection) == (4403, "role_required")


@pytest.mark.parametrize("path", ["/ask", "/listen"])
def test_closes_at_expiry(server: Server, path: str) -> None:
    start = time.monotonic()
    with server.as_user(path, ttl=1) as connection:
        assert closing(connection) == (4401, "token_expired")
    assert time.monotonic() - start < 10


def test_goes_on_with_a_fresh_token_of_the_same_caller(server: Server) -> None:
    with server.as_user("/renew", ttl=2) as connection:
        connection.send(server.token(ttl=60))
        until = json.loads(connection.recv(timeout=20))
        assert until > time.time() + 30
        connection.send(server.token(sub="user_2"))
        assert closing(connection) == (4403, "another_caller")


def test_token_as_subprotocol(server: Server) -> None:
    offered = [Subprotocol(f"bearer.{server.token()}"), Subprotocol("chat")]
    with server.connect("/ask", subprotocols=offered) as connection:
        assert connection.subprotocol == "chat"
        assert connection.recv(timeout=20) == "user_1"


def test_token_in_the_url(server: Server) -> None:
    with server.connect(f"/ask?access_token={server.token()}") as connection:
        assert connection.recv(timeout=20) == "user_1"


def test_cookies_count_on_our_own_pages(server: Server) -> None:
    cookie = {"Cookie": f"__session={server.token()}"}
    for origin in (PARTY, f"http://{server.address}"):
        with server.connect("/ask", additional_headers=cookie, origin=Origin(origin)) as connection:
            assert connection.recv(timeout=20) == "user_1"
    foreign = server.refusal(
        "/ask", additional_headers=cookie, origin=Origin("https://evil.example")
    )
    assert foreign.status_code == 401


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
