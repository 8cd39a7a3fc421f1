"""Overrides in tests, keyed by the class of a guard.

FastAPI looks up the very object that was given to `Depends`. Recipes name the class instead, and
write overrides whose `request` has no annotation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import HTTPConnection

from doorward.fastapi import _answer  # pyright: ignore[reportPrivateUsage]


def override(guard: object, connection: HTTPConnection) -> Callable[[], Awaitable[Any]] | None:
    """What answers in the place of the guard because a test put it there, under its class."""
    overrides = getattr(connection.scope.get("app"), "dependency_overrides", None)
    if not overrides:
        return None
    found = next((overrides[one] for one in type(guard).__mro__ if one in overrides), None)
    return None if found is None else partial(_answer, found, connection)
