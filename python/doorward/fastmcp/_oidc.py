"""Any OpenID Connect provider for people, an authorization server of one's own for MCP clients."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.utilities.auth import parse_scopes
from pydantic import AnyHttpUrl, SecretStr

from doorward._doorward import AuthorizationServer
from doorward._rejection import ConfigError

from ._provider import LoginProvider, Upstream, UpstreamCheck

if TYPE_CHECKING:
    import httpx2


class OIDCProvider(LoginProvider):
    """FastMCP's `OIDCProxy` by its parameters, for any provider that speaks OpenID Connect:

        auth = OIDCProvider(
            config_url="https://login.example.com/.well-known/openid-configuration",
            client_id="…",
            client_secret="…",
            base_url="https://mcp.example.com",
        )

    The provider's metadata are read once, when this is made. `claims` of its ID token are there for
    tools. There is no `token_verifier`, `algorithm` or `verify_id_token`: the ID token is verified
    at each login, whatever the access token looks like.
    """

    def __init__(
        self,
        *,
        config_url: AnyHttpUrl | str,
        client_id: str,
        client_secret: str | None = None,
        audience: str | None = None,
        timeout_seconds: int = 10,
        required_scopes: list[str] | None = None,
        base_url: AnyHttpUrl | str,
        resource_base_url: AnyHttpUrl | str | None = None,
        issuer_url: AnyHttpUrl | str | None = None,
        redirect_path: str | None = None,
        allowed_client_redirect_uris: list[str] | None = None,
        valid_scopes: list[str] | None = None,
        client_storage: object = None,
        jwt_signing_key: str | bytes | None = None,
        token_endpoint_auth_method: str | None = None,
        require_authorization_consent: bool | Literal["remember", "external"] = True,
        consent_csp_policy: str | None = None,
        forward_resource: bool = True,
        extra_authorize_params: dict[str, str] | None = None,
        fallback_refresh_token_expiry_seconds: int | None = None,
        fastmcp_access_token_expiry_seconds: int | None = None,
        http_client: httpx2.AsyncClient | None = None,
        enable_cimd: bool = True,
        claims: Sequence[str] = ("email", "email_verified", "name", "picture"),
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
        way = token_endpoint_auth_method or ("client_secret_basic" if client_secret else "none")
        found = json.loads(
            AuthorizationServer.discover(
                _issuer(str(config_url)), authentication=way, timeout=float(timeout_seconds)
            )
        )
        extra = dict(extra_authorize_params or {})
        if audience is not None:
            extra["audience"] = audience
        super().__init__(
            upstream=Upstream(
                client_id=client_id,
                client_secret=SecretStr(client_secret) if client_secret is not None else None,
                authentication=token_endpoint_auth_method,
                **found,
            ),
            base_url=base_url,
            resource_base_url=resource_base_url,
            issuer_url=issuer_url,
            redirect_path=redirect_path,
            required_scopes=parse_scopes(required_scopes) if required_scopes else ["openid"],
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
            extra_authorize_params=extra,
            http_client=http_client,
            enable_cimd=enable_cimd,
            claims=claims,
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


def _issuer(config_url: str) -> str:
    """OpenID Connect Discovery §4.1: the document stands below the issuer."""
    issuer, found, rest = config_url.partition("/.well-known/openid-configuration")
    if not found or rest:
        raise ConfigError(
            f"config_url: expected …/.well-known/openid-configuration, found {config_url!r}"
        )
    return issuer
