"""Second opinions: PyJWT, jose and Clerk's own two back-end SDKs judge our tokens, and we theirs.

Where an outsider and we disagree, the test asserts both answers, so that we notice when either
changes. `README.md` says why we answer as we do.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from functools import cache
from http.cookies import CookieError
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from clerk_backend_api.security import (
    AuthenticateRequestOptions,
    TokenVerificationError,
    VerifyTokenOptions,
    authenticate_request,
    verify_token,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from javascript import Json, node
from starlette.datastructures import Headers

from doorward import ANY, Authenticator, ConfigError, Identity, Issuer, Rejection
from doorward.testing import DevIssuer

ISSUER = "https://clerk.example.com"
PARTY = "http://localhost:3000"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
ALGORITHMS += ["EdDSA"]


@cache
def clerk_instance() -> DevIssuer:
    return DevIssuer(issuer=ISSUER)


@cache
def any_algorithm() -> DevIssuer:
    return DevIssuer(issuer=ISSUER, algorithms=ALGORITHMS)


def trusting(keys: Any, algorithm: str) -> Authenticator:
    return Authenticator(
        [Issuer(issuer=ISSUER, audience=ANY, keys=keys, algorithms=[algorithm])],
    )


def claims(**changes: Any) -> Json:
    now = int(time.time())
    return {"iss": ISSUER, "sub": "ada", "iat": now, "exp": now + 600, **changes}


# --- Signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_verifies_ours(algorithm: str) -> None:
    token = any_algorithm().mint(kind="oidc", alg=algorithm, sub="ada", claims={"name": "Ädä"})
    keys = jwt.PyJWKSet.from_json(any_algorithm().jwks())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=[algorithm], issuer=ISSUER)["name"] == "Ädä"
    spoiled = any_algorithm().mint(kind="oidc", alg=algorithm, defect="bad_signature")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(spoiled, key, algorithms=[algorithm])


def test_jose_verifies_ours() -> None:
    issuer = any_algorithm()
    jwks = json.loads(issuer.jwks())
    jobs = [
        {
            "job": "verify",
            "token": issuer.mint(kind="oidc", alg=algorithm, sub="ada", **more),
            "jwks": jwks,
            "algorithms": [algorithm],
        }
        for algorithm in ALGORITHMS
        for more in ({}, {"defect": "bad_signature"})
    ]
    answers = node("jose", jobs)
    for algorithm, good, spoiled in zip(ALGORITHMS, answers[::2], answers[1::2], strict=True):
        assert good["payload"]["sub"] == "ada", algorithm
        assert good["header"]["alg"] == algorithm
        assert spoiled == {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}


def test_outsiders_fetch_our_keys() -> None:
    with DevIssuer(algorithms=["ES256", "EdDSA"]) as issuer:
        token = issuer.mint(kind="oidc", alg="EdDSA")
        key = jwt.PyJWKClient(issuer.jwks_url).get_signing_key_from_jwt(token)
        assert jwt.decode(token, key, algorithms=["EdDSA"], issuer=issuer.issuer)["sub"]
        job = {"job": "verify", "token": token, "url": issuer.jwks_url, "algorithms": ["EdDSA"]}
        assert node("jose", [job])[0]["payload"]["iss"] == issuer.issuer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_we_verify_pyjwt(algorithm: str) -> None:
    private = private_key(algorithm)
    token = jwt.encode(claims(), private, algorithm=algorithm, headers={"kid": "outside"})
    family = jwt.get_algorithm_by_name(algorithm)
    jwk = family.to_jwk(private.public_key(), as_dict=True) | {"kid": "outside", "alg": algorithm}
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for keys in ({"keys": [jwk]}, pem):
        auth = trusting(keys, algorithm)
        assert auth.verify(token).subject == "ada"
        assert refusal(auth, flipped(token)) == "signature_invalid"


def private_key(algorithm: str) -> Any:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ES512":
            return ec.generate_private_key(ec.SECP521R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa_key()


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_we_verify_jose() -> None:
    # RFC 9864 renamed EdDSA with this curve to Ed25519; jose knows both names, and so do we.
    names = [*ALGORITHMS, "Ed25519"]
    jobs = [{"job": "sign", "alg": name, "kid": name, "claims": claims()} for name in names]
    for name, made in zip(names, node("jose", jobs), strict=True):
        for keys in ({"keys": [made["jwk"]]}, made["pem"]):
            auth = trusting(keys, name)
            assert auth.verify(made["token"]).subject == "ada", name
            assert refusal(auth, flipped(made["token"])) == "signature_invalid"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_we_verify_shared_secrets(algorithm: str) -> None:
    secret = "correct horse battery staple, and then again: correct horse battery staple"
    token = jwt.encode(claims(), secret, algorithm=algorithm)
    shared = Issuer(issuer=ISSUER, audience=ANY, shared_secret=secret, algorithms=[algorithm])
    auth = Authenticator([shared])
    assert auth.verify(token).subject == "ada"
    assert refusal(auth, flipped(token)) == "signature_invalid"


def test_others_sign_in_our_name() -> None:
    """The private key we give out for tests is the one whose public half we publish."""
    issuer = clerk_instance()
    kid = json.loads(issuer.jwks())["keys"][0]["kid"]
    token = jwt.encode(claims(), issuer.private_pem(), algorithm="RS256", headers={"kid": kid})
    for keys in (issuer.jwks(), issuer.public_pem()):
        assert trusting(keys, "RS256").verify(token).subject == "ada"


# --- Clerk's SDKs: who it is ----------------------------------------------------------------------


def ours(headers: list[tuple[str, str]], *, parties: str | None = PARTY) -> Identity | str:
    """The caller, or the reason why there is none."""
    auth = Authenticator.clerk(
        publishable_key=clerk_instance().publishable_key,
        jwt_key=clerk_instance().public_pem(),
        authorized_parties=parties,
    )
    try:
        return auth.authenticate_blocking(headers)
    except Rejection as rejection:
        return rejection.reason.value


def clerk_python(headers: list[tuple[str, str]], *, parties: str | None = PARTY) -> Json | str:
    """The payload, or the reason why there is none."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    state = authenticate_request(
        SimpleNamespace(headers=Headers(raw=raw)),
        AuthenticateRequestOptions(
            jwt_key=clerk_instance().public_pem(),
            authorized_parties=None if parties is None else [parties],
            accepts_token=["session_token"],
        ),
    )
    return state.payload if state.is_signed_in else state.reason.value[0]


