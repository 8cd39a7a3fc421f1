"""Refusals, as FastAPI knows and answers them."""

from __future__ import annotations

import json
from typing import Any

from fastapi import HTTPException
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.exceptions import WebSocketException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from doorward._reason import Reason
from doorward._rejection import Rejection
from doorward._websocket import CLOSE_CODES, Scope

__all__ = ["Refused", "exception_handler", "refusal"]


class Refused(HTTPException):
    """A refusal, as FastAPI knows one: exception handlers and CORS see it like any other
    `HTTPException`.

    Unless the application has a handler of its own it is answered with `response()`: what the
    engine says, byte for byte. `detail` is what FastAPI would have written: the code of the reason,
    or the whole body where that says more (`explain=True`, `problem_details=True`).
    """

    def __init__(self, rejection: Rejection) -> None:
        body: dict[str, Any] = json.loads(rejection.body)
        super().__init__(
            status_code=rejection.status,
            detail=body["detail"] if len(body) == 1 else body,
            headers=dict(rejection.headers),
        )
        self.rejection = rejection

    @property
    def reason(self) -> Reason:
        return self.rejection.reason

    def response(self) -> Response:
        """The answer, for handlers that add to it."""
        rejection = self.rejection
        answer = Response(rejection.body, rejection.status, media_type=rejection.content_type)
        for name, value in rejection.headers:
            answer.headers.append(name, value)
        return answer


async def exception_handler(request: HTTPConnection, error: Exception) -> Response:
    """Answers `Refused`; the handler that is in force where an application has none of its own."""
    assert isinstance(error, Refused)
    return error.response()


def refusal(rejection: Rejection, connection: HTTPConnection) -> Exception:
    """The exception that makes FastAPI answer `rejection` on this connection."""
    scope = connection.scope
    if scope["type"] == "websocket":
        reason = rejection.reason.value
        if (
            isinstance(connection, WebSocket)
            and connection.application_state is not WebSocketState.CONNECTING
        ):
            return WebSocketException(CLOSE_CODES.get(rejection.status, 1008), reason)
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            # This server cannot answer a handshake with a status of ours. RFC 6455 §7.4.1: policy
            # violation.
            return WebSocketException(1008, reason)
    _be_answered(scope)
    return Refused(rejection)


def _be_answered(scope: Scope) -> None:
    """Has `exception_handler` answer, unless the application has a handler that would.

    FastAPI's own handler writes the body of every `HTTPException` under `detail`, which problem
    details must not be, and lets one header of a name through. An application says what handlers it
    has when it starts, so it is looked at when there is something to answer.
    """
    handlers = _handlers(scope)
    if handlers is None or Refused in handlers:
        return
    current = handlers.get(HTTPException, handlers.get(AnyHTTPException))
    # Starlette's is a bound method of the middleware.
    current = getattr(current, "__func__", current)
    if current is http_exception_handler or current is ExceptionMiddleware.http_exception:
        handlers[Refused] = exception_handler


def _handlers(scope: Scope) -> dict[Any, Any] | None:
    """The handlers by class of exception, where Starlette keeps them."""
    try:
        by_class, _ = scope["starlette.exception_handlers"]
    except (KeyError, TypeError, ValueError):
        return None
    known: dict[Any, Any] | None = by_class if hasattr(by_class, "setdefault") else None
    return known
