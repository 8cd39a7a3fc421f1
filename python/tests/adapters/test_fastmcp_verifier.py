"""FastMCP behind Doorward: tokens of the local issuer, which plays Clerk."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken
from fastmcp.server.dependencies import get_access_token

from doorward import Authenticator, ConfigError
from doorward._doorward import DevIssuer
from doorward.fastmcp import (
    ClerkTokenVerifier,
    RemoteClerkProvider,
    TokenVerifier,
    identity,
    presented_token,
)

BASE = "https://mcp.example.com"


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    issuer.start()
    yield issuer
    issuer.stop()


def mint(issuer: DevIssuer, kind: str = "opaque", **spec: Any) -> str:
    # The profile is for the scopes that ask for it.
    spec = {"scopes": ["openid", "email", "profile"], **spec}
    return issuer.mint(json.dumps({"kind": kind, **spec}))


def verifier(issuer: DevIssuer, **more: Any) -> ClerkTokenVerifier:
    settings: dict[str, Any] = {
        "domain": "example.clerk.accounts.dev",
        "base": issuer.issuer,
        "client_id": issuer.client_id,
        "client_secret": issuer.client_secret,
        **more,
    }
    return ClerkTokenVerifier(**settings)


def server(auth: Any) -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("notes", auth=auth)

    @mcp.tool
    def who() -> dict[str, Any]:
        token = get_access_token()
        assert token is not None
        return {
            "subject": token.subject,
            "client_id": token.client_id,
            "iss": token.claims["iss"],
            "email": token.claims.get("email"),
            "token": token.token,
            "presented": presented_token(),
            "identity": identity().subject,
        }

    return mcp


@asynccontextmanager
async def running(mcp: FastMCP[Any], **how: Any) -> AsyncIterator[httpx2.AsyncClient]:
    app = mcp.http_app(**{"stateless_http": True, "json_response": True, **how})
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE) as client,
    ):
        yield client


async def call(
    client: httpx2.AsyncClient,
    token: str | None,
    tool: str = "who",
    session: str | None = None,
    method: str = "tools/call",
    **params: Any,
) -> httpx2.Response:
    headers = {"accept": "application/json, text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if session is not None:
        headers["mcp-session-id"] = session
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": params or {"name": tool, "arguments": {}},
    }
    return await client.post("/mcp", headers=headers, json=body)


def told(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["result"]["structuredContent"]
    return found


@pytest.mark.parametrize("kind", ["opaque", "oauth", "oauth_opaque"])
async def test_a_good_token_reaches_the_tool(issuer: DevIssuer, kind: str) -> None:
    token = mint(issuer, kind)
    async with running(server(verifier(issuer))) as client:
        seen = told(await call(client, token))
    assert seen["subject"] == seen["identity"] == "user_2doorwardAda"
    assert seen["client_id"] == "client_2doorward"
    assert seen["iss"] == issuer.issuer
    assert seen["presented"] == token
    assert token not in seen["token"]


async def test_a_token_is_asked_about_once_however_many_carry_it(issuer: DevIssuer) -> None:
    token = mint(issuer)
    async with running(server(verifier(issuer))) as client:
        answers = await asyncio.gather(*(call(client, token) for _ in range(16)))
        for _ in range(8):
            answers.append(await call(client, token))
    assert {answer.status_code for answer in answers} == {200}
    assert issuer.requests("introspect") == 1
    assert issuer.requests("userinfo") == 1


async def test_a_jwt_is_verified_here(issuer: DevIssuer) -> None:
    async with running(server(verifier(issuer, userinfo="off"))) as client:
        for _ in range(3):
            told(await call(client, mint(issuer, "oauth")))
    assert issuer.requests("introspect") == 0
    assert issuer.jwks_fetches == 1


async def test_who_has_no_token_is_told_where_to_get_one(issuer: DevIssuer) -> None:
    async with running(server(verifier(issuer, required_scopes=["openid"]))) as client:
        missing = await call(client, None)
        bad = await call(client, "nonsense")
    assert missing.status_code == bad.status_code == 401
    challenge = missing.headers["www-authenticate"]
    assert "error" not in challenge
    assert 'scope="openid"' in challenge
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]


async def test_a_scope_that_is_missing_is_403_and_named(issuer: DevIssuer) -> None:
    auth = verifier(issuer, required_scopes=["openid", "notes:read"], base_url=BASE)
    async with running(server(auth)) as client:
        response = await call(client, mint(issuer, scopes=["openid"]))
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "notes:read" in challenge


@pytest.mark.parametrize("fault", ["down", "refuse", "not_json", "too_many_requests"])
@pytest.mark.parametrize("kind", ["opaque", "oauth"])
async def test_an_outage_is_503_and_no_word_against_the_token(
    issuer: DevIssuer, kind: str, fault: Any
) -> None:
    token = mint(issuer, kind)
    endpoint: Any = "introspect" if kind == "opaque" else "jwks"
    issuer.fault(fault, endpoint=endpoint)
    auth = verifier(issuer, required_scopes=["openid"])
    async with running(server(auth)) as client:
        response = await call(client, token)
        assert response.status_code == 503, response.text
        assert int(response.headers["retry-after"]) > 0
        assert "invalid_token" not in response.headers.get("www-authenticate", "")
        # Whoever asks FastMCP's way is told nothing at all.
        assert await auth.verify_token(token) is None


async def test_userinfo_that_is_away_changes_nobody(issuer: DevIssuer) -> None:
    token = mint(issuer, claims={"email": "ada@example.com"})
    auth = verifier(issuer, userinfo="wait")
    issuer.fault("down", endpoint="userinfo")
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    async with running(server(auth), stateless_http=False) as client:
        opened = await call(client, token, method="initialize", **hello)
        assert opened.status_code == 200
        session = opened.headers["mcp-session-id"]
        without = told(await call(client, token, session=session))
        issuer.fault("none")
        # The same session, whatever is known of the profile by now.
        still = told(await call(client, token, session=session))
    assert without["email"] is None
    assert without["subject"] == still["subject"]
    assert without["iss"] == still["iss"] == issuer.issuer


async def test_a_session_is_its_own_principals(issuer: DevIssuer) -> None:
    ada, eve = mint(issuer), mint(issuer, sub="user_eve")
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    async with running(server(verifier(issuer)), stateless_http=False) as client:
        opened = await call(client, ada, method="initialize", **hello)
        session = opened.headers["mcp-session-id"]
        assert (await call(client, ada, session=session)).status_code == 200
        assert (await call(client, eve, session=session)).status_code == 404


async def test_userinfo_of_somebody_else_is_not_believed(issuer: DevIssuer) -> None:
    issuer.fault("other_subject", endpoint="userinfo")
    auth = verifier(issuer, userinfo="wait")
    found = await auth.verify_token(mint(issuer, claims={"email": "ada@example.com"}))
    assert found is not None
    assert found.subject == "user_2doorwardAda"
    assert found.claims["email"] is None
    assert found.claims["clerk_user_data"] is None


async def test_the_claims_have_the_originals_names(issuer: DevIssuer) -> None:
    profile = {"email": "ada@example.com", "email_verified": True, "name": "Ada", "picture": "p"}
    token = mint(issuer, claims=profile)
    found = await verifier(issuer, userinfo="wait").verify_token(token)
    assert isinstance(found, AccessToken)
    assert found.token == token
    assert {name: found.claims[name] for name in profile} == profile
    for name in ("given_name", "family_name", "preferred_username"):
        assert found.claims[name] is None
    assert found.claims["aud"] == "client_2doorward"
    assert found.claims["sub"] == found.subject
    assert found.claims["clerk_user_data"]["name"] == "Ada"


@pytest.mark.parametrize(
    ("settings", "aud", "good"),
    [
        ({"client_id": "my-app"}, None, False),
        ({"client_id": "client_2doorward"}, None, True),
        ({"client_id": "my-app", "client_ids": ["client_2doorward"]}, None, True),
        ({"client_id": "my-app"}, "my-app", True),
        ({"client_id": "my-app"}, ["other", "my-app"], True),
        ({"client_id": "my-app"}, "other", False),
        ({"client_id": "client_2doorward"}, "other", False),
        ({"audience": ["my-app"]}, "my-app", True),
        ({"audience": ["my-app"]}, None, False),
        ({}, "other", True),
        ({}, None, True),
    ],
)
async def test_a_token_is_made_for_this_server(
    issuer: DevIssuer, settings: dict[str, Any], aud: Any, good: bool
) -> None:
    auth = ClerkTokenVerifier(
        domain="example.clerk.accounts.dev", base=issuer.issuer, userinfo="off", **settings
    )
    token = mint(issuer, "oauth", claims={} if aud is None else {"aud": aud})
    assert (await auth.verify_token(token) is not None) is good


async def test_the_servers_own_url_is_an_audience(issuer: DevIssuer) -> None:
    auth = RemoteClerkProvider(
        domain="example.clerk.accounts.dev", base=issuer.issuer, base_url=BASE, userinfo="off"
    )
    async with running(server(auth)) as client:
        ours = mint(issuer, "oauth", claims={"aud": f"{BASE}/mcp"})
        assert (await call(client, ours)).status_code == 200
        for other in ({"aud": f"{BASE}/other"}, {}):
            theirs = mint(issuer, "oauth", claims=other)
            assert (await call(client, theirs)).status_code == 401


async def test_remote_mode_says_where_tokens_come_from(issuer: DevIssuer) -> None:
    auth = RemoteClerkProvider(
        domain="example.clerk.accounts.dev",
        base=issuer.issuer,
        base_url=BASE,
        required_scopes=["openid", "email"],
    )
    async with running(server(auth)) as client:
        metadata = f"{BASE}/.well-known/oauth-protected-resource"
        response = await call(client, None)
        assert f'resource_metadata="{metadata}/mcp"' in response.headers["www-authenticate"]
        assert 'scope="openid email"' in response.headers["www-authenticate"]
        for place in (f"{metadata}/mcp", metadata):
            document = (await client.get(place)).json()
            assert document["resource"] == f"{BASE}/mcp"
            assert document["authorization_servers"] == [issuer.issuer]
            assert document["scopes_supported"] == ["openid", "email"]


class Counting(httpx2.AsyncHTTPTransport):
    """Counts what goes through it."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.paths.append(request.url.path)
        return await super().handle_async_request(request)


