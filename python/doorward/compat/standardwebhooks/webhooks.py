"""`standardwebhooks.webhooks`; `doorward.compat.svix.webhooks` says what differs."""

from __future__ import annotations

from typing import Any

from doorward._webhook_rejection import WebhookRejection
from doorward.compat.svix.webhooks import Webhook as _Webhook
from doorward.compat.svix.webhooks import WebhookVerificationError

__all__ = ["Webhook", "WebhookVerificationError"]


class Webhook(_Webhook):
    """Verifies and signs with one secret, or with several: a text with commas between."""

    def verify(
        self,
        data: bytes | bytearray | memoryview | str,
        headers: Any,
        *,
        json_parse: bool = True,
    ) -> Any:
        """The event, or `None` without `json_parse`. Raises `WebhookVerificationError`."""
        if json_parse:
            return super().verify(data, headers)
        try:
            self._verifier.verify(data, headers)
        except WebhookRejection as rejection:
            raise WebhookVerificationError(str(rejection), rejection) from None
        return None
