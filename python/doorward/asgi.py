"""The ASGI door: a middleware for any ASGI framework, without a framework."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from ._authenticator import Authenticator
from ._doorward import Credentials, Identity, Pending, Policy, User, admit
from ._origin import SAFE, cross_origin
from ._rejection import Rejection
from ._verdict import DOOR, VERDICT, first_try, permitted, refused, verdict
from ._websocket import handshake
from .observe import verified

__all__ = ["AuthMiddleware", "BackchannelLogout", "Credentials", "User"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Answers a refusal: gets the scope and the rejection, returns the ASGI application (a response)
#: that replies.
OnRefusal = Callable[[Scope, Rejection], ASGIApp]


class AuthMiddleware:
    """Lets http and websocket requests through to `app` only with good credentials.

    `exclude`   paths that stay open: `"/health"` exactly, `"/static/*"` and everything below, and
                `*` elsewhere for one segment (`"/v*/status"`). Nobody is identified there.
    `optional`  lets a request without credentials through as anonymous. Bad credentials are refused
                all the same.
    `policy`    what every identified caller must satisfy besides.
    `on_refusal`  answers refusals in your own way.
    `check_origin`  refuses (403) what another site makes a browser send with the session cookie,
                unless the method is GET, HEAD or OPTIONS.

    A websocket's session cookie counts only where one of the authorized parties, or this host,
    opens it: browsers send cookies along from every page in the world.

    Put a CORS middleware outside of this one: it answers preflights, which carry no credentials by
    design, and lets pages read refusals. A preflight that gets here is answered 405 and goes no
    further, unless strangers may pass anyway: not every application looks at the method before it
    acts. Any other `OPTIONS` is a request like every other.

    Downstream finds the caller in `request.auth.identity`, `request.user` (Starlette's contract, so
    `requires("authenticated")` works) and `request.state.identity`, `.user_id`, `.doorward`.
    """

    def __init__(
        self,
        app: ASGIApp,
        auth: Authenticator,
        *,
        exclude: Iterable[str] = (),
        optional: bool = False,
        policy: Policy | None = None,
        on_refusal: OnRefusal | None = None,
        check_origin: bool = True,
    ) -> None:
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            # The value itself is not shown: it may be a secret key.
            raise TypeError(f"auth: expected an Authenticator, found {type(auth).__name__}")
        if policy is not None and not isinstance(policy, Policy):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"policy: expected a Policy, found {type(policy).__name__}")
        self.app = app
        self.auth = auth
        self.optional = optional
        self.policy = policy
        self.on_refusal = on_refusal
        self.check_origin = check_origin
        self._excluded = excluded(exclude)
        # Whoever asks for nothing special gets the short way.
        self._direct = (
            policy is None and type(self) is AuthMiddleware and type(auth) is Authenticator
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            await self.app(scope, receive, send)
            return
        if self._excluded is not None and is_excluded(self._excluded, scope):
            await self._pass_unasked(scope, receive, send)
            return
        if is_preflight(scope):
            if self.optional:
                await self._pass_unasked(scope, receive, send)
            else:
                await _not_allowed(send)
            return
        found: Identity | Rejection | Pending
        if kind == "http" and self._direct and VERDICT not in scope:
            try:
                admitted = self.auth.admit_nowait(scope)
            except Rejection as rejection:
                inner = dict(scope)
                found = refused(self.auth, inner, rejection)
            else:
                crossed = None
                if isinstance(admitted, dict):
                    if self.check_origin and scope["method"] not in SAFE:
                        crossed = cross_origin(self.auth, scope)
                    if crossed is None:
                        admitted[DOOR] = self.auth
                        verified(admitted["state"]["identity"])
                        await self.app(admitted, receive, send)
                        return
                    inner = dict(scope)
                    found = refused(self.auth, inner, crossed)
                else:
                    inner, found = dict(scope), admitted
        else:
            inner = dict(scope)
            # A websocket's cookies count only where a page of ours opens it.
            asked = inner if kind == "http" else handshake(self.auth, inner)
            found = self.first_try(asked)
            if isinstance(found, Pending):
                found = await self.verdict(asked)
        if isinstance(found, Pending):
            found = await self.verdict(inner)
        verdict = self.judge(found)
        if isinstance(verdict, Rejection):
            await self.refuse(verdict, scope, receive, send)
            return
        inner[DOOR] = self.auth
        self.admit(inner, verdict)
        await self.app(inner, receive, send)

    def first_try(self, scope: Scope) -> Identity | Rejection | Pending:
        """What can be said without waiting: nearly always everything."""
        return first_try(self.auth, scope, check_origin=self.check_origin)

    async def verdict(self, scope: Scope) -> Identity | Rejection:
        """What there is to say once the keys were fetched."""
        return await verdict(self.auth, scope, check_origin=self.check_origin)

    def judge(self, found: Identity | Rejection) -> Identity | Rejection | None:
        """The caller, `None` for an anonymous request that may pass, or why it may not."""
        if isinstance(found, Rejection):
            return None if self.optional and found.absent else found
        if self.policy is not None:
            return permitted(self.auth, self.policy, found) or found
        return found

    def admit(self, scope: Scope, identity: Identity | None) -> None:
        """Puts the caller where people look for one. `None` is an anonymous request."""
        admit(scope, identity)

    async def refuse(
        self, rejection: Rejection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers in the caller's protocol. A websocket is refused before it is accepted."""
        if self.on_refusal is not None:
            await self.on_refusal(scope, rejection)(scope, receive, send)
            return
        response = "http.response"
        if scope["type"] == "websocket":
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                reason = rejection.reason.value
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
                return
            response = "websocket.http.response"
        body = rejection.body
        headers = [
            (b"content-type", rejection.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(body)),
        ]
        for name, value in rejection.headers:
            headers.append((name.encode("latin-1"), value.encode("latin-1")))
        status = rejection.status
        await send({"type": f"{response}.start", "status": status, "headers": headers})
        await send({"type": f"{response}.body", "body": body})

    async def _pass_unasked(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = dict(scope)
        # Whoever wants a caller all the same asks this authenticator, not one further out.
        inner[DOOR] = self.auth
        self.admit(inner, None)
        await self.app(inner, receive, send)


class BackchannelLogout:
    """Takes an issuer's logout tokens (OpenID Connect Back-Channel Logout 1.0), and revokes what
    they say is over. An ASGI application for the very path that the issuer was told:

        route = Route("/backchannel-logout", BackchannelLogout(auth), methods=["POST"])

    It is open to everybody, and believes nothing that an issuer has not signed; a middleware in
    front of it has to `exclude` the path.
    """

    def __init__(self, auth: Authenticator) -> None:
        self.auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"BackchannelLogout takes http, not {scope['type']}")
        if scope["method"] != "POST":
            await _respond(send, 405, [("allow", "POST")], b"")
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _LONGEST_LOGOUT:
                await _respond(send, 413, [("connection", "close")], b"")
                return
        await _respond(send, *await self.auth.answer_logout_async(bytes(body)))


