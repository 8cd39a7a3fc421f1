"""A decorator for Django views that take webhooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import RawPostDataException, UnreadablePostError
from django.http.response import HttpResponseBase

from doorward._doorward import MAX_WEBHOOK_BYTES, webhook_body_refused
from doorward._webhook_rejection import WebhookRejection
from doorward.webhooks import Webhook, WebhookEvent, tell

from ._marks import mark

__all__ = ["webhook"]

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


class Decorator:
    """What `webhook` makes."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    @overload
    def __call__(
        self,
        view: Callable[Concatenate[HttpRequest, WebhookEvent, P], Coroutine[Any, Any, R]],
        /,
    ) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, R | HttpResponseBase]]: ...
    @overload
    def __call__(
        self, view: Callable[Concatenate[HttpRequest, WebhookEvent, P], R], /
    ) -> Callable[Concatenate[HttpRequest, P], R | HttpResponseBase]: ...
    def __call__(self, view: Callable[..., Any], /) -> Callable[..., Any]:
        door: Callable[..., Any]
        if iscoroutinefunction(view):

            @wraps(view)
            async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                event = self._event(request)
                if isinstance(event, HttpResponseBase):
                    return event
                return await view(request, event, *args, **kwargs)

            door = awaited

        else:

            @wraps(view)
            def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                event = self._event(request)
                if isinstance(event, HttpResponseBase):
                    return event
                return view(request, event, *args, **kwargs)

            door = wrapped

        # The signature does what a CSRF token does, and no sender has a session.
        vars(door)["csrf_exempt"] = True
        vars(door)["login_required"] = False
        return mark(door, "public")

    def _event(self, request: HttpRequest) -> WebhookEvent | HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            return self._webhook.verify(_body(request), request)
        except WebhookRejection as rejection:
            tell(rejection)
            answer = HttpResponse(
                rejection.body, status=rejection.status, content_type=rejection.content_type
            )
            for name, value in rejection.headers:
                answer.headers[name] = value
            return answer


def webhook(secrets: str | Sequence[str] | Webhook | None = None) -> Decorator:
    """A decorator for a view that takes the event of a genuine webhook as its second argument.

        @webhook()  # CLERK_WEBHOOK_SIGNING_SECRET, or DOORWARD_WEBHOOK_SECRET
        def clerk(request, event): ...

    Everything else is refused, and whatever is no POST. `secrets` is as for
    `doorward.webhooks.Webhook`; left out, Django's settings of those names win over the
    environment. A mistake raises `ConfigError` here. The view is exempt from CSRF checks and public
    to `AuthMiddleware`, and may be a coroutine.
    """
    if isinstance(secrets, Webhook):
        return Decorator(secrets)
    if secrets is not None:
        return Decorator(Webhook(secrets))
    variables = dict(os.environ)
    own = {name: getattr(settings, name, None) for name in _SETTINGS}
    if any(own.values()):
        variables = {name: value for name, value in own.items() if value}
    return Decorator(Webhook.from_env(variables))


def _body(request: HttpRequest) -> bytes:
    """The body as it arrived, and not more of it than is looked at."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not (announced.isascii() and announced.isdigit()):
        # Django would read a number. Most servers let none of this through.
        raise webhook_body_refused(None, "Content-Length is no number")
    # A longer number is too large as well, and takes long to read.
    length = int(announced[:18])
    if length > MAX_WEBHOOK_BYTES:
        raise webhook_body_refused(length)
    try:
        body = request.body
    except RequestDataTooBig:
        # A lower limit of the project's own.
        raise webhook_body_refused(MAX_WEBHOOK_BYTES + 1) from None
    except (UnreadablePostError, OSError):
        raise webhook_body_refused(None, "the client went away") from None
    except RawPostDataException:
        raise webhook_body_refused(None, "a middleware has read the body as a form") from None
    return body


_SETTINGS = ("DOORWARD_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET")
