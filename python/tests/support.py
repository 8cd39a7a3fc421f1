"""A signer that is not ours, a clock that stands still, and tokens of every shape.

Tokens are signed by PyJWT, so nothing here can agree with the engine by sharing its mistakes.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: The time of the tests, in seconds since the epoch.
NOW = 1_800_000_000
ISSUER = "https://clerk.doorward.test"
PARTY = "http://localhost:3000"


class Clock:
    """A clock to be set by hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Signer:
    """One RSA key and what can be done with it."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def pem(self) -> str:
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return public.decode()

    def jwk(self) -> dict[str, Any]:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk()]}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        headers = {"kid": self.kid, **headers}
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(claims, self._key, algorithm="RS256", headers=headers)

    def sign_payload(self, payload: bytes) -> str:
        return jwt.api_jws.encode(payload, self._key, algorithm="RS256", headers={"kid": self.kid})

    def session(self, *, now: float = NOW, headers: Any = None, **changes: Any) -> str:
        """A session token; a claim of `None` is left out."""
        claims = {**session_claims(now), **changes}
        present = {name: value for name, value in claims.items() if value is not None}
        return self.sign(present, **(headers or {}))


@cache
def signer(kid: str = "ins_doorward") -> Signer:
    """The key of that name; it is made once per process, for that takes a while."""
    return Signer(kid)


def session_claims(now: float = NOW) -> dict[str, Any]:
    """A version 2 session of an organization's admin who may read and delete posts."""
    return {
        "iss": ISSUER,
        "sub": "user_1",
        "sid": "sess_1",
        "azp": PARTY,
        "iat": int(now) - 10,
        "nbf": int(now) - 20,
        "exp": int(now) + 50,
        "jti": "jti_1",
        "v": 2,
        "fva": [1, -1],
        "sts": "active",
        "fea": "o:posts,o:members",
        "o": {
            "id": "org_1",
            "slg": "acme",
            "rol": "admin",
            "per": "read,delete",
            "fpm": "3,1",
        },
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def scope(headers: list[tuple[bytes, bytes]], **changes: Any) -> dict[str, Any]:
    """An ASGI scope of a GET request."""
    return {"type": "http", "method": "GET", "path": "/", "headers": headers, **changes}


def bearer_scope(token: str, **changes: Any) -> dict[str, Any]:
    return scope([(b"authorization", b"Bearer " + token.encode())], **changes)


def code(body: bytes) -> str:
    return str(json.loads(body)["detail"])
