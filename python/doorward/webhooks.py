"""Webhooks of Standard Webhooks 1.0.0 and Svix, and so of Clerk.

    from doorward.webhooks import Webhook, WebhookRejection

    webhook = Webhook()  # CLERK_WEBHOOK_SIGNING_SECRET, or DOORWARD_WEBHOOK_SECRET

    try:
        event = webhook.verify(body, headers)  # the body's bytes, as they arrived
    except WebhookRejection as rejection:
        ...  # answer rejection.status with rejection.body
    if event.type == "user.created":
        ...  # event.data["id"]

No request makes `verify` raise anything but `WebhookRejection`. `doorward.fastapi.webhook`,
`doorward.flask.webhook` and `doorward.django.webhook` do all of this for a view.

A message is delivered at least once: `event.id` is the same each time.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ._doorward import WebhookEvent, WebhookMessage, WebhookVerifier
from ._reason import WebhookReason
from ._webhook_rejection import WebhookRejection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

__all__ = [
    "Webhook",
    "WebhookEvent",
    "WebhookMessage",
    "WebhookReason",
    "WebhookRejection",
    "sign",
    "verify",
]

_logger = logging.getLogger("doorward")


def verify(
    body: bytes | bytearray | memoryview | str,
    headers: Any,
    *,
    secret: str | Sequence[str] | None = None,
) -> WebhookEvent:
    """Verifies one webhook; short for `Webhook(secret).verify(body, headers)`."""
    if secret is None:
        # The environment may change; parsing a secret costs less than hashing the environment.
        return Webhook().verify(body, headers)
    return _webhook(secret if isinstance(secret, str) else tuple(secret)).verify(body, headers)


class Webhook:
    """Verifies the webhooks of one endpoint.

    `secrets`  the endpoint's signing secret, `whsec_…`, or an Ed25519 public key, `whpk_…`. While
               a secret is rotated, both: a list, or one text with a comma between. Left out, it is
               read from `CLERK_WEBHOOK_SIGNING_SECRET` or `DOORWARD_WEBHOOK_SECRET`.
    `clock`    seconds since 1970, for tests.

    Raises `ConfigError` for what is no signing secret.
    """

    __slots__ = ("_verifier",)

    def __init__(
        self,
        secrets: str | Sequence[str] | None = None,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if secrets is None:
            self._verifier = WebhookVerifier.from_env(clock=clock)
        else:
            self._verifier = WebhookVerifier(secrets, clock=clock)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], /) -> Webhook:
        """Reads these variables instead of the environment's."""
        webhook = cls.__new__(cls)
        webhook._verifier = WebhookVerifier.from_env(environ)
        return webhook

    def verify(self, body: bytes | bytearray | memoryview | str, headers: Any) -> WebhookEvent:
        """The event, if the message is genuine and at most five minutes old.

        `body`     the bytes as they arrived, before anything parsed them.
        `headers`  a mapping or a list of pairs, in any case; an ASGI scope, a WSGI environ, or a
                   framework's request. Pairs are better than a mapping, which hides repetitions.

        Raises `WebhookRejection`. Genuine messages that are no event, a JSON object with a `type`
        of 1 to 255 bytes, are refused as `payload_malformed`; `verify_message` takes those.
        """
        return self._verifier.verify_event(body, headers)

    def verify_message(
        self, body: bytes | bytearray | memoryview | str, headers: Any
    ) -> WebhookMessage:
        """Like `verify`, and looks at nothing in the body. Raises `WebhookRejection`."""
        return self._verifier.verify(body, headers)

    def __repr__(self) -> str:
        return f"Webhook({self._verifier!r})"


def sign(secret: str, id: str, sent_at: datetime | float, body: bytes | str) -> dict[str, str]:
    """The headers of a genuine message, for tests: `webhook-id`, `-timestamp` and `-signature`."""
    seconds = int(sent_at if isinstance(sent_at, (int, float)) else sent_at.timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": WebhookVerifier.sign(secret, id, seconds, body),
    }


def tell(rejection: WebhookRejection) -> None:
    """Tells the operator's log; the adapters do."""
    _logger.info(
        "webhook refused: %s",
        rejection,
        extra={
            "reason": rejection.reason.value,
            "detail": rejection.detail,
            "hint": rejection.hint,
        },
    )


@lru_cache(16)
def _webhook(secrets: str | tuple[str, ...]) -> Webhook:
    return Webhook(secrets)
