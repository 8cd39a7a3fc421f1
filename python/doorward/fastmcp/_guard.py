"""Tool scopes are asked for where the router has led a request to the MCP server. Whoever compared
paths in front of the router would sooner or later read one otherwise than it does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastmcp.server.http import (
    _current_http_request,  # pyright: ignore[reportPrivateUsage]
)
from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware

from doorward._rejection import ConfigError
from doorward.mcp import App, Receive, Scope, Send, permit_calls

if TYPE_CHECKING:
    from doorward._authenticator import Authenticator
    from doorward._doorward import Identity

_logger = logging.getLogger("doorward")


def stand_guard(scope: Scope, auth: Authenticator, found: Identity) -> None:
    """Has `auth` asked what the calls take that this request brings to the MCP server.

    Whatever FastMCP puts behind its own guard is the MCP server: the endpoint, and where the older
    SSE transport takes messages. Raises `ConfigError` where nothing is.
    """
    if not auth.guards_tools:
        return
    app = scope.get("app")
    guarded = False
    for route in getattr(app, "routes", ()):
        behind = getattr(route, "app", None)
        if isinstance(behind, RequireAuthMiddleware):
            route.app = _Guarded(behind)
        guarded = guarded or isinstance(behind, (RequireAuthMiddleware, _Guarded))
    if not guarded:
        raise _nobody_looks("the application has no endpoint of FastMCP's")
    scope[_VERIFIED] = auth, found


def stand_guard_here(auth: Authenticator, found: Identity) -> None:
    """As `stand_guard`, for a token that somebody else's middleware brings, such as `MultiAuth`'s.
    Raises `ConfigError` where it is not for a request to FastMCP's server.
    """
    if not auth.guards_tools:
        return
    request = _current_http_request.get()
    if request is None:
        raise _nobody_looks("the token does not come with a request to FastMCP's server")
    stand_guard(request.scope, auth, found)


class _Guarded:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        standing: tuple[Authenticator, Identity] | None = scope.get(_VERIFIED)
        if scope["type"] == "http" and standing is not None:
            permitted = await permit_calls(*standing, scope, receive, send)
            if permitted is None:
                return
            receive = permitted
        await self._app(scope, receive, send)


def _nobody_looks(why: str) -> ConfigError:
    error = ConfigError(f"tool_scopes: nobody would look at the calls: {why}")
    # FastMCP's MultiAuth takes what is raised for a token that is not good, and says nothing.
    _logger.error("%s", error)
    return error


#: Where a request says who was let in, and by whom.
_VERIFIED = "doorward.verified"
