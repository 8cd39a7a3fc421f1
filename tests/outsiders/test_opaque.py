"""Clerk's own two back-end SDKs ask the local issuer about opaque tokens, and so do we.

Where an SDK lets in what we refuse, the test asserts every answer, so that we notice when one
changes. `README.md` says why we answer as we do.
"""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from clerk_backend_api import Clerk, models
from clerk_backend_api.security import (
    AuthenticateRequestOptions,
    TokenVerificationError,
    VerifyTokenOptions,
    authenticate_request,
    verify_token,
)
from clerk_backend_api.security.types import AuthStatus, RequestState
from javascript import Json, node
from starlette.datastructures import Headers

from doorward import Authenticator, ConfigError, Identity, Reason, Rejection
from doorward.testing import DevIssuer

SECRET = "sk_test_outsiders"
KINDS = ("api_key", "oauth_opaque", "m2m_opaque")
#: What the verify endpoint of each kind answers with.
OBJECTS = {
    "api_key": "api_key",
    "oauth_opaque": "clerk_idp_oauth_access_token",
    "m2m_opaque": "machine_to_machine_token",
}
#: What each kind is called where it is accepted.
ACCEPTED = {"api_key": "api_key", "oauth_opaque": "oauth_token", "m2m_opaque": "m2m_token"}
IN = "in"
#: Signed in without an id, or with an exception for whoever asks who it is.
NOBODY = "in as nobody"
UNAVAILABLE = Reason.VERIFICATION_UNAVAILABLE


@pytest.fixture(scope="module")
def running() -> Iterator[DevIssuer]:
    with DevIssuer(secret_key=SECRET) as issuer:
        yield issuer


@pytest.fixture
def desk(running: DevIssuer) -> Iterator[Desk]:
    yield Desk(running, running.api_url)
    running.reset()


class Desk:
    """The issuer, and those who ask it, or ask somebody else in its place."""

    def __init__(self, issuer: DevIssuer, url: str) -> None:
        self.issuer = issuer
        self.url = url

    def mint(self, kind: Any, **spec: Any) -> str:
        return self.issuer.mint(kind=kind, **spec)

    def generated(self, kind: str, token: str, *, secret: str = SECRET, base: str = "") -> Any:
        """The SDK's method for the endpoint."""
        with Clerk(bearer_auth=secret, server_url=self.url + base) as clerk:
            if kind == "api_key":
                return clerk.api_keys.verify_api_key(secret=token)
            if kind == "oauth_opaque":
                return clerk.oauth_access_tokens.verify(access_token=token)
            return clerk.m2m.verify_token(token=token)

    def pythons(self, token: str) -> str:
        """The verdict of the Python SDK's own verification."""
        return verdict(token, VerifyTokenOptions(secret_key=SECRET, api_url=self.url))

    def nodes(self, tokens: list[tuple[str, str]], **options: Any) -> list[Json]:
        """What the Node SDK answers about tokens of these kinds."""
        common = {
            "job": "machine",
            "secretKey": SECRET,
            "publishableKey": self.issuer.publishable_key,
            "apiUrl": self.url,
        }
        jobs = [
            {**common, "token": token, "acceptsToken": ACCEPTED[kind], **options}
            for kind, token in tokens
        ]
        return node("clerk", jobs)

    def door(self, **options: Any) -> Authenticator:
        """Ours, which remembers nothing yet."""
        return Authenticator.clerk(
            **{
                "secret_key": SECRET,
                "api_url": self.url,
                "jwt_key": self.issuer.jwks(),
                "issuer": self.issuer.issuer,
                "authorized_parties": "http://localhost:3000",
                "accepts": ["session_token", "oauth_token", "m2m_token", "api_key"],
                **options,
            }
        )

    def ours(self, token: str, **options: Any) -> str | Reason:
        answer = judged(self.door(**options), token)
        return IN if isinstance(answer, Identity) else answer


def judged(door: Authenticator, token: str) -> Identity | Reason:
    try:
        return door.verify(token)
    except Rejection as refused:
        return refused.reason


