"""The FastAPI door: guards to depend on, for callers and for webhooks."""

from __future__ import annotations

from doorward._typed_claims import ClaimsMismatch

from ._guards import Guard, OptionalGuard
from ._install import install
from ._openapi import oauth2, openid, swagger_ui_init_oauth
from ._overrides import answer
from ._paths import verify_user_access
from ._refusals import Refused, exception_handler, refusal
from ._sockets import WebSocketGuard, renew
from ._warm_up import warm_up
from ._webhooks import WebhookGuard, WebhookRefused, webhook

__all__ = [
    "ClaimsMismatch",
    "Guard",
    "OptionalGuard",
    "Refused",
    "WebSocketGuard",
    "WebhookGuard",
    "WebhookRefused",
    "exception_handler",
    "install",
    "oauth2",
    "openid",
    "refusal",
    "renew",
    "swagger_ui_init_oauth",
    "verify_user_access",
    "warm_up",
    "webhook",
]

# `doorward.compat` answers overrides the same way.
_answer = answer
