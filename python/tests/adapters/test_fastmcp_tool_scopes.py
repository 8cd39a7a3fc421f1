"""A tool's scopes are asked for wherever a request reaches the MCP server, and by whatever way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from adapters.test_fastmcp_provider import app, call, issuer, provider, server
from fastmcp.server.auth import MultiAuth, RemoteAuthProvider, StaticTokenVerifier
from fastmcp.server.http import create_sse_app
from mcp_login import BASE, Program, browsing
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount

from doorward import Authenticator, ConfigError
from doorward._doorward import DevIssuer
from doorward.fastmcp import ClerkTokenVerifier, RemoteClerkProvider
from doorward.mcp import protect

__all__ = ["issuer"]

SCOPES: dict[str, Any] = {
    "required_scopes": ["openid"],
    "valid_scopes": ["openid", "admin"],
    "tool_scopes": {"who": ["admin"]},
}


async def refused_and_let_in(app: Any, path: str = "/mcp", prefix: str = "") -> None:
    """A token with the scope may, one without may not."""
    async with browsing(app) as client:
        for scope, status in (("openid", 403), ("openid admin", 200)):
            program = Program(client, prefix)
            token = await program.log_in(scope=scope)
            response = await call(client, token, path=path)
            assert response.status_code == status, response.text
            if status == 403:
                assert "admin" in response.headers["www-authenticate"]
            assert (await call(client, token, "upstream", path=path)).status_code == 200
            assert (await call(client, None, path=path)).status_code == 401


@pytest.mark.parametrize("path", ["/mcp", "/mcp%0A"])
async def test_whatever_the_router_takes_for_the_path(issuer: DevIssuer, path: str) -> None:
    await refused_and_let_in(app(provider(issuer, **SCOPES)), path)


async def test_behind_another_providers_middleware(issuer: DevIssuer) -> None:
    others = StaticTokenVerifier({"machine": {"client_id": "robot", "scopes": ["openid"]}})
    multi = MultiAuth(server=provider(issuer, **SCOPES), verifiers=others)
    await refused_and_let_in(app(multi))
    # Of other verifiers' tokens Doorward says nothing.
    async with browsing(app(multi)) as client:
        assert (await call(client, "machine", "upstream")).status_code == 200


async def test_below_a_path(issuer: DevIssuer) -> None:
    auth = provider(issuer, base_url=f"{BASE}/api", issuer_url=BASE, **SCOPES)
    inner = app(auth)
    outer = Starlette(
        routes=[*auth.get_well_known_routes("/mcp"), Mount("/api", inner)],
        lifespan=lambda _: inner.router.lifespan_context(inner),
    )
    await refused_and_let_in(outer, "/api/mcp", "/api")


async def test_behind_a_proxy_that_takes_a_prefix_away(issuer: DevIssuer) -> None:
    inner = app(provider(issuer, **SCOPES))

    class Prefixed:
        router = inner.router

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            path: str = scope["path"]
            prefix = {"root_path": "/mcp", "path": f"/mcp{path}"} if path == "/mcp" else {}
            await inner({**scope, **prefix}, receive, send)

    await refused_and_let_in(Prefixed())


@pytest.mark.parametrize("message_path", ["/messages/", "/msg/"])
@pytest.mark.parametrize("multi", [False, True])
async def test_where_the_older_transport_takes_messages(
    issuer: DevIssuer, message_path: str, multi: bool
) -> None:
    auth: Any = provider(issuer, **SCOPES)
    auth = MultiAuth(server=auth) if multi else auth
    sse = create_sse_app(server(auth), message_path=message_path, sse_path="/sse", auth=auth)
    async with browsing(sse) as client:
        # There is no such session: 404 for whoever may.
        for scope, status in (("openid", 403), ("openid admin", 404)):
            token = await Program(client).log_in(scope=scope)
            path = f"{message_path}?session_id={'0' * 32}"
            response = await call(client, token, path=path)
            assert response.status_code == status, response.text


async def test_other_routes_take_what_they_like(issuer: DevIssuer) -> None:
    mcp = server(provider(issuer, **SCOPES))

    @mcp.custom_route("/messages/upload", methods=["POST"])
    async def upload(request: Request) -> JSONResponse:
        return JSONResponse({"read": len(await request.body())})

    async with browsing(mcp.http_app(stateless_http=True, json_response=True)) as client:
        token = await Program(client).log_in(scope="openid")
        headers = {"authorization": f"Bearer {token}"}
        response = await client.post("/messages/upload", content=b"no JSON", headers=headers)
        assert response.json() == {"read": 7}


def verifier(issuer: DevIssuer, **more: Any) -> ClerkTokenVerifier:
    settings: dict[str, Any] = {
        "domain": "example.clerk.accounts.dev",
        "base": issuer.issuer,
        "base_url": BASE,
        "tool_scopes": {"who": ["admin"]},
        "client_ids": ["client_2doorward"],
        **more,
    }
    return ClerkTokenVerifier(**settings)


@pytest.mark.parametrize("how", ["alone", "remote", "multi"])
async def test_a_verifier_alone_or_in_somebody_elses_provider(issuer: DevIssuer, how: str) -> None:
    ours = verifier(issuer)
    if how != "alone":
        ours.set_mcp_path("/mcp")
    auth = {
        "alone": ours,
        "remote": RemoteAuthProvider(ours, [AnyHttpUrl(issuer.issuer)], BASE),
        "multi": MultiAuth(verifiers=ours),
    }[how]
    token = issuer.mint('{"kind": "oauth", "scopes": ["openid"]}')
    async with browsing(app(auth)) as client:
        assert (await call(client, token)).status_code == 403
        assert (await call(client, token, "upstream")).status_code == 200


@pytest.mark.parametrize("more", [{}, {"tool_scopes": None, "client_ids": ()}])
async def test_a_verifier_that_was_not_told_its_path_takes_nobody(
    issuer: DevIssuer, more: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = issuer.mint('{"kind": "oauth", "scopes": ["openid"], "claims": {"aud": "elsewhere"}}')
    async with browsing(app(MultiAuth(verifiers=verifier(issuer, **more)))) as client:
        assert (await call(client, token, "upstream")).status_code == 401
    assert "set_mcp_path" in caplog.text


def test_tool_scopes_take_a_server(issuer: DevIssuer) -> None:
    with pytest.raises(ConfigError, match="tool_scopes"):
        verifier(issuer, base_url=None)


async def test_outside_of_fastmcp_nobody_would_look(
    issuer: DevIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    auth = provider(issuer, **SCOPES)
    async with browsing(app(auth)) as client:
        token = await Program(client).log_in(scope="openid")
        with pytest.raises(ConfigError, match="tool_scopes: nobody would look"):
            await auth.verify_token(token)
    assert "tool_scopes" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    assert token not in caplog.text


@pytest.mark.parametrize("kind", ["login", "remote", "multi"])
def test_a_provider_stands_for_one_path(issuer: DevIssuer, kind: str) -> None:
    remote = RemoteClerkProvider(
        domain="example.clerk.accounts.dev", base=issuer.issuer, base_url=BASE
    )
    login = provider(issuer)
    auth = {"login": login, "remote": remote, "multi": MultiAuth(server=login)}[kind]
    mcp = server(auth)
    mcp.http_app(path="/a")
    mcp.http_app(path="/a")
    with pytest.raises(ConfigError, match=r"'/a'.*'/b'"):
        mcp.http_app(path="/b")
    # To ask for the documents again moves nothing.
    paths = {getattr(route, "path", "") for route in auth.get_well_known_routes()}
    assert "/.well-known/oauth-protected-resource/a" in paths


async def test_whom_another_door_let_in_is_not_in_here(issuer: DevIssuer) -> None:
    inner = app(provider(issuer))
    machines = Authenticator.from_config(
        {
            "issuer": issuer.issuer,
            "jwks_url": issuer.jwks_url,
            "accepts": ["oauth_token"],
            "audience": "elsewhere",
        }
    )

    class Outer:
        router = inner.router
        __call__ = staticmethod(protect(inner, machines))

    token = issuer.mint(
        '{"kind": "oauth", "scopes": ["openid", "email", "profile"],'
        ' "claims": {"aud": "elsewhere"}}'
    )
    async with browsing(Outer()) as client:
        assert (await call(client, token)).status_code == 401


async def test_a_redirect_takes_no_secret_along(issuer: DevIssuer) -> None:
    asked: list[str] = []

    class Redirecting(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            if request.url.path == "/oauth/token":
                return httpx2.Response(307, headers={"location": "http://127.0.0.1:9/elsewhere"})
            return await super().handle_async_request(request)

    async with httpx2.AsyncClient(transport=Redirecting(), follow_redirects=True) as http_client:
        auth = provider(
            issuer, http_client=http_client, token_endpoint_auth_method="client_secret_post"
        )
        async with browsing(app(auth)) as client:
            program = Program(client)
            await program.register()
            with contextlib.suppress(AssertionError):
                assert "code" not in await program.authorize()
    assert "/oauth/token" in asked
    assert "/elsewhere" not in asked


@pytest.mark.parametrize("how", ["endless", "slow"])
async def test_an_answer_through_the_http_client_has_an_end(issuer: DevIssuer, how: str) -> None:
    taken = 0

    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 1
                yield b" " * 65536
                if how == "slow":
                    await asyncio.Event().wait()

    class Endless(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/oauth/token":
                return httpx2.Response(200, stream=Body())
            return await super().handle_async_request(request)

    async with httpx2.AsyncClient(transport=Endless()) as http_client:
        auth = provider(issuer, http_client=http_client, timeout_seconds=1)
        async with browsing(app(auth)) as client:
            program = Program(client)
            await program.register()
            with contextlib.suppress(AssertionError):
                assert "code" not in await asyncio.wait_for(program.authorize(), 10)
    assert 0 < taken < 100


def test_a_secret_that_others_may_read_is_refused(issuer: DevIssuer, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/mcp.db"
    server(provider(issuer, client_storage=url)).http_app()
    (tmp_path / "mcp.db.secret").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        server(provider(issuer, client_storage=url)).http_app()
