"""Guarded websockets as a real server serves them and a real client sees them.

Run as a program this file is the server: uvicorn, with one of its three websocket implementations.
"""

# FastAPI evaluates the annotations of the routes below: they must not be strings.

import argparse
import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO

import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from doorward import Authenticator, Identity
from doorward.fastapi import Guard, renew
from doorward.testing import DevIssuer

PARTY = "http://localhost:3000"
#: `--ws`, `--http` and `--loop` of uvicorn.
SERVERS = [
    ("websockets", "httptools", "uvloop"),
    ("websockets-sansio", "h11", "uvloop"),
    ("wsproto", "httptools", "asyncio"),
]


def application() -> FastAPI:
    auth = Authenticator.clerk(
        issuer=os.environ["ISSUER"],
        jwt_key=os.environ["JWKS"],
        authorized_parties=PARTY,
        leeway=0,
    )
    guard = Guard(auth)
    app = FastAPI()
    ends: dict[str, list[Any]] = {}
    released = asyncio.Event()

    Caller = Annotated[Identity, Depends(guard.websocket(close_at_expiry=True))]

    async def greet(websocket: WebSocket, caller: Identity) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket, caller: Caller) -> None:
        await greet(websocket, caller)
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect as gone:
            ends[caller.subject] = [gone.code, gone.reason]

    @app.websocket("/careless")
    async def careless(websocket: WebSocket, caller: Caller) -> None:
        await greet(websocket, caller)
        try:
            await websocket.receive_text()
        finally:
            await websocket.close()
            ends[caller.subject] = []

    @app.websocket("/push")
    async def push(websocket: WebSocket, caller: Caller) -> None:
        await greet(websocket, caller)
        try:
            while True:
                await asyncio.sleep(0.05)
                await websocket.send_text("tick")
        except WebSocketDisconnect as gone:
            ends[caller.subject] = [gone.code, gone.reason]

    @app.websocket("/idle")
    async def idle(websocket: WebSocket, caller: Caller) -> None:
        await greet(websocket, caller)
        await released.wait()
        ends[caller.subject] = []

    @app.websocket("/renew")
    async def renewing(websocket: WebSocket, caller: Caller) -> None:
        await greet(websocket, caller)
        async for message in websocket.iter_json():
            if token := message.get("token"):
                fresh = await renew(websocket, token)
                await websocket.send_json({"until": fresh.expires_at})
            else:
                await websocket.send_json(message)

    @app.websocket("/plain")
    async def plain(websocket: WebSocket, caller: Annotated[Identity, Depends(guard)]) -> None:
        await greet(websocket, caller)
        await websocket.close()

    @app.websocket("/admin")
    async def admin(
        websocket: WebSocket,
        caller: Annotated[Identity, Depends(guard.requires(role="admin").websocket())],
    ) -> None:
        await greet(websocket, caller)
        await websocket.close()

    by_url = guard.websocket(query_parameter="access_token")

    @app.websocket("/query")
    async def query(
        websocket: WebSocket, caller: Annotated[Identity, Depends(by_url)], page: int
    ) -> None:
        await greet(websocket, caller)
        await websocket.send_text(f"page {page} {websocket.url.query}")
        await websocket.close()

    @app.get("/ends")
    async def report(release: bool = False) -> dict[str, Any]:
        if release:
            released.set()
        names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
        return {"ends": ends, "tasks": [name for name in names if "Session" in name]}

    return app


