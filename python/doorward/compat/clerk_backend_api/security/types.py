"""The options, states and reasons of `clerk_backend_api.security`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

from doorward._rejection import ConfigError, Rejection
from doorward.compat._suggest import did_you_mean, text, texts

if TYPE_CHECKING:
    from doorward._doorward import Identity
    from doorward._types import TokenKind

__all__ = [
    "APIKeyMachineAuthObject",
    "AuthErrorReason",
    "AuthObject",
    "AuthStatus",
    "AuthenticateRequestOptions",
    "M2MMachineAuthObject",
    "OAuthMachineAuthObject",
    "RequestState",
    "Requestish",
    "SessionAuthObjectV1",
    "SessionAuthObjectV2",
    "TokenType",
    "TokenVerificationError",
    "TokenVerificationErrorReason",
    "VerifyTokenOptions",
]


class _Reason(str, Enum):
    """A string that is Clerk's code, whose `value` is the pair of code and message as in the
    original.
    """

    __str__ = str.__str__
    __repr__ = str.__repr__
    __format__ = str.__format__  # type: ignore[assignment]

    def __new__(cls, code: str, message: str) -> _Reason:
        reason = str.__new__(cls, code)
        reason._value_ = (code, message)
        return reason

    def __hash__(self) -> int:
        return str.__hash__(self)

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


class AuthErrorReason(_Reason):
    """Why a request is signed out before its token was looked at."""

    SESSION_TOKEN_MISSING = (
        "session-token-missing",
        "Could not retrieve session token. Please make sure that the __session cookie or the HTTP "
        "authorization header contain a Clerk-generated session JWT",
    )
    SECRET_KEY_MISSING = (
        "secret-key-missing",
        "Missing Clerk Secret Key. Go to https://dashboard.clerk.com and get your key for your "
        "instance.",
    )
    TOKEN_TYPE_NOT_SUPPORTED = (
        "token-type-not-supported",
        "The provided token type is not supported. Expected one of: session_token, machine_token, "
        "oauth_token, or api_key.",
    )


class TokenVerificationErrorReason(_Reason):
    """Why a token was refused."""

    JWK_FAILED_TO_LOAD = (
        "jwk-failed-to-load",
        "Failed to load JWKS from Clerk Backend API. Contact support@clerk.com.",
    )
    JWK_REMOTE_INVALID = (
        "jwk-remote-invalid",
        "The JWKS endpoint did not contain any signing keys. Contact support@clerk.com.",
    )
    JWK_FAILED_TO_RESOLVE = (
        "jwk-failed-to-resolve",
        "Failed to resolve JWK. Public Key is not in the proper format.",
    )
    JWK_KID_MISMATCH = (
        "jwk-kid-mismatch",
        "Unable to find a signing key in JWKS that matches the kid of the provided session token.",
    )
    TOKEN_EXPIRED = ("token-expired", "Token has expired and is no longer valid.")
    TOKEN_INVALID = ("token-invalid", "Token is invalid and could not be verified.")
    TOKEN_INVALID_AUTHORIZED_PARTIES = (
        "token-invalid-authorized-parties",
        "Authorized party claim (azp) does not match any of the authorized parties.",
    )
    TOKEN_INVALID_AUDIENCE = (
        "token-invalid-audience",
        "Token audience claim (aud) does not match one of the expected audience values.",
    )
    # Named by the documentation; the original never checks the issuer and has no such reason.
    TOKEN_INVALID_ISSUER = (
        "token-invalid-issuer",
        "Token issuer claim (iss) does not match the expected instance.",
    )
    TOKEN_IAT_IN_THE_FUTURE = (
        "token-iat-in-the-future",
        "Token Issued At claim (iat) represents a time in the future.",
    )
    TOKEN_NOT_ACTIVE_YET = (
        "token-not-active-yet",
        "Token is not yet valid. Not Before claim (nbf) is in the future.",
    )
    TOKEN_INVALID_SIGNATURE = (
        "token-invalid-signature",
        "Token signature is invalid and could not be verified.",
    )
    SECRET_KEY_MISSING = (
        "secret-key-missing",
        "Missing Clerk Secret Key. Go to https://dashboard.clerk.com and get your key for your "
        "instance.",
    )
    SERVER_ERROR = (
        "server-error",
        "An unexpected error occurred while verifying the token. Please try again later",
    )
    INVALID_TOKEN_TYPE = (
        "invalid-token-type",
        "The provided token is not a valid Clerk token type. Expected one of: session, machine, "
        "oauth, or api key.",
    )


class TokenVerificationError(Exception):
    """A token was refused, or could not be judged."""

    def __init__(self, reason: TokenVerificationErrorReason) -> None:
        self.reason = reason
        super().__init__(reason.message)

    def __reduce__(self) -> tuple[type[TokenVerificationError], tuple[object, ...]]:
        return type(self), (self.reason,)


class TokenType(Enum):
    """The kinds of token Clerk issues."""

    SESSION_TOKEN = "session_token"
    API_KEY = "api_key"
    MACHINE_TOKEN = "machine_token"
    MACHINE_TOKEN_V2 = "m2m_token"
    OAUTH_TOKEN = "oauth_token"


class AuthStatus(Enum):
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"


class Requestish(Protocol):
    """Anything with headers: the requests of FastAPI, Starlette, Flask, Django and their like.

    Flask's are no `Mapping` and Django's are a cached property, so their type is not named.
    """

    @property
    def headers(self) -> Any: ...


@dataclass
class AuthenticateRequestOptions:
    """What `authenticate_request` needs to know.

    `secret_key`          fetches the instance's keys from Clerk's Backend API, and asks it about
                          opaque tokens.
    `machine_secret_key`  asks about opaque machine tokens, before `secret_key` does; the original
                          prefers the latter.
    `jwt_key`             the instance's public key, in any spelling; no keys are fetched then.
    `audience`            one of these must be in `aud`. `None`: not looked at.
    `authorized_parties`  origins of which `azp` must be one, exactly. `None`: not looked at; a
                          string is split on commas; an empty list refuses everybody.
    `clock_skew_in_ms`    milliseconds by which clocks may differ.
    `accepts_token`       kinds of token, opaque or JWTs. Only session tokens unless told otherwise;
                          the original's default is `any`. `machine_token` is `m2m_token`.

    The environment's `CLERK_API_URL`, if it is set, is where the Backend API is.

    Options that make no sense raise `ConfigError` where they are written.
    """

    secret_key: str | None = field(default=None, repr=False)
    machine_secret_key: str | None = field(default=None, repr=False)
    jwt_key: str | None = field(default=None, repr=False)
    audience: str | list[str] | None = None
    authorized_parties: str | Sequence[str] | None = None
    clock_skew_in_ms: int = 5000
    accepts_token: str | Sequence[str] = field(default_factory=lambda: ["session_token"])

    def __post_init__(self) -> None:
        _check(self)
        kinds = texts("accepts_token", self.accepts_token)
        if not kinds:
            raise ConfigError("accepts_token: names no kind of token, so all would be refused")
        known = ["any", *(kind.value for kind in TokenType)]
        for kind in kinds:
            if kind not in known:
                raise ConfigError(
                    f"accepts_token: {kind!r} is no kind of token{did_you_mean(kind, known)}"
                )


@dataclass
class VerifyTokenOptions:
    """What `verify_token` needs to know; see `AuthenticateRequestOptions`.

    `api_url` is the base of Clerk's Backend API, `api_version` its version; only `v1` is known.
    """

    audience: str | list[str] | None = None
    authorized_parties: str | Sequence[str] | None = None
    clock_skew_in_ms: int = 5000
    jwt_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    machine_secret_key: str | None = field(default=None, repr=False)
    api_url: str = "https://api.clerk.com"
    api_version: str = "v1"

    def __post_init__(self) -> None:
        _check(self)
        text("api_url", self.api_url)
        if self.api_version != "v1":
            raise ConfigError(f"api_version: only 'v1' is known, found {self.api_version!r}")


def _check(options: AuthenticateRequestOptions | VerifyTokenOptions) -> None:
    """What both kinds of options have in common, and what only Python can get wrong."""
    text("secret_key", options.secret_key)
    text("machine_secret_key", options.machine_secret_key)
    _check_jwt_key(options.jwt_key)
    if texts("audience", options.audience) == ():
        raise ConfigError(
            "audience: names none, so every token would be refused; name this API, or leave it out"
        )
    texts("authorized_parties", options.authorized_parties)
    _check_skew(options.clock_skew_in_ms)


def _check_jwt_key(key: object) -> None:
    if not isinstance(key, bytes):  # what reading a file gives will do as well
        text("jwt_key", key)


def _check_skew(skew: object) -> None:
    if not isinstance(skew, (int, float)) or not 0 <= skew <= _LONGEST_SKEW_IN_MS:
        raise ConfigError(
            f"clock_skew_in_ms: expected milliseconds from 0 to {_LONGEST_SKEW_IN_MS}, "
            f"found {skew!r}"
        )


class AuthObject(ABC):  # noqa: B024 - the original's base has no methods either
    """What `RequestState.to_auth` returns."""


@dataclass
class SessionAuthObjectV2(AuthObject):
    exp: int | None = None
    iat: int | None = None
    iss: str | None = None
    sid: str | None = None
    sub: str | None = None
    v: int | None = None
    jti: str | None = None
    role: str | None = None
    fva: list[int] | None = None
    nbf: int | None = None
    email: str | None = None
    azp: str | None = None
    org_id: str | None = None
    org_slug: str | None = None
    org_role: str | None = None
    org_permissions: list[str] | None = None


@dataclass
class SessionAuthObjectV1(AuthObject):
    session_id: str | None = None
    user_id: str | None = None
    org_id: str | None = None
    org_role: str | None = None
    org_permissions: list[str] | None = None
    factor_verification_age: list[int] | None = None
    claims: dict[str, Any] | None = None


@dataclass
class OAuthMachineAuthObject(AuthObject):
    token_type: TokenType = TokenType.OAUTH_TOKEN
    id: str | None = None
    user_id: str | None = None
    client_id: str | None = None
    name: str | None = None
    scopes: list[str] | None = None


@dataclass
class APIKeyMachineAuthObject(AuthObject):
    token_type: TokenType = TokenType.API_KEY
    id: str | None = None
    user_id: str | None = None
    org_id: str | None = None
    name: str | None = None
    scopes: list[str] | None = None
    claims: dict[str, Any] | None = None


@dataclass
class M2MMachineAuthObject(AuthObject):
    token_type: TokenType = TokenType.MACHINE_TOKEN
    id: str | None = None
    machine_id: str | None = None
    client_id: str | None = None
    name: str | None = None
    scopes: list[str] | None = None
    claims: dict[str, Any] | None = None


@dataclass
class RequestState:
    """Whether a request is signed in, and as whom."""

    status: AuthStatus
    reason: AuthErrorReason | TokenVerificationErrorReason | None = None
    token: str | None = field(default=None, repr=False)
    payload: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self._identity: object = None
        self._rejection: object = None
        self._machine: OAuthMachineAuthObject | M2MMachineAuthObject | None = None

    def of(self, answer: Identity | Rejection) -> RequestState:
        """This state, with the engine's own answer behind it."""
        if isinstance(answer, Rejection):
            self._rejection = answer
        else:
            self._identity = answer
            self._machine = _from_jwt(answer)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # An identity cannot travel between processes; everything else can.
        return {**self.__dict__, "_identity": None}

    @property
    def identity(self) -> Identity | None:
        """The engine's own answer, where the request is signed in. Ours, and so not a field."""
        return cast("Identity | None", self._identity)

    @property
    def rejection(self) -> Rejection | None:
        """The engine's own refusal, where the request is signed out: with the HTTP status (503 when
        the keys are out of reach), the challenge and the body. `None` where the options are at
        fault. Ours, and so not a field.
        """
        return cast("Rejection | None", self._rejection)

    @property
    def is_signed_in(self) -> bool:
        return self.status is AuthStatus.SIGNED_IN

    @property
    def is_authenticated(self) -> bool:
        return self.is_signed_in

    @property
    def message(self) -> str | None:
        return None if self.reason is None else self.reason.message

    def to_auth(self) -> AuthObject:
        """The caller as an object of its kind. Raises `ValueError` when signed out."""
        if not self.is_signed_in:
            raise ValueError("Cannot convert to AuthObject in unauthenticated state.")
        if self.payload is None:
            raise ValueError("Payload must be provided for authenticated states.")
        if self.token is None:
            raise ValueError("Token must be provided for authenticated states.")
        payload = self.payload
        kind = opaque_kind(self.token)
        if kind is not None:
            return _from_answer(kind, payload)
        if self._machine is not None:
            return replace(self._machine)
        if payload.get("v") == 2:
            return SessionAuthObjectV2(**{name: payload.get(name) for name in _SESSION_V2})
        return SessionAuthObjectV1(
            session_id=payload.get("sid"),
            user_id=payload.get("sub"),
            org_id=payload.get("org_id"),
            org_role=payload.get("org_role"),
            org_permissions=payload.get("org_permissions"),
            factor_verification_age=payload.get("fva"),
            claims=payload,
        )


