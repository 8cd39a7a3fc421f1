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

from ._doorward import WebhookVerifier, read_webhook_event
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
        return WebhookEvent(*self._verifier.verify_event(body, headers))

    def verify_message(
        self, body: bytes | bytearray | memoryview | str, headers: Any
    ) -> WebhookMessage:
        """Like `verify`, and looks at nothing in the body. Raises `WebhookRejection`."""
        return WebhookMessage(*self._verifier.verify(body, headers))

    def __repr__(self) -> str:
        return f"Webhook({self._verifier!r})"


class WebhookMessage:
    """A genuine message."""

    __slots__ = ("id", "secret_index", "sent_at")

    id: str
    """The same on every attempt to deliver it."""
    sent_at: int
    """When this attempt was signed, in seconds since 1970."""
    secret_index: int
    """Which of the secrets verified it, from 0."""

    def __init__(self, id: str, sent_at: int, secret_index: int) -> None:
        self.id = id
        self.sent_at = sent_at
        self.secret_index = secret_index

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, sent_at={self.sent_at})"


class WebhookEvent(WebhookMessage):
    """A genuine message that is an event. Its `repr` shows nobody's data.

    `event["type"]` reads the payload, as handlers written for other libraries do.
    """

    __slots__ = ("_payload", "body", "type")

    type: str
    """`user.created`, … New types may come at any time."""
    body: bytes
    """The bytes that were signed."""

    def __init__(self, id: str, sent_at: int, secret_index: int, type: str, body: bytes) -> None:
        self.id = id
        self.sent_at = sent_at
        self.secret_index = secret_index
        self.type = type
        self.body = body
        self._payload: dict[str, Any] | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """The whole event, as it came. A member of it or of its `data` that cannot be read, for
        example because a user nested their metadata deeper than 127 levels, is `None`.
        """
        if self._payload is None:
            self._payload = read_webhook_event(self.body)[2]
        return self._payload

    @property
    def data(self) -> Any:
        """What the event is about; `None` if it was left out."""
        return self.payload.get("data")

    @property
    def instance_id(self) -> str | None:
        """The Clerk instance that sent it."""
        return _if(str, self.payload.get("instance_id"))

    @property
    def timestamp(self) -> int | None:
        """When it happened, in milliseconds since 1970, where the provider says so in a number."""
        value = self.payload.get("timestamp")
        return None if isinstance(value, bool) else _if(int, value)

    @property
    def event_attributes(self) -> dict[str, Any]:
        """Clerk's `event_attributes`: the request that caused it. Empty if it was left out."""
        return _if(dict, self.payload.get("event_attributes")) or {}

    def __getitem__(self, name: str) -> Any:
        return self.payload[name]

    def __contains__(self, name: object) -> bool:
        return name in self.payload

    def get(self, name: str, default: Any = None) -> Any:
        return self.payload.get(name, default)

    def __repr__(self) -> str:
        return f"WebhookEvent(id={self.id!r}, type={self.type!r}, sent_at={self.sent_at})"


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


def _if(kind: type[Any], value: object) -> Any:
    return value if isinstance(value, kind) else None


@lru_cache(16)
def _webhook(secrets: str | tuple[str, ...]) -> Webhook:
    return Webhook(secrets)
