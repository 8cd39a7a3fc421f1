"""The SDK's object, as far as it authenticates requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from doorward.compat._suggest import text

from .security import (
    AuthenticateRequestOptions,
    Requestish,
    RequestState,
    authenticate_request,
    authenticate_request_async,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Clerk"]


class Clerk:
    """`authenticate_request` with the secret key of `bearer_auth`.

    The Backend API (`users`, `sessions`, `organizations`, …) is not here: keep the original's
    `Clerk` for it, under another name. Options are left as they are; the original writes its
    secret key into them.
    """

    def __init__(self, bearer_auth: str | Callable[[], str | None] | None = None) -> None:
        self._bearer_auth = (
            bearer_auth if callable(bearer_auth) else text("bearer_auth", bearer_auth)
        )

    def authenticate_request(
        self, request: Requestish, options: AuthenticateRequestOptions
    ) -> RequestState:
        """See `doorward.compat.clerk_backend_api.authenticate_request`."""
        return authenticate_request(request, self._complete(options))

    async def authenticate_request_async(
        self, request: Requestish, options: AuthenticateRequestOptions
    ) -> RequestState:
        """See `doorward.compat.clerk_backend_api.authenticate_request_async`."""
        return await authenticate_request_async(request, self._complete(options))

    def _complete(self, options: AuthenticateRequestOptions) -> AuthenticateRequestOptions:
        if options.secret_key is not None:
            return options
        secret = self._bearer_auth() if callable(self._bearer_auth) else self._bearer_auth
        return replace(options, secret_key=secret)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = "the Backend API is the original's: `from clerk_backend_api import Clerk`"
            raise AttributeError(
                f"doorward.compat's Clerk has no {name!r}; {hint}", name=name, obj=self
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __repr__(self) -> str:
        return "Clerk()"
