"""`Guard`, in every place FastAPI takes a dependency."""

import gc
import weakref
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer

from doorward import Authenticator, Identity, Rejection
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard, Refused, install, openid, refusal
from doorward.testing import DevIssuer


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


@pytest.fixture
def guard(counting: Counting) -> Guard:
    return Guard(counting)


@pytest.fixture
def app(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(caller: Annotated[Identity, Depends(guard)]) -> str:
        return caller.subject

    @app.get("/maybe")
    def maybe(caller: Annotated[Identity | None, Depends(guard.optional)]) -> str | None:
        return caller and caller.subject

    @app.delete("/posts/{post}")
    async def delete(
        post: int,
        caller: Annotated[Identity, Depends(guard.requires(permission="org:posts:delete"))],
    ) -> int:
        return post

    @app.get("/admin", dependencies=[Depends(guard.requires(role="admin"))])
    async def admin() -> str:
        return "admin"

    @app.get("/scoped")
    async def scoped(
        caller: Annotated[Identity, Security(guard, scopes=["posts:write", "posts:read"])],
    ) -> str:
        return caller.subject

    @app.websocket("/ws")
    async def greet(websocket: WebSocket, caller: Annotated[Identity, Depends(guard)]) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)
        await websocket.close()

    return app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def test_yields_the_caller(client: TestClient, keys: Signer) -> None:
    assert client.get("/me", headers=bearer(keys.session())).json() == "user_1"


def test_refuses_a_stranger(client: TestClient) -> None:
    answer = client.get("/me")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_optional_lets_only_absence_through(client: TestClient, keys: Signer) -> None:
    assert client.get("/maybe").json() is None
    assert client.get("/maybe", headers=bearer(keys.session())).json() == "user_1"
    answer = client.get("/maybe", headers=bearer("junk"))
    assert answer.status_code == 401
    assert answer.json() == {"detail": "token_malformed"}


def test_demands(client: TestClient, keys: Signer) -> None:
    member = keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
    boss = keys.session()
    assert client.delete("/posts/7", headers=bearer(boss)).json() == 7
    assert client.get("/admin", headers=bearer(boss)).json() == "admin"
    for answer, reason in (
        (client.delete("/posts/7", headers=bearer(member)), "permission_required"),
        (client.get("/admin", headers=bearer(member)), "role_required"),
    ):
        assert answer.status_code == 403
        assert answer.json() == {"detail": reason}
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert client.get("/admin").status_code == 401


def test_security_scopes(client: TestClient, keys: Signer) -> None:
    both = keys.session(scope="posts:read posts:write other")
    assert client.get("/scoped", headers=bearer(both)).json() == "user_1"
    answer = client.get("/scoped", headers=bearer(keys.session(scope="posts:read")))
    assert answer.status_code == 403
    assert answer.json() == {"detail": "insufficient_scope"}
    challenge = answer.headers["www-authenticate"]
    assert "posts:write" in challenge
    assert 'error="insufficient_scope"' in challenge


def test_equal_demands_are_one_object(guard: Guard) -> None:
    assert guard.requires(role="admin") is guard.requires(role="admin")
    assert guard.requires(role="admin") is not guard.requires(role="member")
    assert guard.optional is guard.optional
    chained = guard.requires(role="admin").requires(permission="org:posts:delete")
    assert chained is guard.requires(role="admin").requires(permission="org:posts:delete")


def test_demands_add_up(guard: Guard, keys: Signer) -> None:
    app = FastAPI()
    both = guard.requires(role="admin").requires(permission="org:posts:publish")

    @app.get("/", dependencies=[Depends(both)])
    def index() -> None: ...

    client = TestClient(app)
    member = keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
    assert client.get("/", headers=bearer(member)).json() == {"detail": "role_required"}
    answer = client.get("/", headers=bearer(keys.session()))
    assert answer.json() == {"detail": "permission_required"}


def test_one_verification_however_many_guards(
    counting: Counting, guard: Guard, keys: Signer
) -> None:
    app = FastAPI(dependencies=[Depends(guard)])
    router = APIRouter(dependencies=[Depends(guard.requires(role="admin"))])

    @router.get("/")
    async def index(
        one: Annotated[Identity, Depends(guard)],
        two: Annotated[Identity, Security(guard, scopes=["a"])],
        three: Annotated[Identity | None, Depends(guard.optional)],
    ) -> bool:
        return one is two is three

    app.include_router(router)
    app.add_middleware(AuthMiddleware, auth=counting)
    answer = TestClient(app).get("/", headers=bearer(keys.session(scope="a")))
    assert answer.json() is True
    assert Counting.calls == 1


def test_websocket(client: TestClient, keys: Signer) -> None:
    with client.websocket_connect("/ws", headers=bearer(keys.session())) as session:
        assert session.receive_text() == "user_1"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/ws"):
        pass
    assert refused.value.status_code == 401
    assert refused.value.headers["www-authenticate"] == "Bearer"


def test_websocket_on_a_server_without_denial_responses(app: FastAPI) -> None:
    async def old_server(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(old_server).websocket_connect("/ws"),
    ):
        pass
    assert closed.value.code == 1008
    assert closed.value.reason == "credentials_missing"


def test_swagger_shows_one_scheme(app: FastAPI) -> None:
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {
        "Doorward": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A bearer token, or the session cookie where this API reads one.",
        }
    }
    assert document["paths"]["/me"]["get"]["security"] == [{"Doorward": []}]
    scopes = document["paths"]["/scoped"]["get"]["security"][0]["Doorward"]
    assert set(scopes) == {"posts:read", "posts:write"}
    assert "parameters" not in document["paths"]["/me"]["get"]


