"""What goes in and out of an inbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

_ID = re.compile(r"[!-~]{1,255}")
#: Characters that an identifier from the provider may have.
MAX_ID = 255
#: The body of a message, in bytes.
MAX_BODY = 1024 * 1024


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
    """The whole event."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError("id: expected 1 to 255 visible ASCII characters")
        if len(self.body) > MAX_BODY:
            raise ValueError(f"body: {len(self.body)} bytes; at most {MAX_BODY} are taken")
        try:
            payload = json.loads(self.body.decode())
        except (ValueError, RecursionError):
            raise ValueError("body: expected JSON in UTF-8") from None
        kind: Any = cast("dict[str, Any]", payload).get("type") if isinstance(payload, dict) else 0
        if not isinstance(kind, str) or not 1 <= len(kind.encode()) <= MAX_ID or "\0" in kind:
            raise ValueError("body: expected a JSON object with a `type` of 1 to 255 bytes")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "payload", payload)

    @classmethod
    def unread(cls, id: str, text: str) -> Message:
        """A kept message that cannot be read: without type and payload."""
        message = object.__new__(cls)
        object.__setattr__(message, "id", id)
        object.__setattr__(message, "body", text.encode("utf-8", "replace"))
        object.__setattr__(message, "type", "")
        object.__setattr__(message, "payload", {})
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
