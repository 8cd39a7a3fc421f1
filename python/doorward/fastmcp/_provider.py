"""An MCP server that people log in to: OAuth for the clients, the provider's sign-in for people."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.server.auth import AccessToken
from fastmcp.server.auth import OAuthProvider as FastMCPOAuthProvider
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from pydantic import AnyHttpUrl, SecretStr
from starlette.middleware import Middleware
from starlette.routing import Route

from doorward._authenticator import Authenticator, settled
from doorward._doorward import AuthorizationServer, Checking, Identity, Pending, Policy
from doorward._rejection import ConfigError, Rejection
from doorward._verdict import report
from doorward.mcp import Caller, ProtectedServer, Scope, components, digest_of

from ._bridge import Bridge
from ._guard import stand_guard, stand_guard_here
from ._routes import Endpoint, one_path
from ._storage import storage

if TYPE_CHECKING:
    import httpx2
    from typing_extensions import Never

_logger = logging.getLogger("doorward")

#: How often the provider is asked whether it still stands by a person: seconds, or a word.
UpstreamCheck = Literal["never", "always"] | int


@dataclass(frozen=True)
class Upstream:
    """Where people sign in, and who we are there."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    client_id: str
    client_secret: SecretStr | None = None
    authentication: str | None = None
    introspection_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    iss_parameter_supported: bool = False


@dataclass(frozen=True)
class UpstreamToken:
    """The provider's access token of a caller, for tools that call the provider's own API."""

    access_token: SecretStr
    scopes: tuple[str, ...]
    #: Seconds since the epoch, if the provider said.
    expires_at: int | None


class UpstreamTokenGone(Exception):
    """There is no such token: the session is over, or nobody can say now."""


async def upstream_token() -> UpstreamToken:
    """The provider's access token of the caller for whom a tool works, fresh. The one way to it:
    `AccessToken.token` never holds it. Raises `LookupError` without a caller who logged in here,
    `UpstreamTokenGone` where there is none any more.
    """
    caller = auth_context_var.get()
    if not isinstance(caller, Caller) or not isinstance(caller.gate, LoginProvider):
        raise LookupError("nobody who logged in by Doorward is calling")
    return await caller.gate.upstream_token(caller.verified)


