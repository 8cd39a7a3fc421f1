"""A FastMCP server for the conformance suite, bare or behind Doorward. The suite cannot log in, so
what it sends without a token is given one.

    python fastmcp_server.py bare|guarded
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from fastmcp import FastMCP

from doorward._doorward import DevIssuer
from doorward.fastmcp import RemoteClerkProvider


def build(auth: RemoteClerkProvider | None) -> FastMCP[Any]:
    mcp: FastMCP[Any] = FastMCP("conformance", auth=auth)

    @mcp.tool(name="test_simple_text")
    def simple_text() -> str:
        return "This is a simple text response for testing."

    @mcp.tool(name="test_error_handling")
    def error_handling() -> str:
        raise ValueError("This tool intentionally returns an error for testing")

    @mcp.resource("test://static-text")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @mcp.prompt(name="test_simple_prompt")
    def simple_prompt() -> str:
        return "This is a simple prompt for testing."

    return mcp


class Presenting:
    """Adds the token where there is none."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str) -> None:
        self.app = app
        self.line = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: dict[str, Any], receive: object, send: object) -> None:
        if scope["type"] == "http" and not any(n == b"authorization" for n, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], self.line]}
        await self.app(scope, receive, send)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    auth, token = None, ""
    if sys.argv[1] == "guarded":
        issuer = DevIssuer()
        issuer.start()
        token = issuer.mint(json.dumps({"kind": "oauth_opaque", "scopes": ["openid"]}))
        auth = RemoteClerkProvider(
            domain="example.clerk.accounts.dev",
            base=issuer.issuer,
            base_url=f"http://127.0.0.1:{port}",
            client_id=issuer.client_id,
            client_secret=issuer.client_secret,
            required_scopes=["openid"],
        )
    app: Any = build(auth).http_app(host_origin_protection="auto")
    if token:
        app = Presenting(app, token)
    print(port, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
