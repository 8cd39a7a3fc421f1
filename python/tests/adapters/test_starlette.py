"""`requires`, on every kind of Starlette's endpoints and behind every door."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import http_table
import pytest
from starlette import authentication as theirs
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer

from doorward import Authenticator, ConfigError, Identity, Policy
from doorward._websocket import Session
from doorward.starlette import (
    AuthMiddleware,
    BadCredentials,
    DoorwardBackend,
    Refused,
    authorize,
    identity,
    on_error,
    optional_identity,
    permits,
    renew,
    requires,
)
from doorward.testing import DevIssuer, as_user

MEMBER = {"o": {"id": "org_1", "rol": "member"}, "fea": None}


class Counting(Authenticator):
    """Counts verifications."""

    calls = 0

    def authenticate_nowait(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_nowait(head)


@pytest.fixture
def counting(clock: Clock, keys: Signer) -> Counting:
    Counting.calls = 0
    return Counting.clerk(jwt_key=keys.jwks(), issuer=ISSUER, authorized_parties=PARTY, clock=clock)


async def who(request: Request) -> Response:
    caller = optional_identity(request)
    return PlainTextResponse("nobody" if caller is None else caller.subject)


def client(*routes: Any, door: Any = None, **options: Any) -> TestClient:
    """A client of an application with these routes; a path and an endpoint make a route."""
    made = [one if not isinstance(one, tuple) else Route(*one) for one in routes]
    middleware = [] if door is None else [door]
    return TestClient(Starlette(routes=made, middleware=middleware, **options))


def strict(auth: Authenticator, **options: Any) -> Middleware:
    return Middleware(AuthMiddleware, auth=auth, **options)


def optional(auth: Authenticator) -> Middleware:
    return Middleware(AuthMiddleware, auth=auth, optional=True)


def backend(auth: Authenticator) -> Middleware:
    return Middleware(AuthenticationMiddleware, backend=DoorwardBackend(auth), on_error=on_error)


IN_FRONT = [strict, optional, backend]


# Endpoints


@pytest.mark.parametrize("front", [*IN_FRONT, None])
@pytest.mark.parametrize("kind", ["async", "sync", "partial", "methods", "sync methods", "class"])
def test_every_kind_of_endpoint(auth: Authenticator, keys: Signer, front: Any, kind: str) -> None:
    admin = requires(role="admin", auth=None if front else auth)

    @admin
    async def asynchronous(request: Request) -> Response:
        return PlainTextResponse(identity(request).subject)

    @admin
    def synchronous(request: Request) -> Response:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return PlainTextResponse(identity(request).subject)

    async def greeting(word: str, request: Request) -> Response:
        return PlainTextResponse(word + identity(request).subject)

    class Methods(HTTPEndpoint):
        @admin
        async def get(self, request: Request) -> Response:
            return PlainTextResponse(identity(request).subject)

    class SyncMethods(HTTPEndpoint):
        @admin
        def get(self, request: Request) -> Response:
            return PlainTextResponse(identity(request).subject)

    @admin
    class Whole(HTTPEndpoint):
        """Answers."""

        async def get(self, request: Request) -> Response:
            return PlainTextResponse(identity(request).subject)

    endpoint = {
        "async": asynchronous,
        "sync": synchronous,
        "partial": admin(functools.partial(greeting, "")),
        "methods": Methods,
        "sync methods": SyncMethods,
        "class": Whole,
    }[kind]
    asked = client(Route("/", endpoint), door=front and front(auth))
    assert asked.get("/", headers=bearer(keys.session())).text == "user_1"
    stranger = asked.get("/")
    assert stranger.status_code == 401
    assert stranger.content == b'{"detail":"credentials_missing"}'
    assert stranger.headers["content-type"] == "application/json"
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert stranger.headers["cache-control"] == "no-store"
    bad = asked.get("/", headers=bearer("junk"))
    assert (bad.status_code, bad.json()) == (401, {"detail": "token_malformed"})
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    member = asked.get("/", headers=bearer(keys.session(**MEMBER)))
    assert (member.status_code, member.json()) == (403, {"detail": "role_required"})
    assert 'error="insufficient_scope"' in member.headers["www-authenticate"]
    assert (Whole.__name__, Whole.__doc__) == ("Whole", "Answers.")
    assert asynchronous.__name__ == "asynchronous"


def test_the_caller_is_where_starlette_has_it(auth: Authenticator, keys: Signer) -> None:
    @requires(auth=auth)
    async def index(request: Request) -> Response:
        return JSONResponse(
            {
                "user": request.user.display_name,
                "known": request.user.is_authenticated,
                "scopes": request.auth.scopes,
                "same": request.auth.identity is request.state.identity is identity(request),
                "user_id": request.state.user_id,
            }
        )

    answer = client(("/", index)).get("/", headers=bearer(keys.session(scope="posts:read")))
    assert answer.json() == {
        "user": "user_1",
        "known": True,
        "scopes": ["authenticated", "posts:read"],
        "same": True,
        "user_id": "user_1",
    }


def test_nobody_to_ask_for(auth: Authenticator) -> None:
    seen: list[Identity | None] = []

    async def index(request: Request) -> Response:
        seen.append(optional_identity(request))
        with pytest.raises(RuntimeError, match="requires"):
            identity(request)
        return Response()

    assert client(("/", index), door=optional(auth)).get("/").status_code == 200
    assert client(("/", index)).get("/").status_code == 200
    assert seen == [None, None]


def test_demands_add_up(auth: Authenticator, keys: Signer) -> None:
    @requires(role="admin")
    @requires(permission="org:posts:publish")
    async def index(request: Request) -> Response:
        return Response()

    asked = client(("/", index), door=strict(auth))
    member = bearer(keys.session(**MEMBER))
    assert asked.get("/", headers=member).json() == {"detail": "role_required"}
    answer = asked.get("/", headers=bearer(keys.session()))
    assert answer.json() == {"detail": "permission_required"}


@pytest.mark.parametrize("front", IN_FRONT)
def test_one_verification_however_many_ask(counting: Counting, keys: Signer, front: Any) -> None:
    @requires(role="admin")
    @requires(permission="org:posts:delete", auth=counting)
    async def index(request: Request) -> Response:
        await authorize(request)
        return Response()

    asked = client(("/", index), door=front(counting))
    assert asked.get("/", headers=bearer(keys.session())).status_code == 200
    assert Counting.calls == 1


def test_authorize_inside_an_endpoint(auth: Authenticator, keys: Signer) -> None:
    @requires(auth=auth)
    async def index(request: Request) -> Response:
        organization = request.path_params["organization"]
        return PlainTextResponse(
            (await authorize(request, Policy(organization=organization))).subject
        )

    asked = client(("/{organization}", index))
    assert asked.get("/org_1", headers=bearer(keys.session())).text == "user_1"
    answer = asked.get("/org_2", headers=bearer(keys.session()))
    assert (answer.status_code, answer.json()) == (403, {"detail": "organization_required"})


def test_a_policy_that_is_there_already(auth: Authenticator, keys: Signer) -> None:
    asked = client(("/", permits(Policy(role="boss"), auth=auth)(who)))
    assert asked.get("/", headers=bearer(keys.session())).json() == {"detail": "role_required"}


def test_the_given_authenticator_judges(auth: Authenticator, keys: Signer, clock: Clock) -> None:
    other = Authenticator.clerk(issuer=ISSUER, jwt_key=keys.jwks(), clock=lambda: NOW + 3600)

    @requires(auth=other)
    async def index(request: Request) -> Response:
        return Response()

    asked = client(("/", index), ("/who", who), door=strict(auth))
    assert asked.get("/who", headers=bearer(keys.session())).status_code == 200
    assert asked.get("/", headers=bearer(keys.session())).json() == {"detail": "token_expired"}


def test_operators_mistakes(auth: Authenticator) -> None:
    with pytest.raises(TypeError, match=r'"rolle"; known are:.*role'):
        requires(rolle="admin")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="found str") as error:
        requires(auth="sk_test_secret")  # type: ignore[arg-type]
    assert "sk_test_secret" not in str(error.value)
    with pytest.raises(TypeError, match="found str"):
        DoorwardBackend("sk_test_secret")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="neither an HTTPEndpoint"):
        requires()(type("Thing", (), {}))
    with pytest.raises(TypeError, match="found str"):
        requires()("endpoint")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Request or a WebSocket"):
        asyncio.run(requires(auth=auth)(who)("request"))  # type: ignore[arg-type]


def test_a_decorator_without_a_door(keys: Signer) -> None:
    asked = client(("/", requires()(who)))
    with pytest.raises(ConfigError, match="requires\\(auth=…\\)"):
        asked.get("/", headers=bearer(keys.session()))


def test_a_decorator_asks_the_nearest_door(auth: Authenticator, keys: Signer) -> None:
    """Also one that left the path open, whatever a door further out found."""
    asked = client(("/", requires()(who)), door=strict(auth, exclude=["/"]))
    assert asked.get("/", headers=bearer(keys.session())).text == "user_1"
    assert asked.get("/").status_code == 401
    with DevIssuer() as issuer:
        inner = AuthMiddleware(
            Starlette(routes=[Route("/", requires()(who))]),
            issuer.authenticator(),
            exclude=["/*"],
        )
        outer = client(Mount("/in", inner), door=strict(auth))
        refused = outer.get("/in/", headers=bearer(keys.session()))
        assert refused.status_code == 401


def test_signs_in_by_the_test_helper(auth: Authenticator, keys: Signer) -> None:
    asked = client(("/", requires(auth=auth)(who)))
    assert as_user(asked, keys.session()).get("/").text == "user_1"
    assert as_user(asked, keys.session(), via="cookie").get("/").text == "user_1"


def test_keys_out_of_reach_are_our_trouble() -> None:
    with DevIssuer() as issuer:
        auth = issuer.authenticator()
        token = issuer.mint()
        issuer.down()
        asked = client(("/", requires(auth=auth, redirect="login")(who)), ("/behind", who))
        behind = client(("/behind", requires()(who)), door=backend(auth))
        for answer in (
            asked.get("/", headers=bearer(token)),
            behind.get("/behind", headers=bearer(token)),
        ):
            assert answer.status_code == 503
            assert answer.json() == {"detail": "keys_unavailable"}
            assert int(answer.headers["retry-after"]) > 0
            assert "www-authenticate" not in answer.headers


# Doors


def test_a_door_on_one_route(auth: Authenticator, keys: Signer) -> None:
    admin = strict(auth, policy=Policy(role="admin"))
    asked = client(
        Route("/open", who),
        Route("/me", who, middleware=[strict(auth)]),
        Route("/maybe", who, middleware=[optional(auth)]),
        Mount("/admin", routes=[Route("/", who)], middleware=[admin]),
    )
    member = bearer(keys.session(**MEMBER))
    assert asked.get("/open").text == "nobody"
    assert asked.get("/me").status_code == 401
    assert asked.get("/me", headers=member).text == "user_1"
    assert asked.get("/maybe").text == "nobody"
    assert asked.get("/maybe", headers=member).text == "user_1"
    assert asked.get("/maybe", headers=bearer("junk")).status_code == 401
    assert asked.get("/admin/", headers=member).json() == {"detail": "role_required"}
    assert asked.get("/admin/", headers=bearer(keys.session())).text == "user_1"


@pytest.mark.parametrize("front", IN_FRONT)
def test_starlettes_own_requires(auth: Authenticator, keys: Signer, front: Any) -> None:
    @theirs.requires("authenticated")
    async def known(request: Request) -> Response:
        return PlainTextResponse(identity(request).subject)

    @theirs.requires(["authenticated", "posts:read"])
    def reader(request: Request) -> Response:
        return PlainTextResponse(identity(request).subject)

    asked = client(("/known", known), ("/reader", reader), door=front(auth))
    both = bearer(keys.session(scope="posts:read"))
    assert asked.get("/known", headers=bearer(keys.session())).text == "user_1"
    assert asked.get("/reader", headers=both).text == "user_1"
    assert asked.get("/reader", headers=bearer(keys.session())).status_code == 403
    assert asked.get("/known").status_code == (401 if front is strict else 403)


def test_backend_is_anonymous_only_where_nothing_is_presented(
    auth: Authenticator, keys: Signer
) -> None:
    asked = client(("/", who), door=backend(auth))
    assert asked.get("/").text == "nobody"
    assert asked.get("/", headers=bearer(keys.session())).text == "user_1"
    answer = asked.get("/", headers=bearer(keys.session(exp=NOW - 60)))
    assert answer.status_code == 401
    assert answer.json() == {"detail": "token_expired"}
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_backend_without_on_error_says_no_more_than_the_code(
    auth: Authenticator, keys: Signer
) -> None:
    door = Middleware(AuthenticationMiddleware, backend=DoorwardBackend(auth))
    answer = client(("/", who), door=door).get("/", headers=bearer(keys.session(exp=NOW - 60)))
    assert (answer.status_code, answer.text) == (400, "token_expired")


async def test_on_error_leaves_other_errors_to_starlette(auth: Authenticator) -> None:
    answer = on_error(HTTPConnection({"type": "http"}), AuthenticationError("not mine"))
    assert (answer.status_code, answer.body) == (400, b"not mine")
    connection = HTTPConnection({"type": "http", "headers": [(b"authorization", b"Bearer a")]})
    with pytest.raises(BadCredentials) as error:
        await DoorwardBackend(auth).authenticate(connection)
    assert on_error(connection, error.value).status_code == 401


def test_websocket_behind_starlettes_own_middleware(auth: Authenticator, keys: Signer) -> None:
    app = Starlette(routes=[WebSocketRoute("/", greet)], middleware=[backend(auth)])
    with TestClient(bounded(app)).websocket_connect("/", headers=bearer(keys.session())) as session:
        assert session.receive_text() == "user_1"
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(bounded(app)).websocket_connect("/", headers=bearer("junk")),
    ):
        pass
    # Nothing else can be said from there.
    assert closed.value.code == 1000
    assert refused(app, "/").status_code == 401


# Refusals


@pytest.mark.parametrize("key", [Refused, HTTPException, 401])
@pytest.mark.parametrize("kind", ["function", "class"])
def test_an_applications_own_handler_goes_first(auth: Authenticator, key: Any, kind: str) -> None:
    async def teapot(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        assert error.status_code == 401
        assert error.headers == {"www-authenticate": "Bearer", "cache-control": "no-store"}
        return PlainTextResponse(f"{error.reason.value} {error.detail}", 418)

    class Whole(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return Response()

    guard = requires(auth=auth)
    endpoint = guard(who) if kind == "function" else guard(Whole)
    asked = client(Route("/", endpoint), exception_handlers={key: teapot})
    answer = asked.get("/")
    assert (answer.status_code, answer.text) == (418, "credentials_missing credentials_missing")


def test_a_handler_for_everything_else_does_not_get_refusals(auth: Authenticator) -> None:
    async def broken(request: Request, error: Exception) -> Response:
        return PlainTextResponse("broken", 500)

    handlers = {Exception: broken, 500: broken, 403: broken}
    asked = client(("/", requires(auth=auth)(who)), exception_handlers=handlers)
    answer = asked.get("/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "credentials_missing"})


def test_a_handler_may_add_to_the_answer(auth: Authenticator) -> None:
    def handler(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        answer = error.response()
        answer.headers["x-trace"] = "7"
        return answer

    asked = client(("/", requires(auth=auth)(who)), exception_handlers={Refused: handler})
    answer = asked.get("/")
    assert answer.headers["x-trace"] == "7"
    assert answer.json() == {"detail": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_other_exceptions_are_answered_as_ever(auth: Authenticator) -> None:
    async def gone(request: Request) -> Response:
        raise HTTPException(410, "gone")

    asked = client(("/", requires(auth=auth)(who)), ("/gone", gone))
    assert asked.get("/").json() == {"detail": "credentials_missing"}
    answer = asked.get("/gone")
    assert (answer.status_code, answer.text) == (410, "gone")


def test_a_bare_router(auth: Authenticator, keys: Signer) -> None:
    asked = TestClient(Router([Route("/", requires(auth=auth)(who))]))
    assert asked.get("/", headers=bearer(keys.session())).text == "user_1"
    answer = asked.get("/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "credentials_missing"})


def test_problem_details_and_explanations(keys: Signer, clock: Clock) -> None:
    told = {"problem_details": True, "explain": True}
    auth = Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, **told)  # type: ignore[arg-type]
    for asked in (
        client(("/", requires(auth=auth)(who))),
        client(("/", who), door=strict(auth)),
        client(("/", who), door=backend(auth)),
    ):
        answer = asked.get("/", headers=bearer(keys.session(exp=NOW - 60)))
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reason"] == "token_expired"
        assert answer.json()["hint"]


def test_refusals_carry_cors_headers(auth: Authenticator) -> None:
    app = Starlette(routes=[Route("/", requires(auth=auth)(who))])
    app.add_middleware(CORSMiddleware, allow_origins=[PARTY])
    answer = TestClient(app).get("/", headers={"Origin": PARTY})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PARTY
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    assert TestClient(app).options("/", headers=preflight).status_code == 200


def test_a_preflight_opens_nothing(auth: Authenticator) -> None:
    async def anything(request: Request) -> Response:
        return PlainTextResponse("done")

    @requires(auth=auth)
    class Whole(HTTPEndpoint):
        async def options(self, request: Request) -> Response:
            return PlainTextResponse("done")

    class Own(HTTPEndpoint):
        async def dispatch(self) -> None:
            await PlainTextResponse("done")(self.scope, self.receive, self.send)

    function = Route("/", requires(auth=auth)(anything), methods=["OPTIONS", "POST"])
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "POST"}
    for front in (None, strict, optional, backend):
        own = Route("/own", requires(auth=auth)(Own))
        asked = client(function, Route("/class", Whole), own, door=front and front(auth))
        refused = 405 if front is strict else 401
        assert asked.options("/", headers=preflight).status_code == refused
        assert asked.options("/class", headers=preflight).status_code == refused
        assert asked.options("/own", headers=preflight).status_code == 405
        assert asked.post("/", headers=preflight).status_code == 401


def test_no_token_is_logged_or_shown(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = keys.session(exp=NOW - 60)
    seen: list[Exception] = []

    async def note(request: Request, error: Exception) -> Response:
        seen.append(error)
        return Response()

    asked = client(("/", requires(auth=auth)(who)), exception_handlers={Refused: note})
    asked.get("/", headers=bearer(token))
    for text in (caplog.text, repr(seen[0]), str(seen[0]), repr(vars(seen[0]))):
        assert token not in text
        assert token.rpartition(".")[2] not in text


# Redirects


def login(request: Request) -> Response:
    return PlainTextResponse("log in")


@pytest.mark.parametrize("kind", ["function", "class"])
def test_redirects_strangers(auth: Authenticator, keys: Signer, kind: str) -> None:
    guard = requires(role="admin", auth=auth, redirect="login")

    class Whole(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return await who(request)

    asked = client(
        Route("/page", guard(who) if kind == "function" else guard(Whole)),
        Route("/log-in", login, name="login"),
    )
    for headers in ({}, bearer(keys.session(exp=NOW - 60))):
        answer = asked.get("/page?a=1&b=%26", headers=headers, follow_redirects=False)
        assert answer.status_code == 303
        location = urlsplit(answer.headers["location"])
        assert location.path == "/log-in"
        assert parse_qs(location.query) == {"next": ["/page?a=1&b=%26"]}
    assert asked.get("/page", headers=bearer(keys.session())).text == "user_1"
    # To sign in once more would not help.
    assert asked.get("/page", headers=bearer(keys.session(**MEMBER))).status_code == 403


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("//evil.example/x", "/evil.example/x"),
        ("/%5Cevil.example/x", "/evil.example/x"),
        ("/a%20b/%E2%9C%93", "/a%20b/%E2%9C%93"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
    ],
)
def test_comes_back_to_nobody_else(auth: Authenticator, path: str, back: str) -> None:
    guarded = requires(auth=auth, redirect="login")(who)
    app = Starlette(routes=[Route("/log-in", login, name="login"), Route("/{rest:path}", guarded)])
    answer = TestClient(app).get(f"http://evil.example{path}", follow_redirects=False)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"next": [back]}


# Websockets


@requires()
async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(identity(websocket).subject)
    await websocket.close()


async def asking(websocket: WebSocket) -> None:
    """Judges the caller anew with each message, by the role that it names."""
    await websocket.accept()
    async for role in websocket.iter_text():
        caller = await authorize(websocket, Policy(role=role) if role else None)
        await websocket.send_text(caller.subject)


async def renewing(websocket: WebSocket) -> None:
    await websocket.accept()
    async for token in websocket.iter_text():
        fresh = await renew(websocket, token)
        assert identity(websocket) is fresh
        await websocket.send_text(f"{fresh.subject} {fresh.expires_at}")


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(f"{identity(websocket).subject}: {data}")


class ByMethods(WebSocketEndpoint):
    encoding = "text"
    ends: tuple[int, ...] = ()

    @requires(role="admin")
    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()

    @requires(permission="org:posts:delete")
    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        type(self).ends += (close_code,)


def sockets(auth: Authenticator, front: Any = None, **options: Any) -> Starlette:
    """The same websockets, each with a door of its own or behind one for all."""
    own = None if front else auth
    guard = requires(auth=own, **options)
    admin = requires(role="admin", auth=own, **options)
    return Starlette(
        routes=[
            WebSocketRoute("/ask", guard(asking)),
            WebSocketRoute("/renew", guard(admin(renewing))),
            WebSocketRoute("/admin", admin(asking)),
            WebSocketRoute("/echo", guard(Echo)),
        ],
        middleware=[front(auth)] if front else [],
    )


def refused(app: Any, path: str, **options: Any) -> Any:
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        TestClient(bounded(app)).websocket_connect(path, **options),
    ):
        pass
    return denied.value


def bounded(app: Any) -> Any:
    """A connection that is not closed in time is an error, for the client would wait for ever."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.wait_for(app(scope, receive, send), 20)

    return run


