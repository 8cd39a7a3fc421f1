"""`standardwebhooks`, on the engine of Doorward.

`doorward.compat.svix.webhooks` says what differs.
"""

from .webhooks import Webhook, WebhookVerificationError

__all__ = ["Webhook", "WebhookVerificationError"]
