"""The compiled engine. Private: import these names from `doorward` instead."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from os import PathLike
from typing import Any, Final, Literal, final

from typing_extensions import Self, Unpack, disjoint_base

from ._rejection import Rejection
from ._types import Algorithm, Endpoint, Fault, IssuerSettings, Keys, Preset, Revoked, TokenKind
from ._webhook_rejection import WebhookRejection

__version__: Final[str]

@final
class Any_:
    """The type of `ANY`, the explicit waiver of an audience check."""

ANY: Final[Any_]

#: One row per reason: (code, HTTP status, RFC 6750 error or None, Clerk's code or None, summary).
REASONS: Final[tuple[tuple[str, int, str | None, str | None, str], ...]]

#: One row per metric: (name, whether it only grows, what it says).
METRICS: Final[tuple[tuple[str, bool, str], ...]]

@final
class Issuer:
    """One trusted authorization server.

    `keys` takes key material in any spelling (JWKS as dict or JSON, JWK, PEM, base64 DER, a list of those) or the
    `https` URL of a JWKS; left out, the keys are found by OIDC discovery from `issuer`. `shared_secret` replaces
    `keys` for HS256/384/512. `audience` must be given, or waived with `doorward.ANY`.
    """

    def __new__(
        cls,
        *,
        issuer: str,
        audience: str | Sequence[str] | Any_,
        keys: Keys | None = None,
        shared_secret: str | bytes | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        algorithms: Sequence[Algorithm] | None = None,
        required_claims: Sequence[str] | None = None,
        token_types: Sequence[TokenKind] | None = None,
        leeway: float | None = None,
        clients_without_audience: str | Sequence[str] | None = None,
        dangerously_accept_tokens_without_audience: bool = False,
    ) -> Self: ...
    @classmethod
    def preset(cls, name: Preset, /, **settings: Unpack[IssuerSettings]) -> Self:
        """An issuer of a known provider, from the settings its preset wants (`docs/providers.md`)."""
    @property
    def issuer(self) -> str: ...

@final
class Identity:
    """A verified caller. Only the engine makes one."""

    @property
    def kind(self) -> TokenKind: ...
    @property
    def subject(self) -> str: ...
    @property
    def issuer(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def session_status(self) -> str | None: ...
    @property
    def client_id(self) -> str | None: ...
    @property
    def organization_id(self) -> str | None: ...
    @property
    def organization_slug(self) -> str | None: ...
    @property
    def role(self) -> str | None: ...
    @property
    def roles(self) -> tuple[str, ...]:
        """The role in the active organization, or the provider's own list of roles."""
    @property
    def tenant(self) -> str | None:
        """The tenant whose issuer made the token, where the issuer is a template."""
    @property
    def raw_role(self) -> str | None:
        """The role as the token spells it (Clerk v2 leaves `org:` out)."""
    @property
    def permissions(self) -> tuple[str, ...]: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def implied_scopes(self) -> tuple[str, ...]:
        """The scopes that those hold by `scope_implies`, and that the token does not name."""
    @property
    def features(self) -> tuple[str, ...]: ...
    @property
    def plans(self) -> tuple[str, ...]: ...
    @property
    def actor(self) -> dict[str, Any] | None: ...
    @property
    def authorized_party(self) -> str | None: ...
    @property
    def audience(self) -> tuple[str, ...]: ...
    @property
    def token_id(self) -> str | None: ...
    @property
    def issued_at(self) -> float | None:
        """`iat`, seconds since the epoch."""
    @property
    def expires_at(self) -> float:
        """`exp`, seconds since the epoch."""
    @property
    def claims(self) -> dict[str, Any]:
        """The claims set as a dict, built on first use. For Clerk v2 tokens smuggled `org_*` members are left out."""
    @property
    def raw_claims(self) -> bytes:
        """The claims set as the JSON bytes that were signed."""
    @property
    def flags(self) -> tuple[str, ...]:
        """What was odd about an otherwise valid token, such as `permissions_misaligned`."""
    def has(
        self,
        *,
        scopes: str | Sequence[str] = (),
        any_scope: Sequence[str] = (),
        role: str | None = None,
        permission: str | None = None,
        permissions: Sequence[str] = (),
        feature: str | None = None,
        plan: str | None = None,
        reverification: str | Mapping[str, Any] | tuple[str, int] | None = None,
        organization: bool | str = False,
    ) -> bool:
        """Clerk's `has()`: every dimension asked must pass and at least one must be asked."""

