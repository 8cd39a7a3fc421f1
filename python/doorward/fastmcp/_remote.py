"""The provider itself is the authorization server: this one only says where it is (RFC 9728)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastmcp.server.auth import RemoteAuthProvider
from pydantic import AnyHttpUrl
from starlette.routing import Route

from ._routes import document_routes
from ._verifier import ClerkTokenVerifier, TokenVerifier, Userinfo

if TYPE_CHECKING:
    import httpx2
    from starlette.middleware import Middleware


class RemoteProvider(RemoteAuthProvider):
    """FastMCP's `RemoteAuthProvider` with Doorward's door: 503 where nobody can tell, 403 with what
    is missing, metadata at both of its places.
    """

    token_verifier: TokenVerifier

    def __init__(
        self,
        token_verifier: TokenVerifier,
        *,
        base_url: AnyHttpUrl | str,
        authorization_servers: Sequence[AnyHttpUrl | str] | None = None,
        scopes_supported: list[str] | None = None,
        resource_base_url: AnyHttpUrl | str | None = None,
        resource_name: str | None = None,
        resource_documentation: AnyHttpUrl | None = None,
        challenge_scopes: list[str] | None = None,
    ) -> None:
        if not isinstance(token_verifier, TokenVerifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            found = type(token_verifier).__name__
            raise TypeError(
                f"token_verifier: expected doorward.fastmcp.TokenVerifier, found {found}"
            )
        if authorization_servers is None:
            authorization_servers = token_verifier.authenticator.issuers
        super().__init__(
            token_verifier,
            [AnyHttpUrl(str(server)) for server in authorization_servers],
            base_url,
            scopes_supported=scopes_supported,
            resource_base_url=resource_base_url,
            resource_name=resource_name,
            resource_documentation=resource_documentation,
            challenge_scopes=challenge_scopes,
        )
        token_verifier.base_url = self.base_url
        token_verifier.resource_base_url = self.resource_base_url

    def set_mcp_path(self, mcp_path: str | None) -> None:
        self.token_verifier.set_mcp_path(mcp_path)
        super().set_mcp_path(self.token_verifier._mcp_path)

    def get_middleware(self) -> list[Middleware]:
        return self.token_verifier.get_middleware()

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        self.set_mcp_path(mcp_path)
        resource = self.token_verifier.authenticator.resource
        if resource is None:
            return super().get_routes(mcp_path)
        return document_routes(resource)


class RemoteClerkProvider(RemoteProvider):
    """Clerk itself is the authorization server: MCP clients register, log in and get tokens there.

        auth = RemoteClerkProvider(
            domain="example.clerk.accounts.dev",
            base_url="https://mcp.example.com",
            client_ids=["client_2abc…"],
        )

    In Clerk's dashboard, dynamic client registration or client ID metadata documents must be on, or
    the clients registered by hand.

    `client_ids`        clients whose tokens are taken even without `aud`, as Clerk's often are
    `audience`          further `aud` that are taken, besides this server's URL
    `dangerously_accept_tokens_without_audience`
                        takes a token that does not say for whom it was made, whichever client's it
                        is. Any application of the instance can then call this server with its
                        users' tokens.
    `client_id`, `client_secret`
                        who asks Clerk about opaque tokens
    `scopes_supported`  what the metadata offers; by default `required_scopes`

    The rest is `ClerkTokenVerifier`'s.
    """

    def __init__(
        self,
        *,
        domain: str,
        base_url: AnyHttpUrl | str,
        client_id: str | None = None,
        client_secret: str | None = None,
        required_scopes: list[str] | None = None,
        scopes_supported: list[str] | None = None,
        timeout_seconds: int = 10,
        http_client: httpx2.AsyncClient | None = None,
        resource_base_url: AnyHttpUrl | str | None = None,
        resource_name: str | None = None,
        resource_documentation: AnyHttpUrl | None = None,
        client_ids: Sequence[str] = (),
        audience: Sequence[str] = (),
        dangerously_accept_tokens_without_audience: bool = False,
        base: str | None = None,
        issuer: str | None = None,
        introspection_endpoint: str | None = None,
        userinfo_endpoint: str | None = None,
        jwks_uri: str | None = None,
        userinfo: Userinfo = "background",
        answer_ttl: float | None = None,
        tool_scopes: Mapping[str, Sequence[str]] | None = None,
        scope_implies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        verifier = ClerkTokenVerifier(
            domain=domain,
            client_id=client_id,
            client_secret=client_secret,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            http_client=http_client,
            base_url=base_url,
            resource_base_url=resource_base_url,
            client_ids=client_ids,
            audience=audience,
            dangerously_accept_tokens_without_audience=dangerously_accept_tokens_without_audience,
            base=base,
            issuer=issuer,
            introspection_endpoint=introspection_endpoint,
            userinfo_endpoint=userinfo_endpoint,
            jwks_uri=jwks_uri,
            userinfo=userinfo,
            answer_ttl=answer_ttl,
            tool_scopes=tool_scopes,
            scope_implies=scope_implies,
            scopes_supported=scopes_supported,
        )
        super().__init__(
            verifier,
            base_url=base_url,
            scopes_supported=scopes_supported,
            resource_base_url=resource_base_url,
            resource_name=resource_name,
            resource_documentation=resource_documentation,
        )
