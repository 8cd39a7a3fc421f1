"""Moving from the `JWTBearer` recipe is a changed import line, and its pages come true."""

import asyncio
import http.server
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from httpx import ASGITransport, AsyncClient
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from support import PARTY, bearer

from doorward import ANY, ConfigError
from doorward.compat import jwt_bearer
from doorward.compat.jwt_bearer import (
    JWTBearer,
    Settings,
    verify_token,
    verify_token_async,
    verify_user_access,
)
from doorward.compat.jwt_bearer._settings import default
from doorward.fastapi import Refused
from doorward.testing import DevIssuer

VARIABLES = (
    "BETTER_AUTH_URL",
    "BETTER_AUTH_SECRET",
    "BETTER_AUTH_JWKS_URL",
    "JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "AUTH0_DOMAIN",
    "CLERK_DOMAIN",
    "CLERK_AUTHORIZED_PARTIES",
    "USER_ID_CLAIM",
    "ALGORITHMS",
    "AUTH0_AUDIENCE",
    "DOORWARD_INSECURE_PLAIN_HTTP",
)


class BetterAuth:
    """The frontend's side of the recipe: one Ed25519 key, published where Better Auth does."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()
        self.down = False
        auth = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                auth.fetches += 1
                auth.gate.wait(10)
                found = self.path == "/api/auth/jwks" and not auth.down
                body = json.dumps(auth.jwks()).encode() if found else b""
                self.send_response(200 if found else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def jwks(self) -> Any:
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**jwk, "kid": "key_1", "alg": "EdDSA"}]}

    def token(self, *, key: Any = None, **changes: Any) -> str:
        """As Better Auth signs it: no `typ`, its URL as `iss` and `aud`, the user's record within.
        A claim of `None` is left out.
        """
        claims = {
            "iat": int(time.time()),
            "exp": int(time.time()) + 900,
            "iss": self.url,
            "aud": self.url,
            "sub": "user_1",
            "id": "user_1",
            "email": "ada@example.com",
            **changes,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        headers: Any = {"kid": "key_1", "typ": None}
        return jwt.encode(present, key or self.key, algorithm="EdDSA", headers=headers)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    default.cache_clear()
    yield
    default.cache_clear()


@pytest.fixture
def better_auth(monkeypatch: pytest.MonkeyPatch) -> Iterator[BetterAuth]:
    auth = BetterAuth()
    thread = threading.Thread(target=auth.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("BETTER_AUTH_URL", auth.url)
    monkeypatch.setenv("BETTER_AUTH_SECRET", "plantedplantedplantedplantedplanted")
    yield auth
    auth.gate.set()
    auth.server.shutdown()
    auth.server.server_close()
    thread.join(10)


def create_app() -> FastAPI:
    """An application as the recipe builds one, in other words."""
    app = FastAPI()
    tasks = APIRouter(prefix="/api", dependencies=[Depends(JWTBearer())])

    @tasks.get("/token")
    async def token(
        request: Request, token: Annotated[str, Depends(JWTBearer())]
    ) -> dict[str, str]:
        return {"token": token, "user_id": request.state.user_id}

    @tasks.get("/{user_id}/tasks")
    async def own(user_id: str = Depends(verify_user_access)) -> dict[str, str]:
        return {"user_id": user_id}

    @tasks.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.user_id)
        await websocket.close()

    app.include_router(tasks)
    app.get("/health")(lambda: "ok")

    @app.get("/unguarded/{user_id}")
    async def unguarded(user_id: str = Depends(verify_user_access)) -> str:
        return user_id

    return app


@pytest.fixture
def client(better_auth: BetterAuth) -> TestClient:
    return TestClient(create_app())


def test_a_good_token(client: TestClient, better_auth: BetterAuth) -> None:
    token = better_auth.token()
    expected = {"token": token, "user_id": "user_1"}
    assert client.get("/api/token", headers=bearer(token)).json() == expected
    lower = {"authorization": f"bearer {token}"}
    assert client.get("/api/token", headers=lower).json() == expected
    assert better_auth.fetches == 1


def test_everybody_sees_their_own(client: TestClient, better_auth: BetterAuth) -> None:
    headers = bearer(better_auth.token())
    assert client.get("/api/user_1/tasks", headers=headers).json() == {"user_id": "user_1"}
    answer = client.get("/api/user_2/tasks", headers=headers)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "Access denied"}


def test_a_route_without_the_guard_knows_nobody(
    client: TestClient, better_auth: BetterAuth
) -> None:
    answer = client.get("/unguarded/user_1", headers=bearer(better_auth.token()))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_no_credentials(client: TestClient) -> None:
    answer = client.get("/api/token")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/api/user_1/tasks").status_code == 401


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": None}, "claim_missing"),
        ({"exp": 1_000_000_000}, "token_expired"),
        ({"sub": None, "user_id": "user_1"}, "claim_missing"),
        ({"aud": None}, "audience_missing"),
        ({"aud": "https://other.example"}, "audience_mismatch"),
        ({"iss": "https://evil.example"}, "issuer_unknown"),
        ({"iss": None}, "claim_missing"),
        ({"key": Ed25519PrivateKey.generate()}, "signature_invalid"),
    ],
)
def test_a_bad_token(
    client: TestClient, better_auth: BetterAuth, changes: Any, reason: str
) -> None:
    answer = client.get("/api/token", headers=bearer(better_auth.token(**changes)))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json() == {"detail": reason}
    assert verify_token(better_auth.token(**changes)) is None


def test_a_secret_is_no_public_key(client: TestClient, better_auth: BetterAuth) -> None:
    forged = jwt.encode(
        {"sub": "user_1", "iss": better_auth.url, "aud": better_auth.url, "exp": 4_000_000_000},
        "plantedplantedplantedplantedplanted",
        algorithm="HS256",
        headers={"kid": "key_1"},
    )
    answer = client.get("/api/token", headers=bearer(forged))
    assert answer.json() == {"detail": "algorithm_not_allowed"}


def test_no_claim_stands_in_for_the_subject(client: TestClient, better_auth: BetterAuth) -> None:
    """Users may write some claims themselves."""
    token = better_auth.token(user_id="user_2")
    assert client.get("/api/token", headers=bearer(token)).json()["user_id"] == "user_1"
    assert client.get("/api/user_2/tasks", headers=bearer(token)).status_code == 403


@pytest.mark.parametrize(
    ("user_id", "reason"),
    [
        (None, "claim_missing"),
        ("", "claim_malformed"),
        (True, "claim_malformed"),
        (["user_2"], "claim_malformed"),
    ],
)
def test_the_subject_does_not_stand_in_for_another_claim(
    better_auth: BetterAuth, monkeypatch: pytest.MonkeyPatch, user_id: Any, reason: str
) -> None:
    monkeypatch.setenv("USER_ID_CLAIM", "user_id")
    client = TestClient(create_app())
    token = better_auth.token(user_id=user_id)
    answer = client.get("/api/token", headers=bearer(token))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json() == {"detail": reason}
    assert verify_token(token) is None


@pytest.mark.parametrize(("user_id", "found"), [("user_2", "user_2"), (7, "7")])
def test_the_claim_that_is_named(
    better_auth: BetterAuth, monkeypatch: pytest.MonkeyPatch, user_id: Any, found: str
) -> None:
    monkeypatch.setenv("USER_ID_CLAIM", "user_id")
    client = TestClient(create_app())
    headers = bearer(better_auth.token(user_id=user_id))
    assert client.get(f"/api/{found}/tasks", headers=headers).json() == {"user_id": found}
    assert client.get("/api/user_1/tasks", headers=headers).status_code == 403


def test_keys_out_of_reach_are_our_trouble(client: TestClient, better_auth: BetterAuth) -> None:
    better_auth.down = True
    answer = client.get("/api/token", headers=bearer(better_auth.token()))
    assert answer.status_code == 503
    assert answer.json() == {"detail": "keys_unavailable"}
    assert "retry-after" in answer.headers
    assert client.get("/api/token").status_code == 401


async def test_verify_token(better_auth: BetterAuth) -> None:
    token = better_auth.token()
    assert await verify_token_async(token) == "user_1"
    assert verify_token(token) == verify_token(token.encode()) == "user_1"
    for bad in ("junk", "", "é", "\ud800", token[:-4], None):
        assert verify_token(bad) is None
        assert await verify_token_async(bad) is None


@pytest.mark.parametrize("way", [verify_token, verify_token_async])
async def test_an_outage_is_no_bad_token(better_auth: BetterAuth, way: Any) -> None:
    better_auth.down = True
    token = better_auth.token()
    if way is verify_token:
        with pytest.raises(Refused) as caught:
            verify_token(token)
    else:
        with pytest.raises(Refused) as caught:
            await verify_token_async(token)
    assert caught.value.status_code == 503
    assert caught.value.headers is not None
    assert "retry-after" in caught.value.headers


def test_an_outage_in_a_handler_is_503(better_auth: BetterAuth) -> None:
    better_auth.down = True
    app = FastAPI()
    app.get("/")(lambda token: verify_token(token))
    answer = TestClient(app).get("/", params={"token": better_auth.token()})
    assert answer.status_code == 503
    assert answer.json() == {"detail": "keys_unavailable"}


async def test_the_event_loop_never_waits(better_auth: BetterAuth) -> None:
    better_auth.gate.clear()
    transport = ASGITransport(create_app())
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        headers = bearer(better_auth.token())
        waiting = asyncio.create_task(client.get("/api/token", headers=headers))
        while not better_auth.fetches:
            # The fetch has a deadline, after which there is an answer.
            assert not waiting.done()
            await asyncio.sleep(0)
        assert (await client.get("/health")).json() == "ok"
        assert not waiting.done()
        better_auth.gate.set()
        assert (await waiting).status_code == 200


def test_websockets(client: TestClient, better_auth: BetterAuth) -> None:
    with client.websocket_connect("/api/ws", headers=bearer(better_auth.token())) as session:
        assert session.receive_text() == "user_1"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/api/ws"):
        pass
    assert refused.value.status_code == 401


def test_it_is_the_scheme_swagger_knows(client: TestClient) -> None:
    assert isinstance(JWTBearer(), HTTPBearer)
    document = client.app.openapi()  # type: ignore[attr-defined]
    assert document["components"]["securitySchemes"] == {
        "JWTBearer": {"type": "http", "scheme": "bearer"}
    }
    assert document["paths"]["/api/{user_id}/tasks"]["get"]["security"] == [{"JWTBearer": []}]


def test_optional(better_auth: BetterAuth) -> None:
    app = FastAPI()

    @app.get("/")
    async def index(
        request: Request, token: Annotated[str | None, Depends(JWTBearer(auto_error=False))]
    ) -> Any:
        return [token is not None, request.state.user_id]

    client = TestClient(app)
    assert client.get("/").json() == [False, None]
    assert client.get("/", headers=bearer(better_auth.token())).json() == [True, "user_1"]
    assert client.get("/", headers=bearer("junk")).status_code == 401


async def untyped(request):  # type: ignore[no-untyped-def]
    request.state.user_id = "test_user_123"
    return "mock_token"


def nothing_wanted() -> str:
    return "mock_token"


def test_an_override_under_the_class(client: TestClient, better_auth: BetterAuth) -> None:
    app: Any = client.app
    app.dependency_overrides[JWTBearer] = untyped
    answer = client.get("/api/token", headers={"Authorization": "Bearer test_token"})
    assert answer.json() == {"token": "mock_token", "user_id": "test_user_123"}
    assert client.get("/api/test_user_123/tasks").json() == {"user_id": "test_user_123"}
    assert client.get("/api/user_1/tasks").status_code == 403
    app.dependency_overrides[JWTBearer] = nothing_wanted
    assert client.get("/api/user_1/tasks").status_code == 401
    app.dependency_overrides.clear()
    assert client.get("/api/test_user_123/tasks").status_code == 401
    assert better_auth.fetches == 0


def test_an_override_under_the_guard(better_auth: BetterAuth) -> None:
    guard = JWTBearer()
    app = FastAPI()
    app.get("/")(lambda token=Depends(guard): token)
    app.dependency_overrides[guard] = nothing_wanted
    assert TestClient(app).get("/").json() == "mock_token"


def test_settings_are_the_environments(better_auth: BetterAuth) -> None:
    assert jwt_bearer.settings is jwt_bearer.settings is JWTBearer().settings
    assert better_auth.url == jwt_bearer.settings.BETTER_AUTH_URL
    assert jwt_bearer.settings.BETTER_AUTH_SECRET == "plantedplantedplantedplantedplanted"
    assert "planted" not in f"{jwt_bearer.settings!r}"
    assert not hasattr(jwt_bearer, "setings")


def test_settings_of_ones_own(better_auth: BetterAuth) -> None:
    other = Settings(BETTER_AUTH_URL=better_auth.url, audience="https://api.example")
    token = better_auth.token(aud=["https://api.example", "https://b.example"])
    assert verify_token(token, other) == "user_1"
    assert verify_token(token) is None
    app = FastAPI()
    app.get("/", dependencies=[Depends(JWTBearer(settings=other))])(lambda: "in")
    assert TestClient(app).get("/", headers=bearer(token)).json() == "in"


def test_who_is_named_in_code_has_no_rival(
    better_auth: BetterAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWKS_URL", f"{better_auth.url}/api/auth/jwks")
    named = Settings(CLERK_DOMAIN="clerk.example.com")
    assert named.BETTER_AUTH_URL is named.JWKS_URL is None
    assert verify_token(better_auth.token(), named) is None
    # What narrows still does.
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    assert Settings(CLERK_DOMAIN="clerk.example.com").authorized_parties == (PARTY,)
    with pytest.raises(ConfigError, match="several providers"):
        Settings(CLERK_DOMAIN="clerk.example.com", AUTH0_DOMAIN="a.auth0.com")


def test_inside_a_cluster(better_auth: BetterAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from a service's name, tokens carry the public one."""
    monkeypatch.delenv("BETTER_AUTH_URL")
    monkeypatch.setenv("BETTER_AUTH_JWKS_URL", f"{better_auth.url}/api/auth/jwks")
    assert verify_token(better_auth.token()) == "user_1"
    public = "https://app.example"
    token = better_auth.token(iss=public, aud=public)
    assert verify_token(token) is None
    assert verify_token(token, Settings(issuer=public)) == "user_1"
    # Plain http is only safe on one machine, and has to be asked for on others.
    monkeypatch.setenv("BETTER_AUTH_JWKS_URL", "http://frontend:3000/api/auth/jwks")
    with pytest.raises(ConfigError, match="plain http"):
        Settings()
    Settings(insecure_plain_http=True)
    monkeypatch.setenv("DOORWARD_INSECURE_PLAIN_HTTP", "true")
    Settings()
    with pytest.raises(ConfigError, match="plain http"):
        Settings(insecure_plain_http=False)
    monkeypatch.setenv("DOORWARD_INSECURE_PLAIN_HTTP", "yes")
    with pytest.raises(ConfigError, match="expected true or false, found 'yes'"):
        Settings()