class Server:
    """One running server, and tokens it accepts."""

    def __init__(self, issuer: DevIssuer, port: int, log: Any) -> None:
        self.issuer = issuer
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.log = log

    def token(self, **spec: Any) -> str:
        return self.issuer.mint(**{"azp": PARTY, "sub": "user_1", **spec})

    def connect(self, path: str, **options: Any) -> ClientConnection:
        return connect(f"ws://{self.address}{path}", open_timeout=20, proxy=None, **options)

    def bearer(self, path: str, **spec: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.token(**spec)}"}
        return self.connect(path, additional_headers=headers)

    def refusal(self, path: str, **options: Any) -> Any:
        with pytest.raises(InvalidStatus) as refused:
            self.connect(path, **options)
        return refused.value.response

    def ask(self, path: str = "/ends") -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def end(self, subject: str) -> list[Any]:
        """What a caller's handler tells of its end."""
        return self._until(lambda found: found["ends"].get(subject))

    def is_idle(self) -> bool:
        """Whether nothing is left of any connection. Some servers wait 10 s for goodbyes."""
        return self._until(lambda found: found["tasks"] == [] or None)

    def _until(self, told: Callable[[dict[str, Any]], Any]) -> Any:
        for _ in range(100):
            answer = told(self.ask())
            if answer is not None:
                return answer
            time.sleep(0.2)
        raise AssertionError(self.ask())


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server[0])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    issuer = DevIssuer()
    log = tmp_path_factory.mktemp("server") / "log"
    listener = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, __file__, str(listener.fileno()), *request.param]
    environ = {**os.environ, "ISSUER": issuer.issuer, "JWKS": issuer.jwks()}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environ, pass_fds=[listener.fileno()], stdout=output, stderr=output
        )
        port = listener.getsockname()[1]
        listener.close()
        try:
            server = Server(issuer, port, log)
            yield server
            assert server.is_idle()
        finally:
            process.terminate()
            process.wait(20)
    written = log.read_text()
    assert "Traceback" not in written, written


def closing(connection: ClientConnection) -> tuple[int, str]:
    """How the server closes, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:
        list(iter(lambda: connection.recv(timeout=20), None))
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_lets_the_caller_in(server: Server) -> None:
    for path in ("/echo", "/plain"):
        with server.bearer(path) as connection:
            assert connection.recv(timeout=20) == "user_1"


@pytest.mark.parametrize("path", ["/echo", "/plain"])
def test_refuses_the_handshake(server: Server, path: str) -> None:
    stranger = server.refusal(path)
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert stranger.body == b'{"detail":"credentials_missing"}'
    expired = server.refusal(
        path, additional_headers={"Authorization": f"Bearer {server.token(defect='expired')}"}
    )
    assert expired.status_code == 401
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert expired.headers["cache-control"] == "no-store"
    assert expired.headers["content-type"] == "application/json"
    assert expired.body == b'{"detail":"token_expired"}'


def test_refuses_lacking_rights_before_accepting(server: Server) -> None:
    token = server.token()
    refused = server.refusal("/admin", additional_headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403
    assert refused.body == b'{"detail":"role_required"}'


def test_token_as_subprotocol(server: Server) -> None:
    offered = [Subprotocol(f"bearer.{server.token()}"), Subprotocol("chat"), Subprotocol("other")]
    with server.connect("/echo", subprotocols=offered) as connection:
        assert connection.subprotocol == "chat"
        assert connection.recv(timeout=20) == "user_1"


def test_token_is_never_the_subprotocol_that_is_answered(server: Server) -> None:
    offered = [Subprotocol(f"bearer.{server.token()}")]
    with server.connect("/echo", subprotocols=offered) as connection:
        assert connection.subprotocol is None
        assert connection.recv(timeout=20) == "user_1"


def test_bad_token_as_subprotocol(server: Server) -> None:
    offered = [Subprotocol(f"bearer.{server.token(defect='wrong_key')}"), Subprotocol("chat")]
    refused = server.refusal("/echo", subprotocols=offered)
    assert refused.body == b'{"detail":"signature_invalid"}'


def test_two_tokens_that_differ(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    offered = [Subprotocol(f"bearer.{server.token(sub='user_2')}"), Subprotocol("chat")]
    refused = server.refusal("/echo", additional_headers=headers, subprotocols=offered)
    assert refused.status_code == 400
    assert refused.body == b'{"detail":"multiple_credentials"}'


@pytest.mark.parametrize("path", ["/echo", "/plain"])
def test_cookies_count_on_our_own_pages(server: Server, path: str) -> None:
    cookie = {"Cookie": f"__session={server.token()}"}
    for origin in (PARTY, f"http://{server.address}", f"https://{server.address}"):
        with server.connect(path, additional_headers=cookie, origin=Origin(origin)) as connection:
            assert connection.recv(timeout=20) == "user_1"
    foreign = ("https://evil.example", "null", f"http://{server.address}.evil.example", None)
    for origin in foreign:
        refused = server.refusal(
            path, additional_headers=cookie, origin=Origin(origin) if origin else None
        )
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"


def test_token_in_the_url_where_asked_for(server: Server) -> None:
    token = server.token()
    with server.connect(f"/query?page=7&access_token={token}&b=%20") as connection:
        assert connection.recv(timeout=20) == "user_1"
        assert connection.recv(timeout=20) == "page 7 page=7&b=%20"
    log = server.log.read_text()
    assert "/query?page=7&b=%20" in log
    assert token not in log
    assert server.refusal(f"/echo?access_token={token}").status_code == 401


def test_closes_at_expiry(server: Server) -> None:
    start = time.monotonic()
    with server.bearer("/echo", sub="user_echo", ttl=2) as connection:
        assert connection.recv(timeout=20) == "user_echo"
        connection.send("hello")
        assert connection.recv(timeout=20) == "hello"
        assert closing(connection) == (4401, "token_expired")
    assert 0.5 < time.monotonic() - start < 10
    assert server.end("user_echo") == [4401, "token_expired"]


def test_closes_at_expiry_while_the_handler_sends(server: Server) -> None:
    with server.bearer("/push", sub="user_push", ttl=1) as connection:
        assert closing(connection) == (4401, "token_expired")
    assert server.end("user_push") == [1006, ""]


def test_closes_at_expiry_while_the_handler_does_something_else(server: Server) -> None:
    with server.bearer("/idle", sub="user_idle", ttl=1) as connection:
        assert connection.recv(timeout=20) == "user_idle"
        assert closing(connection) == (4401, "token_expired")
    server.ask("/ends?release=true")
    assert server.end("user_idle") == []


def test_a_handler_that_knows_nothing_of_it_ends_without_a_traceback(server: Server) -> None:
    with server.bearer("/careless", sub="user_careless", ttl=1) as connection:
        assert closing(connection) == (4401, "token_expired")
    assert server.end("user_careless") == []


def test_nothing_is_served_after_expiry(server: Server) -> None:
    """Not even to a client that goes on and never answers the closing handshake."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(
            (
                f"GET /echo HTTP/1.1\r\nHost: {server.address}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Authorization: Bearer {server.token(sub='user_late', ttl=1)}\r\n\r\n"
            ).encode()
        )
        with client.makefile("rb") as stream:
            while stream.readline() != b"\r\n":
                pass
            assert _frame(stream) == (0x81, b"user_late")
            client.sendall(_masked(b"early"))
            assert _frame(stream) == (0x81, b"early")
            assert _frame(stream) == (0x88, (4401).to_bytes(2, "big") + b"token_expired")
            client.sendall(_masked(b"late"))
            assert server.end("user_late") == [4401, "token_expired"]


