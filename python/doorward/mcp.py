"""The door for servers of the official MCP SDK (`mcp`), and what `doorward.fastmcp` shares with it.

    server = MCPServer("notes")
    app = protect(server.streamable_http_app(), auth)

`auth` has a `resource`, the server's URL: `protect` serves its metadata (RFC 9728), challenges who
has no token, refuses who may not, and tells the server's session layer who came in, so that a
session belongs to whoever opened it. Tools ask `mcp.server.auth.middleware.auth_context`, or
`identity()`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, cast

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials

from ._authenticator import Authenticator
from ._doorward import Identity, Pending, Policy, ProtectedResource
from ._rejection import ConfigError, Rejection
from ._verdict import report

__all__ = [
    "Caller",
    "Gate",
    "ProtectedServer",
    "TokenVerifier",
    "identity",
    "presented_token",
    "protect",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Caller(AuthenticatedUser):
    """`request.user` behind the door: the SDK's user, and the verified identity."""

    def __init__(
        self, access_token: AccessToken, verified: Identity, presented: str, gate: Gate
    ) -> None:
        super().__init__(access_token)
        self.verified = verified
        self.gate = gate
        self._presented = presented


def identity() -> Identity:
    """The verified caller for whom a tool works. Raises `LookupError` without one."""
    caller = auth_context_var.get()
    if not isinstance(caller, Caller):
        raise LookupError("nobody was let in here by Doorward")
    return caller.verified


def presented_token() -> str:
    """The token as the client presented it. It was made for this server: an API that is sent it can
    do in the caller's name what this server can, and should refuse it (MCP: no token passthrough).
    Raises `LookupError` without a caller.
    """
    caller = auth_context_var.get()
    if not isinstance(caller, Caller):
        raise LookupError("nobody was let in here by Doorward")
    return caller._presented  # pyright: ignore[reportPrivateUsage]


class Gate(Protocol):
    """Who decides about a request: at once, or after a wait where that cannot be."""

    def admit(self, scope: Scope) -> Caller | Rejection | Awaitable[Caller | Rejection]: ...

    def guards(self, scope: Scope, found: Identity) -> Authenticator | None:
        """Who says what the calls in the request's body take, if that is to be asked at the door.
        Where it is asked further in, this is where that is arranged.
        """
        ...


class TokenVerifier:
    """Verifies bearer tokens by an authenticator; the SDK's `token_verifier=`.

    `verify_token` answers `None` for a token that is not good, as the protocol wants. Where nobody
    can say whether it is good (503) it raises `Rejection`: `None` would tell the client to throw a
    good token away. `protect` answers such requests with 503 and Retry-After.

    `AccessToken.token` is a digest unless `expose_token` is set: what a tool does not have it
    cannot pass on. `client_id` is the MCP client's, `claims["iss"]` is always there.
    """

    def __init__(
        self,
        auth: Authenticator,
        *,
        required_scopes: list[str] | None = None,
        expose_token: bool = False,
    ) -> None:
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"auth: expected an Authenticator, found {type(auth).__name__}")
        self.auth = auth
        self.required_scopes = list(required_scopes or ())
        self._policy = Policy(scopes=self.required_scopes) if self.required_scopes else None
        self._expose_token = expose_token

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning, or `None`. Raises `Rejection` (503) where nobody can tell, and
        `ConfigError` if some tool takes a scope: it is `protect` that looks at calls.
        """
        if self.auth.guards_tools:
            raise ConfigError(
                "tool_scopes: nobody would look at the calls; put protect(app, auth) in front of"
                " the server, and leave its own token_verifier out"
            )
        try:
            found = await self.auth.verify_async(token)
            if self._policy is not None:
                self.auth.permit(self._policy, found)
        except Rejection as rejection:
            report(rejection)
            if rejection.status >= 500:
                raise
            return None
        return self._access_token(found, token)

    def admit(self, scope: Scope) -> Caller | Rejection | Awaitable[Caller | Rejection]:
        try:
            found = self.auth.authenticate_nowait(scope)
            if isinstance(found, Pending):
                return self._admitted(scope)
            return self._caller(found, scope)
        except Rejection as rejection:
            return rejection.with_traceback(None)

    def guards(self, scope: Scope, found: Identity) -> Authenticator | None:
        return self.auth if self.auth.guards_tools else None

    async def _admitted(self, scope: Scope) -> Caller | Rejection:
        try:
            return self._caller(await self.auth.authenticate(scope), scope)
        except Rejection as rejection:
            return rejection.with_traceback(None)

    def _caller(self, found: Identity, scope: Scope) -> Caller:
        if self._policy is not None:
            self.auth.permit(self._policy, found)
        presented = self.auth.token(scope)
        return Caller(self._access_token(found, presented), found, presented, self)

    def _access_token(self, found: Identity, presented: str) -> AccessToken:
        token = presented if self._expose_token else digest_of(presented)
        resource = self.auth.resource
        ours = resource.identifier if resource is not None else None
        made_for = ours if ours in found.audience else None
        return AccessToken(token=token, resource=made_for, **components(found))


def components(found: Identity) -> dict[str, Any]:
    """The fields of an `AccessToken`, but for the token."""
    expires_at = found.expires_at
    return {
        "client_id": found.client_id or found.authorized_party or found.subject,
        "scopes": list(found.scopes),
        "expires_at": None if expires_at >= _NEVER else int(expires_at),
        "subject": found.subject,
        "claims": {**found.claims, "iss": found.issuer},
    }


def digest_of(token: str) -> str:
    """What stands for a token where tools see it: as different as they, and good for nothing."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


