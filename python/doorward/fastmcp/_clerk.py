"""Clerk for people, an authorization server of one's own for MCP clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.server.auth import AccessToken
from fastmcp.utilities.auth import parse_scopes
from pydantic import AnyHttpUrl, SecretStr

from doorward._doorward import Identity

from ._endpoints import clerk_endpoints
from ._provider import LoginProvider, Upstream, UpstreamCheck
from ._verifier import PROFILE, ClerkTokenVerifier

if TYPE_CHECKING:
    import httpx2


class ClerkProvider(LoginProvider):
    """FastMCP's `ClerkProvider`, parameter by parameter:

        auth = ClerkProvider(
            domain="example.clerk.accounts.dev",
            client_id="…",
            client_secret="…",
            base_url="https://mcp.example.com",
        )
        mcp = FastMCP("notes", auth=auth)

    MCP clients register and get their tokens here (`at+jwt`, for this server alone); people sign in
    at Clerk. A request with such a token is judged here; Clerk is asked once a minute whether it
    still stands by the person (`upstream_check`). Tools see the MCP client's id, and never Clerk's
    token: that is `upstream_token()`.

    In Clerk's dashboard, the redirect URI of the OAuth application is `base_url` and
    `redirect_path` (`/auth/callback`).

    What differs from FastMCP, and why:

    `issuer_url`                 the issuer is `base_url`: where FastMCP's points to the root, the
                                 documents of `get_well_known_routes()` stand there all the same
    `client_storage`             the URL of a store: `sqlite:///…` (default, in the user's data
                                 folder), `redis://…`, `postgres://…`, `memory:`
    `jwt_signing_key`            by default random and kept beside the store; a store that several
                                 machines share takes one
    `allowed_client_redirect_uris`  no stars but a last `/*`, and `http://localhost:*`
    `consent_csp_policy`         refused
    `token_expiry_threshold_seconds`  without effect: the engine renews Clerk's token when it is
                                 asked for
    `fallback_refresh_token_expiry_seconds`  30 days by default, from the last use

    Besides: `base`, `issuer` and the endpoints, for a Clerk that is not at `https://{domain}`, and
    what `LoginProvider` takes.
    """

    def __init__(
        self,
        *,
        domain: str,
        client_id: str,
        client_secret: str | None = None,
        base_url: AnyHttpUrl | str,
        resource_base_url: AnyHttpUrl | str | None = None,
        issuer_url: AnyHttpUrl | str | None = None,
        redirect_path: str | None = None,
        required_scopes: list[str] | None = None,
        valid_scopes: list[str] | None = None,
        timeout_seconds: int = 10,
        allowed_client_redirect_uris: list[str] | None = None,
        client_storage: object = None,
        jwt_signing_key: str | bytes | None = None,
        require_authorization_consent: bool | Literal["remember", "external"] = True,
        consent_csp_policy: str | None = None,
        forward_resource: bool = True,
        fallback_refresh_token_expiry_seconds: int | None = None,
        fastmcp_access_token_expiry_seconds: int | None = None,
        token_expiry_threshold_seconds: int = 0,
        extra_authorize_params: dict[str, str] | None = None,
        http_client: httpx2.AsyncClient | None = None,
        enable_cimd: bool = True,
        token_endpoint_auth_method: str | None = None,
        base: str | None = None,
        issuer: str | None = None,
        authorization_endpoint: str | None = None,
        token_endpoint: str | None = None,
        introspection_endpoint: str | None = None,
        userinfo_endpoint: str | None = None,
        revocation_endpoint: str | None = None,
        jwks_uri: str | None = None,
        tool_scopes: Mapping[str, Sequence[str]] | None = None,
        scope_implies: Mapping[str, Sequence[str]] | None = None,
        upstream_check: UpstreamCheck = 60,
        custom_schemes: Sequence[str] = ("cursor", "vscode", "vscode-insiders", "windsurf"),
        page: Mapping[str, Any] | None = None,
        clients: Sequence[Mapping[str, Any]] = (),
        max_clients: int | None = None,
        max_families: int | None = None,
        max_approvals: int | None = None,
    ) -> None:
        endpoints = clerk_endpoints(
            domain,
            base=base,
            issuer=issuer,
            authorization_endpoint=authorization_endpoint,
            token_endpoint=token_endpoint,
            introspection_endpoint=introspection_endpoint,
            userinfo_endpoint=userinfo_endpoint,
            revocation_endpoint=revocation_endpoint,
            jwks_uri=jwks_uri,
        )
        scopes = (
            parse_scopes(required_scopes)
            if required_scopes is not None
            else ["openid", "email", "profile"]
        )
        super().__init__(
            upstream=Upstream(
                issuer=endpoints.issuer,
                authorization_endpoint=endpoints.authorization,
                token_endpoint=endpoints.token,
                jwks_uri=endpoints.jwks,
                client_id=client_id,
                client_secret=SecretStr(client_secret) if client_secret is not None else None,
                authentication=token_endpoint_auth_method,
                introspection_endpoint=endpoints.introspection,
                userinfo_endpoint=endpoints.userinfo,
                revocation_endpoint=endpoints.revocation,
            ),
            base_url=base_url,
            resource_base_url=resource_base_url,
            issuer_url=issuer_url,
            redirect_path=redirect_path,
            required_scopes=scopes,
            valid_scopes=parse_scopes(valid_scopes) if valid_scopes is not None else None,
            timeout_seconds=timeout_seconds,
            allowed_client_redirect_uris=allowed_client_redirect_uris,
            client_storage=client_storage,
            jwt_signing_key=jwt_signing_key,
            require_authorization_consent=require_authorization_consent,
            consent_csp_policy=consent_csp_policy,
            forward_resource=forward_resource,
            refresh_token_lifetime=fallback_refresh_token_expiry_seconds,
            access_token_lifetime=fastmcp_access_token_expiry_seconds,
            extra_authorize_params=extra_authorize_params,
            http_client=http_client,
            enable_cimd=enable_cimd,
            claims=PROFILE,
            tool_scopes=tool_scopes,
            scope_implies=scope_implies,
            upstream_check=upstream_check,
            custom_schemes=custom_schemes,
            page=page,
            clients=clients,
            max_clients=max_clients,
            max_families=max_families,
            max_approvals=max_approvals,
        )
        self._token_expiry_threshold_seconds = token_expiry_threshold_seconds
        self._token_validator = ClerkTokenVerifier(
            domain=domain,
            client_id=client_id,
            client_secret=client_secret,
            required_scopes=scopes,
            timeout_seconds=timeout_seconds,
            http_client=http_client,
            base=base,
            issuer=issuer,
            introspection_endpoint=introspection_endpoint,
            userinfo_endpoint=userinfo_endpoint,
            jwks_uri=jwks_uri,
        )

    def _access_token(self, found: Identity, token: str) -> AccessToken:
        made = super()._access_token(found, token)
        profile = {name: made.claims.get(name) for name in PROFILE}
        made.claims.update(profile)
        known = {name: value for name, value in profile.items() if value is not None}
        made.claims["clerk_user_data"] = {"sub": found.subject, **known}
        return made
