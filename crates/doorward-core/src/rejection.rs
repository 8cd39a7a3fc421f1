//! The closed table of refusals, and one refusal with its two messages: the code for the caller, the detail and the
//! hint for the operator (RFC 6750 §3.1).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::challenge::Challenge;

/// Declares every reason once. The status, the challenge, Python's `Reason` and `docs/rejections.md` follow from it.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $error:expr, $clerk:expr, $summary:literal, $hint:literal;)+) => {
        /// Why a request was refused. Closed on purpose inside this crate; new reasons may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* #[doc = ""] #[doc = $summary] $name,)+ }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, snake_case.
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)+ } }

            /// The HTTP status it becomes.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)+ } }

            /// The RFC 6750 §3.1 error of its challenge; `None` where the RFC wants a bare challenge or none at all.
            pub const fn error(self) -> Option<&'static str> { match self { $(Self::$name => $error,)+ } }

            /// The code Clerk's own SDKs use for it, where they have one.
            pub const fn clerk_code(self) -> Option<&'static str> { match self { $(Self::$name => $clerk,)+ } }

            /// One sentence that is safe to show to the caller.
            pub const fn summary(self) -> &'static str { match self { $(Self::$name => $summary,)+ } }

            /// How the operator or the client's developer mends it.
            pub const fn hint(self) -> &'static str { match self { $(Self::$name => $hint,)+ } }
        }
    };
}

const INVALID_REQUEST: Option<&str> = Some("invalid_request");
const INVALID_TOKEN: Option<&str> = Some("invalid_token");
const INSUFFICIENT_SCOPE: Option<&str> = Some("insufficient_scope");

