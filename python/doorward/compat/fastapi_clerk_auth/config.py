"""The configuration of `fastapi_clerk_auth`, without pydantic."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from doorward._authenticator import Authenticator
from doorward._rejection import ConfigError
from doorward.compat._suggest import did_you_mean, text, texts

if TYPE_CHECKING:
    from doorward._types import TokenKind

__all__ = ["ClerkConfig"]

_WELL_KNOWN = "/.well-known/jwks.json"


class ClerkConfig:
    """Where tokens come from and what they must say.

    One of these names the instance: `jwks_url` (`https://<instance>/.well-known/jwks.json`),
    `issuer`, or `api_key` (a Clerk secret key; also read from `CLERK_API_KEY`). The issuer follows
    from the JWKS URL and the other way round.

    Where the answer differs from the original's:

    - The issuer is always checked, and an `audience` that is given is checked, whatever
      `verify_iss` and `verify_aud` say: the original ignores both values by default.
      `verify_exp=False` is refused.
    - `verify_iat=False` changes nothing and warns: raise `leeway` (seconds) when clocks differ.
    - `auto_error` and `add_state` count here as well as on the guard; the original drops them here
      in silence.
    - An unknown name is an error.
    - Keys are kept and refreshed by the engine: `jwks_cache_keys`, `jwks_max_cached_keys`,
      `jwks_cache_set`, `jwks_lifespan` and `jwks_client_timeout` are accepted and have no effect.
      `jwks_headers` may only be what asks Clerk's Backend API for its keys (`Authorization: Bearer
      <secret key>`).

    `authorized_parties`, `accepts` and `clock` are ours; see `doorward.Authenticator.clerk`.
    """

    def __init__(
        self,
        jwks_url: str | None = None,
        audience: str | Sequence[str] | None = None,
        issuer: str | None = None,
        verify_exp: bool = True,
        verify_aud: bool = False,
        verify_iss: bool = False,
        verify_iat: bool = True,
        jwks_cache_keys: bool = False,
        jwks_max_cached_keys: int = 16,
        jwks_cache_set: bool = True,
        jwks_lifespan: int = 300,
        jwks_headers: Mapping[str, Any] | None = None,
        jwks_client_timeout: int = 30,
        leeway: float = 0.0,
        *,
        api_key: str | None = None,
        auto_error: bool | None = None,
        add_state: bool | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        accepts: TokenKind | Sequence[TokenKind] = "session_token",
        clock: Callable[[], float] | None = None,
        **unknown: NoReturn,
    ) -> None:
        for name in unknown:
            raise ConfigError(f"ClerkConfig has no {name!r}{did_you_mean(name, _NAMES)}")
        for name, value in (("jwks_url", jwks_url), ("issuer", issuer)):
            if text(name, value) == "":
                raise ConfigError(f"{name} is empty: is the variable that holds it unset?")
        text("api_key", api_key)
        if texts("audience", audience) == ():
            raise ConfigError("audience: names none, so every token would be refused")
        texts("authorized_parties", authorized_parties)
        if not verify_exp:
            raise ConfigError("verify_exp=False would accept tokens for ever; use leeway (seconds)")
        if verify_aud and not audience:
            raise ConfigError("Audience must be set in config because verify_aud is True")
        if verify_iss and not issuer:
            raise ConfigError("Issuer must be set in config because verify_iss is True")
        if not verify_iat:
            warnings.warn(
                "verify_iat=False has no effect; raise leeway (seconds) if clocks differ",
                UserWarning,
                stacklevel=2,
            )
        self.jwks_url = jwks_url
        self.audience = audience
        self.issuer = issuer
        self.verify_exp = verify_exp
        self.verify_aud = verify_aud
        self.verify_iss = verify_iss
        self.verify_iat = verify_iat
        self.jwks_cache_keys = jwks_cache_keys
        self.jwks_max_cached_keys = jwks_max_cached_keys
        self.jwks_cache_set = jwks_cache_set
        self.jwks_lifespan = jwks_lifespan
        self.jwks_headers = jwks_headers
        self.jwks_client_timeout = jwks_client_timeout
        try:
            self.leeway = float(leeway)
        except (TypeError, ValueError):
            raise ConfigError(f"leeway: expected seconds, found {leeway!r}") from None
        self.api_key = api_key if api_key is not None else os.environ.get("CLERK_API_KEY") or None
        self.auto_error = auto_error
        self.add_state = add_state
        self.authorized_parties = authorized_parties
        self.accepts: TokenKind | Sequence[TokenKind] = accepts
        self.clock = clock
        self._lock = threading.Lock()
        self._authenticators: dict[bool, Authenticator] = {}

    def authenticator(self, *, explain: bool = False) -> Authenticator:
        """The engine behind every guard of this configuration: they share its keys. `explain` is
        for development.

        Raises `ConfigError` when nothing names the instance.
        """
        with self._lock:
            found = self._authenticators.get(explain)
            if found is None:
                found = self._authenticators[explain] = self._build(explain)
            return found

    def _build(self, explain: bool) -> Authenticator:
        # Clerk's issuers end without a slash; people's settings may not.
        issuer = self.issuer.rstrip("/") if self.issuer is not None else None
        jwks_url = self.jwks_url
        secret_key = self._secret_key()
        api_url = None
        if jwks_url is not None and jwks_url.endswith("/v1/jwks"):
            # Clerk's Backend API: its keys need the secret key, and they belong to one instance.
            if secret_key is None:
                raise ConfigError(f"jwks_url {jwks_url!r} needs api_key")
            api_url = jwks_url.removesuffix("/v1/jwks")
            jwks_url = None
        elif jwks_url is not None or issuer is not None:
            secret_key = None
            if issuer is None and jwks_url is not None:
                issuer = jwks_url.removesuffix(_WELL_KNOWN)
                if issuer == jwks_url:
                    raise ConfigError(
                        f"issuer is needed: jwks_url {jwks_url!r} does not end with {_WELL_KNOWN!r}"
                    )
        elif secret_key is None:
            raise ConfigError("one of jwks_url, issuer and api_key (or CLERK_API_KEY) is needed")
        return Authenticator.clerk(
            issuer=issuer,
            jwks_url=jwks_url,
            secret_key=secret_key,
            api_url=api_url,
            audience=self.audience,
            authorized_parties=self.authorized_parties,
            accepts=self.accepts,
            leeway=self.leeway,
            clock=self.clock,
            explain=explain,
        )

    def _secret_key(self) -> str | None:
        headers = {name.lower(): str(value) for name, value in (self.jwks_headers or {}).items()}
        authorization = headers.pop("authorization", "")
        if headers:
            raise ConfigError(f"jwks_headers: {', '.join(sorted(headers))} cannot be sent")
        return self.api_key or authorization.removeprefix("Bearer ") or None

    def __repr__(self) -> str:
        shown = {"jwks_url": self.jwks_url, "issuer": self.issuer, "audience": self.audience}
        given = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"ClerkConfig({given})"


_NAMES = tuple(
    name for name in ClerkConfig.__init__.__annotations__ if name not in ("unknown", "return")
)
