"""The names of `fastmcp.server.auth.providers.clerk`:

    from doorward.compat.fastmcp.server.auth.providers.clerk import ClerkProvider

They are `doorward.fastmcp`'s. The verifier waits for the profile when it first sees a token, as the
original does for each request, so that `claims["email"]` is there from the first call on; a profile
that is away changes nobody's verdict. Where the answers differ from the original's:

- an issuer that is away is 503, not 401; a scope that is missing is 403, not 401
- a JWT is verified by its signature, and nobody is asked about it
- an introspection answer without `sub` names nobody; the original takes whom userinfo names
- `client_id` of a token is the MCP client's; the original's is that of Clerk's application
"""

from __future__ import annotations

from typing import Any

from doorward.fastmcp import ClerkProvider
from doorward.fastmcp import ClerkTokenVerifier as _ClerkTokenVerifier

__all__ = ["ClerkProvider", "ClerkTokenVerifier"]


class ClerkTokenVerifier(_ClerkTokenVerifier):
    """`doorward.fastmcp.ClerkTokenVerifier`, with the profile from the first request on."""

    def __init__(self, *, userinfo: Any = "wait", **settings: Any) -> None:
        super().__init__(userinfo=userinfo, **settings)