def clerk_node(requests: list[list[tuple[str, str]]], **options: Any) -> list[Json]:
    common = {
        "job": "authenticate",
        "jwtKey": clerk_instance().public_pem(),
        "publishableKey": clerk_instance().publishable_key,
        "authorizedParties": [PARTY],
        **options,
    }
    return node("clerk", [{**common, "headers": headers} for headers in requests])


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def cookie(line: str) -> list[tuple[str, str]]:
    return [("Cookie", line)]


def refusal(auth: Authenticator, token: str) -> str | None:
    try:
        auth.verify(token)
    except Rejection as rejection:
        return rejection.reason.value
    return None


def flipped(token: str) -> str:
    """The token with one bit of its signature flipped."""
    signed, signature = token.rsplit(".", 1)
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


ORG = {"id": "org_1", "slug": "acme", "role": "admin"}
PERMISSIONS = ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"]
PEOPLE: dict[str, Json] = {
    "a user": {},
    "a user, version 1": {"kind": "session_v1"},
    "a member": {"org": {"id": "org_1", "slug": "acme", "role": "org:member"}},
    "a member, version 1": {"kind": "session_v1", "org": {**ORG, "role": "member"}},
    "with permissions": {"org": {**ORG, "permissions": PERMISSIONS}},
    "with permissions, version 1": {
        "kind": "session_v1",
        "org": {**ORG, "permissions": PERMISSIONS},
    },
    "with features and plans": {
        "org": {**ORG, "permissions": PERMISSIONS},
        "features": ["o:dashboard", "o:reports"],
        "plans": ["o:pro"],
    },
    "an impersonated user": {"actor": {"sub": "user_support", "iss": "https://dash.example"}},
    "without a category": {"header": {"cat": "cl_I7d4PD111III"}},
}


