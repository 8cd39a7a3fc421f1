"""`AuthMiddleware`, in front of bare ASGI and of Starlette."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from support import NOW, PARTY, Clock, Signer, bearer, bearer_scope, scope, signer

from doorward import Authenticator, Policy, Rejection
from doorward.asgi import AuthMiddleware, Message, Scope

Client = Callable[..., TestClient]


async def whoami(request: Request) -> JSONResponse:
    identity = request.state.identity
    return JSONResponse(
        {
            "subject": identity and identity.subject,
            "user_id": request.state.user_id,
            "same": request.state.doorward is request.auth,
            "display_name": request.user.display_name,
            "authenticated": request.user.is_authenticated,
            "scopes": request.auth.scopes,
        }
    )


@requires("authenticated")
async def members(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.identity)


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.user.display_name)
    await websocket.close()


@pytest.fixture
def client(auth: Authenticator) -> Client:
    def build(**options: Any) -> TestClient:
        app = Starlette(
            routes=[
                Route("/", whoami, methods=["GET", "OPTIONS"]),
                Route("/health", whoami),
                Route("/static/{path:path}", whoami),
                Route("/members", members),
                WebSocketRoute("/ws", greet),
            ]
        )
        app.add_middleware(AuthMiddleware, auth=auth, **options)
        return TestClient(app)

    return build


def test_admits_a_caller(client: Client, keys: Signer) -> None:
    answer = client().get("/", headers=bearer(keys.session(scope="a b")))
    assert answer.status_code == 200
    body = answer.json()
    assert body["subject"] == body["user_id"] == body["display_name"] == "user_1"
    assert body["authenticated"]
    assert body["same"]
    assert body["scopes"][0] == "authenticated"


def test_refuses_a_stranger(client: Client) -> None:
    answer = client().get("/")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_refuses_bad_credentials_also_where_they_are_optional(client: Client, keys: Signer) -> None:
    expired = bearer(keys.session(exp=NOW - 60))
    for options in ({}, {"optional": True}):
        answer = client(**options).get("/", headers=expired)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "token_expired"}
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_optional_lets_absence_through(client: Client, keys: Signer) -> None:
    optional = client(optional=True)
    body = optional.get("/").json()
    assert body == {
        "subject": None,
        "user_id": None,
        "same": True,
        "display_name": "",
        "authenticated": False,
        "scopes": [],
    }
    assert optional.get("/", headers=bearer(keys.session())).json()["subject"] == "user_1"
    # Starlette's own guard tells callers from strangers.
    assert optional.get("/members").status_code == 403
    assert optional.get("/members", headers=bearer(keys.session())).text == "user_1"


def test_two_authorization_headers_are_a_bad_request(client: Client, keys: Signer) -> None:
    token = keys.session()
    headers = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    answer = client().get("/", headers=headers)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "multiple_credentials"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health", 200),
        ("/health/", 401),
        ("/healthy", 401),
        ("/static/a.css", 200),
        ("/static/fonts/a.woff", 200),
        ("/static", 401),
        ("/static/../members", 401),
        ("/v1/status", 404),
        ("/v1/x/status", 401),
        ("/", 401),
    ],
)
async def test_excluded_paths_stay_open(auth: Authenticator, path: str, status: int) -> None:
    app = AuthMiddleware(status_of(404), auth, exclude=("/health", "/static/*", "/v*/status"))
    found = (await answer(app, scope([], path=path)))[0]["status"]
    assert found == (404 if status == 200 else status)


async def test_exclusion_looks_below_the_mount_point(auth: Authenticator) -> None:
    app = AuthMiddleware(status_of(204), auth, exclude=["/health"])
    mounted = scope([], path="/api/health", root_path="/api")
    assert (await answer(app, mounted))[0]["status"] == 204
    assert (await answer(app, scope([], path="/api/health")))[0]["status"] == 401


def test_excluded_paths_are_absolute(auth: Authenticator) -> None:
    with pytest.raises(ValueError, match="'health'"):
        AuthMiddleware(status_of(204), auth, exclude=["health"])


def test_a_preflight_goes_no_further(client: Client, auth: Authenticator) -> None:
    """An application that does not look at the method would take it for a request to act upon."""
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    answer = client().options("/", headers=preflight)
    assert (answer.status_code, answer.content) == (405, b"")
    assert answer.headers["allow"] == ""
    assert client().options("/").status_code == 401
    assert client(optional=True).options("/", headers=preflight).json()["subject"] is None
    assert client(exclude=["/"]).options("/", headers=preflight).status_code == 200

    app = CORSMiddleware(AuthMiddleware(status_of(204), auth), allow_origins=[PARTY])
    assert TestClient(app).options("/", headers=preflight).status_code == 200
    refused = TestClient(app).get("/", headers={"Origin": PARTY})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PARTY


@pytest.mark.parametrize(
    "path", ["/static/../x", "/static/./x", "/static/..", "/static/..\\x", "/static/a\\..\\..\\x"]
)
async def test_dot_segments_are_never_open(auth: Authenticator, path: str) -> None:
    app = AuthMiddleware(status_of(204), auth, exclude=["/static/*"])
    assert (await answer(app, scope([], path=path)))[0]["status"] == 401
    assert (await answer(app, scope([], path="/static/..a/.b/c..d")))[0]["status"] == 204


def test_what_it_takes_is_checked_at_start_up(auth: Authenticator) -> None:
    with pytest.raises(TypeError, match="auth: expected an Authenticator, found str"):
        AuthMiddleware(status_of(204), "sk_test_secret")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="policy: expected a Policy, found str"):
        AuthMiddleware(status_of(204), auth, policy="admin")  # type: ignore[arg-type]


def test_policy_applies_to_every_caller(client: Client, keys: Signer) -> None:
    guarded = client(policy=Policy(role="admin"))
    assert guarded.get("/", headers=bearer(keys.session())).status_code == 200
    member = {"id": "org_1", "rol": "member"}
    answer = guarded.get("/", headers=bearer(keys.session(o=member)))
    assert answer.status_code == 403
    assert answer.json() == {"detail": "role_required"}
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_refusals_can_be_answered_in_another_way(client: Client) -> None:
    def teapot(scope: Scope, rejection: Rejection) -> PlainTextResponse:
        return PlainTextResponse(f"{scope['path']}: {rejection.reason}", status_code=418)

    answer = client(on_refusal=teapot).get("/")
    assert (answer.status_code, answer.text) == (418, "/: credentials_missing")


def test_websocket(client: Client, keys: Signer) -> None:
    with client().websocket_connect("/ws", headers=bearer(keys.session())) as session:
        assert session.receive_text() == "user_1"
    with pytest.raises(WebSocketDenialResponse) as refused, client().websocket_connect("/ws"):
        pass
    assert refused.value.status_code == 401
    assert refused.value.headers["www-authenticate"] == "Bearer"
    assert refused.value.json() == {"detail": "credentials_missing"}


async def test_websocket_on_a_server_without_denial_responses(auth: Authenticator) -> None:
    app = AuthMiddleware(status_of(204), auth)
    sent = await answer(app, {"type": "websocket", "path": "/", "headers": []})
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "credentials_missing"}]


def test_websocket_closed_without_denial_is_seen_by_clients(
    client: Client, auth: Authenticator
) -> None:
    inner = client().app

    async def old_server(scope: Scope, receive: Any, send: Any) -> None:
        await inner({**scope, "extensions": {}}, receive, send)

    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(old_server).websocket_connect("/ws"),
    ):
        pass
    assert closed.value.code == 1008


async def test_other_scopes_pass_untouched(auth: Authenticator) -> None:
    seen: list[Scope] = []

    async def inner(scope: Scope, receive: Any, send: Any) -> None:
        seen.append(scope)

    lifespan = {"type": "lifespan", "asgi": {"version": "3.0"}}
    await AuthMiddleware(inner, auth)(lifespan, never, never)
    assert seen[0] is lifespan


async def test_the_outer_scope_is_not_written_to(auth: Authenticator, keys: Signer) -> None:
    outer = bearer_scope(keys.session())
    before = set(outer)
    assert (await answer(AuthMiddleware(status_of(204), auth), outer))[0]["status"] == 204
    assert set(outer) == before


async def test_verifies_once_per_request(
    clock: Clock, keys: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    class Counting(Authenticator):
        def authenticate_nowait(self, head: Any) -> Any:
            calls.append(head)
            return super().authenticate_nowait(head)

    auth = Counting.clerk(jwt_key=keys.jwks(), authorized_parties=PARTY, clock=clock)
    twice = AuthMiddleware(AuthMiddleware(status_of(204), auth), auth)
    assert (await answer(twice, bearer_scope(keys.session())))[0]["status"] == 204
    assert len(calls) == 1
    # Another authenticator asks for itself: the verdict of one says nothing about the other.
    stranger = Authenticator.clerk(jwt_key=signer("stranger").jwks(), clock=clock)
    mixed = AuthMiddleware(AuthMiddleware(status_of(204), stranger), auth)
    assert (await answer(mixed, bearer_scope(keys.session())))[0]["status"] == 401


def test_operators_log_has_the_reason_and_never_the_token(
    client: Client, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "doorward")
    token = keys.session(exp=NOW - 60)
    client().get("/", headers=bearer(token))
    assert "token_expired" in caplog.text
    assert token.rpartition(".")[2] not in caplog.text


def status_of(status: int) -> Any:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


async def answer(app: Any, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, never, send)
    return sent


async def never(*_: Any) -> Any:
    raise AssertionError("the body is none of our business")