async def test_an_http_client_is_used_for_everything(issuer: DevIssuer) -> None:
    transport = Counting()
    async with httpx2.AsyncClient(transport=transport) as http_client:
        auth = verifier(issuer, http_client=http_client, userinfo="wait")
        assert auth._http_client is http_client
        async with running(server(auth)) as client:
            for token in (mint(issuer), mint(issuer, "oauth")):
                for _ in range(2):
                    told(await call(client, token))
    assert sorted(transport.paths) == [
        "/.well-known/jwks.json",
        "/oauth/token_info",
        "/oauth/userinfo",
        "/oauth/userinfo",
    ]


async def test_what_the_http_client_answers_counts() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        if request.url.path.endswith("/userinfo"):
            return httpx2.Response(200, json={"sub": "user_1", "email": "ada@example.com"})
        return httpx2.Response(
            200, json={"active": True, "sub": "user_1", "aud": "client", "scope": "openid"}
        )

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http_client:
        auth = ClerkTokenVerifier(
            domain="example.clerk.accounts.dev/",
            client_id="client",
            client_secret="s&cret",
            required_scopes=["openid"],
            http_client=http_client,
            userinfo="wait",
        )
        found = await auth.verify_token("token")
    assert found is not None
    assert (found.subject, found.client_id, found.scopes) == ("user_1", "client", ["openid"])
    assert found.claims["email"] == "ada@example.com"
    question, profile = asked
    assert str(question.url) == "https://example.clerk.accounts.dev/oauth/token_info"
    # RFC 6749 §2.3.1: both halves are form-encoded first.
    assert question.headers["authorization"] == "Basic Y2xpZW50OnMlMjZjcmV0"
    assert profile.headers["authorization"] == "Bearer token"