def verdict(token: str, options: VerifyTokenOptions) -> str:
    def ask() -> str:
        try:
            payload = verify_token(token, options)
        except TokenVerificationError as error:
            return error.reason.value[0]
        except Exception as error:
            return type(error).__name__
        try:
            auth: Any = RequestState(AuthStatus.SIGNED_IN, token=token, payload=payload).to_auth()
        except Exception:
            return NOBODY
        return IN if auth.id else NOBODY

    # It opens a connection for each token and leaves it to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        answer = ask()
        gc.collect()
    return answer


def node_verdict(answer: Json) -> str:
    if answer["status"] == "signed-out":
        return str(answer["reason"])
    return IN if answer.get("auth", {}).get("id") else NOBODY


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
    last = desk.issuer.request_log()[-1]
    assert last["path"].startswith(f"{base}/")
    # Generated from the version of May, it asks for the one of last November.
    assert last["headers"]["clerk-api-version"] == "2025-11-10"
    assert token not in str(desk.issuer.request_log())


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
    assert desk.pythons(token) == "token-invalid"
    assert desk.ours(token) is Reason.TOKEN_INVALID
    (theirs,) = desk.nodes([(kind, token)])
    assert node_verdict(theirs) == "token-invalid"


def test_a_key_that_is_revoked_is_good_no_more(desk: Desk) -> None:
    token = desk.mint("api_key")
    assert desk.pythons(token) == desk.ours(token) == IN
    assert desk.issuer.revoke(token, reason="leaked") == 1
    assert desk.pythons(token) == "token-invalid"
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


# --- The SDKs' own verification -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_let_in(desk: Desk, kind: str) -> None:
    token = desk.mint(kind)
    assert desk.pythons(token) == desk.ours(token) == IN


def test_machine_tokens_of_old(desk: Desk) -> None:
    """Node does not know their prefix."""
    token = desk.mint("m2m_opaque", prefix="m2m_")
    assert desk.pythons(token) == desk.ours(token) == IN
    (theirs,) = desk.nodes([("m2m_opaque", token)])
    assert node_verdict(theirs) == "token-type-mismatch"


def test_python_asks_in_other_words(desk: Desk) -> None:
    """It sends `secret` for every kind, where two of three endpoints have other words for it, and
    no version. The local issuer understands it all the same.
    """
    for kind in KINDS:
        assert desk.pythons(desk.mint(kind)) == IN
        last = desk.issuer.request_log()[-1]
        assert last["body_fields"] == ["secret"]
        assert "clerk-api-version" not in last["headers"]
    words = {"api_key": "secret", "oauth_opaque": "access_token", "m2m_opaque": "token"}
    for kind, word in words.items():
        desk.nodes([(kind, desk.mint(kind))])
        theirs = desk.issuer.request_log()[-1]
        desk.ours(desk.mint(kind))
        last = desk.issuer.request_log()[-1]
        assert last["body_fields"] == theirs["body_fields"] == [word]
        assert last["path"] == theirs["path"].removeprefix("/v1")
        version = "clerk-api-version"
        assert last["headers"][version] == theirs["headers"][version] == "2026-05-12"


def test_python_sends_the_word_none_for_a_key_it_does_not_have(desk: Desk) -> None:
    """Node throws, and we do not start, or ask nobody."""
    options = VerifyTokenOptions(api_url=desk.url)
    assert verdict(desk.mint("api_key"), options) == "token-invalid"
    last = desk.issuer.request_log()[-1]
    assert last["headers"]["authorization"] == "Bearer …"
    assert last["status"] == 401
    asked = desk.issuer.requests("verify")
    (theirs,) = desk.nodes([("api_key", desk.mint("api_key"))], secretKey="")
    assert theirs["status"] == "not judged"
    assert theirs["message"].startswith("Missing Clerk Secret Key.")
    with pytest.raises(ConfigError, match="secret_key"):
        desk.door(secret_key=None)
    for kind in ("oauth_opaque", "m2m_opaque"):
        accepted = ["oauth_token", "m2m_token"]
        assert desk.ours(desk.mint(kind), secret_key=None, accepts=accepted) is UNAVAILABLE
    assert desk.issuer.requests("verify") == asked


