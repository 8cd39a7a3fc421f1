"""Moving from `fastapi_clerk_auth` is a changed import line, and its pages come true."""

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from support import NOW, Clock, bearer

from doorward import ConfigError
from doorward.compat.fastapi_clerk_auth import (
    ClerkConfig,
    ClerkHTTPBearer,
    HTTPAuthorizationCredentials,
)
from doorward.compat.fastapi_clerk_auth.config import ClerkConfig as ConfigByPath
from doorward.compat.fastapi_clerk_auth.middleware import ClerkAuthMiddleware
from doorward.testing import DevIssuer

Credentials = HTTPAuthorizationCredentials | None


@pytest.fixture
def issuer(clock: Clock) -> Any:
    with DevIssuer(clock=clock) as issuer:
        yield issuer


@pytest.fixture
def token(issuer: DevIssuer, outsider: Any) -> str:
    return outsider(issuer).session(iss=issuer.issuer, roles=["admin"])


def served(guard: ClerkHTTPBearer) -> TestClient:
    app = FastAPI()

    @app.get("/")
    async def index(credentials: Credentials = Depends(guard)) -> Any:
        return JSONResponse(jsonable_encoder(credentials))

    @app.get("/limited")
    async def limited(credentials: Credentials = Depends(guard)) -> Any:
        if not credentials:
            return "limited"
        return credentials.decoded

    @app.websocket("/ws")
    async def ws(websocket: WebSocket, credentials: Credentials = Depends(guard)) -> None:
        await websocket.accept()
        await websocket.send_json(credentials and credentials.decoded)
        await websocket.close()

    return TestClient(app)


def config(issuer: DevIssuer, clock: Clock, **options: Any) -> ClerkConfig:
    return ClerkConfig(jwks_url=issuer.jwks_url, clock=clock, **options)


