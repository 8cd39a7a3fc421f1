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

#: Where a scope remembers its verdict, which authenticator reached it, and from which headers.
_VERDICT = "doorward.verdict"


def first_try(
    auth: Authenticator, scope: MutableMapping[str, Any]
) -> Identity | Rejection | Pending:
    """What `auth` says about the request without waiting; asked once however many want to know."""
    remembered = scope.get(_VERDICT)
    # Frameworks copy the list of headers, so it is compared by what is in it.
    if remembered is not None and remembered[0] is auth and remembered[1] == scope["headers"]:
        return remembered[2]
    try:
        found = auth.authenticate_nowait(scope)
    except Rejection as rejection:
        return _remember(auth, scope, rejection)
    if isinstance(found, Pending):
        return found
    scope[_VERDICT] = (auth, scope["headers"], found)
    return found


async def verdict(auth: Authenticator, scope: MutableMapping[str, Any]) -> Identity | Rejection:
    """Like `first_try`, and waits where a key set must be fetched first."""
    found = first_try(auth, scope)
    if isinstance(found, Pending):
        try:
            found = await auth.authenticate(scope)
        except Rejection as rejection:
            return _remember(auth, scope, rejection)
        scope[_VERDICT] = (auth, scope["headers"], found)
    return found


def _remember(
    auth: Authenticator, scope: MutableMapping[str, Any], rejection: Rejection
) -> Rejection:
    report(rejection)
    # The traceback would keep a frame, and with it the scope, in a reference cycle.
    scope[_VERDICT] = (auth, scope["headers"], rejection.with_traceback(None))
    return rejection


def report(rejection: Rejection) -> None:
    """Tells the operator what the caller is not told. Trouble on our side is a warning."""
    level = logging.WARNING if rejection.status >= 500 else logging.INFO
    _logger.log(level, "refused: %s (%s)", rejection, rejection.hint)
