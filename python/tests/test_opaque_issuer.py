"""Who asks, shown by a signature; answers that are signed; userinfo; and whose turn it is.

The issuer is the local one, which checks what it is shown.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from doorward import Authenticator, ConfigError, Issuer, Rejection
from doorward._doorward import DevIssuer


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    issuer = DevIssuer()
    issuer.start()
    yield issuer
    issuer.stop()


def settings(issuer: DevIssuer, **more: Any) -> dict[str, Any]:
    url = issuer.issuer
    return {
        "issuer": url,
        "audience": "my-api",
        "accepts": ["oauth_token"],
        "discover": True,
        "introspection_url": f"{url}/oauth/introspect",
        "userinfo_url": f"{url}/oauth/userinfo",
        **more,
    }


def with_secret(issuer: DevIssuer, **more: Any) -> Authenticator:
    own = {
        "introspection_client_id": issuer.client_id,
        "introspection_client_secret": issuer.client_secret,
    }
    return Authenticator.from_config(settings(issuer, **own, **more))


def mint(issuer: DevIssuer, **claims: Any) -> str:
    spec = {
        "kind": "opaque",
        "scopes": ["openid", "profile"],
        "claims": {"aud": "my-api", "name": "Ada", **claims},
    }
    return issuer.mint(json.dumps(spec))


def keys(kind: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """A key of the client's own: private JWK, public JWK, PKCS#8 PEM, and the PEM of its type."""
    key: Any
    if kind == "RS256":
        key = rsa.generate_private_key(65537, 2048)
        private, public = RSAAlgorithm.to_jwk(key), RSAAlgorithm.to_jwk(key.public_key())
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        private, public = ECAlgorithm.to_jwk(key), ECAlgorithm.to_jwk(key.public_key())
    pkcs8, own = (
        key.private_bytes(Encoding.PEM, form, NoEncryption())
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    )
    named = {"kid": "k1"}
    return {**json.loads(private), **named}, {**json.loads(public), **named}, pkcs8, own


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_private_key_shows_who_asks(issuer: DevIssuer, algorithm: str, tmp_path: Path) -> None:
    private, public, pkcs8, own = keys(algorithm)
    issuer.register(json.dumps({"client_id": "my-api", "jwks": {"keys": [public]}}))
    file = tmp_path / "client.pem"
    file.write_bytes(pkcs8)
    for spelled in (
        {"introspection_client_key": private},
        {"introspection_client_key": {"keys": [private]}},
        {"introspection_client_key": [pkcs8.decode()]},
        {"introspection_client_key": own.decode()},
        {"introspection_client_key_file": str(file), "introspection_client_key_id": "k1"},
    ):
        auth = Authenticator.from_config(
            settings(issuer, introspection_client_id="my-api", **spelled)
        )
        assert auth.verify(mint(issuer)).subject
        assert "PRIVATE" not in repr(auth)
    asked = issuer.requests("introspect")
    assert asked == 5


def test_settings_come_from_the_environment_and_from_a_preset(
    issuer: DevIssuer, tmp_path: Path
) -> None:
    _, public, pkcs8, _ = keys("ES256")
    issuer.register(json.dumps({"client_id": "my-api", "jwks": {"keys": [public]}}))
    url = issuer.issuer
    environ = {
        "DOORWARD_ISSUER": url,
        "DOORWARD_AUDIENCE": "my-api",
        "DOORWARD_ACCEPTS": "oauth_token",
        "DOORWARD_INTROSPECTION_URL": f"{url}/oauth/introspect",
        "DOORWARD_INTROSPECTION_CLIENT_ID": "my-api",
        # As Docker's `--env-file` leaves it.
        "DOORWARD_INTROSPECTION_CLIENT_KEY": pkcs8.decode().replace("\n", "\\n"),
        "DOORWARD_INTROSPECTION_RESPONSE": "jwt",
        "DOORWARD_USERINFO_URL": f"{url}/oauth/userinfo",
        "DOORWARD_CLIENT_ADDRESS_HEADER": "x-forwarded-for",
    }
    auth = Authenticator.from_env(environ)
    token = mint(issuer)
    assert auth.userinfo(auth.verify(token), token)["name"] == "Ada"

    oidc = Issuer.preset(
        "oidc",
        issuer=url,
        audience="my-api",
        introspection_url=f"{url}/oauth/introspect",
        introspection_client_id="my-api",
        introspection_client_key=pkcs8.decode(),
        userinfo_url=f"{url}/oauth/userinfo",
    )
    auth = Authenticator([oidc], accepts="oauth_token", answer_ttl=30, userinfo_ttl=30)
    assert auth.userinfo(auth.verify(token), token)["name"] == "Ada"

    (tmp_path / "client.pem").write_bytes(pkcs8)
    file = tmp_path / "doorward.toml"
    file.write_text(
        f"""
        userinfo_ttl = 60
        client_address_header = "x-forwarded-for"
        [[issuer]]
        issuer = "{url}"
        audience = "my-api"
        accepts = "oauth_token"
        introspection_url = "{url}/oauth/introspect"
        introspection_client_id = "my-api"
        introspection_client_key_file = "client.pem"
        introspection_response = "jwt"
        userinfo_url = "{url}/oauth/userinfo"
        """,
        encoding="utf-8",
    )
    auth = Authenticator.from_config(file)
    assert auth.userinfo(auth.verify(token), token)["name"] == "Ada"


