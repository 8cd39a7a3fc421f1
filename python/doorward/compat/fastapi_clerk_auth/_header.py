"""Bearer tokens from the header alone: the original reads no cookies, and so needs no defence
against CSRF.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from doorward._authenticator import Authenticator
from doorward._doorward import Identity
from doorward._rejection import Rejection
from doorward._verdict import report
from doorward.observe import verified

#: Where a scope remembers its verdict, which authenticator reached it, and from which headers.
_VERDICT = "doorward.compat.verdict"


async def header_verdict(
    auth: Authenticator, scope: MutableMapping[str, Any]
) -> tuple[Identity, str] | Rejection:
    """The caller and the token, or why there is none; asked once per request."""
    remembered = scope.get(_VERDICT)
    # Frameworks copy the list of headers, so it is compared by what is in it.
    if remembered is not None and remembered[0] is auth and remembered[1] == scope["headers"]:
        return remembered[2]
    head = bearer_only(scope)
    found: tuple[Identity, str] | Rejection
    try:
        found = (await auth.authenticate(head), auth.token(head))
        verified(found[0])
    except Rejection as rejection:
        found = rejection.with_traceback(None)
        report(rejection)
    scope[_VERDICT] = (auth, scope["headers"], found)
    return found


def bearer_only(scope: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The request's `Authorization` fields."""
    return [field for field in scope["headers"] if field[0].lower() == b"authorization"]