def test_credentials_have_three_members(issuer: DevIssuer, clock: Clock, token: str) -> None:
    client = served(ClerkHTTPBearer(config=config(issuer, clock)))
    body = client.get("/", headers=bearer(token)).json()
    assert (body["scheme"], body["credentials"]) == ("Bearer", token)
    assert body["decoded"]["sub"] == "user_1"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "credentials_missing"),
        (bearer("junk"), "token_malformed"),
        (bearer("a.b.c"), None),
    ],
)
def test_refusals_are_401_with_a_challenge(
    issuer: DevIssuer, clock: Clock, headers: dict[str, str], reason: str | None
) -> None:
    answer = served(ClerkHTTPBearer(config=config(issuer, clock))).get("/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if reason:
        assert answer.json() == {"detail": reason}


@pytest.mark.parametrize("place", ["config", "guard"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}, bearer("junk")])
def test_auto_error_off_never_lets_junk_in(
    issuer: DevIssuer, clock: Clock, token: str, place: str, headers: dict[str, str]
) -> None:
    if place == "config":
        guard = ClerkHTTPBearer(config=config(issuer, clock, auto_error=False))
    else:
        guard = ClerkHTTPBearer(config=config(issuer, clock), auto_error=False)
    client = served(guard)
    answer = client.get("/limited", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == "limited"
    assert client.get("/limited", headers=bearer(token)).json()["sub"] == "user_1"


def test_the_guard_has_the_last_word(issuer: DevIssuer, clock: Clock) -> None:
    guard = ClerkHTTPBearer(config=config(issuer, clock, auto_error=False), auto_error=True)
    assert served(guard).get("/limited").status_code == 401


def test_auto_error_off_is_no_excuse_for_our_trouble(
    issuer: DevIssuer, clock: Clock, token: str
) -> None:
    issuer.fault("down")
    guard = ClerkHTTPBearer(config=config(issuer, clock, auto_error=False))
    answer = served(guard).get("/limited", headers=bearer(token))
    assert answer.status_code == 503
    assert answer.json() == {"detail": "keys_unavailable"}
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("place", ["config", "guard"])
def test_add_state(issuer: DevIssuer, clock: Clock, token: str, place: str) -> None:
    if place == "config":
        guard = ClerkHTTPBearer(config=config(issuer, clock, add_state=True))
    else:
        guard = ClerkHTTPBearer(config=config(issuer, clock), add_state=True)
    router = APIRouter(prefix="/todo", dependencies=[Depends(guard)])

    @router.get("/")
    async def todo(request: Request) -> str:
        found: HTTPAuthorizationCredentials = request.state.clerk_auth
        assert found.decoded is not None
        return str(found.decoded.get("sub"))

    app = FastAPI()
    app.include_router(router)
    assert TestClient(app).get("/todo/", headers=bearer(token)).json() == "user_1"


def test_guard_as_a_dependency_of_a_dependency(
    issuer: DevIssuer, clock: Clock, token: str, outsider: Any
) -> None:
    guard = ClerkHTTPBearer(config=config(issuer, clock))

    def admin(credentials: HTTPAuthorizationCredentials = Depends(guard)) -> Any:
        if "admin" not in (credentials.decoded or {}).get("roles", []):
            raise HTTPException(403, "Admin permission required")
        return credentials

    app = FastAPI()
    app.get("/admin", dependencies=[Depends(admin)])(lambda: "welcome")
    client = TestClient(app)
    assert client.get("/admin", headers=bearer(token)).json() == "welcome"
    plain = outsider(issuer).session(iss=issuer.issuer)
    assert client.get("/admin", headers=bearer(plain)).status_code == 403


def test_cookies_are_not_read(issuer: DevIssuer, clock: Clock, token: str) -> None:
    client = served(ClerkHTTPBearer(config=config(issuer, clock)))
    answer = client.get("/", headers={"Cookie": f"__session={token}"})
    assert answer.json() == {"detail": "credentials_missing"}


def test_websockets(issuer: DevIssuer, clock: Clock, token: str) -> None:
    client = served(ClerkHTTPBearer(config=config(issuer, clock)))
    with client.websocket_connect("/ws", headers=bearer(token)) as session:
        assert session.receive_json()["sub"] == "user_1"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/ws"):
        pass
    assert refused.value.status_code == 401


def test_it_is_the_scheme_swagger_knows(issuer: DevIssuer, clock: Clock) -> None:
    guard = ClerkHTTPBearer(config=config(issuer, clock))
    assert isinstance(guard, HTTPBearer)
    schemes = served(guard).app.openapi()["components"]["securitySchemes"]  # type: ignore[attr-defined]
    assert schemes == {"ClerkHTTPBearer": {"type": "http", "scheme": "bearer"}}


def test_guards_of_one_config_share_their_keys(issuer: DevIssuer, clock: Clock, token: str) -> None:
    shared = config(issuer, clock)
    for guard in (ClerkHTTPBearer(config=shared), ClerkHTTPBearer(config=shared)):
        assert served(guard).get("/", headers=bearer(token)).status_code == 200
    assert issuer.jwks_fetches == 1


def test_middleware(issuer: DevIssuer, clock: Clock, token: str) -> None:
    app = FastAPI()
    app.add_middleware(
        ClerkAuthMiddleware,
        config=ConfigByPath(api_key="your_api_key", issuer=issuer.issuer, clock=clock),
    )

    @app.get("/protected")
    async def protected(request: Request) -> Any:
        return {"user": request.state.clerk_auth}

    client = TestClient(app)
    user = client.get("/protected", headers=bearer(token)).json()["user"]
    assert user["sub"] == "user_1"
    assert token not in str(user)
    answer = client.get("/protected")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "credentials_missing"}


def test_middleware_with_auto_error_off(issuer: DevIssuer, clock: Clock) -> None:
    app = FastAPI()
    app.add_middleware(ClerkAuthMiddleware, config=config(issuer, clock, auto_error=False))
    app.get("/")(lambda request: None)

    @app.get("/state")
    async def state(request: Request) -> Any:
        return request.state.clerk_auth

    client = TestClient(app)
    assert client.get("/state").json() is None
    assert client.get("/state", headers=bearer("junk")).json() is None