def test_refusals_are_http_exceptions(app: FastAPI, client: TestClient) -> None:
    @app.exception_handler(HTTPException)
    async def uniform(request: Request, error: HTTPException) -> JSONResponse:
        assert isinstance(error, Refused)
        return JSONResponse({"reason": error.reason}, error.status_code, error.headers)

    answer = client.get("/me")
    assert answer.status_code == 401
    assert answer.json() == {"reason": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_refusals_carry_cors_headers(app: FastAPI) -> None:
    app.add_middleware(CORSMiddleware, allow_origins=[PARTY])
    answer = TestClient(app).get("/me", headers={"Origin": PARTY})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PARTY


def test_explains_in_development(keys: Signer, clock: Clock) -> None:
    app = FastAPI()
    talkative = Guard(Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, explain=True))
    app.get("/", dependencies=[Depends(talkative)])(lambda: None)
    body = TestClient(app).get("/", headers=bearer(keys.session(exp=NOW - 60))).json()
    assert body["detail"] == "token_expired"
    assert body["hint"]


def problems(keys: Signer, clock: Clock) -> FastAPI:
    """An application whose refusals are problem details."""
    app = FastAPI()
    guard = Guard(Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, problem_details=True))
    app.get("/", dependencies=[Depends(guard)])(lambda: None)
    app.get("/teapot")(teapot)
    app.mount("/inner", inner := FastAPI())
    inner.get("/", dependencies=[Depends(guard)])(lambda: None)
    return app


def teapot() -> None:
    raise HTTPException(418, "I am a teapot")


@pytest.mark.parametrize("path", ["/", "/inner/"])
def test_problem_details_are_the_whole_body(keys: Signer, clock: Clock, path: str) -> None:
    client = TestClient(problems(keys, clock))
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The request carries no credentials.",
        "reason": "credentials_missing",
    }
    # FastAPI's own refusals stay FastAPI's.
    assert client.get("/teapot").json() == {"detail": "I am a teapot"}


@pytest.mark.parametrize("key", [HTTPException, AnyHTTPException, 401])
def test_a_handler_of_the_application_answers_instead(
    keys: Signer, clock: Clock, key: int | type[Exception]
) -> None:
    app = problems(keys, clock)

    @app.exception_handler(key)
    async def own(request: Request, error: HTTPException) -> JSONResponse:
        assert isinstance(error, Refused)
        answer = error.response()
        assert answer.headers["content-type"] == "application/problem+json"
        return JSONResponse({"own": error.reason}, error.status_code)

    assert TestClient(app).get("/").json() == {"own": "credentials_missing"}


@pytest.mark.parametrize("unknown", [None, (), [], ([], {}), "handlers"])
def test_a_framework_that_keeps_its_handlers_elsewhere(unknown: Any) -> None:
    """Then it answers as it answers every `HTTPException`."""
    rejection = Rejection("token_expired", 401, [], b'{"detail":"token_expired"}', "", "")
    request = Request({"type": "http", "starlette.exception_handlers": unknown})
    error = refusal(rejection, request)
    assert isinstance(error, Refused)
    assert error.detail == "token_expired"


def test_an_application_can_have_refusals_rendered_all_the_same(keys: Signer, clock: Clock) -> None:
    app = problems(keys, clock)
    app.add_exception_handler(AnyHTTPException, lambda request, error: JSONResponse("own", 400))
    install(app)
    client = TestClient(app)
    assert client.get("/").json()["reason"] == "credentials_missing"
    assert client.get("/teapot").json() == "own"


@pytest.mark.parametrize(
    ("auth", "found"), [(None, "NoneType"), ("sk_test_secret", "str"), (Authenticator, "type")]
)
def test_takes_an_authenticator_and_nothing_else(auth: Any, found: str) -> None:
    with pytest.raises(TypeError, match=f"takes an Authenticator, found {found}") as wrong:
        Guard(auth)
    assert "secret" not in str(wrong.value)


def test_a_scheme_and_a_description_are_one_too_many(counting: Counting) -> None:
    with pytest.raises(TypeError, match="give it to the scheme"):
        Guard(counting, scheme=openid("https://a.example/.well-known/x"), description="…")


def test_guards_that_nobody_holds_are_forgotten(guard: Guard) -> None:
    held = guard.requires(role="admin")
    made = [weakref.ref(guard.requires(role=f"role_{n}")) for n in range(1000)]
    gc.collect()
    assert not any(one() for one in made)
    assert guard.requires(role="admin") is held


def test_warms_up(clock: Clock) -> None:
    with DevIssuer() as issuer:
        guard = Guard(Authenticator.clerk(publishable_key=issuer.publishable_key))
        assert issuer.jwks_fetches == 0
        app = FastAPI(lifespan=guard.lifespan)
        app.get("/", dependencies=[Depends(guard)])(lambda: None)
        with TestClient(app) as client:
            assert issuer.jwks_fetches == 1
            headers = bearer(issuer.mint(azp=PARTY))
            assert client.get("/", headers=headers).status_code == 200
            assert issuer.jwks_fetches == 1


def test_starts_without_its_keys() -> None:
    with DevIssuer() as issuer:
        issuer.fault("down")
        guard = Guard(Authenticator.clerk(publishable_key=issuer.publishable_key))
        app = FastAPI(lifespan=guard.lifespan)
        app.get("/", dependencies=[Depends(guard)])(lambda: None)
        with TestClient(app) as client:
            answer = client.get("/", headers=bearer(issuer.mint(azp=PARTY)))
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
