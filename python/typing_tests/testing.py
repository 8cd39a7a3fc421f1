"""What type checkers must say about `doorward.testing`. Checked, never run."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask.testing import FlaskClient
from typing_extensions import assert_type

from doorward import ANY, Authenticator, Rejection
from doorward.testing import (
    DEFECTS,
    AsUser,
    Challenge,
    Clock,
    Defect,
    DevIssuer,
    Mint,
    Minter,
    Organization,
    as_user,
    assert_challenge,
    challenges,
    signed_in,
)


@pytest.fixture
def client(doorward_auth: Authenticator) -> TestClient:
    assert_type(doorward_auth, Authenticator)
    return TestClient(FastAPI())


def issuer(clock: Clock) -> None:
    one = DevIssuer(algorithms=["ES256"], clock=clock)
    assert_type(one.mint, Minter)
    assert_type(one.authenticator(), Authenticator)
    assert_type(one.authenticator(audience=ANY, accepts="oauth_token"), Authenticator)
    assert_type(one.environment(audience="https://api.example"), dict[str, str])
    assert_type(one.jwks_fetches, int)
    assert_type(one.rotate(), str)
    with DevIssuer() as served:
        assert_type(served, DevIssuer)
        served.slow(0.5)
    DevIssuer(algorithms=["RS265"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    one.authenticator(acepts="oauth_token")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    one.fault("null", endpoint="verify")
    one.fault("status", status=500)
    one.fault("null", endpoint="verfy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.fault("dwon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    clock.advance(timedelta(minutes=1))
    assert_type(clock.now, float)
    clock.now = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def opaque(one: DevIssuer) -> None:
    assert_type(one.mint(kind="api_key", name="ci", scopes=["posts:read"]), str)
    assert_type(one.mint(kind="m2m_opaque", prefix="m2m_"), str)
    assert_type(one.mint.revoked(kind="oauth_opaque", revocation_reason="leaked"), str)
    assert_type(one.authenticator(accepts=["api_key", "m2m_token"]), Authenticator)
    assert_type(one.verify_opaque("ak_1"), dict[str, Any] | None)
    assert_type(one.introspect("oat_1"), dict[str, Any])
    assert_type(one.revoke("ak_1", reason="leaked"), int)
    assert_type(one.revoke(sub="ada"), int)
    assert_type(one.requests("verify"), int)
    assert_type(one.request_log(), list[dict[str, Any]])
    assert_type(one.register_client("c", token_endpoint_auth_method="none"), dict[str, Any])
    assert_type(one.send_logout("http://127.0.0.1:3000/logout", sub="ada", sid="s"), int)
    assert_type(one.machine_secret_key("mch_1"), str)
    one.reset()
    one.requests("keys")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.mint(kind="apikey")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.authenticator(accepts="apikey")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.register_client("c", token_endpoint_auth_method="tls")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.send_logout("http://127.0.0.1:3000", user="ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def mint(doorward_mint: Minter) -> None:
    organization: Organization = {"id": "org_1", "slug": "acme"}
    assert_type(doorward_mint(sub="ada", org=organization, role="admin"), str)
    assert_type(doorward_mint(org="org_1", permissions=["org:posts:read"], ttl=5), str)
    assert_type(doorward_mint.expired(sub="ada"), str)
    assert_type(doorward_mint.headers(kind="oauth", scopes=["a"]), dict[str, str])
    spec: Mint = {"kind": "oidc", "aud": ["https://api.example"]}
    assert_type(doorward_mint(**spec), str)
    doorward_mint(subject="ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    doorward_mint("ada")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    doorward_mint(kind="sesion")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    doorward_mint.expird()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(DEFECTS, tuple[Defect, ...])
    for defect in DEFECTS:
        doorward_mint(defect=defect)
    doorward_mint(defect="expird")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def clients(client: TestClient, flask: FlaskClient, doorward_as_user: AsUser, token: str) -> None:
    assert_type(as_user(client, token), TestClient)
    assert_type(as_user(flask, token, via="cookie", cookie="__session_x"), FlaskClient)
    with signed_in(client, token) as same:
        assert_type(same, TestClient)
    assert_type(doorward_as_user(client), TestClient)
    assert_type(doorward_as_user(client, token), TestClient)
    assert_type(doorward_as_user(client, sub="ada", via="cookie"), TestClient)
    with doorward_as_user.signed_in(flask, sub="ada") as flask_too:
        assert_type(flask_too, FlaskClient)
    as_user(client, token, via="body")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    as_user(client, token, sub="ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    doorward_as_user(client, user="ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def refusals(client: TestClient, rejection: Rejection) -> None:
    found = assert_challenge(client.get("/"), "insufficient_scope", scope=["posts:read"])
    assert_type(found, Challenge)
    assert_type(found.scopes, tuple[str, ...])
    assert_challenge(rejection, None, realm="api")
    assert_type(challenges(rejection), list[Challenge])
    assert_challenge(rejection, status="401")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
