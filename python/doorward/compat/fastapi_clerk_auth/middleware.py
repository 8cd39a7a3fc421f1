"""The middleware that the documentation of `fastapi_clerk_auth` promises."""

from __future__ import annotations

from collections.abc import Iterable

from doorward._doorward import Identity
from doorward._rejection import Rejection
from doorward.asgi import ASGIApp, AuthMiddleware, Scope

from ._header import header_verdict
from .config import ClerkConfig

__all__ = ["ClerkAuthMiddleware"]


class ClerkAuthMiddleware(AuthMiddleware):
    """Refuses every request without a good token; behind it `request.state.clerk_auth` holds the
    claims.

    The claims are a plain dict, so a handler can return them; the token is not among them.
    `auto_error=False` (on the config) lets requests through with `clerk_auth = None`. `exclude`
    names open paths; see `AuthMiddleware`.
    """

    def __init__(self, app: ASGIApp, config: ClerkConfig, *, exclude: Iterable[str] = ()) -> None:
        super().__init__(app, config.authenticator(), exclude=exclude)
        self._lenient = config.auto_error is False

    async def judge(self, scope: Scope) -> Identity | Rejection | None:
        found = await header_verdict(self.auth, scope)
        if not isinstance(found, Rejection):
            return found[0]
        return None if self._lenient and found.status < 500 else found

    def admit(self, scope: Scope, identity: Identity | None) -> None:
        super().admit(scope, identity)
        scope["state"]["clerk_auth"] = None if identity is None else identity.claims
