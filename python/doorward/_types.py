"""The words the engine understands, for type checkers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
]
TokenKind = Literal["session_token", "oauth_token", "m2m_token", "api_key", "template_token"]
#: What may happen to a request to the local issuer.
Fault = Literal[
    "none",
    "down",
    "slow",
    "garbage",
    "status",
    "oversize",
    "gzip_bomb",
    "redirect",
    "drip",
    "refuse",
    "empty",
    "one_broken",
    "not_found",
    "too_many_requests",
    "cut",
    "content_type",
    "not_json",
    "null",
    "array",
    "inactive",
    "revoked",
    "expired",
    "other_subject",
    "forged",
]
#: What others ask the local issuer for.
Endpoint = Literal[
    "jwks",
    "discovery",
    "verify",
    "introspect",
    "userinfo",
    "revoke",
    "authorize",
    "token",
    "backend_api",
]
#: How a client proves to the local issuer who it is (RFC 7591 §2).
ClientAuthentication = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt", "none"
]
#: JWKS or JWK as a dict or JSON, PEM, base64 DER, the URL of a JWKS where one may be fetched; or a
#: list of those.
Keys = str | bytes | Mapping[str, Any] | Sequence[str | bytes | Mapping[str, Any]]

Preset = Literal[
    "auth0",
    "better_auth",
    "clerk",
    "cognito",
    "entra",
    "firebase",
    "google",
    "keycloak",
    "logto",
    "oidc",
    "okta",
    "stytch",
    "supabase",
    "workos",
    "zitadel",
]


class IssuerSettings(TypedDict, total=False):
    """The settings of one issuer, as in `doorward.toml`. A claim is named by its name, or by a JSON
    Pointer such as `/realm_access/roles`.
    """

    #: Its `iss`, exactly; with `{tenant}` where the tenant's name stands.
    issuer: str
    issuer_aliases: str | Sequence[str]
    #: Which tenants are trusted; `"*"` trusts whoever has a tenant there.
    tenants: str | Sequence[str]
    max_tenants: int
    #: `doorward.ANY` waives the check.
    audience: Any
    #: The clients whose tokens pass although they name no audience, by `client_id`.
    clients_without_audience: str | Sequence[str]
    dangerously_accept_tokens_without_audience: bool
    keys: Keys
    keys_file: str
    jwks_url: str
    jwks_bearer: str
    jwks_headers: Mapping[str, str]
    discover: bool
    insecure_plain_http: bool
    shared_secret: str
    issuer_pinned_by_keys: bool
    algorithms: Sequence[Algorithm]
    authorized_parties: str | Sequence[str]
    azp: Literal["require", "if_present", "off"]
    accepts: TokenKind | Sequence[TokenKind]
    token_types: Sequence[TokenKind]
    required_claims: Sequence[str]
    #: Seconds.
    leeway: float
    decoder: Literal["standard", "clerk"]
    cookies: Sequence[str]
    user_id_claim: str
    roles_claim: str
    scopes_claim: str
    permissions_claim: str
    organization_claim: str
    session_claim: str
    client_id_claim: str
    audience_claim: str
    required_values: Mapping[str, str | Sequence[str]]
    machine_values: Mapping[str, str | Sequence[str]]
    machine_without: str | Sequence[str]
    publishable_key: str
    secret_key: str
    machine_secret_key: str
    #: Your OAuth clients, for which the issuer makes logout tokens.
    logout_client_id: str | Sequence[str]
    introspection_url: str
    introspection_client_id: str
    introspection_client_secret: str
    introspection_auth: Literal[
        "client_secret_basic", "client_secret_post", "private_key_jwt", "none"
    ]
    #: PEM, JWK or JWK set; of several keys the first signs.
    introspection_client_key: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
    introspection_client_key_file: str
    introspection_client_key_id: str
    introspection_client_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"]
    #: Default: `issuer`.
    introspection_assertion_audience: str
    #: `jwt`: signed answers (RFC 9701).
    introspection_response: Literal["json", "jwt"]
    userinfo_url: str
    opaque: Mapping[str, Mapping[str, Any]]
    api_url: str
    domain: str
    url: str
    region: str
    user_pool_id: str
    tenant_id: str
    project_id: str
    realm: str
    client_id: str
    authorization_server: str


class Revoked(TypedDict, total=False):
    """What `revoke` takes: exactly one of the first four."""

    session_id: str | None
    token_id: str | None
    subject: str | None
    client_id: str | None
    issuer: str | None
    issued_until: float | None
    expires_at: float | None
