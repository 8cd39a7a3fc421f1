"""Guards for websockets."""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from collections.abc import AsyncGenerator
from typing import cast

from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from doorward._doorward import Identity
from doorward._rejection import Rejection
from doorward._verdict import verdict
from doorward._websocket import Session

from ._door import Door, T_co
from ._overrides import answer
from ._refusals import refusal

__all__ = ["WebSocketGuard", "renew"]


class WebSocketGuard(Door[T_co]):
    """A dependency of websocket routes that yields the verified caller.

    It refuses before the connection is accepted: with a status and a challenge where the server can
    send them, otherwise by closing (1008). Then it stays with the connection until the handler is
    done.
    """

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> AsyncGenerator[T_co, None]:
        override = self._override(connection)
        if override is not None:
            yield await answer(override, connection, security_scopes)
            return
        if not isinstance(connection, WebSocket):
            raise RuntimeError("guard.websocket() is for websocket routes; here, use the guard")
        found = await self._open(connection, security_scopes)
        if isinstance(found, Rejection):
            if found.absent and self._demands.optional:
                yield cast("T_co", None)
                return
            raise refusal(found, connection)
        scope, scopes = connection.scope, security_scopes.scopes
        session: Session | None = scope.get(_SESSION)
        is_first = session is None
        if session is None:
            session = scope[_SESSION] = await self._stand_between(connection)
        session.demands.append(lambda renewed: self._lacking(renewed, connection, scopes))
        if self._demands.close_at_expiry:
            session.watch()
        try:
            yield found
        except (WebSocketDisconnect, ConnectionAbortedError):
            # An end that came from here is no news to anybody.
            if session.ended is None:
                raise
        finally:
            if is_first:
                await session.stop()
                session.demands.clear()
                del scope[_SESSION]

    @property
    def optional(self) -> "WebSocketGuard[T_co | None]":
        """A guard that yields `None` for a handshake without credentials. Bad credentials are
        refused all the same.
        """
        return self._variant(WebSocketGuard, self._demands._replace(optional=True))

    async def _stand_between(self, websocket: WebSocket) -> Session:
        """Lets every message of an admitted caller pass through a session."""
        judged = self._judged(websocket.scope)
        identity = await verdict(self.auth, judged)
        assert isinstance(identity, Identity)
        # The handler has this very object, made before it was known who calls.
        receive, send = websocket._receive, websocket._send  # pyright: ignore[reportPrivateUsage]
        session = Session(self.auth, judged, identity, receive, send)
        websocket._receive = session.receive  # pyright: ignore[reportPrivateUsage]
        websocket._send = session.send  # pyright: ignore[reportPrivateUsage]
        return session


async def renew(websocket: WebSocket, token: str) -> Identity:
    """Lets a connection go on with a fresh token of the same caller, who must still satisfy what
    the route demands.

    Any other token closes it, with 4401 or 4403, and raises `WebSocketDisconnect`.
    """
    session: Session | None = websocket.scope.get(_SESSION)
    if session is None:
        raise RuntimeError("this route has no guard.websocket() that could take a fresh token")
    try:
        return await session.renew(token)
    except ConnectionAbortedError:
        assert session.ended is not None
        raise WebSocketDisconnect(*session.ended) from None


#: Where a scope has its guarded connection.
_SESSION = "doorward.session"