@cache
def people() -> dict[str, tuple[str, Json]]:
    """Each token, and what Node says about it."""
    tokens = [clerk_instance().mint(**spec, ttl=600) for spec in PEOPLE.values()]
    answers = clerk_node([bearer(token) for token in tokens])
    return dict(zip(PEOPLE, zip(tokens, answers, strict=True), strict=True))


@pytest.mark.parametrize("name", PEOPLE)
def test_clerk_and_we_see_the_same_caller(name: str) -> None:
    token, theirs = people()[name]
    us = ours(bearer(token))
    assert isinstance(us, Identity)

    assert theirs["signedIn"]
    assert theirs["tokenType"] == us.kind
    assert (theirs["userId"], theirs["sessionId"]) == (us.user_id, us.session_id)
    assert theirs.get("orgId") == us.organization_id
    assert theirs.get("orgSlug") == us.organization_slug
    assert theirs.get("orgRole") == us.role
    assert sorted(theirs.get("orgPermissions") or []) == sorted(us.permissions)
    assert theirs.get("actor") == us.actor

    payload = clerk_python(bearer(token))
    assert isinstance(payload, dict)
    assert (payload["sub"], payload["sid"]) == (us.user_id, us.session_id)
    assert payload.get("org_id") == us.organization_id
    assert payload.get("org_slug") == us.organization_slug
    # Python gives the role as the token spells it: bare in version 2, with its prefix in version 1.
    assert payload.get("org_role") == us.raw_role
    assert sorted(payload.get("org_permissions") or []) == sorted(us.permissions)


def test_clerk_and_we_unpack_the_same_permissions() -> None:
    """Fifty members of organizations with up to six features and forty permission names."""
    chance = random.Random("doorward")
    features = [f"feature{n}" for n in range(6)]
    names = [f"may{n}" for n in range(40)]
    tokens = []
    for _ in range(50):
        granted = {
            f"org:{chance.choice(features)}:{chance.choice(names)}"
            for _ in range(chance.randrange(60))
        }
        # Of users alone is none: Node would lose its place.
        plans = [f"{chance.choice(['o', 'ou', 'uo'])}:{name}" for name in features]
        organization = {**ORG, "permissions": chance.sample(sorted(granted), len(granted))}
        tokens.append(clerk_instance().mint(ttl=600, org=organization, features=plans))
    for token, theirs in zip(tokens, clerk_node([bearer(t) for t in tokens]), strict=True):
        us, payload = ours(bearer(token)), clerk_python(bearer(token))
        assert isinstance(us, Identity)
        assert isinstance(payload, dict)
        assert us.flags == ()
        assert list(us.permissions) == payload.get("org_permissions", [])
        assert list(us.permissions) == theirs["orgPermissions"]


def test_clerks_verify_token_reads_our_claims() -> None:
    token = clerk_instance().mint(org={**ORG, "permissions": PERMISSIONS})
    us = ours(bearer(token))
    assert isinstance(us, Identity)
    options = VerifyTokenOptions(jwt_key=clerk_instance().public_pem(), authorized_parties=[PARTY])
    assert verify_token(token, options) == us.claims
    job = {"job": "verify", "token": token, "jwtKey": clerk_instance().public_pem()}
    good, strange, spoiled = node(
        "clerk",
        [
            {**job, "authorizedParties": [PARTY]},
            {**job, "authorizedParties": ["https://other.example"]},
            {**job, "token": flipped(token)},
        ],
    )
    assert good["payload"] == us.claims
    assert strange["error"] == "token-invalid-authorized-parties"
    assert spoiled["error"] == "token-invalid-signature"
    with pytest.raises(TokenVerificationError):
        verify_token(flipped(token), options)