@final
class Policy:
    """What a route demands. Immutable, hashable, comparable; equal arguments make equal policies."""

    def __new__(
        cls,
        *,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        scopes: str | Sequence[str] = (),
        any_scope: Sequence[str] = (),
        role: str | None = None,
        permission: str | None = None,
        permissions: Sequence[str] = (),
        feature: str | None = None,
        plan: str | None = None,
        reverification: str | Mapping[str, Any] | tuple[str, int] | None = None,
        organization: bool | str = False,
        deny_impersonation: bool = False,
    ) -> Self: ...
    def permit(self, identity: Identity) -> None:
        """Raises `Rejection` (403) unless the identity satisfies the policy."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Pending:
    """A verdict that waits for a fact (a key set, an issuer's answer) which is being fetched on a helper thread."""

    @property
    def fetch_id(self) -> int:
        """The same number for all who wait for the same fetch, as long as one of them does."""

    def wait(self) -> None:
        """Blocks, without the GIL, until the fact is known or known to be out of reach."""

@final
class ProtectedResource:
    """A protected resource and its metadata (RFC 9728), as `resource` and its companions configure them."""

    @property
    def identifier(self) -> str: ...
    @property
    def metadata_url(self) -> str:
        """The URL that every challenge names as `resource_metadata`."""
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def paths(self) -> tuple[str, ...]:
        """The paths the metadata are at: the bare well-known one, and the one with the identifier's path behind it."""
    def answer(
        self, method: str, path: str
    ) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Status, header fields and body for a request for the metadata; `None` for another path."""

@disjoint_base
class Authenticator:
    """A verifier with a memory, a fetcher and a clock. One per application; safe to share between threads.

    Only session tokens are accepted unless `accepts` says otherwise.
    """

    def __new__(
        cls,
        issuers: Sequence[Issuer],
        *,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        allow_pending: bool = False,
        leeway: float = 5.0,
        clock: Callable[[], float] | None = None,
        cookies: Sequence[str] | None = None,
        cache_bytes: int = 16_777_216,
        explain: bool = False,
        problem_details: bool = False,
        revocation_store: str | None = None,
        revocation_on_outage: Literal["accept", "refuse"] | None = None,
        revocation_retention: float | None = None,
        answer_ttl: float | None = None,
        answer_negative_ttl: float | None = None,
        answer_stale_if_error: float | None = None,
        userinfo_ttl: float | None = None,
        client_address_header: str | None = None,
        resource: str | None = None,
        authorization_servers: str | Sequence[str] | None = None,
        scopes_supported: str | Sequence[str] | None = None,
        challenge_scopes: str | Sequence[str] | None = None,
        offline_access: bool | None = None,
        scope_implies: Mapping[str, str | Sequence[str]] | None = None,
        certificate_authorities: str | None = None,
    ) -> Self: ...
    @classmethod
    def clerk(
        cls,
        *,
        publishable_key: str | None = None,
        issuer: str | None = None,
        jwt_key: Keys | None = None,
        secret_key: str | None = None,
        machine_secret_key: str | None = None,
        authorized_parties: str | Sequence[str] | None = None,
        audience: str | Sequence[str] | Any_ | None = None,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        allow_pending: bool = False,
        azp: Literal["require", "if_present", "off"] | None = None,
        leeway: float = 5.0,
        clock: Callable[[], float] | None = None,
        api_url: str | None = None,
        jwks_url: str | None = None,
        cookies: str | Sequence[str] | None = None,
        cache_bytes: int = 16_777_216,
        explain: bool = False,
        problem_details: bool = False,
        revocation_store: str | None = None,
        revocation_on_outage: Literal["accept", "refuse"] | None = None,
        revocation_retention: float | None = None,
        answer_ttl: float | None = None,
        answer_negative_ttl: float | None = None,
        answer_stale_if_error: float | None = None,
        userinfo_ttl: float | None = None,
        client_address_header: str | None = None,
        resource: str | None = None,
        authorization_servers: str | Sequence[str] | None = None,
        scopes_supported: str | Sequence[str] | None = None,
        challenge_scopes: str | Sequence[str] | None = None,
        offline_access: bool | None = None,
        scope_implies: Mapping[str, str | Sequence[str]] | None = None,
        certificate_authorities: str | None = None,
    ) -> Self: ...
    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, clock: Callable[[], float] | None = None
    ) -> Self:
        """From `CLERK_*`, `DOORWARD_*` and the variables of the provider that `DOORWARD_PRESET` names."""
    @classmethod
    def from_config(
        cls,
        config: str | PathLike[str] | Mapping[str, Any],
        *,
        clock: Callable[[], float] | None = None,
        carrier: Carrier | AuthorizationServer | None = None,
    ) -> Self:
        """From a `doorward.toml`, or from a mapping with its settings. With one issuer its settings may stand beside
        the others: `{"preset": "clerk", "publishable_key": …}`; several are `{"issuer": [{…}, {…}]}`.
        """
    def authenticate_nowait(self, head: Any) -> Identity | Pending:
        """One try without waiting: an `Identity`, or a `Pending` to wait for before the next try. Raises `Rejection`."""
    def admit_nowait(self, scope: MutableMapping[str, Any]) -> dict[str, Any] | Pending:
        """One try, and where it succeeds, a copy of the ASGI scope with the caller in it. Raises `Rejection`."""
    def verify_nowait(self, token: str | bytes) -> Identity | Pending: ...
    def authenticate_blocking(self, head: Any) -> Identity: ...
    def verify(self, token: str | bytes) -> Identity: ...
    def userinfo_nowait(
        self, identity: Identity, token: str | bytes
    ) -> dict[str, Any] | Pending:
        """One try without waiting: the claims, or a `Pending` to wait for before the next try. Raises `Rejection`."""
    def userinfo(self, identity: Identity, token: str | bytes) -> dict[str, Any]:
        """What the issuer tells besides about a verified caller (OpenID Connect Core §5.3), by the token that verified
        them: asked once at `userinfo_url`, remembered for `userinfo_ttl` seconds. Its `sub` is the caller's. Blocks.

        Raises `Rejection` where the issuer tells nothing or cannot be asked; the caller stays verified.
        """
    def token(self, head: Any) -> str:
        """The bearer token the request presents, unverified. For compatibility layers; never log it."""

    def place(self, head: Any) -> Literal["header", "cookie"] | None:
        """Where the request's credential stands; None if there is none. Browsers send cookies by themselves: a door
        that reads them asks who made the request.
        """

    @property
    def resource(self) -> ProtectedResource | None:
        """The protected resource this stands in front of, if `resource` names it."""
    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuers that are trusted, as they are configured: names, or templates with `{tenant}` in them."""
    @property
    def authorized_parties(self) -> tuple[str, ...]:
        """The origins and clients that tokens may be made for, of all issuers."""
    def permit(self, policy: Policy, identity: Identity) -> None:
        """As `Policy.permit`, and the refusal explains itself if this authenticator's refusals do."""

    @property
    def guards_tools(self) -> bool:
        """Whether some tool takes a scope, so that bodies have to be looked at: `permit_call`."""
    def permit_call(self, identity: Identity, body: bytes) -> None:
        """Raises `Rejection` unless the identity has the scopes of the tools that a JSON-RPC body calls, a message or a batch
        (`tool_scopes`, `default_tool_scopes`): `insufficient_scope` (403) names them and those of the token, `call_malformed`
        (400) is a body that others might read otherwise.
        """
    def bind_session(self, session: str, identity: Identity) -> str | None:
        """The name that this caller is to use for a session of a protocol above HTTP (`Mcp-Session-Id`): nobody else can. `None`
        where no `resource` is configured.
        """
    def bound_session(self, bound: str, identity: Identity) -> str | None:
        """The session that this caller means by a name from `bind_session`; `None` for any other name: answer 404."""
    def refusal(self, reason: str, detail: str) -> Rejection:
        """A refusal in the way this authenticator's speak, for what an adapter alone can judge.

        `detail` is for the operator's log. Raises `ValueError` for a reason that is none.
        """

    def revoke(
        self,
        *,
        session_id: str | None = None,
        token_id: str | None = None,
        subject: str | None = None,
        client_id: str | None = None,
        issuer: str | None = None,
        issued_until: float | None = None,
        expires_at: float | None = None,
    ) -> None:
        """Refuses tokens before they expire: those of a session (`sid`), one token (`jti`), those of a subject or of
        a client. Exactly one of the four is given.

        `issuer` narrows it to one trusted issuer's tokens, `issued_until` (seconds since the epoch) to those that
        were issued then or before. It is kept until `expires_at`, by default as long as `revocation_retention` says.
        Blocks, without the GIL, until the shared store has it, if there is one.

        Raises `ValueError` for what cannot be revoked and `RevocationNotShared` if the shared store is away.
        """
    def accept_event(self, event: Mapping[str, Any] | Any) -> bool:
        """Revokes what one of Clerk's webhook events ends: `session.revoked`, `session.ended`, `session.removed`,
        `user.deleted`. True if that was anything. The event must be verified already. Raises as `revoke` does.
        """
    def revoke_nowait(self, **what: Unpack[Revoked]) -> Revoking | None:
        """As `revoke`, without waiting for the shared store; None where there is none."""
    def accept_event_nowait(self, event: Mapping[str, Any] | Any) -> tuple[bool, Revoking | None]:
        """As `accept_event`, without waiting for the shared store."""
    def accept_logout(self, token: str) -> Logout:
        """Verifies a logout token (OpenID Connect Back-Channel Logout 1.0) and revokes what it says is over. Blocks.
        Raises `Rejection`.
        """
    def answer_logout(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The answer to an issuer's logout request with this body: status, headers and body of the response, for any
        framework. Blocks; raises nothing.
        """
    def status(self) -> dict[str, Any]:
        """How it is: `healthy`, `problems`, and of keys, caches, endpoints and revocation the particulars. For health
        checks; each request is too often.
        """
    def samples(self) -> list[tuple[str, str, Literal["counter", "gauge"], dict[str, str], float]]:
        """The numbers of the status, for monitors: name, help, type, labels, value."""
    def refresh(self) -> None:
        """Fetches every remote key set now (warm-up). Blocks."""
    def __repr__(self) -> str: ...

@final
class Carrier:
    """Where requests to issuers wait for somebody who carries them, in the place of the engine's own HTTP client."""

    def __new__(cls) -> Self: ...
    def next(self, seconds: float) -> CarriedCall | None:
        """The next request, or None if there is none for so many seconds. Blocks, without the GIL."""

@final
class CarriedCall:
    """One request to an issuer. Its headers and its body hold secrets."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> list[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...
    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Brings the answer. A second one is as if it had not come."""
    def fail(self, why: str) -> None:
        """Says why there is none, for the operator's log."""

@final
class AuthorizationServer:
    """An OAuth 2.1 authorization server for one MCP server. The settings are those of
    `doorward_issuer::authorization_server::Settings`, `upstream` those of `Upstream`; besides:

    `store`       `memory:` (the default), `sqlite:///…`, `redis://…`, `postgres://…`
    `store_key`   what seals the store's records, 32 random bytes at least; `old_store_keys` open what older ones sealed
    `pages`       `doorward_issuer::authorization_server::PageSettings`
    `timeout`     seconds that the upstream has for an answer
    `carrier`     who carries requests to the upstream

    Nothing is opened or started before a request needs it. Raises `ConfigError`.
    """

    def __new__(
        cls,
        *,
        clock: Callable[[], float] | None = None,
        carrier: Carrier | None = None,
        **settings: Any,
    ) -> Self: ...
    @property
    def paths(self) -> list[str]:
        """The paths it answers at."""
    @staticmethod
    def discover(issuer: str, *, authentication: str = ..., timeout: float = 10.0) -> str:
        """Reads where an issuer's endpoints are from its metadata (RFC 8414, OpenID Connect Discovery), as JSON with the
        settings' names. Blocks, without the GIL. Raises `ConfigError`.
        """
    def handle(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source: str | None = None,
    ) -> Handling:
        """Answers a request. `target` is path and query, `source` the address it came from."""
    def standing_nowait(self, sid: str) -> Literal["stands", "ended", "unknown"] | Checking:
        """Whether the family of tokens with this `sid` stands, or who is being asked. `unknown`: nobody can say now."""
    def upstream_token(self, sid: str) -> Fetching:
        """Fetches the upstream's access token of a family."""

@final
class Handling:
    """A response on its way."""

    @property
    def fetch_id(self) -> int: ...
    def wait(self) -> None:
        """Blocks, without the GIL, until it is there."""
    def response(self) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """Status, headers and body; None until they are there."""

@final
class Checking:
    """A family's standing, about which somebody is being asked."""

    @property
    def fetch_id(self) -> int: ...
    def wait(self) -> None:
        """Blocks, without the GIL, until there is an answer."""
    def standing(self) -> Literal["stands", "ended", "unknown"]: ...

@final
class Fetching:
    """An upstream's access token on its way."""

    @property
    def fetch_id(self) -> int: ...
    def wait(self) -> None:
        """Blocks, without the GIL, until there is an answer."""
    def token(self) -> tuple[str, str | None, int | None] | Literal["ended", "unknown"]:
        """Token, scope and expiry (seconds since the epoch); or why there is none."""

@final
class Revoking:
    """A revocation that is refused here, and on its way to the shared store."""

    @property
    def fetch_id(self) -> int:
        """Tells it from others, as long as it is held."""
    def wait(self) -> None:
        """Blocks, without the GIL, until it is known whether the store has it."""
    def outcome(self) -> None:
        """Raises `RevocationNotShared` if the store does not have it yet."""

@final
class Logout:
    """A logout token that was accepted."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str | None: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def token_id(self) -> str:
        """`jti`."""
    @property
    def issued_at(self) -> float:
        """`iat`, seconds since the epoch."""

def clerk_table() -> str:
    """The table of operations of Clerk's Backend API, as JSON."""

def clerk_resources() -> list[str]:
    """The resources of that table."""

def clerk_operations(resource: str) -> str:
    """The operations of a resource, as a JSON array."""

def clerk_type(name: str) -> list[tuple[str, str]] | None:
    """The fields of a type of that table, and their types; None for a name that is none."""

def clerk_items(answer: bytes, items: str | None) -> tuple[list[bytes], list[tuple[str, bytes]]] | None:
    """The items of a list of the Backend API, which stand in the field `items` if not in an array of their own, each as
    JSON that Python can read, and the other fields; None where all of it must be read at once.
    """

@final
class BackendApi:
    """A client of Clerk's Backend API. Nothing is opened before the first call."""

    def __new__(
        cls,
        *,
        secret_key: str | None = None,
        machine_secret_key: str | None = None,
        base_url: str | None = None,
    ) -> Self:
        """Raises `ConfigError`."""
    def start(
        self,
        operation: str,
        arguments: str,
        *,
        files: Sequence[tuple[str, str, str, bytes]] = ...,
        secret_key: str | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        headers: Sequence[tuple[str, str]] = ...,
    ) -> Calling:
        """Starts a call: an operation's id, its arguments as a JSON object, and files as (parameter, file name, media
        type, content). Raises `doorward.clerk.ClerkError` for arguments that make no request.
        """
    def start_raw(
        self,
        method: str,
        target: str,
        body: str | None = None,
        *,
        secret_key: str | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        headers: Sequence[tuple[str, str]] = ...,
    ) -> Calling:
        """Starts a request that the table does not know."""

@final
class Calling:
    """A call of the Backend API on its way."""

    @property
    def fetch_id(self) -> int: ...
    def wait(self) -> None:
        """Blocks, without the GIL, until there is an answer."""
    def outcome(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a success; raises `doorward.clerk.ClerkError` for anything else."""
    def cancel(self) -> None:
        """Gives up. The request may have taken effect."""

@final
class Walk:
    """Where a walk through the pages of a list of the Backend API is. It fetches nothing."""

    def __new__(cls, operation: str, arguments: str) -> Self:
        """An operation's id, and its arguments as a JSON object; `limit` is the size of a page."""
    def arguments(self) -> str:
        """The arguments of the next page, as a JSON object."""
    def step(self, count: int, ends: tuple[str, str] | None, total_count: int | None) -> bool | None:
        """Goes on after a page of so many items, the first and the last as JSON. Whether there is another; None if the
        same page came twice.
        """

@final
class Credentials:
    """`request.auth`: the caller and what it may do, in Starlette's shape."""

    def __new__(cls, identity: Identity | None) -> Self: ...
    @property
    def identity(self) -> Identity | None: ...
    @property
    def scopes(self) -> list[str]:
        """The token's scopes, after `authenticated`, by which Starlette's `requires` tells callers from strangers."""

@final
class User:
    """`request.user`, in Starlette's shape."""

    def __new__(cls, identity: Identity | None) -> Self: ...
    @property
    def is_authenticated(self) -> bool: ...
    @property
    def display_name(self) -> str:
        """The token's subject; empty for an anonymous request."""
    @property
    def identity(self) -> str:
        """The token's subject, a string by Starlette's contract. The whole `Identity` is `request.auth.identity`."""

def admit(scope: MutableMapping[str, Any], identity: Identity | None) -> None:
    """Puts a caller where an ASGI application looks for one. None is an anonymous request."""

def verify_jws(compact: str | bytes, keys: Keys, algorithms: Sequence[Algorithm]) -> bytes: ...
def inspect(token: str | bytes) -> dict[str, Any]:
    """Decodes a token WITHOUT verifying it: `{"header": …, "claims": …}`. For humans and logs of claims names only."""

@final
class DevIssuer:
    """The local issuer, for tests. Its keys are made at start and are good for nothing else."""

    def __new__(
        cls,
        *,
        issuer: str | None = None,
        algorithms: Sequence[Algorithm] = ...,
        clock: Callable[[], float] | None = None,
        secret_key: str | None = None,
        rate_limit: int | None = None,
        tls: bool = False,
    ) -> Self: ...
    @property
    def issuer(self) -> str: ...
    @property
    def jwks_url(self) -> str: ...
    @property
    def publishable_key(self) -> str: ...
    @property
    def certificate_authority(self) -> str | None:
        """With TLS, the certificate to trust (PEM)."""
    def jwks(self) -> str: ...
    def public_pem(self) -> str: ...
    def private_pem(self) -> str:
        """The first signing key as PKCS#8 PEM, so that other libraries can sign for us in tests."""
    def mint(self, spec: str) -> str:
        """Mints a token from a JSON mint specification (`docs/guides/local-issuer.md`)."""
    def rotate(self) -> str:
        """Adds a new signing key and withdraws the old ones; returns the new `kid`."""
    def rotate_overlapping(self) -> str:
        """Adds a new signing key and keeps publishing the old ones; returns the new `kid`."""
    def start(self) -> str:
        """Serves discovery and JWKS on a loopback port; returns the base URL."""
    def stop(self) -> None: ...
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
        """What requests are answered from now on, at one endpoint or at all of them. `seconds` is the delay of `slow`
        and the `Retry-After` of `too_many_requests`; `status`, `redirect` and `content_type` take what is called so.
        """
    def reset(self) -> None:
        """Forgets what happened: tokens, revocations, clients, machines, requests, counts, faults. Keys and names stay."""
    @property
    def jwks_fetches(self) -> int: ...
    def requests(self, endpoint: Endpoint) -> int:
        """How often this endpoint was asked over HTTP, faults included."""
    def request_log(self) -> str:
        """The last 256 requests over HTTP as JSON, without any secret."""
    @property
    def secret_key(self) -> str:
        """The instance's `sk_test_…`: whoever has it may verify every opaque token."""
    def machine_secret_key(self, machine: str) -> str:
        """A machine's `ak_…`: whoever has it may verify the machine tokens whose scopes name the machine."""
    def seed(self, text: str) -> int:
        """Creates who and what this YAML or JSON names at the Backend API; answers how many objects that were."""
    def open_state(self, file: str | PathLike[str]) -> None:
        """Remembers what exists at the Backend API in this file, and reads what is in it."""
    def send_webhooks_to(self, url: str, secret: str | None = None) -> str:
        """Posts signed webhooks of what happens at the Backend API to a URL of this machine; returns the secret."""
    def webhook_log(self) -> str:
        """Who is told of what happens at the Backend API, and the last 256 deliveries, as JSON."""
    @property
    def client_id(self) -> str:
        """The client that may introspect from the start."""
    @property
    def client_secret(self) -> str: ...
    def register(self, client: str) -> str:
        """Registers an OAuth client from JSON in the words of RFC 7591; returns it with the secret it was given."""
    def verify_opaque(self, token: str) -> str | None:
        """What Clerk's verify endpoint for this kind answers, as JSON; None if it would answer 404."""
    def introspect(self, token: str) -> str:
        """What introspection (RFC 7662) answers, as JSON."""
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
        """Revokes one token, session, subject or client; returns how many tokens that struck which the issuer knows."""
    def send_logout(self, url: str, spec: str) -> int:
        """Posts a logout token, minted from `spec`, to a loopback URL; returns the status it was answered with.

        Raises `ConnectionError` if nobody answers.
        """

@final
class ConformanceSuite:
    """The requests that check an API, and what came back. `doorward.conformance` sends them."""

    def __new__(cls, settings: str) -> Self:
        """From JSON with the members of `doorward_issuer::conformance::Settings`. Raises `ConfigError`."""
    def requests(self) -> list[tuple[str, str, list[tuple[str, str]], str | None]]:
        """Method, target, fields and body of each."""
    def routes(self) -> list[int]:
        """Which route each request is about."""
    def answered(self, index: int, status: int, headers: list[tuple[str, str]]) -> None: ...
    def crashed(self, index: int, what: str) -> None:
        """The application raised this instead of answering."""
    def silent(self, index: int, why: str) -> None:
        """There was no answer."""
    def report(self) -> tuple[str, str, str]:
        """As JSON, as a table, as JUnit XML."""
    @staticmethod
    def mints(like: str) -> list[tuple[str, str]]:
        """Names and specifications of what an issuer shall mint; `like` is that of a good token."""
    @staticmethod
    def document(text: str) -> str:
        """An OpenAPI document in JSON or YAML, as JSON."""
    @staticmethod
    def documents() -> list[str]:
        """Where frameworks put their documents."""
    @staticmethod
    def follow(origin: str, method: str, target: str, status: int, location: str) -> str | None:
        """The target to ask next, if a redirect may be followed."""
    @staticmethod
    def retry_after(status: int, field: str | None, tries: int) -> int | None:
        """Seconds to wait before the same is asked again, if that was asked for."""

#: One row per reason: (code, HTTP status, summary).
WEBHOOK_REASONS: Final[tuple[tuple[str, int, str], ...]]
#: The largest body of a webhook that is looked at.
MAX_WEBHOOK_BYTES: Final[int]

@final
class WebhookVerifier:
    """Verifies webhooks with one or several secrets; `doorward.webhooks.Webhook` is its face."""

    def __new__(
        cls,
        secrets: str | Sequence[str],
        *,
        clock: Callable[[], float] | None = None,
        setting: str = "secrets",
    ) -> Self: ...
    @staticmethod
    def from_env(
        environ: Mapping[str, str] | None = None, *, clock: Callable[[], float] | None = None
    ) -> WebhookVerifier: ...
    def verify(
        self, body: bytes | bytearray | memoryview | str, headers: Any
    ) -> WebhookMessage:
        """The message, if it is genuine. Raises `WebhookRejection`."""
    def verify_event(
        self, body: bytes | bytearray | memoryview | str, headers: Any
    ) -> WebhookEvent:
        """The event, if it is a genuine one. Raises `WebhookRejection`."""
    @staticmethod
    def sign(secret: str, id: str, sent_at: int, body: bytes | bytearray | memoryview | str) -> str:
        """The value of the signature header. Raises `ConfigError`."""

@disjoint_base
class WebhookMessage:
    """A genuine message."""

    def __new__(cls, id: str, sent_at: int, secret_index: int) -> Self: ...
    @property
    def id(self) -> str:
        """The same on every attempt to deliver it."""
    @property
    def sent_at(self) -> int:
        """When this attempt was signed, in seconds since 1970."""
    @property
    def secret_index(self) -> int:
        """Which of the secrets verified it, from 0."""

@final
class WebhookEvent(WebhookMessage):
    """A genuine message that is an event. Its `repr` shows nobody's data.

    `event["type"]` reads the payload, as handlers written for other libraries do.
    """

    def __new__(cls, id: str, sent_at: int, secret_index: int, body: bytes) -> Self:
        """For tests of handlers. Raises `WebhookRejection` for a body that is no event."""
    @property
    def type(self) -> str:
        """`user.created`, … New types may come at any time."""
    @property
    def body(self) -> bytes:
        """The bytes that were signed."""
    @property
    def payload(self) -> dict[str, Any]:
        """The whole event, as it came. A member of it or of its `data` that cannot be read, for example because a user
        nested their metadata deeper than 127 levels, is `None`.
        """
    @property
    def data(self) -> Any:
        """What the event is about; `None` if it was left out."""
    @property
    def instance_id(self) -> str | None:
        """The Clerk instance that sent it."""
    @property
    def timestamp(self) -> int | None:
        """When it happened, in milliseconds since 1970, where the provider says so in a number."""
    @property
    def event_attributes(self) -> dict[str, Any]:
        """Clerk's `event_attributes`: the request that caused it. Empty if it was left out."""
    def __getitem__(self, name: str, /) -> Any: ...
    def __contains__(self, name: object, /) -> bool: ...
    def get(self, name: str, default: Any = None) -> Any: ...

def read_webhook_event(body: bytes) -> tuple[str, int | None, dict[str, Any], str | None]:
    """What a genuine body says: its type, when it happened in milliseconds since 1970, the whole event, and the text of
    its `data`. A member of the event or of its `data` that cannot be read is `None`. Raises `WebhookRejection`.
    """

def webhook_body_refused(bytes: int | None, detail: str = "") -> WebhookRejection:
    """The refusal of a body that is too large, or (`None`) that broke off."""
