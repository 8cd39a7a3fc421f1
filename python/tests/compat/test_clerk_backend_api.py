"""Moving from `clerk_backend_api` is a changed import line, and its guides come true."""

import json
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Annotated, Any

import clerk_backend_api.security.types as original
import pytest
from clerk_backend_api import AuthenticateRequestOptions as OriginalOptions
from clerk_backend_api import authenticate_request as original_authenticate_request
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.testclient import TestClient
from support import PARTY, Signer, bearer, signer

from doorward import ConfigError
from doorward.compat.clerk_backend_api import (
    AuthenticateRequestOptions,
    AuthErrorReason,
    Clerk,
    RequestState,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
    authenticate_request,
    authenticate_request_async,
    security,
    verify_token,
    verify_token_async,
)
from doorward.compat.clerk_backend_api.security import _engine, types
from doorward.testing import DevIssuer

SECRET = "sk_test_plantedplantedplantedplanted"


def request(token: str | None = None) -> Any:
    return SimpleNamespace(headers=bearer(token) if token else {})


def options(**changes: Any) -> AuthenticateRequestOptions:
    given: dict[str, Any] = {
        "secret_key": SECRET,
        "jwt_key": signer().pem(),
        "authorized_parties": [PARTY],
        "accepts_token": ["session_token"],
        **changes,
    }
    return AuthenticateRequestOptions(**given)


@pytest.fixture
def now() -> float:
    """These options have no clock: tokens are made for the present."""
    import time

    return time.time()


@pytest.fixture
def token(keys: Signer, now: float) -> str:
    return keys.session(now=now)


def protected() -> TestClient:
    """An application as the guide builds one, in other words."""
    app = FastAPI()
    router = APIRouter(prefix="/api")
    optional_bearer = HTTPBearer(auto_error=False)

    def require_auth(
        request: Request,
        _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(optional_bearer)],
    ) -> RequestState:
        state = authenticate_request(request, options())
        if not state.is_signed_in:
            raise HTTPException(401, detail=state.reason or "unauthorized")
        return state

    Auth = Annotated[RequestState, Depends(require_auth)]

    def require_permission(permission: str) -> Any:
        def check(state: Auth) -> RequestState:
            assert state.payload is not None
            if permission not in (state.payload.get("org_permissions") or []):
                raise HTTPException(403, f"missing permission: {permission}")
            return state

        return Depends(check)

    def require_role(role: str) -> Any:
        def check(state: Auth) -> RequestState:
            assert state.payload is not None
            if state.payload.get("org_role") != role:
                raise HTTPException(403, f"missing role: {role}")
            return state

        return Depends(check)

    @router.get("/me")
    def me(state: Auth) -> Any:
        assert state.payload is not None
        return {"user_id": state.payload["sub"], "session_id": state.payload.get("sid")}

    router.delete("/posts", dependencies=[require_permission("org:posts:delete")])(lambda: True)
    router.get("/secrets", dependencies=[require_permission("org:posts:burn")])(lambda: True)
    router.get("/admin", dependencies=[require_role("admin")])(lambda: True)
    app.include_router(router)

    @app.exception_handler(HTTPException)
    def uniform(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"reason": error.detail}, error.status_code)

    return TestClient(app)


