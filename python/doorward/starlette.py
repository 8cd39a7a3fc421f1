"""The Starlette door: a decorator for endpoints, and a backend for Starlette's own middleware."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload
from urllib.parse import quote, urlencode

from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
)
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ._authenticator import Authenticator
from ._doorward import Credentials, Identity, Policy, User, admit
from ._reason import Reason
from ._rejection import ConfigError, Rejection
from ._verdict import DOOR, permitted, report, verdict
from ._websocket import CLOSE_CODES, HEADERS, Places, Session, handshake
from .asgi import AuthMiddleware, is_preflight

if TYPE_CHECKING:
    from typing_extensions import Never

    from ._types import TokenKind

__all__ = [
    "AuthMiddleware",
    "BadCredentials",
    "Credentials",
    "DoorwardBackend",
    "Guard",
    "Refused",
    "User",
    "authorize",
    "exception_handler",
    "identity",
    "on_error",
    "optional_identity",
    "permits",
    "renew",
    "requires",
]

P = ParamSpec("P")
EndpointT = TypeVar("EndpointT", bound="type[HTTPEndpoint] | type[WebSocketEndpoint]")
Scope = MutableMapping[str, Any]


def requires(
    *,
    accepts: TokenKind | Sequence[TokenKind] | None = None,
    scopes: str | Sequence[str] = (),
    any_scope: Sequence[str] = (),
    role: str | None = None,
    permission: str | None = None,
    permissions: Sequence[str] = (),
    feature: str | None = None,
    plan: str | None = None,
    reverification: str | Mapping[str, Any] | tuple[str, int] | None = None,
    organization: bool | str = False,
    deny_impersonation: bool = False,
    auth: Authenticator | None = None,
    redirect: str | None = None,
    close_at_expiry: bool = False,
    subprotocol: str | None = "bearer",
    query_parameter: str | None = None,
    **unknown: Never,
) -> Guard:
    """Demands a caller, and more of it: a decorator of endpoints.

        @requires(permission="org:posts:delete")
        async def delete(request): ...

    It takes functions, with and without `async`, for requests and for websockets, methods of
    endpoint classes, and whole classes. The first arguments are those of `Policy`.

    `auth`      the authenticator. Left out, it is that of the door in front: `AuthMiddleware`, or
                Starlette's `AuthenticationMiddleware` with a `DoorwardBackend`.
    `redirect`  the name of the route that strangers are sent to (303), with `?next=`. A caller who
                lacks a right is refused: signing in once more would not help.

    For websockets:

    `close_at_expiry`  closes with 4401 when the token's time is up, unless `renew` brought a fresh
                       one.
    `subprotocol`      reads the token from an offered sub-protocol `bearer.<token>`, and has
                       `accept()` answer with another that was offered.
    `query_parameter`  reads it from the URL. URLs end up in logs and histories: for clients that
                       can do nothing else.

    The last two only where no door in front has refused the handshake before.

    What another site makes a browser send with the session cookie is refused (403), unless the
    method is GET, HEAD or OPTIONS. A door in front decides for all endpoints behind it: there,
    `check_origin=False` leaves it to other measures.
    """
    policy = Policy(
        accepts=accepts,
        scopes=scopes,
        any_scope=any_scope,
        role=role,
        permission=permission,
        permissions=permissions,
        feature=feature,
        plan=plan,
        reverification=reverification,
        organization=organization,
        deny_impersonation=deny_impersonation,
        # It says what is known instead.
        **unknown,
    )
    return permits(
        policy,
        auth=auth,
        redirect=redirect,
        close_at_expiry=close_at_expiry,
        subprotocol=subprotocol,
        query_parameter=query_parameter,
    )


def permits(
    policy: Policy,
    *,
    auth: Authenticator | None = None,
    redirect: str | None = None,
    close_at_expiry: bool = False,
    subprotocol: str | None = "bearer",
    query_parameter: str | None = None,
) -> Guard:
    """Like `requires`, for a policy that is already there."""
    if auth is not None and not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
        # The value itself is not shown: it may be a secret key.
        raise TypeError(f"auth: expected an Authenticator, found {type(auth).__name__}")
    places = Places(subprotocol=subprotocol, query_parameter=query_parameter)
    return Guard(policy, auth, redirect, close_at_expiry, places)


class Guard:
    """The decorator that `requires` makes."""

    def __init__(
        self,
        policy: Policy,
        auth: Authenticator | None,
        redirect: str | None,
        close_at_expiry: bool,
        places: Places,
    ) -> None:
        self.policy = policy
        self._auth = auth
        self._redirect = redirect
        self._close_at_expiry = close_at_expiry
        self._places = places

    @overload
    def __call__(self, endpoint: EndpointT) -> EndpointT: ...
    @overload
    def __call__(self, endpoint: Callable[P, Any]) -> Callable[P, Any]: ...
    def __call__(self, endpoint: Any) -> Any:
        if isinstance(endpoint, type):
            return self._derived(cast("type[Any]", endpoint))
        if not callable(endpoint):
            raise TypeError(f"requires: expected an endpoint, found {type(endpoint).__name__}")

        function = cast("Callable[..., Any]", endpoint)
        asynchronous = _is_async(function)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if asynchronous:
                return await function(*args, **kwargs)
            return await run_in_threadpool(function, *args, **kwargs)

        @functools.wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            connection = _connection(args, kwargs)
            if not isinstance(connection, WebSocket):
                refused = await self._enter(connection)
                return await call(*args, **kwargs) if refused is None else refused
            if args and isinstance(args[0], WebSocketEndpoint):
                if self._close_at_expiry:
                    raise ConfigError(
                        "close_at_expiry: a method does not last as long as a connection; decorate "
                        f"the class {type(args[0]).__name__}"
                    )
                await self._admit(connection)
                return await call(*args, **kwargs)
            # The function has this very object, made before it was known who calls.
            session = await self._stand_between(
                connection,
                connection._receive,  # pyright: ignore[reportPrivateUsage]
                connection._send,  # pyright: ignore[reportPrivateUsage]
            )
            connection._receive = session.receive  # pyright: ignore[reportPrivateUsage]
            connection._send = session.send  # pyright: ignore[reportPrivateUsage]
            return await self._attend(session, connection.scope, call(*args, **kwargs))

        return guarded

    def _derived(self, endpoint: type[Any]) -> type[Any]:
        """A class of endpoints that makes the demand before it does anything."""
        if not issubclass(endpoint, (HTTPEndpoint, WebSocketEndpoint)):
            raise TypeError(
                f"requires: {endpoint.__name__} is neither an HTTPEndpoint nor a WebSocketEndpoint"
            )
        guard = self
        of_requests = issubclass(endpoint, HTTPEndpoint)
        dispatched: Callable[[Any], Awaitable[None]] = cast("Any", endpoint).dispatch

        async def dispatch(self: Any) -> None:
            scope, receive, send = self.scope, self.receive, self.send
            # A preflight carries no credentials, and is answered by a method of its own or by none;
            # a class that dispatches in a way of its own would take it for a request.
            if is_preflight(scope) and not hasattr(self, "options"):
                await HTTPEndpoint.dispatch(self)
                return
            if of_requests:
                refused = await guard._enter(Request(scope, receive, send))
                if refused is not None:
                    await refused(scope, receive, send)
                    return
                await dispatched(self)
                return
            session = await guard._stand_between(WebSocket(scope, receive, send), receive, send)
            self.receive, self.send = session.receive, session.send
            await guard._attend(session, scope, dispatched(self))

        members = {"dispatch": dispatch, "__module__": endpoint.__module__}
        derived = type(endpoint.__name__, (endpoint,), members)
        derived.__qualname__, derived.__doc__ = endpoint.__qualname__, endpoint.__doc__
        return derived

    async def _enter(self, request: HTTPConnection) -> Response | None:
        """Lets a request in, or says where it is to go instead; refusals are raised, where somebody
        answers them.
        """
        found = await self._judge(request)
        if not isinstance(found, Rejection):
            return None
        if self._redirect is not None and found.status == 401:
            target = f"{request.url_for(self._redirect)}?{urlencode({'next': _asked(request)})}"
            return RedirectResponse(target, 303)
        if _has_handlers(request.scope):
            raise _refusal(found, request)
        return Refused(found).response()

    async def _admit(self, websocket: WebSocket) -> Identity:
        """Lets a websocket in, or refuses it."""
        found = await self._judge(websocket)
        if isinstance(found, Rejection):
            raise _refusal(found, websocket)
        session: Session | None = websocket.scope.get(_SESSION)
        if session is not None and not _is_accepted(websocket):
            auth = _authenticator(websocket.scope, self._auth)
            session.demands.append(lambda renewed: permitted(auth, self.policy, renewed))
        return found

    async def _judge(self, connection: HTTPConnection) -> Identity | Rejection:
        auth = _authenticator(connection.scope, self._auth)
        return await _judged(auth, connection, self.policy, self._places)

    async def _stand_between(self, websocket: WebSocket, receive: Any, send: Any) -> Session:
        """Lets every message of an admitted caller pass through a session, one per connection."""
        found = await self._admit(websocket)
        scope = websocket.scope
        session: Session | None = scope.get(_SESSION)
        if session is None:
            auth = _authenticator(scope, self._auth)
            judged = handshake(auth, scope, self._places)
            session = scope[_SESSION] = Session(auth, judged, found, receive, send)
            session.demands.append(lambda renewed: permitted(auth, self.policy, renewed))
        if self._close_at_expiry:
            session.watch()
        return session

    async def _attend(self, session: Session, scope: Scope, call: Awaitable[Any]) -> Any:
        is_first = not scope.get(_ATTENDED)
        scope[_ATTENDED] = True
        try:
            return await call
        except (WebSocketDisconnect, ConnectionAbortedError):
            # An end that came from here is no news to anybody.
            if session.ended is None:
                raise
        finally:
            if is_first:
                await session.stop()
                session.demands.clear()


async def authorize(connection: HTTPConnection, policy: Policy | None = None) -> Identity:
    """The caller, who satisfies the policy. Anybody else is refused, inside an endpoint as well.

    On a websocket that was accepted the credentials are judged anew: it closes with 4401 if their
    time is up, and with 4403 if a right is lacking.
    """
    auth = _authenticator(connection.scope, None)
    found = await _judged(auth, connection, policy, HEADERS)
    if isinstance(found, Rejection):
        raise _refusal(found, connection)
    return found


async def renew(websocket: WebSocket, token: str) -> Identity:
    """Lets a connection go on with a fresh token of the same caller, who must still satisfy what
    was demanded.

    Any other token closes it, with 4401 or 4403, and raises `WebSocketDisconnect`.
    """
    scope = websocket.scope
    session: Session | None = scope.get(_SESSION)
    if session is None:
        raise RuntimeError("no @requires stands before this websocket that could take a token")
    try:
        found = await session.renew(token)
    except ConnectionAbortedError:
        assert session.ended is not None
        raise WebSocketDisconnect(*session.ended) from None
    scope[_RENEWED] = {"headers": [(b"authorization", b"Bearer " + token.encode())]}
    admit(scope, found)
    return found


def identity(connection: HTTPConnection) -> Identity:
    """The caller: `request.auth.identity`, for type checkers. For guarded endpoints: raises
    `RuntimeError` where nobody is identified.
    """
    found = optional_identity(connection)
    if found is None:
        raise RuntimeError("nobody is identified here; guard the endpoint with @requires()")
    return found


def optional_identity(connection: HTTPConnection) -> Identity | None:
    """The caller, or `None` where a request is anonymous."""
    credentials = connection.scope.get("auth")
    return credentials.identity if isinstance(credentials, Credentials) else None


class DoorwardBackend(AuthenticationBackend):
    """For Starlette's own `AuthenticationMiddleware`, together with `on_error`.

        Middleware(AuthenticationMiddleware, backend=DoorwardBackend(auth), on_error=on_error)

    A request without credentials is anonymous, as Starlette has it, so endpoints say what they want
    by `requires`. Bad credentials are refused. That middleware closes websockets without a word
    about the reason; `AuthMiddleware` answers them as well.

    `check_origin`  refuses (403) what another site makes a browser send with the session cookie,
                    unless the method is GET, HEAD or OPTIONS.
    """

    def __init__(self, auth: Authenticator, *, check_origin: bool = True) -> None:
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            # The value itself is not shown: it may be a secret key.
            raise TypeError(f"auth: expected an Authenticator, found {type(auth).__name__}")
        self.auth = auth
        self.check_origin = check_origin

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Raises `BadCredentials`."""
        scope = conn.scope
        found = await _judged(self.auth, conn, None, HEADERS, self.check_origin)
        if isinstance(found, Rejection):
            if not found.absent and not is_preflight(scope):
                raise BadCredentials(found)
            admit(scope, None)
        # They have the shape of Starlette's, and are made by the engine.
        return cast("tuple[AuthCredentials, BaseUser]", (scope["auth"], scope["user"]))


