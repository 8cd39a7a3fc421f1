"""`clerk_backend_api` on the engine of Doorward: the Backend API, and authenticating requests.

    from doorward.compat.clerk_backend_api import AuthenticateRequestOptions, authenticate_request

Names, defaults and shapes are the original's. Where the answer differs: only session tokens are
accepted unless `accepts_token` says otherwise; `exp`, `sub` and `iss` are required; pending
sessions are not signed in; one string of `authorized_parties` is split on commas and never
searched; reasons are strings, so they can be sent as JSON; a forged token costs no fetch of keys;
an opaque token counts if Clerk says that it is good, and not whenever Clerk answers; no `repr`
shows a token or a key. Where keys or Clerk are out of reach the reason is `jwk-failed-to-load` or
`server-error`, and `state.rejection` has the status to answer with (503).
"""

from .sdk import Clerk
from .security import (
    AuthenticateRequestOptions,
    AuthErrorReason,
    AuthStatus,
    Requestish,
    RequestState,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
    authenticate_request,
    authenticate_request_async,
    verify_token,
    verify_token_async,
)

__all__ = [
    "AuthErrorReason",
    "AuthStatus",
    "AuthenticateRequestOptions",
    "Clerk",
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
