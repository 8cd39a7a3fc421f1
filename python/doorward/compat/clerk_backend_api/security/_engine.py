"""One authenticator per distinct set of options, and its refusals in Clerk's words."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from doorward._authenticator import Authenticator
from doorward._doorward import REASONS
from doorward._rejection import ConfigError, Rejection
from doorward._types import TokenKind

from .types import (
    AuthenticateRequestOptions,
    AuthErrorReason,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
    opaque_kind,
)

if TYPE_CHECKING:
    Reason = AuthErrorReason | TokenVerificationErrorReason

_KINDS: dict[str, tuple[TokenKind, ...]] = {
    "session_token": ("session_token",),
    "oauth_token": ("oauth_token",),
    "api_key": ("api_key",),
    "m2m_token": ("m2m_token",),
    "machine_token": ("m2m_token",),
    "any": ("session_token", "oauth_token", "api_key", "m2m_token"),
}


class Misconfigured(Exception):
    """The options cannot verify anything; `reason` says why in Clerk's words."""

    def __init__(self, reason: TokenVerificationErrorReason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def engine(
    options: AuthenticateRequestOptions | VerifyTokenOptions, token: str = ""
) -> Authenticator:
    """The authenticator for `options`. Equal options share one, and so its keys. Raises
    `Misconfigured`, or `ConfigError` where not the key is to blame.

    `VerifyTokenOptions` name no kind of token. There the kind follows from how `token` begins, so
    that a JWT is a session's or nothing.
    """
    secret_key, jwt_key = options.secret_key or None, options.jwt_key or None
    if isinstance(options, AuthenticateRequestOptions):
        kinds = _accepted(_names(options.accepts_token) or (), secret_key)
        # The original cannot be sent elsewhere; ours can, as Clerk's Node SDK can.
        api_url = os.environ.get("CLERK_API_URL") or None
    else:
        kinds = (opaque_kind(token) or "session_token",)
        api_url = options.api_url
    asked = kinds != ("session_token",)
    machine_secret_key = (options.machine_secret_key or None) if "m2m_token" in kinds else None
    if secret_key is None and jwt_key is None and machine_secret_key is None:
        raise Misconfigured(TokenVerificationErrorReason.SECRET_KEY_MISSING)
    wanted = _Wanted(
        # For sessions the public key is enough, and a secret that is not needed is not kept.
        None if jwt_key and not asked else secret_key,
        machine_secret_key,
        jwt_key,
        None if jwt_key and not asked else api_url,
        _names(options.audience),
        _parties(options.authorized_parties),
        options.clock_skew_in_ms,
        kinds,
    )
    found = _engines.get(wanted)
    return found if found is not None else _remember(wanted, _build(wanted))


def _accepted(names: tuple[str, ...], secret_key: str | None) -> tuple[TokenKind, ...]:
    """Our words for the kinds that are accepted."""
    kinds: dict[TokenKind, None] = {}
    for name in names:
        kinds.update(dict.fromkeys(_KINDS[name]))
    if secret_key is None and "any" in names:
        # Whatever can be verified, that is; API keys without a secret cannot.
        kinds.pop("api_key")
    return tuple(kinds)


class _Wanted(NamedTuple):
    """What makes an authenticator. Never to be printed: it holds the key."""

    secret_key: str | None
    machine_secret_key: str | None
    jwt_key: str | None
    api_url: str | None
    audience: tuple[str, ...] | None = None
    authorized_parties: tuple[str, ...] | None = None
    clock_skew_in_ms: int = 5000
    accepts: tuple[TokenKind, ...] = ("session_token",)

    def __repr__(self) -> str:
        return "_Wanted(…)"


def _build(wanted: _Wanted) -> Authenticator:
    try:
        return _authenticator(wanted)
    except ConfigError as error:
        try:
            _authenticator(_Wanted(*wanted[:4]))
        except ConfigError:
            raise Misconfigured(TokenVerificationErrorReason.JWK_FAILED_TO_RESOLVE) from error
        raise


def _authenticator(wanted: _Wanted) -> Authenticator:
    parties = wanted.authorized_parties
    # A machine's key reads opaque tokens and no keys: JWTs then come from nobody it trusts.
    keyless = wanted.secret_key is None and wanted.jwt_key is None
    return Authenticator.clerk(
        issuer=_NOBODYS if keyless else None,
        secret_key=wanted.secret_key,
        machine_secret_key=wanted.machine_secret_key,
        jwt_key=wanted.jwt_key,
        api_url=wanted.api_url,
        audience=wanted.audience,
        authorized_parties=_NOBODY if parties == () else parties,
        accepts=wanted.accepts,
        leeway=wanted.clock_skew_in_ms / 1000,
        cache_bytes=_LARGE if len(_engines) < _LARGE_ONES else _SMALL,
    )


def _remember(wanted: _Wanted, built: Authenticator) -> Authenticator:
    """Keeps it, or the one that another thread built meanwhile. No lock, so none is held by a
    thread that a fork leaves behind.
    """
    kept = _engines.setdefault(wanted, built)
    while len(_engines) > _MOST:
        # The one that was used longest ago would be the worst choice: options that come round in
        # turn, a few more than fit, would then each find themselves evicted. By lot most stay.
        others = [one for one in list(_engines) if one != wanted]
        _engines.pop(random.choice(others), None)
    return kept


@lru_cache(maxsize=1)
def reader() -> Authenticator:
    """An authenticator that trusts nobody and fetches nothing: it tells whether a request presents
    a token.
    """
    return Authenticator.clerk(issuer=_NOBODYS)


def request_reason(rejection: Rejection) -> Reason:
    """Clerk's reason for the refusal of a request."""
    code = _CLERK_CODES.get(rejection.reason.value)
    if code == "token-type-mismatch":
        return AuthErrorReason.TOKEN_TYPE_NOT_SUPPORTED
    if code == "session-token-missing":
        return AuthErrorReason.SESSION_TOKEN_MISSING
    return token_reason(rejection)


def token_reason(rejection: Rejection) -> TokenVerificationErrorReason:
    """Clerk's reason for the refusal of a bare token."""
    code = _CLERK_CODES.get(rejection.reason.value)
    if code == "token-type-mismatch":
        return TokenVerificationErrorReason.INVALID_TOKEN_TYPE
    return _BY_CODE.get(code, TokenVerificationErrorReason.TOKEN_INVALID)


def _names(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    return (value,) if isinstance(value, str) else None if value is None else tuple(value)


def _parties(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Origins; one string may name several, between commas."""
    if isinstance(value, str):
        value = [party for party in (part.strip() for part in value.split(",")) if party]
    return None if value is None else tuple(value)


_CLERK_CODES = {row[0]: row[3] for row in REASONS}
_BY_CODE: dict[str | None, TokenVerificationErrorReason] = {
    reason.code: reason for reason in TokenVerificationErrorReason
}
#: An origin that no browser has: an empty list of parties lets nobody in.
_NOBODY = ("https://nobody.invalid",)
#: An issuer that nobody can have.
_NOBODYS = "https://nobody.invalid"

_engines: dict[_Wanted, Authenticator] = {}
#: Enough for a tenant each. Beyond it some of them fetch their keys again now and then.
_MOST = 1024
#: What an authenticator may remember of tokens, in bytes: all of them together less than 256 MiB.
_LARGE, _LARGE_ONES, _SMALL = 16 * 1024 * 1024, 8, 128 * 1024
