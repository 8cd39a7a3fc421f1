"""A refusal of a webhook, as an exception."""

from __future__ import annotations

from ._reason import WebhookReason
from ._refusal import Refusal


class WebhookRejection(Refusal):
    """One refusal of one webhook.

    `reason` is for programs; `status` (400 or 413), `headers` and `body` are what an adapter sends;
    `detail` and `hint` are for the operator's log and never reach the sender.
    """

    @property
    def reason(self) -> WebhookReason:
        """Why."""
        return WebhookReason(self._code)
