"""The Flask door: an extension with decorators, or a guard in front of every view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from flask import Blueprint, Flask, current_app, g, request
from werkzeug.local import LocalProxy

from ._doorward import Identity
from ._flask import (
    ANONYMOUS,
    CALLER,
    AuthState,
    CrossOrigin,
    Demand,
    Extension,
    Refused,
    authenticated,
    public,
    rejected,
)
from ._verdict import verdict_blocking

__all__ = [
    "AuthState",
    "CrossOrigin",
    "Doorward",
    "Refused",
    "authenticated",
    "current_identity",
    "public",
    "rejected",
]


class Doorward(Extension[Flask, Blueprint]):
    __doc__ = Extension.__doc__

    @property
    def identity(self) -> Identity | None:
        return request.environ.get(CALLER)

    def _install(self, app: Flask) -> None:
        app.before_request(self._before_request)

    def _install_on(self, blueprint: Blueprint) -> None:
        blueprint.before_request(lambda: self._pass(blueprint))

    def _wrapped(self, view: Callable[..., Any], demand: Demand) -> Callable[..., Any]:
        if iscoroutinefunction(view):

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                self._enter(demand)
                if _on_event_loop():
                    # A decorator that is a coroutine itself awaits what it gets.
                    return view(*args, **kwargs)
                return current_app.ensure_sync(view)(*args, **kwargs)

        else:

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                self._enter(demand)
                return view(*args, **kwargs)

        return wrapper

    def _before_request(self) -> None:
        # An application context may outlive a request (tests push one), and so may its `g`.
        request.environ[CALLER] = None
        g.auth_state = ANONYMOUS
        g.user_id = None
        self._pass(None)

    def _pass(self, blueprint: Blueprint | None) -> None:
        for demand in self._state(current_app).asks(blueprint, request):
            self._enter(demand)

    def _enter(self, demand: Demand) -> None:
        """Lets the request through, or raises its refusal."""
        state = self._state(current_app)
        environ = request.environ
        known = environ.get(CALLER)
        found = verdict_blocking(state.auth, environ)
        refused = state.judge(demand, found, environ, request, g)
        if authenticated.receivers and known is None and environ.get(CALLER) is not None:
            authenticated.send(state.app, _async_wrapper=current_app.ensure_sync, identity=found)
        if refused is None:
            return
        if rejected.receivers and isinstance(refused, Refused):
            rejected.send(
                state.app, _async_wrapper=current_app.ensure_sync, rejection=refused.rejection
            )
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
