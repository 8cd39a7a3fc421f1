"""What goes in and out of an inbox."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from doorward._doorward import MAX_WEBHOOK_BYTES, read_webhook_event
from doorward._webhook_rejection import WebhookRejection

_ID = re.compile(r"[!-~]{1,255}")
#: Characters that an identifier from the provider may have.
MAX_ID = 255


class Unavailable(Exception):
    """The database is out of reach or overloaded. Answer 503, and the sender comes again."""


class Event(Protocol):
    """A verified event: `doorward.webhooks.WebhookEvent`, or a `Message`."""

    @property
    def id(self) -> str: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A genuine message. Its `repr` shows nobody's data."""

    id: str
    """The id under which its sender repeats it."""
    body: bytes = field(repr=False)
    """The bytes that were signed."""
    type: str = field(init=False)
    """The type of the event, as in `user.created`."""
    payload: dict[str, Any] = field(init=False, repr=False)
    """The whole event; what cannot be read of it is `None`, as in `doorward.webhooks`."""
    happened_at: int | None = field(init=False, repr=False)
    """When it happened, in milliseconds since 1970, if the event says so."""
    data_text: str | None = field(init=False, repr=False)
    """The JSON of `data`, as it was sent."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError("id: expected 1 to 255 visible ASCII characters")
        if len(self.body) > MAX_WEBHOOK_BYTES:
            raise ValueError(f"body: {len(self.body)} bytes; at most {MAX_WEBHOOK_BYTES} are taken")
        try:
            kind, happened_at, payload, text = read_webhook_event(self.body)
        except WebhookRejection as rejection:
            raise ValueError(f"body: {rejection.detail}") from None
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "payload", payload)
        object.__setattr__(self, "happened_at", happened_at)
        object.__setattr__(self, "data_text", text)

    @classmethod
    def unread(cls, id: str, text: str) -> Message:
        """A kept message that cannot be read: without type and payload."""
        message = object.__new__(cls)
        object.__setattr__(message, "id", id)
        object.__setattr__(message, "body", text.encode("utf-8", "replace"))
        object.__setattr__(message, "type", "")
        object.__setattr__(message, "payload", {})
        object.__setattr__(message, "happened_at", None)
        object.__setattr__(message, "data_text", None)
        return message

    @property
    def data(self) -> Any:
        """What the event is about; `None` if it was left out."""
        return self.payload.get("data")


@dataclass(frozen=True, slots=True)
class Claim:
    """A message in hand, until it is completed, it fails, or its lease is over."""

    message: Message
    token: str
    received_at: int
    failures: int
    claims: int
    unreadable: str | None = None
    """Why the message cannot be read, if so."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that failed too often."""

    message: Message
    received_at: int
    """When it was accepted, in milliseconds since 1970."""
    died_at: int
    """When it was given up, in milliseconds since 1970."""
    failures: int
    last_error: str


@dataclass(slots=True)
class Turn:
    """What became of the messages that were in hand."""

    done: int = 0
    failed: int = 0
    """They rest, and come again."""
    dead: int = 0
    """They failed for the last time."""
    lost: int = 0
    """Somebody else has them now, for we were slower than the lease."""

    @property
    def taken(self) -> int:
        """All of them."""
        return self.done + self.failed + self.dead + self.lost
