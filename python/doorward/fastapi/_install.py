"""An application that says what its guards answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ._door import Door
from ._openapi import document
from ._refusals import Refused, exception_handler

__all__ = ["install"]


def install(app: FastAPI, *guards: Door[Any]) -> None:
    """Has `app` document what these guards answer, on every operation they stand before: 400, 401,
    403 and 503, with their headers; and which operations strangers may use as well.

    Refusals are rendered exactly in any application that has no handler for `HTTPException`. Here
    they are even if it has one.
    """
    app.add_exception_handler(Refused, exception_handler)
    for guard in guards:
        document(app, guard.auth, guard.scheme_name)