reasons! {
    CredentialsMissing = "credentials_missing", 401, None, Some("session-token-missing"),
        "The request carries no credentials.",
        "Send `Authorization: Bearer <token>`, or the session cookie if this API reads one.";
    MultipleCredentials = "multiple_credentials", 400, INVALID_REQUEST, Some("token-invalid"),
        "The request carries more than one Authorization header.",
        "Send exactly one Authorization header; look for a proxy that adds a second one.";
    AuthorizationMalformed = "authorization_malformed", 400, INVALID_REQUEST, Some("token-invalid"),
        "The Authorization header is not `Bearer` followed by one token.",
        "Write `Authorization: Bearer <token>` with one token, without quotes or commas.";
    CallMalformed = "call_malformed", 400, INVALID_REQUEST, None,
        "The request's body is no JSON-RPC message that is read in one way only.",
        "Send one JSON-RPC message or a list of them, in UTF-8, without repeated members or a content coding.";
    TokenTooLarge = "token_too_large", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token is larger than this API reads.",
        "Make the token smaller (fewer custom claims) or raise the token size limit.";
    TokenMalformed = "token_malformed", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token is neither three base64url segments nor an opaque token this API knows.",
        "Send the token as issued; check for truncation, quotes or a wrong variable.";
    TokenEncrypted = "token_encrypted", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token is encrypted (JWE), and this API reads signed tokens only.",
        "Have the provider issue a signed token for this API (with Auth0, ask for an `audience`).";
    EncodingInvalid = "encoding_invalid", 401, INVALID_TOKEN, Some("token-invalid"),
        "A segment of the token is not canonical base64url.",
        "Send the token unchanged: no padding, no white space, no re-encoding.";
    HeaderMalformed = "header_malformed", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token's header is not a valid JOSE header.",
        "The issuer or something in between damaged the header; decode it with `doorward inspect`.";
    HeaderUnsupported = "header_unsupported", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token's header demands an extension this API does not support.",
        "Issue tokens without `crit`, `b64` and `zip`.";
    EmbeddedKey = "embedded_key", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token's header brings or names a key of its own, which is never trusted.",
        "Issue tokens without `jwk`, `jku`, `x5u` and `x5c`; publish keys in the issuer's key set.";
    ClaimsMalformed = "claims_malformed", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token's payload is not a JSON object of claims.",
        "The payload must be one UTF-8 JSON object without repeated members; decode it with `doorward inspect`.";
    ClaimMissing = "claim_missing", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token lacks a claim this API requires.",
        "Have the issuer add the claim, or stop requiring it. `exp`, `sub` and `iss` are always required.";
    ClaimMalformed = "claim_malformed", 401, INVALID_TOKEN, Some("token-invalid"),
        "A claim of the token has a wrong type or an impossible value.",
        "Dates are JSON numbers in seconds since 1970; `iss` and `sub` are strings.";
    AlgorithmNotAllowed = "algorithm_not_allowed", 401, INVALID_TOKEN, Some("token-invalid-algorithm"),
        "The token is signed with an algorithm this API does not allow.",
        "Add the algorithm to the issuer's `algorithms` only if the issuer really uses it.";
    IssuerUnknown = "issuer_unknown", 401, INVALID_TOKEN, Some("token-invalid-issuer"),
        "The token's issuer is not one this API trusts.",
        "Compare `iss` with the configured issuer, character by character; a trailing slash counts.";
    TokenKindUnknown = "token_kind_unknown", 401, INVALID_TOKEN, Some("token-type-mismatch"),
        "The token is of a kind this API does not know.",
        "Send an access or session token, not a logout, DPoP or security event token.";
    TokenKindNotAccepted = "token_kind_not_accepted", 401, INVALID_TOKEN, Some("token-type-mismatch"),
        "The token is of a kind this route does not accept.",
        "Send a token of an accepted kind, or add the kind to `accepts`.";
    KeyUnknown = "key_unknown", 401, INVALID_TOKEN, Some("jwk-kid-mismatch"),
        "The token names a signing key that the issuer does not publish.",
        "The key was withdrawn, or the token is from another instance or environment: compare `kid` with the key set.";
    KeyUnsuitable = "key_unsuitable", 401, INVALID_TOKEN, Some("token-invalid-algorithm"),
        "The token's algorithm does not fit the key it names.",
        "The key's `kty`, `crv`, `alg`, `use` and `key_ops` decide what it verifies; the token asked for something else.";
    SignatureInvalid = "signature_invalid", 401, INVALID_TOKEN, Some("token-invalid-signature"),
        "The token's signature does not verify.",
        "The token was changed, or signed by another instance's key: check that key and token belong together.";
    TokenInvalid = "token_invalid", 401, INVALID_TOKEN, Some("token-invalid"),
        "The issuer does not know the token, or no longer.",
        "Ask for a new token; check that it is of this environment, and that it was not deleted.";
    TokenRevoked = "token_revoked", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token was revoked.",
        "Ask for a new token. If it should not have been revoked, see the issuer's own log.";
    TokenExpired = "token_expired", 401, INVALID_TOKEN, Some("token-expired"),
        "The token has expired.",
        "Get a fresh token for each request; if it is fresh, compare the clocks (`doorward doctor`).";
    TokenNotYetValid = "token_not_yet_valid", 401, INVALID_TOKEN, Some("token-not-active-yet"),
        "The token is not valid yet.",
        "Compare this machine's clock with the issuer's (`doorward doctor`), or raise `leeway` by seconds.";
    TokenIssuedInFuture = "token_issued_in_future", 401, INVALID_TOKEN, Some("token-iat-in-the-future"),
        "The token was issued in the future.",
        "Compare this machine's clock with the issuer's (`doorward doctor`), or raise `leeway` by seconds.";
    AudienceMissing = "audience_missing", 401, INVALID_TOKEN, Some("token-invalid-audience"),
        "The token names no audience, and this API demands its own.",
        "Have the issuer put this API's identifier into `aud`, name its client in `clients_without_audience`, or waive the audience explicitly.";
    AudienceMismatch = "audience_mismatch", 401, INVALID_TOKEN, Some("token-invalid-audience"),
        "The token is meant for another audience.",
        "Ask the issuer for a token whose `aud` is this API's identifier.";
    ClientMismatch = "client_mismatch", 401, INVALID_TOKEN, Some("token-invalid-audience"),
        "The token names no audience, and was made for a client that this API does not know.",
        "Have the issuer put this API's identifier into `aud`, or name the client in `clients_without_audience`.";
    PartyMissing = "party_missing", 401, INVALID_TOKEN, Some("token-invalid-authorized-parties"),
        "The token does not say for which origin it was made (`azp`).",
        "Tokens made by a backend or on a document navigation have no `azp`: use `azp = \"if_present\"` to let them in.";
    PartyMismatch = "party_mismatch", 401, INVALID_TOKEN, Some("token-invalid-authorized-parties"),
        "The token was made for an origin that is not an authorized party.",
        "Add the frontend's exact origin (scheme, host, port, no trailing slash) to `authorized_parties`.";
    SessionPending = "session_pending", 401, INVALID_TOKEN, Some("token-invalid"),
        "The session has tasks left to finish and is not signed in yet.",
        "Finish the session's tasks in the frontend, or set `allow_pending`.";
    SenderConstrained = "sender_constrained", 401, INVALID_TOKEN, Some("token-invalid"),
        "The token is bound to a key of its sender (`cnf`), and no proof of it is verified here.",
        "Ask the issuer for a bearer token: DPoP and mutual TLS proofs are not supported.";
    KeysUnavailable = "keys_unavailable", 503, None, Some("jwk-failed-to-load"),
        "The issuer's keys are out of reach at the moment.",
        "Our side: check that the key set URL answers (`doorward doctor`). The caller's token was not judged.";
    VerificationUnavailable = "verification_unavailable", 503, None, Some("server-error"),
        "This token cannot be verified at the moment.",
        "Our side: nothing is configured that can verify opaque tokens, or it is out of reach.";
    InsufficientScope = "insufficient_scope", 403, INSUFFICIENT_SCOPE, None,
        "The token lacks a scope this route demands.",
        "Ask for the scopes named in the challenge.";
    RoleRequired = "role_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller does not have the role this route demands.",
        "Give the member the role in the active organization, and get a fresh token.";
    PermissionRequired = "permission_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller does not have the permission this route demands.",
        "Give the member's role the permission, and get a fresh token. System permissions are never in a session token.";
    FeatureRequired = "feature_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller's plan does not have the feature this route demands.",
        "Add the feature to the plan of the user or organization, and get a fresh token.";
    PlanRequired = "plan_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller does not have the plan this route demands.",
        "Subscribe the user or organization to the plan, and get a fresh token.";
    OrganizationRequired = "organization_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller has no active organization, or another one than this route demands.",
        "Set the active organization in the frontend, and get a fresh token.";
    ReverificationRequired = "reverification_required", 403, INSUFFICIENT_SCOPE, None,
        "The caller must verify their identity again for this route.",
        "Have the frontend reverify the session, and get a fresh token.";
    ImpersonationDenied = "impersonation_denied", 403, INSUFFICIENT_SCOPE, None,
        "This route is closed to impersonated sessions.",
        "Sign in as the user themselves.";
    CrossOrigin = "cross_origin", 403, None, None,
        "The session cookie came with a request that another site made the browser send.",
        "Add the frontend's exact origin to `authorized_parties`, or send the token in an Authorization header.";
}

