"""Refusals as a real server sends them and a real client sees them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from support import Signer, bearer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from doorward import Authenticator
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("welcome")
    await websocket.close()


def behind_middleware(auth: Authenticator) -> Any:
    return AuthMiddleware(Starlette(routes=[WebSocketRoute("/", greet)]), auth)


def behind_guard(auth: Authenticator) -> Any:
    app = FastAPI()
    app.websocket("/", dependencies=[Depends(Guard(auth))])(greet)
    return app


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serves `app` on a free port; the socket listens before the server runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.mark.parametrize("build", [behind_middleware, behind_guard])
def test_websocket_handshake(
    build: Callable[[Authenticator], Any], auth: Authenticator, keys: Signer
) -> None:
    server: AbstractContextManager[str] = serving(build(auth))
    with server as address:
        with connect(f"ws://{address}/", additional_headers=bearer(keys.session())) as session:
            assert session.recv() == "welcome"
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/", additional_headers=bearer("junk"))
        response = refused.value.response
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert response.body == b'{"detail":"token_malformed"}'
