"""Clerk's Python SDK asks the local issuer about opaque tokens, and so do we.

Where the SDK lets in what we refuse, the test asserts both answers, so that we notice when either
changes.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from clerk_backend_api import Clerk, models
from clerk_backend_api.security import (
    TokenVerificationError,
    VerifyTokenOptions,
    verify_token,
)

from doorward import Authenticator, Reason, Rejection
from doorward._doorward import DevIssuer

SECRET = "sk_test_outsiders"
KINDS = ("api_key", "oauth_opaque", "m2m_opaque")
#: What the verify endpoint of each kind answers with.
OBJECTS = {
    "api_key": "api_key",
    "oauth_opaque": "clerk_idp_oauth_access_token",
    "m2m_opaque": "machine_to_machine_token",
}
IN = "in"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[DevIssuer, str]]:
    issuer = DevIssuer(secret_key=SECRET)
    yield issuer, issuer.start()
    issuer.stop()


@pytest.fixture
def desk(running: tuple[DevIssuer, str]) -> Iterator[Desk]:
    desk = Desk(*running)
    yield desk
    desk.issuer.fault("none")


class Desk:
    """The issuer, and three who ask it."""

    def __init__(self, issuer: DevIssuer, url: str) -> None:
        self.issuer = issuer
        self.url = url

    def mint(self, kind: str, **spec: Any) -> str:
        return self.issuer.mint(json.dumps({"kind": kind, **spec}))

    def generated(self, kind: str, token: str, *, secret: str = SECRET, base: str = "") -> Any:
        """The SDK's method for the endpoint."""
        with Clerk(bearer_auth=secret, server_url=self.url + base) as clerk:
            if kind == "api_key":
                return clerk.api_keys.verify_api_key(secret=token)
            if kind == "oauth_opaque":
                return clerk.oauth_access_tokens.verify(access_token=token)
            return clerk.m2m.verify_token(token=token)

    def theirs(self, token: str) -> str:
        """The verdict of the SDK's own verification."""
        return verdict(token, VerifyTokenOptions(secret_key=SECRET, api_url=self.url))

    def ours(self, token: str) -> str | Reason:
        """Our verdict, by an authenticator that remembers nothing yet."""
        auth = Authenticator.clerk(
            secret_key=SECRET,
            api_url=self.url,
            jwt_key=self.issuer.jwks(),
            issuer=self.issuer.issuer,
            authorized_parties="http://localhost:3000",
            accepts=["session_token", "oauth_token", "m2m_token", "api_key"],
        )
        try:
            auth.verify(token)
        except Rejection as refused:
            return refused.reason
        return IN


def verdict(token: str, options: VerifyTokenOptions) -> str:
    def ask() -> str:
        try:
            verify_token(token, options)
        except TokenVerificationError as error:
            return error.reason.value[0]
        except Exception as error:
            return type(error).__name__
        return IN

    # It opens a connection for each token and leaves it to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        answer = ask()
        gc.collect()
    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("base", ["", "/v1"])
def test_the_generated_methods_read_every_kind(desk: Desk, kind: str, base: str) -> None:
    before = desk.issuer.requests("verify")
    token = desk.mint(kind, scopes=["mch_b"], ttl=60, claims={"team": "blue"})
    told = desk.generated(kind, token, base=base)
    assert told.object.value == OBJECTS[kind]
    assert told.scopes == ["mch_b"]
    assert not told.revoked
    assert not told.expired
    assert told.expiration == told.created_at + 60_000
    if kind != "oauth_opaque":
        assert told.claims == {"team": "blue"}
    assert desk.issuer.requests("verify") == before + 1
    last = json.loads(desk.issuer.request_log())[-1]
    assert last["path"].startswith(f"{base}/")
    # Generated from the version of May, it asks for the one of last November.
    assert last["headers"]["clerk-api-version"] == "2025-11-10"
    assert token not in desk.issuer.request_log()


def test_an_api_key_need_not_expire(desk: Desk) -> None:
    assert desk.generated("api_key", desk.mint("api_key")).expiration is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "defect", ["expired", "revoked", "wrong_key", "bad_signature", "truncated"]
)
def test_what_is_not_good_is_not_found(desk: Desk, kind: str, defect: str) -> None:
    token = desk.mint(kind, defect=defect)
    with pytest.raises(models.ClerkBaseError) as refused:
        desk.generated(kind, token)
    assert refused.value.status_code == 404
    assert refused.value.data.errors[0].code == "resource_not_found"  # type: ignore[attr-defined]
    assert desk.theirs(token) == "token-invalid"
    assert desk.ours(token) is Reason.TOKEN_INVALID


def test_a_key_that_is_revoked_is_good_no_more(desk: Desk) -> None:
    token = desk.mint("api_key")
    assert desk.theirs(token) == desk.ours(token) == IN
    assert desk.issuer.revoke(token, reason="leaked") == 1
    assert desk.theirs(token) == "token-invalid"
    assert desk.ours(token) is Reason.TOKEN_INVALID


