"""Who is calling, in the shape of `clerk_backend_api.security.authenticaterequest`."""

from __future__ import annotations

import logging
from typing import Any

from doorward._authenticator import Authenticator
from doorward._doorward import Identity
from doorward._rejection import Rejection
from doorward._verdict import report
from doorward.observe import verified

from ._engine import Misconfigured, engine, reader, request_reason
from .types import AuthenticateRequestOptions, AuthStatus, Requestish, RequestState

__all__ = ["authenticate_request", "authenticate_request_async"]

_logger = logging.getLogger("doorward")


def authenticate_request(request: Requestish, options: AuthenticateRequestOptions) -> RequestState:
    """The state of a request. Blocks when keys must be fetched first; with `jwt_key` nothing is
    fetched.

    `request` is anything with `.headers`, an ASGI scope or a WSGI environ. Raises `ConfigError`
    when the options make no sense; options without a usable key are a `reason`, as in the original.
    """
    try:
        auth = engine(options)
        return _signed_in(auth, request, auth.authenticate_blocking(request))
    except Rejection as rejection:
        return _signed_out(rejection)
    except Misconfigured as trouble:
        return _unjudged(request, trouble)


async def authenticate_request_async(
    request: Requestish, options: AuthenticateRequestOptions
) -> RequestState:
    """Like `authenticate_request`, without blocking the event loop."""
    try:
        auth = engine(options)
        return _signed_in(auth, request, await auth.authenticate(request))
    except Rejection as rejection:
        return _signed_out(rejection)
    except Misconfigured as trouble:
        return _unjudged(request, trouble)


def _signed_in(auth: Authenticator, request: Requestish, identity: Identity) -> RequestState:
    verified(identity)
    return RequestState(
        status=AuthStatus.SIGNED_IN,
        token=auth.token(request),
        payload=_enriched(identity),
    ).of(identity)


def _signed_out(rejection: Rejection) -> RequestState:
    report(rejection)
    state = RequestState(status=AuthStatus.SIGNED_OUT, reason=request_reason(rejection))
    # A traceback would keep the request alive as long as the state.
    return state.of(rejection.with_traceback(None))


def _unjudged(request: Requestish, trouble: Misconfigured) -> RequestState:
    """The options are at fault. A request without a token is signed out all the same, and for that
    reason.
    """
    try:
        reader().token(request)
    except Rejection as rejection:
        return _signed_out(rejection)
    _logger.error("no token can be verified: %s", trouble.__cause__ or trouble)
    return RequestState(status=AuthStatus.SIGNED_OUT, reason=trouble.reason)


def _enriched(identity: Identity) -> dict[str, Any]:
    """The claims, with the flat organization members of old that version 2 of the session token
    packs away.

    For version 2 they always come from what was packed: a token cannot bring its own.
    """
    payload = dict(identity.claims)
    if payload.get("v") == 2 and identity.kind == "session_token":
        members = {
            "org_id": identity.organization_id,
            "org_slug": identity.organization_slug,
            "org_role": identity.raw_role,
            "org_permissions": list(identity.permissions) or None,
        }
        for name, value in members.items():
            payload.pop(name, None)
            if value is not None:
                payload[name] = value
    return payload
