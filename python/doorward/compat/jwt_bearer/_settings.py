"""Where tokens come from, in the words of the recipe's settings."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from doorward._authenticator import Authenticator
from doorward._doorward import ANY
from doorward._rejection import ConfigError, Rejection
from doorward.compat._suggest import did_you_mean, text, texts

if TYPE_CHECKING:
    from doorward._doorward import Any_, Identity

__all__ = ["Settings", "default"]

_logger = logging.getLogger("doorward")


class Settings:
    """Which issuer is trusted. What is not given is read from the environment variable of the same
    name; an empty variable counts as not set. Where a provider is given, those of the environment
    do not count.

    One of these names the provider:

    `BETTER_AUTH_URL`  the base URL of Better Auth. The default, at `http://localhost:3000`.
    `AUTH0_DOMAIN`     `tenant.eu.auth0.com`; wants an audience.
    `CLERK_DOMAIN`     `clerk.example.com`. `authorized_parties` (`CLERK_AUTHORIZED_PARTIES`) are
                       the origins its tokens may be made for.
    `JWKS_URL`         the key set of any other issuer; wants an audience, and an issuer where none
                       follows from the URL. Beside a provider: where its keys are instead.
                       `BETTER_AUTH_JWKS_URL` is the same for Better Auth.

    And these say what its tokens look like:

    `issuer`         their `iss` (`JWT_ISSUER`). Default: what the provider writes.
    `audience`       one of their `aud` (`JWT_AUDIENCE`, between commas; for Auth0 `AUTH0_AUDIENCE`
                     will do). Better Auth's default is its base URL; Clerk's sessions have none.
                     `doorward.ANY` (`*` in the environment) waives the check.
    `USER_ID_CLAIM`  the claim that is the user's id, `sub` if nothing is said. No other claim ever
                     stands in for it, and a token without it is nobody's.
    `ALGORITHMS`     what they are signed with. Default: what the provider signs with; EdDSA, ES256
                     and RS256 for an issuer that is known by its keys alone.

    `insecure_plain_http` (`DOORWARD_INSECURE_PLAIN_HTTP=true`) fetches keys from another machine
    without TLS: whoever sits on the way can then sign tokens. `BETTER_AUTH_SECRET` is accepted and
    not used: keys are public. Mistakes raise `ConfigError`.
    """

    def __init__(
        self,
        *,
        BETTER_AUTH_URL: str | None = None,
        BETTER_AUTH_SECRET: str | None = None,
        JWKS_URL: str | None = None,
        BETTER_AUTH_JWKS_URL: str | None = None,
        AUTH0_DOMAIN: str | None = None,
        CLERK_DOMAIN: str | None = None,
        USER_ID_CLAIM: str | None = None,
        ALGORITHMS: str | Sequence[str] | None = None,
        issuer: str | None = None,
        audience: str | Sequence[str] | Any_ | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        leeway: float = 5.0,
        insecure_plain_http: bool | None = None,
        environ: Mapping[str, str] | None = None,
        **unknown: NoReturn,
    ) -> None:
        for name in unknown:
            raise ConfigError(f"Settings has no {name!r}{did_you_mean(name, _NAMES)}")
        environ = os.environ if environ is None else environ
        if any(one is not None for one in (BETTER_AUTH_URL, AUTH0_DOMAIN, CLERK_DOMAIN)):
            # Who is named in code has no rival, and no keys, in the environment.
            environ = {name: environ[name] for name in environ if name not in _PROVIDERS}
        given = _Given(environ)
        self.BETTER_AUTH_SECRET = given.text("BETTER_AUTH_SECRET", BETTER_AUTH_SECRET)
        self.JWKS_URL = given.url("JWKS_URL", JWKS_URL)
        self.BETTER_AUTH_JWKS_URL = given.url("BETTER_AUTH_JWKS_URL", BETTER_AUTH_JWKS_URL)
        self.AUTH0_DOMAIN = given.domain("AUTH0_DOMAIN", AUTH0_DOMAIN)
        self.CLERK_DOMAIN = given.domain("CLERK_DOMAIN", CLERK_DOMAIN)
        self.USER_ID_CLAIM = given.text("USER_ID_CLAIM", USER_ID_CLAIM) or "sub"
        self.ALGORITHMS = given.texts("ALGORITHMS", ALGORITHMS)
        self.issuer = given.text("JWT_ISSUER", issuer, "issuer")
        if audience is ANY:
            self.audience: tuple[str, ...] | None = ("*",)
        else:
            self.audience = given.audience("JWT_AUDIENCE", audience)
        if self.AUTH0_DOMAIN is not None and self.audience is None:
            self.audience = given.audience("AUTH0_AUDIENCE", None)
        self.authorized_parties: tuple[str, ...] | None = None
        if self.CLERK_DOMAIN is not None or authorized_parties is not None:
            self.authorized_parties = given.texts(
                "CLERK_AUTHORIZED_PARTIES", authorized_parties, "authorized_parties"
            )
        url = given.url("BETTER_AUTH_URL", BETTER_AUTH_URL)
        if url is None and self._names_nobody():
            given.typo()
            _logger.warning("BETTER_AUTH_URL is not set: tokens of %s are trusted", _DEFAULT_URL)
            url = _DEFAULT_URL
        self.BETTER_AUTH_URL = url
        self.leeway = leeway
        self.insecure_plain_http = given.switch("DOORWARD_INSECURE_PLAIN_HTTP", insecure_plain_http)
        self.authenticator = Authenticator.from_config(self._configuration())

    def user_id(self, identity: Identity) -> str:
        """Who a token is about. Raises `Rejection` where it is no user's."""
        found = identity.user_id
        if found is None:
            raise _nobody(self.USER_ID_CLAIM)
        return found

    def _names_nobody(self) -> bool:
        named = (self.JWKS_URL, self.BETTER_AUTH_JWKS_URL, self.AUTH0_DOMAIN, self.CLERK_DOMAIN)
        return not any(named)

    def _configuration(self) -> dict[str, Any]:
        """In the words of `doorward.toml`: what the provider is known for, and what is said here
        besides.
        """
        said = {
            "issuer": self.issuer,
            "audience": self.audience,
            "algorithms": self.ALGORITHMS,
            "authorized_parties": self.authorized_parties,
            "user_id_claim": None if self.USER_ID_CLAIM == "sub" else self.USER_ID_CLAIM,
            "insecure_plain_http": self.insecure_plain_http,
            "leeway": self.leeway,
        }
        table = self._provider()
        table.update({name: value for name, value in said.items() if value is not None})
        if table.get("audience") == ("*",):
            table["audience"] = ANY
        return table

    def _provider(self) -> dict[str, Any]:
        providers = {
            "BETTER_AUTH_URL": self.BETTER_AUTH_URL,
            "AUTH0_DOMAIN": self.AUTH0_DOMAIN,
            "CLERK_DOMAIN": self.CLERK_DOMAIN,
        }
        named = [name for name, value in providers.items() if value is not None]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(named)} name several providers; keep one")
        keys = {} if self.JWKS_URL is None else {"jwks_url": self.JWKS_URL}
        if self.CLERK_DOMAIN is not None:
            return {"preset": "clerk", "issuer": f"https://{self.CLERK_DOMAIN}", **keys}
        if self.AUTH0_DOMAIN is not None:
            self._demand_audience("as Auth0 names the API (its identifier)")
            return {"preset": "auth0", "domain": self.AUTH0_DOMAIN, **keys}
        return self._by_its_keys(self._keys())

    def _by_its_keys(self, keys: str) -> dict[str, Any]:
        base = self.BETTER_AUTH_URL or _before(_BETTER_AUTH, keys)
        if base is not None:
            # Better Auth writes its origin as `iss` and as `aud`, whatever path it lives under.
            origin = _origin(base)
            audience = [self.issuer or origin]
            return {
                "preset": "better_auth",
                "url": origin,
                "audience": audience,
                "jwks_url": keys,
            }
        self._demand_audience("as the issuer names this API")
        table: dict[str, Any] = {
            "jwks_url": keys,
            "algorithms": ["EdDSA", "ES256", "RS256"],
            # The type `at+jwt` is another word for what a plain JWT is elsewhere.
            "accepts": ["session_token", "oauth_token"],
        }
        base = _before(_WELL_KNOWN, keys)
        if self.issuer is None and base is None:
            raise ConfigError(f"JWT_ISSUER is needed: it does not follow from JWKS_URL {keys!r}")
        if self.issuer is None:
            # Some issuers end with a slash, some do not; either way they live where the keys do.
            table.update(issuer=base, issuer_aliases=[f"{base}/"])
        return table

    def _keys(self) -> str:
        given = {self.JWKS_URL, self.BETTER_AUTH_JWKS_URL} - {None}
        if len(given) > 1:
            raise ConfigError("JWKS_URL and BETTER_AUTH_JWKS_URL differ; keep one")
        keys = self.JWKS_URL or self.BETTER_AUTH_JWKS_URL
        if keys is not None:
            return keys
        base = (self.BETTER_AUTH_URL or _DEFAULT_URL).rstrip("/")
        return f"{base.removesuffix('/api/auth')}{_BETTER_AUTH}"

    def _demand_audience(self, how: str) -> None:
        if self.audience is None:
            raise ConfigError(
                f"JWT_AUDIENCE is needed: name it {how}, or waive the check with doorward.ANY "
                "(`*` in the environment)"
            )

    def __repr__(self) -> str:
        return f"Settings({self.authenticator!r})"