#: The fault, the verdicts of the Python SDK and the Node SDK on a good token, and ours.
FAULTS: list[tuple[str, Json, str, str, str | Reason]] = [
    ("inactive", {}, NOBODY, NOBODY, Reason.TOKEN_INVALID),
    ("revoked", {}, IN, IN, Reason.TOKEN_REVOKED),
    ("expired", {}, IN, IN, Reason.TOKEN_EXPIRED),
    ("null", {}, NOBODY, "unexpected-error", UNAVAILABLE),
    ("array", {}, NOBODY, NOBODY, UNAVAILABLE),
    ("not_json", {}, "JSONDecodeError", "unexpected-error", UNAVAILABLE),
    ("garbage", {}, "JSONDecodeError", NOBODY, UNAVAILABLE),
    ("oversize", {}, IN, IN, UNAVAILABLE),
    ("content_type", {}, IN, NOBODY, IN),
    ("content_type", {"content_type": "application/json; charset=utf-8"}, IN, NOBODY, IN),
    ("status", {"status": 201}, "token-invalid", NOBODY, UNAVAILABLE),
    ("status", {"status": 400}, "token-invalid", "unexpected-error", Reason.TOKEN_INVALID),
    ("status", {"status": 401}, "token-invalid", "secret-key-invalid", UNAVAILABLE),
    ("status", {"status": 403}, "token-invalid", "unexpected-error", UNAVAILABLE),
    ("not_found", {}, "token-invalid", "token-invalid", Reason.TOKEN_INVALID),
    ("too_many_requests", {}, "token-invalid", "unexpected-error", UNAVAILABLE),
    ("status", {"status": 500}, "token-invalid", "unexpected-error", UNAVAILABLE),
    ("down", {}, "token-invalid", "unexpected-error", UNAVAILABLE),
    ("cut", {}, "server-error", "unexpected-error", UNAVAILABLE),
    ("refuse", {}, "server-error", "unexpected-error", UNAVAILABLE),
]


@pytest.mark.parametrize(
    ("fault", "settings", "python", "javascript", "ours"),
    FAULTS,
    ids=["_".join([row[0], *map(str, row[1].values())]) for row in FAULTS],
)
def test_what_an_answer_is_worth(
    desk: Desk, fault: Any, settings: Json, python: str, javascript: str, ours: str | Reason
) -> None:
    tokens = [(kind, desk.mint(kind)) for kind in KINDS]
    desk.issuer.fault(fault, endpoint="verify", **settings)
    assert [desk.pythons(token) for _, token in tokens] == [python] * 3
    assert [node_verdict(answer) for answer in desk.nodes(tokens)] == [javascript] * 3
    # All of them at once: a 429 may be asked again after a second.
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(desk.ours, [token for _, token in tokens])) == [ours] * 3
    desk.issuer.up()
    assert [desk.ours(token) for _, token in tokens] == [IN] * 3


def test_an_issuer_that_does_not_answer(desk: Desk) -> None:
    """Python's client gives up after five seconds, and so do we. Node waits as long as it takes."""
    tokens = [(kind, desk.mint(kind)) for kind in KINDS]
    desk.issuer.fault("slow", 7, endpoint="verify")
    with ThreadPoolExecutor(7) as pool:
        # The SDK's warnings are silenced for the whole process, so it is asked once.
        python = pool.submit(desk.pythons, tokens[0][1])
        javascript = pool.submit(desk.nodes, tokens)
        ours = [pool.submit(desk.ours, token) for _, token in tokens]
        assert python.result() == "server-error"
        assert [node_verdict(answer) for answer in javascript.result()] == [IN] * 3
        assert [answer.result() for answer in ours] == [UNAVAILABLE] * 3


