"""Guarded websockets, down to the messages. What servers and clients make of them is in
`test_fastapi_servers.py`.
"""

# FastAPI evaluates the annotations of the routes below: they must not be strings.

import asyncio
import gc
import logging
import re
import weakref
from typing import Annotated, Any

import pytest
import trio
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.security import SecurityScopes
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer

from doorward import Authenticator, Identity, Rejection, _websocket
from doorward._verdict import verdict
from doorward._websocket import HEADERS, Places, Session, handshake
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard, OptionalGuard, WebSocketGuard, renew
from doorward.testing import DevIssuer

BEARER = Places(subprotocol="bearer")


def scope_of(*headers: tuple[str, str], **changes: Any) -> dict[str, Any]:
    """The scope of a handshake."""
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return {"type": "websocket", "scheme": "ws", "path": "/", "headers": fields, **changes}


# Where credentials may stand


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "counts"),
    [
        (PARTY, "api.example", "ws", True),
        (PARTY, "api.example", "wss", True),
        ("https://api.example", "api.example", "wss", True),
        ("https://api.example", "API.example:443", "wss", True),
        ("http://api.example", "api.example:80", "ws", True),
        ("https://api.example:8443", "api.example:8443", "wss", True),
        # TLS ends at a proxy.
        ("https://api.example", "api.example", "ws", True),
        # Whoever forges a page in plain http.
        ("http://api.example", "api.example", "wss", False),
        ("https://api.example", "api.example:8443", "wss", False),
        ("https://api.example:443", "api.example:80", "wss", False),
        ("https://evil.example", "api.example", "wss", False),
        ("https://api.example.evil.example", "api.example", "wss", False),
        ("https://evil-api.example", "api.example", "wss", False),
        ("https://x@api.example", "api.example", "wss", False),
        ("https://api.example/", "api.example", "wss", False),
        ("https://api.example#", "api.example", "wss", False),
        ("ftp://api.example", "api.example", "ws", False),
        ("api.example", "api.example", "ws", False),
        ("https://[", "[", "wss", False),
        ("null", "null", "ws", False),
        ("", "", "ws", False),
        (PARTY + "/", "api.example", "ws", False),
        (PARTY.upper(), "api.example", "ws", False),
        (PARTY + ", https://evil.example", "api.example", "ws", False),
    ],
)
async def test_whose_cookies_count(
    auth: Authenticator, keys: Signer, origin: str, host: str, scheme: str, counts: bool
) -> None:
    cookie = f"__session={keys.session()}"
    scope = scope_of(("host", host), ("origin", origin), ("cookie", cookie), scheme=scheme)
    found = await verdict(auth, handshake(auth, scope))
    assert isinstance(found, Identity) is counts
    assert counts or (isinstance(found, Rejection) and found.absent)


