"""Machine tokens through `compat.clerk_backend_api`, beside the original, at the local issuer."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import warnings
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import clerk_backend_api.security.authenticaterequest as original_module
import clerk_backend_api.security.types as original
import pytest
from clerk_backend_api.security import verify_token as original_verify_token
from support import bearer

from doorward import ConfigError
from doorward.compat.clerk_backend_api import (
    AuthenticateRequestOptions,
    RequestState,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
    authenticate_request,
    authenticate_request_async,
    verify_token,
    verify_token_async,
)
from doorward.compat.clerk_backend_api.security import _engine, types
from doorward.testing import DevIssuer

SECRET = "sk_test_machines"
ALL = ["session_token", "api_key", "oauth_token", "m2m_token"]
#: Kind and subject of every opaque token there is.
OPAQUE = [
    ("api_key", "user_ada"),
    ("api_key", "org_acme"),
    ("api_key", "mch_robot"),
    ("oauth_opaque", "user_ada"),
    ("m2m_opaque", "mch_robot"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[DevIssuer]:
    with DevIssuer(secret_key=SECRET) as issuer:
        yield issuer


@pytest.fixture
def issuer(running: DevIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevIssuer]:
    """An issuer whom both packages take for Clerk."""
    monkeypatch.setenv("CLERK_API_URL", running.api_url)
    # The original cannot be told where Clerk is.
    there = partial(original.VerifyTokenOptions, api_url=running.api_url)
    monkeypatch.setattr(original_module, "VerifyTokenOptions", there)
    # Nothing is remembered from one test to the next.
    monkeypatch.setattr(_engine, "_engines", {})
    yield running
    running.reset()


def request(token: str) -> Any:
    return SimpleNamespace(headers=bearer(token))


def options(**changes: Any) -> AuthenticateRequestOptions:
    return AuthenticateRequestOptions(**{"secret_key": SECRET, "accepts_token": ALL, **changes})


def theirs(token: str) -> Any:
    with warnings.catch_warnings():
        # It opens a connection for each token and leaves it to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        state = original_module.authenticate_request(
            request(token), original.AuthenticateRequestOptions(secret_key=SECRET)
        )
        gc.collect()
    return state


def plain(value: Any) -> Any:
    """The enumerations of both packages as their values."""
    return {name: getattr(one, "value", one) for name, one in vars(value).items()}


# The classes.


@pytest.mark.parametrize(
    "name",
    [
        "SessionAuthObjectV1",
        "SessionAuthObjectV2",
        "OAuthMachineAuthObject",
        "APIKeyMachineAuthObject",
        "M2MMachineAuthObject",
    ],
)
def test_classes_have_the_originals_fields(name: str) -> None:
    ours, other = getattr(types, name), getattr(original, name)
    assert [field.name for field in dataclasses.fields(ours)] == [
        field.name for field in dataclasses.fields(other)
    ]
    assert plain(ours()) == plain(other())
    assert issubclass(ours, types.AuthObject)
    assert issubclass(other, original.AuthObject)


@pytest.mark.parametrize(("kind", "sub"), OPAQUE)
@pytest.mark.parametrize("custom", [{}, {"team": "blue"}])
def test_to_auth_is_the_originals(issuer: DevIssuer, kind: Any, sub: str, custom: Any) -> None:
    token = issuer.mint(kind=kind, sub=sub, scopes=["a", "b"], claims=custom)
    ours, other = authenticate_request(request(token), options()), theirs(token)
    assert ours.is_signed_in
    assert other.is_signed_in
    # It asked after us, and the issuer tells when it was asked last.
    for payload in (ours.payload, other.payload):
        (payload or {}).pop("last_used_at", None)
    assert ours.payload == other.payload
    assert ours.token == other.token
    auth = ours.to_auth()
    assert plain(auth) == plain(other.to_auth())
    assert type(auth).__name__ == type(other.to_auth()).__name__
    if kind == "api_key":
        assert isinstance(auth, types.APIKeyMachineAuthObject)
        assert auth.user_id == (sub if sub == "user_ada" else None)
        assert auth.org_id == (sub if sub == "org_acme" else None)
        assert auth.name == "Local API key"
    elif kind == "oauth_opaque":
        assert isinstance(auth, types.OAuthMachineAuthObject)
        assert (auth.user_id, auth.client_id) == (sub, issuer.client_id)
    else:
        assert isinstance(auth, types.M2MMachineAuthObject)
        assert auth.machine_id == sub
    assert auth.scopes == ["a", "b"]


@pytest.mark.parametrize(("kind", "sub"), OPAQUE)
async def test_async_says_the_same(issuer: DevIssuer, kind: Any, sub: str) -> None:
    token = issuer.mint(kind=kind, sub=sub)
    state = await authenticate_request_async(request(token), options())
    assert state == authenticate_request(request(token), options())
    assert issuer.requests("verify") == 1


@pytest.mark.parametrize(("kind", "sub"), OPAQUE)
def test_a_state_that_travelled_knows_its_kind(issuer: DevIssuer, kind: Any, sub: str) -> None:
    state = authenticate_request(request(issuer.mint(kind=kind, sub=sub)), options())
    assert pickle.loads(pickle.dumps(state)).to_auth() == state.to_auth()
    # So does one that a test made by hand.
    by_hand = RequestState(state.status, token=state.token, payload=state.payload)
    assert by_hand.to_auth() == state.to_auth()


@pytest.mark.parametrize(
    ("jwt", "opaque", "accepted", "sub"),
    [
        ("oauth", "oauth_opaque", "oauth_token", "user_ada"),
        ("m2m", "m2m_opaque", "m2m_token", "mch_robot"),
    ],
)
def test_both_forms_of_a_token_are_one_class(
    issuer: DevIssuer, jwt: Any, opaque: Any, accepted: str, sub: str
) -> None:
    chosen = options(accepts_token=[accepted], jwt_key=issuer.public_pem())
    states = [
        authenticate_request(request(issuer.mint(kind=kind, sub=sub, scopes=["a"])), chosen)
        for kind in (jwt, opaque)
    ]
    auths = [plain(state.to_auth()) for state in states]
    for auth in auths:
        assert auth.pop("id").startswith("oat_" if jwt == "oauth" else "mt_")
        # A machine's JWT has nothing but claims of its own; what it is for is one of them.
        auth.pop("claims", None)
    assert auths[0] == auths[1]
    assert pickle.loads(pickle.dumps(states[0])).to_auth() == states[0].to_auth()
    # Ours to change: the next one is new.
    changed: Any = states[0].to_auth()
    changed.scopes = None
    assert states[0].to_auth() != changed


def test_claims_of_a_machines_jwt(issuer: DevIssuer) -> None:
    token = issuer.mint(kind="m2m", sub="mch_robot", claims={"team": "blue"})
    auth = authenticate_request(request(token), options(jwt_key=issuer.public_pem())).to_auth()
    assert isinstance(auth, types.M2MMachineAuthObject)
    assert auth.claims is not None
    assert auth.claims["team"] == "blue"
    assert not {"iss", "sub", "exp", "nbf", "iat", "jti"} & set(auth.claims)


# What is accepted.


@pytest.mark.parametrize(
    ("accepts", "let_in"),
    [
        (["session_token"], {"session"}),
        (["api_key"], {"api_key"}),
        (["oauth_token"], {"oauth", "oauth_opaque"}),
        (["m2m_token"], {"m2m", "m2m_opaque"}),
        (["machine_token"], {"m2m", "m2m_opaque"}),
        ("api_key", {"api_key"}),
        (["session_token", "api_key"], {"session", "api_key"}),
        (ALL, {"session", "api_key", "oauth", "oauth_opaque", "m2m", "m2m_opaque"}),
        (["any"], {"session", "api_key", "oauth", "oauth_opaque", "m2m", "m2m_opaque"}),
    ],
)
@pytest.mark.parametrize("keys", ["fetched", "given"])
def test_kinds_do_not_mix(issuer: DevIssuer, accepts: Any, let_in: set[str], keys: str) -> None:
    jwt_key = issuer.public_pem() if keys == "given" else None
    chosen = options(accepts_token=accepts, jwt_key=jwt_key)
    for kind in ("session", "api_key", "oauth", "oauth_opaque", "m2m", "m2m_opaque", "template"):
        state = authenticate_request(request(issuer.mint(kind=kind)), chosen)  # type: ignore[arg-type]
        assert state.is_signed_in is (kind in let_in), kind
        if kind not in let_in:
            assert state.reason == "token-type-not-supported"


def test_parties_and_audiences_are_those_of_jwts(issuer: DevIssuer) -> None:
    """An API key has neither. The original does not look for them, and nor do we."""
    chosen = options(authorized_parties=["http://localhost:3000"])
    assert authenticate_request(request(issuer.mint(kind="api_key")), chosen).is_signed_in


def test_any_without_a_secret_is_what_the_public_key_verifies(issuer: DevIssuer) -> None:
    chosen = options(secret_key=None, jwt_key=issuer.public_pem(), accepts_token=["any"])
    assert authenticate_request(request(issuer.mint()), chosen).is_signed_in
    assert authenticate_request(request(issuer.mint(kind="m2m")), chosen).is_signed_in
    state = authenticate_request(request(issuer.mint(kind="api_key")), chosen)
    assert state.reason == "token-type-not-supported"
    for kind in ("oauth_opaque", "m2m_opaque"):
        state = authenticate_request(request(issuer.mint(kind=kind)), chosen)  # type: ignore[arg-type]
        assert state.reason == "server-error"
    assert issuer.requests("verify") == 0
    with pytest.raises(ConfigError, match="secret_key"):
        authenticate_request(
            request(issuer.mint()),
            options(secret_key=None, jwt_key=issuer.public_pem(), accepts_token=["api_key"]),
        )


def test_a_machines_key_is_enough_for_machines(issuer: DevIssuer) -> None:
    secret = issuer.machine_secret_key("mch_b")
    for secret_key in (None, SECRET):
        chosen = options(
            secret_key=secret_key, machine_secret_key=secret, accepts_token=["m2m_token"]
        )
        good = issuer.mint(kind="m2m_opaque", scopes=["mch_b"])
        assert authenticate_request(request(good), chosen).is_signed_in
        other = issuer.mint(kind="m2m_opaque", scopes=["mch_c"])
        assert authenticate_request(request(other), chosen).reason == "token-invalid"
    alone = options(secret_key=None, machine_secret_key=secret)
    with pytest.raises(ConfigError, match="secret_key"):
        authenticate_request(request(issuer.mint(kind="api_key")), alone)
    alone = options(secret_key=None, machine_secret_key=secret, accepts_token="session_token")
    state = authenticate_request(request(issuer.mint()), alone)
    assert state.reason == "secret-key-missing"


# What an answer is worth.


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [
        ("inactive", "token-invalid", 401),
        ("revoked", "token-invalid", 401),
        ("expired", "token-expired", 401),
        ("not_found", "token-invalid", 401),
        ("null", "server-error", 503),
        ("array", "server-error", 503),
        ("garbage", "server-error", 503),
        ("down", "server-error", 503),
        ("refuse", "server-error", 503),
    ],
)
def test_an_answer_is_judged(issuer: DevIssuer, fault: Any, reason: str, status: int) -> None:
    token = issuer.mint(kind="api_key")
    issuer.fault(fault, endpoint="verify")
    state = authenticate_request(request(token), options())
    assert not state.is_signed_in
    assert state.reason == reason
    assert state.rejection is not None
    assert state.rejection.status == status
    assert token not in f"{state!r} {state.rejection!r} {state.rejection}"


# Bare tokens.


@pytest.mark.parametrize(("kind", "sub"), OPAQUE)
async def test_verify_token(issuer: DevIssuer, kind: Any, sub: str) -> None:
    chosen = VerifyTokenOptions(secret_key=SECRET, api_url=issuer.api_url)
    token = issuer.mint(kind=kind, sub=sub, scopes=["a"])
    said = verify_token(token, chosen)
    assert said["subject"] == sub
    assert await verify_token_async(token, chosen) == said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        other = original_verify_token(
            token, original.VerifyTokenOptions(secret_key=SECRET, api_url=issuer.api_url)
        )
        gc.collect()
    for one in (said, other):
        one.pop("last_used_at", None)
    assert said == other
    issuer.revoke(token)
    later = VerifyTokenOptions(secret_key=SECRET, api_url=f"{issuer.api_url}/")
    with pytest.raises(TokenVerificationError) as refused:
        verify_token(token, later)
    assert refused.value.reason is TokenVerificationErrorReason.TOKEN_INVALID


@pytest.mark.parametrize("kind", ["oauth", "m2m", "template"])
def test_a_bare_jwt_is_a_sessions(issuer: DevIssuer, kind: Any) -> None:
    chosen = VerifyTokenOptions(jwt_key=issuer.public_pem())
    assert verify_token(issuer.mint(), chosen)["sid"]
    with pytest.raises(TokenVerificationError) as refused:
        verify_token(issuer.mint(kind=kind), chosen)
    assert refused.value.reason is TokenVerificationErrorReason.INVALID_TOKEN_TYPE


def test_a_jwt_behind_a_prefix_is_no_opaque_token(issuer: DevIssuer) -> None:
    """The kind follows from how a token begins; a JWT with something before it verifies nowhere."""
    chosen = VerifyTokenOptions(secret_key=SECRET, api_url=issuer.api_url)
    for prefix in ("ak_", "oat_", "mt_", "m2m_"):
        with pytest.raises(TokenVerificationError) as refused:
            verify_token(prefix + issuer.mint(), chosen)
        assert refused.value.reason is TokenVerificationErrorReason.TOKEN_INVALID


def test_where_clerk_is(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    monkeypatch.setattr(_engine, "_build", lambda wanted: built.append(wanted) or object())
    monkeypatch.setattr(_engine, "_engines", {})
    monkeypatch.delenv("CLERK_API_URL", raising=False)
    _engine.engine(options())
    monkeypatch.setenv("CLERK_API_URL", "http://127.0.0.1:9")
    _engine.engine(options())
    # Sessions take the public key alone: no secret is kept, and nobody asked.
    _engine.engine(options(jwt_key="k", machine_secret_key="m", accepts_token="session_token"))
    assert [wanted.api_url for wanted in built] == [None, "http://127.0.0.1:9", None]
    assert [wanted.secret_key for wanted in built] == [SECRET, SECRET, None]
    assert built[2].machine_secret_key is None
