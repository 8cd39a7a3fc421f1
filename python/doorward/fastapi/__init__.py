"""The FastAPI door: guards to depend on."""

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

__all__ = [
    "ClaimsMismatch",
    "Guard",
    "OptionalGuard",
    "Refused",
    "WebSocketGuard",
    "exception_handler",
    "install",
    "oauth2",
    "openid",
    "refusal",
    "renew",
    "swagger_ui_init_oauth",
    "verify_user_access",
    "warm_up",
]

# `doorward.compat` answers overrides the same way.
_answer = answer
