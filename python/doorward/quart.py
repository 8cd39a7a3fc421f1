"""The Quart door: the Flask door for an event loop, and for websockets."""

from __future__ import annotations

from asyncio import Task, create_task, sleep
from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from inspect import iscoroutinefunction
from time import time
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
from ._websocket import CLOSE_CODES, handshake

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
            return await state.auth.authenticate(_judged(state, connection))
        except Rejection as rejection:
            report(rejection)
            await _refuse(state, refusal(rejection, connection), connection)

    def close_at_expiry(self) -> None:
        """Closes the current websocket with 4401 when its token's time is up, whatever the view is
        waiting for.
        """
        state, connection = self._state(_app()), _websocket()
        scope = _scope(connection)
        identity: Identity | None = scope.get(CALLER)
        if identity is not None and _TIMER not in scope:
            scope[_TIMER] = create_task(_expire(state, connection, identity))

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
    found = await verdict(state.auth, _judged(state, connection), check_origin=state.check_origin)
    refused = state.judge(demand, found, scope, connection, vars(_g()))
    if authenticated.receivers and known is None and scope.get(CALLER) is not None:
        await authenticated.send_async(state.app, _sync_wrapper=_ensure_async(), identity=found)
    if refused is not None:
        await _refuse(state, refused, connection)


async def _refuse(state: State, refused: Refused, connection: Connection) -> NoReturn:
    """Raises a refusal. A websocket that Quart could not answer by a status is closed first."""
    if rejected.receivers:
        rejection = refused.rejection
        await rejected.send_async(state.app, _sync_wrapper=_ensure_async(), rejection=rejection)
    if isinstance(connection, Websocket):
        scope = _scope(connection)
        can_answer = "websocket.http.response" in (scope.get("extensions") or {})
        if scope.get(_ACCEPTED) or not can_answer:
            await _close(connection, refused.rejection)
    raise refused


async def _close(connection: Websocket, rejection: Rejection) -> None:
    scope = _scope(connection)
    if not scope.get(_CLOSED):
        code = CLOSE_CODES.get(rejection.status, _POLICY_VIOLATION)
        if not scope.get(_ACCEPTED):
            code = _POLICY_VIOLATION
        await connection.close(code, rejection.reason.value)


async def _expire(state: State, connection: Websocket, identity: Identity) -> None:
    """Closes a websocket once the engine, which knows its clock and its leeway, says so."""
    while True:
        left = identity.expires_at - time()
        await sleep(min(max(left, _SHORTEST_PAUSE), _LONGEST_PAUSE))
        try:
            await state.auth.authenticate(_judged(state, connection))
        except Rejection as rejection:
            report(rejection)
            await _close(connection, rejection)
            return


def _judged(state: State, connection: Connection) -> Scope:
    """What of a request is judged: not the cookie of a handshake that another site's page makes."""
    scope = _scope(connection)
    return handshake(state.auth, scope) if scope["type"] == "websocket" else scope


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
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return

        async def noting(message: Any) -> None:
            kind = message["type"]
            if scope.get(_CLOSED):
                # By a guard. The view learns it from the client's answer.
                return
            if kind == "websocket.accept":
                scope[_ACCEPTED] = True
            elif kind == "websocket.close":
                scope[_CLOSED] = True
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            timer: Task[None] | None = scope.get(_TIMER)
            if timer is not None:
                timer.cancel()

    return watched


def _caller() -> Identity:
    # As with Quart's own proxies, the type is that of a guarded view.
    return cast("Identity", _scope(_connection()).get(CALLER))


#: What the scope of a websocket remembers.
_ACCEPTED, _CLOSED, _TIMER = "doorward.accepted", "doorward.closed", "doorward.timer"
#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
#: Seconds between two questions.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 3600.0

#: The caller of the current request, falsy where there is none. It is never `None` itself:
#: `Doorward.identity` is.
current_identity: Identity = cast("Identity", LocalProxy(_caller))

_app = behind(current_app)
_g = behind(g)
_request = behind(request)
_websocket = behind(websocket)
