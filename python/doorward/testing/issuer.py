"""A local issuer for tests: real tokens with real signatures, no network, no account.

    with DevIssuer() as issuer:
        auth = Authenticator([Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=ANY)])
        auth.verify(issuer.mint(sub="user_1"))

Its keys are made when it is made and are good for nothing else.
"""

from __future__ import annotations

from math import isfinite
from types import TracebackType
from typing import TYPE_CHECKING

from doorward._authenticator import Authenticator
from doorward._doorward import DevIssuer as _Engine
from doorward._doorward import Issuer

from .mint import Minter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from doorward._doorward import Any_
    from doorward._types import Algorithm, Fault, TokenKind

__all__ = ["PARTY", "DevIssuer"]

#: The party that session tokens are made for, unless they say another.
PARTY = "http://localhost:3000"


class DevIssuer:
    """The issuer behind `doorward dev`, in this process. `with` starts and stops its server.

    `clock` is a callable returning seconds since the epoch; give the same one to the authenticator
    under test, if `authenticator()` does not make it.
    """

    #: Signs tokens: `issuer.mint(sub="user_1")`, `issuer.mint.expired()`.
    mint: Minter

    def __init__(
        self,
        *,
        issuer: str | None = None,
        algorithms: Sequence[Algorithm] = ("RS256",),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._use(_Engine(issuer=issuer, algorithms=algorithms, clock=clock), clock, None)

    def _use(self, engine: _Engine, clock: Callable[[], float] | None, url: str | None) -> None:
        self._engine = engine
        self._clock = clock
        self._url = url
        self.mint = Minter(engine.mint)

    @property
    def issuer(self) -> str:
        """Its `iss`. A loopback URL once it is started, unless it was named."""
        return self._engine.issuer

    @property
    def clock(self) -> Callable[[], float] | None:
        """The clock it was given; without one it goes by the time of the machine."""
        return self._clock

    @property
    def jwks_url(self) -> str:
        """Where its keys are served while it is started."""
        if self._url is None:
            return self._engine.jwks_url
        return f"{self._url}/.well-known/jwks.json"

    @property
    def publishable_key(self) -> str:
        """A Clerk publishable key that leads to this issuer."""
        return self._engine.publishable_key

    def jwks(self) -> str:
        """The key set as JSON."""
        return self._engine.jwks()

    def public_pem(self) -> str:
        """The first public key."""
        return self._engine.public_pem()

    def private_pem(self) -> str:
        """The first signing key (PKCS#8), so that other libraries can sign in its name."""
        return self._engine.private_pem()

    # How an application comes to trust it.

    def authenticator(
        self,
        *,
        audience: str | Sequence[str] | Any_ | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        allow_pending: bool = False,
        leeway: float = 5.0,
        clock: Callable[[], float] | None = None,
        cookies: Sequence[str] | None = None,
        explain: bool = False,
        problem_details: bool = False,
    ) -> Authenticator:
        """An authenticator that trusts this issuer and no other, with its clock.

        It is the one for Clerk, and takes tokens made for `http://localhost:3000`, as the minted
        ones are. With an `audience` it is the one for any other issuer; mint for it with
        `kind="oidc"` and that `aud`. It fetches the keys of an issuer that is started; of one that
        is not, it is given them.
        """
        started = self._url is not None
        clock = self._clock if clock is None else clock
        if audience is None:
            return Authenticator.clerk(
                publishable_key=self.publishable_key,
                issuer=self.issuer,
                jwt_key=None if started else self.jwks(),
                jwks_url=self.jwks_url if started else None,
                authorized_parties=PARTY if authorized_parties is None else authorized_parties,
                accepts=accepts,
                allow_pending=allow_pending,
                leeway=leeway,
                clock=clock,
                cookies=cookies,
                explain=explain,
                problem_details=problem_details,
            )
        trusted = Issuer(
            issuer=self.issuer,
            audience=audience,
            keys=self.jwks_url if started else self.jwks(),
            authorized_parties=authorized_parties,
        )
        return Authenticator(
            [trusted],
            accepts=accepts,
            allow_pending=allow_pending,
            leeway=leeway,
            clock=clock,
            cookies=cookies,
            explain=explain,
            problem_details=problem_details,
        )

    def environment(
        self,
        *,
        audience: str | Sequence[str] | None = None,
        authorized_parties: str | Sequence[str] | None = None,
    ) -> dict[str, str]:
        """The variables by which `Authenticator.from_env` comes to trust this issuer and no other,
        as `authenticator` with the same arguments does.

        Some are empty: they take the place of variables that would lead to another issuer, such as
        those of the machine the tests run on.
        """
        started = self._url is not None
        variables = dict.fromkeys(_ELSEWHERE, "")
        if audience is None:
            authorized_parties = PARTY if authorized_parties is None else authorized_parties
            variables["DOORWARD_PRESET"] = "clerk"
            variables["CLERK_PUBLISHABLE_KEY"] = self.publishable_key
            variables["CLERK_JWT_KEY"] = "" if started else self.public_pem()
        else:
            variables["CLERK_SECRET_KEY"] = ""
            variables["DOORWARD_ISSUER"] = self.issuer
            variables["DOORWARD_AUDIENCE"] = _joined(audience)
            variables["DOORWARD_KEYS"] = "" if started else self.jwks()
        if started:
            variables["DOORWARD_JWKS_URL"] = self.jwks_url
        if authorized_parties is not None:
            variables["CLERK_AUTHORIZED_PARTIES"] = _joined(authorized_parties)
            variables["DOORWARD_AUTHORIZED_PARTIES"] = _joined(authorized_parties)
        return variables

    # Its keys and its troubles.

    def rotate(self) -> str:
        """Replaces the signing keys by a new one and returns its `kid`. Who was given the old keys
        does not hear of it; who fetches them does.
        """
        return self._engine.rotate()

    def rotate_overlapping(self) -> str:
        """Signs with a new key from now on while the old ones stay published; returns its `kid`."""
        return self._engine.rotate_overlapping()

    @property
    def jwks_fetches(self) -> int:
        """How often the key set was fetched so far."""
        return self._engine.jwks_fetches

    def down(self) -> None:
        """From now on, whoever fetches the keys is answered 503."""
        self._strike("down")

    def slow(self, seconds: float) -> None:
        """From now on, whoever fetches the keys waits this long for them."""
        if not (isfinite(seconds) and seconds >= 0):
            raise ValueError(f"slow: {seconds!r} is no time to wait, in seconds")
        self._strike("slow", seconds)

    def up(self) -> None:
        """From now on, all is well again."""
        self._engine.fault("none")

    def fault(self, kind: Fault, seconds: float = 0.0) -> None:
        """Makes the key endpoint misbehave from now on; `seconds` is the delay of `slow`."""
        self._engine.fault(kind, seconds)

    def _strike(self, kind: Fault, seconds: float = 0.0) -> None:
        if self._url is None:
            raise RuntimeError(
                f"{kind}: nobody fetches the keys of an issuer that is not started, so nobody "
                "would notice; start() it, or take the fixture doorward_http_issuer"
            )
        self._engine.fault(kind, seconds)

    def start(self) -> str:
        """Serves discovery and keys on a free loopback port; returns the base URL."""
        self._url = self._engine.start()
        return self._url

    def stop(self) -> None:
        self._engine.stop()
        self._url = None

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


def _joined(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


#: Variables that name an issuer or its keys.
_ELSEWHERE: tuple[str, ...] = (
    "CLERK_JWT_KEY",
    "CLERK_PUBLISHABLE_KEY",
    "DOORWARD_API_URL",
    "DOORWARD_AUTHORIZATION_SERVER",
    "DOORWARD_CLIENT_ID",
    "DOORWARD_CONFIG",
    "DOORWARD_DISCOVER",
    "DOORWARD_DOMAIN",
    "DOORWARD_INTROSPECTION_AUTH",
    "DOORWARD_INTROSPECTION_CLIENT_ID",
    "DOORWARD_INTROSPECTION_CLIENT_SECRET",
    "DOORWARD_INTROSPECTION_URL",
    "DOORWARD_ISSUER",
    "DOORWARD_ISSUER_ALIASES",
    "DOORWARD_JWKS_BEARER",
    "DOORWARD_JWKS_URL",
    "DOORWARD_KEYS",
    "DOORWARD_KEYS_FILE",
    "DOORWARD_MACHINE_SECRET_KEY",
    "DOORWARD_PRESET",
    "DOORWARD_PROJECT_ID",
    "DOORWARD_REALM",
    "DOORWARD_REGION",
    "DOORWARD_SHARED_SECRET",
    "DOORWARD_TENANT_ID",
    "DOORWARD_URL",
    "DOORWARD_USER_POOL_ID",
)
