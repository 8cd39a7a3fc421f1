"""FastMCP's doors: an MCP server that people log in to.

    from doorward.fastmcp import ClerkProvider

    auth = ClerkProvider(domain=…, client_id=…, client_secret=…, base_url="https://mcp.example.com")
    mcp = FastMCP("notes", auth=auth)

The names, parameters and shapes are FastMCP's own, so migrating is a changed import line.
"""

from __future__ import annotations

from doorward.mcp import identity, presented_token

from ._clerk import ClerkProvider
from ._oidc import OIDCProvider
from ._provider import LoginProvider, Upstream, UpstreamToken, UpstreamTokenGone, upstream_token
from ._remote import RemoteClerkProvider, RemoteProvider
from ._verifier import ClerkTokenVerifier, TokenVerifier

__all__ = [
    "ClerkProvider",
    "ClerkTokenVerifier",
    "LoginProvider",
    "OIDCProvider",
    "RemoteClerkProvider",
    "RemoteProvider",
    "TokenVerifier",
    "Upstream",
    "UpstreamToken",
    "UpstreamTokenGone",
    "identity",
    "presented_token",
    "upstream_token",
]
