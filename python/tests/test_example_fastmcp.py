"""The FastMCP example is a program, and real clients log in to it: FastMCP's and the SDK's.

Two of it share a file, as two workers do.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import fastmcp
import httpx2
import pytest
from mcp import ClientSession
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from doorward._doorward import DevIssuer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "python" / "examples" / "fastmcp_app.py"
BROWSER = ROOT / "examples" / "scripted_browser.py"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(issuer: DevIssuer, store: str, port: int, base_url: str) -> Iterator[str]:
    environ = {
        **os.environ,
        "CLERK_DOMAIN": "example.clerk.accounts.dev",
        "CLERK_BASE": issuer.issuer,
        "CLERK_OAUTH_CLIENT_ID": "notes",
        "CLERK_OAUTH_CLIENT_SECRET": "notes-secret",
        "MCP_BASE_URL": base_url,
        "MCP_STORE": store,
    }
    command = [sys.executable, str(EXAMPLE), "--port", str(port)]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < limit, "the server does not start"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two servers that are one: the second is reached by another port."""
    issuer = DevIssuer()
    url = issuer.start()
    first, second = free_port(), free_port()
    base_url = f"http://127.0.0.1:{first}"
    client = {
        "client_id": "notes",
        "client_secret": "notes-secret",
        "redirect_uris": [f"{base_url}/auth/callback"],
    }
    issuer.register(json.dumps(client))
    httpx2.post(f"{url}/dev/sign-in", json={"sub": "user_2doorwardAda"}).raise_for_status()
    store = f"sqlite://{tmp_path_factory.mktemp('store')}/mcp.db"
    with (
        serving(issuer, store, first, base_url) as one,
        serving(issuer, store, second, base_url) as other,
    ):
        yield one, other
    issuer.stop()


@pytest.mark.filterwarnings("ignore:Using in-memory token storage")
async def test_fastmcps_client_logs_in(
    servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers: list[subprocess.Popen[bytes]] = []

    def opened(url: str, *_: object, **__: object) -> bool:
        browsers.append(subprocess.Popen([sys.executable, str(BROWSER), url]))
        return True

    monkeypatch.setattr("webbrowser.open", opened)
    async with fastmcp.Client(f"{servers[0]}/mcp", auth="oauth") as client:
        names = [tool.name for tool in await client.list_tools()]
        assert names == ["write_note", "list_notes"]
        before = (await client.call_tool("list_notes", {})).data
        assert isinstance(before, list)
    assert [browser.wait(timeout=10) for browser in browsers] == [0]


class Memory:
    """What the SDK keeps of a client."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Callback:
    """Where the client waits for the browser, and what that brought."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/callback"
        self._targets: Queue[str] = Queue()
        self.visits = 0
        Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._targets.put(connection.recv(65536).split()[1].decode())
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    async def brought(self) -> AuthorizationCodeResult:
        query = httpx2.URL(await asyncio.to_thread(self._targets.get, timeout=60)).params
        self.visits += 1
        assert "code" in query, str(query)
        return AuthorizationCodeResult(
            code=query["code"], state=query.get("state"), iss=query.get("iss")
        )


async def used(server: str, auth: OAuthClientProvider | None, token: str | None) -> Any:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(auth=auth, headers=headers, timeout=30, trust_env=False) as client,
        streamable_http_client(f"{server}/mcp", http_client=client) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await session.call_tool("write_note", {"text": "bring milk"})


async def test_the_sdks_client_steps_up_at_one_and_calls_the_other(
    servers: tuple[str, str],
) -> None:
    memory, callback = Memory(), Callback()

    async def press(url: str) -> None:
        await asyncio.to_thread(
            subprocess.run, [sys.executable, str(BROWSER), url], check=True, timeout=60
        )

    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "Notebook",
            "redirect_uris": [callback.url],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
    )
    first, second = servers
    auth = OAuthClientProvider(f"{first}/mcp", metadata, memory, press, callback.brought)
    assert (await used(first, auth, None)).structured_content == {"result": 1}
    # Once to come in, and once more for what the tool takes besides.
    assert callback.visits == 2
    assert memory.tokens is not None
    # The other has the keys, and knows of the session, by the file alone.
    assert not (await used(second, None, memory.tokens.access_token)).is_error
    callback.close()
