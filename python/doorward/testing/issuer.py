"""A local issuer for tests: real tokens, and real signatures or answers, no network, no account.

    with DevIssuer() as issuer:
        auth = Authenticator([Issuer(issuer=issuer.issuer, keys=issuer.jwks(), audience=ANY)])
        auth.verify(issuer.mint(sub="user_1"))

Its keys are made when it is made and are good for nothing else.
"""

from __future__ import annotations

import json
from math import isfinite
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from doorward._authenticator import Authenticator
from doorward._doorward import DevIssuer as _Engine
from doorward._doorward import Issuer

from .mint import Minter, specification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from typing_extensions import Self, Unpack

    from doorward._doorward import Any_
    from doorward._types import Algorithm, ClientAuthentication, Endpoint, Fault, TokenKind

    from .mint import Mint

__all__ = ["PARTY", "DevIssuer"]

#: The party that session tokens are made for, unless they say another.
PARTY = "http://localhost:3000"


class DevIssuer:
    """The issuer behind `doorward dev`, in this process. `with` starts and stops its server.

    `clock` is a callable returning seconds since the epoch; give the same one to the authenticator
    under test, if `authenticator()` does not make it. `secret_key` is the `sk_test_…` of the
    instance; a random one unless given. `rate_limit` is how often its Backend API may be asked in
    ten seconds; as often as one likes unless given. With `tls` it is at `https://localhost`, and
    `certificate_authority` is to be trusted.
    """

    #: Signs tokens: `issuer.mint(sub="user_1")`, `issuer.mint.expired()`.
    mint: Minter

    def __init__(
        self,
        *,
        issuer: str | None = None,
        algorithms: Sequence[Algorithm] = ("RS256",),
        clock: Callable[[], float] | None = None,
        secret_key: str | None = None,
        rate_limit: int | None = None,
        tls: bool = False,
    ) -> None:
        engine = _Engine(
            issuer=issuer,
            algorithms=algorithms,
            clock=clock,
            secret_key=secret_key,
            rate_limit=rate_limit,
            tls=tls,
        )
        self._use(engine, clock, None)

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
    def api_url(self) -> str:
        """Where Clerk's Backend API is while it is started, without `/v1`."""
        return self._served("api_url")

    @property
    def publishable_key(self) -> str:
        """A Clerk publishable key that leads to this issuer."""
        return self._engine.publishable_key

    @property
    def certificate_authority(self) -> str | None:
        """With TLS, the certificate of the authority to trust (PEM): good for this issuer alone."""
        return self._engine.certificate_authority

    @property
    def secret_key(self) -> str:
        """The instance's `sk_test_…`: whoever has it may verify every opaque token of Clerk's."""
        return self._engine.secret_key

    def machine_secret_key(self, machine: str) -> str:
        """A machine's `ak_…`: whoever has it may verify the machine tokens whose scopes name the
        machine (`mch_…`).
        """
        return self._engine.machine_secret_key(machine)

    def seed(self, text: str) -> int:
        """Creates who and what this YAML or JSON names: for each resource of the Backend API a list
        of what its `create` takes, and an `id` if it shall have this one. Does nothing where
        something exists already. Returns how many objects were created.

        Raises:
            ValueError: it cannot be read, or says what the Backend API would refuse.
        """
        return self._engine.seed(text)

    def open_state(self, file: str | PathLike[str]) -> None:
        """Remembers what exists at the Backend API in this file, and reads what is in it.

        Raises:
            OSError: it cannot be read or written, or another process has it.
        """
        self._engine.open_state(file)

    def send_webhooks_to(self, url: str, secret: str | None = None) -> str:
        """Posts signed webhooks of what happens at the Backend API to a URL of this machine.
        Returns the secret (`whsec_…`): the one that was given, or a new one.

        Raises:
            ValueError: the URL leads elsewhere, or the secret is none.
        """
        return self._engine.send_webhooks_to(url, secret)

    def webhook_log(self) -> dict[str, Any]:
        """The `urls` that are told of what happens at the Backend API, and the last 256
        `deliveries`, oldest first.
        """
        told: dict[str, Any] = json.loads(self._engine.webhook_log())
        return told

    @property
    def client_id(self) -> str:
        """The client that may introspect from the start."""
        return self._engine.client_id

    @property
    def client_secret(self) -> str:
        """Its secret."""
        return self._engine.client_secret

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
        introspection: bool = False,
        machine_secret_key: str | None = None,
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

        An issuer that is started is also asked about opaque tokens, as far as `accepts` names their
        kinds: with the secret key (about machine tokens with `machine_secret_key`, if given), or,
        where there is an `audience` and `introspection` is wanted, by RFC 7662.
        """
        started = self._url is not None
        clock = self._clock if clock is None else clock
        if introspection and audience is None:
            raise TypeError(
                "introspection takes an audience: Clerk's tokens are asked about elsewhere"
            )
        if not started and (introspection or "api_key" in _names(accepts)):
            raise RuntimeError(_NOBODY_TO_ASK)
        if audience is None:
            return Authenticator.clerk(
                publishable_key=self.publishable_key,
                issuer=self.issuer,
                jwt_key=None if started else self.jwks(),
                jwks_url=self.jwks_url if started else None,
                secret_key=self.secret_key if started else None,
                machine_secret_key=machine_secret_key,
                api_url=self._url,
                authorized_parties=PARTY if authorized_parties is None else authorized_parties,
                accepts=accepts,
                allow_pending=allow_pending,
                leeway=leeway,
                clock=clock,
                cookies=cookies,
                explain=explain,
                problem_details=problem_details,
                certificate_authorities=self.certificate_authority,
            )
        if introspection:
            settings: dict[str, Any] = {
                "issuer": self.issuer,
                "audience": audience,
                "jwks_url": self.jwks_url,
                **self._introspected(),
                "authorized_parties": authorized_parties,
                "accepts": accepts,
                "allow_pending": allow_pending,
                "leeway": leeway,
                "cookies": cookies,
                "explain": explain,
                "problem_details": problem_details,
                "certificate_authorities": self.certificate_authority,
            }
            given = {name: value for name, value in settings.items() if value is not None}
            return Authenticator.from_config(given, clock=clock)
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
            certificate_authorities=self.certificate_authority,
        )

    def _introspected(self) -> dict[str, str]:
        return {
            "introspection_url": f"{self._served('introspection')}/oauth/introspect",
            "introspection_client_id": self.client_id,
            "introspection_client_secret": self.client_secret,
        }

    def environment(
        self,
        *,
        audience: str | Sequence[str] | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        introspection: bool = False,
    ) -> dict[str, str]:
        """The variables by which `Authenticator.from_env` comes to trust this issuer and no other,
        as `authenticator` with the same arguments does.

        Some are empty: they take the place of variables that would lead to another issuer, such as
        those of the machine the tests run on.
        """
        if introspection and audience is None:
            raise TypeError(
                "introspection takes an audience: Clerk's tokens are asked about elsewhere"
            )
        started = self._url is not None
        variables = dict.fromkeys(_ELSEWHERE, "")
        if audience is None:
            authorized_parties = PARTY if authorized_parties is None else authorized_parties
            variables["DOORWARD_PRESET"] = "clerk"
            variables["CLERK_PUBLISHABLE_KEY"] = self.publishable_key
            variables["CLERK_JWT_KEY"] = "" if started else self.public_pem()
            if self._url is not None:
                variables["CLERK_SECRET_KEY"] = self.secret_key
                variables["CLERK_API_URL"] = self._url
        else:
            variables["DOORWARD_ISSUER"] = self.issuer
            variables["DOORWARD_AUDIENCE"] = _joined(audience)
            variables["DOORWARD_KEYS"] = "" if started else self.jwks()
            if introspection:
                for name, value in self._introspected().items():
                    variables[f"DOORWARD_{name.upper()}"] = value
        if started:
            variables["DOORWARD_JWKS_URL"] = self.jwks_url
        if self.certificate_authority is not None:
            variables["DOORWARD_CERTIFICATE_AUTHORITIES"] = self.certificate_authority
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

    def fault(
        self,
        kind: Fault,
        seconds: float = 0.0,
        endpoint: Endpoint | None = None,
        *,
        status: int | None = None,
        url: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Makes one endpoint or all of them misbehave from now on.

        `seconds` is the delay of `slow` and the `Retry-After` of `too_many_requests`; the kind
        `status` takes a `status`, `redirect` a `url`, and `content_type` may take one.
        """
        self._engine.fault(
            kind, seconds, endpoint, status=status, url=url, content_type=content_type
        )

    def requests(self, endpoint: Endpoint) -> int:
        """How often this endpoint was asked over HTTP so far."""
        return self._engine.requests(endpoint)

    def request_log(self) -> list[dict[str, Any]]:
        """The last 256 requests over HTTP, without any secret: method, path, names of the members
        of the body, headers of interest, status.
        """
        return cast("list[dict[str, Any]]", json.loads(self._engine.request_log()))

    def reset(self) -> None:
        """Forgets what happened: tokens, revocations, clients, machines, requests and their counts,
        faults. Keys and names stay.
        """
        self._engine.reset()

    # What it knows of tokens.

    def revoke(
        self,
        token: str | None = None,
        *,
        jti: str | None = None,
        sid: str | None = None,
        sub: str | None = None,
        client_id: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Revokes one token, session, subject or client, and says how many tokens that struck which
        the issuer knows. Whoever verifies JWTs without asking does not hear of it.

        A `jti` or `sid` is gone for good, tokens issued later included; of a `sub` or `client_id`,
        what was issued so far.
        """
        return self._engine.revoke(
            token, jti=jti, sid=sid, sub=sub, client_id=client_id, reason=reason
        )

    def verify_opaque(self, token: str) -> dict[str, Any] | None:
        """What Clerk's verify endpoint for this kind answers; None if it would answer 404."""
        told = self._engine.verify_opaque(token)
        return None if told is None else cast("dict[str, Any]", json.loads(told))

    def introspect(self, token: str) -> dict[str, Any]:
        """What introspection (RFC 7662) answers."""
        return cast("dict[str, Any]", json.loads(self._engine.introspect(token)))

    def register_client(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        token_endpoint_auth_method: ClientAuthentication | None = None,
        jwks: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Registers a client that may introspect, and revoke its tokens; returns it in the words of
        RFC 7591, with the secret it was given if it needs one and brought none.
        """
        client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "token_endpoint_auth_method": token_endpoint_auth_method,
            "jwks": jwks,
        }
        told = self._engine.register(json.dumps(client))
        return cast("dict[str, Any]", json.loads(told))

    def send_logout(self, url: str, **spec: Unpack[Mint]) -> int:
        """Posts a logout token to an application on this machine (OpenID Connect Back-Channel
        Logout 1.0 §2.5) and returns the status it was answered with.

        The keywords are those of `mint`: who leaves (`sub`, `sid`), whose application hears of it
        (`client_id`, or `aud`), a `defect`. Raises `ConnectionError` if nobody answers within five
        seconds. It revokes nothing.
        """
        kind = spec.get("kind", "logout")
        if kind != "logout":
            raise TypeError(f"send_logout(): it sends tokens of kind 'logout', not {kind!r}")
        spec["kind"] = kind
        return self._engine.send_logout(url, json.dumps(specification(spec)))

    def _strike(self, kind: Fault, seconds: float = 0.0) -> None:
        if self._url is None:
            raise RuntimeError(
                f"{kind}: nobody fetches the keys of an issuer that is not started, so nobody "
                "would notice; start() it, or take the fixture doorward_http_issuer"
            )
        self._engine.fault(kind, seconds)

    def _served(self, what: str) -> str:
        if self._url is None:
            raise RuntimeError(f"{what}: {_NOBODY_TO_ASK}")
        return self._url

    def start(self) -> str:
        """Serves keys, and answers about tokens, on a free loopback port; returns the base URL."""
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


def _names(value: str | Sequence[str] | None) -> Sequence[str]:
    return () if value is None else (value,) if isinstance(value, str) else value


def _joined(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


_NOBODY_TO_ASK = (
    "an issuer is asked about opaque tokens over HTTP; start() it, or take the fixture "
    "doorward_http_issuer"
)
#: Variables that name an issuer, its keys, whom to trust about them, or whom to ask and with what
#: secret: none of the machine's own may reach a test.
_ELSEWHERE: tuple[str, ...] = (
    "CLERK_API_URL",
    "CLERK_JWT_KEY",
    "CLERK_MACHINE_SECRET_KEY",
    "CLERK_PUBLISHABLE_KEY",
    "CLERK_SECRET_KEY",
    "DOORWARD_API_URL",
    "DOORWARD_AUTHORIZATION_SERVER",
    "DOORWARD_CERTIFICATE_AUTHORITIES",
    "DOORWARD_CERTIFICATE_AUTHORITIES_FILE",
    "DOORWARD_CLIENT_ID",
    "DOORWARD_CONFIG",
    "DOORWARD_DISCOVER",
    "DOORWARD_DOMAIN",
    "DOORWARD_INTROSPECTION_ASSERTION_AUDIENCE",
    "DOORWARD_INTROSPECTION_AUTH",
    "DOORWARD_INTROSPECTION_CLIENT_ALGORITHM",
    "DOORWARD_INTROSPECTION_CLIENT_KEY",
    "DOORWARD_INTROSPECTION_CLIENT_KEY_FILE",
    "DOORWARD_INTROSPECTION_CLIENT_KEY_ID",
    "DOORWARD_INTROSPECTION_RESPONSE",
    "DOORWARD_USERINFO_URL",
    "DOORWARD_INTROSPECTION_CLIENT_ID",
    "DOORWARD_INTROSPECTION_CLIENT_SECRET",
    "DOORWARD_INTROSPECTION_URL",
    "DOORWARD_ISSUER",
    "DOORWARD_ISSUER_ALIASES",
    "DOORWARD_JWKS_BEARER",
    "DOORWARD_JWKS_URL",
    "DOORWARD_KEYS",
    "DOORWARD_KEYS_FILE",
    "DOORWARD_LOGOUT_CLIENT_ID",
    "DOORWARD_MACHINE_SECRET_KEY",
    "DOORWARD_PRESET",
    "DOORWARD_PROJECT_ID",
    "DOORWARD_REALM",
    "DOORWARD_REGION",
    "DOORWARD_REVOCATION_STORE",
    "DOORWARD_SHARED_SECRET",
    "DOORWARD_TENANT_ID",
    "DOORWARD_URL",
    "DOORWARD_USER_POOL_ID",
)