def talk(session: Any, messages: tuple[str, ...]) -> None:
    for message in messages:
        session.send_text(message)
    while True:
        session.receive_text()


def code(app: Any, path: str, *messages: str, **options: Any) -> tuple[int, str]:
    """How the server closes after these messages."""
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(bounded(app)).websocket_connect(path, **options) as session,
    ):
        talk(session, messages)
    return closed.value.code, closed.value.reason or ""


@pytest.mark.parametrize("front", [None, optional, strict])
def test_websocket(auth: Authenticator, keys: Signer, front: Any) -> None:
    app = sockets(auth, front)
    headers = bearer(keys.session())
    for path in ("/ask", "/admin"):
        with TestClient(bounded(app)).websocket_connect(path, headers=headers) as session:
            session.send_text("")
            assert session.receive_text() == "user_1"
    with TestClient(bounded(app)).websocket_connect("/echo", headers=headers) as session:
        session.send_text("hello")
        assert session.receive_text() == "user_1: hello"


@pytest.mark.parametrize("front", [None, optional, strict])
@pytest.mark.parametrize("path", ["/ask", "/admin", "/echo"])
def test_websocket_handshake_is_refused_with_a_challenge(
    auth: Authenticator, front: Any, path: str
) -> None:
    app = sockets(auth, front)
    answer = refused(app, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b'{"detail":"credentials_missing"}'
    bad = refused(app, path, headers=bearer("junk"))
    assert bad.status_code == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]