impl Reason {
    /// Reads a code back.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
    }

    /// The gRPC status code that goes with the HTTP status (0 to 16).
    pub const fn grpc_code(self) -> u8 {
        match self.status() {
            400 => 3,  // INVALID_ARGUMENT
            403 => 7,  // PERMISSION_DENIED
            503 => 14, // UNAVAILABLE
            _ => 16,   // UNAUTHENTICATED
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One refusal of one request.
///
/// What the caller gets is [`Rejection::status`], [`Rejection::challenge`] and [`Rejection::body`]. The rest is for
/// the operator's log: it may quote what was expected and what was found, but never a token, key or secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    reason: Reason,
    detail: Cow<'static, str>,
    scope: Option<String>,
    resource: Option<ResourceHint>,
    retry_after: Option<u32>,
    explain: bool,
    problem: bool,
    senseless_answer: bool,
}

/// Where whoever was refused learns how to get in (RFC 9728 §5.1). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceHint {
    /// The URL of the protected resource's metadata.
    pub metadata_url: Arc<str>,
    /// The scopes to begin with, separated by spaces; empty for none. A refusal that names its own keeps them.
    pub scope: Arc<str>,
}

impl Rejection {
    /// A refusal for `reason`.
    pub fn new(reason: Reason) -> Self {
        let retry_after = (reason.status() == 503).then_some(DEFAULT_RETRY_AFTER);
        Self(Box::new(Inner {
            reason,
            detail: Cow::Borrowed(""),
            scope: None,
            resource: None,
            retry_after,
            explain: false,
            problem: false,
            senseless_answer: false,
        }))
    }

