"""The ASGI door: a middleware for any ASGI framework, without a framework."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ._authenticator import Authenticator
from ._doorward import Identity, Pending, Policy
from ._rejection import Rejection
from ._verdict import first_try, report, verdict

__all__ = ["AuthMiddleware", "Credentials", "User"]

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

    CORS preflights always pass: they carry no credentials by design. Any other `OPTIONS` is a
    request like every other. Downstream finds the caller in `request.auth.identity`, `request.user`
    (Starlette's contract, so `requires("authenticated")` works) and `request.state.identity`,
    `.user_id`, `.doorward`. Put a CORS middleware outside of this one.
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
    ) -> None:
        self.app = app
        self.auth = auth
        self.optional = optional
        self.policy = policy
        self.on_refusal = on_refusal
        self._excluded = _excluded(exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            await self.app(scope, receive, send)
            return
        inner = dict(scope)
        if self._is_open(scope):
            self.admit(inner, None)
            await self.app(inner, receive, send)
            return
        found = self.first_try(inner)
        if isinstance(found, Pending):
            found = await self.verdict(inner)
        verdict = self.judge(found)
        if isinstance(verdict, Rejection):
            await self.refuse(verdict, scope, receive, send)
            return
        self.admit(inner, verdict)
        await self.app(inner, receive, send)

    def first_try(self, scope: Scope) -> Identity | Rejection | Pending:
        """What can be said without waiting: nearly always everything."""
        return first_try(self.auth, scope)

    async def verdict(self, scope: Scope) -> Identity | Rejection:
        """What there is to say once the keys were fetched."""
        return await verdict(self.auth, scope)

    def judge(self, found: Identity | Rejection) -> Identity | Rejection | None:
        """The caller, `None` for an anonymous request that may pass, or why it may not."""
        if isinstance(found, Rejection):
            return None if self.optional and found.absent else found
        if self.policy is not None:
            try:
                self.auth.permit(self.policy, found)
            except Rejection as rejection:
                report(rejection)
                return rejection.with_traceback(None)
        return found

    def admit(self, scope: Scope, identity: Identity | None) -> None:
        """Puts the caller where people look for one. `None` is an anonymous request."""
        credentials = _ANONYMOUS if identity is None else Credentials(identity)
        scope["auth"] = credentials
        scope["user"] = _NOBODY if identity is None else User(identity)
        # The server makes one state per request, and outer middleware may hold on to it: it is
        # kept, not copied.
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["doorward"] = credentials
        state["identity"] = identity
        state["user_id"] = None if identity is None else identity.user_id

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

    def _is_open(self, scope: Scope) -> bool:
        """Whether nobody is asked for credentials here."""
        if scope.get("method") == "OPTIONS" and _is_preflight(scope):
            return True
        if self._excluded is None:
            return False
        path: str = scope["path"]
        root: str = scope.get("root_path", "").rstrip("/")
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        if self._excluded.fullmatch(path) is None:
            return False
        # Whoever resolves dot segments further in (RFC 3986 §5.2.4) would serve another path.
        return not {".", ".."}.intersection(path.split("/"))


class Credentials:
    """`request.auth`: the caller and what it may do, in Starlette's shape."""

    __slots__ = ("identity",)

    def __init__(self, identity: Identity | None) -> None:
        self.identity = identity

    @property
    def scopes(self) -> list[str]:
        """The token's scopes, after `authenticated`, by which Starlette's `requires` tells callers
        from strangers.
        """
        return [] if self.identity is None else ["authenticated", *self.identity.scopes]

    def __repr__(self) -> str:
        return f"Credentials(scopes={self.scopes!r})"


class User:
    """`request.user`, in Starlette's shape."""

    __slots__ = ("_identity",)

    def __init__(self, identity: Identity | None) -> None:
        self._identity = identity

    @property
    def is_authenticated(self) -> bool:
        return self._identity is not None

    @property
    def display_name(self) -> str:
        """The token's subject; empty for an anonymous request."""
        return "" if self._identity is None else self._identity.subject

    @property
    def identity(self) -> str:
        """The token's subject, a string by Starlette's contract. The whole `Identity` is
        `request.auth.identity`.
        """
        return self.display_name

    def __repr__(self) -> str:
        return f"User({self.display_name!r})"


def _is_preflight(scope: Scope) -> bool:
    """Fetch §3.2.2: what makes an `OPTIONS` request a CORS preflight is this field."""
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


def _excluded(patterns: Iterable[str]) -> re.Pattern[str] | None:
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


_ANONYMOUS = Credentials(None)
_NOBODY = User(None)
#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
