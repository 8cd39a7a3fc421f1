"""Real MCP clients log in to `doorward dev --mcp` and call its tools."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import anyio
import fastmcp
import httpx2
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_server import ADA, BROWSER, SCOPES, Callback, Server, environment, node, served

from doorward import Authenticator


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


class Memory:
    """What the Python SDK keeps of a client."""

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


async def press(url: str) -> None:
    """Has the scripted browser open a URL."""
    await anyio.run_process([sys.executable, str(BROWSER), url])


async def used(session: ClientSession) -> dict[str, Any]:
    """What the tools say in a session, checked."""
    await session.initialize()
    tools = await session.list_tools()
    assert [tool.name for tool in tools.tools] == ["whoami", "add"]
    add = await session.call_tool("add", {"a": 2, "b": 3})
    assert add.structured_content == {"sum": 5}
    whoami = (await session.call_tool("whoami", {})).structured_content
    assert whoami is not None
    assert (whoami["user"], whoami["scopes"]) == (ADA, SCOPES)
    return dict(whoami)


async def log_in(
    server: Server, memory: Memory, callback: Callback, verify: ssl.SSLContext | bool = True
) -> dict[str, Any]:
    """What the tools say to the Python SDK, which logs in where it must."""

    async def answer() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**await anyio.to_thread.run_sync(callback.answer))

    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "Outsider",
            "redirect_uris": [callback.url],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
    )
    auth = OAuthClientProvider(server.mcp, metadata, memory, press, answer)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False, verify=verify) as client,
        streamable_http_client(server.mcp, http_client=client) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        return await used(session)


def test_the_python_sdk_logs_in_and_refreshes(server: Server) -> None:
    memory = Memory()
    with Callback() as callback:
        whoami = anyio.run(log_in, server, memory, callback)
    assert memory.client is not None
    assert whoami["client"] == memory.client.client_id
    assert memory.tokens is not None

    # The same again with an access token that is no good: the SDK refreshes it, and asks nobody.
    assert memory.tokens.refresh_token is not None
    first = memory.tokens.access_token
    memory.tokens = memory.tokens.model_copy(update={"access_token": "stale", "expires_in": -1})
    with Callback() as callback:
        anyio.run(log_in, server, memory, callback)
    assert memory.tokens.access_token not in (first, "stale")


def test_clients_log_in_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = tmp_path / "authority.pem"
    with served(authority) as server, Callback() as callback:
        assert server.mcp.startswith("https://localhost:")
        assert server.authority == str(authority)
        trusted = ssl.create_default_context(cafile=str(authority))
        # What OpenSSL checks besides where Python 3.13 and later ask it to.
        trusted.verify_flags |= ssl.VERIFY_X509_STRICT
        # The browser's.
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        memory = Memory()
        whoami = anyio.run(log_in, server, memory, callback, trusted)
        assert memory.tokens is not None
        settings = {
            "issuer": server.authorization_server,
            "audience": server.mcp,
            "accepts": "oauth_token",
        }
        trusting = Authenticator.from_config(
            {**settings, "certificate_authorities_file": str(authority)}
        )
        assert trusting.verify(memory.tokens.access_token).client_id == whoami["client"]

        told = node(
            "mcp_v2.mjs",
            server.mcp,
            str(BROWSER),
            home=tmp_path,
            NODE_EXTRA_CA_CERTS=str(authority),
        )
        said = json.loads(told)
        assert (said["add"], said["iss"]) == ({"sum": 5}, server.authorization_server)

        # Who does not trust it learns nothing but that.
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(server.mcp, verify=stranger, trust_env=False)
        plain = httpx2.get(server.mcp.replace("https://", "http://"), trust_env=False)
        assert (plain.status_code, plain.text) == (400, "This port speaks HTTPS, not HTTP.\n")


@pytest.mark.filterwarnings("ignore:Using in-memory token storage")
def test_fastmcps_client_logs_in(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    browsers: list[subprocess.Popen[bytes]] = []

    def opened(url: str, *_: object, **__: object) -> bool:
        browsers.append(subprocess.Popen([sys.executable, str(BROWSER), url]))
        return True

    monkeypatch.setattr("webbrowser.open", opened)

    async def log_in() -> None:
        async with fastmcp.Client(server.mcp, auth="oauth") as client:
            assert [tool.name for tool in await client.list_tools()] == ["whoami", "add"]
            whoami = (await client.call_tool("whoami", {})).data
            assert (whoami["user"], whoami["scopes"]) == (ADA, SCOPES)
            assert (await client.call_tool("add", {"a": 2, "b": 3})).data == {"sum": 5}

    anyio.run(log_in)
    assert [browser.wait(timeout=10) for browser in browsers] == [0]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_typescript_sdk_logs_in(server: Server, version: str, tmp_path: Path) -> None:
    said = json.loads(node(f"mcp_{version}.mjs", server.mcp, str(BROWSER), home=tmp_path))
    assert (said["tools"], said["add"]) == (["whoami", "add"], {"sum": 5})
    assert (said["whoami"]["user"], said["whoami"]["client"]) == (ADA, said["client_id"])
    assert said["iss"] == server.authorization_server


def test_mcp_remote_logs_in_for_a_client_that_knows_stdio_alone(
    server: Server, tmp_path: Path
) -> None:
    async def log_in() -> None:
        parameters = StdioServerParameters(
            command="node",
            args=["node_modules/mcp-remote/dist/proxy.js", server.mcp],
            env=environment(tmp_path),
            cwd=Path(__file__).parent,
        )
        with (tmp_path / "log").open("w+") as log:
            async with (
                stdio_client(parameters, errlog=log) as (read, write),
                ClientSession(read, write) as session,
            ):
                with anyio.fail_after(60):
                    await used(session)

    anyio.run(log_in)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_logs_in(server: Server, era: str, tmp_path: Path) -> None:
    with Callback() as callback:
        free = callback.server.server_port
    said = node(
        "node_modules/.bin/mcp-inspector",
        *("--cli", server.mcp, "--transport", "http", "--protocol-era", era, "--relogin"),
        *("--method", "tools/call", "--tool-name", "whoami"),
        home=tmp_path,
        MCP_AUTO_OPEN_ENABLED="true",
        MCP_OAUTH_CALLBACK_URL=f"http://127.0.0.1:{free}/oauth/callback",
    )
    told = json.loads(said[said.index("{") :])
    assert told["structuredContent"]["user"] == ADA


def test_the_conformance_suite_passes(server: Server, tmp_path: Path) -> None:
    with Callback() as callback:
        port = callback.server.server_port
    client_id = server.register(callback.url)
    suite = subprocess.Popen(
        [
            *("node", "node_modules/.bin/conformance", "authorization"),
            *("--url", server.authorization_server, "--client-id", client_id),
            *("--port", str(port), "--resource", server.mcp),
        ],
        cwd=Path(__file__).parent,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    try:
        assert suite.stdout is not None
        for line in suite.stdout:
            said += line
            if line.startswith(f"{server.authorization_server}/authorize?"):
                subprocess.run([sys.executable, str(BROWSER), line.strip()], check=True, timeout=60)
        assert suite.wait(timeout=60) == 0, said
    finally:
        suite.kill()
        suite.wait()
        if suite.stdout is not None:
            suite.stdout.close()
    total = re.search(r"Total: (\d+) passed, (\d+) failed", said)
    assert total is not None, said
    assert (int(total[1]), int(total[2])) == (3, 0), said


def test_who_says_no_gives_nothing(server: Server) -> None:
    with Callback() as callback:
        client_id = server.register(callback.url)
        url = (
            f"{server.authorization_server}/authorize?response_type=code&client_id={client_id}"
            f"&redirect_uri={callback.url}&state=mine&code_challenge={'A' * 43}"
            "&code_challenge_method=S256"
        )
        denied = {**environment(Path.home()), "BROWSER_DECISION": "deny"}
        subprocess.run([sys.executable, str(BROWSER), url], check=True, env=denied, timeout=60)
        answer = callback.answer()
    assert (answer["error"], answer["state"]) == ("access_denied", "mine")
    assert answer["iss"] == server.authorization_server
    assert "code" not in answer


def test_a_tool_asks_for_its_scope_and_a_token_can_be_taken_back(server: Server) -> None:
    verifier = "a-verifier-of-a-client-that-wants-little"
    verifier += "-but-is-long-enough"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    with Callback() as callback:
        client_id = server.register(
            callback.url, grant_types=["authorization_code", "refresh_token"]
        )
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": callback.url,
            "scope": "me:read",
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        url = f"{server.authorization_server}/authorize?{urlencode(asked)}"
        subprocess.run([sys.executable, str(BROWSER), url], check=True, timeout=60)
        code = callback.answer()["code"]
    with httpx2.Client(timeout=30, trust_env=False) as http:
        redeem = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": callback.url,
            "code_verifier": verifier,
        }
        given = http.post(f"{server.authorization_server}/token", data=redeem).json()

        def call(tool: str, arguments: dict[str, int]) -> httpx2.Response:
            return http.post(
                server.mcp,
                headers={
                    "authorization": f"Bearer {given['access_token']}",
                    "accept": "application/json, text/event-stream",
                    "mcp-protocol-version": "2025-11-25",
                },
                json={
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": tool, "arguments": arguments},
                },
            )

        assert call("whoami", {}).json()["result"]["structuredContent"]["scopes"] == ["me:read"]
        more = call("add", {"a": 1, "b": 2})
        assert more.status_code == 403
        stepped = more.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in stepped
        assert "numbers:add" in stepped

        taken = {"client_id": client_id, "token": given["refresh_token"]}
        assert http.post(f"{server.authorization_server}/revoke", data=taken).status_code == 200
        ended = call("whoami", {})
        assert ended.status_code == 401
        assert ended.json()["detail"] == "token_revoked"


def test_nobody_gets_in_without_a_token(server: Server) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(server.mcp, b"{}", timeout=10)
    with refused.value as answer:
        assert answer.status == 401
        challenge = answer.headers["www-authenticate"]
    metadata = f"{server.authorization_server}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in challenge
    assert 'scope="me:read numbers:add"' in challenge
