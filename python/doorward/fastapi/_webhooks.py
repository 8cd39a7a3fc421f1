"""A dependency that yields a verified webhook."""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from collections.abc import Sequence

from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request

from doorward._doorward import MAX_WEBHOOK_BYTES, webhook_body_refused
from doorward._webhook_rejection import WebhookRejection
from doorward.webhooks import Webhook, WebhookEvent, tell

__all__ = ["WebhookGuard", "WebhookRefused", "webhook"]


class WebhookRefused(HTTPException):
    """A refusal of a webhook, answered like any other `HTTPException`: `{"detail": "<code>"}`."""

    def __init__(self, rejection: WebhookRejection) -> None:
        super().__init__(
            status_code=rejection.status,
            detail=rejection.reason.value,
            headers=dict(rejection.headers),
        )
        self.rejection = rejection


class WebhookGuard:
    """What `webhook` makes. Equal to nothing but itself, for `app.dependency_overrides`."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook

    async def __call__(self, request: Request) -> WebhookEvent:
        try:
            body = await _body(request)
            return self.webhook.verify(body, request.scope)
        except WebhookRejection as rejection:
            tell(rejection)
            raise WebhookRefused(rejection) from None


def webhook(secrets: str | Sequence[str] | Webhook | None = None) -> WebhookGuard:
    """A dependency that yields the event of a genuine webhook, and refuses everything else.

        clerk = webhook()  # CLERK_WEBHOOK_SIGNING_SECRET, or DOORWARD_WEBHOOK_SECRET

        @app.post("/webhooks/clerk")
        async def handle(event: Annotated[WebhookEvent, Depends(clerk)]): ...

    `secrets` is as for `doorward.webhooks.Webhook`; a mistake in it raises `ConfigError` here. The
    route must not demand a caller, and the handler may read `request.body()` again.
    """
    return WebhookGuard(secrets if isinstance(secrets, Webhook) else Webhook(secrets))


async def _body(request: Request) -> bytes:
    """The body as it arrived, and not more of it than is looked at."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit():
        # A longer number is too large as well, and takes long to read.
        length = int(announced[:18])
        if length > MAX_WEBHOOK_BYTES:
            raise webhook_body_refused(length)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_WEBHOOK_BYTES:
                raise webhook_body_refused(size)
            chunks.append(chunk)
    except ClientDisconnect:
        raise webhook_body_refused(None, "the client went away") from None
    except RuntimeError:
        # Starlette's: something in front of the route has read the stream and kept nothing.
        raise webhook_body_refused(None, "something else has read the body") from None
    body = b"".join(chunks)
    # Where Starlette keeps it, so that the handler can read it too.
    request._body = body  # pyright: ignore[reportPrivateUsage]
    return body
