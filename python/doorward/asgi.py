"""The ASGI door: a middleware for any ASGI framework, without a framework."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ._authenticator import Authenticator
from ._doorward import Credentials, Identity, Pending, Policy, User, admit
from ._rejection import Rejection
from ._verdict import VERDICT, first_try, permitted, refused, verdict
from ._websocket import handshake
from .observe import verified

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

    A websocket's session cookie counts only where one of the authorized parties, or this host,
    opens it: browsers send cookies along from every page in the world.

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
        # Whoever asks for nothing special gets the short way.
        self._direct = (
            policy is None and type(self) is AuthMiddleware and type(auth) is Authenticator
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            await self.app(scope, receive, send)
            return
        may_be_open = self._excluded is not None or scope.get("method") == "OPTIONS"
        if may_be_open and self._is_open(scope):
            inner = dict(scope)
            self.admit(inner, None)
            await self.app(inner, receive, send)
            return
        found: Identity | Rejection | Pending
        if kind == "http" and self._direct and VERDICT not in scope:
            try:
                admitted = self.auth.admit_nowait(scope)
            except Rejection as rejection:
                inner = dict(scope)
                found = refused(self.auth, inner, rejection)
            else:
                if isinstance(admitted, dict):
                    verified(admitted["state"]["identity"])
                    await self.app(admitted, receive, send)
                    return
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


#: RFC 6455 §7.4.1.
_POLICY_VIOLATION = 1008
