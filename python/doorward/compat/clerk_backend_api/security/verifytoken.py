"""What a bare token says, in the shape of `clerk_backend_api.security.verifytoken`."""

from __future__ import annotations

from typing import Any

from doorward._rejection import Rejection

from ._engine import Misconfigured, engine, token_reason
from .types import TokenVerificationError, TokenVerificationErrorReason, VerifyTokenOptions

__all__ = [
    "TokenVerificationError",
    "TokenVerificationErrorReason",
    "VerifyTokenOptions",
    "verify_token",
    "verify_token_async",
]


def verify_token(token: str, options: VerifyTokenOptions) -> dict[str, Any]:
    """The claims of a session token, or what Clerk says of an opaque one (`ak_…`, `oat_…`, `mt_…`).
    Raises `TokenVerificationError`.

    OAuth and machine tokens that are JWTs are refused: their claims would pass for a session's.
    Blocks when keys must be fetched, or Clerk be asked, first; with `jwt_key` nothing is fetched.
    """
    try:
        return dict(engine(options, token).verify(token).claims)
    except Rejection as rejection:
        raise TokenVerificationError(token_reason(rejection)) from rejection
    except Misconfigured as trouble:
        raise TokenVerificationError(trouble.reason) from trouble.__cause__


async def verify_token_async(token: str, options: VerifyTokenOptions) -> dict[str, Any]:
    """Like `verify_token`, without blocking the event loop."""
    try:
        return dict((await engine(options, token).verify_async(token)).claims)
    except Rejection as rejection:
        raise TokenVerificationError(token_reason(rejection)) from rejection
    except Misconfigured as trouble:
        raise TokenVerificationError(trouble.reason) from trouble.__cause__
