"""The middleware: a guard in front of every view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from doorward._rejection import Rejection

from ._marks import Door, door_of
from ._request import (
    SAFE,
    AuthState,
    acsrf_refusal,
    aenter,
    csrf_refusal,
    enter,
    install,
    is_preflight,
    not_allowed,
    refusal,
    vary,
)
from .conf import current

__all__ = ["AuthMiddleware"]


class AuthMiddleware:
    """Lets requests through to the views only with good credentials.

    Stands after Django's `SessionMiddleware` and `AuthenticationMiddleware`, where those are used;
    `DOORWARD` configures it. Every view demands a caller, except

    - those marked `@public`, and the paths of `EXCLUDE`: nobody is asked or identified there;
    - those whose guard has an authenticator of its own: it asks;
    - those marked `@optional` or Django's `@login_not_required`, and with `OPTIONAL` all of them:
      they are open to requests without credentials. Bad credentials are refused all the same.

    Views find the caller in `request.identity` (or `None`), `request.user`, `request.auser()` and
    `request.auth_state`. The user of Django's own session goes first in `request.user`, unless
    `PREFER_TOKEN`. A path without a view stays a 404.

    Django's CSRF check stands back where a verified token came in a header, which no browser sends
    by itself, and does its work where the token came in a cookie.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        # An operator's mistake stops the start-up.
        _ = current().auth
        self._behind_csrf = _stands_behind_csrf()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        # Django would send a plain function through a thread.
        self.process_view = self._aprocess_view if self._is_async else self._process_view

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._acall(request)
        state = self._enter(request)
        return self._leave(state, self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        state = self._enter(request)
        return self._leave(state, await self.get_response(request))

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answers for views that let a `Rejection` pass, such as `Policy.permit` raises."""
        return refusal(exception) if isinstance(exception, Rejection) else None

    def _enter(self, request: HttpRequest) -> AuthState:
        setup = current()
        state = install(request, setup.auth, setup)
        if setup.excludes(request.path_info):
            state.forget()
        elif request.method not in SAFE and state.comes_by_header(request):
            # Provisionally: whether the token is any good is asked when the view is known.
            state.waive_csrf(request, True)
        return state

    def _leave(self, state: AuthState, response: HttpResponseBase) -> HttpResponseBase:
        if state.was_reached:
            vary(response)
        return response

    def _process_view(
        self, request: HttpRequest, view: Any, arguments: Any, named: Any
    ) -> HttpResponseBase | None:
        state, door = self._door(request, view)
        if door == "closed":
            return not_allowed()
        if door != "public":
            refused = enter(request, state, state.setup.policies, door == "optional")
            if refused is not None:
                return refusal(refused)
        return csrf_refusal(request) if self._needs_csrf(request, state, view) else None

    async def _aprocess_view(
        self, request: HttpRequest, view: Any, arguments: Any, named: Any
    ) -> HttpResponseBase | None:
        state, door = self._door(request, view)
        if door == "closed":
            return not_allowed()
        if door != "public":
            refused = await aenter(request, state, state.setup.policies, door == "optional")
            if refused is not None:
                return refusal(refused)
        return await acsrf_refusal(request) if self._needs_csrf(request, state, view) else None

    def _door(self, request: HttpRequest, view: Any) -> tuple[AuthState, Door | Literal["closed"]]:
        """How a view is guarded, for this request."""
        state: AuthState = request.__dict__["auth_state"]
        if state.nobody:
            return state, "public"
        door = door_of(view)
        if state.setup.optional and door is None:
            door = "optional"
        if door == "own":
            # Its guard asks another authenticator, and about preflights too.
            door = "public"
        if door != "public" and is_preflight(request):
            if door != "optional":
                return state, "closed"
            door = "public"
        if door == "public":
            state.forget()
        return state, door or "required"

    def _needs_csrf(self, request: HttpRequest, state: AuthState, view: Any) -> bool:
        """Whether Django's CSRF check was kept from its work, or is not there to do it."""
        if request.method in SAFE:
            return False
        kept = state.nobody and state.waived
        if kept:
            state.waive_csrf(request, False)
        if getattr(view, "csrf_exempt", False):
            return False
        if state.nobody:
            return kept and self._behind_csrf
        return not state.waived and state.comes_by_cookie


def _stands_behind_csrf() -> bool:
    """Whether Django's CSRF check judges a view before `AuthMiddleware` does."""
    for path in settings.MIDDLEWARE:
        kind = import_string(path)
        if isinstance(kind, type) and issubclass(kind, AuthMiddleware):
            return False
        if isinstance(kind, type) and issubclass(kind, CsrfViewMiddleware):
            return True
    return False