class LoginProvider(FastMCPOAuthProvider):
    """The authorization server for MCP clients, in front of a provider where people sign in.

    `ClerkProvider` and `OIDCProvider` say who that provider is. What they take besides FastMCP's
    own parameters:

    `tool_scopes`      scopes that a tool takes besides: `{"delete_note": ["notes:write"]}`
    `scope_implies`    scopes that contain others: `{"notes:write": ["notes:read"]}`
    `upstream_check`   how often the provider is asked whether it still stands by somebody: seconds
                       (60), `"never"` or `"always"`
    `custom_schemes`   redirect URI schemes of programs that take no `http` on loopback
    `page`             name, logo, colours, texts of the consent page
    `clients`          clients that are known from the start: `client_id`, `client_name`,
                       `redirect_uris`, `client_secret`
    `max_clients`      how many clients that registered themselves are kept (10,000)
    `max_families`     how many logins are kept, each for as long as its refresh token lives
                       (100,000)
    `max_approvals`    of how many people it is kept what they approved (100,000)
    """

    base_url: AnyHttpUrl

    def __init__(
        self,
        *,
        upstream: Upstream,
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
        refresh_token_lifetime: int | None = None,
        access_token_lifetime: int | None = None,
        extra_authorize_params: dict[str, str] | None = None,
        http_client: httpx2.AsyncClient | None = None,
        enable_cimd: bool = True,
        claims: Sequence[str] = (),
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
        scopes = valid_scopes if valid_scopes is not None else required_scopes
        super().__init__(
            base_url=base_url,
            resource_base_url=resource_base_url,
            issuer_url=issuer_url,
            required_scopes=required_scopes,
            client_registration_options=ClientRegistrationOptions(
                enabled=True, valid_scopes=scopes
            ),
            revocation_options=RevocationOptions(enabled=True),
        )
        self._upstream = upstream
        self._upstream_authorization_endpoint = upstream.authorization_endpoint
        self._upstream_token_endpoint = upstream.token_endpoint
        self._upstream_client_id = upstream.client_id
        self._upstream_client_secret = upstream.client_secret
        # The engine takes upstream tokens back by itself.
        self._upstream_revocation_endpoint: str | None = None
        self._redirect_path = _path(redirect_path or "/auth/callback")
        self._extra_authorize_params = dict(extra_authorize_params or {})
        self._forward_resource = forward_resource
        self._allowed_client_redirect_uris = allowed_client_redirect_uris
        self._require_authorization_consent = require_authorization_consent
        self._client_storage = client_storage
        self._jwt_signing_key = jwt_signing_key
        self._http_client = http_client
        self._policy = Policy(scopes=self.required_scopes) if self.required_scopes else None
        self._tool_scopes = tool_scopes
        self._scope_implies = scope_implies
        self._consent = _consent(require_authorization_consent)
        if consent_csp_policy is not None:
            raise ConfigError(
                "consent_csp_policy: the page's policy is a header made for it, that keeps it out"
                " of frames and its form at home; leave the setting out"
            )
        self._settings: dict[str, Any] = {
            "scopes": scopes or [],
            "claims": list(claims),
            "clients": [dict(client) for client in clients],
            "client_documents": enable_cimd,
            "custom_schemes": list(custom_schemes),
            "allowed_redirect_uris": allowed_client_redirect_uris,
            "callback_path": self._redirect_path,
            "upstream_check": upstream_check,
            "consent": self._consent,
            "pages": dict(page or {}),
            "timeout": float(timeout_seconds),
            "access_token_lifetime": access_token_lifetime,
            "refresh_lifetime": refresh_token_lifetime,
            "max_clients": max_clients,
            "max_families": max_families,
            "max_approvals": max_approvals,
        }
        self._bridge = None if http_client is None else Bridge(http_client, timeout_seconds)
        self._lock = threading.Lock()
        self._made: tuple[str, AuthorizationServer, Authenticator] | None = None

    # What FastMCP asks of a provider.

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning; `None` if it is not good, lacks a required scope, or nobody can
        tell. Behind FastMCP's own server the three are told apart: 401, 403, 503.
        """
        try:
            found = await self.authenticator.verify_async(token)
            await self._stands(found)
            self._permit(found)
        except Rejection as rejection:
            report(rejection)
            return None
        stand_guard_here(self.authenticator, found)
        return self._access_token(found, token)

    async def load_access_token(self, token: str) -> AccessToken | None:
        """As `verify_token`."""
        return await self.verify_token(token)

    def get_middleware(self) -> list[Middleware]:
        """The door. FastMCP's own guard stays behind it, and refuses whoever it has not let in."""
        return [Middleware(ProtectedServer, gate=self, enforce=False)]

    def set_mcp_path(self, mcp_path: str | None) -> None:
        """The resource is at `base_url` and this path; tokens are made for it and no other. Raises
        `ConfigError` for a second path.
        """
        super().set_mcp_path(one_path(self._mcp_path, mcp_path))
        self._make()

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """The authorization server's endpoints and documents, and the resource's metadata."""
        self.set_mcp_path(mcp_path)
        mounted = self._base_path()
        routes: list[Route] = []
        for target in self.authorization_server.paths:
            # Whoever mounts the application below a path serves the documents at the root.
            path = target
            if mounted and not target.startswith("/.well-known/"):
                path = target.removeprefix(mounted)
            routes.append(Route(path, endpoint=Endpoint(self._server, target)))
        return routes

    def get_well_known_routes(self, mcp_path: str | None = None) -> list[Route]:
        """The documents, which stand at the root even where the application does not."""
        return [
            route for route in self.get_routes(mcp_path) if route.path.startswith("/.well-known/")
        ]

    # What the SDK's own endpoints would ask. The routes here lead to the engine instead, which
    # keeps codes and tokens to itself.

    async def get_client(self, client_id: str) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def register_client(self, client_info: object) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def authorize(self, client: object, params: object) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def load_authorization_code(self, client: object, authorization_code: str) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def exchange_authorization_code(
        self, client: object, authorization_code: object
    ) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def load_refresh_token(self, client: object, refresh_token: str) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def exchange_refresh_token(
        self, client: object, refresh_token: object, scopes: list[str]
    ) -> Never:
        raise NotImplementedError(_BY_THE_ENGINE)

    async def revoke_token(self, token: object) -> None:
        raise NotImplementedError(_BY_THE_ENGINE)

    # What the door asks.

    def admit(self, scope: Scope) -> Caller | Rejection | Awaitable[Caller | Rejection]:
        """Decides about a request."""
        auth = self.authenticator
        try:
            found = auth.authenticate_nowait(scope)
            if isinstance(found, Pending):
                return self._admitted(None, scope)
            if found.session_id is not None:
                standing = self._server().standing_nowait(found.session_id)
                if isinstance(standing, Checking):
                    # Asked already: it is not asked again.
                    return self._admitted((found, standing), scope)
                self._must_stand(standing)
            return self._caller(found, auth.token(scope))
        except Rejection as rejection:
            return rejection.with_traceback(None)

    def guards(self, scope: Scope, found: Identity) -> Authenticator | None:
        """What calls take is asked at the MCP server's own route."""
        stand_guard(scope, self.authenticator, found)
        return None

    async def _admitted(
        self, checked: tuple[Identity, Checking] | None, scope: Scope
    ) -> Caller | Rejection:
        auth = self.authenticator
        try:
            if checked is None:
                found = await auth.authenticate(scope)
                await self._stands(found)
            else:
                found, checking = checked
                await settled(checking)
                self._must_stand(checking.standing())
            return self._caller(found, auth.token(scope))
        except Rejection as rejection:
            return rejection.with_traceback(None)

    # What tools ask.

    async def upstream_token(self, identity: Identity) -> UpstreamToken:
        """The provider's access token of somebody who logged in. Raises `UpstreamTokenGone`."""
        if identity.session_id is None:
            raise UpstreamTokenGone("the caller is no person who logged in")
        self._attend()
        fetching = self._server().upstream_token(identity.session_id)
        await settled(fetching)
        told = fetching.token()
        if isinstance(told, str):
            why = "the session is over" if told == "ended" else "the provider does not answer"
            raise UpstreamTokenGone(why)
        token, scope, expires_at = told
        return UpstreamToken(SecretStr(token), tuple((scope or "").split()), expires_at)

    @property
    def authorization_server(self) -> AuthorizationServer:
        """The engine that gives tokens."""
        return self._made_now()[1]

    @property
    def authenticator(self) -> Authenticator:
        """The engine that verifies them."""
        return self._made_now()[2]

    async def _stands(self, found: Identity) -> None:
        if found.session_id is None:
            return
        self._attend()
        standing = self._server().standing_nowait(found.session_id)
        if isinstance(standing, Checking):
            await settled(standing)
            standing = standing.standing()
        self._must_stand(standing)

    def _must_stand(self, standing: Literal["stands", "ended", "unknown"]) -> None:
        if standing == "stands":
            return
        if standing == "ended":
            raise self.authenticator.refusal("token_revoked", "the session is over")
        raise self.authenticator.refusal(
            "verification_unavailable", "nobody can say whether the session is over"
        )

    def _permit(self, found: Identity) -> None:
        if self._policy is not None:
            self.authenticator.permit(self._policy, found)

    def _caller(self, found: Identity, presented: str) -> Caller:
        self._permit(found)
        return Caller(self._access_token(found, digest_of(presented)), found, presented, self)

    def _access_token(self, found: Identity, token: str) -> AccessToken:
        return AccessToken(token=token, resource=self._made_now()[0], **components(found))

    def _server(self) -> AuthorizationServer:
        self._attend()
        return self.authorization_server

    def _attend(self) -> None:
        if self._bridge is not None:
            self._bridge.attend()

    def _made_now(self) -> tuple[str, AuthorizationServer, Authenticator]:
        if self._made is None:
            self._make()
        assert self._made is not None
        return self._made

    def _make(self) -> None:
        """Makes the engine for the resource. Nothing is opened before a request needs it."""
        resource = str(self._resource_url or self._get_resource_url(None))
        with self._lock:
            if self._made is not None and self._made[0] == resource:
                return
            server = self._authorization_server(resource)
            self._made = resource, server, self._authenticator(resource, server)

    def _authorization_server(self, resource: str) -> AuthorizationServer:
        upstream = self._upstream
        secret = upstream.client_secret
        place = storage(
            self._client_storage, self._jwt_signing_key, f"{self._issuer()} {upstream.client_id}"
        )
        settings = _said(
            {
                **self._settings,
                "issuer": self._issuer(),
                "resource": resource,
                "secret": place.secret,
                "store": place.url,
                "store_key": place.secret,
                "upstream": _said(
                    {
                        "issuer": upstream.issuer,
                        "authorization_endpoint": upstream.authorization_endpoint,
                        "token_endpoint": upstream.token_endpoint,
                        "jwks_uri": upstream.jwks_uri,
                        "client_id": upstream.client_id,
                        "client_secret": secret.get_secret_value() if secret else None,
                        "authentication": upstream.authentication,
                        "scopes": list(dict.fromkeys(["openid", *self.required_scopes])),
                        "introspection_endpoint": upstream.introspection_endpoint,
                        "userinfo_endpoint": upstream.userinfo_endpoint,
                        "revocation_endpoint": upstream.revocation_endpoint,
                        "extra_authorize_parameters": self._extra_authorize_params,
                        "forward_resource": self._forward_resource,
                        "iss_parameter_supported": upstream.iss_parameter_supported,
                    }
                ),
            }
        )
        carrier = None if self._bridge is None else self._bridge.carrier
        return AuthorizationServer(carrier=carrier, **settings)

    def _authenticator(self, resource: str, server: AuthorizationServer) -> Authenticator:
        issuer = self._issuer()
        settings = {
            "issuer": [
                {
                    "issuer": issuer,
                    "jwks_url": f"{issuer}/jwks",
                    "algorithms": ["ES256"],
                    "audience": resource,
                    "accepts": ["oauth_token"],
                }
            ],
            "resource": resource,
            "authorization_servers": [issuer],
            "scopes_supported": self.scopes_supported,
            "challenge_scopes": self.challenge_scopes,
            "tool_scopes": self._tool_scopes,
            "scope_implies": self._scope_implies,
        }
        # Its own keys are at hand.
        return Authenticator.from_config(_said(settings), carrier=server)

    def _issuer(self) -> str:
        return str(self.base_url).rstrip("/")

    def _base_path(self) -> str:
        return (self.base_url.path or "").rstrip("/")


_BY_THE_ENGINE = "the endpoints of get_routes() do this, in the engine"


def _consent(given: bool | str) -> str:
    if given is True:
        return "always"
    if given == "remember":
        return "remember"
    if given is False:
        _logger.warning(
            "require_authorization_consent=False: whoever registers a client is let into the"
            " account of anybody who follows a link"
        )
        return "external"
    if given == "external":
        return "external"
    raise ConfigError(
        "require_authorization_consent: expected True, 'remember', 'external' or False,"
        f" found {given!r}"
    )


def _path(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