def test_the_role_is_spelled_three_ways() -> None:
    token, theirs = people()["with permissions"]
    us, payload = ours(bearer(token)), clerk_python(bearer(token))
    assert isinstance(us, Identity)
    assert isinstance(payload, dict)
    assert (us.role, theirs["orgRole"], payload["org_role"]) == ("org:admin", "org:admin", "admin")


# --- Clerk's SDKs: whom they let in ---------------------------------------------------------------

IN = None
#: By specification: our reason, Python's and Node's; `IN` is a caller.
OPINIONS: dict[str, tuple[Json, str | None, str | None, str | None]] = {
    name: (spec, *verdicts)
    for name, spec, *verdicts in [
        # Agreed.
        ("a session", {}, IN, IN, IN),
        (
            "expired",
            {"defect": "expired"},
            "token_expired",
            "token-expired",
            "session-token-expired-refresh-non-eligible-no-refresh-cookie",
        ),
        (
            "not yet valid",
            {"defect": "not_yet_valid"},
            "token_not_yet_valid",
            "token-not-active-yet",
            "session-token-nbf",
        ),
        (
            "a stranger's key",
            {"defect": "wrong_key"},
            "signature_invalid",
            "token-invalid-signature",
            "token-invalid-signature",
        ),
        (
            "a flipped bit",
            {"defect": "bad_signature"},
            "signature_invalid",
            "token-invalid-signature",
            "token-invalid-signature",
        ),
        (
            "cut off",
            {"defect": "truncated"},
            "signature_invalid",
            "token-invalid-signature",
            "token-invalid-signature",
        ),
        (
            "a key of its own",
            {"defect": "embedded_jwk"},
            "embedded_key",
            "token-invalid-signature",
            "token-invalid-signature",
        ),
        (
            "another party",
            {"defect": "wrong_azp"},
            "party_mismatch",
            "token-invalid-authorized-parties",
            "token-invalid-authorized-parties",
        ),
        (
            "no party",
            {"defect": "no_azp"},
            "party_missing",
            "token-invalid-authorized-parties",
            "token-invalid-authorized-parties",
        ),
        (
            "alg none",
            {"defect": "alg_none"},
            "algorithm_not_allowed",
            "token-invalid",
            "token-invalid-algorithm",
        ),
        (
            "HS256 with the public key",
            {"defect": "hmac_with_public_key"},
            "algorithm_not_allowed",
            "token-invalid",
            "token-invalid-algorithm",
        ),
        ("no kid, where the key is given", {"defect": "no_kid"}, IN, IN, IN),
        ("an unknown kid, where the key is given", {"defect": "unknown_kid"}, IN, IN, IN),
        # The same verdict for another reason.
        (
            "issued in the future",
            {"defect": "issued_in_future"},
            "token_issued_in_future",
            "token-not-active-yet",
            "session-token-iat-in-the-future",
        ),
        # Python lets in what is no session.
        (
            "an OAuth token",
            {"kind": "oauth", "azp": PARTY},
            "token_kind_not_accepted",
            IN,
            "token-type-mismatch",
        ),
        (
            "a machine's token",
            {"kind": "m2m", "azp": PARTY},
            "token_kind_not_accepted",
            IN,
            "token-type-mismatch",
        ),
        (
            "a template's token",
            {"kind": "template"},
            "token_kind_not_accepted",
            IN,
            "token-type-mismatch",
        ),
        ("a logout token", {"defect": "logout_typ"}, "token_kind_unknown", IN, "token-invalid"),
        ("tasks left", {"defect": "pending"}, "session_pending", IN, "signed out"),
        # Python lets in what says too little.
        ("no exp", {"defect": "no_exp"}, "claim_missing", IN, "token-verification-failed"),
        ("no sub", {"defect": "no_sub"}, "claim_missing", IN, "token-verification-failed"),
        (
            "exp as a string",
            {"defect": "string_exp"},
            "claim_malformed",
            IN,
            "token-verification-failed",
        ),
        # Python refuses an audience nobody asked about.
        ("an audience", {"defect": "wrong_aud"}, IN, "token-invalid-audience", IN),
        # Node does not look at `crit`.
        (
            "an unknown critical extension",
            {"defect": "crit_unknown"},
            "header_unsupported",
            "token-invalid",
            IN,
        ),
        # Both let in, with the key given.
        ("another issuer", {"defect": "wrong_iss"}, "issuer_unknown", IN, IN),
        ("sub twice", {"defect": "duplicate_claim"}, "claims_malformed", IN, IN),
    ]
}


