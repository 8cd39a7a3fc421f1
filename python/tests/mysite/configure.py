"""Settings for one test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.test import override_settings

from doorward import Authenticator

from . import set_up

set_up()

GATE = "doorward.django.AuthMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def site(
    auth: Authenticator,
    *routes: Any,
    gate: bool = True,
    middleware: Sequence[str] | None = None,
    more: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A site with these routes behind an authenticator; `options` are `DOORWARD`'s."""
    if middleware is None:
        middleware = [*settings.MIDDLEWARE, GATE] if gate else settings.MIDDLEWARE
    changes: dict[str, Any] = {
        "ROOT_URLCONF": routes,
        "MIDDLEWARE": middleware,
        "DOORWARD": {"AUTH": auth, **options},
        **(more or {}),
    }
    return override_settings(**changes)
