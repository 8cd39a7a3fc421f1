"""The Quart door: the Flask door for an event loop, and for websockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, NoReturn, cast

from quart import (
    Blueprint,
    Quart,
    Request,
    Websocket,
    current_app,
    g,
    has_request_context,
    request,
    websocket,
)
from werkzeug.local import LocalProxy

from ._doorward import Identity
from ._flask import (
    CALLER,
    NOBODY,
    AuthState,
    CrossOrigin,
    Demand,
    Extension,
    Refused,
    State,
    authenticated,
    behind,
    public,
    refusal,
    rejected,
)
from ._rejection import Rejection
from ._verdict import report, verdict

__all__ = [
    "AuthState",
    "CrossOrigin",
    "Doorward",
    "Refused",
    "authenticated",
    "current_identity",
    "public",
    "rejected",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Connection = Request | Websocket
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Doorward(Extension[Quart, Blueprint]):
    __doc__ = Extension.__doc__

    @property
    def identity(self) -> Identity | None:
        return _scope(_connection()).get(CALLER)

    async def recheck(self) -> Identity:
        """Asks again who is calling: during a websocket's life its token may expire, and then this
        closes it with 4401 and raises `Refused`.
        """
        state, connection = self._state(_app()), _connection()
        try:
            return await state.auth.authenticate(_scope(connection))
        except Rejection as rejection:
            report(rejection)
            await _refuse(state, refusal(rejection, connection), connection)

    def _install(self, app: Quart, state: State) -> None:
        async def before() -> None:
            connection = _connection()
            # Another application may have handed its scope on. An application context may
            # outlive a request (tests push one), and so may its `g`.
            _scope(connection)[CALLER] = None
            vars(_g()).update(NOBODY)
            for demand in state.asks(None, connection):
                await _enter(state, demand, connection)

        app.before_request(before)
        app.before_websocket(before)
        # Quart tells nobody whether a websocket was accepted.
        cast("Any", app).asgi_app = _watched(cast("ASGIApp", app.asgi_app))

    def _install_on(self, blueprint: Blueprint) -> None:
        async def before() -> None:
            connection, state = _connection(), self._state(_app())
            for demand in state.asks(blueprint, connection):
                await _enter(state, demand, connection)

        blueprint.before_request(before)
        blueprint.before_websocket(before)

    def _wrapped(self, view: Callable[..., Any], demand: Demand) -> Callable[..., Any]:
        asynchronous = iscoroutinefunction(view)

        @wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            await _enter(self._state(_app()), demand, _connection())
            if asynchronous:
                return await view(*args, **kwargs)
            return await current_app.ensure_async(view)(*args, **kwargs)

        return wrapper


async def _enter(state: State, demand: Demand, connection: Connection) -> None:
    """Lets a request or a websocket through, or raises its refusal."""
    scope = _scope(connection)
    known = scope.get(CALLER)
    found = await verdict(state.auth, scope)
    handshake = scope["type"] == "websocket"
    refused = state.judge(demand, found, scope, connection, vars(_g()), handshake=handshake)
    if authenticated.receivers and known is None and scope.get(CALLER) is not None:
        await authenticated.send_async(state.app, _sync_wrapper=_ensure_async(), identity=found)
    if refused is not None:
        await _refuse(state, refused, connection)


async def _refuse(state: State, refused: Refused | CrossOrigin, connection: Connection) -> NoReturn:
    """Raises a refusal. A websocket that Quart could not answer by a status is closed first."""
    if rejected.receivers and isinstance(refused, Refused):
        rejection = refused.rejection
        await rejected.send_async(state.app, _sync_wrapper=_ensure_async(), rejection=rejection)
    scope = _scope(connection)
    if isinstance(connection, Websocket) and not scope.get(_CLOSED):
        reason = refused.description or ""
        if scope.get(_ACCEPTED):
            await connection.close(4000 + (refused.code or 0), reason)
        elif "websocket.http.response" not in (scope.get("extensions") or {}):
            # RFC 6455 §7.4.1: policy violation.
            await connection.close(1008, reason)
    raise refused


def _ensure_async() -> Any:
    # Quart's overloads say `Awaitable` where blinker says `Coroutine`.
    return current_app.ensure_async


def _connection() -> Connection:
    """The current request or websocket."""
    return _request() if has_request_context() else _websocket()


def _scope(connection: Connection) -> Scope:
    return cast("Scope", connection.scope)


def _watched(app: ASGIApp) -> ASGIApp:
    """Notes in the scope of a websocket when it was accepted and when it was closed."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Any) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                scope[_ACCEPTED] = True
            elif kind == "websocket.close":
                scope[_CLOSED] = True
            await send(message)

        await app(scope, receive, noting if scope["type"] == "websocket" else send)

    return watched


def _caller() -> Identity:
    # As with Quart's own proxies, the type is that of a guarded view.
    return cast("Identity", _scope(_connection()).get(CALLER))


_ACCEPTED, _CLOSED = "doorward.accepted", "doorward.closed"

#: The caller of the current request, falsy where there is none. It is never `None` itself:
#: `Doorward.identity` is.
current_identity: Identity = cast("Identity", LocalProxy(_caller))

_app = behind(current_app)
_g = behind(g)
_request = behind(request)
_websocket = behind(websocket)
