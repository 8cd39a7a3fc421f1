"""What websockets need besides, in plain ASGI for every adapter: places where a browser can put a
token, cookies that count only on our own pages, and an end when the credentials' time is up.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from ._origin import is_encrypted, is_same_host
from ._rejection import Rejection
from ._verdict import DOOR, report, verdict

if TYPE_CHECKING:
    from ._authenticator import Authenticator
    from ._doorward import Identity

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_logger = logging.getLogger("doorward")


@dataclass(frozen=True)
class Places:
    """Where in a handshake credentials may stand, besides the Authorization header.

    `cookies`  the session cookie, on handshakes that come from a page of ours.
    `subprotocol`  the word in front of the dot: a client offers the sub-protocols `"chat"` and
                   `"bearer.<token>"`.
    `query_parameter`  the name of one in the URL. URLs end up in logs, histories and referrers.
    """

    cookies: bool = True
    subprotocol: str | None = None
    query_parameter: str | None = None

    def __post_init__(self) -> None:
        word = self.subprotocol
        # RFC 6455 §4.1 has sub-protocols be tokens of RFC 9110 §5.6.2.
        if word is not None and not re.fullmatch(r"[A-Za-z0-9!#$%&'*+^_`|~-]+", word):
            raise ValueError(
                f"subprotocol: expected the word before the dot, such as 'bearer', found {word!r}"
            )
        if self.query_parameter == "":
            raise ValueError("query_parameter: expected a name, such as 'access_token'")
        if self.query_parameter is not None:
            _logger.warning(
                "query_parameter=%r: tokens in URLs end up in logs and histories; use it only "
                "for clients that can send neither a header nor a sub-protocol",
                self.query_parameter,
            )


#: What a browser sends by itself and what every other client can send.
HEADERS = Places()


def handshake(auth: Authenticator, scope: Scope, places: Places = HEADERS) -> Scope:
    """What of a handshake is to be judged: a scope for `verdict`.

    Cookies are left out unless the request comes from a page of ours: browsers send them along from
    every page in the world, and no CORS protects a websocket. A token in another place becomes an
    Authorization field, so that two which differ are as wrong as two such fields; it is taken out
    of `scope`, where neither the application nor an access log needs it.
    """
    scope[DOOR] = auth
    remembered = scope.get(_HANDSHAKE)
    # Whoever asks for less afterwards is content with what was found in all places.
    if remembered and remembered[0] is auth and places in (remembered[1], HEADERS):
        return remembered[2]
    fields: list[tuple[bytes, bytes]] = [(name, value) for name, value in scope["headers"]]
    tokens = [*_take_subprotocols(scope, places), *_take_parameters(scope, places)]
    for token in tokens:
        if not any(name == b"authorization" and _holds(value, token) for name, value in fields):
            fields.append((b"authorization", b"Bearer " + token))
    has_cookies = any(name == b"cookie" for name, _ in fields)
    without_cookies = has_cookies and not (places.cookies and _is_ours(auth, scope, fields))
    if without_cookies:
        fields = [field for field in fields if field[0] != b"cookie"]
    if not tokens and not without_cookies:
        return scope
    judged = {**scope, "headers": fields}
    scope[_HANDSHAKE] = (auth, places, judged)
    return judged


#: Where a scope remembers what of it is judged.
_HANDSHAKE = "doorward.handshake"
#: Where it remembers the sub-protocol to answer with.
_SUBPROTOCOL = "doorward.subprotocol"


def _take_subprotocols(scope: Scope, places: Places) -> list[bytes]:
    """The tokens among the sub-protocols, which the scope holds no longer."""
    if places.subprotocol is None:
        return []
    prefix = places.subprotocol + "."
    offered: list[str] = list(scope.get("subprotocols") or ())
    tokens = [one[len(prefix) :] for one in offered if one.startswith(prefix)]
    if tokens:
        others = [one for one in offered if not one.startswith(prefix)]
        scope["subprotocols"] = others
        # Browsers hang up on a server that answers none of the sub-protocols they offered.
        scope[_SUBPROTOCOL] = others[0] if others else None
    return [token.encode("utf-8", "replace") for token in tokens]


def _take_parameters(scope: Scope, places: Places) -> list[bytes]:
    """The tokens in the query, which the scope holds no longer: servers log it."""
    if places.query_parameter is None:
        return []
    tokens: list[bytes] = []
    rest: list[bytes] = []
    for part in scope.get("query_string", b"").split(b"&"):
        name, _, value = part.decode("latin-1").partition("=")
        if unquote_plus(name) == places.query_parameter:
            tokens.append(unquote_plus(value).encode("utf-8", "replace"))
        else:
            rest.append(part)
    if tokens:
        scope["query_string"] = b"&".join(rest)
    return tokens


def _holds(authorization: bytes, token: bytes) -> bool:
    """Whether an Authorization field presents this very token."""
    scheme, _, presented = authorization.partition(b" ")
    return scheme.lower() == b"bearer" and presented.strip() == token


def _is_ours(auth: Authenticator, scope: Scope, fields: list[tuple[bytes, bytes]]) -> bool:
    """Whether a page of ours opens this websocket (RFC 6455 §10.2).

    Browsers always say where the page is from; who does not say it has no need for cookies.
    """
    origins = [value.decode("latin-1") for name, value in fields if name == b"origin"]
    if len(origins) == 1:
        hosts = [value.decode("latin-1") for name, value in fields if name == b"host"]
        if origins[0] in auth.authorized_parties or is_same_host(
            origins[0], hosts, is_encrypted(scope)
        ):
            return True
    if not any(name == b"authorization" for name, _ in fields):
        _logger.info(
            "the cookies of a websocket handshake do not count: its Origin is %s, which is neither "
            "this host nor an authorized party",
            ", ".join(ascii(origin[:200]) for origin in origins) or "missing",
        )
    return False


class Session:
    """A guarded connection. Its `receive` and `send` stand between server and application.

    It accepts with the right sub-protocol. Watched, it ends when the engine no longer accepts the
    credentials: it closes with 4401, and the application sees what it sees when a client leaves.
    """

    def __init__(
        self,
        auth: Authenticator,
        judged: Scope,
        identity: Identity,
        receive: Receive,
        send: Send,
    ) -> None:
        self.identity = identity
        #: What the caller must satisfy after a renewal as well.
        self.demands: list[Callable[[Identity], Rejection | None]] = []
        #: The code and the reason of the end, once it came.
        self.ended: tuple[int, str] | None = None
        self._auth = auth
        self._headers: list[tuple[bytes, bytes]] = list(judged["headers"])
        self._subprotocol: str | None = judged.get(_SUBPROTOCOL)
        self._receive = receive
        self._send = send
        self._accepted = False
        self._receiving: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        message = None if self.ended and self._accepted else await self._next()
        if message is not None and not (self.ended and self._accepted):
            return message
        code, reason = self.ended or _UNKNOWN
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            if self._subprotocol is not None and message.get("subprotocol") is None:
                message = {**message, "subprotocol": self._subprotocol}
            await self._send(message)
            self._accepted = True
            if self.ended:
                await self._say_goodbye(*self.ended)
            return
        if self.ended and self._accepted:
            if kind == "websocket.close":
                return
            # ASGI: what a send on a connection that is gone raises.
            raise ConnectionAbortedError(f"the connection was closed: {self.ended[1]}")
        if kind == "websocket.close":
            self._disarm()
        await self._send(message)

    def watch(self) -> None:
        """Ends the connection when its credentials' time is up."""
        if _current_task() is None:
            raise RuntimeError("to close at expiry takes asyncio; this server runs on another loop")
        if self._timer is None and self._asking is None:
            self._arm()

    async def renew(self, token: str) -> Identity:
        """Goes on with a fresh token of the same caller. Any other token ends the connection.

        Raises `ConnectionAbortedError` if it ends.
        """
        if self.ended is None:
            fields = [(b"authorization", b"Bearer " + token.encode("utf-8", "replace"))]
            found = await verdict(self._auth, {"headers": fields})
            if not isinstance(found, Rejection):
                lacking = (demand(found) for demand in self.demands)
                found = next((one for one in lacking if one is not None), found)
            await self._go_on(found, fields)
        if self.ended:
            raise ConnectionAbortedError(f"the connection was closed: {self.ended[1]}")
        return self.identity

    async def stop(self) -> None:
        """Leaves nothing behind. To be called when the application is done."""
        self._disarm()
        asking = self._asking
        if asking is not None:
            if self.ended is None:
                asking.cancel()
            # A goodbye is finished: the server would cut it short.
            await asyncio.wait((asking,))

    async def _go_on(self, found: Identity | Rejection, fields: list[tuple[bytes, bytes]]) -> None:
        if isinstance(found, Rejection):
            await self._end(CLOSE_CODES.get(found.status, 1008), found.reason.value)
        elif (found.issuer, found.subject) != (self.identity.issuer, self.identity.subject):
            await self._end(4403, "another_caller")
        elif self.ended is None:
            self.identity, self._headers = found, fields
            if self._timer is not None:
                self._disarm()
                self._arm()

    async def _next(self) -> Message | None:
        """The next message, or nothing if the end comes first."""
        task = _current_task()
        if task is None:
            return await self._receive()
        self._receiving.add(task)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if task in self._receiving:
                raise
            # `_end` interrupted it. Whoever cancels the task at the same time is heard as well;
            # Python 3.10 cannot tell.
            if sys.version_info >= (3, 11) and task.uncancel() > 0:
                raise
            return None
        finally:
            self._receiving.discard(task)

    def _arm(self) -> None:
        # The engine knows its leeway and its clock, so it is asked once the time seems to be up,
        # and again while it is content; now and then in between, for clocks jump and tokens are
        # revoked.
        left = self.identity.expires_at - time.time()
        pause = min(max(left, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._timer = asyncio.get_running_loop().call_later(pause, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        headers = self._headers
        try:
            await self._auth.authenticate({"headers": headers})
        except Rejection as rejection:
            # Unless it was renewed meanwhile.
            if headers is self._headers:
                report(rejection)
                await self._end(CLOSE_CODES.get(rejection.status, 1008), rejection.reason.value)
        self._asking = None
        if self.ended is None:
            self._arm()

    async def _end(self, code: int, reason: str) -> None:
        if self.ended:
            return
        self.ended = code, reason
        self._disarm()
        interrupted, self._receiving = self._receiving, set()
        for task in interrupted:
            task.cancel()
        if self._accepted:
            await self._say_goodbye(code, reason)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            # The client, or the application, was faster.
            _logger.debug("closed already", exc_info=True)


def _current_task() -> asyncio.Task[Any] | None:
    """The task that can be interrupted; there is none on trio."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


#: How a connection ends for a refusal of that status. 4000 and up are for applications (RFC 6455
#: §7.4.2); 1013 is "try again later" in IANA's registry. Any other is a policy violation, 1008.
CLOSE_CODES = {401: 4401, 403: 4403, 503: 1013}
#: RFC 6455 §7.1.5.
_UNKNOWN = (1005, "")
#: Seconds between two questions.
_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
