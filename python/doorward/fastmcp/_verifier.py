"""Token verifiers for FastMCP: any authenticator's, and Clerk's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.server.auth import AccessToken
from fastmcp.server.auth import TokenVerifier as FastMCPTokenVerifier
from fastmcp.utilities.auth import parse_scopes
from starlette.middleware import Middleware
from starlette.routing import Route

from doorward._authenticator import Authenticator
from doorward._doorward import Identity, Pending, Policy
from doorward._rejection import ConfigError, Rejection
from doorward._verdict import report
from doorward.mcp import Caller, ProtectedServer, Scope, components, digest_of

from ._bridge import Bridge
from ._endpoints import clerk_endpoints
from ._guard import stand_guard, stand_guard_here
from ._routes import one_path

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

_logger = logging.getLogger("doorward")

#: The issuer's userinfo is asked for beside the request, waited for, or not asked for.
Userinfo = Literal["background", "wait", "off"]


class TokenVerifier(FastMCPTokenVerifier):
    """Verifies bearer tokens by an `Authenticator`, any issuer's:

        mcp = FastMCP("notes", auth=TokenVerifier(auth))

    A known token is judged without waiting, without another thread and without the network. Where
    nobody can say whether a token is good, the client hears 503 and Retry-After, not 401. A token
    that lacks a scope hears 403 `insufficient_scope`.

    Tools see a digest in `AccessToken.token`; the token itself is `doorward.mcp.presented_token()`.
    """

    def __init__(
        self,
        auth: Authenticator,
        *,
        required_scopes: list[str] | None = None,
        base_url: AnyHttpUrl | str | None = None,
        resource_base_url: AnyHttpUrl | str | None = None,
    ) -> None:
        super().__init__(
            base_url=base_url,
            required_scopes=required_scopes,
            resource_base_url=resource_base_url,
        )
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"auth: expected an Authenticator, found {type(auth).__name__}")
        self._auth: Authenticator | None = auth
        self._policy = Policy(scopes=self.required_scopes) if self.required_scopes else None

    @property
    def authenticator(self) -> Authenticator:
        """The engine that decides."""
        assert self._auth is not None
        return self._auth

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning; `None` if it is not good, lacks a required scope, or nobody can
        tell. Behind FastMCP's own server the three are told apart: 401, 403, 503.
        """
        auth = self.authenticator
        try:
            found = await auth.verify_async(token)
            if self._policy is not None:
                auth.permit(self._policy, found)
        except Rejection as rejection:
            report(rejection)
            return None
        stand_guard_here(auth, found)
        return self._access_token(found, token, await self._told(found, token))

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """None, but now the MCP server's path is known."""
        self.set_mcp_path(mcp_path)
        return super().get_routes(mcp_path)

    def get_middleware(self) -> list[Middleware]:
        """The door. FastMCP's own guard stays behind it, and refuses whoever it has not let in."""
        return [Middleware(ProtectedServer, gate=self, enforce=False)]

    def admit(self, scope: Scope) -> Caller | Rejection | Awaitable[Caller | Rejection]:
        """Decides about a request."""
        auth = self.authenticator
        try:
            found = auth.authenticate_nowait(scope)
            if isinstance(found, Pending):
                return self._admitted(scope)
            presented = auth.token(scope)
            told = self._told_nowait(found, presented)
        except Rejection as rejection:
            return rejection.with_traceback(None)
        if isinstance(told, Pending):
            return self._admitted(scope)
        return self._caller(found, presented, told)

    def guards(self, scope: Scope, found: Identity) -> Authenticator | None:
        """What calls take is asked at the MCP server's own route."""
        stand_guard(scope, self.authenticator, found)
        return None

    async def _admitted(self, scope: Scope) -> Caller | Rejection:
        auth = self.authenticator
        try:
            found = await auth.authenticate(scope)
            presented = auth.token(scope)
        except Rejection as rejection:
            return rejection.with_traceback(None)
        return self._caller(found, presented, await self._told(found, presented))

    def _caller(
        self, found: Identity, presented: str, told: Mapping[str, Any] | None
    ) -> Caller | Rejection:
        try:
            if self._policy is not None:
                self.authenticator.permit(self._policy, found)
        except Rejection as rejection:
            return rejection.with_traceback(None)
        return Caller(self._access_token(found, digest_of(presented), told), found, presented, self)

    def _access_token(
        self, found: Identity, token: str, told: Mapping[str, Any] | None
    ) -> AccessToken:
        return AccessToken(token=token, **components(found))

    def _told_nowait(self, found: Identity, token: str) -> Mapping[str, Any] | Pending | None:
        return None

    async def _told(self, found: Identity, token: str) -> Mapping[str, Any] | None:
        return None


