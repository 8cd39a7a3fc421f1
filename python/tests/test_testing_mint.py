"""What can be minted, and what a minter refuses to leave out in silence."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any, get_args, get_type_hints

import pytest

from doorward import jws
from doorward._doorward import inspect
from doorward.testing import Clock, DevIssuer, Mint, Minter
from doorward.testing.mint import _CARRIERS

KINDS = get_args(get_type_hints(Mint)["kind"])
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def issuer() -> DevIssuer:
    return DevIssuer(clock=Clock(NOW))


@pytest.fixture
def mint(issuer: DevIssuer) -> Minter:
    return issuer.mint


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = inspect(token)["claims"]
    return found


def test_an_organization_in_short(issuer: DevIssuer, mint: Minter) -> None:
    auth = issuer.authenticator()
    granted = ["org:posts:read", "org:posts:delete"]
    identity = auth.verify(mint(sub="ada", org="org_1", role="editor", permissions=granted))
    assert identity.organization_id == "org_1"
    assert identity.role == "org:editor"
    assert sorted(identity.permissions) == sorted(granted)
    whole = {"id": "org_1", "slug": "acme"}
    assert claims(mint(org=whole, role="editor"))["o"] == {  # type: ignore[typeddict-item]
        "id": "org_1",
        "slg": "acme",
        "rol": "editor",
    }
    assert "id" in claims(mint(role="editor"))["o"]
    assert "o" not in claims(mint())


def test_the_specification_is_not_written_to(mint: Minter) -> None:
    org = {"id": "org_1"}
    mint(org=org, role="editor")  # type: ignore[typeddict-item]
    assert org == {"id": "org_1"}


def test_headers(mint: Minter) -> None:
    headers = mint.headers(sub="ada")
    assert list(headers) == ["Authorization"]
    scheme, token = headers["Authorization"].split(" ")
    assert scheme == "Bearer"
    assert claims(token)["sub"] == "ada"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"permision": []}, "mint() got an unexpected 'permision'; did you mean 'permissions'?"),
        ({"scope": "a"}, "mint() got an unexpected 'scope'; did you mean 'scopes'?"),
        ({"user": "ada"}, "mint() got an unexpected 'user'; did you mean 'sub'?"),
        ({"organization": "a"}, "mint() got an unexpected 'organization'; did you mean 'org'?"),
        ({"email": "a@b.c"}, "mint() got an unexpected 'email'; claims go into claims={…}"),
        (
            {"scopes": ["a"]},
            "mint(): a token of kind 'session' carries no scopes; "
            "those of kind 'oauth', 'm2m', 'oidc', 'oauth_opaque', 'm2m_opaque', 'api_key', "
            "'opaque' do",
        ),
        (
            {"kind": "oidc", "role": "admin"},
            "mint(): a token of kind 'oidc' carries no role; "
            "those of kind 'session', 'session_v1' do",
        ),
        (
            {"kind": "m2m_opaque", "name": "ci"},
            "mint(): a token of kind 'm2m_opaque' carries no name; those of kind 'api_key' do",
        ),
        (
            {"kind": "api_key", "defect": "wrong_aud"},
            "mint(): a token of kind 'api_key' carries no aud; those of kind 'session', "
            "'session_v1', 'oauth', 'm2m', 'template', 'oidc', 'logout', 'oauth_opaque', "
            "'opaque' do",
        ),
        (
            {"org": {"role": "admin"}, "role": "member"},
            "mint(): role is said twice, in org and beside it",
        ),
    ],
)
def test_mistakes(mint: Minter, arguments: Any, said: str) -> None:
    with pytest.raises(TypeError) as refused:
        mint(**arguments)
    assert str(refused.value) == said


def test_the_engine_refuses_values(mint: Minter) -> None:
    with pytest.raises(ValueError, match="expected a sequence"):
        mint(permissions="org:posts:read")
    with pytest.raises(ValueError, match="`org:<feature>:<permission>`"):
        mint(permissions=["posts:read"])
    with pytest.raises(ValueError, match="unknown variant `sesion`"):
        mint(kind="sesion")  # type: ignore[typeddict-item]
    with pytest.raises(ValueError, match="goes with the defect `revoked`"):
        mint(kind="api_key", revocation_reason="leaked")
    with pytest.raises(ValueError, match="alg_none"):
        mint.alg_none(kind="api_key")


SAMPLES: dict[str, Any] = {
    "org": "org_1",
    "role": "editor",
    "permissions": ["org:posts:read"],
    "features": ["o:posts"],
    "plans": ["u:pro"],
    "status": "pending",
    "fva": (1, 2),
    "scopes": ["posts:read"],
    "sub": "ada",
    "sid": "sess_1",
    "azp": "https://party.example",
    "aud": "https://api.example",
    "iss": "https://issuer.example",
    "client_id": "client_1",
    "actor": {"sub": "boss"},
    "ttl": 7,
    "issued_at": 1_700_000_000,
    "claims": {"email": "ada@example.com"},
    "header": {"typ": "x"},
    "without": ["jti"],
    "alg": "RS256",
    "prefix": "m2m_",
    "name": "ci",
}


def test_there_is_a_sample_of_everything() -> None:
    assert set(SAMPLES) == set(Mint.__optional_keys__) - {"kind", "defect", "revocation_reason"}


@pytest.mark.parametrize(("kind", "name"), list(product(KINDS, SAMPLES)))
def test_nothing_that_is_asked_for_goes_unsaid(issuer: DevIssuer, kind: Any, name: str) -> None:
    """Whether a kind of token carries something is the engine's to know: the minter's table is
    compared with what the engine does.
    """
    said = SAMPLES[name]
    plain = face(issuer, issuer.mint(kind=kind))
    if kind in _CARRIERS.get(name, KINDS):
        # The algorithm of the only key is that of every token.
        assert (face(issuer, issuer.mint(**{"kind": kind, name: said})) == plain) is (name == "alg")
        return
    with pytest.raises(TypeError, match=f"carries no {name}"):
        issuer.mint(**{"kind": kind, name: said})
    spec = {"org": {"id": "org_1"}} if name in ("org", "role", "permissions") else {name: said}
    try:
        unsaid = raw(issuer, {"kind": kind, **spec})
    except ValueError as refused:
        # The engine may refuse it as well.
        assert f"has no {name}" in str(refused)  # noqa: PT017
    else:
        assert face(issuer, unsaid) == plain


def face(issuer: DevIssuer, token: str) -> Any:
    """All that a token shows to those who may ask, but for what is random."""
    opaque = token.count(".") != 2
    shown: Any = issuer.introspect(token) if opaque else inspect(token)
    answer = issuer.verify_opaque(token) or {}
    for one, member in ((shown, "jti"), (shown.get("claims", {}), "jti"), (answer, "id")):
        if one.get(member):
            one[member] = "random"
    return shown, answer, token[:-43] if opaque else None


def raw(issuer: DevIssuer, spec: dict[str, Any]) -> str:
    """Past the minter, straight to the engine."""
    import json

    return issuer.mint._sign(json.dumps(spec))


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("api_key", "ak_"), ("oauth_opaque", "oat_"), ("m2m_opaque", "mt_"), ("opaque", "")],
)
def test_opaque_tokens_are_random(mint: Minter, kind: Any, prefix: str) -> None:
    one, other = mint(kind=kind), mint(kind=kind)
    assert one != other
    assert one.startswith(prefix)
    assert len(one) == len(prefix) + 43


def test_the_payload_is_really_signed(issuer: DevIssuer) -> None:
    payload = jws.verify(issuer.mint(sub="ada"), keys=issuer.jwks(), algorithms=["RS256"])
    assert b'"sub":"ada"' in payload


def test_nothing_is_printed(issuer: DevIssuer) -> None:
    assert repr(issuer.mint) == "Minter()"
    assert repr(issuer) == "DevIssuer('https://issuer.doorward.test')"


# The clock.


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = Clock(NOW)
    assert clock() == clock.now == NOW
    clock.advance(60)
    clock.advance(timedelta(minutes=1))
    assert clock() == NOW + 120
    clock.advance(-20.5)
    assert clock() == NOW + 99.5
    clock.set(5)
    assert clock() == 5
    clock.set(datetime(2027, 1, 15, 8, tzinfo=timezone.utc))
    assert clock() == NOW
    assert Clock(datetime(2027, 1, 15, 8, tzinfo=timezone.utc)).now == NOW
    assert repr(clock) == "Clock(1800000000.0)"


def test_a_clock_starts_now() -> None:
    import time

    before = int(time.time())
    assert before <= Clock().now <= time.time()
    assert Clock().now == int(Clock().now)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), datetime(2027, 1, 15)])
def test_a_clock_refuses_what_is_no_time(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"no time in seconds|no point in time"):
        Clock(wrong)
    clock = Clock(NOW)
    with pytest.raises(ValueError, match=r"no time in seconds|no point in time"):
        clock.set(wrong)
    assert clock.now == NOW
    with pytest.raises(ValueError, match="no time in seconds"):
        clock.advance(-2 * NOW)
    assert clock.now == NOW
