"""`DevIssuer`: how an application comes to trust it, its keys and its troubles."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward import ANY, Authenticator, Reason, Rejection
from doorward.testing import Clock, DevIssuer
from doorward.testing.pool import Pool

ROOT = Path(__file__).parents[2]
AUDIENCE = "https://api.example"


@pytest.fixture(scope="module", params=[False, True], ids=["in_process", "over_http"])
def issuer(request: pytest.FixtureRequest) -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    if request.param:
        issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def served() -> Iterator[DevIssuer]:
    with DevIssuer(clock=Clock()) as issuer:
        yield issuer


def reason(auth: Authenticator, token: str) -> Reason | None:
    try:
        auth.verify(token)
    except Rejection as refused:
        return refused.reason
    return None


# Who trusts it.


def test_an_authenticator_for_clerk(issuer: DevIssuer) -> None:
    auth = issuer.authenticator()
    assert auth.verify(issuer.mint(sub="ada")).subject == "ada"
    assert auth.authorized_parties == ("http://localhost:3000",)
    assert reason(auth, issuer.mint.wrong_azp()) is Reason.PARTY_MISMATCH
    assert reason(auth, issuer.mint(kind="oauth")) is Reason.TOKEN_KIND_NOT_ACCEPTED


def test_an_authenticator_for_any_issuer(issuer: DevIssuer) -> None:
    auth = issuer.authenticator(audience=AUDIENCE)
    assert auth.verify(issuer.mint(kind="oidc", aud=AUDIENCE)).audience == (AUDIENCE,)
    assert reason(auth, issuer.mint.wrong_aud(kind="oidc")) is Reason.AUDIENCE_MISMATCH
    assert reason(issuer.authenticator(audience=ANY), issuer.mint.wrong_aud(kind="oidc")) is None


def test_options_of_the_authenticator(issuer: DevIssuer) -> None:
    wide = issuer.authenticator(
        accepts=["session_token", "oauth_token"],
        authorized_parties="https://another-party.example",
        allow_pending=True,
        cookies=["mine"],
        problem_details=True,
    )
    party = "https://another-party.example"
    assert reason(wide, issuer.mint(azp=party, status="pending")) is None
    assert reason(wide, issuer.mint(kind="oauth", azp=party)) is None
    head = [("cookie", f"mine={issuer.mint(azp=party)}")]
    assert wide.authenticate_blocking(head).subject
    with pytest.raises(Rejection) as refused:
        wide.verify(issuer.mint())
    assert refused.value.content_type == "application/problem+json"


def test_the_authenticator_goes_by_the_issuers_clock() -> None:
    clock = Clock()
    issuer = DevIssuer(clock=clock)
    for auth, kind in (
        (issuer.authenticator(), "session"),
        (issuer.authenticator(audience=ANY), "oidc"),
    ):
        token = issuer.mint(kind=kind, ttl=60)
        assert reason(auth, token) is None
        clock.advance(66)
        assert reason(auth, token) is Reason.TOKEN_EXPIRED
    other = issuer.authenticator(clock=Clock(5))
    assert reason(other, issuer.mint()) is Reason.TOKEN_NOT_YET_VALID


#: What a developer's machine may have in its environment.
ELSEWHERE = {
    "CLERK_PUBLISHABLE_KEY": "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
    "CLERK_JWT_KEY": DevIssuer(algorithms=["ES256"]).public_pem(),
    "CLERK_SECRET_KEY": "sk_test_elsewhere",
    "CLERK_AUTHORIZED_PARTIES": "https://elsewhere.example",
    "DOORWARD_AUTHORIZED_PARTIES": "https://elsewhere.example",
    "DOORWARD_ISSUER": "https://elsewhere.example",
    "DOORWARD_JWKS_URL": "https://elsewhere.example/jwks.json",
    "DOORWARD_KEYS": DevIssuer(algorithms=["ES256"]).jwks(),
    "DOORWARD_KEYS_FILE": "/elsewhere.pem",
    "DOORWARD_PRESET": "auth0",
    "DOORWARD_SHARED_SECRET": "elsewhere elsewhere elsewhere elsewhere",
    "DOORWARD_CONFIG": "/elsewhere.toml",
    "DOORWARD_API_URL": "https://elsewhere.example",
    "DOORWARD_AUTHORIZATION_SERVER": "elsewhere",
    "DOORWARD_CLIENT_ID": "elsewhere",
    "DOORWARD_DISCOVER": "true",
    "DOORWARD_DOMAIN": "elsewhere.example",
    "DOORWARD_INTROSPECTION_AUTH": "client_secret_post",
    "DOORWARD_INTROSPECTION_CLIENT_ID": "elsewhere",
    "DOORWARD_INTROSPECTION_CLIENT_SECRET": "elsewhere",
    "DOORWARD_INTROSPECTION_URL": "https://elsewhere.example/introspect",
    "DOORWARD_MACHINE_SECRET_KEY": "elsewhere",
    "DOORWARD_ISSUER_ALIASES": "https://elsewhere.example",
    "DOORWARD_JWKS_BEARER": "elsewhere",
    "DOORWARD_PROJECT_ID": "elsewhere",
    "DOORWARD_REALM": "elsewhere",
    "DOORWARD_REGION": "eu-elsewhere-1",
    "DOORWARD_TENANT_ID": "elsewhere",
    "DOORWARD_URL": "https://elsewhere.example",
    "DOORWARD_USER_POOL_ID": "eu-elsewhere-1_abc",
}
#: What is left alone: it says what the application demands, not whom it trusts.
THE_APPLICATIONS_OWN = {
    "ACCEPTS",
    "ALGORITHMS",
    "ALLOW_PENDING",
    "ANSWER_NEGATIVE_TTL",
    "ANSWER_STALE_IF_ERROR",
    "ANSWER_TTL",
    "AUDIENCE",
    "AUDIENCE_CLAIM",
    "AZP",
    "CACHE_BYTES",
    "CLIENT_ID_CLAIM",
    "COOKIES",
    "DECODER",
    "EXPLAIN",
    "INSECURE_PLAIN_HTTP",
    "LEEWAY",
    "MAX_TENANTS",
    "MAX_TOKEN_BYTES",
    "ORGANIZATION_CLAIM",
    "PERMISSIONS_CLAIM",
    "PROBLEM_DETAILS",
    "REQUIRED_CLAIMS",
    "ROLES_CLAIM",
    "SCOPES_CLAIM",
    "SESSION_CLAIM",
    "TENANTS",
    "TOKEN_TYPES",
    "USER_ID_CLAIM",
}


def test_every_variable_was_thought_of() -> None:
    source = (ROOT / "crates" / "doorward" / "src" / "environment.rs").read_text("utf-8")
    table = source[source.index("const VARIABLES") : source.index("const RESTRICTING")]
    read = set(re.findall(r'"DOORWARD_(\w+)"', table))
    ours = {name.removeprefix("DOORWARD_") for name in ELSEWHERE if name.startswith("DOORWARD_")}
    assert read == (ours - {"CONFIG"}) | THE_APPLICATIONS_OWN


@pytest.mark.parametrize("ambient", [{}, ELSEWHERE, *({k: v} for k, v in ELSEWHERE.items())])
def test_its_environment_wins(issuer: DevIssuer, ambient: dict[str, str]) -> None:
    auth = Authenticator.from_env({**ambient, **issuer.environment()})
    assert reason(auth, issuer.mint()) is None
    assert reason(auth, issuer.mint.wrong_azp()) is Reason.PARTY_MISMATCH
    assert reason(auth, issuer.mint.wrong_key()) is Reason.SIGNATURE_INVALID
    assert reason(auth, issuer.mint(iss="https://elsewhere.example")) is Reason.ISSUER_UNKNOWN


@pytest.mark.parametrize("ambient", [{}, ELSEWHERE, *({k: v} for k, v in ELSEWHERE.items())])
def test_its_environment_for_any_issuer_wins(issuer: DevIssuer, ambient: dict[str, str]) -> None:
    party = "https://app.example"
    environment = issuer.environment(audience=[AUDIENCE, "b"], authorized_parties=[party])
    auth = Authenticator.from_env({**ambient, **environment})
    assert reason(auth, issuer.mint(kind="oidc", aud="b", azp=party)) is None
    assert reason(auth, issuer.mint.wrong_aud(kind="oidc", azp=party)) is Reason.AUDIENCE_MISMATCH
    assert reason(auth, issuer.mint.wrong_azp(kind="oidc", aud="b")) is Reason.PARTY_MISMATCH


def test_its_environment_for_a_subprocess(issuer: DevIssuer) -> None:
    program = """