@pytest.mark.parametrize("front", [None, optional, strict, backend])
def test_websocket_lacking_a_right(auth: Authenticator, keys: Signer, front: Any) -> None:
    answer = refused(sockets(auth, front), "/admin", headers=bearer(keys.session(**MEMBER)))
    assert answer.status_code == 403
    assert answer.content == b'{"detail":"role_required"}'
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("front", [None, optional, strict])
def test_websocket_on_a_server_without_denial_responses(
    auth: Authenticator, keys: Signer, front: Any
) -> None:
    app = sockets(auth, front)

    async def old_server(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    assert code(old_server, "/ask") == (1008, "credentials_missing")
    member = bearer(keys.session(**MEMBER))
    assert code(old_server, "/admin", headers=member) == (1008, "role_required")


@pytest.mark.parametrize("front", [None, strict])
@pytest.mark.parametrize("path", ["/ask", "/echo"])
def test_websocket_after_accepting(
    auth: Authenticator, keys: Signer, clock: Clock, front: Any, path: str
) -> None:
    app, headers = sockets(auth, front), bearer(keys.session())
    if path == "/ask":
        assert code(app, path, "boss", headers=headers) == (4403, "role_required")
    with TestClient(bounded(app)).websocket_connect("/ask", headers=headers) as session:
        session.send_text("admin")
        assert session.receive_text() == "user_1"
        clock.now += 3600
        session.send_text("")
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (4401, "token_expired")


def test_websocket_methods(auth: Authenticator, keys: Signer, clock: Clock) -> None:
    app = Starlette(routes=[WebSocketRoute("/", ByMethods)], middleware=[strict(auth)])
    ByMethods.ends = ()
    assert refused(app, "/", headers=bearer(keys.session(**MEMBER))).status_code == 403
    few = bearer(keys.session(fea=None))
    assert code(app, "/", "hello", headers=few) == (4403, "permission_required")
    headers = bearer(keys.session())
    with TestClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        for word in ("one", "two"):
            session.send_text(word)
            assert session.receive_text() == word
        clock.now += 3600
        session.send_text("three")
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (4401, "token_expired")
    assert ByMethods.ends == (1011, 1011)


def test_websocket_methods_do_not_last_as_long(auth: Authenticator, keys: Signer) -> None:
    class Forgetful(WebSocketEndpoint):
        @requires(auth=auth, close_at_expiry=True)
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()

    app = Starlette(routes=[WebSocketRoute("/", Forgetful)])
    with (
        pytest.raises(ConfigError, match="decorate the class Forgetful"),
        TestClient(bounded(app)).websocket_connect("/", headers=bearer(keys.session())),
    ):
        pass


@pytest.mark.parametrize("front", [None, strict])
def test_websocket_goes_on_with_a_fresh_token(
    auth: Authenticator, keys: Signer, clock: Clock, front: Any
) -> None:
    app, headers = sockets(auth, front), bearer(keys.session())
    with TestClient(bounded(app)).websocket_connect("/renew", headers=headers) as session:
        for _ in range(3):
            clock.now += 45
            session.send_text(keys.session(now=clock.now))
            assert session.receive_text() == f"user_1 {float(clock.now + 50)}"


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"sub": "user_2"}, (4403, "another_caller")),
        ({"exp": NOW - 60}, (4401, "token_expired")),
        (MEMBER, (4403, "role_required")),
    ],
)
def test_websocket_goes_on_with_no_other_token(
    auth: Authenticator, keys: Signer, changes: dict[str, Any], end: tuple[int, str]
) -> None:
    app, headers = sockets(auth), bearer(keys.session())
    assert code(app, "/renew", keys.session(**changes), headers=headers) == end