def opaque_kind(token: str) -> TokenKind | None:
    """The kind of an opaque token, by how it begins; `None` for all others."""
    return next((kind for prefix, kind in _PREFIXES if token.startswith(prefix)), None)


def _from_answer(kind: TokenKind, said: dict[str, Any]) -> AuthObject:
    """The caller, from what Clerk says of an opaque token."""
    subject = said.get("subject")
    if kind == "oauth_token":
        return OAuthMachineAuthObject(
            id=said.get("id"),
            user_id=subject,
            client_id=said.get("client_id"),
            name=said.get("name"),
            scopes=said.get("scopes"),
        )
    if kind == "api_key":
        family = str(subject).partition("_")[0]
        return APIKeyMachineAuthObject(
            id=said.get("id"),
            user_id=subject if family == "user" else None,
            org_id=subject if family == "org" else None,
            name=said.get("name"),
            scopes=said.get("scopes"),
            claims=said.get("claims"),
        )
    return M2MMachineAuthObject(
        id=said.get("id"),
        machine_id=subject,
        client_id=said.get("client_id"),
        name=said.get("name"),
        scopes=said.get("scopes"),
        claims=said.get("claims"),
    )


def _from_jwt(identity: Identity) -> OAuthMachineAuthObject | M2MMachineAuthObject | None:
    """The caller, where it comes with a machine's JWT or an OAuth one. The original knows neither;
    these are the same members as of the opaque form.
    """
    if identity.kind == "oauth_token":
        return OAuthMachineAuthObject(
            id=identity.token_id,
            user_id=identity.user_id,
            client_id=identity.client_id,
            name=identity.claims.get("name"),
            scopes=list(identity.scopes),
        )
    if identity.kind == "m2m_token":
        own = {name: value for name, value in identity.claims.items() if name not in _REGISTERED}
        return M2MMachineAuthObject(
            id=identity.token_id,
            machine_id=identity.subject,
            client_id=identity.client_id,
            name=identity.claims.get("name"),
            scopes=list(identity.scopes),
            claims=own or None,
        )
    return None


#: How opaque tokens begin. The second of machine tokens is that of old.
_PREFIXES: tuple[tuple[str, TokenKind], ...] = (
    ("ak_", "api_key"),
    ("oat_", "oauth_token"),
    ("mt_", "m2m_token"),
    ("m2m_", "m2m_token"),
)
#: What a machine's JWT has besides the claims it was made with.
_REGISTERED = frozenset({"iss", "sub", "exp", "nbf", "iat", "jti"})
_SESSION_V2 = tuple(SessionAuthObjectV2.__dataclass_fields__)
#: The engine's limit: beyond it, mend the clock.
_LONGEST_SKEW_IN_MS = 300_000