class ClerkTokenVerifier(TokenVerifier):
    """Verifies Clerk's OAuth access tokens: FastMCP's `ClerkTokenVerifier`, parameter by parameter.

    A JWT (`at+jwt`) is verified here by its signature; an opaque one (`oat_…`) by Clerk's word
    (RFC 7662), asked for once a minute per token at most, however many requests carry it.

    `domain`            the instance, such as `example.clerk.accounts.dev`
    `client_id`         who asks Clerk, and whom tokens must be made for: `aud` names it or the
                        server's URL, or there is no `aud` and `client_id` is it
    `client_secret`     the secret of who asks
    `required_scopes`   without all of them a token is refused (403)
    `timeout_seconds`   for `http_client`; without one the engine's own limits hold (5 s in all)
    `http_client`       asks through this `httpx2.AsyncClient`, which its owner closes
    `client_ids`        further clients that tokens may be made for
    `audience`          further `aud` that are taken
    `base`, `issuer`, `introspection_endpoint`, `userinfo_endpoint`, `jwks_uri`
                        where Clerk answers, if not at `https://{domain}`
    `userinfo`          `background` (default): profile claims are there from the second request on;
                        `wait`: from the first; `off`: never. It decides about nobody.
    `tool_scopes`       the scopes that a tool takes besides: `{"delete_note": ["notes:write"]}`; a
                        caller without them hears 403 and which they are. Takes `base_url`.
    `scope_implies`     scopes that contain others: `{"notes:write": ["notes:read"]}`
    `answer_ttl`        seconds that Clerk's word about an opaque token is believed (60)

    Without `client_id` and `base_url` nobody says whom a token must be made for, and any of the
    instance's is taken, as FastMCP does it.
    """

    def __init__(
        self,
        *,
        domain: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        required_scopes: list[str] | None = None,
        timeout_seconds: int = 10,
        http_client: httpx2.AsyncClient | None = None,
        base_url: AnyHttpUrl | str | None = None,
        resource_base_url: AnyHttpUrl | str | None = None,
        client_ids: Sequence[str] = (),
        audience: Sequence[str] = (),
        dangerously_accept_tokens_without_audience: bool = False,
        scopes_supported: list[str] | None = None,
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
        scopes = parse_scopes(required_scopes) if required_scopes is not None else None
        FastMCPTokenVerifier.__init__(
            self, base_url=base_url, required_scopes=scopes, resource_base_url=resource_base_url
        )
        self._policy = Policy(scopes=self.required_scopes) if self.required_scopes else None
        self._auth = None
        self.domain = domain.rstrip("/")
        self.timeout_seconds = timeout_seconds
        self._client_id = client_id
        self._client_secret = client_secret
        self._http_client = http_client
        self._endpoints = clerk_endpoints(
            domain,
            base=base,
            issuer=issuer,
            introspection_endpoint=introspection_endpoint,
            userinfo_endpoint=userinfo_endpoint,
            jwks_uri=jwks_uri,
        )
        self._introspection_url = self._endpoints.introspection
        self._userinfo_url = self._endpoints.userinfo
        self._userinfo: Userinfo = userinfo
        self._client_ids = tuple(dict.fromkeys((*([client_id] if client_id else ()), *client_ids)))
        self._audience = tuple(audience)
        self._without_audience = dangerously_accept_tokens_without_audience
        self._scopes_supported = scopes_supported
        self._answer_ttl = answer_ttl
        self._tool_scopes = tool_scopes
        self._scope_implies = scope_implies
        if tool_scopes and self.base_url is None:
            raise ConfigError("tool_scopes: takes base_url, the URL of this server")
        # A wrong setting is told now, not at the first request.
        self._auth = self._engine(None)

    @property
    def scopes_supported(self) -> list[str]:
        return self.required_scopes if self._scopes_supported is None else self._scopes_supported

    async def verify_token(self, token: str) -> AccessToken | None:
        """As `TokenVerifier`'s. Raises `ConfigError` where a provider of somebody else's has not
        said at which path the MCP server is, and more than the signature depends on it.
        """
        self._must_be_placed()
        return await super().verify_token(token)

    def admit(self, scope: Scope) -> Caller | Rejection | Awaitable[Caller | Rejection]:
        self._must_be_placed()
        return super().admit(scope)

    def set_mcp_path(self, mcp_path: str | None) -> None:
        """The resource is at `base_url` and this path. Raises `ConfigError` for a second path."""
        super().set_mcp_path(one_path(self._mcp_path, mcp_path))
        if self._resource_url is not None:
            self._auth = self._engine(str(self._resource_url))

    def _must_be_placed(self) -> None:
        if self.base_url is None or self._resource_url is not None:
            return
        if self._tool_scopes or not (self._client_ids or self._audience):
            error = ConfigError(
                "base_url: at which path the MCP server is was not said; call"
                " set_mcp_path('/mcp') before another provider is handed this verifier"
            )
            _logger.error("%s", error)
            raise error

    def _engine(self, resource: str | None) -> Authenticator:
        settings = self._settings(resource)
        if self._http_client is None:
            return Authenticator.from_config(settings)
        return Bridge(self._http_client, self.timeout_seconds).authenticator(settings)

    def _settings(self, resource: str | None) -> dict[str, Any]:
        """What the engine is told, in the words of `doorward.toml`."""
        endpoints = self._endpoints
        audience = [*self._client_ids, *self._audience]
        issuer: dict[str, Any] = {
            "issuer": endpoints.issuer,
            "jwks_url": endpoints.jwks,
            "algorithms": ["RS256"],
            "accepts": ["oauth_token"],
            "required_claims": ["sub"],
            "introspection_url": endpoints.introspection,
            "introspection_client_id": self._client_id,
            "introspection_client_secret": self._client_secret,
            "userinfo_url": None if self._userinfo == "off" else endpoints.userinfo,
            "clients_without_audience": list(self._client_ids) or None,
            "dangerously_accept_tokens_without_audience": self._without_audience or None,
        }
        settings: dict[str, Any] = {"answer_ttl": self._answer_ttl}
        if resource is not None:
            audience.insert(0, resource)
            settings |= {
                "resource": resource,
                "authorization_servers": [endpoints.issuer],
                "scopes_supported": self.scopes_supported,
                "challenge_scopes": self.challenge_scopes,
                "tool_scopes": self._tool_scopes,
                "scope_implies": self._scope_implies,
            }
        issuer["audience"] = audience or "*"
        settings["issuer"] = [_said(issuer)]
        return _said(settings)

    def _access_token(
        self, found: Identity, token: str, told: Mapping[str, Any] | None
    ) -> AccessToken:
        fields = components(found)
        claims = fields["claims"]
        if claims.get("aud") is None:
            claims["aud"] = found.client_id
        for name in PROFILE:
            claims[name] = told.get(name) if told is not None else claims.get(name)
        claims["clerk_user_data"] = dict(told) if told is not None else None
        if found.client_id is None:
            fields["client_id"] = (found.audience or (found.subject,))[0]
        return AccessToken(token=token, **fields)

    def _told_nowait(self, found: Identity, token: str) -> Mapping[str, Any] | Pending | None:
        if self._userinfo == "off":
            return None
        try:
            told = self.authenticator.userinfo_nowait(found, token)
        except Rejection:
            # Whoever is known stays known: it is a word about their profile.
            return None
        if isinstance(told, Pending) and self._userinfo == "background":
            return None
        return told

    async def _told(self, found: Identity, token: str) -> Mapping[str, Any] | None:
        told = self._told_nowait(found, token)
        if not isinstance(told, Pending):
            return told
        try:
            return await self.authenticator.userinfo_async(found, token)
        except Rejection:
            return None


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


PROFILE = (
    "email",
    "email_verified",
    "name",
    "picture",
    "given_name",
    "family_name",
    "preferred_username",
)
