"""The `JWTBearer` that people write around PyJWT and its JWKS client, on the engine of Doorward.

    from doorward.compat.jwt_bearer import JWTBearer, verify_token, verify_user_access

    router = APIRouter(prefix="/api", dependencies=[Depends(JWTBearer())])

Where tokens come from is read from the environment; see `Settings`. Where the answer differs from
the recipe's: `exp` and `sub` are required; issuer and audience are checked; no claim but the one
that `USER_ID_CLAIM` names is ever taken for the user's id; `bearer` may be written in lower case;
refusals carry a challenge (RFC 6750) and a reason; keys out of reach are a 503 and not a bad token;
keys are fetched off the event loop.
"""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Path
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from doorward._rejection import Rejection
from doorward._verdict import report
from doorward.compat.fastapi_clerk_auth._header import header_verdict
from doorward.compat.fastapi_clerk_auth._override import override
from doorward.fastapi import Refused, refusal

from ._settings import Settings, default

if TYPE_CHECKING:
    #: The environment's settings, read when they are first needed.
    settings: Settings

__all__ = [
    "JWTBearer",
    "Settings",
    "settings",
    "verify_token",
    "verify_token_async",
    "verify_user_access",
]


class JWTBearer(HTTPBearer):
    """A dependency that yields the token of a request whose `Authorization` header holds a good
    one, and puts the user's id into `request.state.user_id`.

    `auto_error`  False lets a request without credentials through as `None`, with `user_id = None`.
                  Bad credentials are refused all the same.
    `settings`    where tokens come from, if not where the environment says.

    Mistakes in the settings raise `ConfigError` here, at start-up. Tests may put an override under
    the class: `app.dependency_overrides[JWTBearer] = override`, where `override` takes the request
    or nothing. Cookies are not read.
    """

    def __init__(
        self,
        auto_error: bool = True,
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(
            bearerFormat=bearerFormat,
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        self.settings = default() if settings is None else settings

    # The recipe's class answers with the token, where its base answers with an object around it.
    async def __call__(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request: HTTPConnection
    ) -> str | None:
        instead = override(self, request)
        if instead is not None:
            return await instead()
        found = await header_verdict(self.settings.authenticator, request.scope)
        if isinstance(found, Rejection):
            if found.absent and not self.auto_error:
                request.state.user_id = None
                return None
            raise refusal(found, request)
        identity, token = found
        try:
            request.state.user_id = self.settings.user_id(identity)
        except Rejection as rejection:
            report(rejection)
            raise refusal(rejection, request) from None
        return token


def verify_token(token: str | bytes | None, settings: Settings | None = None) -> str | None:
    """The id of the user a token is about; `None` for a bad token, and for none.

    Raises `doorward.fastapi.Refused`, an `HTTPException` of status 503 with `Retry-After`, while
    the keys are out of reach: that says nothing about the token. Blocks where keys must be fetched
    first; on an event loop use `verify_token_async`.
    """
    chosen = default() if settings is None else settings
    try:
        return None if token is None else chosen.user_id(chosen.authenticator.verify(token))
    except Rejection as rejection:
        _tell(rejection)
        return None


async def verify_token_async(
    token: str | bytes | None, settings: Settings | None = None
) -> str | None:
    """Like `verify_token`, without blocking the event loop."""
    chosen = default() if settings is None else settings
    try:
        if token is None:
            return None
        return chosen.user_id(await chosen.authenticator.verify_async(token))
    except Rejection as rejection:
        _tell(rejection)
        return None


def _tell(rejection: Rejection) -> None:
    report(rejection)
    if rejection.status >= 500:
        raise Refused(rejection) from None


def verify_user_access(request: HTTPConnection, user_id: str = Path(...)) -> str:
    """The `user_id` of the path, if it is the caller's own: 403 if it is another's, and 401 on a
    route without `JWTBearer`.
    """
    caller: object = getattr(request.state, "user_id", None)
    if not caller:
        headers = {"WWW-Authenticate": "Bearer", **_NO_STORE}
        raise HTTPException(401, "Authentication required", headers)
    if caller != user_id:
        raise HTTPException(403, "Access denied", _NO_STORE)
    return user_id


_NO_STORE = {"Cache-Control": "no-store"}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "settings":
            return default()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