@pytest.mark.parametrize("under", ["", "/", "/api/auth", "/api/auth/"])
def test_any_way_to_write_the_base_url(better_auth: BetterAuth, under: str) -> None:
    settings = Settings(BETTER_AUTH_URL=f"{better_auth.url}{under}")
    assert verify_token(better_auth.token(), settings) == "user_1"


@pytest.mark.parametrize("algorithms", ["EdDSA", "ES256,EdDSA", '["EdDSA"]', ["EdDSA"]])
def test_algorithms(better_auth: BetterAuth, algorithms: Any) -> None:
    assert verify_token(better_auth.token(), Settings(ALGORITHMS=algorithms)) == "user_1"
    assert verify_token(better_auth.token(), Settings(ALGORITHMS="RS256")) is None


@contextmanager
def published(issuer: DevIssuer) -> Iterator[str]:
    """Where the keys of an issuer with a name of its own are served."""
    try:
        yield f"{issuer.start()}/.well-known/jwks.json"
    finally:
        issuer.stop()


def test_auth0(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = DevIssuer(issuer="https://tenant.eu.auth0.com/")
    monkeypatch.setenv("AUTH0_AUDIENCE", "https://api")
    with published(issuer) as keys:
        settings = Settings(AUTH0_DOMAIN="tenant.eu.auth0.com", JWKS_URL=keys)
        good = issuer.mint(kind="oidc", aud=["https://api", "https://a/userinfo"], sub="auth0|1")
        assert verify_token(good, settings) == "auth0|1"
        assert verify_token(issuer.mint(kind="oauth", aud="https://api"), settings)
        assert verify_token(issuer.mint(kind="oidc", aud="https://other"), settings) is None
        assert verify_token(issuer.mint(kind="oidc"), settings) is None
        machine = issuer.mint(kind="oidc", aud="https://api", claims={"gty": "client-credentials"})
        assert verify_token(machine, settings) is None


def test_clerk(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = DevIssuer(issuer="https://clerk.example.com")
    with published(issuer) as keys:
        monkeypatch.setenv("CLERK_DOMAIN", "clerk.example.com")
        monkeypatch.setenv("JWKS_URL", keys)
        monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", f"https://app.example, {PARTY}")
        assert verify_token(issuer.mint(sub="user_1")) == "user_1"
        assert verify_token(issuer.mint(azp="https://evil.example")) is None
        assert verify_token(issuer.mint(kind="oauth")) is None
        assert verify_token(issuer.mint(kind="template")) is None
        assert verify_token(issuer.mint(status="pending")) is None


@pytest.mark.parametrize("end", ["", "/"])
def test_the_issuer_follows_from_a_well_known_url(end: str) -> None:
    with DevIssuer() as issuer:
        settings = Settings(JWKS_URL=issuer.jwks_url, audience="api")
        base = issuer.jwks_url.removesuffix("/.well-known/jwks.json")
        assert verify_token(issuer.mint(kind="oidc", iss=base + end, aud="api"), settings)
        assert verify_token(issuer.mint(kind="oidc", iss=base + "/x", aud="api"), settings) is None


@pytest.mark.parametrize(
    ("given", "configured"),
    [
        (
            {"AUTH0_DOMAIN": "https://a.auth0.com/", "audience": "api"},
            {"preset": "auth0", "domain": "a.auth0.com", "audience": ("api",)},
        ),
        (
            {"JWKS_URL": "https://a.example/api/auth/jwks"},
            {"url": "https://a.example", "audience": ["https://a.example"]},
        ),
        (
            {"JWKS_URL": "https://a.example/keys", "issuer": "https://b.example", "audience": ANY},
            {"issuer": "https://b.example", "audience": ANY},
        ),
        (
            {"BETTER_AUTH_URL": "https://App.Example:443/base"},
            {
                "url": "https://app.example",
                "jwks_url": "https://App.Example:443/base/api/auth/jwks",
                "audience": ["https://app.example"],
            },
        ),
        (
            {"BETTER_AUTH_URL": "https://a.example", "issuer": "us"},
            {"issuer": "us", "audience": ["us"], "jwks_url": "https://a.example/api/auth/jwks"},
        ),
    ],
)
def test_what_is_trusted(given: Any, configured: Any) -> None:
    found = Settings(**given)._configuration()
    assert {name: found[name] for name in configured} == configured


def test_nothing_set_is_the_recipes_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "doorward"):
        assert jwt_bearer.settings.BETTER_AUTH_URL == "http://localhost:3000"
    assert "BETTER_AUTH_URL is not set" in caplog.text


def test_a_slip_of_the_pen_is_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETER_AUTH_URL", "https://app.example")
    with pytest.raises(ConfigError, match="'BETER_AUTH_URL' is; did you mean 'BETTER_AUTH_URL'"):
        JWTBearer()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"BETTER_AUTH_URI": "https://a.example"}, "did you mean 'BETTER_AUTH_URL'"),
        ({"BETTER_AUTH_URL": "localhost:3000"}, "BETTER_AUTH_URL: expected https://host"),
        ({"BETTER_AUTH_URL": "https://[a"}, "BETTER_AUTH_URL: expected https://host"),
        ({"BETTER_AUTH_URL": "https://me:planted@a.example"}, "BETTER_AUTH_URL: a user and a"),
        ({"CLERK_DOMAIN": "me:planted@a.example"}, "CLERK_DOMAIN: a user and a"),
        ({"BETTER_AUTH_URL": "http://a.example"}, "plain http"),
        ({"BETTER_AUTH_URL": ""}, "BETTER_AUTH_URL is empty"),
        ({"BETTER_AUTH_URL": b"https://a.example"}, "expected text, found bytes"),
        ({"AUTH0_DOMAIN": "a.auth0.com"}, "JWT_AUDIENCE is needed"),
        ({"AUTH0_DOMAIN": "http://a.auth0.com", "audience": "x"}, "AUTH0_DOMAIN: expected a host"),
        ({"CLERK_DOMAIN": "a.example/x"}, "CLERK_DOMAIN: expected a host"),
        ({"CLERK_DOMAIN": "a.example", "authorized_parties": []}, "authorized_parties is empty"),
        ({"CLERK_DOMAIN": "a.example", "AUTH0_DOMAIN": "b.example"}, "several providers"),
        ({"JWKS_URL": "https://a.example/keys", "audience": "x"}, "JWT_ISSUER is needed"),
        ({"JWKS_URL": "https://a.example/.well-known/jwks.json"}, "JWT_AUDIENCE is needed"),
        (
            {"JWKS_URL": "https://a.example/k", "BETTER_AUTH_JWKS_URL": "https://b.example/k"},
            "JWKS_URL and BETTER_AUTH_JWKS_URL differ",
        ),
        ({"ALGORITHMS": []}, "ALGORITHMS is empty"),
        ({"ALGORITHMS": "RS265"}, "RS265"),
        ({"ALGORITHMS": "HS256"}, "HS256"),
        ({"ALGORITHMS": '["RS256"'}, "ALGORITHMS: .* is no JSON list"),
        ({"ALGORITHMS": [256]}, "ALGORITHMS: expected a list of texts, found int in it"),
        ({"audience": ""}, "audience is empty"),
        ({"audience": []}, "audience is empty"),
        ({"audience": "*"}, "doorward.ANY"),
        ({"leeway": -1}, "leeway"),
    ],
)
def test_mistakes_are_errors(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Settings(**given)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", ["JWT_AUDIENCE", "ALGORITHMS"])
def test_an_empty_variable_waives_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, " ")
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        JWTBearer()


def test_the_environment_waives_an_audience(
    better_auth: BetterAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_AUDIENCE", "*")
    assert verify_token(better_auth.token(aud=None)) == "user_1"
    default.cache_clear()
    monkeypatch.setenv("JWT_AUDIENCE", "a, b")
    assert verify_token(better_auth.token(aud="b")) == "user_1"
    assert verify_token(better_auth.token(aud="a, b")) is None
