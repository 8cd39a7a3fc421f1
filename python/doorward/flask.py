"""The Flask door: an extension with decorators, or a guard in front of every view; and webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from flask import Blueprint, Flask, Request, current_app, g, request
from werkzeug.local import LocalProxy

from ._doorward import Identity
from ._flask import (
    CALLER,
    NOBODY,
    AuthState,
    CrossOrigin,
    Demand,
    Extension,
    Refused,
    State,
    authenticated,
    behind,
    public,
    rejected,
)
from ._flask_webhook import WebhookRefused, webhook
from ._verdict import verdict_blocking

__all__ = [
    "AuthState",
    "CrossOrigin",
    "Doorward",
    "Refused",
    "WebhookRefused",
    "authenticated",
    "current_identity",
    "public",
    "rejected",
    "webhook",
]


class Doorward(Extension[Flask, Blueprint]):
    __doc__ = Extension.__doc__

    @property
    def identity(self) -> Identity | None:
        return request.environ.get(CALLER)

    def _install(self, app: Flask, state: State) -> None:
        @app.before_request
        def before() -> None:  # pyright: ignore[reportUnusedFunction]
            http = _request()
            # Another application may have handed its environ on. An application context may
            # outlive a request (tests push one), and so may its `g`.
            http.environ[CALLER] = None
            vars(_g()).update(NOBODY)
            for demand in state.asks(None, http):
                _enter(state, demand, http)

    def _install_on(self, blueprint: Blueprint) -> None:
        @blueprint.before_request
        def before() -> None:  # pyright: ignore[reportUnusedFunction]
            http, state = _request(), self._state(_app())
            for demand in state.asks(blueprint, http):
                _enter(state, demand, http)

    def _wrapped(self, view: Callable[..., Any], demand: Demand) -> Callable[..., Any]:
        if iscoroutinefunction(view):

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                _enter(self._state(_app()), demand, _request())
                if _on_event_loop():
                    # A decorator that is a coroutine itself awaits what it gets.
                    return view(*args, **kwargs)
                return current_app.ensure_sync(view)(*args, **kwargs)

        else:

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                _enter(self._state(_app()), demand, _request())
                return view(*args, **kwargs)

        return wrapper


def _enter(state: State, demand: Demand, http: Request) -> None:
    """Lets a request through, or raises its refusal."""
    environ = http.environ
    known = environ.get(CALLER)
    found = verdict_blocking(state.auth, environ, check_origin=state.check_origin)
    refused = state.judge(demand, found, environ, http, vars(_g()))
    if authenticated.receivers and known is None and environ.get(CALLER) is not None:
        authenticated.send(state.app, _async_wrapper=current_app.ensure_sync, identity=found)
    if refused is None:
        return
    if rejected.receivers:
        rejection = refused.rejection
        rejected.send(state.app, _async_wrapper=current_app.ensure_sync, rejection=rejection)
    raise refused


def _caller() -> Identity:
    # As with Flask's own proxies, the type is that of a guarded view.
    return cast("Identity", request.environ.get(CALLER))


def _on_event_loop() -> bool:
    # A large import, and whoever runs a loop has paid for it already.
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


#: The caller of the current request, falsy where there is none. It is never `None` itself:
#: `Doorward.identity` is.
current_identity: Identity = cast("Identity", LocalProxy(_caller))

_app = behind(current_app)
_g = behind(g)
_request = behind(request)
