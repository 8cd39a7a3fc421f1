"""The authenticator: requests of every shape, sync and async, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer_scope, scope, signer

import doorward
from doorward import ANY, Authenticator, ConfigError, Identity, Issuer, Policy, Reason, Rejection


def heads(token: str) -> dict[str, Any]:
    text = f"Bearer {token}"
    return {
        "asgi scope": bearer_scope(token),
        "wsgi environ": {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": text},
        "mapping": {"authorization": text},
        "mapping of bytes": {b"Authorization": text.encode()},
        "pairs": [("Authorization", text)],
        "pairs of bytes": [(b"AUTHORIZATION", text.encode())],
        "object with headers": SimpleNamespace(headers={"Authorization": text}),
        "starlette request": Request(bearer_scope(token)),
        "session cookie": scope([(b"cookie", f"theme=dark; __session={token}".encode())]),
    }


@pytest.mark.parametrize("shape", heads(""))
async def test_every_shape_of_request(auth: Authenticator, keys: Signer, shape: str) -> None:
    head = heads(keys.session())[shape]
    assert auth.authenticate_blocking(head).subject == "user_1"
    assert (await auth.authenticate(head)).subject == "user_1"


def test_identity_has_everything_at_hand(auth: Authenticator, keys: Signer) -> None:
    token = keys.session()
    caller = auth.verify(token.encode())
    assert (caller.kind, caller.subject, caller.issuer) == ("session_token", "user_1", ISSUER)
    assert (caller.user_id, caller.session_id) == ("user_1", "sess_1")
    assert caller.session_status == "active"
    assert (caller.organization_id, caller.organization_slug) == ("org_1", "acme")
    assert (caller.role, caller.raw_role) == ("org:admin", "admin")
    assert caller.permissions == ("org:posts:read", "org:posts:delete", "org:members:read")
    assert caller.authorized_party == PARTY
    assert caller.token_id == "jti_1"
    assert (caller.issued_at, caller.expires_at) == (NOW - 10, NOW + 50)
    assert caller.claims["fva"] == [1, -1]
    assert json.loads(caller.raw_claims)["sub"] == "user_1"
    assert caller.has(role="admin", permission="org:posts:delete")
    assert not caller.has(permission="org:posts:publish")


def test_identity_is_frozen_and_made_by_the_engine_only(auth: Authenticator, keys: Signer) -> None:
    caller = auth.verify(keys.session())
    with pytest.raises(AttributeError):
        caller.subject = "user_2"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Identity()


def test_time_is_passed_in(auth: Authenticator, keys: Signer, clock: Clock) -> None:
    token = keys.session()
    clock.now = NOW + 54.9
    assert auth.verify(token).subject == "user_1"
    clock.now = NOW + 55.1
    with pytest.raises(Rejection, match="token_expired"):
        auth.verify(token)


def test_class_methods_build_the_class_they_are_called_on(keys: Signer) -> None:
    class Tenant(Authenticator):
        pass

    pem = keys.pem()
    assert type(Tenant.clerk(jwt_key=pem)) is Tenant
    assert type(Tenant.from_env({"CLERK_JWT_KEY": pem})) is Tenant


def test_generic_issuer(keys: Signer, clock: Clock) -> None:
    issuer = Issuer(issuer="https://id.example", audience="api", keys=keys.jwks())
    auth = Authenticator([issuer], clock=clock)
    claims = {"iss": "https://id.example", "sub": "u", "aud": "api", "exp": NOW + 60}
    assert auth.verify(keys.sign(claims)).audience == ("api",)
    with pytest.raises(Rejection, match="audience_mismatch"):
        auth.verify(keys.sign({**claims, "aud": "other"}))
    with pytest.raises(Rejection, match="issuer_unknown"):
        auth.verify(keys.sign({**claims, "iss": "https://id.example/"}))


def test_an_audience_is_given_or_waived(keys: Signer, clock: Clock) -> None:
    with pytest.raises((ConfigError, TypeError)):
        Issuer(issuer="https://id.example", keys=keys.jwks())  # type: ignore[call-arg]
    issuer = Issuer(issuer="https://id.example", audience=ANY, keys=keys.jwks())
    auth = Authenticator([issuer], clock=clock)
    claims = {"iss": "https://id.example", "sub": "u", "exp": NOW + 60}
    assert auth.verify(keys.sign(claims)).audience == ()


@pytest.mark.parametrize(
    "trouble",
    [
        {"issuer": "https://a.example", "accepts": "sesion_token"},
        {"jwt_key": "not a key"},
        {"publishable_key": "pk_test_!"},
        {},
    ],
)
def test_operators_mistakes_stop_the_start(trouble: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Authenticator.clerk(**trouble)


def test_policy_is_a_value() -> None:
    one, twin = (Policy(role="admin", scopes=["a", "b"]) for _ in range(2))
    assert one == twin
    assert hash(one) == hash(twin)
    assert one != Policy(role="member", scopes=["a", "b"])
    assert len({one, twin}) == 1


def test_policy_refuses_with_403(auth: Authenticator, keys: Signer) -> None:
    caller = auth.verify(keys.session())
    Policy(permission="org:posts:delete").permit(caller)
    with pytest.raises(Rejection) as caught:
        Policy(permission="org:posts:publish").permit(caller)
    assert caught.value.reason is Reason.PERMISSION_REQUIRED
    assert caught.value.status == 403


def test_signatures_that_are_not_tokens(keys: Signer) -> None:
    compact = keys.sign_payload(b"a receipt")
    assert doorward.jws.verify(compact, keys=keys.jwks(), algorithms=["RS256"]) == b"a receipt"
    stranger = {**signer("stranger").jwk(), "kid": keys.kid}
    with pytest.raises(Rejection, match="signature_invalid"):
        doorward.jws.verify(compact, keys=stranger, algorithms=["RS256"])
    with pytest.raises(ConfigError):
        doorward.jws.verify(compact, keys=keys.jwks(), algorithms=["ES256"])


def test_nothing_shows_a_secret(keys: Signer, clock: Clock) -> None:
    planted = "sk_test_plantedplantedplantedplanted"
    shared = "planted-shared-secret-0123456789abcdef"
    issuer = Issuer(issuer="https://a.example", audience=ANY, shared_secret=shared)
    auth = Authenticator.clerk(secret_key=planted)
    token = keys.session()
    known = Authenticator.clerk(jwt_key=keys.jwks(), clock=clock)
    caller = known.verify(token)
    shown = [issuer, auth, Authenticator([issuer]), known, caller, Policy(role="admin"), ANY]
    for thing in shown:
        text = f"{thing!r} {thing!s}"
        assert "planted" not in text
        assert token.rpartition(".")[2] not in text


def test_threads_share_one(auth: Authenticator, keys: Signer) -> None:
    tokens = [keys.session(sub=f"user_{n}") for n in range(8)]
    seen: list[str] = []

    def work(token: str) -> None:
        seen.extend(auth.verify(token).subject for _ in range(200))

    threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(seen)) == sorted(f"user_{n}" for n in range(8))
    assert len(seen) == 1600


async def test_many_tasks_share_one(auth: Authenticator, keys: Signer) -> None:
    tokens = [keys.session(sub=f"user_{n}") for n in range(20)]
    callers = await asyncio.gather(*(auth.verify_async(token) for token in tokens))
    assert [caller.subject for caller in callers] == [f"user_{n}" for n in range(20)]