def test_a_good_token(token: str) -> None:
    client = protected()
    answer = client.get("/api/me", headers=bearer(token))
    assert answer.json() == {"user_id": "user_1", "session_id": "sess_1"}
    assert client.delete("/api/posts", headers=bearer(token)).json() is True
    assert client.get("/api/admin", headers=bearer(token)).json() is True
    answer = client.get("/api/secrets", headers=bearer(token))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "session-token-missing"),
        ("junk", "token-invalid"),
        ({"exp": 1_000_000_000}, "token-expired"),
        ({"azp": "https://evil.example"}, "token-invalid-authorized-parties"),
        ({"azp": None}, "token-invalid-authorized-parties"),
        ({"nbf": 4_000_000_000}, "token-not-active-yet"),
        ({"iat": 4_000_000_000}, "token-iat-in-the-future"),
        ({"exp": None}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"sub": "mch_1"}, "token-type-not-supported"),
        ({"sts": "pending"}, "token-invalid"),
        ({"headers": {"typ": "at+jwt"}}, "token-type-not-supported"),
    ],
)
def test_a_bad_token_is_401_with_the_reason(
    keys: Signer, now: float, changes: Any, reason: str
) -> None:
    if isinstance(changes, dict):
        headers = bearer(keys.session(now=now, **changes))
    else:
        headers = bearer(changes) if changes else {}
    answer = protected().get("/api/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"reason": reason}


def test_a_stranger_with_our_kid(keys: Signer, now: float) -> None:
    forged = signer("stranger").session(now=now, headers={"kid": keys.kid})
    state = authenticate_request(request(forged), options())
    assert state.reason is TokenVerificationErrorReason.TOKEN_INVALID_SIGNATURE


async def test_async_says_the_same(token: str) -> None:
    state = await authenticate_request_async(request(token), options())
    assert state == authenticate_request(request(token), options())
    assert state.is_signed_in
    state = await authenticate_request_async(request(), options())
    assert state.reason is AuthErrorReason.SESSION_TOKEN_MISSING


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"o": None, "fea": None},
        {"v": None, "o": None, "org_id": "org_9", "org_role": "org:admin", "fea": None},
        {"fea": "o:a,u:b,o:c", "o": {"id": "org_2", "rol": "x", "per": "r,w", "fpm": "3,0,2"}},
    ],
)
def test_the_payload_is_the_originals(keys: Signer, now: float, claims: Any) -> None:
    token = keys.session(now=now, **claims)
    ours = authenticate_request(request(token), options())
    theirs = original_authenticate_request(
        request(token),
        OriginalOptions(jwt_key=keys.pem(), authorized_parties=[PARTY]),
    )
    assert ours.is_signed_in
    assert theirs.is_signed_in
    expected = {name: value for name, value in (theirs.payload or {}).items() if value is not None}
    assert ours.payload == expected
    assert ours.token == theirs.token == token
    assert vars(ours.to_auth()) == vars(theirs.to_auth())
    assert type(ours.to_auth()).__name__ == type(theirs.to_auth()).__name__


def test_a_token_cannot_bring_its_own_organization(keys: Signer, now: float) -> None:
    smuggled = {
        "o": None,
        "fea": None,
        "org_id": "org_evil",
        "org_role": "admin",
        "org_slug": "evil",
        "org_permissions": ["org:posts:delete"],
    }
    state = authenticate_request(request(keys.session(now=now, **smuggled)), options())
    assert state.payload is not None
    assert not {"org_id", "org_role", "org_slug", "org_permissions"} & set(state.payload)


def test_the_cookie_will_do(token: str) -> None:
    cookie = SimpleNamespace(headers={"cookie": f"theme=dark; __session={token}"})
    assert authenticate_request(cookie, options()).is_signed_in


@pytest.mark.parametrize(
    ("parties", "azp", "signed_in"),
    [
        (None, "https://anything.example", True),
        (None, None, True),
        ([], PARTY, False),
        ("", PARTY, False),
        (f"https://app.example, {PARTY}", PARTY, True),
        (f"{PARTY}0,https://app.example", PARTY, False),
        (f"{PARTY},https://app.example", "http", False),
    ],
)
def test_authorized_parties(
    keys: Signer, now: float, parties: Any, azp: str | None, signed_in: bool
) -> None:
    state = authenticate_request(
        request(keys.session(now=now, azp=azp)), options(authorized_parties=parties)
    )
    assert state.is_signed_in is signed_in


def test_default_accepts_sessions_only(keys: Signer, now: float) -> None:
    machine = keys.session(now=now, sub="mch_1", azp=None, sid=None, v=None, o=None, fea=None)
    chosen = {"jwt_key": keys.pem()}
    state = authenticate_request(request(machine), AuthenticateRequestOptions(**chosen))
    assert state.reason is AuthErrorReason.TOKEN_TYPE_NOT_SUPPORTED
    state = authenticate_request(
        request(machine), AuthenticateRequestOptions(**chosen, accepts_token=["machine_token"])
    )
    assert state.is_signed_in
    auth = state.to_auth()
    assert isinstance(auth, types.M2MMachineAuthObject)
    assert auth.machine_id == "mch_1"


