"""The middleware that the documentation of `fastapi_clerk_auth` promises."""

from __future__ import annotations

from collections.abc import Iterable

from doorward._doorward import Identity, Pending
from doorward._rejection import Rejection
from doorward._verdict import report
from doorward.asgi import ASGIApp, AuthMiddleware, Scope
from doorward.observe import verified

from ._header import bearer_only
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

    def first_try(self, scope: Scope) -> Identity | Rejection | Pending:
        try:
            return self.auth.authenticate_nowait(bearer_only(scope))
        except Rejection as rejection:
            return rejection

    async def verdict(self, scope: Scope) -> Identity | Rejection:
        try:
            return await self.auth.authenticate(bearer_only(scope))
        except Rejection as rejection:
            return rejection

    def judge(self, found: Identity | Rejection) -> Identity | Rejection | None:
        if not isinstance(found, Rejection):
            verified(found)
            return found
        report(found)
        return None if self._lenient and found.status < 500 else found

    def admit(self, scope: Scope, identity: Identity | None) -> None:
        super().admit(scope, identity)
        scope["state"]["clerk_auth"] = None if identity is None else identity.claims