class ProtectedServer:
    """The door as an ASGI middleware, outside of the MCP server's own application."""

    def __init__(
        self,
        app: App,
        gate: Gate,
        *,
        enforce: bool = True,
        resource: ProtectedResource | None = None,
    ) -> None:
        self.app = app
        self.gate = gate
        self.enforce = enforce
        self.resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            # A browser asks before it sends anything. It has no token yet, and no call.
            await self.app(_without_user(scope), _again(b"", receive), send)
            return
        if self.resource is not None:
            document = self.resource.answer(scope["method"], scope["path"])
            if document is not None:
                await _answer(send, *document)
                return
        found = self.gate.admit(scope)
        if not isinstance(found, (Caller, Rejection)):
            found = await found
        if isinstance(found, Rejection):
            if self.enforce:
                await refuse(send, found)
                return
            report(found)
            await self.app(_without_user(scope), receive, _refused_by(found, send))
            return
        inner = dict(scope)
        if (auth := self.gate.guards(inner, found.verified)) is not None:
            permitted = await permit_calls(auth, found.verified, inner, receive, send)
            if permitted is None:
                return
            receive = permitted
        inner["user"] = found
        inner["auth"] = AuthCredentials(found.scopes)
        token = auth_context_var.set(found)
        try:
            await self.app(inner, receive, send)
        finally:
            auth_context_var.reset(token)


def protect(app: App, auth: Authenticator, *, required_scopes: list[str] | None = None) -> App:
    """Puts the door in front of the SDK's application, which needs no `auth=` of its own then."""
    gate = TokenVerifier(auth, required_scopes=required_scopes)
    return ProtectedServer(app, gate, resource=auth.resource)


async def permit_calls(
    auth: Authenticator, found: Identity, scope: Scope, receive: Receive, send: Send
) -> Receive | None:
    """Lets the body be read once more if the caller may do what it asks for; `None` if it was
    refused, or the client has gone. Whatever the method: it is the body that calls.
    """
    body = await _body(receive)
    if body is None:
        return None
    if body or scope["method"] == "POST":
        try:
            if len(body) > MAX_CALL_BYTES:
                raise auth.refusal("call_malformed", f"longer than {MAX_CALL_BYTES} bytes")
            if not _is_plain_json(scope):
                raise auth.refusal("call_malformed", "expected application/json in UTF-8")
            auth.permit_call(found, body)
        except Rejection as rejection:
            await refuse(send, rejection.with_traceback(None))
            return None
    return _again(body, receive)


def _is_plain_json(scope: Scope) -> bool:
    """Whether nothing says that the body is to be read otherwise than it is here: a charset of its
    own (UTF-7), a content coding, a form.
    """
    types: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"content-type":
            types.append(value)
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            return False
    return not types or (len(types) == 1 and _PLAIN_JSON.fullmatch(types[0]) is not None)


async def refuse(send: Send, rejection: Rejection) -> None:
    """Answers in the rejection's words, and reports it."""
    report(rejection)
    await _respond(send, rejection)


def _without_user(scope: Scope) -> Scope:
    """The request without whom another door, further out, has let in: that was not to here."""
    if not isinstance(scope.get("user"), AuthenticatedUser):
        return scope
    return {name: value for name, value in scope.items() if name not in ("user", "auth")}


async def _body(receive: Receive) -> bytes | None:
    """The body, or a little more than may be called; `None` if the client has gone."""
    body = bytearray()
    more = True
    while more and len(body) <= MAX_CALL_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Lets the body be read once more, by whom it is for."""
    read = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _refused_by(rejection: Rejection, send: Send) -> Send:
    """Lets what is behind refuse, and says it in our words: which status, which challenge. What a
    CORS middleware adds on the way out stays.
    """
    replaced = False
    # Where the authenticator knows of no resource, what is behind may know more.
    says_more = rejection.status != 401 or any(
        "resource_metadata" in v for _, v in rejection.headers
    )

    async def replacing(message: MutableMapping[str, Any]) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start":
            headers = cast("list[tuple[bytes, bytes]]", list(message.get("headers", ())))
            challenged = any(name.lower() == b"www-authenticate" for name, _ in headers)
            replaced = message["status"] == 401 and challenged and says_more
            if replaced:
                kept = [
                    (name, value)
                    for name, value in headers
                    if name.lower().startswith(b"access-control-") or name.lower() == b"vary"
                ]
                await _respond(send, rejection, kept)
                return
        if not replaced:
            await send(message)

    return replacing


async def _answer(send: Send, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _respond(
    send: Send, rejection: Rejection, kept: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = rejection.body
    headers = [
        *(kept or ()),
        (b"content-type", rejection.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(body)),
    ]
    for name, value in rejection.headers:
        headers.append((name.encode("latin-1"), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": rejection.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


#: How much of a body is read to see which tools it calls.
MAX_CALL_BYTES = 4 * 1024 * 1024
_PLAIN_JSON = re.compile(
    rb'\s*application/json\s*(;\s*charset\s*=\s*(utf-8|"utf-8")\s*)?;?\s*', re.IGNORECASE
)
#: The last second of the year 9999: what the engine has for tokens that never expire.
_NEVER = 253_402_300_799