class BadCredentials(AuthenticationError):
    """Why `DoorwardBackend` refuses. As text it is the code of the reason and no more."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason.value)
        self.rejection = rejection


def on_error(conn: HTTPConnection, error: AuthenticationError) -> Response:
    """Answers `BadCredentials`: the `on_error` of Starlette's `AuthenticationMiddleware`."""
    if isinstance(error, BadCredentials):
        return Refused(error.rejection).response()
    return AuthenticationMiddleware.default_on_error(conn, error)


class Refused(HTTPException):
    """A refusal, as Starlette knows one: exception handlers see it like any other `HTTPException`.

    Unless the application has a handler of its own it is answered with `response()`: what the
    engine says, byte for byte.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.status, rejection.reason.value, dict(rejection.headers))
        self.rejection = rejection

    @property
    def reason(self) -> Reason:
        return self.rejection.reason

    def response(self) -> Response:
        """The answer, for handlers that add to it."""
        rejection = self.rejection
        answer = Response(rejection.body, rejection.status, media_type=rejection.content_type)
        for name, value in rejection.headers:
            answer.headers.append(name, value)
        return answer


async def exception_handler(request: HTTPConnection, error: Exception) -> Response:
    """Answers `Refused`; the handler that is in force where an application has none of its own."""
    assert isinstance(error, Refused)
    return error.response()


async def _judged(
    auth: Authenticator,
    connection: HTTPConnection,
    policy: Policy | None,
    places: Places,
    check_origin: bool = True,
) -> Identity | Rejection:
    """The caller, who satisfies the policy, or why there is none. Puts it into the scope."""
    scope = connection.scope
    found = await _found(auth, connection, places, check_origin)
    if isinstance(found, Rejection):
        return found
    if optional_identity(connection) is not found:
        admit(scope, found)
    if policy is not None:
        return permitted(auth, policy, found) or found
    return found


async def _found(
    auth: Authenticator, connection: HTTPConnection, places: Places, check_origin: bool
) -> Identity | Rejection:
    scope = connection.scope
    if scope["type"] != "websocket":
        return await verdict(auth, scope, check_origin=check_origin)
    judged = handshake(auth, scope, places)
    if not _is_accepted(connection):
        return await verdict(auth, judged)
    # Time has passed since the handshake.
    try:
        return await auth.authenticate(scope.get(_RENEWED, judged))
    except Rejection as rejection:
        report(rejection)
        # The traceback would keep a frame, and with it the request, in a reference cycle.
        return rejection.with_traceback(None)


def _authenticator(scope: Scope, auth: Authenticator | None) -> Authenticator:
    """The authenticator that was given, or that of the door in front."""
    if auth is not None:
        return auth
    found: Authenticator | None = scope.get(DOOR)
    if found is not None:
        return found
    raise ConfigError(
        "no door stands before this endpoint; add Middleware(AuthMiddleware, auth=…) to the "
        "application or the route, or give the authenticator: requires(auth=…)"
    )


def _refusal(
    rejection: Rejection, connection: HTTPConnection
) -> HTTPException | WebSocketException:
    """The exception that makes Starlette answer `rejection` on this connection."""
    scope = connection.scope
    if scope["type"] == "websocket":
        reason = rejection.reason.value
        if _is_accepted(connection):
            return WebSocketException(CLOSE_CODES.get(rejection.status, _POLICY_VIOLATION), reason)
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            # This server cannot answer a handshake with a status of ours.
            return WebSocketException(_POLICY_VIOLATION, reason)
    _be_answered(scope)
    return Refused(rejection)


def _has_handlers(scope: Scope) -> bool:
    """Whether somebody answers exceptions. Nobody does around a bare router."""
    return _HANDLERS in scope


def _be_answered(scope: Scope) -> None:
    """Has `exception_handler` answer, unless the application has a handler that would.

    Starlette's own writes plain text. An application says what handlers it has when it starts, so
    it is looked at when there is something to answer.
    """
    if not _has_handlers(scope):
        return
    # Those for a status go first in any case.
    handlers: dict[Any, Any] = scope[_HANDLERS][0]
    if Refused in handlers:
        return
    # Starlette's is a bound method of the middleware.
    current = getattr(handlers.get(HTTPException), "__func__", None)
    if current is ExceptionMiddleware.http_exception:
        handlers[Refused] = exception_handler


def _is_accepted(connection: HTTPConnection) -> bool:
    return (
        isinstance(connection, WebSocket)
        and connection.application_state is not WebSocketState.CONNECTING
    )


def _asked(request: HTTPConnection) -> str:
    """The path and the query that were asked for, to come back to.

    Without the host, and a path in every reader's eyes: whoever redirects to it must not be led
    elsewhere by a forged Host field or by `//another.example`.
    """
    path = "/" + quote(request.scope["path"].lstrip("/\\"), safe="/:@!$&'()*+,;=")
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _connection(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> HTTPConnection:
    """The request or the websocket that an endpoint is called with."""
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return cast("HTTPConnection", argument)
    raise TypeError("requires: an endpoint is called with a Request or a WebSocket")


def _is_async(endpoint: Any) -> bool:
    while isinstance(endpoint, functools.partial):
        endpoint = cast("Any", endpoint).func
    call = getattr(endpoint, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(endpoint) or inspect.iscoroutinefunction(call)


#: Where a scope has its guarded connection, whether its end is waited for, and what renewed it.
_SESSION, _ATTENDED, _RENEWED = "doorward.session", "doorward.attended", "doorward.renewed"
#: Where Starlette has an application's exception handlers.
_HANDLERS = "starlette.exception_handlers"
#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
