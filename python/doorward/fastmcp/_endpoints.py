"""Where a provider answers: from its domain, or as the operator says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorward._rejection import ConfigError


@dataclass(frozen=True)
class Endpoints:
    """Clerk's endpoints (https://clerk.com/docs/guides/configure/auth-strategies/oauth/overview)."""

    issuer: str
    authorization: str
    token: str
    introspection: str
    userinfo: str
    revocation: str
    jwks: str


def clerk_endpoints(
    domain: str,
    *,
    base: str | None = None,
    issuer: str | None = None,
    authorization_endpoint: str | None = None,
    token_endpoint: str | None = None,
    introspection_endpoint: str | None = None,
    userinfo_endpoint: str | None = None,
    revocation_endpoint: str | None = None,
    jwks_uri: str | None = None,
) -> Endpoints:
    """The endpoints of the instance at `domain`. Each can be said otherwise; `base` moves all."""
    domain = domain.rstrip("/")
    if not _DOMAIN.fullmatch(domain):
        raise ConfigError(
            f"domain: expected a host such as 'example.clerk.accounts.dev', found {domain!r};"
            " a whole URL is `base`"
        )
    base = base.rstrip("/") if base is not None else f"https://{domain}"
    return Endpoints(
        issuer=issuer if issuer is not None else base,
        authorization=authorization_endpoint or f"{base}/oauth/authorize",
        token=token_endpoint or f"{base}/oauth/token",
        introspection=introspection_endpoint or f"{base}/oauth/token_info",
        userinfo=userinfo_endpoint or f"{base}/oauth/userinfo",
        revocation=revocation_endpoint or f"{base}/oauth/token/revoke",
        jwks=jwks_uri or f"{base}/.well-known/jwks.json",
    )


_DOMAIN = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
