"""Servers of the official MCP SDK behind Doorward."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from doorward import Authenticator, ConfigError, Rejection
from doorward._doorward import DevIssuer
from doorward.mcp import ProtectedServer, TokenVerifier, identity, presented_token, protect

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    issuer.start()
    yield issuer
    issuer.stop()


def authenticator(issuer: DevIssuer, **more: Any) -> Authenticator:
    return Authenticator.from_config(
        {
            "issuer": issuer.issuer,
            "jwks_url": issuer.jwks_url,
            "accepts": ["oauth_token"],
            "resource": f"{BASE}/mcp",
            "scopes_supported": ["notes:read"],
            **more,
        }
    )


def mint(issuer: DevIssuer, **spec: Any) -> str:
    claims = {"aud": f"{BASE}/mcp"}
    return issuer.mint(
        json.dumps({"kind": "oauth", "scopes": ["notes:read"], "claims": claims, **spec})
    )


def server(**how: Any) -> MCPServer:
    mcp = MCPServer("notes", **how)

    @mcp.tool()
    def who() -> dict[str, Any]:
        token = get_access_token()
        assert token is not None
        try:
            known = {"identity": identity().subject, "presented": presented_token()}
        except LookupError:
            known = {}
        return {"subject": token.subject, "token": token.token, **known}

    return mcp


@asynccontextmanager
async def running(app: Any, inner: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        inner.router.lifespan_context(inner),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE) as client,
    ):
        yield client


async def call(client: httpx2.AsyncClient, token: str | None) -> httpx2.Response:
    headers = {"accept": "application/json, text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    params = {"name": "who", "arguments": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await client.post("/mcp", headers=headers, json=body)


def told(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = json.loads(response.json()["result"]["content"][0]["text"])
    return found


async def test_the_door_stands_in_front(issuer: DevIssuer) -> None:
    inner = server().streamable_http_app(stateless_http=True, json_response=True)
    app = protect(inner, authenticator(issuer), required_scopes=["notes:read"])
    assert isinstance(app, ProtectedServer)
    async with running(app, inner) as client:
        token = mint(issuer)
        seen = told(await call(client, token))
        assert seen["subject"] == seen["identity"] == "user_2doorwardAda"
        assert seen["presented"] == token
        assert token not in seen["token"]
        missing = await call(client, None)
        metadata = f"{BASE}/.well-known/oauth-protected-resource"
        assert missing.status_code == 401
        assert f'resource_metadata="{metadata}/mcp"' in missing.headers["www-authenticate"]
        for place in (metadata, f"{metadata}/mcp"):
            assert (await client.get(place)).json()["resource"] == f"{BASE}/mcp"
        assert (await call(client, mint(issuer, scopes=["other"]))).status_code == 403
        assert (await call(client, mint(issuer, claims={"aud": "other"}))).status_code == 401


async def test_an_outage_is_503(issuer: DevIssuer) -> None:
    issuer.fault("down", endpoint="jwks")
    inner = server().streamable_http_app(stateless_http=True, json_response=True)
    async with running(protect(inner, authenticator(issuer)), inner) as client:
        response = await call(client, mint(issuer))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


async def test_it_is_a_token_verifier_too(issuer: DevIssuer) -> None:
    settings = AuthSettings.model_validate(
        {
            "issuer_url": issuer.issuer,
            "resource_server_url": f"{BASE}/mcp",
            "required_scopes": ["notes:read"],
            "validate_token_resource": True,
        }
    )
    verifier = TokenVerifier(authenticator(issuer))
    inner = server(auth=settings, token_verifier=verifier).streamable_http_app(
        stateless_http=True, json_response=True
    )
    async with running(inner, inner) as client:
        assert told(await call(client, mint(issuer)))["subject"] == "user_2doorwardAda"
        assert (await call(client, mint(issuer, scopes=["other"]))).status_code == 403
        assert (await call(client, "nonsense")).status_code == 401


async def test_who_cannot_tell_says_so(issuer: DevIssuer) -> None:
    issuer.fault("down", endpoint="jwks")
    with pytest.raises(Rejection) as refused:
        await TokenVerifier(authenticator(issuer)).verify_token(mint(issuer))
    assert refused.value.status == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_tool_may_take_a_scope_of_its_own(issuer: DevIssuer, method: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "who"}}
    reached: list[bytes] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app: Any = protect(inner, authenticator(issuer, tool_scopes={"who": ["admin"]}))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        for scopes, status in ((["notes:read"], 403), (["admin"], 200)):
            headers = {"authorization": f"Bearer {mint(issuer, scopes=scopes)}"}
            response = await client.request(method, "/mcp", headers=headers, json=body)
            assert response.status_code == status
        assert len(reached) == 1
        # Whoever is asked nothing has nothing to say.
        await client.request("OPTIONS", "/mcp", json=body)
        assert reached[1:] == [b""]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("content-type", "application/json")], 200),
        ([("content-type", 'Application/JSON; charset="UTF-8"')], 200),
        ([("content-type", "application/json; charset=utf-7")], 400),
        ([("content-type", "application/json; charset=utf-8; charset=utf-7")], 400),
        ([("content-type", "application/x-www-form-urlencoded; x=application/json")], 400),
        ([("content-type", "application/json"), ("content-type", "text/plain")], 400),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], 400),
    ],
)
async def test_a_body_is_read_in_one_way(issuer: DevIssuer, fields: Any, status: int) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app: Any = protect(inner, authenticator(issuer, tool_scopes={"who": ["admin"]}))
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","+AG0-ethod":"tools/call"}'
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        headers = [*fields, ("authorization", f"Bearer {mint(issuer)}")]
        assert (await client.post("/mcp", headers=headers, content=body)).status_code == status


async def test_a_verifier_that_nobody_guards_takes_nobody(issuer: DevIssuer) -> None:
    verifier = TokenVerifier(authenticator(issuer, tool_scopes={"who": ["admin"]}))
    with pytest.raises(ConfigError, match="tool_scopes"):
        await verifier.verify_token(mint(issuer))


def test_outside_of_a_request_there_is_nobody() -> None:
    with pytest.raises(LookupError):
        identity()
    with pytest.raises(LookupError):
        presented_token()