    /// Says what was expected and what was found. For logs; the caller does not see it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Names the scopes that would do (RFC 6750 §3, `scope`).
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.0.scope = Some(scope.into());
        self
    }

    /// Says where the protected resource's metadata is, and with which scopes to begin.
    #[must_use]
    pub fn with_resource(mut self, hint: ResourceHint) -> Self {
        self.0.resource = Some(hint);
        self
    }

    /// Seconds after which a retry is sensible (RFC 9110 §10.2.3).
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Blames an issuer's answer about an opaque token: another answer may make sense.
    #[must_use]
    pub(crate) fn for_an_answer(mut self) -> Self {
        self.0.senseless_answer = true;
        self
    }

    /// Lets the caller see detail and hint. For development only.
    #[must_use]
    pub fn explained(mut self) -> Self {
        self.0.explain = true;
        self
    }

    /// Writes the body as problem details (RFC 9457).
    #[must_use]
    pub fn as_problem(mut self) -> Self {
        self.0.problem = true;
        self
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.reason.status()
    }

    /// What was expected and what was found; empty if the reason says it all.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// How to mend it.
    pub fn hint(&self) -> &'static str {
        self.0.reason.hint()
    }

    /// Seconds after which a retry is sensible, for trouble on our side.
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }

    /// Whether the request presented no credentials at all, the one refusal that optional authentication lets through.
    pub fn is_absence(&self) -> bool {
        self.0.reason == Reason::CredentialsMissing
    }

    /// Whether an issuer's answer about an opaque token made no sense, so that asking again may help.
    pub fn is_for_an_answer(&self) -> bool {
        self.0.senseless_answer
    }

    /// The `WWW-Authenticate` challenge; `None` for trouble on our side, and for another site's request, which no
    /// credentials would mend.
    pub fn challenge(&self) -> Option<Challenge> {
        let error = self.0.reason.error();
        if error.is_none() && !self.is_absence() {
            return None;
        }
        let mut challenge = Challenge::bearer();
        if let Some(error) = error {
            challenge = challenge
                .error(error)
                .error_description(self.0.reason.summary());
        }
        let resource = self.0.resource.as_ref();
        // A caller who is known lacks something else than the scopes to begin with.
        let begin = resource
            .filter(|hint| self.status() == 401 && !hint.scope.is_empty())
            .map(|hint| &*hint.scope);
        if let Some(scope) = self.0.scope.as_deref().or(begin) {
            challenge = challenge.scope(scope);
        }
        if let Some(hint) = resource {
            challenge = challenge.resource_metadata(&hint.metadata_url);
        }
        Some(challenge)
    }

    /// The response's header fields besides the body's own: `www-authenticate` or `retry-after`, `cache-control`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        if let Some(challenge) = self.challenge() {
            headers.push(("www-authenticate", challenge.to_string()));
        }
        if let Some(seconds) = self.0.retry_after {
            headers.push(("retry-after", seconds.to_string()));
        }
        headers
    }

    /// The media type of [`Rejection::body`].
    pub fn content_type(&self) -> &'static str {
        if self.0.problem {
            "application/problem+json"
        } else {
            "application/json"
        }
    }

    /// The JSON body: `{"detail": "<code>"}`, with `explanation` and `hint` where [`Rejection::explained`] says so; or
    /// problem details (RFC 9457 §3) where [`Rejection::as_problem`] does, whose `reason` is the code.
    pub fn body(&self) -> String {
        let Inner {
            reason,
            problem,
            explain,
            ..
        } = *self.0;
        let mut body = serde_json::Map::new();
        if problem {
            // RFC 9457 §4.2.1: with `about:blank` the title is the status's own.
            body.insert("type".into(), "about:blank".into());
            body.insert("title".into(), title(reason.status()).into());
            body.insert("status".into(), reason.status().into());
            body.insert("detail".into(), reason.summary().into());
            body.insert("reason".into(), reason.code().into());
        } else {
            body.insert("detail".into(), reason.code().into());
            if explain {
                body.insert("summary".into(), reason.summary().into());
            }
        }
        if explain {
            body.insert("explanation".into(), self.detail().into());
            body.insert("hint".into(), self.hint().into());
        }
        serde_json::Value::Object(body).to_string()
    }
}

