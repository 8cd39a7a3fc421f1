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
    name; an empty variable counts as not set.

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
    `audience`       one of their `aud` (`JWT_AUDIENCE`, between commas). Better Auth's default is
                     its base URL; Clerk's sessions have none. `doorward.ANY` (`*` in the
                     environment) waives the check.
    `USER_ID_CLAIM`  the claim that is the user's id, `sub` if nothing is said. No other claim ever
                     stands in for it.
    `ALGORITHMS`     what they are signed with. Default: EdDSA, ES256 and RS256; RS256 for Auth0 and
                     Clerk.

    `BETTER_AUTH_SECRET` is accepted and not used: keys are public. Mistakes raise `ConfigError`.
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
        environ: Mapping[str, str] | None = None,
        **unknown: NoReturn,
    ) -> None:
        for name in unknown:
            raise ConfigError(f"Settings has no {name!r}{did_you_mean(name, _NAMES)}")
        given = _Given(os.environ if environ is None else environ)
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
            self.audience = given.audience(audience)
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
        self.authenticator = Authenticator.from_config(self._configuration())

    def user_id(self, identity: Identity) -> str:
        """Who a token is about. Raises `Rejection` where its claim is no id."""
        claim = self.USER_ID_CLAIM
        found = identity.subject if claim == "sub" else identity.claims.get(claim)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if isinstance(found, str) and found:
            return found
        raise _no_user(claim)

    def _names_nobody(self) -> bool:
        named = (self.JWKS_URL, self.BETTER_AUTH_JWKS_URL, self.AUTH0_DOMAIN, self.CLERK_DOMAIN)
        return not any(named)

    def _configuration(self) -> dict[str, Any]:
        """In the words of `doorward.toml`."""
        providers = {
            "BETTER_AUTH_URL": self.BETTER_AUTH_URL,
            "AUTH0_DOMAIN": self.AUTH0_DOMAIN,
            "CLERK_DOMAIN": self.CLERK_DOMAIN,
        }
        named = [name for name, value in providers.items() if value is not None]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(named)} name several providers; keep one")
        if self.CLERK_DOMAIN is not None:
            issuers = self._clerk(self.CLERK_DOMAIN)
        elif self.AUTH0_DOMAIN is not None:
            issuers = self._auth0(self.AUTH0_DOMAIN)
        else:
            issuers = self._any()
        for issuer in issuers:
            if self.issuer is not None:
                issuer["issuer"] = self.issuer
            if self.audience is not None:
                issuer["audience"] = self.audience[0] if len(self.audience) == 1 else self.audience
            if self.ALGORITHMS is not None:
                issuer["algorithms"] = self.ALGORITHMS
            if self.USER_ID_CLAIM != "sub":
                issuer["required_claims"] = [self.USER_ID_CLAIM]
            issuer["leeway"] = self.leeway
        accepts = ["session_token"]
        if self.CLERK_DOMAIN is None:
            # Elsewhere the type `at+jwt` is another word for what a plain JWT is.
            accepts.append("oauth_token")
        return {"issuer": issuers, "accepts": accepts}

    def _clerk(self, domain: str) -> list[dict[str, Any]]:
        table: dict[str, Any] = {"preset": "clerk", "issuer": f"https://{domain}"}
        if self.JWKS_URL is not None:
            table["jwks_url"] = self.JWKS_URL
        if self.authorized_parties is not None:
            table["authorized_parties"] = list(self.authorized_parties)
        return [table]

    def _auth0(self, domain: str) -> list[dict[str, Any]]:
        self._demand_audience("as Auth0 names the API (its identifier)")
        # Auth0's issuers end with a slash.
        issuer = f"https://{domain}/"
        keys = self.JWKS_URL or f"{issuer}.well-known/jwks.json"
        return [{"issuer": issuer, "jwks_url": keys, "algorithms": ["RS256"]}]

    def _any(self) -> list[dict[str, Any]]:
        keys = self._keys()
        base = self.BETTER_AUTH_URL or _before(_BETTER_AUTH, keys)
        if base is not None:
            # Better Auth writes its origin as `iss` and as `aud`, whatever path it lives under.
            name = self.issuer or _origin(base)
            return [{"issuer": name, "audience": name, "jwks_url": keys, **_SIGNED}]
        self._demand_audience("as the issuer names this API")
        base = _before(_WELL_KNOWN, keys)
        if base is None and self.issuer is None:
            raise ConfigError(f"JWT_ISSUER is needed: it does not follow from JWKS_URL {keys!r}")
        # Some issuers end with a slash, some do not; either way they live where the keys do.
        names = [self.issuer] if self.issuer is not None else [base, f"{base}/"]
        return [{"issuer": name, "jwks_url": keys, **_SIGNED} for name in names]

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


def _no_user(claim: str) -> Rejection:
    return Rejection(
        "claim_malformed",
        401,
        [
            ("cache-control", "no-store"),
            (
                "www-authenticate",
                'Bearer error="invalid_token", error_description="A claim of the token has a wrong '
                'type or an impossible value."',
            ),
        ],
        b'{"detail":"claim_malformed"}',
        f"`{claim}` is no user's id: expected text or a whole number",
        "USER_ID_CLAIM names the claim; most issuers say it in `sub`.",
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

    def audience(self, value: object) -> tuple[str, ...] | None:
        """A text in code is one name, whatever is in it."""
        found = self.texts(
            "JWT_AUDIENCE", (value,) if isinstance(value, str) else value, "audience"
        )
        if found is not None and "*" in found and (value is not None or len(found) > 1):
            raise ConfigError('audience: "*" is no name; waive the check with doorward.ANY')
        return found

    def url(self, variable: str, value: object) -> str | None:
        found = self.text(variable, value)
        if found is None:
            return None
        parts = _parts(found)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ConfigError(f"{variable}: expected https://host and a path, found {found!r}")
        return found

    def domain(self, variable: str, value: object) -> str | None:
        found = self.text(variable, value)
        if found is None:
            return None
        host = found.removeprefix("https://").removesuffix("/")
        parts = _parts(f"https://{host}")
        if parts.netloc != host or not parts.hostname or parts.username or " " in host:
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
_SIGNED = {"algorithms": ["EdDSA", "ES256", "RS256"]}
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