async def test_cookies_of_two_origins_or_none_do_not_count(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cookie = ("cookie", f"__session={keys.session()}")
    for origins in ([], [("origin", PARTY), ("origin", PARTY)]):
        judged = handshake(auth, scope_of(cookie, *origins))
        assert not any(name == b"cookie" for name, _ in judged["headers"])
    two_hosts = [("host", "a.example"), ("host", "b.example"), ("origin", "http://a.example")]
    judged = handshake(auth, scope_of(cookie, *two_hosts))
    assert not any(name == b"cookie" for name, _ in judged["headers"])
    assert "its Origin is missing" in caplog.text
    assert keys.session() not in caplog.text


def test_what_an_origin_says_cannot_break_a_log(
    auth: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    handshake(auth, scope_of(("cookie", "a=b"), ("origin", "http://\n\x1b[31m" + "é" * 999)))
    (line,) = caplog.messages
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 1200


async def test_a_header_is_not_rescued_nor_spoiled_by_a_cookie(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    foreign = [("cookie", f"__session={keys.session()}"), ("origin", "https://evil.example")]
    good = ("authorization", f"Bearer {keys.session()}")
    assert isinstance(await verdict(auth, handshake(auth, scope_of(good, *foreign))), Identity)
    assert caplog.messages == []
    junk = ("authorization", "Bearer junk")
    found = await verdict(auth, handshake(auth, scope_of(junk, *foreign)))
    assert isinstance(found, Rejection)
    assert not found.absent


def test_what_needs_no_change_is_not_copied(auth: Authenticator) -> None:
    scope = scope_of(("authorization", "Bearer x"), ("origin", "https://evil.example"))
    assert handshake(auth, scope) is scope
    assert handshake(auth, scope, BEARER) is scope


def tokens(judged: Any) -> list[bytes]:
    return [value for name, value in judged["headers"] if name == b"authorization"]


def test_tokens_among_subprotocols(auth: Authenticator) -> None:
    scope = scope_of(subprotocols=["chat", "bearer.a.b.c", "bearer", "bearer2.x", "other"])
    judged = handshake(auth, scope, BEARER)
    assert tokens(judged) == [b"Bearer a.b.c"]
    assert scope["subprotocols"] == ["chat", "bearer", "bearer2.x", "other"]
    # Whoever asks again, or for less, gets the same.
    assert handshake(auth, scope, BEARER) is judged
    assert handshake(auth, scope, HEADERS) is judged


def test_tokens_in_the_url(auth: Authenticator) -> None:
    places = Places(query_parameter="access_token")
    query = b"a=1&access%5Ftoken=x%2Ey+z&b=%C3%A9&access_tokens=2&&c"
    scope = scope_of(query_string=query)
    assert tokens(handshake(auth, scope, places)) == [b"Bearer x.y z"]
    assert scope["query_string"] == b"a=1&b=%C3%A9&access_tokens=2&&c"
    for query in (b"", b"access_tokens=1", b"%61ccess=1"):
        scope = scope_of(query_string=query)
        assert handshake(auth, scope, places) is scope


@pytest.mark.parametrize(
    ("headers", "offered", "query", "reason"),
    [
        ([], ["bearer.T1"], b"", None),
        ([("authorization", "Bearer T1")], ["bearer.T1"], b"access_token=T1", None),
        ([("authorization", "bearer  T1")], ["bearer.T1", "bearer.T1"], b"", None),
        ([("authorization", "Bearer T1")], ["bearer.T2"], b"", "multiple_credentials"),
        ([], ["bearer.T1", "bearer.T2"], b"", "multiple_credentials"),
        ([], ["bearer.T1"], b"access_token=T2", "multiple_credentials"),
        ([], [], b"access_token=T1&access_token=T2", "multiple_credentials"),
        ([("authorization", "Basic T1")], ["bearer.T1"], b"", "multiple_credentials"),
        ([], ["bearer."], b"", "authorization_malformed"),
        ([], [], b"access_token", "authorization_malformed"),
        ([], [], b"access_token=", "authorization_malformed"),
        ([], [], b"access_token=T1%0D%0Ax:y", "authorization_malformed"),
        ([], [], b"access_token=T1%20T2", "authorization_malformed"),
        ([], ["bearer.ü"], b"", "authorization_malformed"),
        ([], [], b"access_token=%F0%28", "authorization_malformed"),
        ([], ["Bearer.T1"], b"", "credentials_missing"),
    ],
)
async def test_two_that_differ_are_too_many(
    auth: Authenticator,
    keys: Signer,
    headers: list[tuple[str, str]],
    offered: list[str],
    query: bytes,
    reason: str | None,
) -> None:
    both = {"T1": keys.session(), "T2": keys.session(jti="jti_2")}

    def fill(text: str) -> str:
        # In one pass: a token may have a hole's name in it.
        return re.sub("T[12]", lambda hole: both[hole[0]], text)

    scope = scope_of(
        *[(name, fill(value)) for name, value in headers],
        subprotocols=[fill(one) for one in offered],
        query_string=fill(query.decode()).encode(),
    )
    places = Places(subprotocol="bearer", query_parameter="access_token")
    found = await verdict(auth, handshake(auth, scope, places))
    assert (found.reason if isinstance(found, Rejection) else None) == reason


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"subprotocol": "bearer."}, "expected the word before the dot.*found 'bearer.'"),
        ({"subprotocol": ""}, "expected the word before the dot"),
        ({"subprotocol": "a b"}, "expected the word before the dot"),
        ({"query_parameter": ""}, "query_parameter: expected a name"),
    ],
)
def test_places_that_are_none(auth: Authenticator, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Guard(auth).websocket(**options)


# A session, message by message


class Wire:
    """A server's end of a connection, in a test's hands."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.outgoing: list[Any] = []
        self.broken: Exception | None = None

    async def receive(self) -> Any:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.outgoing.append(message)

    def says(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is asked all the time."""
    monkeypatch.setattr(_websocket, "_LONGEST_PAUSE", 0.01)


async def session_of(
    auth: Authenticator, wire: Wire, token: str, *, accept: bool = True
) -> Session:
    judged = scope_of(("authorization", f"Bearer {token}"))
    identity = await verdict(auth, judged)
    assert isinstance(identity, Identity)
    session = Session(auth, judged, identity, wire.receive, wire.send)
    session.watch()
    if accept:
        await session.send({"type": "websocket.accept"})
        wire.outgoing.clear()
    return session


GONE = {"type": "websocket.disconnect", "code": 4401, "reason": "token_expired"}
GOODBYE = {"type": "websocket.close", "code": 4401, "reason": "token_expired"}


@pytest.mark.usefixtures("impatient")
async def test_whoever_waits_for_a_message_is_told(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    session = await session_of(auth, wire, keys.session())
    wire.says("hello")
    assert (await session.receive())["text"] == "hello"
    waiting = asyncio.ensure_future(session.receive())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    clock.now = NOW + 56
    assert await asyncio.wait_for(waiting, 5) == GONE
    assert wire.outgoing == [GOODBYE]
    # What came too late is never seen, and what is sent meets nobody.
    wire.says("late")
    assert await session.receive() == GONE
    with pytest.raises(OSError, match="token_expired"):
        await session.send({"type": "websocket.send", "text": "late"})
    await session.send({"type": "websocket.close", "code": 1000})
    assert wire.outgoing == [GOODBYE]
    await session.stop()


@pytest.mark.usefixtures("impatient")
async def test_whoever_cancels_at_the_same_time_is_heard(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    session = await session_of(auth, wire, keys.session())
    waiting = asyncio.ensure_future(session.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert session.ended is None
    wire.says("still there")
    assert (await session.receive())["text"] == "still there"

    async def with_a_timeout() -> Any:
        return await asyncio.wait_for(session.receive(), 0.02)

    with pytest.raises(asyncio.TimeoutError):
        await with_a_timeout()
    clock.now = NOW + 56
    assert await session.receive() == GONE
    await session.stop()


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_said_before_it_was_accepted(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    session = await session_of(auth, wire, keys.session(), accept=False)
    clock.now = NOW + 56
    while session.ended is None:
        await asyncio.sleep(0.01)
    assert wire.outgoing == []
    wire.incoming.put_nowait({"type": "websocket.connect"})
    assert await session.receive() == {"type": "websocket.connect"}
    await session.send({"type": "websocket.accept"})
    assert wire.outgoing == [{"type": "websocket.accept"}, GOODBYE]
    assert await session.receive() == GONE
    await session.stop()


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_has_gone_needs_no_goodbye(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    session = await session_of(auth, wire, keys.session())
    wire.broken = ConnectionResetError("gone")
    clock.now = NOW + 56
    assert await session.receive() == GONE
    await session.stop()


@pytest.mark.usefixtures("impatient")
async def test_goes_on_while_the_engine_is_content(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    """The engine has the leeway, and the clock."""
    session = await session_of(auth, wire, keys.session())
    for now in (NOW + 49, NOW + 54):
        clock.now = now
        await asyncio.sleep(0.05)
        assert session.ended is None
    # A fresh token of the same caller moves the end.
    fresh = keys.session(now=NOW + 54)
    assert (await session.renew(fresh)).expires_at == NOW + 104
    clock.now = NOW + 100
    await asyncio.sleep(0.05)
    assert session.ended is None
    clock.now = NOW + 110
    assert await session.receive() == GONE
    with pytest.raises(ConnectionAbortedError):
        await session.renew(keys.session(now=NOW + 110))
    await session.stop()


async def test_trouble_on_our_side_is_not_the_callers(wire: Wire, clock: Clock) -> None:
    with DevIssuer(clock=clock) as issuer:
        auth = Authenticator.clerk(publishable_key=issuer.publishable_key, clock=clock)
        session = await session_of(auth, wire, issuer.mint(azp=PARTY))
        issuer.rotate()
        issuer.fault("down")
        clock.now += 30
        with pytest.raises(ConnectionAbortedError):
            await session.renew(issuer.mint(azp=PARTY))
        assert session.ended == (1013, "keys_unavailable")
        assert wire.outgoing[-1]["code"] == 1013
        await session.stop()


@pytest.mark.parametrize("token", ["", "junk", "a b", "\r\nx: y", "\udc80", "ü"])
async def test_whatever_a_client_calls_a_token(
    auth: Authenticator, keys: Signer, wire: Wire, token: str
) -> None:
    session = await session_of(auth, wire, keys.session())
    with pytest.raises(ConnectionAbortedError):
        await session.renew(token)
    assert session.ended is not None
    assert session.ended[0] in (4401, 1008)
    await session.stop()


async def test_a_renewal_must_satisfy_the_route_as_well(
    auth: Authenticator, keys: Signer, wire: Wire
) -> None:
    guard = Guard(auth).requires(role="admin")
    app = FastAPI()

    @app.websocket("/")
    async def listen(
        websocket: WebSocket, caller: Annotated[Identity, Depends(guard.websocket())]
    ) -> None:
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as gone:
            await renew(websocket, await websocket.receive_text())
        assert gone.value.code == 4403
        raise gone.value

    with TestClient(app).websocket_connect("/", headers=bearer(keys.session())) as session:
        session.send_text(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (4403, "role_required")


async def test_stopping_leaves_nothing_behind(
    auth: Authenticator, keys: Signer, wire: Wire
) -> None:
    before = asyncio.all_tasks()
    session = await session_of(auth, wire, keys.session())
    await session.stop()
    await session.stop()
    assert asyncio.all_tasks() == before
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("impatient")
async def test_an_application_that_closes_is_not_watched_any_longer(
    auth: Authenticator, clock: Clock, keys: Signer, wire: Wire
) -> None:
    session = await session_of(auth, wire, keys.session())
    await session.send({"type": "websocket.close", "code": 1000})
    clock.now = NOW + 56
    await asyncio.sleep(0.05)
    assert wire.outgoing == [{"type": "websocket.close", "code": 1000}]
    await session.stop()


def test_on_another_event_loop(auth: Authenticator, keys: Signer) -> None:
    async def serve() -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.receive", "text": "hello"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        judged = scope_of(("authorization", f"Bearer {keys.session()}"))
        identity = await verdict(auth, judged)
        assert isinstance(identity, Identity)
        session = Session(auth, judged, identity, receive, send)
        await session.send({"type": "websocket.accept"})
        assert (await session.receive())["text"] == "hello"
        with pytest.raises(RuntimeError, match="takes asyncio"):
            session.watch()
        with pytest.raises(ConnectionAbortedError):
            await session.renew("junk")
        assert (await session.receive())["code"] == 4401
        assert sent == ["websocket.accept", "websocket.close"]
        await session.stop()

    trio.run(serve)


@pytest.mark.parametrize(
    ("offered", "accepted", "expected"),
    [
        (["bearer.T", "chat", "other"], None, "chat"),
        (["chat", "bearer.T"], None, "chat"),
        (["bearer.T", "chat", "other"], "other", "other"),
        (["bearer.T"], None, None),
    ],
)
async def test_answers_with_another_subprotocol(
    auth: Authenticator,
    keys: Signer,
    wire: Wire,
    offered: list[str],
    accepted: str | None,
    expected: str | None,
) -> None:
    scope = scope_of(subprotocols=[one.replace("T", keys.session()) for one in offered])
    judged = handshake(auth, scope, BEARER)
    identity = await verdict(auth, judged)
    assert isinstance(identity, Identity)
    session = Session(auth, judged, identity, wire.receive, wire.send)
    message = {"type": "websocket.accept", "subprotocol": accepted, "headers": []}
    await session.send(message)
    assert wire.outgoing[0]["subprotocol"] == expected
    assert message["subprotocol"] == accepted


# In FastAPI


def test_several_guards_share_a_connection(auth: Authenticator, keys: Signer) -> None:
    guard = Guard(auth)
    app = FastAPI()
    router = APIRouter(dependencies=[Depends(guard.websocket())])

    @router.websocket("/")
    async def listen(
        websocket: WebSocket,
        one: Annotated[Identity, Depends(guard)],
        two: Annotated[Identity, Depends(guard.websocket(close_at_expiry=True))],
        three: Annotated[Identity | None, Depends(guard.optional)],
    ) -> None:
        await websocket.accept()
        await websocket.send_json([one.subject, one is two is three, "doorward.session"])
        assert isinstance(websocket.scope["doorward.session"], Session)
        assert websocket.scope["subprotocols"] == ["chat"]
        await websocket.close()

    app.include_router(router)
    offered = [f"bearer.{keys.session()}", "chat"]
    with TestClient(app).websocket_connect("/", subprotocols=offered) as session:
        assert session.accepted_subprotocol == "chat"
        assert session.receive_json() == ["user_1", True, "doorward.session"]


def test_optional_websockets(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()
    guard = Guard(auth)
    door = guard.websocket(close_at_expiry=True).optional
    assert isinstance(door, WebSocketGuard)
    assert door is guard.websocket(close_at_expiry=True).optional

    @app.websocket("/")
    async def listen(
        websocket: WebSocket, caller: Annotated[Identity | None, Depends(door)]
    ) -> None:
        await websocket.accept()
        await websocket.send_json(caller and caller.subject)
        await websocket.close()

    client = TestClient(app)
    with client.websocket_connect("/") as session:
        assert session.receive_json() is None
    with client.websocket_connect("/", headers=bearer(keys.session())) as session:
        assert session.receive_json() == "user_1"
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/", headers=bearer("junk")),
    ):
        pass
    assert refused.value.status_code == 401
    # Cookies from elsewhere are as good as none.
    cookie = {"Cookie": f"__session={keys.session()}", "Origin": "https://evil.example"}
    with client.websocket_connect("/", headers=cookie) as session:
        assert session.receive_json() is None


def test_guards_without_a_socket_of_their_own_look_at_the_origin_too(
    auth: Authenticator, keys: Signer
) -> None:
    app = FastAPI()
    guard = Guard(auth)

    @app.websocket("/")
    async def listen(
        websocket: WebSocket, caller: Annotated[Identity | None, Depends(guard.optional)]
    ) -> None:
        await websocket.accept()
        await websocket.send_json(caller and caller.subject)
        await websocket.close()

    client = TestClient(app)
    assert isinstance(guard.optional, OptionalGuard)
    for origin, subject in ((PARTY, "user_1"), ("https://evil.example", None)):
        headers = {"Cookie": f"__session={keys.session()}", "Origin": origin}
        with client.websocket_connect("/", headers=headers) as session:
            assert session.receive_json() == subject


def test_a_websocket_guard_is_for_websockets(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()
    app.get("/", dependencies=[Depends(Guard(auth).websocket())])(lambda: "in")
    with pytest.raises(RuntimeError, match="is for websocket routes"):
        TestClient(app).get("/", headers=bearer(keys.session()))


@pytest.mark.parametrize(
    ("token", "demand", "code", "reason"),
    [
        (None, {}, 4401, "credentials_missing"),
        ("junk", {}, 4401, "token_malformed"),
        ("good", {"role": "owner"}, 4403, "role_required"),
        ("good good", {}, 1008, "authorization_malformed"),
    ],
)
def test_refusals_after_accepting(
    auth: Authenticator,
    keys: Signer,
    token: str | None,
    demand: dict[str, Any],
    code: int,
    reason: str,
) -> None:
    app = FastAPI()
    guard = Guard(auth).requires(**demand) if demand else Guard(auth)

    @app.websocket("/")
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("welcome")
        await guard(websocket, SecurityScopes())
        raise AssertionError("let in")

    headers = bearer(token.replace("good", keys.session())) if token else {}
    with TestClient(app).websocket_connect("/", headers=headers) as session:
        assert session.receive_text() == "welcome"
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (code, reason)


def test_renewing_what_was_never_guarded(auth: Authenticator) -> None:
    app = FastAPI()

    @app.websocket("/")
    async def listen(websocket: WebSocket) -> None:
        with pytest.raises(RuntimeError, match=r"no guard\.websocket"):
            await renew(websocket, "junk")
        await websocket.accept()
        await websocket.send_text("unguarded")
        await websocket.close()

    with TestClient(app).websocket_connect("/") as session:
        assert session.receive_text() == "unguarded"


def test_behind_the_middleware(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()

    @app.websocket("/")
    async def listen(
        websocket: WebSocket, caller: Annotated[Identity, Depends(Guard(auth).websocket())]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)
        await websocket.close()

    app.add_middleware(AuthMiddleware, auth=auth, optional=True)
    client = TestClient(app)
    with client.websocket_connect("/", headers=bearer(keys.session())) as session:
        assert session.receive_text() == "user_1"
    with client.websocket_connect("/", subprotocols=[f"bearer.{keys.session()}", "x"]) as session:
        assert session.receive_text() == "user_1"
    cookie = {"Cookie": f"__session={keys.session()}", "Origin": "https://evil.example"}
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/", headers=cookie),
    ):
        pass
    assert refused.value.status_code == 401


def test_problem_details_at_the_handshake(keys: Signer, clock: Clock) -> None:
    auth = Authenticator.clerk(
        issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, problem_details=True
    )
    app = FastAPI()

    @app.websocket("/", dependencies=[Depends(Guard(auth).websocket())])
    async def listen(websocket: WebSocket) -> None: ...

    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        TestClient(app).websocket_connect("/"),
    ):
        pass
    assert refused.value.headers["content-type"] == "application/problem+json"
    assert refused.value.json()["reason"] == "credentials_missing"


def test_a_query_parameter_is_loud(auth: Authenticator, caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(auth)
    guard.websocket()
    assert caplog.messages == []
    guard.websocket(query_parameter="access_token")
    assert "logs" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
