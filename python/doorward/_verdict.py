"""One verification per request, remembered in the ASGI scope."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._doorward import Pending
from ._rejection import Rejection

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ._authenticator import Authenticator
    from ._doorward import Identity

_logger = logging.getLogger("doorward")

#: Where a scope remembers its verdict, and which authenticator reached it.
_VERDICT = "doorward.verdict"


async def verdict(auth: Authenticator, scope: MutableMapping[str, Any]) -> Identity | Rejection:
    """What `auth` says about the request, asked once however many guards want to know.

    Waits only when a key set must be fetched first.
    """
    remembered = scope.get(_VERDICT)
    if remembered is not None and remembered[0] is auth:
        return remembered[1]
    found: Identity | Pending | Rejection
    try:
        found = auth.authenticate_nowait(scope)
        if isinstance(found, Pending):
            found = await auth.authenticate(scope)
    except Rejection as rejection:
        # The traceback would keep this frame, and with it the scope, in a reference cycle.
        found = rejection.with_traceback(None)
        report(rejection)
    scope[_VERDICT] = (auth, found)
    return found


def report(rejection: Rejection) -> None:
    """Tells the operator what the caller is not told. Trouble on our side is a warning."""
    level = logging.WARNING if rejection.status >= 500 else logging.INFO
    _logger.log(level, "refused: %s (%s)", rejection, rejection.hint)
