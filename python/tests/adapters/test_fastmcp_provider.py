"""People log in to FastMCP's servers through Doorward. The local issuer plays Clerk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import FastMCP
from fastmcp.server.auth import MultiAuth
from fastmcp.server.dependencies import get_access_token
from key_value.aio.stores.filetree import FileTreeStore
from key_value.aio.stores.memory import MemoryStore
from mcp_login import BASE, CALLBACK, Program, browsing

from doorward import ConfigError
from doorward._doorward import DevIssuer, inspect
from doorward.fastmcp import (
    ClerkProvider,
    OIDCProvider,
    UpstreamTokenGone,
    identity,
    presented_token,
    upstream_token,
)

ADA = "user_2doorwardAda"


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    url = issuer.start()
    issuer.register(
        json.dumps(
            {
                "client_id": "our-app",
                "client_secret": "our-secret",
                "redirect_uris": [f"{BASE}/auth/callback", f"{BASE}/api/auth/callback"],
            }
        )
    )
    signs_in(url)
    yield issuer
    issuer.stop()


def signs_in(url: str, sub: str = ADA, **how: Any) -> None:
    """From now on this person signs in upstream without being asked."""
    httpx2.post(f"{url}/dev/sign-in", json={"sub": sub, **how}).raise_for_status()


def provider(issuer: DevIssuer, **more: Any) -> ClerkProvider:
    settings: dict[str, Any] = {
        "domain": "example.clerk.accounts.dev",
        "base": issuer.issuer,
        "client_id": "our-app",
        "client_secret": "our-secret",
        "base_url": BASE,
        "client_storage": "memory:",
        **more,
    }
    return ClerkProvider(**settings)


def server(auth: Any) -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("notes", auth=auth)

    @mcp.tool
    def who() -> dict[str, Any]:
        token = get_access_token()
        assert token is not None
        return {
            "subject": token.subject,
            "client_id": token.client_id,
            "claims": token.claims,
            "scopes": token.scopes,
            "token": token.token,
            "presented": presented_token(),
            "identity": identity().subject,
        }

    @mcp.tool
    async def upstream() -> str:
        try:
            return (await upstream_token()).access_token.get_secret_value()
        except UpstreamTokenGone as gone:
            return f"gone: {gone}"

    return mcp


def app(auth: Any, **how: Any) -> Any:
    return server(auth).http_app(**{"stateless_http": True, "json_response": True, **how})


async def call(
    client: httpx2.AsyncClient, token: str | None, tool: str = "who", path: str = "/mcp"
) -> httpx2.Response:
    headers = {"accept": "application/json, text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    params = {"name": tool, "arguments": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return await client.post(path, headers=headers, json=body)


def told(response: httpx2.Response) -> Any:
    assert response.status_code == 200, response.text
    content = response.json()["result"]["structuredContent"]
    return content.get("result", content)


async def test_a_person_logs_in_and_a_tool_knows_them(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        program = Program(client)
        token = await program.log_in(resource=f"{BASE}/mcp")
        seen = told(await call(client, token))
        upstream = told(await call(client, token, "upstream"))
    assert seen["subject"] == seen["identity"] == ADA
    # The MCP client, not Clerk's application.
    assert seen["client_id"] == program.client_id
    assert seen["claims"]["iss"] == BASE
    assert set(seen["scopes"]) == {"openid", "email", "profile"}
    assert seen["presented"] == token
    assert token not in seen["token"]
    # Clerk's own token goes to nobody who does not ask for it.
    claims = inspect(token)["claims"]
    assert claims["aud"] == f"{BASE}/mcp"
    assert upstream not in json.dumps(seen)
    assert upstream.count(".") == 2 or upstream.startswith("oat_")


async def test_the_documents_say_where_everything_is(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        missing = await call(client, None)
        assert missing.status_code == 401
        place = f"{BASE}/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{place}"' in missing.headers["www-authenticate"]
        assert 'scope="openid email profile"' in missing.headers["www-authenticate"]
        resource = (await client.get(place)).json()
        assert resource["resource"] == f"{BASE}/mcp"
        assert resource["authorization_servers"] == [BASE]
        metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
        # Byte for byte, and no slash at its end.
        assert metadata["issuer"] == BASE
        assert metadata["code_challenge_methods_supported"] == ["S256"]
        for name in ("authorization", "token", "registration", "revocation"):
            assert metadata[f"{name}_endpoint"].startswith(BASE)


async def test_refreshing_rotates_and_a_reused_token_ends_the_session(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer, upstream_check="always"))) as client:
        program = Program(client)
        first = await program.log_in()
        old = program.tokens["refresh_token"]
        assert (await program.refresh()).status_code == 200
        second, renewed = program.tokens["access_token"], program.tokens["refresh_token"]
        assert (second, renewed) != (first, old)
        assert (await call(client, second)).status_code == 200
        # One that is lost on the way may be asked for again, but not after the next was used.
        assert (await program.refresh(renewed)).status_code == 200
        reused = await program.refresh(old)
        assert reused.status_code == 400
        assert reused.json()["error"] == "invalid_grant"
        over = await call(client, second)
        assert over.status_code == 401
        assert 'error="invalid_token"' in over.headers["www-authenticate"]


async def test_a_code_is_good_once(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        program = Program(client)
        await program.register()
        code = (await program.authorize())["code"]
        answers = await asyncio.gather(*(program.redeem(code) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


async def test_revoking_ends_the_session(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer, upstream_check="always"))) as client:
        program = Program(client)
        token = await program.log_in()
        form = {"token": program.tokens["refresh_token"], "client_id": program.client_id}
        assert (await client.post("/revoke", data=form)).status_code == 200
        assert (await call(client, token)).status_code == 401
        assert (await program.refresh()).status_code == 400


async def test_a_person_may_say_no(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        program = Program(client)
        await program.register()
        brought = await program.authorize(decision="deny")
    assert brought["error"] == "access_denied"
    assert brought["state"] == program.state
    assert brought["iss"] == BASE
    assert issuer.requests("authorize") == 0


async def test_less_than_the_server_needs_is_403(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer, required_scopes=["openid", "notes:read"]))) as client:
        program = Program(client)
        token = await program.log_in(scope="openid")
        response = await call(client, token)
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert "notes:read" in response.headers["www-authenticate"]


@pytest.mark.parametrize("endpoint", ["introspect", "userinfo", "jwks", "token"])
async def test_an_outage_upstream_is_nobodys_bad_token(issuer: DevIssuer, endpoint: Any) -> None:
    async with browsing(app(provider(issuer, upstream_check="always"))) as client:
        token = await Program(client).log_in()
        issuer.fault("down", endpoint=endpoint)
        response = await call(client, token)
        if endpoint == "introspect":
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) > 0
        else:
            assert response.status_code == 200
        issuer.fault("none")
        assert (await call(client, token)).status_code == 200


class Forgetting(httpx2.AsyncHTTPTransport):
    """Clerk, which may have forgotten everybody: no token stands, and none is renewed."""

    forgot = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.forgot and request.url.path == "/oauth/token_info":
            return httpx2.Response(200, json={"active": False})
        if self.forgot and request.url.path == "/oauth/token":
            return httpx2.Response(400, json={"error": "invalid_grant"})
        return await super().handle_async_request(request)


async def test_whom_clerk_forgot_is_out(issuer: DevIssuer) -> None:
    clerk = Forgetting()
    async with httpx2.AsyncClient(transport=clerk) as http_client:
        auth = provider(issuer, http_client=http_client, upstream_check="always")
        async with browsing(app(auth)) as client:
            token = await Program(client).log_in()
            assert (await call(client, token)).status_code == 200
            clerk.forgot = True
            over = await call(client, token)
    assert over.status_code == 401
    assert 'error="invalid_token"' in over.headers["www-authenticate"]


async def test_clerk_is_asked_once_a_minute_whoever_calls(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        token = await Program(client).log_in()
        before = issuer.requests("introspect") + issuer.requests("userinfo")
        answers = await asyncio.gather(*(call(client, token) for _ in range(16)))
        answers += [await call(client, token) for _ in range(4)]
    assert {answer.status_code for answer in answers} == {200}
    assert issuer.requests("introspect") + issuer.requests("userinfo") - before <= 1


async def test_a_session_is_its_own_principals(issuer: DevIssuer) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    async with browsing(app(provider(issuer), stateless_http=False)) as client:
        ada = await Program(client).log_in()
        client.cookies.clear()
        signs_in(issuer.issuer, "user_2doorwardEve")
        eve = await Program(client).log_in()
        headers = {"accept": "application/json, text/event-stream"}
        opened = await client.post(
            "/mcp", json=hello, headers={**headers, "authorization": f"Bearer {ada}"}
        )
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        for token, status in ((ada, 200), (eve, 404)):
            answer = await client.post(
                "/mcp", json=listing, headers={**headers, "authorization": f"Bearer {token}"}
            )
            assert answer.status_code == status


async def test_two_servers_on_one_file_are_one(issuer: DevIssuer, tmp_path: Path) -> None:
    store = f"sqlite://{tmp_path}/mcp.db"
    first, second = (app(provider(issuer, client_storage=store)) for _ in range(2))
    async with browsing(first) as one, browsing(second) as other:
        program = Program(one)
        token = await program.log_in()
        assert (await call(other, token)).status_code == 200
        program.http = other
        assert (await program.refresh()).status_code == 200
        assert (await call(one, program.tokens["access_token"])).status_code == 200
    assert (tmp_path / "mcp.db.secret").stat().st_mode & 0o077 == 0


async def test_an_application_below_a_path(issuer: DevIssuer) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    auth = provider(issuer, base_url=f"{BASE}/api", issuer_url=BASE)
    inner = app(auth)
    outer = Starlette(
        routes=[*auth.get_well_known_routes("/mcp"), Mount("/api", inner)],
        lifespan=lambda _: inner.router.lifespan_context(inner),
    )
    async with browsing(outer) as client:
        metadata = (await client.get("/.well-known/oauth-authorization-server/api")).json()
        assert metadata["issuer"] == f"{BASE}/api"
        token = await Program(client, "/api").log_in(resource=f"{BASE}/api/mcp")
        assert told(await call(client, token, path="/api/mcp"))["subject"] == ADA


async def test_multi_auth_takes_it_for_its_server(issuer: DevIssuer) -> None:
    auth = MultiAuth(server=provider(issuer), verifiers=[])
    async with browsing(app(auth)) as client:
        token = await Program(client).log_in()
        response = await call(client, token, "upstream")
        assert response.status_code == 200
        # The token is good, but it did not come through our door.
        assert response.json()["result"]["isError"] is True


async def test_calls_upstream_go_through_the_http_client(issuer: DevIssuer) -> None:
    paths: list[str] = []

    class Counting(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            paths.append(request.url.path)
            return await super().handle_async_request(request)

    async with (
        httpx2.AsyncClient(transport=Counting()) as http_client,
        browsing(app(provider(issuer, http_client=http_client))) as client,
    ):
        token = await Program(client).log_in()
        assert (await call(client, token)).status_code == 200
    assert "/oauth/token" in paths
    assert "/.well-known/jwks.json" in paths


async def test_where_clients_may_send_people_back_to(issuer: DevIssuer) -> None:
    allowed = ["https://claude.ai/*", "http://localhost:*"]
    auth = provider(issuer, allowed_client_redirect_uris=allowed)
    async with browsing(app(auth)) as client:
        for uri, status in (
            ("https://claude.ai/api/mcp/auth_callback", 201),
            ("http://localhost:51234/callback", 201),
            (CALLBACK, 400),
            ("https://evil.example/cb", 400),
            ("https://user@claude.ai/cb", 400),
            ("https://claude.ai/cb#x", 400),
        ):
            assert (await Program(client).register(redirect_uris=[uri])).status_code == status, uri


async def test_the_upstreams_own_client_id_is_nobodys_pass(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer))) as client:
        program = Program(client)
        program.client_id = "our-app"
        asked = program.request(redirect_uri="https://evil.example/cb")
        response = await client.get("/authorize", params=asked)
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_any_openid_provider_will_do(issuer: DevIssuer) -> None:
    auth = await asyncio.to_thread(
        OIDCProvider,
        config_url=f"{issuer.issuer}/.well-known/openid-configuration",
        client_id="our-app",
        client_secret="our-secret",
        base_url=BASE,
        client_storage="memory:",
    )
    async with browsing(app(auth)) as client:
        token = await Program(client).log_in()
        assert told(await call(client, token))["subject"] == ADA


# What the original's users look at.


def test_the_attributes_are_the_originals() -> None:
    auth = ClerkProvider(
        domain="saving-primate-16.clerk.accounts.dev/",
        client_id="app",
        client_secret="secret",
        base_url="https://my-server.com",
        redirect_path="custom/callback",
        required_scopes=["openid"],
        valid_scopes=["openid", "email"],
        extra_authorize_params={"prompt": "login"},
        issuer_url="https://issuer.example.com",
    )
    host = "https://saving-primate-16.clerk.accounts.dev"
    assert auth._upstream_client_id == "app"
    assert auth._upstream_client_secret is not None
    assert auth._upstream_client_secret.get_secret_value() == "secret"
    assert auth._upstream_authorization_endpoint == f"{host}/oauth/authorize"
    assert auth._upstream_token_endpoint == f"{host}/oauth/token"
    assert auth._upstream_revocation_endpoint is None
    assert auth._redirect_path == "/custom/callback"
    assert auth._extra_authorize_params == {"prompt": "login"}
    assert auth.required_scopes == ["openid"]
    assert auth.client_registration_options is not None
    assert auth.client_registration_options.valid_scopes == ["openid", "email"]
    assert str(auth.base_url) == "https://my-server.com/"
    assert str(auth.issuer_url) == "https://issuer.example.com/"
    assert auth._token_validator._http_client is None
    assert "secret" not in repr(auth.__dict__["_upstream_client_secret"]).replace("SecretStr", "")


def test_the_defaults_are_the_originals() -> None:
    auth = ClerkProvider(
        domain="example.clerk.accounts.dev", client_id="app", base_url="https://my-server.com"
    )
    assert auth._redirect_path == "/auth/callback"
    assert auth.required_scopes == ["openid", "email", "profile"]
    assert auth._extra_authorize_params == {}
    assert str(auth.issuer_url) == str(auth.base_url)
    assert auth._upstream_client_secret is None


def test_a_key_value_store_cannot_take(issuer: DevIssuer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="client_storage: a FileTreeStore can get and put"):
        provider(issuer, client_storage=FileTreeStore(data_directory=tmp_path)).get_routes("/mcp")
    assert provider(issuer, client_storage=MemoryStore()).get_routes("/mcp")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"client_storage": "redis://127.0.0.1:1/0"}, "jwt_signing_key"),
        ({"jwt_signing_key": b"short"}, "jwt_signing_key"),
        ({"jwt_signing_key": ""}, "jwt_signing_key"),
        ({"base_url": "http://mcp.example.com"}, "issuer"),
        ({"redirect_path": "/token"}, "callback_path"),
        ({"allowed_client_redirect_uris": ["https://*.example.com/cb"]}, "allowed_redirect_uris"),
        ({"upstream_check": "sometimes"}, "upstream_check"),
        ({"consent_csp_policy": ""}, "consent_csp_policy"),
        ({"token_endpoint_auth_method": "magic"}, "authentication"),
        ({"require_authorization_consent": "never"}, "require_authorization_consent"),
    ],
)
def test_a_wrong_setting_is_named(issuer: DevIssuer, settings: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        provider(issuer, **settings).get_routes("/mcp")


async def test_the_operator_says_how_much_is_kept(issuer: DevIssuer) -> None:
    async with browsing(app(provider(issuer, max_clients=1, max_families=1))) as client:
        first, second = Program(client), Program(client)
        await first.log_in()
        full = await second.register()
        assert (full.status_code, full.json()["error"]) == (503, "temporarily_unavailable")
        # One login is kept: for another there is no room.
        brought = await first.authorize()
        assert (await first.redeem(brought["code"])).status_code == 503
    for wrong in ({"max_families": 0}, {"max_approvals": 10_000_001}):
        with pytest.raises(ConfigError, match="expected 1 to 10000000"):
            app(provider(issuer, **wrong))
