"""Who is calling: `authenticate_request` for requests, `verify_token` for bare tokens."""

from .authenticaterequest import authenticate_request, authenticate_request_async
from .types import (
    AuthenticateRequestOptions,
    AuthErrorReason,
    AuthStatus,
    Requestish,
    RequestState,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
)
from .verifytoken import verify_token, verify_token_async

__all__ = [
    "AuthErrorReason",
    "AuthStatus",
    "AuthenticateRequestOptions",
    "RequestState",
    "Requestish",
    "TokenVerificationError",
    "TokenVerificationErrorReason",
    "VerifyTokenOptions",
    "authenticate_request",
    "authenticate_request_async",
    "verify_token",
    "verify_token_async",
]
