"""What type checkers must say about the compat packages. Checked, never run."""

from typing import Annotated, Any

import flask
from django.http import HttpRequest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from rest_framework.request import Request as DRFRequest
from typing_extensions import assert_type

from doorward import ANY, Identity, Rejection
from doorward.compat.clerk_backend_api import (
    AuthenticateRequestOptions,
    Clerk,
    VerifyTokenOptions,
    authenticate_request,
    authenticate_request_async,
    verify_token,
    verify_token_async,
)
from doorward.compat.clerk_backend_api.security.types import (
    AuthErrorReason,
    RequestState,
    TokenVerificationErrorReason,
)
from doorward.compat.fastapi_clerk_auth import (
    ClerkConfig,
    ClerkHTTPBearer,
    HTTPAuthorizationCredentials,
)
from doorward.compat.fastapi_clerk_auth.middleware import ClerkAuthMiddleware
from doorward.compat.jwt_bearer import (
    JWTBearer,
    Settings,
    settings,
    verify_user_access,
)
from doorward.compat.jwt_bearer import verify_token as verify_bearer
from doorward.compat.jwt_bearer import verify_token_async as verify_bearer_async

app = FastAPI()
config = ClerkConfig(
    jwks_url="https://x.clerk.accounts.dev/.well-known/jwks.json", auto_error=False
)
guard = ClerkHTTPBearer(config=config, add_state=True)
app.add_middleware(ClerkAuthMiddleware, config=config)
ClerkConfig(issuer="https://x.example", auto_eror=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

options = AuthenticateRequestOptions(jwt_key="…", authorized_parties=["http://localhost:3000"])


def require_auth(request: Request) -> RequestState:
    state = authenticate_request(request, options)
    assert_type(state.payload, dict[str, Any] | None)
    assert_type(state.reason, AuthErrorReason | TokenVerificationErrorReason | None)
    assert_type(state.identity, Identity | None)
    assert_type(state.rejection, Rejection | None)
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


async def any_framework(django: HttpRequest, drf: DRFRequest) -> None:
    """Every framework's request is one that can be asked about."""
    assert_type(authenticate_request(flask.request, options), RequestState)
    assert_type(await authenticate_request_async(django, options), RequestState)
    assert_type(Clerk(bearer_auth="sk_test_…").authenticate_request(drf, options), RequestState)
    authenticate_request("a token", options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(Clerk().user)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


async def bare_tokens(token: str) -> None:
    wanted = VerifyTokenOptions(jwt_key="…")
    assert_type(verify_token(token, wanted), dict[str, Any])
    assert_type(await verify_token_async(token, wanted), dict[str, Any])
    assert_type(verify_bearer(token), str | None)
    assert_type(await verify_bearer_async(token), str | None)


router = APIRouter(prefix="/api", dependencies=[Depends(JWTBearer())])
assert_type(settings, Settings)
assert_type(settings.BETTER_AUTH_URL, str | None)
assert_type(settings.USER_ID_CLAIM, str)
Settings(AUTH0_DOMAIN="tenant.example", audience=ANY, ALGORITHMS=["RS256"])
Settings(BETTER_AUTH_URI="https://a.example")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
JWTBearer(settings=Settings(), auto_error=False)
JWTBearer(setings=Settings())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def own(
    request: Request,
    token: Annotated[str, Depends(JWTBearer())],
    user_id: Annotated[str, Depends(verify_user_access)],
) -> None:
    assert_type(await JWTBearer()(request), str | None)
    assert_type(verify_user_access(request, "user_1"), str)