#: The right object of another kind.
OTHER = dict(zip(OBJECTS.values(), [*list(OBJECTS.values())[1:], "api_key"], strict=True))
#: What an answer says in the place of what it should, the verdicts of both SDKs, and ours.
LIES: dict[str, tuple[Callable[[Json], Any], str, str, Reason]] = {
    "nothing": (lambda _: {}, NOBODY, NOBODY, UNAVAILABLE),
    "another_object": (lambda told: {**told, "object": OTHER[told["object"]]}, IN, IN, UNAVAILABLE),
    "no_subject": (lambda told: without(told, "subject"), IN, IN, UNAVAILABLE),
    "no_revoked": (lambda told: without(told, "revoked"), IN, IN, UNAVAILABLE),
    "revoked_as_text": (lambda told: {**told, "revoked": "yes"}, IN, IN, UNAVAILABLE),
    "past_expiration": (lambda told: {**told, "expiration": 1}, IN, IN, Reason.TOKEN_EXPIRED),
    "scopes_as_number": (lambda told: {**told, "scopes": 5}, IN, IN, UNAVAILABLE),
    "subject_of_nobody": (lambda told: {**told, "subject": "dog_1"}, IN, IN, UNAVAILABLE),
    "subject_twice": (
        lambda told: json.dumps(told)[:-1] + ', "subject": "user_eve"}',
        IN,
        IN,
        UNAVAILABLE,
    ),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_an_answer_has_to_say(desk: Desk, kind: str, lie: str) -> None:
    change, python, javascript, ours = LIES[lie]
    token = desk.mint(kind)
    told = desk.issuer.verify_opaque(token)
    assert told is not None
    with answering(change(told)) as url:
        liar = Desk(desk.issuer, url)
        (theirs,) = liar.nodes([(kind, token)])
        # A Node object may have an id and no subject, or throw where the subject is looked at.
        if kind == "api_key" and lie == "no_subject":
            assert theirs["thrown"] == "TypeError"
        else:
            assert node_verdict(theirs) == javascript
        assert liar.pythons(token) == python
        assert liar.ours(token) is ours
    with answering(told) as url:
        assert Desk(desk.issuer, url).ours(token) == IN


def without(told: Json, name: str) -> Json:
    return {key: value for key, value in told.items() if key != name}


def test_a_redirect_elsewhere(desk: Desk) -> None:
    """Node goes where it is sent, and believes what it is told there."""
    token = desk.mint("api_key")
    with answering({**(desk.issuer.verify_opaque(token) or {}), "subject": "user_eve"}) as url:
        desk.issuer.fault("redirect", endpoint="verify", url=f"{url}/elsewhere")
        assert desk.pythons(token) == "token-invalid"
        (theirs,) = desk.nodes([("api_key", token)])
        assert theirs["auth"]["userId"] == "user_eve"
        assert desk.ours(token) is UNAVAILABLE


@contextmanager
def answering(what: Any) -> Iterator[str]:
    """A server that answers everything with this JSON."""
    body = what if isinstance(what, str) else json.dumps(what)

    class Liar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# --- Who it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sub"),
    [
        ("api_key", "user_ada"),
        ("api_key", "org_acme"),
        ("api_key", "mch_robot"),
        ("oauth_opaque", "user_ada"),
        ("m2m_opaque", "mch_robot"),
    ],
)
def test_everybody_sees_the_same_caller(desk: Desk, kind: str, sub: str) -> None:
    spec: Json = {"sub": sub, "scopes": ["a", "b"]}
    if kind != "oauth_opaque":
        spec["claims"] = {"team": "blue"}
    token = desk.mint(kind, **spec)
    ours = desk.door().verify(token)
    payload = verify_token(token, VerifyTokenOptions(secret_key=SECRET, api_url=desk.url))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    python: Any = RequestState(AuthStatus.SIGNED_IN, token=token, payload=payload).to_auth()
    (answer,) = desk.nodes([(kind, token)])
    javascript = answer["auth"]
    assert ours.kind == javascript["tokenType"] == ACCEPTED[kind]
    # It calls every machine token by the name of the old ones.
    assert python.token_type.value == ("machine_token" if kind == "m2m_opaque" else ours.kind)
    assert ours.subject == javascript["subject"] == sub
    assert ours.token_id == javascript["id"] == python.id
    assert list(ours.scopes) == javascript["scopes"] == python.scopes == ["a", "b"]
    if kind == "m2m_opaque":
        assert ours.subject == javascript["machineId"] == python.machine_id
    else:
        assert ours.user_id == javascript["userId"] == python.user_id
    if kind == "api_key":
        assert ours.organization_id == javascript["orgId"] == python.org_id
        assert ours.claims["name"] == javascript["name"] == python.name
    if kind == "oauth_opaque":
        assert ours.client_id == javascript["clientId"] == python.client_id
    else:
        assert ours.claims["claims"] == javascript["claims"] == python.claims == {"team": "blue"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_not_accepted_is_not_asked_about(desk: Desk, kind: str) -> None:
    token = desk.mint(kind)
    others = [ACCEPTED[other] for other in KINDS if other != kind]
    for accepted in ([*others, "session_token"], ["session_token"]):
        options = AuthenticateRequestOptions(secret_key=SECRET, accepts_token=accepted)
        request: Any = RequestWith(token)
        assert authenticate_request(request, options).reason.value[0] == "token-type-not-supported"
        assert desk.ours(token, accepts=accepted) is Reason.TOKEN_KIND_NOT_ACCEPTED
        (theirs,) = desk.nodes([(kind, token)], acceptsToken=accepted)
        assert node_verdict(theirs) == "token-type-mismatch"
    assert desk.issuer.requests("verify") == 0


class RequestWith:
    def __init__(self, token: str) -> None:
        self.headers = Headers({"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_under_another_kinds_prefix(desk: Desk, kind: str) -> None:
    for other, prefix in (("api_key", "ak_"), ("oauth_opaque", "oat_"), ("m2m_opaque", "mt_")):
        token = desk.mint(kind, prefix=prefix)
        (theirs,) = desk.nodes([(other, token)])
        verdicts = desk.pythons(token), node_verdict(theirs), desk.ours(token)
        if other == kind:
            assert verdicts == (IN, IN, IN)
        else:
            assert verdicts == ("token-invalid", "token-invalid", Reason.TOKEN_INVALID)


def test_machine_tokens_as_jwt(desk: Desk) -> None:
    """The Python SDK knows the opaque ones alone, and takes these for sessions."""
    token = desk.mint("m2m", sub="mch_robot", scopes=["mch_b"])
    pem = desk.issuer.public_pem()
    for accepted, python in (("m2m_token", "token-type-not-supported"), ("session_token", None)):
        options = AuthenticateRequestOptions(
            jwt_key=pem, accepts_token=[accepted], audience="mch_b"
        )
        request: Any = RequestWith(token)
        reason = authenticate_request(request, options).reason
        assert (reason and reason.value[0]) == python
    (theirs,) = desk.nodes([("m2m_opaque", token)], jwtKey=pem)
    assert theirs["auth"]["machineId"] == "mch_robot"
    # A machine token has no authorized party.
    caller = desk.door(authorized_parties=None).verify(token)
    assert (caller.kind, caller.subject) == ("m2m_token", "mch_robot")
    assert list(caller.scopes) == theirs["auth"]["scopes"] == ["mch_b"]
    assert desk.ours(token, accepts="session_token") is Reason.TOKEN_KIND_NOT_ACCEPTED
    assert desk.issuer.requests("verify") == 0


def test_the_machines_key_comes_first(desk: Desk) -> None:
    """We ask with the machine's key where there is one, as Node does; Python prefers the other."""
    machine = desk.issuer.machine_secret_key("mch_b")
    token = desk.mint("m2m_opaque", scopes=["mch_c"])
    options = VerifyTokenOptions(secret_key=SECRET, machine_secret_key=machine, api_url=desk.url)
    assert verdict(token, options) == IN
    (theirs,) = desk.nodes([("m2m_opaque", token)], machineSecretKey=machine)
    assert node_verdict(theirs) == "token-invalid"
    assert desk.ours(token, machine_secret_key=machine) is Reason.TOKEN_INVALID


def test_they_hear_of_a_revocation_at_once(desk: Desk) -> None:
    """They ask every time. We remember an answer for a minute, and are that much later."""
    token = desk.mint("api_key")
    late = 0.0
    now = desk.issuer.verify_opaque(token)
    assert now is not None
    door = desk.door(clock=lambda: now["created_at"] / 1000 + late)
    assert isinstance(judged(door, token), Identity)
    assert desk.pythons(token) == IN
    assert desk.issuer.requests("verify") == 2
    desk.issuer.revoke(token)
    assert desk.pythons(token) == "token-invalid"
    assert isinstance(judged(door, token), Identity)
    late = 61.0
    assert judged(door, token) is Reason.TOKEN_INVALID


def test_a_fault_elsewhere_is_not_noticed(desk: Desk) -> None:
    desk.issuer.fault("down")
    desk.issuer.fault("none", endpoint="verify")
    token = desk.mint("api_key")
    assert desk.pythons(token) == desk.ours(token) == IN
