"""The words the engine understands, for type checkers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
]
TokenKind = Literal["session_token", "oauth_token", "m2m_token", "api_key", "template_token"]
#: What may happen to a fetch from the local issuer.
Fault = Literal[
    "none",
    "down",
    "slow",
    "garbage",
    "oversize",
    "gzip_bomb",
    "drip",
    "refuse",
    "empty",
    "one_broken",
    "not_found",
]
#: JWKS or JWK as a dict or JSON, PEM, base64 DER, the URL of a JWKS where one may be fetched; or a
#: list of those.
Keys = str | bytes | Mapping[str, Any] | Sequence[str | bytes | Mapping[str, Any]]
