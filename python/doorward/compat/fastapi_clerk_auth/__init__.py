"""`fastapi_clerk_auth`, on the engine of Doorward.

    from doorward.compat.fastapi_clerk_auth import ClerkConfig, ClerkHTTPBearer

Where the answer differs from the original's: missing or bad credentials are 401 with a challenge
(RFC 6750) and the reason instead of a 403 for everything; our own trouble is 503;
`auto_error=False` gives `None` for junk as well, never an object that is true and has no claims;
keys are fetched once for all guards of a config, and off the event loop.
"""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from typing import Any

from fastapi.security import HTTPAuthorizationCredentials as _FastAPICredentials
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from doorward._rejection import Rejection
from doorward.fastapi import refusal

from ._header import header_verdict
from ._override import override
from .config import ClerkConfig
from .middleware import ClerkAuthMiddleware

__all__ = [
    "ClerkAuthMiddleware",
    "ClerkConfig",
    "ClerkHTTPBearer",
    "HTTPAuthorizationCredentials",
]


class HTTPAuthorizationCredentials(_FastAPICredentials):
    """What a good request presented: `scheme`, `credentials` (the token), `decoded` (its claims).

    Encoding it as JSON includes the token, as with the original. Its `repr` does not.
    """

    decoded: dict[str, Any] | None = None

    def __repr__(self) -> str:
        subject = (self.decoded or {}).get("sub")
        return f"HTTPAuthorizationCredentials(scheme={self.scheme!r}, sub={subject!r})"

    __str__ = __repr__


class ClerkHTTPBearer(HTTPBearer):
    """A dependency that yields the credentials of a request whose `Authorization` header holds a
    good token.

    `auto_error`  False yields `None` instead of a refusal, for absent and for bad credentials
                  alike. Trouble on our side (keys out of reach) is a 503 even then: it says nothing
                  about the caller.
    `add_state`   also puts the credentials into `request.state.clerk_auth`.
    `debug_mode`  tells the caller why in full. For development only.

    Both switches may be set on the config instead; here they win. Cookies are not read.
    `app.dependency_overrides[ClerkHTTPBearer]` overrides every guard of an application.
    """

    def __init__(
        self,
        config: ClerkConfig,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool | None = None,
        add_state: bool | None = None,
        debug_mode: bool = False,
    ) -> None:
        if auto_error is None:
            auto_error = True if config.auto_error is None else config.auto_error
        super().__init__(
            bearerFormat=bearerFormat,
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        self.config = config
        self.add_state = bool(config.add_state) if add_state is None else add_state
        self.debug_mode = debug_mode
        self.jwks_url = config.jwks_url
        self.audience = config.audience
        self.issuer = config.issuer
        self._auth = config.authenticator(explain=debug_mode)

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        instead = override(self, request)
        if instead is not None:
            return await instead()
        found = await header_verdict(self._auth, request.scope)
        if isinstance(found, Rejection):
            if self.auto_error or found.status >= 500:
                raise refusal(found, request)
            credentials = None
        else:
            identity, token = found
            credentials = HTTPAuthorizationCredentials(
                scheme="Bearer", credentials=token, decoded=identity.claims
            )
        if self.add_state:
            request.state.clerk_auth = credentials
        return credentials
