"""A local issuer for tests: real tokens with real signatures, no network, no account.

    with DevIssuer() as issuer:
        auth = Authenticator([Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=ANY)])
        auth.verify(issuer.mint(sub="user_1"))

Its keys are made when it is made and are good for nothing else.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ._doorward import DevIssuer as _Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self, Unpack

    from ._types import Algorithm, Fault

__all__ = ["Defect", "DevIssuer", "Mint", "Organization"]

Defect = Literal[
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "wrong_key",
    "unknown_kid",
    "no_kid",
    "wrong_iss",
    "wrong_aud",
    "wrong_azp",
    "no_azp",
    "alg_none",
    "hmac_with_public_key",
    "no_exp",
    "no_sub",
    "pending",
    "string_exp",
    "bad_signature",
    "truncated",
    "crit_unknown",
    "embedded_jwk",
    "logout_typ",
    "duplicate_claim",
    "junk",
]


class Organization(TypedDict, total=False):
    """An organization the subject is active in."""

    id: str
    slug: str
    #: With or without `org:`; each version of the token writes it its own way.
    role: str
    #: `org:posts:read`
    permissions: Sequence[str]


class Mint(TypedDict, total=False):
    """What a token shall say. Everything has a default: nothing at all is a good Clerk session."""

    kind: Literal["session", "session_v1", "oauth", "m2m", "template", "oidc"]
    sub: str
    sid: str
    azp: str
    aud: str | Sequence[str]
    iss: str
    org: Organization
    #: Scoped: `o:posts`, `u:beta`.
    features: Sequence[str]
    #: Scoped: `u:pro`.
    plans: Sequence[str]
    scopes: Sequence[str]
    client_id: str
    status: Literal["active", "pending"]
    #: Minutes since the first and the second factor; -1 is never.
    fva: tuple[int, int]
    #: `act`, who acts as the subject.
    actor: dict[str, Any]
    #: Seconds from `iat` to `exp`.
    ttl: int
    #: `iat`, if not the clock's time.
    issued_at: int
    #: More claims, merged last: they add or override.
    claims: dict[str, Any]
    #: More header parameters: they add or override.
    header: dict[str, Any]
    #: Claims to leave out, after everything else was put in.
    without: Sequence[str]
    alg: Algorithm
    #: The one thing that shall be wrong.
    defect: Defect


class DevIssuer:
    """The issuer behind `doorward dev`, in this process. `with` starts and stops its server.

    `clock` is a callable returning seconds since the epoch; give the same one to the authenticator
    under test.
    """

    def __init__(
        self,
        *,
        issuer: str | None = None,
        algorithms: Sequence[Algorithm] = ("RS256",),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._engine = _Engine(issuer=issuer, algorithms=algorithms, clock=clock)

    @property
    def issuer(self) -> str:
        """Its `iss`. A loopback URL once it is started, unless it was named."""
        return self._engine.issuer

    @property
    def jwks_url(self) -> str:
        """Where its keys are served while it is started."""
        return self._engine.jwks_url

    @property
    def publishable_key(self) -> str:
        """A Clerk publishable key that leads to this issuer."""
        return self._engine.publishable_key

    @property
    def jwks_fetches(self) -> int:
        """How often the key set was fetched so far."""
        return self._engine.jwks_fetches

    def jwks(self) -> str:
        """The key set as JSON."""
        return self._engine.jwks()

    def public_pem(self) -> str:
        """The first public key."""
        return self._engine.public_pem()

    def private_pem(self) -> str:
        """The first signing key (PKCS#8), so that other libraries can sign in its name."""
        return self._engine.private_pem()

    def mint(self, **spec: Unpack[Mint]) -> str:
        """A signed token. The arguments are the members of a mint specification; none make a good
        session token.
        """
        return self._engine.mint(json.dumps(spec))

    def rotate(self) -> str:
        """Replaces the signing keys by a new one and returns its `kid`."""
        return self._engine.rotate()

    def rotate_overlapping(self) -> str:
        """Signs with a new key from now on while the old ones stay published; returns its `kid`."""
        return self._engine.rotate_overlapping()

    def fault(self, kind: Fault, seconds: float = 0.0) -> None:
        """Makes the key endpoint misbehave from now on; `seconds` is the delay of `slow`."""
        self._engine.fault(kind, seconds)

    def start(self) -> str:
        """Serves discovery and keys on a free loopback port; returns the base URL."""
        return self._engine.start()

    def stop(self) -> None:
        self._engine.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"DevIssuer({self.issuer!r})"