/// RFC 9110 §15.5 and §15.6.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Service Unavailable",
    }
}

/// Seconds we suggest when nothing better is known.
const DEFAULT_RETRY_AFTER: u32 = 5;

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("reason", &self.reason())
            .field("detail", &self.detail())
            .finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            "" => write!(f, "{}", self.reason()),
            detail => write!(f, "{}: {detail}", self.reason()),
        }
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        for reason in Reason::ALL.iter().copied() {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
            assert!(
                reason
                    .code()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            let error = reason.error();
            match reason.status() {
                400 => assert_eq!(error, INVALID_REQUEST, "{reason}"),
                401 if reason == Reason::CredentialsMissing => assert_eq!(error, None),
                401 => assert_eq!(error, INVALID_TOKEN, "{reason}"),
                403 if reason == Reason::CrossOrigin => assert_eq!(error, None),
                403 => assert_eq!(error, INSUFFICIENT_SCOPE, "{reason}"),
                503 => assert_eq!(error, None, "{reason}"),
                other => panic!("{reason} has status {other}"),
            }
            assert!(
                reason.summary().ends_with('.') && reason.hint().ends_with('.'),
                "{reason}"
            );
        }
    }

    #[test]
    fn absence_is_challenged_without_an_error() {
        let rejection = Rejection::new(Reason::CredentialsMissing);
        assert_eq!(rejection.challenge().unwrap().to_string(), "Bearer");
        assert!(rejection.is_absence());
    }

    #[test]
    fn a_resource_says_how_to_get_in() {
        let hint = || ResourceHint {
            metadata_url: "https://a.example/.well-known/oauth-protected-resource".into(),
            scope: "read".into(),
        };
        let challenge = |rejection: Rejection| {
            let challenge = rejection.with_resource(hint()).challenge();
            challenge.map(|challenge| challenge.to_string())
        };
        let url = r#"resource_metadata="https://a.example/.well-known/oauth-protected-resource""#;
        assert_eq!(
            challenge(Reason::CredentialsMissing.into()),
            Some(format!(r#"Bearer scope="read", {url}"#))
        );
        let forbidden = challenge(Rejection::new(Reason::InsufficientScope).with_scope("write"));
        assert!(
            forbidden
                .unwrap()
                .contains(&format!(r#"scope="write", {url}"#))
        );
        let role = challenge(Reason::RoleRequired.into()).unwrap();
        assert!(role.ends_with(url) && !role.contains("scope=\""), "{role}");
        assert_eq!(challenge(Reason::KeysUnavailable.into()), None);
        assert_eq!(challenge(Reason::CrossOrigin.into()), None);
    }

    #[test]
    fn our_trouble_is_not_challenged() {
        let rejection = Rejection::new(Reason::KeysUnavailable).with_retry_after(7);
        assert_eq!(rejection.challenge(), None);
        assert!(
            rejection
                .headers()
                .contains(&("retry-after", "7".to_owned()))
        );
    }

    #[test]
    fn what_no_credentials_would_mend_is_not_challenged() {
        let rejection = Rejection::new(Reason::CrossOrigin);
        assert_eq!(
            rejection.headers(),
            [("cache-control", "no-store".to_owned())]
        );
    }

    #[test]
    fn the_caller_sees_the_code_and_no_more_unless_explained() {
        let rejection = Rejection::new(Reason::TokenExpired).with_detail("expired 3 s ago");
        assert_eq!(rejection.body(), r#"{"detail":"token_expired"}"#);
        assert!(rejection.explained().body().contains("expired 3 s ago"));
    }
}