@cache
def opinions() -> dict[str, tuple[str, Json]]:
    """Each token, and what Node says about it."""
    tokens = [clerk_instance().mint(**{"ttl": 600, **spec}) for spec, *_ in OPINIONS.values()]
    answers = clerk_node([bearer(token) for token in tokens])
    return dict(zip(OPINIONS, zip(tokens, answers, strict=True), strict=True))


@pytest.mark.parametrize("name", OPINIONS)
def test_who_is_let_in(name: str) -> None:
    token, theirs = opinions()[name]
    _, our_reason, python_reason, node_reason = OPINIONS[name]
    assert verdict(ours(bearer(token))) == our_reason
    assert verdict(clerk_python(bearer(token))) == python_reason
    found = IN if theirs["signedIn"] else theirs["reason"] or "signed out"
    assert found == node_reason


def test_the_leeway_is_counted_alike() -> None:
    """Wider than by default (5 s everywhere), so that a slow machine does not decide."""
    pem = clerk_instance().public_pem()
    auth = Authenticator.clerk(jwt_key=pem, authorized_parties=PARTY, leeway=60)
    tokens = [clerk_instance().mint(ttl=ttl) for ttl in (-30, -90)]
    jobs = [
        {"job": "verify", "token": token, "jwtKey": pem, "clockSkewInMs": 60_000}
        for token in tokens
    ]
    assert [refusal(auth, token) for token in tokens] == [IN, "token_expired"]
    theirs = [python_verdict(token, pem, clock_skew_in_ms=60_000) for token in tokens]
    assert theirs == [IN, "token-expired"]
    assert [answer.get("error") for answer in node("clerk", jobs)] == [IN, "token-expired"]


def verdict(found: Identity | Json | str) -> str | None:
    return found if isinstance(found, str) else IN


# --- Clerk's SDKs: what they may ------------------------------------------------------------------

DASHBOARD = ["org:dashboard:manage", "org:dashboard:read"]
TEAMS = ["org:teams:manage", "org:teams:read"]
THROWS = "throws"
#: `fea`, `o.per`, `o.fpm`; our permissions, Python's and Node's.
PACKED: list[tuple[str, Any, Any, list[str], list[str] | str, list[str] | str]] = [
    # Agreed.
    ("o:dashboard,o:teams", "manage,read", "3,2", *[[*DASHBOARD, "org:teams:read"]] * 3),
    ("ou:memberships,u:support", "read", "1,0", *[["org:memberships:read"]] * 3),
    ("o:a,o:b", "read,write", "0,1", *[["org:b:read"]] * 3),
    ("o:a", "read", "7", *[["org:a:read"]] * 3),
    ("o:a,o:b", "read", "x,1", *[["org:b:read"]] * 3),
    ("o:a", ",".join(f"p{n}" for n in range(72)), str(2**70), *[["org:a:p70"]] * 3),
    # Node counts masks by the organization's features only, and so grants another feature's.
    (
        "u:beta,o:dashboard,o:teams",
        "manage,read",
        "0,3,2",
        [*DASHBOARD, "org:teams:read"],
        [*DASHBOARD, "org:teams:read"],
        TEAMS,
    ),
    # Masks for the organization's features alone: Node's reading, which we know by their number.
    (
        "o:dashboard,u:beta,o:teams",
        "manage,read",
        "3,2",
        [*DASHBOARD, "org:teams:read"],
        DASHBOARD,
        [*DASHBOARD, "org:teams:read"],
    ),
    # Python reads masks as Python's numbers, and scopes and names loosely.
    ("o:a", "read,write", "-3", [], ["org:a:read", "org:a:write"], []),
    ("o:a", "read,write", "+1", [], ["org:a:read"], []),
    ("o:a", "read", "0_1", [], ["org:a:read"], []),
    ("org:dashboard", "read", "1", [], ["org:dashboard:read"], []),
    ("o:a", "", "1", [], ["org:a:"], []),
    (
        "o:a, o:b",
        "read, write",
        " 3, 1",
        ["org:a:read", "org:a:write", "org:b:read"],
        ["org:a:read", "org:a: write", "org:b:read"],
        ["org:a:read", "org:a:write", "org:b:read"],
    ),
    # Node throws, or grants a permission of a feature whose name is none.
    ("dashboard,o:b", "read", "1,1", ["org:b:read"], ["org:b:read"], THROWS),
    ("o:a", "read", 3, [], [], THROWS),
    ("o:a:b,o:c", "read", "1,1", ["org:c:read"], ["org:c:read"], ["org:a:b:read", "org:c:read"]),
]


