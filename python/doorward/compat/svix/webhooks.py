"""`svix.webhooks`, on the engine of Doorward.

    from doorward.compat.svix.webhooks import Webhook, WebhookVerificationError

    event = Webhook(secret).verify(await request.body(), dict(request.headers))

`verify` returns the event, as svix 1 does and Clerk's guides expect; svix 2 returns `None`. Where
else the answer differs: a hostile header or body raises `WebhookVerificationError` and nothing else
(svix raises `ValueError`, `binascii.Error` and `UnicodeDecodeError`, and answers 500); a bad entry
in the list does not spoil a good one; timestamps are digits alone; ids have no dot; headers of the
two families are not mixed; a body over 1 MiB is refused; secrets have 16 bytes or more, and a
mistake is a `ConfigError` when the `Webhook` is made.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime, timezone
from functools import lru_cache
from math import floor
from typing import Any

from doorward._doorward import WebhookVerifier
from doorward._rejection import ConfigError
from doorward._webhook_rejection import WebhookRejection

__all__ = ["Webhook", "WebhookVerificationError"]


class WebhookVerificationError(Exception):
    """The message is not genuine, too old, or no JSON. `rejection` says why, for your log."""

    def __init__(self, message: str = "", rejection: WebhookRejection | None = None) -> None:
        super().__init__(message)
        self.rejection = rejection


class Webhook:
    """Verifies and signs with one secret, or with several: a text with commas between."""

    def __init__(self, whsecret: str | bytes) -> None:
        if isinstance(whsecret, bytes):
            # The key itself.
            whsecret = "whsec_" + b64encode(whsecret).decode()
        elif not isinstance(whsecret, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(
                f"whsecret: expected the signing secret, found {type(whsecret).__name__}; "
                "is the variable set?"
            )
        self._secret = whsecret
        self._verifier = _verifier(whsecret)

    def verify(self, data: bytes | bytearray | memoryview | str, headers: Any) -> Any:
        """The event. Raises `WebhookVerificationError`."""
        try:
            self._verifier.verify(data, headers)
        except WebhookRejection as rejection:
            raise WebhookVerificationError(str(rejection), rejection) from None
        try:
            return json.loads(bytes(data) if isinstance(data, memoryview) else data)
        except (ValueError, RecursionError):
            # The sender's own mistake: the signature is right.
            raise WebhookVerificationError("payload_malformed: the body is not JSON") from None

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        """The signature of a message, `v1,…`. A time without a zone is UTC."""
        # As the original has it: whatever zone it says, the clock's face is UTC's.
        seconds = floor(timestamp.replace(tzinfo=timezone.utc).timestamp())
        return WebhookVerifier.sign(self._secret, msg_id, seconds, data)


@lru_cache(16)
def _verifier(secret: str) -> WebhookVerifier:
    # Handlers make a `Webhook` for each request.
    return WebhookVerifier(secret, setting="whsecret")
