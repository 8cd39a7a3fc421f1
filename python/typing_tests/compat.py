"""What type checkers must say about the compat packages. Checked, never run."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from typing_extensions import assert_type

from doorward.compat.clerk_backend_api import AuthenticateRequestOptions, authenticate_request
from doorward.compat.clerk_backend_api.security.types import (
    RequestState,
    TokenVerificationErrorReason,
)
from doorward.compat.fastapi_clerk_auth import (
    ClerkConfig,
    ClerkHTTPBearer,
    HTTPAuthorizationCredentials,
)
from doorward.compat.fastapi_clerk_auth.middleware import ClerkAuthMiddleware

app = FastAPI()
config = ClerkConfig(
    jwks_url="https://x.clerk.accounts.dev/.well-known/jwks.json", auto_error=False
)
guard = ClerkHTTPBearer(config=config, add_state=True)
app.add_middleware(ClerkAuthMiddleware, config=config)
ClerkConfig(issuer="https://x.example", auto_eror=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def require_auth(request: Request) -> RequestState:
    state = authenticate_request(request, AuthenticateRequestOptions(jwt_key="…"))
    assert_type(state.payload, dict[str, Any] | None)
    if not state.is_signed_in:
        raise HTTPException(status_code=401, detail=state.reason or "unauthorized")
    return state


async def read(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(guard)],
    state: Annotated[RequestState, Depends(require_auth)],
) -> None:
    if credentials is not None:
        assert_type(credentials.decoded, dict[str, Any] | None)
    assert state.reason is not TokenVerificationErrorReason.TOKEN_EXPIRED
