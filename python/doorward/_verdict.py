"""One verification per request, remembered in the ASGI scope or the WSGI environ."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from . import observe
from ._doorward import Pending
from ._origin import cross_origin
from ._rejection import Rejection

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ._authenticator import Authenticator
    from ._doorward import Identity, Policy

_logger = logging.getLogger("doorward")

#: Where a request remembers its verdict: which authenticator reached it, and from which headers.
#: The engine writes it too.
VERDICT = "doorward.verdict"
#: Where an ASGI scope has the authenticator of the nearest door, even one that asked nobody.
DOOR = "doorward.door"


def first_try(
    auth: Authenticator, scope: MutableMapping[str, Any], *, check_origin: bool = True
) -> Identity | Rejection | Pending:
    """What `auth` says about an ASGI request without waiting; asked once for all askers, of whom
    the first decides whether a cookie is accepted from anywhere (`check_origin=False`).
    """
    remembered = scope.get(VERDICT)
    # Frameworks copy the list of headers, so it is compared by what is in it.
    if remembered is not None and remembered[0] is auth and remembered[1] == scope["headers"]:
        return remembered[2]
    try:
        found = auth.authenticate_nowait(scope)
    except Rejection as rejection:
        return refused(auth, scope, rejection)
    if isinstance(found, Pending):
        return found
    return _admitted(auth, scope, scope["headers"], found, check_origin)


async def verdict(
    auth: Authenticator, scope: MutableMapping[str, Any], *, check_origin: bool = True
) -> Identity | Rejection:
    """Like `first_try`, and waits where a key set must be fetched first."""
    found = first_try(auth, scope, check_origin=check_origin)
    if isinstance(found, Pending):
        try:
            found = await auth.authenticate(scope)
        except Rejection as rejection:
            return refused(auth, scope, rejection)
        return _admitted(auth, scope, scope["headers"], found, check_origin)
    return found


def verdict_blocking(
    auth: Authenticator, environ: MutableMapping[str, Any], *, check_origin: bool = True
) -> Identity | Rejection:
    """What `auth` says about a WSGI request. Blocks, without the GIL, where a key set must be
    fetched first.
    """
    # Hashes, because error reports print the environ.
    presented = (hash(environ.get("HTTP_AUTHORIZATION")), hash(environ.get("HTTP_COOKIE")))
    remembered = environ.get(VERDICT)
    if remembered is not None and remembered[0] is auth and remembered[1] == presented:
        return remembered[2]
    try:
        found = auth.authenticate_blocking(environ)
    except Rejection as rejection:
        return _remember(auth, environ, presented, rejection)
    return _admitted(auth, environ, presented, found, check_origin)


def permitted(auth: Authenticator, policy: Policy, identity: Identity) -> Rejection | None:
    """Why a policy refuses an identity; `None` where it does not."""
    try:
        auth.permit(policy, identity)
    except Rejection as rejection:
        report(rejection)
        # The traceback would keep a frame, and with it the request, in a reference cycle.
        return rejection.with_traceback(None)
    return None


def _admitted(
    auth: Authenticator,
    request: MutableMapping[str, Any],
    presented: object,
    identity: Identity,
    check_origin: bool,
) -> Identity | Rejection:
    crossed = cross_origin(auth, request) if check_origin else None
    if crossed is not None:
        return _remember(auth, request, presented, crossed)
    request[DOOR] = auth
    request[VERDICT] = (auth, presented, identity)
    observe.verified(identity)
    return identity


def refused(
    auth: Authenticator, scope: MutableMapping[str, Any], rejection: Rejection
) -> Rejection:
    """Reports a refusal, and remembers it for those who ask again."""
    return _remember(auth, scope, scope["headers"], rejection)


def _remember(
    auth: Authenticator, request: MutableMapping[str, Any], presented: object, rejection: Rejection
) -> Rejection:
    report(rejection)
    request[DOOR] = auth
    request[VERDICT] = (auth, presented, rejection.with_traceback(None))
    return rejection


def report(rejection: Rejection) -> None:
    """Tells the operator what the caller is not told. Trouble on our side is a warning, a stranger
    without credentials is not worth more than a word to a debugger.
    """
    # Where authentication is optional, nobody without credentials is refused: that is no news.
    level = logging.DEBUG if rejection.absent else logging.INFO
    if rejection.status >= 500:
        level = logging.WARNING
    _logger.log(
        level,
        "refused: %s (%s)",
        rejection,
        rejection.hint,
        extra={
            "reason": rejection.reason.value,
            "detail": rejection.detail,
            "hint": rejection.hint,
        },
    )
    observe.refused(rejection)