def test_a_renewed_caller_is_judged_by_the_fresh_token(
    auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    @requires(auth=auth)
    async def index(websocket: WebSocket) -> None:
        await websocket.accept()
        await renew(websocket, await websocket.receive_text())
        clock.now += 55
        await websocket.send_text((await authorize(websocket)).subject)
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", index)])
    with TestClient(bounded(app)).websocket_connect("/", headers=bearer(keys.session())) as session:
        session.send_text(keys.session(now=clock.now + 10))
        assert session.receive_text() == "user_1"


def test_renewal_asks_each_demand_once(keys: Signer, clock: Clock) -> None:
    asked: list[Policy] = []

    class Noting(Authenticator):
        def permit(self, policy: Policy, identity: Identity) -> None:
            asked.append(policy)
            super().permit(policy, identity)

    auth = Noting.clerk(issuer=ISSUER, jwt_key=keys.jwks(), authorized_parties=PARTY, clock=clock)

    @requires(role="admin", auth=auth)
    class Renewing(WebSocketEndpoint):
        encoding = "text"

        @requires(organization=True)
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()

        @requires(permission="org:posts:delete")
        async def on_receive(self, websocket: WebSocket, data: str) -> None:
            asked.clear()
            await renew(websocket, data)
            await websocket.send_text("renewed")

    app = Starlette(routes=[WebSocketRoute("/", Renewing)])
    headers = bearer(keys.session())
    with TestClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        for _ in range(3):
            session.send_text(keys.session())
            assert session.receive_text() == "renewed"
    assert asked == [Policy(role="admin"), Policy(organization=True)]


def test_renewal_without_a_guard(auth: Authenticator, keys: Signer) -> None:
    async def index(websocket: WebSocket) -> None:
        await websocket.accept()
        await renew(websocket, keys.session())

    app = Starlette(routes=[WebSocketRoute("/", index)], middleware=[strict(auth)])
    with (
        pytest.raises(RuntimeError, match="requires"),
        TestClient(bounded(app)).websocket_connect("/", headers=bearer(keys.session())) as session,
    ):
        session.receive_text()


@pytest.mark.parametrize("path", ["/ask", "/echo"])
def test_websocket_closes_at_expiry(path: str) -> None:
    issuer = DevIssuer()
    app = sockets(issuer.authenticator(leeway=0), close_at_expiry=True)
    headers = bearer(issuer.mint(sub="user_1", ttl=1))
    assert code(app, path, "", headers=headers) == (4401, "token_expired")


@pytest.mark.parametrize("leaves", ["door", "client"])
def test_an_end_that_came_from_here_is_no_news(leaves: str) -> None:
    issuer = DevIssuer()

    @requires(auth=issuer.authenticator(leeway=0), close_at_expiry=True)
    async def careless(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    app = Starlette(routes=[WebSocketRoute("/", careless)])
    raised: list[type[BaseException]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except WebSocketDisconnect as gone:
            raised.append(type(gone))

    headers = bearer(issuer.mint(ttl=1 if leaves == "door" else 60))
    with TestClient(bounded(watched)).websocket_connect("/", headers=headers) as session:
        if leaves == "door":
            with pytest.raises(WebSocketDisconnect):
                session.receive_text()
    assert raised == ([] if leaves == "door" else [WebSocketDisconnect])


def test_a_connection_leaves_nothing_behind(
    auth: Authenticator, keys: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Session] = []
    stop = Session.stop

    async def noted(session: Session) -> None:
        stopped.append(session)
        await stop(session)

    monkeypatch.setattr(Session, "stop", noted)
    guard = requires(auth=auth)
    app = Starlette(routes=[WebSocketRoute("/", guard(guard(greet)))])
    headers = bearer(keys.session())
    with TestClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        assert session.receive_text() == "user_1"
    assert len(stopped) == 1
    assert stopped[0].demands == []


def test_authorize_asks_the_authenticator_of_the_decorator(
    auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    other = Authenticator.clerk(
        issuer="https://elsewhere.example", jwt_key=keys.jwks(), clock=clock
    )

    @requires(auth=other)
    async def index(websocket: WebSocket) -> None:
        await authorize(websocket)
        await websocket.accept()
        await websocket.send_text((await authorize(websocket)).issuer)
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", index)], middleware=[optional(auth)])
    offered = [f"bearer.{keys.session(iss='https://elsewhere.example')}", "chat"]
    with TestClient(bounded(app)).websocket_connect("/", subprotocols=offered) as session:
        assert session.receive_text() == "https://elsewhere.example"


def test_websocket_token_as_subprotocol(auth: Authenticator, keys: Signer) -> None:
    offered = [f"bearer.{keys.session()}", "chat"]
    for app in (sockets(auth), sockets(auth, optional)):
        with TestClient(bounded(app)).websocket_connect("/echo", subprotocols=offered) as session:
            session.send_text("hello")
            assert session.receive_text() == "user_1: hello"
            assert session.accepted_subprotocol == "chat"
        assert refused(app, "/ask", subprotocols=["bearer.junk", "chat"]).status_code == 401
    none = sockets(auth, subprotocol=None)
    assert refused(none, "/ask", subprotocols=offered).status_code == 401


def test_websocket_token_in_the_url_where_asked_for(auth: Authenticator, keys: Signer) -> None:
    path = f"/ask?access_token={keys.session()}"
    app = sockets(auth, query_parameter="access_token")
    with TestClient(bounded(app)).websocket_connect(path) as session:
        session.send_text("")
        assert session.receive_text() == "user_1"
    assert refused(sockets(auth), path).status_code == 401


@pytest.mark.parametrize("front", [None, optional, strict, backend])
def test_websocket_cookies_count_on_our_own_pages(
    auth: Authenticator, keys: Signer, front: Any
) -> None:
    app = sockets(auth, front)
    cookie = {"Cookie": f"__session={keys.session()}"}
    for origin in (PARTY, "http://testserver"):
        headers = {**cookie, "Origin": origin}
        with TestClient(bounded(app)).websocket_connect("/ask", headers=headers) as session:
            session.send_text("")
            assert session.receive_text() == "user_1"
    for headers in (cookie, {**cookie, "Origin": "https://evil.example"}):
        assert refused(app, "/ask", headers=headers).status_code == 401


# The table


async def public(request: Request) -> Response:
    caller = optional_identity(request)
    return JSONResponse({"hello": "stranger" if caller is None else caller.subject})


async def me(request: Request) -> Response:
    caller = identity(request)
    return JSONResponse(
        {
            "subject": caller.subject,
            "kind": caller.kind,
            "organization": caller.organization_id,
            "role": caller.role,
        }
    )


async def delete(request: Request) -> Response:
    post = int(request.path_params["post"])
    return JSONResponse({"deleted": post, "by": identity(request).subject})


def admin(request: Request) -> Response:
    return JSONResponse({"admin": identity(request).subject})


def scoped(request: Request) -> Response:
    return JSONResponse({"scopes": identity(request).scopes})


def routes(auth: Authenticator | None = None, guard_me: bool = True) -> list[Route]:
    """Everything but `/public`, guarded by decorators."""
    return [
        Route("/me", requires(auth=auth)(me) if guard_me else me),
        Route(
            "/posts/{post}",
            requires(permission="org:posts:delete", auth=auth)(delete),
            methods=["DELETE"],
        ),
        Route("/admin", requires(role="admin", auth=auth)(admin)),
        Route("/scoped", requires(scopes="posts:read", auth=auth)(scoped)),
    ]


def by_middleware(auth: Authenticator) -> Starlette:
    """A door in front of everything but one route, which has another of its own."""
    own = Route("/public", public, middleware=[optional(auth)])
    front = strict(auth, exclude=["/public"])
    return Starlette(routes=[own, *routes(guard_me=False)], middleware=[front])


def by_optional_middleware(auth: Authenticator) -> Starlette:
    """A door that lets strangers through to the decorators."""
    return Starlette(routes=[Route("/public", public), *routes()], middleware=[optional(auth)])


def by_route_middleware(auth: Authenticator) -> Starlette:
    """A door on each route, and no decorator."""

    def own(path: str, endpoint: Any, *methods: str, **policy: Any) -> Route:
        door = strict(auth, policy=Policy(**policy) if policy else None)
        return Route(path, endpoint, methods=methods or None, middleware=[door])

    return Starlette(
        routes=[
            Route("/public", public, middleware=[optional(auth)]),
            own("/me", me),
            own("/posts/{post}", delete, "DELETE", permission="org:posts:delete"),
            own("/admin", admin, role="admin"),
            own("/scoped", scoped, scopes="posts:read"),
        ]
    )


def by_decorators(auth: Authenticator) -> Starlette:
    """No door but the decorators."""
    return Starlette(routes=[Route("/public", public, middleware=[optional(auth)]), *routes(auth)])


def by_backend(auth: Authenticator) -> Starlette:
    """Starlette's own middleware."""
    return Starlette(routes=[Route("/public", public), *routes()], middleware=[backend(auth)])


def by_classes(auth: Authenticator) -> Starlette:
    """Classes of endpoints, decorated as a whole and by methods."""

    @requires(auth=auth)
    class Me(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return await me(request)

    class Post(HTTPEndpoint):
        @requires(permission="org:posts:delete", auth=auth)
        async def delete(self, request: Request) -> Response:
            return await delete(request)

    @requires(role="admin", auth=auth)
    class Admin(HTTPEndpoint):
        def get(self, request: Request) -> Response:
            return admin(request)

    class Scoped(HTTPEndpoint):
        @requires(scopes="posts:read", auth=auth)
        def get(self, request: Request) -> Response:
            return scoped(request)

    return Starlette(
        routes=[
            Route("/public", public, middleware=[optional(auth)]),
            Route("/me", Me),
            Route("/posts/{post}", Post),
            Route("/admin", Admin),
            Route("/scoped", Scoped),
        ]
    )


DOORS = (
    by_middleware,
    by_optional_middleware,
    by_route_middleware,
    by_decorators,
    by_backend,
    by_classes,
)


@pytest.mark.parametrize(
    ("build", "table", "case"), http_table.rows(*DOORS, in_front=[by_middleware])
)
def test_row(
    build: Callable[[Authenticator], Starlette], table: str, case: http_table.Case
) -> None:
    app = APPS.get((build, table)) or build(http_table.authenticator(table))
    APPS[build, table] = app
    answer = TestClient(app).request(
        case["method"],
        http_table.path(table, case),
        headers=[
            (name.encode(), value.encode()) for name, value in http_table.headers(table, case)
        ],
    )
    http_table.check(
        table, case, status=answer.status_code, headers=answer.headers, body=answer.content
    )


#: One application for each door and table.
APPS: dict[Any, Starlette] = {}
