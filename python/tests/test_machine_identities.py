"""Who comes with each kind of token, from the local issuer to `Identity`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, get_args

import pytest

from doorward import Authenticator, Identity, Policy, Reason, Rejection
from doorward._types import TokenKind
from doorward.testing import DevIssuer

#: What is minted, and the kind it is accepted as.
KINDS: dict[Any, TokenKind] = {
    "session": "session_token",
    "session_v1": "session_token",
    "oauth": "oauth_token",
    "oauth_opaque": "oauth_token",
    "m2m": "m2m_token",
    "m2m_opaque": "m2m_token",
    "api_key": "api_key",
    "template": "template_token",
}


@pytest.fixture(scope="module")
def running() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: DevIssuer) -> Iterator[DevIssuer]:
    yield running
    running.reset()


@pytest.fixture
def auth(issuer: DevIssuer) -> Authenticator:
    return issuer.authenticator(accepts=list(get_args(TokenKind)))


def settings(issuer: DevIssuer, accepts: Any) -> dict[str, Any]:
    return {
        "preset": "clerk",
        "publishable_key": issuer.publishable_key,
        "issuer": issuer.issuer,
        "jwks_url": issuer.jwks_url,
        "secret_key": issuer.secret_key,
        "api_url": issuer.api_url,
        "authorized_parties": "http://localhost:3000",
        "accepts": accepts,
    }


def reason(auth: Authenticator, token: str) -> Reason | None:
    try:
        auth.verify(token)
    except Rejection as refused:
        return refused.reason
    return None


def test_every_kind_is_known() -> None:
    assert set(KINDS.values()) == set(get_args(TokenKind))


@pytest.mark.parametrize("accepts", get_args(TokenKind))
def test_kinds_never_mix(issuer: DevIssuer, accepts: TokenKind) -> None:
    """However the engine is told what it accepts: in Python, by its own settings, by variables."""
    doors = (
        issuer.authenticator(accepts=accepts),
        Authenticator.from_config(settings(issuer, [accepts])),
        Authenticator.from_env({**issuer.environment(), "DOORWARD_ACCEPTS": accepts}),
    )
    for auth, (kind, meant) in product(doors, KINDS.items()):
        token = issuer.mint(kind=kind)
        if meant == accepts:
            assert auth.verify(token).kind == meant
        else:
            assert reason(auth, token) is Reason.TOKEN_KIND_NOT_ACCEPTED, kind


def test_several_kinds_at_one_door(issuer: DevIssuer) -> None:
    accepts: Any = ["session_token", "api_key", "oauth_token", "m2m_token"]
    text = ",".join(accepts)
    for auth in (
        issuer.authenticator(accepts=accepts),
        Authenticator.from_config(settings(issuer, accepts)),
        Authenticator.from_env({**issuer.environment(), "DOORWARD_ACCEPTS": text}),
    ):
        found = {kind: reason(auth, issuer.mint(kind=kind)) for kind in KINDS}
        assert {kind for kind, refusal in found.items() if refusal} == {"template"}


def test_a_policy_narrows_what_is_accepted(issuer: DevIssuer, auth: Authenticator) -> None:
    people = Policy(accepts="session_token")
    keys = Policy(accepts=["api_key", "m2m_token"], scopes="posts:read")
    people.permit(auth.verify(issuer.mint()))
    for kind in ("api_key", "m2m_opaque"):
        good: Any = {"kind": kind, "scopes": ["posts:read", "posts:write"]}
        keys.permit(auth.verify(issuer.mint(**good)))
        with pytest.raises(Rejection) as refused:
            people.permit(auth.verify(issuer.mint(**good)))
        assert refused.value.reason is Reason.TOKEN_KIND_NOT_ACCEPTED
        with pytest.raises(Rejection) as refused:
            keys.permit(auth.verify(issuer.mint(**{**good, "scopes": ["posts:write"]})))
        assert refused.value.reason is Reason.INSUFFICIENT_SCOPE


@pytest.mark.parametrize(
    ("sub", "user_id", "organization_id"),
    [("user_ada", "user_ada", None), ("org_acme", None, "org_acme"), ("mch_robot", None, None)],
)
def test_an_api_key_is_its_subjects(
    issuer: DevIssuer,
    auth: Authenticator,
    sub: str,
    user_id: str | None,
    organization_id: str | None,
) -> None:
    key = issuer.mint(
        kind="api_key", sub=sub, name="ci", scopes=["a", "b"], claims={"team": "blue"}, ttl=60
    )
    caller = auth.verify(key)
    assert (caller.kind, caller.subject, caller.issuer) == ("api_key", sub, issuer.issuer)
    assert (caller.user_id, caller.organization_id) == (user_id, organization_id)
    assert caller.scopes == ("a", "b")
    assert caller.token_id is not None
    assert caller.token_id.startswith("ak_")
    assert caller.token_id != key
    assert caller.issued_at is not None
    assert caller.expires_at == caller.issued_at + 60
    assert (caller.claims["name"], caller.claims["claims"]) == ("ci", {"team": "blue"})
    no_session(caller)
    assert caller.client_id is None


def test_an_api_key_for_ever(issuer: DevIssuer, auth: Authenticator) -> None:
    assert auth.verify(issuer.mint(kind="api_key")).expires_at > 250_000_000_000


@pytest.mark.parametrize("kind", ["oauth", "oauth_opaque"])
def test_an_oauth_token_is_a_users_by_a_client(
    issuer: DevIssuer, auth: Authenticator, kind: Any
) -> None:
    token = issuer.mint(
        kind=kind,
        sub="user_ada",
        client_id="client_1",
        scopes=["openid", "a"],
        actor={"sub": "user_boss"},
        aud=["https://api.example"],
    )
    caller = auth.verify(token)
    assert (caller.subject, caller.user_id) == ("user_ada", "user_ada")
    assert (caller.client_id, caller.organization_id) == ("client_1", None)
    assert caller.scopes == ("openid", "a")
    assert caller.actor == {"sub": "user_boss"}
    assert caller.audience == ("https://api.example",)
    assert caller.token_id is not None
    assert caller.token_id.startswith("oat_")
    no_session(caller)
    with pytest.raises(Rejection) as refused:
        Policy(accepts="oauth_token", deny_impersonation=True).permit(caller)
    assert refused.value.reason is Reason.IMPERSONATION_DENIED


@pytest.mark.parametrize(
    ("kind", "prefix"), [("m2m", None), ("m2m_opaque", "mt_"), ("m2m_opaque", "m2m_")]
)
def test_a_machine_is_nobodys_user(
    issuer: DevIssuer, auth: Authenticator, kind: Any, prefix: Any
) -> None:
    spec: Any = {} if prefix is None else {"prefix": prefix}
    token = issuer.mint(kind=kind, sub="mch_robot", scopes=["mch_b", "mch_c"], **spec)
    caller = auth.verify(token)
    assert (caller.kind, caller.subject) == ("m2m_token", "mch_robot")
    assert (caller.user_id, caller.organization_id, caller.client_id) == (None, None, None)
    assert caller.scopes == ("mch_b", "mch_c")
    assert caller.token_id is not None
    assert caller.token_id.startswith("mt_")
    no_session(caller)


def no_session(caller: Identity) -> None:
    """A machine never has what only a session grants."""
    assert (caller.session_id, caller.role, caller.organization_slug) == (None, None, None)
    assert caller.permissions == caller.features == caller.plans == caller.flags == ()
    assert caller.authorized_party is None
    assert not caller.has(organization=True) or caller.organization_id is not None
    for asked in ({"role": "admin"}, {"permission": "org:a:b"}, {"reverification": "lax"}):
        assert not caller.has(**asked)  # type: ignore[arg-type]


def test_a_session_cookie_never_carries_a_machine(issuer: DevIssuer, auth: Authenticator) -> None:
    """A browser sends its cookie wherever it is led."""
    for kind, meant in KINDS.items():
        head = [("cookie", f"__session={issuer.mint(kind=kind)}")]
        if meant in ("session_token", "template_token"):
            continue
        with pytest.raises(Rejection) as refused:
            auth.authenticate_blocking(head)
        assert refused.value.status == 401, kind