def test_a_wrong_key_is_a_mistake_that_shows_nothing(issuer: DevIssuer) -> None:
    private, _, pkcs8, _ = keys("ES256")
    for key, told in (
        (pkcs8.decode()[:80], "cut off"),
        ({**private, "d": private["x"]}, "do not fit"),
        ("hunter2hunter2", "no private key|no RSA key"),
    ):
        with pytest.raises(ConfigError, match=told) as caught:
            Authenticator.from_config(
                settings(issuer, introspection_client_id="x", introspection_client_key=key)
            )
        assert str(private["d"]) not in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_signed_answers_are_verified(issuer: DevIssuer) -> None:
    auth = with_secret(issuer, introspection_response="jwt")
    token = mint(issuer)
    callers = await asyncio.gather(*(auth.verify_async(token) for _ in range(50)))
    assert {caller.kind for caller in callers} == {"oauth_token"}
    assert issuer.requests("introspect") == 1
    issuer.fault("forged", endpoint="introspect")
    with pytest.raises(Rejection) as caught:
        await auth.verify_async(mint(issuer))
    assert (caught.value.reason, caught.value.status) == ("verification_unavailable", 503)


async def test_userinfo_sync_and_async(issuer: DevIssuer) -> None:
    auth = with_secret(issuer)
    token = mint(issuer)
    caller = await auth.verify_async(token)
    told = await asyncio.gather(*(auth.userinfo_async(caller, token) for _ in range(50)))
    assert {claims["name"] for claims in told} == {"Ada"}
    assert {claims["sub"] for claims in told} == {caller.subject}
    assert issuer.requests("userinfo") == 1
    assert auth.userinfo(caller, token.encode())["name"] == "Ada"
    # What one caller does to the claims is not what the next one sees.
    told[0]["name"] = "Eve"
    assert auth.userinfo(caller, token)["name"] == "Ada"


def test_userinfo_of_somebody_else_is_refused(issuer: DevIssuer) -> None:
    auth = with_secret(issuer)
    token = mint(issuer)
    caller = auth.verify(token)
    issuer.fault("other_subject", endpoint="userinfo")
    with pytest.raises(Rejection, match="somebody else") as caught:
        auth.userinfo(caller, token)
    assert caught.value.status == 503
    assert auth.verify(token).subject == caller.subject


def scope(address: str | None, token: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "client": (address, 40000) if address else None,
        "headers": [(b"authorization", f"Bearer {token}".encode()), *headers],
    }


def environ(address: str, token: str, **more: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "REMOTE_ADDR": address,
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        **more,
    }


def flood(auth: Authenticator, head: Any) -> int:
    """How many of a thousand forged tokens were shed."""
    shed = 0
    for number in range(1000):
        try:
            auth.authenticate_blocking(head(f"forged-{number}"))
        except Rejection as refused:
            shed += refused.status == 503
    return shed


@pytest.mark.parametrize("door", ["asgi", "wsgi"])
def test_a_flood_from_one_address_is_shed_and_others_are_not(issuer: DevIssuer, door: str) -> None:
    # A clock that stands still, so that nothing flows back into the bucket.
    config = settings(issuer)
    config["introspection_client_id"] = issuer.client_id
    config["introspection_client_secret"] = issuer.client_secret
    auth = Authenticator.from_config(config, clock=lambda: 1_800_000_000.0)
    make: Any = scope if door == "asgi" else environ
    assert flood(auth, lambda token: make("192.0.2.1", token)) > 600
    for number in range(50):
        with pytest.raises(Rejection) as caught:
            auth.authenticate_blocking(make(f"198.51.100.{number}", f"other-{number}"))
        assert caught.value.status == 401, "it was asked about"
    with pytest.raises(Rejection) as caught:
        auth.authenticate_blocking(make("192.0.2.1", "another"))
    assert caught.value.status == 503


@pytest.mark.parametrize("door", ["asgi", "wsgi"])
def test_behind_a_proxy_the_last_address_counts(issuer: DevIssuer, door: str) -> None:
    config = settings(issuer, client_address_header="X-Forwarded-For")
    config["introspection_client_id"] = issuer.client_id
    config["introspection_client_secret"] = issuer.client_secret
    auth = Authenticator.from_config(config, clock=lambda: 1_800_000_000.0)

    def head(written: str, token: str) -> dict[str, Any]:
        if door == "asgi":
            return scope("10.0.0.1", token, (b"X-Forwarded-For", written.encode()))
        return environ("10.0.0.1", token, HTTP_X_FORWARDED_FOR=written)

    assert flood(auth, lambda token: head(f"{token[-3:]}, 192.0.2.1", token)) > 600
    with pytest.raises(Rejection) as caught:
        auth.authenticate_blocking(head("192.0.2.1, 198.51.100.7", "other"))
    assert caught.value.status == 401


def test_a_client_without_an_address_is_no_error(issuer: DevIssuer) -> None:
    auth = with_secret(issuer)
    for number, address in enumerate([None, "", "testclient", "not an address"]):
        token = mint(issuer, jti=f"t{number}")
        assert auth.authenticate_blocking(scope(address, token)).subject
    headers = [(b"authorization", f"Bearer {mint(issuer)}".encode())]
    for client in ((), "x", 7, ["::1"], {"a": 1}):
        odd = {"type": "http", "client": client, "headers": headers}
        assert auth.authenticate_blocking(odd).subject


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is a POSIX habit")
def test_a_forked_child_asks_by_itself(issuer: DevIssuer) -> None:
    auth = with_secret(issuer)
    assert auth.verify(mint(issuer)).subject  # The parent's connection and thread are there.
    token = mint(issuer)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            caller = auth.verify(token)
            os._exit(0 if auth.userinfo(caller, token)["sub"] == caller.subject else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert auth.verify(mint(issuer)).subject
    assert issuer.requests("introspect") == 3
