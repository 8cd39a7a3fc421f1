"""The Litestar door: a plugin, guards and dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote
from weakref import WeakValueDictionary

from litestar.config.response_cache import default_cache_key_builder
from litestar.connection import ASGIConnection, Request, WebSocket
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import (
    ClientException,
    HTTPException,
    LitestarException,
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    WebSocketDisconnect,
    WebSocketException,
)
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.response import Response

# Litestar evaluates the annotations of dependencies at run time.
from litestar.types import Scope
from litestar.utils import normalize_path

from ._authenticator import Authenticator
from ._doorward import Identity, Policy
from ._origin import cross_origin
from ._reason import Reason
from ._rejection import ConfigError, Rejection
from ._verdict import permitted, report, verdict
from ._websocket import CLOSE_CODES, Places, Session, handshake
from .asgi import User, has_dot_segments, is_preflight

if TYPE_CHECKING:
    from litestar.config.app import AppConfig
    from litestar.routes import BaseRoute
    from litestar.types import ASGIApp, Message, Receive, Send
    from typing_extensions import Never

    from ._types import TokenKind

__all__ = [
    "DoorwardPlugin",
    "Guard",
    "MalformedCredentials",
    "NotAuthorized",
    "PermissionDenied",
    "Refused",
    "ServiceUnavailable",
    "User",
    "WebSocketRefused",
    "authorize",
    "exception_handler",
    "permits",
    "provide_identity",
    "provide_optional_identity",
    "renew",
    "requires",
]

Connection = ASGIConnection[Any, Any, Any, Any]


class DoorwardPlugin(InitPlugin, ReceiveRoutePlugin):
    """Lets http and websocket requests through to their handlers only with good credentials.

        app = Litestar([me], plugins=[DoorwardPlugin(exclude=["/health", "/schema", "/schema/*"])])

    `auth`      the authenticator. Left out, it is made from the environment.
    `exclude`   paths that stay open: `"/health"` exactly, `"/static/*"` and everything below, and
                `*` elsewhere for one segment (`"/v*/status"`). A compiled regular expression must
                match the whole path.
    `exclude_opt_key`   where a handler, controller or router says that it stays open:
                        `exclude_from_auth=True`.
    `optional`  lets requests without credentials through as anonymous, everywhere. Bad credentials
                are refused all the same.
    `optional_opt_key`  where a handler, controller or router says so: `optional_auth=True`.
    `policy`    what every identified caller must satisfy besides, except on open paths.
    `check_origin`      refuses (403) what another site makes a browser send with the session
                        cookie, unless the method is GET, HEAD or OPTIONS.
    `scheme_name`       the name of the bearer scheme in OpenAPI.

    For websockets:

    `close_at_expiry`  closes with 4401 when the token's time is up, unless `renew` brought a fresh
                       one.
    `subprotocol`      reads the token from an offered sub-protocol `bearer.<token>`, and has
                       `accept()` answer with another that was offered.
    `query_parameter`  reads it from the URL. URLs end up in logs and histories: for clients that
                       can do nothing else.

    Handlers find the caller in `request.auth` (`Identity`, or `None`), in `request.user` (`User`),
    and in the dependencies `identity` and `optional_identity`. Open paths refuse nobody: whoever
    presents good credentials is known there, everybody else is anonymous, and only a guard or a
    dependency that wants a caller refuses. CORS preflights pass to handlers for `OPTIONS` alone.
    Responses are cached for each token by itself, unless a `key_builder` says otherwise.

    The door stands before all other middleware of the application. To have it elsewhere, put
    `plugin.middleware` where it shall be in the application's own list.
    """

    def __init__(
        self,
        auth: Authenticator | None = None,
        *,
        exclude: str | re.Pattern[str] | Iterable[str | re.Pattern[str]] = (),
        exclude_opt_key: str = "exclude_from_auth",
        optional: bool = False,
        optional_opt_key: str = "optional_auth",
        policy: Policy | None = None,
        check_origin: bool = True,
        scheme_name: str = "Doorward",
        close_at_expiry: bool = False,
        subprotocol: str | None = "bearer",
        query_parameter: str | None = None,
        **unknown: Never,
    ) -> None:
        for name in unknown:
            raise TypeError(f"{type(self).__name__}: no argument {name!r}{_near(name)}")
        if auth is None:
            auth = Authenticator.from_env()
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            # The value itself is not shown: it may be a secret key.
            raise TypeError(
                f"auth: expected an Authenticator, found {type(auth).__name__}; left out, it is "
                "made from the environment"
            )
        self.auth = auth
        self.scheme_name = scheme_name
        self._responses = _responses(auth)
        self.middleware = Door(
            auth,
            _open_paths(exclude),
            exclude_opt_key,
            optional,
            optional_opt_key,
            policy,
            check_origin,
            Places(subprotocol=subprotocol, query_parameter=query_parameter),
            close_at_expiry,
        )

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        if self.middleware not in app_config.middleware:
            app_config.middleware.insert(0, self.middleware)
        # Litestar leaves the types of its handlers open.
        handlers: MutableMapping[Any, Any] = app_config.exception_handlers  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        handlers.setdefault(Refused, exception_handler)
        cache = app_config.response_cache_config
        if cache.key_builder is default_cache_key_builder:  # pyright: ignore[reportUnknownMemberType]
            app_config.response_cache_config = replace(cache, key_builder=_cache_key)
        app_config.dependencies.setdefault("identity", Provide(_identity))
        app_config.dependencies.setdefault("optional_identity", Provide(_optional_identity))
        if app_config.openapi_config is not None:
            # The default is one object for all applications.
            config = app_config.openapi_config = copy(app_config.openapi_config)
            given = config.components
            scheme = SecurityScheme(
                type="http", scheme="bearer", bearer_format="JWT", description=_DESCRIPTION
            )
            ours = Components(security_schemes={self.scheme_name: scheme})
            config.components = [*(given if isinstance(given, list) else [given]), ours]
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Has OpenAPI show which operations want a caller, and what they answer others."""
        handlers: list[HTTPRouteHandler] = getattr(route, "route_handlers", [])
        for handler in handlers:
            if self.middleware.is_open(handler, route.path):
                continue
            if handler.security is None:
                requirements: list[SecurityRequirement] = [{self.scheme_name: []}]
                if self.middleware.is_optional(handler):
                    requirements.append({})
                handler.security = requirements
            handler.responses = {**self._responses, **(handler.responses or {})}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.auth!r})"


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
    **unknown: Never,
) -> Guard:
    """A guard that demands a caller, and more of it; the arguments are those of `Policy`.

    For `guards=[…]` of handlers, controllers, routers and the application; demands add up. Equal
    arguments give the same object. Without arguments it demands a caller and no more, where the
    door itself is optional or excluded.
    """
    return permits(
        Policy(
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
    )


def permits(policy: Policy) -> Guard:
    """Like `requires`, for a policy that is already there."""
    found = _guards.get(policy)
    if found is None:
        found = _guards[policy] = Guard(policy)
    return found


class Guard:
    """One of Litestar's guards."""

    __slots__ = ("__weakref__", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __deepcopy__(self, memo: object) -> Guard:
        # Litestar copies handlers with all they have; this never changes.
        return self

    async def __call__(self, connection: Connection, route_handler: BaseRouteHandler) -> None:
        scope = cast("dict[str, Any]", connection.scope)
        # A handler that Litestar made itself inherits the guards of its router.
        if is_preflight(scope) and _is_automatic(route_handler):
            return
        passage = _passage(scope)
        await passage.judge(self.policy)
        if passage.session is not None:
            passage.session.demands.append(
                lambda identity: permitted(passage.door.auth, self.policy, identity)
            )


async def authorize(connection: Connection, policy: Policy | None = None) -> Identity:
    """The caller, who satisfies the policy. Anybody else is refused, inside a handler as well.

    On a websocket that was accepted the credentials are judged anew: it closes with 4401 if their
    time is up, and with 4403 if a right is lacking.
    """
    return await _passage(cast("dict[str, Any]", connection.scope)).judge(policy)


async def renew(socket: WebSocket[Any, Any, Any], token: str) -> Identity:
    """Lets a connection go on with a fresh token of the same caller, who must still satisfy what
    was demanded.

    Any other token closes it, with 4401 or 4403, and raises `WebSocketDisconnect`.
    """
    passage = _passage(cast("dict[str, Any]", socket.scope))
    session = passage.session
    if session is None:
        raise RuntimeError("nobody was identified on this connection, so nobody can renew a token")
    try:
        identity = await session.renew(token)
    except ConnectionAbortedError:
        assert session.ended is not None
        code, reason = session.ended
        raise WebSocketDisconnect(detail=reason, code=code) from None
    passage.judged = {"headers": [(b"authorization", b"Bearer " + token.encode())]}
    passage.admit(identity)
    return identity


async def provide_identity(scope: Scope) -> Identity:
    """The dependency `identity`: the caller; anybody else is refused.

    To have it under another name: `dependencies={"caller": provide_identity}`.
    """
    return await _passage(cast("dict[str, Any]", scope)).judge(None)


async def provide_optional_identity(scope: Scope) -> Identity | None:
    """The dependency `optional_identity`: the caller, or `None` where there are no credentials. Bad
    credentials are refused all the same.
    """
    passage = _passage(cast("dict[str, Any]", scope))
    found = await passage.find()
    if isinstance(found, Rejection):
        if found.absent:
            return None
        raise passage.refusal(found)
    return found


# Litestar has a provider go by one name only, so those of the plugin are not those to be renamed.


async def _identity(scope: Scope) -> Identity:
    return await provide_identity(scope)


async def _optional_identity(scope: Scope) -> Identity | None:
    return await provide_optional_identity(scope)


def _cache_key(request: Request[Any, Any, Any]) -> str:
    """One for each caller: Litestar looks into its cache before it asks the dependencies, and what
    a handler answers may hang on anything the token says.
    """
    key = default_cache_key_builder(request)
    caller: object = cast("dict[str, Any]", request.scope).get("auth")
    if not isinstance(caller, Identity):
        return key
    return f"{key}#{sha256(caller.raw_claims).hexdigest()}"


class Refused(Exception):
    """What all refusals have in common.

    Unless the application has a handler for them, or for one of Litestar's exceptions they are
    derived from, they are answered with `response()`: what the engine says, byte for byte.
    """

    rejection: Rejection

    @property
    def reason(self) -> Reason:
        return self.rejection.reason

    def response(self) -> Response[bytes]:
        """The answer, for handlers that add to it."""
        rejection = self.rejection
        return Response(
            rejection.body,
            status_code=rejection.status,
            headers=dict(rejection.headers),
            media_type=rejection.content_type,
        )


class _HTTPRefused(HTTPException, Refused):
    def __init__(self, rejection: Rejection) -> None:
        super().__init__(
            detail=rejection.reason.value,
            status_code=rejection.status,
            headers=dict(rejection.headers),
            # Some handlers make another text of `detail`.
            extra={"reason": rejection.reason.value},
        )
        self.rejection = rejection


# `Refused` comes last in the order of their bases: whoever handles Litestar's own goes first.


class MalformedCredentials(_HTTPRefused, ClientException):
    """The credentials are not where or how they should be."""


class NotAuthorized(_HTTPRefused, NotAuthorizedException):
    """The credentials are missing or bad."""


class PermissionDenied(_HTTPRefused, PermissionDeniedException):
    """The caller lacks a right."""


class ServiceUnavailable(_HTTPRefused, ServiceUnavailableException):
    """The credentials cannot be judged at the moment. Trouble on our side of the door."""


class WebSocketRefused(WebSocketException, Refused):
    """A refusal on a websocket: closes it, or answers the handshake where it is not accepted."""

    def __init__(self, rejection: Rejection, code: int) -> None:
        super().__init__(detail=rejection.reason.value, code=code)
        self.rejection = rejection


def exception_handler(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answers `Refused`; the handler that is in force where an application has none of its own."""
    assert isinstance(error, Refused)
    return error.response()


class Door(ASGIMiddleware):
    """The middleware of a plugin."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    def __init__(
        self,
        auth: Authenticator,
        exclude: tuple[re.Pattern[str], ...],
        exclude_key: str,
        optional: bool,
        optional_key: str,
        policy: Policy | None,
        check_origin: bool,
        places: Places,
        close_at_expiry: bool,
    ) -> None:
        self.auth = auth
        self.policy = policy
        self.check_origin = check_origin
        self.places = places
        self.close_at_expiry = close_at_expiry
        self._exclude = exclude
        self._exclude_key = exclude_key
        self._optional = optional
        self._optional_key = optional_key

    def __deepcopy__(self, memo: object) -> Door:
        # A router copies its middleware; it is to be the same door.
        return self

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        passage = Passage(self, cast("dict[str, Any]", scope))
        if scope["type"] == ScopeType.WEBSOCKET:
            await self._handle_socket(passage, receive, send, next_app)
            return
        found = await self._enter(passage)
        if isinstance(found, Rejection):
            raise passage.refusal(found)
        passage.admit(found)
        await next_app(scope, receive, send)

    async def _handle_socket(
        self, passage: Passage, receive: Receive, send: Send, next_app: ASGIApp
    ) -> None:
        passage.judged = handshake(self.auth, passage.scope, self.places)
        found = await self._enter(passage)
        if isinstance(found, Rejection):
            await _deny(found, passage.scope, send)
            return
        passage.admit(found)
        scope = cast("Scope", passage.scope)
        outward = passage.watched(send)
        if found is None:
            await next_app(scope, receive, outward)
            return
        # Litestar's messages are typed dictionaries, which are no mappings to type checkers.
        session = Session(
            self.auth, passage.judged, found, cast("Any", receive), cast("Any", outward)
        )
        passage.session = session
        if self.policy is not None and not passage.is_open:
            policy = self.policy
            session.demands.append(lambda identity: permitted(self.auth, policy, identity))
        # Where nobody is refused, nobody is sent away either.
        if self.close_at_expiry and not passage.is_open:
            session.watch()
        try:
            await next_app(scope, cast("Any", session.receive), cast("Any", session.send))
        finally:
            await session.stop()
            session.demands.clear()

    async def _enter(self, passage: Passage) -> Identity | Rejection | None:
        """The caller, `None` for an anonymous request that may pass, or why it may not."""
        scope = passage.scope
        if self._is_preflight(scope):
            passage.is_open = True
            return None
        path = _path(scope)
        if path is not None and self.is_open(scope["route_handler"], path):
            passage.is_open = True
            try:
                known = await self.auth.authenticate(passage.judged)
            except Rejection:
                # Not a refusal, so none is reported.
                return None
            if self.check_origin and cross_origin(self.auth, passage.judged) is not None:
                return None
            return known
        found = await passage.verdict()
        if isinstance(found, Rejection):
            optional = found.absent and self.is_optional(scope["route_handler"])
            return None if optional else found
        if self.policy is not None:
            return permitted(self.auth, self.policy, found) or found
        return found

    def is_open(self, handler: BaseRouteHandler, path: str) -> bool:
        """Whether nobody is refused here."""
        # What a handler says goes before its path, and where it says both, the stricter.
        if handler.opt.get(self._optional_key):
            return False
        excluded = handler.opt.get(self._exclude_key)
        if excluded is not None:
            return bool(excluded)
        if not any(pattern.fullmatch(path) for pattern in self._exclude):
            return False
        return not has_dot_segments(path)

    def is_optional(self, handler: BaseRouteHandler) -> bool:
        """Whether whoever presents no credentials may pass."""
        return bool(handler.opt.get(self._optional_key, self._optional))

    def _is_preflight(self, scope: Mapping[str, Any]) -> bool:
        if not is_preflight(scope):
            return False
        # A handler of several methods does not ask which one it was called for, nor need a mounted
        # application.
        methods: set[str] = getattr(scope["route_handler"], "http_methods", set())
        return methods == {"OPTIONS"}


class Passage:
    """One connection on its way through the door."""

    __slots__ = ("accepted", "door", "is_open", "judged", "refused", "scope", "session")

    def __init__(self, door: Door, scope: dict[str, Any]) -> None:
        self.door = door
        self.scope = scope
        #: What of a websocket's handshake is judged.
        self.judged: MutableMapping[str, Any] = scope
        self.is_open = False
        self.accepted = False
        #: Why a handshake is about to fail.
        self.refused: Rejection | None = None
        self.session: Session | None = None
        scope[_PASSAGE] = self

    def admit(self, identity: Identity | None) -> None:
        """Puts the caller where Litestar's people look for one."""
        self.scope["auth"] = identity
        self.scope["user"] = _NOBODY if identity is None else User(identity)

    async def verdict(self) -> Identity | Rejection:
        """What was presented at first, judged once."""
        return await verdict(self.door.auth, self.judged, check_origin=self.door.check_origin)

    async def find(self) -> Identity | Rejection:
        """The caller, or why there is none."""
        if not self.accepted:
            return await self.verdict()
        try:
            return await self.door.auth.authenticate(self.judged)
        except Rejection as rejection:
            report(rejection)
            # The traceback would keep a frame, and with it the request, in a reference cycle.
            return rejection.with_traceback(None)

    async def judge(self, policy: Policy | None) -> Identity:
        """The caller, who satisfies the policy, or a refusal."""
        found = await self.find()
        if isinstance(found, Identity) and policy is not None:
            found = permitted(self.door.auth, policy, found) or found
        if isinstance(found, Rejection):
            raise self.refusal(found)
        return found

    def refusal(self, rejection: Rejection) -> LitestarException:
        """The exception that makes Litestar answer `rejection`."""
        if self.scope["type"] != "websocket":
            return _KINDS[rejection.status](rejection)
        if not self.accepted:
            self.refused = rejection
            return WebSocketRefused(rejection, _POLICY_VIOLATION)
        return WebSocketRefused(rejection, CLOSE_CODES.get(rejection.status, _POLICY_VIOLATION))

    def watched(self, send: Send) -> Send:
        """Notes that a websocket was accepted. Litestar knows how to close one, and no other way to
        answer a handshake.
        """

        async def watched(message: Message) -> None:
            if message["type"] == "websocket.accept":
                self.accepted = True
            elif message["type"] == "websocket.close" and self.refused and not self.accepted:
                await _deny(self.refused, self.scope, send)
                return
            await send(message)

        return watched


def _passage(scope: Mapping[str, Any]) -> Passage:
    found: Passage | None = scope.get(_PASSAGE)
    if found is None:
        raise ConfigError(
            "no door stands before this handler; add it to the application: "
            "Litestar(plugins=[DoorwardPlugin()])"
        )
    return found


async def _deny(rejection: Rejection, scope: Mapping[str, Any], send: Send) -> None:
    """Answers a handshake: with a status and a challenge where the server can send them."""
    messages: list[dict[str, Any]]
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        reason = rejection.reason.value
        messages = [{"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason}]
    else:
        fields = [
            ("content-type", rejection.content_type),
            ("content-length", str(len(rejection.body))),
            *rejection.headers,
        ]
        messages = [
            {
                "type": "websocket.http.response.start",
                "status": rejection.status,
                "headers": [
                    (name.encode("latin-1"), text.encode("latin-1")) for name, text in fields
                ],
            },
            {"type": "websocket.http.response.body", "body": rejection.body},
        ]
    for message in messages:
        # Litestar's types do not know the extension.
        await send(cast("Any", message))


def _is_automatic(handler: BaseRouteHandler) -> bool:
    """Whether Litestar made this handler, which tells nothing but the methods of a path."""
    return getattr(handler.fn, "__module__", None) == "litestar.routes.http"


def _path(scope: Mapping[str, Any]) -> str | None:
    """The path that was routed."""
    path: str = scope["path"]
    if not getattr(scope["route_handler"], "is_mount", False):
        return path
    # Of a mounted application's path, Litestar leaves what is below the mount.
    whole = unquote((scope.get("raw_path") or b"").decode("latin-1"))
    root: str = scope.get("root_path", "")
    if root:
        whole = whole.split(root, maxsplit=1)[-1]
    whole = normalize_path(whole)
    return whole if f"{whole}/".endswith(f"{path.rstrip('/')}/") else None


def _open_paths(
    exclude: str | re.Pattern[str] | Iterable[str | re.Pattern[str]],
) -> tuple[re.Pattern[str], ...]:
    if isinstance(exclude, (str, re.Pattern)):
        exclude = (exclude,)
    return tuple(
        _open_path(pattern) if isinstance(pattern, str) else pattern for pattern in exclude
    )


def _open_path(pattern: str) -> re.Pattern[str]:
    if _EXPRESSION.search(pattern):
        # Litestar's own middleware searches for expressions anywhere in a path, so that "/health"
        # opens "/users/health" as well.
        raise ConfigError(
            f"exclude: {pattern!r} looks like a regular expression; a text is a path in which '*' "
            "stands for one segment and a final '/*' for all below; an expression is given by "
            "re.compile(…) and must match a whole path"
        )
    if not pattern.startswith("/"):
        raise ConfigError(f"exclude: a path starts with '/', found {pattern!r}")
    below = pattern.endswith("/*")
    # Litestar routes every path without the slash at its end.
    segments = pattern.removesuffix("/*") if below else pattern.rstrip("/") or "/"
    expression = "[^/]*".join(re.escape(part) for part in segments.split("*"))
    return re.compile(expression + ("/.*" if below else ""), re.DOTALL)


def _near(word: str) -> str:
    import difflib

    known = (name for name in DoorwardPlugin.__init__.__annotations__ if name != "return")
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


@dataclass
class Refusal:
    """What a refusal says."""

    detail: Reason


@dataclass
class Problem:
    """What a refusal says, as problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    reason: Reason


def _responses(auth: Authenticator) -> dict[int, ResponseSpec]:
    """The refusals of an authenticator, for OpenAPI."""
    try:
        auth.authenticate_nowait([])
    except Rejection as rejection:
        media_type = rejection.content_type
    else:
        raise AssertionError("nobody is let in without credentials")
    container = Problem if media_type == "application/problem+json" else Refusal
    return {
        status: ResponseSpec(
            container, generate_examples=False, description=description, media_type=media_type
        )
        for status, description in _RESPONSES.items()
    }


#: Guards hold on to what they are made of; those that no route has are forgotten.
_guards: WeakValueDictionary[Policy, Guard] = WeakValueDictionary()

_KINDS: dict[int, type[_HTTPRefused]] = {
    400: MalformedCredentials,
    401: NotAuthorized,
    403: PermissionDenied,
    503: ServiceUnavailable,
}
_RESPONSES = {
    400: "The credentials are not where or how they should be.",
    401: "The credentials are missing or bad.",
    403: "The caller lacks a right.",
    503: "The credentials cannot be judged at the moment.",
}
_DESCRIPTION = "A bearer token, or the session cookie where this API reads one."
_NOBODY = User(None)
#: Where a scope has its passage.
_PASSAGE = "doorward.passage"
#: What no path has in it, unless it is an expression.
_EXPRESSION = re.compile(r"[\^$\\|?+()\[\]{}]|\.\*")
#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