def test_options_without_a_key(token: str) -> None:
    empty = AuthenticateRequestOptions()
    state = authenticate_request(request(token), empty)
    assert state.reason == "secret-key-missing"
    assert authenticate_request(request(), empty).reason == "session-token-missing"
    bad = options(jwt_key="no key at all")
    assert authenticate_request(request(token), bad).reason == "jwk-failed-to-resolve"
    assert authenticate_request(request(), bad).reason == "session-token-missing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accepts_token": ["sesion_token"]}, "did you mean 'session_token'"),
        ({"accepts_token": []}, "accepts_token: names no kind"),
        ({"accepts_token": [None]}, "accepts_token: expected a list of texts, found NoneType"),
        ({"secret_key": b"sk_test_planted"}, "secret_key: expected text, found bytes"),
        ({"jwt_key": 5}, "jwt_key: expected text, found int"),
        ({"audience": []}, "audience: names none"),
        ({"audience": b"planted"}, "audience: expected text or a list of texts, found bytes"),
        ({"authorized_parties": 5}, "authorized_parties: expected text or a list"),
        ({"authorized_parties": [b"a"]}, "authorized_parties: .* found bytes in it"),
        ({"clock_skew_in_ms": -1}, "clock_skew_in_ms: .* from 0 to 300000, found -1"),
        ({"clock_skew_in_ms": 300_001}, "clock_skew_in_ms"),
        ({"clock_skew_in_ms": "5s"}, "clock_skew_in_ms: .* found '5s'"),
    ],
)
def test_mistakes_are_errors(changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        options(**changes)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"audience": ""}, {"authorized_parties": [f"{PARTY}/"]}])
def test_what_only_the_engine_knows_to_be_a_mistake(token: str, changes: Any) -> None:
    """A 401 would blame the caller."""
    with pytest.raises(ConfigError, match=next(iter(changes))):
        authenticate_request(request(token), options(**changes))


def test_a_key_from_a_file(token: str, keys: Signer) -> None:
    assert authenticate_request(request(token), options(jwt_key=keys.pem().encode())).is_signed_in


def test_the_engines_own_answer(token: str) -> None:
    state = authenticate_request(request(token), options())
    assert state.identity is not None
    assert state.rejection is None
    state = authenticate_request(request("junk"), options())
    assert state.identity is None
    assert state.rejection is not None
    assert state.rejection.status == 401
    twin = pickle.loads(pickle.dumps(state))
    assert twin.rejection.reason is state.rejection.reason
    assert authenticate_request(request(token), AuthenticateRequestOptions()).rejection is None


@pytest.mark.parametrize("bearer_auth", [SECRET, lambda: SECRET])
async def test_the_sdk_object(token: str, bearer_auth: Any) -> None:
    chosen = options(secret_key=None)
    with Clerk(bearer_auth=bearer_auth) as clerk:
        assert clerk.authenticate_request(request(token), chosen).is_signed_in
    async with Clerk(bearer_auth) as clerk:
        assert (await clerk.authenticate_request_async(request(token), chosen)).is_signed_in
    assert chosen.secret_key is None
    assert "planted" not in f"{clerk!r}"
    nobody = AuthenticateRequestOptions()
    assert Clerk().authenticate_request(request(token), nobody).reason == "secret-key-missing"
    with pytest.raises(TypeError, match="connections"):
        Clerk(client=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="bearer_auth: expected text"):
        Clerk(b"sk_test_x")  # type: ignore[arg-type]


def test_many_tenants_each_keep_their_keys() -> None:
    with DevIssuer() as issuer:
        token = issuer.mint()
        for _ in range(2):
            for tenant in range(100):
                chosen = VerifyTokenOptions(
                    secret_key=f"sk_test_{tenant}", api_url=issuer.start().rstrip("/")
                )
                assert verify_token(token, chosen)["sub"]
        assert issuer.jwks_fetches == 100


def test_too_many_tenants_do_not_drive_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(wanted: Any) -> Any:
        built.append(wanted)
        return object()

    monkeypatch.setattr(_engine, "_build", build)
    monkeypatch.setattr(_engine, "_engines", {})
    monkeypatch.setattr(_engine, "_MOST", 50)
    monkeypatch.setattr(_engine, "random", random.Random(1))
    rounds, tenants = 20, 60
    for _ in range(rounds):
        for tenant in range(tenants):
            chosen = VerifyTokenOptions(secret_key=f"sk_test_{tenant}")
            assert _engine.engine(chosen) is _engine.engine(chosen)
            assert len(_engine._engines) <= 50
    # Forgetting the one that was used longest ago would build every one every time.
    assert len(built) < rounds * tenants / 2
    assert "sk_test" not in repr(built)


