"""A decorator for Flask views that take webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from sys import maxsize
from typing import Any

from flask import Request, current_app, request
from werkzeug import exceptions

from ._doorward import MAX_WEBHOOK_BYTES, webhook_body_refused
from ._flask import _Answer, behind, public  # pyright: ignore[reportPrivateUsage]
from ._webhook_rejection import WebhookRejection
from .webhooks import Webhook, WebhookEvent, tell

__all__ = ["WebhookRefused", "webhook"]

View = Callable[..., Any]


class WebhookRefused(_Answer, exceptions.BadRequest):
    """A refusal of a webhook, as Werkzeug knows one. `description` is the code of the reason."""

    def __init__(self, rejection: WebhookRejection) -> None:
        super().__init__(
            rejection.reason.value,
            False,
            rejection.body,
            rejection.content_type,
            rejection.headers,
        )
        self.rejection = rejection
        self.code = rejection.status


def webhook(secrets: str | Sequence[str] | Webhook | None = None) -> Callable[[View], View]:
    """A decorator for a view that takes the event of a genuine webhook as its first argument.

        @app.post("/webhooks/clerk")
        @webhook()  # CLERK_WEBHOOK_SIGNING_SECRET, or DOORWARD_WEBHOOK_SECRET
        def clerk(event): ...

    Everything else is refused. `secrets` is as for `doorward.webhooks.Webhook`; a mistake in it
    raises `ConfigError` here. The view is public to `Doorward`, may be a coroutine, and may read
    `request.get_data()` again.
    """
    verifier = secrets if isinstance(secrets, Webhook) else Webhook(secrets)

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            event = _event(verifier, _request())
            if iscoroutinefunction(view):
                return current_app.ensure_sync(view)(event, *args, **kwargs)
            return view(event, *args, **kwargs)

        return public(wrapper)

    return decorate


def _event(webhook: Webhook, http: Request) -> WebhookEvent:
    try:
        return webhook.verify(_body(http), http.environ)
    except WebhookRejection as rejection:
        tell(rejection)
        raise WebhookRefused(rejection) from None


def _body(http: Request) -> bytes:
    """The body as it arrived, and not more of it than is looked at."""
    kept: bytes | None = vars(http).get(_KEPT)
    if kept is not None:
        return kept
    announced = http.content_length
    if announced is not None and announced > MAX_WEBHOOK_BYTES:
        raise webhook_body_refused(min(announced, maxsize))
    body = bytearray()
    try:
        while len(body) <= MAX_WEBHOOK_BYTES:
            chunk = http.stream.read(MAX_WEBHOOK_BYTES + 1 - len(body))
            if not chunk:
                break
            body += chunk
    except exceptions.RequestEntityTooLarge:
        # A lower limit of the application's own.
        raise webhook_body_refused(MAX_WEBHOOK_BYTES + 1) from None
    except (exceptions.HTTPException, OSError):
        raise webhook_body_refused(None, "the client went away") from None
    if len(body) > MAX_WEBHOOK_BYTES:
        raise webhook_body_refused(len(body))
    read = bytes(body)
    # Where Werkzeug keeps it, so that the view can read it too.
    vars(http)[_KEPT] = read
    return read


_KEPT = "_cached_data"
_request = behind(request)
