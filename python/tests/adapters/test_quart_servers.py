"""Refusals of `Doorward` for Quart as real servers send them and a real client sees them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, websocket
from support import NOW, Clock, Signer, bearer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from doorward import Authenticator
from doorward.quart import Doorward, current_identity
from doorward.testing import DevIssuer


def application(auth: Authenticator) -> Quart:
    app = Quart(__name__)
    door = Doorward(app, auth)

    @door.requires(role="owner")
    async def wipe() -> None: ...

    @app.websocket("/")
    @door.required
    async def chat() -> None:
        while True:
            message = await websocket.receive()
            await door.recheck()
            if message == "wipe":
                await wipe()
            await websocket.send(f"{current_identity.subject}: {message}")

    return app


@asynccontextmanager
async def on_hypercorn(app: Quart) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    config = Config()
    config.loglevel = "ERROR"
    # Hypercorn closes what it is given.
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    done = asyncio.Event()
    server = asyncio.ensure_future(serve(app, config, shutdown_trigger=done.wait))  # type: ignore[arg-type]
    try:
        yield f"{host}:{port}"
    finally:
        done.set()
        await asyncio.wait_for(server, 20)


@asynccontextmanager
async def on_uvicorn(app: Quart) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_level="error")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join, 20)
        listener.close()


Serving = Callable[[Quart], AbstractAsyncContextManager[str]]
SERVERS = [on_hypercorn, on_uvicorn]


@pytest.mark.parametrize("serving", SERVERS)
async def test_websocket_handshake(serving: Serving, auth: Authenticator, keys: Signer) -> None:
    async with serving(application(auth)) as address:
        async with connect(
            f"ws://{address}/", additional_headers=bearer(keys.session())
        ) as session:
            await session.send("hello")
            assert await session.recv() == "user_1: hello"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/", additional_headers=bearer("junk"))
        response: Any = refused.value.response
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert response.headers["cache-control"] == "no-store"
        assert response.body == b'{"detail":"token_malformed"}'
        evil = {"Cookie": f"__session={keys.session()}", "Origin": "https://evil.example"}
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/", additional_headers=evil)
        assert refused.value.response.status_code == 401


@pytest.mark.parametrize("serving", SERVERS)
async def test_a_websocket_is_closed(
    serving: Serving, auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    token = bearer(keys.session(exp=NOW + 30))
    async with serving(application(auth)) as address:
        async with connect(f"ws://{address}/", additional_headers=token) as session:
            await session.send("wipe")
            with pytest.raises(ConnectionClosedError) as closed:
                await session.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "role_required")
        async with connect(f"ws://{address}/", additional_headers=token) as session:
            await session.send("hello")
            assert await session.recv() == "user_1: hello"
            clock.now += 60
            await session.send("still there?")
            with pytest.raises(ConnectionClosedError) as closed:
                await session.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_expired")


@pytest.mark.parametrize("serving", SERVERS)
async def test_a_websocket_ends_when_its_token_does(serving: Serving) -> None:
    issuer = DevIssuer()
    app = Quart(__name__)
    door = Doorward(app, Authenticator.clerk(issuer=issuer.issuer, jwt_key=issuer.jwks(), leeway=0))
    ended = threading.Event()

    @app.websocket("/")
    @door.required
    async def feed() -> None:
        door.close_at_expiry()
        try:
            while True:
                await websocket.send("news")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with serving(app) as address:
        token = bearer(issuer.mint(ttl=2))
        async with connect(f"ws://{address}/", additional_headers=token) as session:
            with pytest.raises(ConnectionClosedError) as closed:
                await asyncio.wait_for(read(session), 20)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_expired")
        assert await asyncio.to_thread(ended.wait, 20)


async def read(session: ClientConnection) -> None:
    async for message in session:
        assert message == "news"
    raise AssertionError("closed as if nothing were wrong")