@lru_cache(maxsize=1)
def default() -> Settings:
    """The environment's settings, read when they are first needed."""
    return Settings()


def _nobody(claim: str) -> Rejection:
    return Rejection(
        "claim_missing",
        401,
        [
            ("cache-control", "no-store"),
            (
                "www-authenticate",
                'Bearer error="invalid_token", '
                'error_description="The token lacks a claim this API requires."',
            ),
        ],
        b'{"detail":"claim_missing"}',
        f"the token names no user in `{claim}`",
        "USER_ID_CLAIM says where the user's id is; machines have none.",
    )


class _Given:
    """What the caller says, or else the environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, variable: str, value: object, name: str | None = None) -> str | None:
        if value is None:
            return self._environ.get(variable, "").strip() or None
        found = (text(name or variable, value) or "").strip()
        if not found:
            raise ConfigError(f"{name or variable} is empty; leave it out for the default")
        return found

    def texts(
        self, variable: str, value: object, name: str | None = None
    ) -> tuple[str, ...] | None:
        """A list, which an empty variable must not waive."""
        if value is None and variable not in self._environ:
            return None
        label = variable if value is None else name or variable
        value = self._environ[variable] if value is None else value
        found = _split(label, value) if isinstance(value, str) else texts(label, value)
        if not found or not all(one.strip() for one in found):
            raise ConfigError(f"{label} is empty; leave it out for the default")
        return found

    def audience(self, variable: str, value: object) -> tuple[str, ...] | None:
        """A text in code is one name, whatever is in it."""
        listed = (value,) if isinstance(value, str) else value
        found = self.texts(variable, listed, "audience")
        if found is not None and "*" in found and (value is not None or len(found) > 1):
            raise ConfigError('audience: "*" is no name; waive the check with doorward.ANY')
        return found

    def switch(self, variable: str, value: bool | None) -> bool | None:
        if value is not None:
            return value
        found = self.text(variable, None)
        if found not in (None, "true", "false"):
            raise ConfigError(f"{variable}: expected true or false, found {found!r}")
        return None if found is None else found == "true"

    def url(self, variable: str, value: object) -> str | None:
        found = self.text(variable, value)
        if found is None:
            return None
        parts = _parts(found)
        if "@" in parts.netloc:
            # Not shown: what stands before the host may be a password.
            raise ConfigError(f"{variable}: a user and a password cannot be in it")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{variable}: expected https://host and a path, found {found!r}")
        return found

    def domain(self, variable: str, value: object) -> str | None:
        found = self.text(variable, value)
        if found is None:
            return None
        host = found.removeprefix("https://").removesuffix("/")
        parts = _parts(f"https://{host}")
        if "@" in host:
            raise ConfigError(f"{variable}: a user and a password cannot be in it")
        if parts.netloc != host or not parts.hostname or " " in host:
            raise ConfigError(f"{variable}: expected a host like tenant.example, found {found!r}")
        return host

    def typo(self) -> None:
        """Where nothing is set, something may be set by a wrong name."""
        for name in self._environ:
            hint = did_you_mean(name, _PROVIDERS) if _near(name) else ""
            if hint:
                raise ConfigError(f"no provider is set, but {name!r} is{hint}")


def _near(name: str) -> bool:
    """Whether the name is a slip of the pen away from one that is read."""
    import difflib

    return name not in _PROVIDERS and bool(difflib.get_close_matches(name, _PROVIDERS, 1, 0.9))


def _split(label: str, value: str) -> tuple[str, ...]:
    """Between commas, or as the JSON list that settings classes read."""
    if value.lstrip().startswith("["):
        try:
            return texts(label, json.loads(value)) or ()
        except json.JSONDecodeError:
            raise ConfigError(f"{label}: {value!r} is no JSON list of texts") from None
    return tuple(part for part in (part.strip() for part in value.split(",")) if part)


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _origin(url: str) -> str:
    """As a browser writes it."""
    parts = _parts(url)
    port = {"https": ":443", "http": ":80"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}"


def _before(suffix: str, url: str) -> str | None:
    return url.removesuffix(suffix) if url.endswith(suffix) else None


_DEFAULT_URL = "http://localhost:3000"
_BETTER_AUTH = "/api/auth/jwks"
_WELL_KNOWN = "/.well-known/jwks.json"
_PROVIDERS = (
    "BETTER_AUTH_URL",
    "BETTER_AUTH_JWKS_URL",
    "JWKS_URL",
    "AUTH0_DOMAIN",
    "CLERK_DOMAIN",
)
_NAMES = tuple(
    name for name in Settings.__init__.__annotations__ if name not in ("unknown", "return")
)
