"""An MCP server that people log in to with Clerk.

    python fastmcp_app.py --port 8000

It reads `CLERK_DOMAIN`, `CLERK_OAUTH_CLIENT_ID`, `CLERK_OAUTH_CLIENT_SECRET` and `MCP_BASE_URL`;
`CLERK_BASE` points it to another Clerk, such as `doorward dev`.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token

from doorward.fastmcp import ClerkProvider


def build(base_url: str) -> FastMCP[Any]:
    auth = ClerkProvider(
        domain=os.environ["CLERK_DOMAIN"],
        client_id=os.environ["CLERK_OAUTH_CLIENT_ID"],
        client_secret=os.environ["CLERK_OAUTH_CLIENT_SECRET"],
        base_url=base_url,
        base=os.environ.get("CLERK_BASE"),
        client_storage=os.environ.get("MCP_STORE"),
        valid_scopes=["openid", "email", "profile", "notes:write"],
        tool_scopes={"write_note": ["notes:write"]},
        page={"name": "Notes", "scopes": {"notes:write": "Write notes in your name"}},
    )
    mcp: FastMCP[Any] = FastMCP("notes", auth=auth)
    notes: dict[str, list[str]] = {}

    @mcp.tool
    def write_note(text: str) -> int:
        """Keeps a note, and says how many there are."""
        own = notes.setdefault(whose(), [])
        own.append(text)
        return len(own)

    @mcp.tool
    def list_notes() -> list[str]:
        """Your notes."""
        return notes.get(whose(), [])

    return mcp


def whose() -> str:
    token = get_access_token()
    assert token is not None
    assert token.subject is not None
    return token.subject


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    server = build(os.environ.get("MCP_BASE_URL", f"http://127.0.0.1:{port}"))
    uvicorn.run(server.http_app(), host="127.0.0.1", port=port, log_level="warning")