def test_a_client_that_leaves_first_leaves_nothing_behind(server: Server) -> None:
    with server.bearer("/echo", sub="user_gone") as connection:
        assert connection.recv(timeout=20) == "user_gone"
        connection.close(4999, "bye")
    assert server.end("user_gone") == [4999, "bye"]


def test_a_fresh_token_goes_on(server: Server) -> None:
    with server.bearer("/renew", ttl=2) as connection:
        assert connection.recv(timeout=20) == "user_1"
        for _ in range(2):
            connection.send(json.dumps({"token": server.token(ttl=3)}))
            until = json.loads(connection.recv(timeout=20))["until"]
            while time.time() < until - 1.5:
                connection.send(json.dumps({"n": 1}))
                assert json.loads(connection.recv(timeout=20)) == {"n": 1}
                time.sleep(0.2)
        assert closing(connection) == (4401, "token_expired")


@pytest.mark.parametrize(
    ("spec", "code", "reason"),
    [
        ({"defect": "bad_signature"}, 4401, "signature_invalid"),
        ({"sub": "user_2"}, 4403, "another_caller"),
    ],
)
def test_any_other_token_does_not(
    server: Server, spec: dict[str, Any], code: int, reason: str
) -> None:
    with server.bearer("/renew") as connection:
        connection.send(json.dumps({"token": server.token(**spec)}))
        assert closing(connection) == (code, reason)


def _masked(text: bytes) -> bytes:
    """A text frame from a client (RFC 6455 §5.2), masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def _frame(stream: BinaryIO) -> tuple[int, bytes]:
    """A short frame from a server: its first byte and its payload."""
    kind, length = stream.read(2)
    return kind, stream.read(length)


if __name__ == "__main__":
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("fd", type=int)
    for name in ("ws", "http", "loop"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    uvicorn.run(
        application(),
        fd=arguments.fd,
        ws=arguments.ws,
        http=arguments.http,
        loop=arguments.loop,
    )