@pytest.mark.parametrize("kind", KINDS)
def test_another_instances_key(desk: Desk, kind: str) -> None:
    with pytest.raises(models.SDKError) as refused:
        desk.generated(kind, desk.mint(kind), secret="sk_test_another")
    assert refused.value.status_code == 401
    assert "clerk_key_invalid" in refused.value.body


def test_a_machines_key_reads_what_is_for_the_machine(desk: Desk) -> None:
    secret = desk.issuer.machine_secret_key("mch_b")
    token = desk.mint("m2m_opaque", scopes=["mch_b"])
    assert desk.generated("m2m_opaque", token, secret=secret).scopes == ["mch_b"]
    with pytest.raises(models.ClerkBaseError) as refused:
        desk.generated("m2m_opaque", desk.mint("m2m_opaque"), secret=secret)
    assert refused.value.status_code == 404


def test_an_expired_jwt_is_inactive(desk: Desk) -> None:
    """The generated method answers with an object that says so, and raises nothing."""
    good = desk.generated("oauth_opaque", desk.mint("oauth", scopes=["a"]))
    assert good.scopes == ["a"]
    gone = desk.generated("oauth_opaque", desk.mint("oauth", defect="expired"))
    assert gone.ACTIVE is False


# --- The SDK's own verification ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_let_in(desk: Desk, kind: str) -> None:
    token = desk.mint(kind)
    assert desk.theirs(token) == desk.ours(token) == IN


def test_machine_tokens_of_old(desk: Desk) -> None:
    token = desk.mint("m2m_opaque", prefix="m2m_")
    assert desk.theirs(token) == desk.ours(token) == IN


def test_the_sdk_asks_in_other_words(desk: Desk) -> None:
    """It sends `secret` for every kind, where two of three endpoints have other words for it, and
    no version. The local issuer understands it all the same.
    """
    for kind in KINDS:
        assert desk.theirs(desk.mint(kind)) == IN
        last = json.loads(desk.issuer.request_log())[-1]
        assert last["body_fields"] == ["secret"]
        assert "clerk-api-version" not in last["headers"]
    desk.ours(desk.mint("m2m_opaque"))
    last = json.loads(desk.issuer.request_log())[-1]
    assert last["body_fields"] == ["token"]
    assert last["headers"]["clerk-api-version"] == "2026-05-12"


def test_the_sdk_sends_the_word_none_for_a_key_it_does_not_have(desk: Desk) -> None:
    options = VerifyTokenOptions(api_url=desk.url)
    assert verdict(desk.mint("api_key"), options) == "token-invalid"
    last = json.loads(desk.issuer.request_log())[-1]
    assert last["headers"]["authorization"] == "Bearer …"
    assert last["status"] == 401


#: The fault, the SDK's verdict on a good API key, and ours.
FAULTS: list[tuple[str, str, str | Reason]] = [
    ("inactive", IN, Reason.TOKEN_INVALID),
    ("revoked", IN, Reason.TOKEN_REVOKED),
    ("expired", IN, Reason.TOKEN_EXPIRED),
    ("null", IN, Reason.VERIFICATION_UNAVAILABLE),
    ("array", IN, Reason.VERIFICATION_UNAVAILABLE),
    ("not_json", "JSONDecodeError", Reason.VERIFICATION_UNAVAILABLE),
    ("garbage", "JSONDecodeError", Reason.VERIFICATION_UNAVAILABLE),
    ("not_found", "token-invalid", Reason.TOKEN_INVALID),
    ("too_many_requests", "token-invalid", Reason.VERIFICATION_UNAVAILABLE),
    ("down", "token-invalid", Reason.VERIFICATION_UNAVAILABLE),
    ("cut", "server-error", Reason.VERIFICATION_UNAVAILABLE),
    ("refuse", "server-error", Reason.VERIFICATION_UNAVAILABLE),
]


@pytest.mark.parametrize(("fault", "theirs", "ours"), FAULTS, ids=[row[0] for row in FAULTS])
def test_what_an_answer_is_worth(desk: Desk, fault: Any, theirs: str, ours: str | Reason) -> None:
    token = desk.mint("api_key")
    desk.issuer.fault(fault, endpoint="verify")
    assert desk.theirs(token) == theirs
    assert desk.ours(token) == ours
    desk.issuer.fault("none", endpoint="verify")
    assert desk.theirs(token) == desk.ours(token) == IN


def test_a_fault_elsewhere_is_not_noticed(desk: Desk) -> None:
    desk.issuer.fault("down")
    desk.issuer.fault("none", endpoint="verify")
    token = desk.mint("api_key")
    assert desk.theirs(token) == desk.ours(token) == IN
