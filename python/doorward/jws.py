"""Signatures that are not tokens (RFC 7515).

A signed document, a receipt, a message between services. No claim is looked at: not who signed it
for whom, not when it ends. To let a caller in, use `doorward.Authenticator`.
"""

from __future__ import annotations

from ._doorward import verify_jws

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._types import Algorithm, Keys

__all__ = ["verify"]


def verify(compact: str | bytes, *, keys: Keys, algorithms: Sequence[Algorithm]) -> bytes:
    """The payload of a compact JWS, if one of `keys` signed it with one of `algorithms`.

    The payload is returned as it was signed: **no claims are checked**, so an expired token or one
    for another audience passes. Keys come in any spelling (JWKS as dict or JSON, JWK, PEM, base64
    DER, or a list of those).

    Raises `Rejection` when the signature does not hold, `ConfigError` when the keys or algorithms
    make no sense.
    """
    return verify_jws(compact, keys, algorithms)