def test_api_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLERK_API_KEY", "sk_test_plantedplantedplantedplanted")
    found = ClerkConfig()
    assert found.api_key == "sk_test_plantedplantedplantedplanted"
    assert "planted" not in repr(found)
    ClerkHTTPBearer(config=found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auto_eror": False}, "did you mean 'auto_error'"),
        ({"verify_exp": False}, "verify_exp"),
        ({"verify_aud": True}, "Audience must be set"),
        ({"verify_iss": True, "issuer": None}, "Issuer must be set"),
        ({"jwks_url": ""}, "jwks_url is empty"),
        ({"jwks_url": b"https://a.example"}, "jwks_url: expected text, found bytes"),
        ({"issuer": ""}, "issuer is empty"),
        ({"api_key": b"sk_test_planted"}, "api_key: expected text, found bytes"),
        ({"audience": []}, "audience: names none"),
        ({"audience": ["a", None]}, "audience: .* found NoneType in it"),
        ({"authorized_parties": 5}, "authorized_parties: expected text or a list"),
        ({"leeway": "long"}, "leeway: expected seconds, found 'long'"),
        ({"leeway": -1}, "leeway"),
    ],
)
def test_mistakes_are_errors(options: dict[str, Any], message: str) -> None:
    given = {"jwks_url": "https://a.clerk.accounts.dev/.well-known/jwks.json", **options}
    with pytest.raises(ConfigError, match=message) as caught:
        ClerkHTTPBearer(config=ClerkConfig(**given))
    assert "planted" not in str(caught.value)


def test_an_override_under_the_class(issuer: DevIssuer, clock: Clock, token: str) -> None:
    client = served(ClerkHTTPBearer(config=config(issuer, clock)))
    app: Any = client.app
    somebody = HTTPAuthorizationCredentials(
        scheme="Bearer", credentials="mock", decoded={"sub": "user_9"}
    )

    async def untyped(request):  # type: ignore[no-untyped-def]
        assert request.url.path
        return somebody

    for override in (untyped, lambda: somebody):
        app.dependency_overrides[ClerkHTTPBearer] = override
        assert client.get("/limited").json() == {"sub": "user_9"}
    app.dependency_overrides.clear()
    assert client.get("/limited").status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"jwks_url": "https://a.example/keys"},
        {"jwks_url": "https://api.clerk.com/v1/jwks"},
        {"issuer": "https://a.example", "jwks_headers": {"X-Tenant": "a"}},
    ],
)
def test_a_guard_cannot_start_without_knowing_the_instance(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ClerkHTTPBearer(config=ClerkConfig(**options))


def test_verify_iat_off_warns() -> None:
    with pytest.warns(UserWarning, match="verify_iat"):
        ClerkConfig(issuer="https://a.example", verify_iat=False)


def test_issuer_and_audience_are_checked(issuer: DevIssuer, clock: Clock, outsider: Any) -> None:
    sign = outsider(issuer).session
    client = served(ClerkHTTPBearer(config=config(issuer, clock, audience="api")))
    for changes, reason in (
        ({"iss": "https://evil.example", "aud": "api"}, "issuer_unknown"),
        ({"iss": issuer.issuer, "aud": "other"}, "audience_mismatch"),
        ({"iss": issuer.issuer, "aud": "api", "exp": None}, "claim_missing"),
        ({"iss": issuer.issuer, "aud": "api", "exp": NOW - 1}, "token_expired"),
    ):
        answer = client.get("/", headers=bearer(sign(**changes)))
        assert answer.status_code == 401
        assert answer.json() == {"detail": reason}


def test_reprs_hide_the_token() -> None:
    found = HTTPAuthorizationCredentials(
        scheme="Bearer", credentials="planted", decoded={"sub": "user_1"}
    )
    assert "planted" not in f"{found!r} {found!s}"
    assert "user_1" in repr(found)
    assert found.credentials == "planted"
