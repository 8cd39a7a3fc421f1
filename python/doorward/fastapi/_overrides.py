"""Answers what tests put in the place of a guard, where FastAPI does not look for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from fastapi import Security
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

__all__ = ["answer"]


async def answer(
    override: Callable[..., Any],
    connection: HTTPConnection,
    security_scopes: SecurityScopes | None = None,
) -> Any:
    """What the override yields. Its dependencies are solved as those of any other.

    A parameter without an annotation is the connection: recipes write `def override(request)`,
    which FastAPI would take for a query parameter.
    """
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(
        one.kind in positional and one.default is one.empty and one.annotation is one.empty
        for one in inspect.signature(override).parameters.values()
    ):
        found = override(connection)
        return await found if inspect.isawaitable(found) else found
    return await _solved(override, connection, security_scopes)


async def _solved(
    override: Callable[..., Any],
    connection: HTTPConnection,
    security_scopes: SecurityScopes | None,
) -> Any:
    # FastAPI documents no door to its solver; this one is for tests only and has been there for
    # years.
    from fastapi.dependencies.utils import get_dependant, solve_dependencies

    scopes = security_scopes.scopes if security_scopes else ()

    def stand_in(found: Any = Security(override, scopes=scopes)) -> None: ...

    scope = connection.scope
    # FastAPI's own, so that an override that yields is finished when the request is.
    stack = scope.get("fastapi_inner_astack") or AsyncExitStack()
    path = "".join(f"/{{{name}}}" for name in connection.path_params)
    solved = await solve_dependencies(
        request=connection,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        dependant=get_dependant(path=path, call=stand_in),
        dependency_overrides_provider=scope.get("app"),
        async_exit_stack=stack,
        embed_body_fields=False,
    )
    if solved.errors:
        if scope["type"] == "websocket":
            raise WebSocketRequestValidationError(solved.errors)
        raise RequestValidationError(solved.errors)
    return solved.values["found"]