@cache
def packed() -> list[tuple[str, Json]]:
    """Each token, and what Node says about it."""
    tokens = []
    for features, names, masks, *_ in PACKED:
        organization = {"id": "org_1", "rol": "admin", "per": names, "fpm": masks}
        tokens.append(clerk_instance().mint(ttl=600, claims={"fea": features, "o": organization}))
    return list(zip(tokens, clerk_node([bearer(token) for token in tokens]), strict=True))


@pytest.mark.parametrize("row", range(len(PACKED)))
def test_packed_permissions(row: int) -> None:
    token, theirs = packed()[row]
    _, _, _, we_grant, python_grants, node_grants = PACKED[row]
    us, payload = ours(bearer(token)), clerk_python(bearer(token))
    assert isinstance(us, Identity)
    assert isinstance(payload, dict)
    assert list(us.permissions) == we_grant
    assert payload.get("org_permissions", []) == python_grants
    assert (THROWS if "thrown" in theirs else theirs["orgPermissions"]) == node_grants


def test_smuggled_permissions() -> None:
    """A custom claim of version 1's name in a version 2 token: Python takes it for the real one."""
    token = clerk_instance().mint(
        org=ORG, ttl=600, claims={"org_permissions": ["org:posts:delete"]}
    )
    us, payload = ours(bearer(token)), clerk_python(bearer(token))
    (theirs,) = clerk_node([bearer(token)])
    assert isinstance(us, Identity)
    assert isinstance(payload, dict)
    assert us.permissions == ()
    assert us.flags == ("organization_claims_ignored",)
    assert payload["org_permissions"] == ["org:posts:delete"]
    assert not theirs["orgPermissions"]


def test_malformed_organizations() -> None:
    """Signed nonsense: Python raises, we leave out what cannot be read."""
    token = clerk_instance().mint(ttl=600, claims={"o": "org_1"})
    us = ours(bearer(token))
    assert isinstance(us, Identity)
    assert us.organization_id is None
    assert us.flags == ("organization_malformed",)
    with pytest.raises(AttributeError):
        clerk_python(bearer(token))


# --- Clerk's SDKs: where they look for a token ----------------------------------------------------

