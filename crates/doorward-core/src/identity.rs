//! The verified caller.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::claim_map::Mapped;
use crate::claims::{Actor, Claims};
use crate::decoders::Membership;
use crate::issuer::IssuerId;
use crate::kind::TokenKind;
use crate::timestamp::Timestamp;
use crate::verifier::SignatureValid;

/// Who is calling, verified. Cheap to clone.
///
/// Only the [`Verifier`](crate::Verifier) makes one: the constructor demands evidence that nobody else can produce.
/// `Debug` names the caller and never the token, which is not kept.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    kind: TokenKind,
    claims: Claims,
    membership: Membership,
    role: Option<String>,
    mapped: Mapped,
    implied_scopes: Vec<String>,
    raw_claims: Vec<u8>,
    provenance: Provenance,
}

/// Which issuer's keys, and which generation of them, verified a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provenance {
    /// The issuer's place in the verifier.
    pub issuer: IssuerId,
    /// Its tenant, where the issuer is one of many that differ by a tenant's name.
    pub tenant: Option<String>,
    /// The generation of its key set; see [`JwkSet::with_generation`](crate::JwkSet::with_generation).
    pub generation: u64,
}

impl Identity {
    #[expect(
        clippy::too_many_arguments,
        reason = "they are its fields, and one place makes it"
    )]
    pub(crate) fn new(
        _evidence: &SignatureValid,
        kind: TokenKind,
        claims: Claims,
        membership: Membership,
        mapped: Mapped,
        implied_scopes: Vec<String>,
        raw_claims: Vec<u8>,
        provenance: Provenance,
    ) -> Self {
        let role = membership.raw_role.as_deref().map(canonical_role);
        Self(Arc::new(Inner {
            kind,
            claims,
            membership,
            role,
            mapped,
            implied_scopes,
            raw_claims,
            provenance,
        }))
    }

    /// What the token was for.
    pub fn kind(&self) -> TokenKind {
        self.0.kind
    }

    /// `sub`: unique within the issuer, never reassigned.
    pub fn subject(&self) -> &str {
        &self.0.claims.subject
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.claims.issuer
    }

    /// The subject, where it is a user: not for machines, nor for clients that act for themselves.
    pub fn user_id(&self) -> Option<&str> {
        let own = self.0.claims.client_id.as_deref() == Some(self.subject());
        let user = matches!(
            self.0.kind,
            TokenKind::Session | TokenKind::Oauth | TokenKind::Template
        );
        match &self.0.mapped.user_id {
            // An API key may be a user's, and then its issuer says so.
            Some(Some(id)) if self.0.kind == TokenKind::ApiKey => Some(id),
            _ if !user || own => None,
            None => Some(self.subject()),
            Some(elsewhere) => elsewhere.as_deref(),
        }
    }

    /// The tenant whose issuer made the token, where the issuer is one of many that differ by a tenant's name.
    pub fn tenant(&self) -> Option<&str> {
        self.0.provenance.tenant.as_deref()
    }

    /// `sid`.
    pub fn session_id(&self) -> Option<&str> {
        self.0.claims.session_id.as_deref()
    }

    /// `sts`, where the issuer tells the session's status: `active` or `pending`.
    pub fn session_status(&self) -> Option<&str> {
        self.0.claims.session_status.as_deref()
    }

    /// `client_id`.
    pub fn client_id(&self) -> Option<&str> {
        self.0.claims.client_id.as_deref()
    }

    /// The active organization.
    pub fn organization_id(&self) -> Option<&str> {
        let own = self.0.membership.organization_id.as_deref();
        own.or(self.0.mapped.organization_id.as_deref())
    }

    /// The active organization's slug.
    pub fn organization_slug(&self) -> Option<&str> {
        self.0.membership.organization_slug.as_deref()
    }

    /// The role in the active organization, always with its prefix: `org:admin`.
    pub fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// The roles: the one in the active organization, or the provider's own list, as the token spells it.
    pub fn roles(&self) -> &[String] {
        match &self.0.role {
            Some(role) => std::slice::from_ref(role),
            None => &self.0.mapped.roles,
        }
    }

    /// The role as the token spells it, with or without prefix.
    pub fn raw_role(&self) -> Option<&str> {
        self.0.membership.raw_role.as_deref()
    }

    /// The permissions: in the active organization (`org:<feature>:<permission>`), or the provider's own list.
    pub fn permissions(&self) -> &[String] {
        match self.0.membership.permissions() {
            [] => &self.0.claims.permissions,
            permissions => permissions,
        }
    }

    /// The scopes, as the token names them.
    pub fn scopes(&self) -> &[String] {
        &self.0.claims.scopes
    }

    /// The scopes that those hold by [`Settings::scope_implies`](crate::Settings::scope_implies), and that the token does
    /// not name.
    pub fn implied_scopes(&self) -> &[String] {
        &self.0.implied_scopes
    }

    /// Whether the caller has a scope, by name or because another holds it.
    pub fn has_scope(&self, scope: &str) -> bool {
        let mut held = self.scopes().iter().chain(self.implied_scopes());
        held.any(|own| own == scope)
    }

    /// Features of the user's and the organization's plans, `o:<feature>` or `u:<feature>`.
    pub fn features(&self) -> &[String] {
        self.0.membership.features()
    }

    /// Plans of the user and the organization, `o:<plan>` or `u:<plan>`.
    pub fn plans(&self) -> &[String] {
        self.0.membership.plans()
    }

    /// Who acts for the subject, if somebody else does.
    pub fn actor(&self) -> Option<&Actor> {
        self.0.claims.actor.as_ref()
    }

    /// Minutes since the first and second factor were verified when the token was made; -1 for one not enrolled.
    pub fn factor_verification_age(&self) -> Option<[i64; 2]> {
        self.0.membership.factor_age
    }

    /// `jti`.
    pub fn token_id(&self) -> Option<&str> {
        self.0.claims.token_id.as_deref()
    }

    /// `iat`.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.0.claims.issued_at
    }

    /// `exp`. The leeway is not added.
    pub fn expires_at(&self) -> Timestamp {
        self.0.claims.expires_at
    }

    /// The registered claims.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The whole claims set read into a type of your own.
    ///
    /// # Errors
    /// The type does not fit the claims.
    pub fn custom_claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0.raw_claims)
    }

    /// The claims set as the JSON that was signed.
    pub fn raw_claims(&self) -> &[u8] {
        &self.0.raw_claims
    }

    /// What was odd about the token although it is valid: `permissions_misaligned`, `organization_malformed`,
    /// `organization_claims_ignored`, `session_version_unknown`.
    pub fn flags(&self) -> &[&'static str] {
        self.0.membership.flags()
    }

    /// Which keys verified it.
    pub fn provenance(&self) -> &Provenance {
        &self.0.provenance
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        // The texts repeat the raw claims once, the lists and the structure are about this much.
        let implied = self.0.implied_scopes.iter().map(|scope| scope.len() + 24);
        2 * self.0.raw_claims.len()
            + self.0.membership.unpacked_weight()
            + implied.sum::<usize>()
            + 512
    }
}

fn canonical_role(raw: &str) -> String {
    format!("org:{}", raw.strip_prefix("org:").unwrap_or(raw))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind())
            .field("subject", &self.subject())
            .field("issuer", &self.issuer())
            .field("organization_id", &self.organization_id())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