def test_one_engine_for_equal_options_in_many_threads(keys: Signer) -> None:
    chosen = options(audience=f"threads {keys.kid}")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: _engine.engine(chosen), range(64)))
    assert len({id(one) for one in found}) == 1


def test_verify_token(token: str, keys: Signer, now: float) -> None:
    chosen = VerifyTokenOptions(jwt_key=keys.pem(), authorized_parties=[PARTY])
    assert verify_token(token, chosen)["sub"] == "user_1"
    with pytest.raises(TokenVerificationError) as caught:
        verify_token(keys.session(now=now, exp=1_000_000_000), chosen)
    assert caught.value.reason is TokenVerificationErrorReason.TOKEN_EXPIRED
    assert str(caught.value) == "Token has expired and is no longer valid."
    twin = pickle.loads(pickle.dumps(caught.value))
    assert twin.reason is caught.value.reason
    with pytest.raises(TokenVerificationError) as caught:
        verify_token(token, VerifyTokenOptions())
    assert caught.value.reason is TokenVerificationErrorReason.SECRET_KEY_MISSING


async def test_verify_token_async(token: str, keys: Signer) -> None:
    chosen = VerifyTokenOptions(jwt_key=keys.pem())
    assert (await verify_token_async(token, chosen))["sub"] == "user_1"


def test_keys_out_of_reach(token: str) -> None:
    # Nothing listens on the discard port; a refused connection is answered at once.
    chosen = VerifyTokenOptions(secret_key=SECRET, api_url="http://127.0.0.1:9")
    with pytest.raises(TokenVerificationError) as caught:
        verify_token(token, chosen)
    assert caught.value.reason is TokenVerificationErrorReason.JWK_FAILED_TO_LOAD


@pytest.mark.parametrize("name", ["AuthErrorReason", "TokenVerificationErrorReason"])
def test_reasons_are_the_originals_and_strings(name: str) -> None:
    ours: Any = getattr(types, name)
    theirs: Any = getattr(original, name)
    for member in theirs:
        twin = ours[member.name]
        assert twin.value == member.value
        assert twin == twin.code == str(twin) == f"{twin}" == member.value[0]
        assert twin.message == member.value[1]
        assert json.dumps(twin) == json.dumps(member.value[0])
        assert {twin.code: 1}[twin] == 1
    extra = {member.name for member in ours} - {member.name for member in theirs}
    assert extra <= {"TOKEN_INVALID_ISSUER"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AuthenticateRequestOptions, original.AuthenticateRequestOptions),
        (VerifyTokenOptions, original.VerifyTokenOptions),
    ],
)
def test_options_have_the_originals_fields_and_defaults(ours: Any, theirs: Any) -> None:
    mine, other = vars(ours()), vars(theirs())
    if ours is AuthenticateRequestOptions:
        assert mine.pop("accepts_token") == ["session_token"]
        assert other.pop("accepts_token") == ["any"]
    assert mine == other


def test_paths_of_modules() -> None:
    from doorward.compat.clerk_backend_api import jwks_helpers
    from doorward.compat.clerk_backend_api.security import authenticaterequest, verifytoken

    assert authenticaterequest.authenticate_request is security.authenticate_request
    assert verifytoken.verify_token is security.verify_token
    assert jwks_helpers.authenticate_request is security.authenticate_request
    assert {"AuthStatus", "RequestState", "Requestish"} <= set(dir(security))


def test_reprs_hide_secrets(token: str) -> None:
    state = authenticate_request(request(token), options())
    things = [options(), VerifyTokenOptions(secret_key=SECRET, machine_secret_key=SECRET), state]
    for thing in things:
        assert "planted" not in f"{thing!r} {thing}"
        assert token.rpartition(".")[2] not in repr(thing)


def test_signed_out_has_no_auth_object() -> None:
    state = authenticate_request(request(), options())
    assert state.status is types.AuthStatus.SIGNED_OUT
    assert not state.is_authenticated
    assert state.message is not None
    assert state.message.startswith("Could not retrieve session token.")
    with pytest.raises(ValueError, match="unauthenticated"):
        state.to_auth()