MISSING = "credentials_missing"
MALFORMED = "authorization_malformed"
NOBODY = "session-token-missing"
INVALID = "token-invalid"
#: The header fields, `<T>` standing for a good token; our reason, Python's and Node's.
PLACES: list[tuple[list[tuple[str, str]], str | None, str | None, str | None]] = [
    ([("Authorization", "Bearer <T>")], IN, IN, IN),
    ([("Authorization", "bearer <T>")], IN, INVALID, "dev-browser-missing"),
    ([("Authorization", "Bearer  <T>")], IN, INVALID, INVALID),
    ([("Authorization", "<T>")], MISSING, IN, IN),
    ([("Authorization", "Bearer Bearer <T>")], MALFORMED, IN, INVALID),
    ([("Authorization", "Bearer <T> more")], MALFORMED, INVALID, IN),
    ([("Authorization", "Bearer")], MALFORMED, INVALID, INVALID),
    (
        [("Authorization", "Bearer <T>"), ("Authorization", "Bearer <T>")],
        "multiple_credentials",
        IN,
        INVALID,
    ),
    ([("Authorization", "Bearer <T>"), ("Cookie", "__session=junk")], IN, IN, IN),
    (
        [("Authorization", "Bearer junk"), ("Cookie", "__session=<T>")],
        "token_malformed",
        INVALID,
        INVALID,
    ),
    # Node wants more of a browser than one cookie: an instance in development has a second one.
    (
        [("Authorization", "Basic eDp5"), ("Cookie", "__session=<T>")],
        IN,
        INVALID,
        "dev-browser-missing",
    ),
    ([("Cookie", "__session=<T>")], IN, IN, "dev-browser-missing"),
    ([("Cookie", "__sessionfoo=<T>")], MISSING, IN, "dev-browser-missing"),
    ([("Cookie", "__session_AAAAAAAA=junk; __session=<T>")], IN, INVALID, "dev-browser-missing"),
    ([("Cookie", 'prefs={"a":[1]}; __session=<T>')], IN, NOBODY, "dev-browser-missing"),
    ([("Cookie", "bare; __session=<T>")], IN, NOBODY, "dev-browser-missing"),
    ([("Cookie", "theme=dark"), ("Cookie", "__session=<T>")], IN, NOBODY, "dev-browser-missing"),
]


@cache
def places() -> list[tuple[list[tuple[str, str]], Json]]:
    """Each request, and what Node says about it."""
    token = clerk_instance().mint(ttl=600)
    requests = [
        [(name, value.replace("<T>", token)) for name, value in headers] for headers, *_ in PLACES
    ]
    return list(zip(requests, clerk_node(requests), strict=True))


@pytest.mark.parametrize("row", range(len(PLACES)))
def test_where_a_token_may_stand(row: int) -> None:
    headers, theirs = places()[row]
    _, our_reason, python_reason, node_reason = PLACES[row]
    assert verdict(ours(headers)) == our_reason
    assert verdict(clerk_python(headers)) == python_reason
    assert (IN if theirs["signedIn"] else theirs["reason"]) == node_reason


def test_a_strange_cookie_does_not_raise() -> None:
    headers = cookie(f"a(b)=1; __session={clerk_instance().mint()}")
    assert isinstance(ours(headers), Identity)
    with pytest.raises(CookieError):
        clerk_python(headers)


# --- Clerk's SDKs: how a key may be spelled -------------------------------------------------------


def spellings() -> Iterator[tuple[str, str, str | None, str | None]]:
    """A spelling of the public key: what Python and Node say to a good token. We take them all."""
    pem = clerk_instance().public_pem()
    body = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    unresolved, unsigned = "jwk-failed-to-resolve", "token-invalid-signature"
    yield "as it is", pem, IN, IN
    yield "with CRLF", pem.replace("\n", "\r\n"), IN, IN
    yield "in one line", pem.replace("\n", " "), IN, IN
    yield "with a backslash and an n", pem.replace("\n", "\\n"), unresolved, unsigned
    yield "its base64 alone", body, unresolved, IN


def test_spellings_of_the_key() -> None:
    token = clerk_instance().mint()
    rows = list(spellings())
    jobs = [{"job": "verify", "token": token, "jwtKey": key} for _, key, *_ in rows]
    for (name, key, *theirs), from_node in zip(rows, node("clerk", jobs), strict=True):
        assert Authenticator.clerk(jwt_key=key, authorized_parties=PARTY).verify(token), name
        assert [python_verdict(token, key), from_node.get("error")] == theirs, name


def python_verdict(token: str, key: str, **options: Any) -> str | None:
    try:
        verify_token(token, VerifyTokenOptions(jwt_key=key, **options))
    except TokenVerificationError as error:
        return error.reason.value[0]
    return IN


def test_a_private_key_is_a_mistake_at_start_up() -> None:
    with pytest.raises(ConfigError, match="private"):
        Authenticator.clerk(jwt_key=clerk_instance().private_pem(), authorized_parties=PARTY)
