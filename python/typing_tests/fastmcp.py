"""What FastMCP's users write, as type checkers see it."""

from __future__ import annotations

from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, MultiAuth
from typing_extensions import assert_type

from doorward import Authenticator, Identity
from doorward.compat.fastmcp.server.auth.providers import clerk
from doorward.fastmcp import (
    ClerkProvider,
    ClerkTokenVerifier,
    RemoteClerkProvider,
    TokenVerifier,
    UpstreamToken,
    identity,
    presented_token,
    upstream_token,
)
from doorward.mcp import App, protect


def servers(auth: Authenticator, app: App) -> None:
    provider = ClerkProvider(
        domain="example.clerk.accounts.dev",
        client_id="app",
        client_secret="secret",
        base_url="https://mcp.example.com",
        require_authorization_consent="remember",
        tool_scopes={"add": ["sums"]},
        upstream_check="always",
    )
    FastMCP("notes", auth=provider)
    FastMCP("notes", auth=TokenVerifier(auth, required_scopes=["openid"]))
    FastMCP("notes", auth=ClerkTokenVerifier(domain="example.clerk.accounts.dev"))
    remote = RemoteClerkProvider(domain="a.clerk.accounts.dev", base_url="https://a.example")
    FastMCP("notes", auth=MultiAuth(server=remote, verifiers=[TokenVerifier(auth)]))
    assert_type(protect(app, auth, required_scopes=["openid"]), App)
    clerk.ClerkTokenVerifier(domain="example.clerk.accounts.dev")


async def tools(verifier: ClerkTokenVerifier) -> None:
    assert_type(await verifier.verify_token("token"), AccessToken | None)
    assert_type(identity(), Identity)
    assert_type(presented_token(), str)
    assert_type(await upstream_token(), UpstreamToken)