#: In bytes. The engine reads no more either.
_LONGEST_LOGOUT = 64 * 1024


async def _respond(
    send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def is_preflight(scope: Mapping[str, Any]) -> bool:
    """Fetch §3.2.2: what makes an `OPTIONS` request a CORS preflight is this field."""
    if scope.get("method") != "OPTIONS":
        return False
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


def is_excluded(patterns: re.Pattern[str], scope: Mapping[str, Any]) -> bool:
    """Whether one of the patterns opens the path of a request."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root + "/"):
        path = path[len(root) :]
    return patterns.fullmatch(path) is not None and not has_dot_segments(path)


def has_dot_segments(path: str) -> bool:
    """Whether somebody who resolves dot segments further in (RFC 3986 §5.2.4) would serve another
    path. Some take a backslash for a slash.
    """
    return "." in path and not {".", ".."}.isdisjoint(path.replace("\\", "/").split("/"))


def excluded(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all patterns; `None` where there are none."""
    if isinstance(patterns, str):
        patterns = (patterns,)
    alternatives: list[str] = []
    for pattern in patterns:
        if not pattern.startswith("/"):
            raise ValueError(f"exclude: a path starts with '/', found {pattern!r}")
        below = pattern.endswith("/*")
        segments = pattern.removesuffix("*") if below else pattern
        expression = "[^/]*".join(re.escape(part) for part in segments.split("*"))
        alternatives.append(expression + (".*" if below else ""))
    if not alternatives:
        return None
    return re.compile("|".join(f"(?:{one})" for one in alternatives), re.DOTALL)


async def _not_allowed(send: Send) -> None:
    """Answers a preflight, which no CORS middleware did."""
    headers = [(b"allow", b""), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 405, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