async def test_a_client_without_a_secret_says_its_name() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.content.decode())
        return httpx2.Response(200, json={"active": False})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http_client:
        auth = ClerkTokenVerifier(
            domain="example.clerk.accounts.dev", client_id="client", http_client=http_client
        )
        assert await auth.verify_token("token") is None
    assert "client_id=client" in asked[0]


async def test_an_http_client_that_fails_is_an_outage() -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route")

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(fail)) as http_client:
        auth = ClerkTokenVerifier(
            domain="example.clerk.accounts.dev", client_id="client", http_client=http_client
        )
        async with running(server(auth)) as client:
            response = await call(client, "token")
    assert response.status_code == 503


def test_a_program_that_carried_ends(issuer: DevIssuer) -> None:
    program = f"""
import asyncio, httpx2
from doorward.fastmcp import ClerkTokenVerifier

async def main():
    client = httpx2.AsyncClient()
    auth = ClerkTokenVerifier(
        domain="example.clerk.accounts.dev", base={issuer.issuer!r}, client_id="client_2doorward",
        http_client=client,
    )
    print(await auth.verify_token("oat_unknown"))
    globals()["kept"] = auth

asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "None\n"), ended.stderr
    assert "Fatal" not in ended.stderr


async def test_any_authenticator_will_do(issuer: DevIssuer) -> None:
    auth = Authenticator.from_config(
        {
            "issuer": issuer.issuer,
            "jwks_url": issuer.jwks_url,
            "audience": "notes",
            "accepts": "oauth_token",
        }
    )
    async with running(server(TokenVerifier(auth, required_scopes=["openid"]))) as client:
        token = mint(issuer, "oauth", claims={"aud": "notes"})
        assert told(await call(client, token))["subject"] == "user_2doorwardAda"
        assert (await call(client, mint(issuer, "oauth"))).status_code == 401


@pytest.mark.parametrize(
    "domain", ["", "https://example.clerk.accounts.dev", "a/b", "a b", "u@host"]
)
def test_a_domain_is_a_host(domain: str) -> None:
    with pytest.raises(ConfigError, match="domain"):
        ClerkTokenVerifier(domain=domain)


def test_no_secret_is_shown(issuer: DevIssuer) -> None:
    auth = verifier(issuer, client_secret="very-secret")
    assert "very-secret" not in repr(auth.authenticator)
    assert "very-secret" not in repr(auth)


async def test_a_tool_may_take_a_scope_of_its_own(issuer: DevIssuer) -> None:
    auth = RemoteClerkProvider(
        domain="example.clerk.accounts.dev",
        base=issuer.issuer,
        base_url=BASE,
        client_ids=["client_2doorward"],
        required_scopes=["openid"],
        tool_scopes={"who": ["notes:read"]},
        scope_implies={"notes:write": ["notes:read"]},
    )
    async with running(server(auth)) as client:
        for scopes, status in (
            (["openid"], 403),
            (["openid", "notes:read"], 200),
            (["openid", "notes:write"], 200),
        ):
            token = mint(issuer, "oauth", scopes=scopes)
            response = await call(client, token)
            assert response.status_code == status, (scopes, response.text)
            if status == 403:
                challenge = response.headers["www-authenticate"]
                assert 'error="insufficient_scope"' in challenge
                assert "notes:read" in challenge
            # What is no call of a tool takes nothing more.
            listed = await call(client, token, method="tools/list", cursor=None)
            assert listed.status_code == 200
        # A body that others might read otherwise is nobody's.
        twice = b'{"method":"tools/list","method":"tools/call","params":{"name":"who"}}'
        headers = {
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {mint(issuer, 'oauth', scopes=['openid'])}",
            "content-type": "application/json",
        }
        for body in (twice, b"x" * (4 * 1024 * 1024 + 1), b"{"):
            odd = await client.post("/mcp", content=body, headers=headers)
            assert odd.status_code == 400
