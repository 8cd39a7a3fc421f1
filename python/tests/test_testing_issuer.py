"""`DevIssuer`: how an application comes to trust it, its keys and its troubles."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from doorward import ANY, Authenticator, ConfigError, Reason, Rejection
from doorward._doorward import inspect
from doorward.testing import Clock, DevIssuer
from doorward.testing.pool import Pool

ROOT = Path(__file__).parents[2]
AUDIENCE = "https://api.example"


@pytest.fixture(scope="module", params=["in_process", "over_http", "over_tls"])
def issuer(request: pytest.FixtureRequest) -> Iterator[DevIssuer]:
    issuer = DevIssuer(tls=request.param == "over_tls")
    if request.param != "in_process":
        issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def served() -> Iterator[DevIssuer]:
    with DevIssuer(clock=Clock()) as issuer:
        yield issuer


def test_with_tls_nobody_believes_it_who_does_not_trust_it() -> None:
    assert DevIssuer().certificate_authority is None
    with DevIssuer(tls=True) as issuer, DevIssuer(tls=True) as other:
        assert issuer.issuer.startswith("https://localhost:")
        settings = {"preset": "clerk", "publishable_key": issuer.publishable_key}
        settings["authorized_parties"] = "http://localhost:3000"
        token = issuer.mint()
        for authority, found in [
            (issuer.certificate_authority, None),
            (other.certificate_authority, Reason.KEYS_UNAVAILABLE),
        ]:
            assert authority is not None
            trusting = {**settings, "certificate_authorities": authority}
            assert reason(Authenticator.from_config(trusting), token) is found
        assert reason(Authenticator.from_config(settings), token) is Reason.KEYS_UNAVAILABLE
        with pytest.raises(ConfigError, match="certificate_authorities"):
            Authenticator.from_config({**settings, "certificate_authorities": "none"})


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
    "CLERK_MACHINE_SECRET_KEY": "ak_elsewhere",
    "CLERK_API_URL": "https://elsewhere.example",
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
    "DOORWARD_CERTIFICATE_AUTHORITIES": DevIssuer(tls=True).certificate_authority or "",
    "DOORWARD_CERTIFICATE_AUTHORITIES_FILE": "/elsewhere.pem",
    "DOORWARD_CLIENT_ID": "elsewhere",
    "DOORWARD_DISCOVER": "true",
    "DOORWARD_DOMAIN": "elsewhere.example",
    "DOORWARD_INTROSPECTION_ASSERTION_AUDIENCE": "https://elsewhere.example",
    "DOORWARD_INTROSPECTION_AUTH": "client_secret_post",
    "DOORWARD_INTROSPECTION_CLIENT_ALGORITHM": "ES256",
    "DOORWARD_INTROSPECTION_CLIENT_KEY": "elsewhere",
    "DOORWARD_INTROSPECTION_CLIENT_KEY_FILE": "/elsewhere.pem",
    "DOORWARD_INTROSPECTION_CLIENT_KEY_ID": "elsewhere",
    "DOORWARD_INTROSPECTION_RESPONSE": "jwt",
    "DOORWARD_USERINFO_URL": "https://elsewhere.example/userinfo",
    "DOORWARD_INTROSPECTION_CLIENT_ID": "elsewhere",
    "DOORWARD_INTROSPECTION_CLIENT_SECRET": "elsewhere",
    "DOORWARD_INTROSPECTION_URL": "https://elsewhere.example/introspect",
    "DOORWARD_LOGOUT_CLIENT_ID": "elsewhere",
    "DOORWARD_MACHINE_SECRET_KEY": "elsewhere",
    "DOORWARD_REVOCATION_STORE": "redis://elsewhere.example",
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
    "AUTHORIZATION_SERVERS",
    "AZP",
    "CACHE_BYTES",
    "CHALLENGE_SCOPES",
    "CLIENTS_WITHOUT_AUDIENCE",
    "CLIENT_ADDRESS_HEADER",
    "CLIENT_ID_CLAIM",
    "COOKIES",
    "DANGEROUSLY_ACCEPT_TOKENS_WITHOUT_AUDIENCE",
    "DECODER",
    "DEFAULT_TOOL_SCOPES",
    "EXPLAIN",
    "INSECURE_PLAIN_HTTP",
    "LEEWAY",
    "MAX_TENANTS",
    "MAX_TOKEN_BYTES",
    "OFFLINE_ACCESS",
    "ORGANIZATION_CLAIM",
    "PERMISSIONS_CLAIM",
    "PROBLEM_DETAILS",
    "REQUIRED_CLAIMS",
    "RESOURCE",
    "RESOURCE_DOCUMENTATION",
    "RESOURCE_NAME",
    "RESOURCE_POLICY_URI",
    "RESOURCE_TOS_URI",
    "REVOCATION_MAX_ENTRIES",
    "REVOCATION_ON_OUTAGE",
    "REVOCATION_RETENTION",
    "ROLES_CLAIM",
    "SCOPES_CLAIM",
    "SCOPES_SUPPORTED",
    "SCOPE_IMPLIES",
    "SESSION_CLAIM",
    "SESSION_SECRET",
    "TENANTS",
    "TOKEN_TYPES",
    "TOOL_SCOPES",
    "USERINFO_TTL",
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


# Opaque tokens.


@pytest.mark.parametrize(
    ("kind", "accepts", "sub"),
    [
        ("api_key", "api_key", "org_1"),
        ("oauth_opaque", "oauth_token", "user_1"),
        ("m2m_opaque", "m2m_token", "mch_1"),
    ],
)
def test_it_is_asked_about_opaque_tokens(
    served: DevIssuer, kind: Any, accepts: Any, sub: str
) -> None:
    auth = served.authenticator(accepts=["session_token", accepts])
    identity = auth.verify(served.mint(kind=kind, sub=sub, scopes=["posts:read"]))
    assert (identity.kind, identity.subject) == (accepts, sub)
    assert identity.scopes == ("posts:read",)
    assert served.requests("verify") == 1
    assert reason(auth, served.mint.revoked(kind=kind)) is Reason.TOKEN_INVALID
    assert reason(auth, served.mint(sub="ada")) is None
    from_env = {**served.environment(), "DOORWARD_ACCEPTS": accepts}
    assert reason(Authenticator.from_env(from_env), served.mint(kind=kind)) is None


def test_of_an_issuer_that_is_not_started_nobody_asks() -> None:
    issuer = DevIssuer()
    for ask in (
        lambda: issuer.authenticator(accepts="api_key"),
        lambda: issuer.authenticator(audience=AUDIENCE, introspection=True),
        lambda: issuer.environment(audience=AUDIENCE, introspection=True),
        lambda: issuer.api_url,
    ):
        with pytest.raises(RuntimeError, match=r"start\(\) it, or take the fixture doorward_http"):
            ask()
    # The secrets of the machine the tests run on must not be sent anywhere in its place.
    for name in ("CLERK_SECRET_KEY", "CLERK_MACHINE_SECRET_KEY", "CLERK_API_URL"):
        assert issuer.environment()[name] == ""


def test_introspection(served: DevIssuer) -> None:
    settings: Any = {"audience": AUDIENCE, "introspection": True}
    token = served.mint(kind="opaque", sub="ada", aud=AUDIENCE, scopes=["a", "b"])
    environment = {**served.environment(**settings), "DOORWARD_ACCEPTS": "oauth_token"}
    for auth in (
        served.authenticator(**settings, accepts="oauth_token"),
        Authenticator.from_env(environment),
    ):
        identity = auth.verify(token)
        assert (identity.subject, identity.scopes) == ("ada", ("a", "b"))
        assert identity.client_id == served.client_id
        assert reason(auth, served.mint.revoked(kind="opaque", aud=AUDIENCE)) is not None
        assert reason(auth, served.mint(kind="opaque", aud="b")) is Reason.AUDIENCE_MISMATCH
    for ask in (served.authenticator, served.environment):
        with pytest.raises(TypeError, match="introspection takes an audience"):
            ask(introspection=True)


def test_revocation(served: DevIssuer) -> None:
    auth = served.authenticator(accepts="api_key")
    good, leaked = served.mint(kind="api_key"), served.mint(kind="api_key", sub="user_eve")
    assert served.revoke(leaked, reason="leaked") == 1
    assert served.verify_opaque(leaked) is None
    assert reason(auth, leaked) is Reason.TOKEN_INVALID
    assert reason(auth, good) is None
    assert served.revoke(sub="user_nobody") == 0
    jwt = served.mint(kind="oauth")
    assert served.introspect(jwt)["active"] is True
    assert served.revoke(jwt) == 1
    assert served.introspect(jwt) == {"active": False}
    with pytest.raises(TypeError, match="one of token, jti, sid, sub and client_id"):
        served.revoke()
    with pytest.raises(TypeError, match="one of token, jti, sid, sub and client_id"):
        served.revoke(sub="a", sid="b")


def test_what_it_says_of_a_token(served: DevIssuer) -> None:
    token = served.mint(kind="api_key", sub="org_1", name="ci", claims={"team": "blue"}, ttl=60)
    told = served.verify_opaque(token)
    assert told is not None
    assert (told["subject"], told["name"], told["claims"]) == ("org_1", "ci", {"team": "blue"})
    assert told["expiration"] == told["created_at"] + 60_000
    assert served.introspect(token) == {"active": False}
    assert served.requests("verify") == served.requests("introspect") == 0


def test_a_machine_reads_what_is_for_it(served: DevIssuer) -> None:
    secret = served.machine_secret_key("mch_b")
    auth = served.authenticator(accepts="m2m_token", machine_secret_key=secret)
    assert reason(auth, served.mint(kind="m2m_opaque", scopes=["mch_b"])) is None
    other = served.mint(kind="m2m_opaque", scopes=["mch_c"])
    assert reason(auth, other) is Reason.TOKEN_INVALID
    assert reason(served.authenticator(accepts="m2m_token"), other) is None


def test_clients(served: DevIssuer) -> None:
    brought = served.register_client("mine", "secret of mine")
    assert brought == {"client_id": "mine", "client_secret": "secret of mine"}
    assert len(served.register_client("yours")["client_secret"]) > 40
    for public in ("", "nobody"):
        nobody = served.register_client(public, token_endpoint_auth_method="none")
        assert "client_secret" not in nobody
    with pytest.raises(ValueError, match="unknown variant"):
        served.register_client("x", token_endpoint_auth_method="tls")  # type: ignore[arg-type]
    token = served.mint(kind="opaque")
    for client, secret in (
        ("mine", "secret of mine"),
        (None, None),
        ("nobody", None),
        ("mine", "wrong"),
    ):
        settings = {
            "issuer": served.issuer,
            "audience": ANY,
            "accepts": "oauth_token",
            "jwks_url": served.jwks_url,
            "introspection_url": f"{served.api_url}/oauth/introspect",
            "introspection_client_id": client,
            "introspection_client_secret": secret,
            "introspection_auth": "none" if secret is None else "client_secret_basic",
        }
        given = {name: value for name, value in settings.items() if value is not None}
        auth = Authenticator.from_config(given, clock=served.clock)
        wanted = Reason.VERIFICATION_UNAVAILABLE if secret == "wrong" else None
        assert reason(auth, token) is wanted


def test_a_fault_at_one_endpoint(served: DevIssuer) -> None:
    auth = served.authenticator(accepts=["session_token", "api_key"])
    token = served.mint(kind="api_key")
    served.fault("status", endpoint="verify", status=500)
    assert reason(auth, token) is Reason.VERIFICATION_UNAVAILABLE
    assert reason(auth, served.mint()) is None
    served.fault("revoked", endpoint="verify")
    assert reason(served.authenticator(accepts="api_key"), token) is Reason.TOKEN_REVOKED
    served.up()
    assert reason(served.authenticator(accepts="api_key"), token) is None
    statuses = [one["status"] for one in served.request_log() if one["endpoint"] == "verify"]
    assert statuses[0] == 500
    assert statuses[-2:] == [200, 200]
    assert token not in str(served.request_log())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "status"}, "missing field `status`"),
        ({"kind": "down", "status": 500}, "unknown field `status`"),
        ({"kind": "redirect"}, "missing field `url`"),
        ({"kind": "null", "endpoint": "verfy"}, "no endpoint; there are jwks, discovery, verify"),
    ],
)
def test_a_fault_with_a_mistake_in_it(served: DevIssuer, arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        served.fault(**arguments)
    assert reason(served.authenticator(), served.mint()) is None


def test_back_channel_logout(served: DevIssuer) -> None:
    heard: list[bytes] = []

    class Application(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204 if self.path == "/logout" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert served.send_logout(f"{url}/logout", sub="ada", sid="sess_1") == 204
            assert served.send_logout(f"{url}/elsewhere", sub="ada", defect="expired") == 404
        finally:
            server.shutdown()
            thread.join()
    ((name, token),) = parse_qsl(heard[0].decode())
    assert name == "logout_token"
    told = inspect(token)
    assert told["header"]["typ"] == "logout+jwt"
    assert (told["claims"]["sub"], told["claims"]["sid"]) == ("ada", "sess_1")
    assert told["claims"]["aud"] == served.client_id
    with pytest.raises(ConnectionError):
        served.send_logout(f"{url}/logout", sub="ada")
    with pytest.raises(ValueError, match="http URL of this machine"):
        served.send_logout("https://elsewhere.example/logout", sub="ada")
    with pytest.raises(TypeError, match="sends tokens of kind 'logout', not 'session'"):
        served.send_logout(url, kind="session")
    with pytest.raises(TypeError, match="carries no role"):
        served.send_logout(url, role="admin")


def test_a_logout_token_opens_no_door(issuer: DevIssuer) -> None:
    token = issuer.mint(kind="logout", sub="ada")
    everything: Any = ["session_token", "oauth_token", "m2m_token", "template_token"]
    assert reason(issuer.authenticator(accepts=everything), token) is not None


def test_reset(served: DevIssuer) -> None:
    auth = served.authenticator(accepts="api_key")
    keys, token = served.jwks(), served.mint(kind="api_key", sub="user_1")
    served.revoke(sub="user_1")
    served.register_client("mine")
    served.fault("null", endpoint="verify")
    assert reason(auth, token) is Reason.VERIFICATION_UNAVAILABLE
    assert served.requests("verify") == 1
    served.reset()
    assert served.requests("verify") == served.jwks_fetches == 0
    assert served.request_log() == []
    assert served.verify_opaque(token) is None
    fresh = served.mint(kind="api_key", sub="user_1")
    assert reason(served.authenticator(accepts="api_key"), fresh) is None
    assert served.jwks() == keys


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


@pytest.mark.parametrize("served", [False, True])
def test_what_one_test_did_the_next_does_not_see(pool: Pool, served: bool) -> None:
    """The clock may well be earlier in the next test, or stand at the same second."""
    clock = Clock()
    with pool.lent(clock, served=served) as first:
        token = first.mint(kind="api_key", sub="user_1")
        secrets = first.secret_key, first.machine_secret_key("mch_1")
        first.revoke(sub="user_1")
        first.revoke(sid="sess_1")
        first.register_client(first.client_id, "another secret")
        first.fault("down", endpoint="verify")
        if served:
            first.authenticator().refresh()
    clock.advance(-60)
    with pool.lent(clock, served=served) as second:
        assert second.secret_key == secrets[0]
        assert second.machine_secret_key("mch_1") != secrets[1]
        assert second.verify_opaque(token) is None
        assert second.verify_opaque(second.mint(kind="api_key", sub="user_1"))
        assert second.introspect(second.mint(kind="oidc", sub="user_1", sid="sess_1"))["active"]
        assert second.requests("jwks") == second.requests("verify") == 0
        assert second.request_log() == []
        if served:
            auth = second.authenticator(accepts="api_key")
            assert reason(auth, second.mint(kind="api_key")) is None


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
    return inspect(issuer.mint())["claims"]["iat"]
