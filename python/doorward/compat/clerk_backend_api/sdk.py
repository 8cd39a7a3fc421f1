"""The SDK's object: the Backend API, and the authentication of requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from doorward import clerk
from doorward.compat._suggest import text

from .security import (
    AuthenticateRequestOptions,
    Requestish,
    RequestState,
    authenticate_request,
    authenticate_request_async,
)

__all__ = ["Clerk"]


class Clerk(clerk.Clerk):
    """`doorward.clerk.Clerk`, with the original's settings and `authenticate_request`.

    `client`, `async_client` and `debug_logger` have nothing to act on here: connections are the
    engine's, and there is nothing to log that is not secret. Of a `retry_config` only its strategy
    "none" counts; what is safe to try again is decided by what happened. Options of requests are
    left as they are; the original writes its secret key into them.
    """

    def __init__(
        self,
        bearer_auth: str | Callable[[], str | None] | None = None,
        server_idx: int | None = None,
        server_url: str | None = None,
        url_params: dict[str, str] | None = None,
        client: None = None,
        async_client: None = None,
        retry_config: Any = None,
        timeout_ms: float | None = None,
        debug_logger: object = None,
    ) -> None:
        if client is not None or async_client is not None:
            raise TypeError(
                "client and async_client: the engine has its own connections; proxies and "
                "certificate authorities come from HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE"
            )
        if server_idx not in (None, 0):
            raise ValueError(f"server_idx: there is one server, 0; found {server_idx!r}")
        for name, value in (url_params or {}).items():
            server_url = server_url.replace(f"{{{name}}}", value) if server_url else None
        key = bearer_auth if callable(bearer_auth) else text("bearer_auth", bearer_auth)
        # A key that is no function stays where `vars` does not show it.
        self._bearer_auth = key if callable(key) else lambda: key
        super().__init__(
            bearer_auth, server_url=server_url, timeout_ms=timeout_ms, retries=retry_config
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
        return replace(options, secret_key=self._bearer_auth())