import sys
from doorward import Authenticator
print(Authenticator.from_env().verify(sys.stdin.read()).subject)
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=issuer.environment(),
        input=issuer.mint(sub="ada"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout == "ada\n"


def test_a_named_issuer_is_served_all_the_same() -> None:
    issuer = DevIssuer(issuer="https://clerk.example.com")
    assert issuer.jwks_url == "https://clerk.example.com/.well-known/jwks.json"
    with issuer:
        assert issuer.issuer == "https://clerk.example.com"
        assert issuer.jwks_url.startswith("http://127.0.0.1:")
        assert reason(issuer.authenticator(), issuer.mint()) is None
        assert reason(Authenticator.from_env(issuer.environment()), issuer.mint()) is None
        assert issuer.jwks_fetches == 2
    assert issuer.jwks_url == "https://clerk.example.com/.well-known/jwks.json"


# Its troubles.


def test_keys_are_fetched_once(served: DevIssuer) -> None:
    auth = served.authenticator()
    assert served.jwks_fetches == 0
    for _ in range(3):
        assert reason(auth, served.mint()) is None
    assert served.jwks_fetches == 1


def test_down_and_up(served: DevIssuer) -> None:
    served.down()
    with pytest.raises(Rejection) as refused:
        served.authenticator().verify(served.mint())
    assert refused.value.reason is Reason.KEYS_UNAVAILABLE
    assert refused.value.status == 503
    assert "retry-after" in dict(refused.value.headers)
    served.up()
    assert reason(served.authenticator(), served.mint()) is None


def test_an_outage_after_the_start_is_not_noticed(served: DevIssuer) -> None:
    auth = served.authenticator()
    auth.refresh()
    served.down()
    assert reason(auth, served.mint()) is None


def test_slow(served: DevIssuer) -> None:
    served.slow(0.3)
    auth = served.authenticator()
    start = time.monotonic()
    assert reason(auth, served.mint()) is None
    assert time.monotonic() - start >= 0.3


def test_rotation(served: DevIssuer) -> None:
    auth = served.authenticator()
    old = served.mint()
    assert reason(auth, old) is None
    kid = served.rotate()
    assert kid in {key["kid"] for key in json.loads(served.jwks())["keys"]}
    assert reason(auth, served.mint()) is None
    assert served.jwks_fetches == 2
    assert reason(auth, old) is Reason.KEY_UNKNOWN


def test_rotation_of_keys_that_were_given() -> None:
    issuer = DevIssuer()
    auth = issuer.authenticator()
    issuer.rotate()
    assert reason(auth, issuer.mint()) is Reason.KEY_UNKNOWN
    assert reason(issuer.authenticator(), issuer.mint()) is None


def test_trouble_nobody_would_notice_is_a_mistake() -> None:
    issuer = DevIssuer()
    for strike in (issuer.down, lambda: issuer.slow(1)):
        with pytest.raises(RuntimeError, match=r"start\(\) it, or take the fixture doorward_http"):
            strike()
    with issuer:
        issuer.down()
    with pytest.raises(RuntimeError):
        issuer.down()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_no_time_to_wait(served: DevIssuer, seconds: float) -> None:
    with pytest.raises(ValueError, match="is no time to wait"):
        served.slow(seconds)


# Lent to one test after another.


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.mark.parametrize("served", [False, True])
def test_keys_are_kept_and_nothing_else(pool: Pool, served: bool) -> None:
    early, late = Clock(1_000_000_000), Clock(1_800_000_000)
    with pool.lent(early, served=served) as first:
        assert claims_time(first) == early.now
        keys = first.jwks()
        if served:
            first.authenticator().refresh()
            first.down()
            assert first.jwks_fetches == 1
    with pool.lent(late, served=served) as second:
        assert second.jwks() == keys
        assert claims_time(second) == late.now
        assert second.jwks_fetches == 0
        assert reason(second.authenticator(), second.mint()) is None


@pytest.mark.parametrize("change", ["rotate", "rotate_overlapping", "stop"])
@pytest.mark.parametrize("served", [False, True])
def test_a_changed_issuer_is_not_lent_again(pool: Pool, served: bool, change: str) -> None:
    with pool.lent(Clock(), served=served) as first:
        keys = first.jwks()
        getattr(first, change)()
    with pool.lent(Clock(), served=served) as second:
        assert second.jwks() != keys
        assert reason(second.authenticator(), second.mint()) is None
        assert (second.issuer == "https://issuer.doorward.test") is not served


def test_an_issuer_that_was_started_is_not_lent_again(pool: Pool) -> None:
    with pool.lent(Clock(), served=False) as first:
        assert first.start() == first.issuer
    with pool.lent(Clock(), served=False) as second:
        assert second.issuer == "https://issuer.doorward.test"


def test_starting_what_is_started_changes_nothing(pool: Pool) -> None:
    with pool.lent(Clock(), served=True) as first:
        url = first.issuer
        assert first.start() == url
    with pool.lent(Clock(), served=True) as second:
        assert second.issuer == url


def test_two_at_once_are_two(pool: Pool) -> None:
    with (
        pool.lent(Clock(), served=False) as one,
        pool.lent(Clock(), served=False) as other,
    ):
        assert one.jwks() != other.jwks()


def test_a_test_that_fails_gives_its_issuer_back(pool: Pool) -> None:
    with contextlib.suppress(KeyError), pool.lent(Clock(), served=True) as first:
        first.down()
        raise KeyError
    with pool.lent(Clock(), served=True) as second:
        assert second.issuer == first.issuer
        assert reason(second.authenticator(), second.mint()) is None


def claims_time(issuer: DevIssuer) -> Any:
    from doorward._doorward import inspect

    return inspect(issuer.mint())["claims"]["iat"]
