"""The Django door: a middleware, guards for views, and an authentication backend.

    INSTALLED_APPS = [..., "doorward.django"]
    MIDDLEWARE = [..., "doorward.django.AuthMiddleware"]
    DOORWARD = {"PRESET": "clerk", "PUBLISHABLE_KEY": ..., "AUTHORIZED_PARTIES": [...]}

`doorward.django.conf` describes the settings. The doors of REST framework and of Ninja are
`doorward.drf` and `doorward.ninja`; they read the same settings.
"""

from ._marks import public
from ._request import AuthState
from .conf import authenticator
from .decorators import (
    AuthenticatedRequest,
    OptionalMixin,
    OptionalRequest,
    RequiredMixin,
    optional,
    permits,
    required,
    requires,
)
from .middleware import AuthMiddleware
from .users import TokenUser
from .webhooks import webhook

__all__ = [
    "AuthMiddleware",
    "AuthState",
    "AuthenticatedRequest",
    "OptionalMixin",
    "OptionalRequest",
    "RequiredMixin",
    "TokenUser",
    "authenticator",
    "optional",
    "permits",
    "public",
    "required",
    "requires",
    "webhook",
]
