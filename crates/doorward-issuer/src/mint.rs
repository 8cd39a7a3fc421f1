//! A token to be made: its kind, its claims, and what shall be wrong with it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::defect::Defect;
use crate::encoding::base64url;
use crate::keys::{KeyError, SigningAlgorithm, SigningKey};
use crate::pack::pack;

/// What a token shall say. Everything has a default, so `Mint::default()` is a Clerk session token of today.
///
/// The fields are the JSON members of `POST /dev/mint`; the methods of the same names say them in Rust:
///
/// ```
/// use doorward_issuer::{Kind, Mint};
///
/// let said = Mint::kind(Kind::Oauth).sub("user_ada").scopes(["posts:read"]).ttl(60);
/// let read: Mint = serde_json::from_str(
///     r#"{ "kind": "oauth", "sub": "user_ada", "scopes": ["posts:read"], "ttl": 60 }"#,
/// )?;
/// assert_eq!(said, read);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Mint {
    /// What kind of token.
    pub kind: Kind,
    /// `sub`; by default [`Mint::USER`], for machines [`Mint::MACHINE`].
    pub sub: Option<String>,
    /// `sid`; by default [`Mint::SESSION`].
    pub sid: Option<String>,
    /// `azp`; by default [`Mint::PARTY`] in session and template tokens, absent in others.
    pub azp: Option<String>,
    /// `aud`; absent by default, except that a machine's JWT is for its scopes and a logout token for its client.
    pub aud: Option<Audience>,
    /// `iss`, if not the issuer's own.
    pub iss: Option<String>,
    /// The active organization.
    pub org: Option<Organization>,
    /// Scoped features: `o:posts`, `u:beta`.
    pub features: Vec<String>,
    /// Scoped plans: `u:pro`.
    pub plans: Vec<String>,
    /// Scopes of an OAuth or machine token.
    pub scopes: Vec<String>,
    /// `client_id` of an OAuth token; by default [`Mint::CLIENT`].
    pub client_id: Option<String>,
    /// `sts`; by default active.
    pub status: Option<Status>,
    /// `fva`, minutes since the first and the second factor; by default `[0, -1]`: a second factor never.
    pub fva: Option<[i64; 2]>,
    /// `act`, who acts as the subject.
    pub actor: Option<Value>,
    /// Seconds from `iat` to `exp`; by default 60 in session and template tokens, 120 in logout tokens, 3600 in others.
    /// An API key does not expire unless this is said.
    pub ttl: Option<i64>,
    /// `iat`, if not the clock's time.
    pub issued_at: Option<i64>,
    /// More claims, merged last: they add or override.
    pub claims: Map<String, Value>,
    /// More header parameters: they add or override.
    pub header: Map<String, Value>,
    /// Claims to leave out, after everything else was put in. Without `exp`, a token never expires.
    pub without: Vec<String>,
    /// How the text of an opaque token begins, if not as its kind does: `m2m_` for the machine tokens of old.
    pub prefix: Option<String>,
    /// The name of an API key; by default [`Mint::NAME`].
    pub name: Option<String>,
    /// Why the token was revoked, if that is its defect.
    pub revocation_reason: Option<String>,
    /// What to sign with; by default the issuer's first key.
    pub alg: Option<SigningAlgorithm>,
    /// What shall be wrong.
    pub defect: Option<Defect>,
}

impl Mint {
    /// The default `sub` of a person.
    pub const USER: &'static str = "user_2doorwardAda";
    /// The default `sub` of a machine.
    pub const MACHINE: &'static str = "mch_2doorwardRobot";
    /// The default `sid`.
    pub const SESSION: &'static str = "sess_2doorwardAda";
    /// The default `azp`.
    pub const PARTY: &'static str = "http://localhost:3000";
    /// The default `client_id`.
    pub const CLIENT: &'static str = "client_2doorward";
    /// The default name of an API key.
    pub const NAME: &'static str = "Local API key";

    /// A token of this kind, otherwise default.
    pub fn kind(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// A Clerk session token, otherwise default, with this wrong.
    pub fn defective(defect: Defect) -> Self {
        Self::default().defect(defect)
    }

    /// Sets `sub`.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "the claim's name; nobody subtracts tokens"
    )]
    pub fn sub(mut self, sub: impl Into<String>) -> Self {
        self.sub = Some(sub.into());
        self
    }

    /// Sets `sid`.
    #[must_use]
    pub fn sid(mut self, sid: impl Into<String>) -> Self {
        self.sid = Some(sid.into());
        self
    }

    /// Sets `azp`.
    #[must_use]
    pub fn azp(mut self, azp: impl Into<String>) -> Self {
        self.azp = Some(azp.into());
        self
    }

    /// Sets `aud`.
    #[must_use]
    pub fn aud(mut self, aud: impl Into<Audience>) -> Self {
        self.aud = Some(aud.into());
        self
    }

    /// Sets `iss`.
    #[must_use]
    pub fn iss(mut self, iss: impl Into<String>) -> Self {
        self.iss = Some(iss.into());
        self
    }

    /// Sets the active organization.
    #[must_use]
    pub fn org(mut self, org: Organization) -> Self {
        self.org = Some(org);
        self
    }

    /// Sets the features.
    #[must_use]
    pub fn features<T: Into<String>>(mut self, features: impl IntoIterator<Item = T>) -> Self {
        self.features = features.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the plans.
    #[must_use]
    pub fn plans<T: Into<String>>(mut self, plans: impl IntoIterator<Item = T>) -> Self {
        self.plans = plans.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes.
    #[must_use]
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `client_id`.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Sets the session's status.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the ages of the first and the second factor, in minutes.
    #[must_use]
    pub fn fva(mut self, first: i64, second: i64) -> Self {
        self.fva = Some([first, second]);
        self
    }

    /// Sets `act`.
    #[must_use]
    pub fn actor(mut self, actor: Value) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Sets the seconds the token lives.
    #[must_use]
    pub fn ttl(mut self, seconds: i64) -> Self {
        self.ttl = Some(seconds);
        self
    }

    /// Sets `iat`, in seconds since 1970.
    #[must_use]
    pub fn issued_at(mut self, seconds: i64) -> Self {
        self.issued_at = Some(seconds);
        self
    }

    /// Adds or overrides a claim.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Adds or overrides a header parameter.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, claim: impl Into<String>) -> Self {
        self.without.push(claim.into());
        self
    }

    /// Sets how the text of an opaque token begins.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Sets the name of an API key.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets why the token was revoked.
    #[must_use]
    pub fn revocation_reason(mut self, reason: impl Into<String>) -> Self {
        self.revocation_reason = Some(reason.into());
        self
    }

    /// Chooses what to sign with.
    #[must_use]
    pub fn alg(mut self, algorithm: SigningAlgorithm) -> Self {
        self.alg = Some(algorithm);
        self
    }

    /// Says what shall be wrong.
    #[must_use]
    pub fn defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// The token: rightly signed by `key`, unless `stranger` (a key nobody published) has to.
    pub(crate) fn token(
        &self,
        iss: &str,
        now: i64,
        key: &SigningKey,
        stranger: Option<&SigningKey>,
    ) -> Result<String, MintError> {
        let claims = self.all_claims(iss, now)?;
        let header = self.all_headers(key, stranger);
        let mut payload = serde_json::to_string(&claims).map_err(MintError::json)?;
        if self.defect == Some(Defect::DuplicateClaim) {
            // No JSON library writes this; the rest of the object follows its brace.
            payload.replace_range(..1, r#"{"sub":"user_admin","#);
        }
        let header = serde_json::to_string(&header).map_err(MintError::json)?;
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let mut signature = match self.defect {
            Some(Defect::AlgNone) => Vec::new(),
            Some(Defect::HmacWithPublicKey) => {
                use aws_lc_rs::hmac;
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
                hmac::sign(&secret, signed.as_bytes()).as_ref().to_vec()
            }
            _ => stranger.unwrap_or(key).sign(signed.as_bytes())?,
        };
        if let (Some(Defect::BadSignature), Some(last)) = (self.defect, signature.last_mut()) {
            *last ^= 1;
        }
        match self.defect {
            // Cut before it is encoded: what is left is always base64url, so a test sees one refusal, not two by turns.
            Some(Defect::Truncated) => signature.truncate(signature.len().saturating_sub(9)),
            Some(Defect::Junk) => return Ok("not!.a!.token!".to_owned()),
            _ => {}
        }
        Ok(format!("{signed}.{}", base64url(signature)))
    }

    /// Whether a token of this kind can be what it shall be: what would be ignored is a mistake.
    pub(crate) fn check(&self) -> Result<(), MintError> {
        let opaque = self.kind.is_opaque();
        let jwt_only = [
            ("alg", self.alg.is_some()),
            ("header", !self.header.is_empty()),
        ];
        let opaque_only = [("prefix", self.prefix.is_some())];
        let misplaced = if opaque {
            jwt_only.iter().find(|(_, given)| *given)
        } else {
            opaque_only.iter().find(|(_, given)| *given)
        };
        let keys_only = ("name", self.name.is_some() && self.kind != Kind::ApiKey);
        if let Some((member, _)) = misplaced.or(Some(&keys_only).filter(|(_, given)| *given)) {
            return Err(MintError::Member {
                member,
                kind: self.kind,
            });
        }
        if self.revocation_reason.is_some() && self.defect != Some(Defect::Revoked) {
            return Err(MintError::Reason);
        }
        let word = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        match &self.prefix {
            Some(prefix) if prefix.len() > MAX_PREFIX || !prefix.chars().all(word) => {
                return Err(MintError::Prefix);
            }
            _ => {}
        }
        match self.defect {
            Some(defect) if opaque && !defect.is_of_opaque_tokens() => Err(MintError::Defect {
                defect,
                kind: self.kind,
            }),
            _ => Ok(()),
        }
    }

    /// Whether a key nobody published has to sign.
    pub(crate) fn needs_stranger(&self) -> bool {
        matches!(self.defect, Some(Defect::WrongKey | Defect::EmbeddedJwk))
    }

    fn all_headers(&self, key: &SigningKey, stranger: Option<&SigningKey>) -> Map<String, Value> {
        let mut header = object(json!({
            "alg": key.algorithm().as_str(),
            "kid": key.kid(),
            "typ": match self.kind {
                Kind::Oauth => "at+jwt",
                Kind::Logout => "logout+jwt",
                _ => "JWT",
            },
        }));
        if let Some(category) = self.kind.category() {
            header.insert("cat".to_owned(), json!(category));
        }
        header.extend(self.header.clone());
        let mut set = |name: &str, value: Value| header.insert(name.to_owned(), value);
        match self.defect {
            Some(Defect::UnknownKid) => set("kid", json!("dev_nobody_published_this")),
            Some(Defect::NoKid) => header.remove("kid"),
            Some(Defect::AlgNone) => set("alg", json!("none")),
            Some(Defect::HmacWithPublicKey) => set("alg", json!("HS256")),
            Some(Defect::CritUnknown) => {
                set("crit", json!(["urn:doorward:unknown"]));
                set("urn:doorward:unknown", json!(true))
            }
            Some(Defect::EmbeddedJwk) => {
                set("jwk", stranger.map(SigningKey::jwk).unwrap_or_default())
            }
            Some(Defect::LogoutTyp) => set("typ", json!("logout+jwt")),
            _ => None,
        };
        header
    }

    /// The claims: of a JWT, or those that the issuer remembers of an opaque token.
    pub(crate) fn all_claims(&self, iss: &str, now: i64) -> Result<Map<String, Value>, MintError> {
        let lasting = self.ttl.is_none() && self.kind == Kind::ApiKey;
        let ttl = self.ttl.unwrap_or(match self.kind {
            Kind::Session | Kind::SessionV1 | Kind::Template => 60,
            Kind::Logout => 120,
            _ => HOUR,
        });
        let iat = match self.defect {
            Some(Defect::Expired) => now.saturating_sub(ttl).saturating_sub(HOUR),
            Some(Defect::IssuedInFuture) => now.saturating_add(HOUR),
            _ => self.issued_at.unwrap_or(now),
        };
        let mut claims = object(json!({
            "iss": self.iss.as_deref().unwrap_or(iss),
            "sub": self.sub.as_deref().unwrap_or(match self.kind {
                Kind::M2m | Kind::M2mOpaque => Self::MACHINE,
                _ => Self::USER,
            }),
            "iat": iat,
            "nbf": iat.saturating_sub(10),
            "exp": iat.saturating_add(ttl),
            "jti": random_id(self.kind.id_prefix())?,
        }));
        if lasting && self.defect != Some(Defect::StringExp) {
            claims.remove("exp");
        }
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                claims.insert(name.to_owned(), value);
            }
        };
        set("aud", json!(self.aud));
        set("azp", json!(self.azp));
        set("act", json!(self.actor));
        set("sid", json!(self.sid));
        set("client_id", json!(self.client_id));
        match self.kind {
            Kind::Session | Kind::SessionV1 => {
                set("azp", json!(self.azp.as_deref().unwrap_or(Self::PARTY)));
                set("sid", json!(self.sid.as_deref().unwrap_or(Self::SESSION)));
                set("fva", json!(self.fva.unwrap_or([0, -1])));
                set("sts", json!(self.status.unwrap_or_default()));
                let organization = if self.kind == Kind::Session {
                    self.version_2()?
                } else {
                    self.version_1()
                };
                claims.extend(organization);
            }
            Kind::Template => set("azp", json!(self.azp.as_deref().unwrap_or(Self::PARTY))),
            Kind::Oauth => {
                set(
                    "client_id",
                    json!(self.client_id.as_deref().unwrap_or(Self::CLIENT)),
                );
                set("scope", json!(self.scopes.join(" ")));
                set("scp", json!(self.scopes));
            }
            Kind::M2m => {
                set("scopes", json!(self.scopes.join(" ")));
                if self.aud.is_none() {
                    set("aud", json!(self.scopes));
                }
            }
            Kind::Oidc | Kind::ApiKey | Kind::M2mOpaque => {
                if !self.scopes.is_empty() {
                    set("scope", json!(self.scopes.join(" ")));
                }
            }
            Kind::OauthOpaque | Kind::Opaque => {
                let client = self.client_id.as_deref().unwrap_or(Self::CLIENT);
                set("client_id", json!(client));
                if !self.scopes.is_empty() {
                    set("scope", json!(self.scopes.join(" ")));
                }
            }
            Kind::Logout => {
                // OpenID Connect Back-Channel Logout §2.4.
                let client = self.client_id.as_deref().unwrap_or(Self::CLIENT);
                if self.aud.is_none() {
                    set("aud", json!(client));
                }
                set("events", json!({ LOGOUT_EVENT: {} }));
                claims.remove("nbf");
                claims.remove("client_id");
                if self.sid.is_some() && self.sub.is_none() {
                    claims.remove("sub");
                }
            }
        }
        claims.extend(self.claims.clone());
        for name in &self.without {
            claims.remove(name);
        }
        self.spoil_claims(&mut claims, now, ttl);
        Ok(claims)
    }

    fn version_2(&self) -> Result<Map<String, Value>, MintError> {
        let permissions = self
            .org
            .as_ref()
            .map(|org| org.permissions.as_slice())
            .unwrap_or_default();
        let packed = pack(&self.features, permissions)?;
        let mut claims =
            object(json!({ "v": 2, "pla": self.plans.join(","), "fea": packed.features }));
        if let Some(org) = &self.org {
            let mut claim = object(json!({
                "id": org.id,
                "slg": org.slug,
                "rol": org.role.strip_prefix("org:").unwrap_or(&org.role),
                "per": packed.permissions,
                "fpm": packed.masks,
            }));
            claim.retain(|_, value| *value != "");
            claims.insert("o".to_owned(), Value::Object(claim));
        }
        claims.retain(|_, value| *value != "");
        Ok(claims)
    }

    fn version_1(&self) -> Map<String, Value> {
        let Some(org) = &self.org else {
            return Map::new();
        };
        let role = org.role.strip_prefix("org:").unwrap_or(&org.role);
        object(json!({
            "org_id": org.id,
            "org_slug": org.slug,
            "org_role": format!("org:{role}"),
            "org_permissions": org.permissions,
        }))
    }

    fn spoil_claims(&self, claims: &mut Map<String, Value>, now: i64, ttl: i64) {
        let later = now.saturating_add(HOUR);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        match self.defect {
            Some(Defect::Expired) => set("exp", json!(now.saturating_sub(HOUR))),
            Some(Defect::NotYetValid) => {
                set("nbf", json!(later));
                set("exp", json!(later.saturating_add(ttl)))
            }
            Some(Defect::IssuedInFuture) => {
                set("iat", json!(later));
                claims.remove("nbf")
            }
            Some(Defect::WrongIss) => set("iss", json!("https://another-issuer.example")),
            Some(Defect::WrongAud) => set("aud", json!("https://another-api.example")),
            Some(Defect::WrongAzp) => set("azp", json!("https://another-party.example")),
            Some(Defect::Pending) => set("sts", json!("pending")),
            Some(Defect::NoAzp) => claims.remove("azp"),
            Some(Defect::NoExp) => claims.remove("exp"),
            Some(Defect::NoSub) => claims.remove("sub"),
            Some(Defect::StringExp) => {
                let digits = claims.get("exp").map(Value::to_string).unwrap_or_default();
                claims.insert("exp".to_owned(), json!(digits))
            }
            _ => None,
        };
    }
}

/// The kinds of token an issuer gives out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Clerk's session token, version 2.
    #[default]
    Session,
    /// Clerk's session token, version 1.
    SessionV1,
    /// An OAuth 2.0 access token (`at+jwt`, RFC 9068).
    Oauth,
    /// Clerk's machine-to-machine token.
    M2m,
    /// A token from one of Clerk's JWT templates.
    Template,
    /// A plain OpenID Connect token without anything of Clerk's.
    Oidc,
    /// A logout token (OpenID Connect Back-Channel Logout §2.4): rightly signed, and good for no request.
    Logout,
    /// An OAuth 2.0 access token of Clerk's as random text, `oat_…`.
    OauthOpaque,
    /// Clerk's machine-to-machine token as random text, `mt_…`.
    M2mOpaque,
    /// Clerk's API key, `ak_…`.
    ApiKey,
    /// An access token as random text, from any server that introspects (RFC 7662).
    Opaque,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Session,
        Self::SessionV1,
        Self::Oauth,
        Self::M2m,
        Self::Template,
        Self::Oidc,
        Self::Logout,
        Self::OauthOpaque,
        Self::M2mOpaque,
        Self::ApiKey,
        Self::Opaque,
    ];

    /// The name, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SessionV1 => "session_v1",
            Self::Oauth => "oauth",
            Self::M2m => "m2m",
            Self::Template => "template",
            Self::Oidc => "oidc",
            Self::Logout => "logout",
            Self::OauthOpaque => "oauth_opaque",
            Self::M2mOpaque => "m2m_opaque",
            Self::ApiKey => "api_key",
            Self::Opaque => "opaque",
        }
    }

    /// Whether its tokens are random text, which says nothing and has to be asked about.
    pub const fn is_opaque(self) -> bool {
        matches!(
            self,
            Self::OauthOpaque | Self::M2mOpaque | Self::ApiKey | Self::Opaque
        )
    }

    /// How the text of an opaque token begins.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::OauthOpaque => "oat_",
            Self::M2mOpaque => "mt_",
            Self::ApiKey => "ak_",
            _ => "",
        }
    }

    /// The header's `cat`, as Clerk's minter writes it.
    fn category(self) -> Option<&'static str> {
        match self {
            Self::Session | Self::SessionV1 => Some("cl_B7d4PD111AAA"),
            Self::Template => Some("cl_B7d4PD222AAA"),
            Self::M2m => Some("cl_B7d4PD333AAA"),
            _ => None,
        }
    }

    fn id_prefix(self) -> &'static str {
        match self {
            Self::Oauth => "oat_",
            Self::M2m => "mt_",
            _ => self.prefix(),
        }
    }
}

/// An organization the subject is active in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organization {
    /// `org_…`.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// The subject's role, with or without `org:`; each version of the token writes it its own way.
    pub role: String,
    /// The subject's permissions: `org:posts:read`.
    pub permissions: Vec<String>,
}

impl Default for Organization {
    fn default() -> Self {
        Self {
            id: "org_2doorward".to_owned(),
            slug: "doorward".to_owned(),
            role: "admin".to_owned(),
            permissions: Vec::new(),
        }
    }
}

/// Whether a session has everything it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has.
    #[default]
    Active,
    /// A task is left to do, such as choosing an organization.
    Pending,
}

/// `aud`: one audience or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A string.
    One(String),
    /// A list of strings.
    Several(Vec<String>),
}

impl From<&str> for Audience {
    fn from(audience: &str) -> Self {
        Self::One(audience.to_owned())
    }
}

impl From<String> for Audience {
    fn from(audience: String) -> Self {
        Self::One(audience)
    }
}

impl From<Vec<String>> for Audience {
    fn from(audiences: Vec<String>) -> Self {
        Self::Several(audiences)
    }
}

/// Why a token could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A permission Clerk would not put into a token.
    #[error("permission {0:?}: expected `org:<feature>:<permission>`, not a system permission")]
    Permission(String),
    /// A feature that cannot be packed.
    #[error("feature {0:?}: expected `o:<feature>`, `u:<feature>` or `uo:<feature>`")]
    Feature(String),
    /// More different permission names than a mask has bits.
    #[error("more than 128 different permission names")]
    TooManyPermissions,
    /// No key signs with the algorithm that was asked for.
    #[error("no key signs {0}: add the algorithm to the issuer")]
    NoKey(SigningAlgorithm),
    /// A member that a token of this kind has no use for.
    #[error("a token of kind `{}` has no {member}", kind.as_str())]
    Member {
        /// The member.
        member: &'static str,
        /// What was to be minted.
        kind: Kind,
    },
    /// A defect that a token of this kind cannot have.
    #[error("a token of kind `{}` cannot have the defect `{defect}`: it is nothing but random text", kind.as_str())]
    Defect {
        /// The defect.
        defect: Defect,
        /// What was to be minted.
        kind: Kind,
    },
    /// A reason for what did not happen.
    #[error("revocation_reason goes with the defect `revoked`")]
    Reason,
    /// A prefix that does not fit into a header or a URL.
    #[error("prefix: expected 32 letters, digits, `_` or `-` at most")]
    Prefix,
    /// The claims could not be written as JSON.
    #[error("the token could not be written: {0}")]
    Json(String),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl MintError {
    #[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` wants")]
    fn json(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

fn random_id(prefix: &str) -> Result<String, MintError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(bytes
        .iter()
        .fold(prefix.to_owned(), |id, byte| format!("{id}{byte:02x}")))
}

/// The members of a JSON object written with `json!`.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

const HOUR: i64 = 3600;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MAX_PREFIX: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

    use super::*;

    const NOW: i64 = 1_800_000_000;
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256).unwrap());
    static STRANGER: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256).unwrap());

    fn token(mint: &Mint) -> String {
        let stranger = mint.needs_stranger().then_some(&*STRANGER);
        mint.token("https://issuer.test", NOW, &KEY, stranger)
            .unwrap()
    }

    fn part(token: &str, index: usize) -> Vec<u8> {
        base64_simd::URL_SAFE_NO_PAD
            .decode_to_vec(token.split('.').nth(index).unwrap())
            .unwrap()
    }

    fn header(mint: &Mint) -> Value {
        serde_json::from_slice(&part(&token(mint), 0)).unwrap()
    }

    fn claims(mint: &Mint) -> Value {
        let mut claims: Value = serde_json::from_slice(&part(&token(mint), 1)).unwrap();
        assert!(
            mint.without.iter().any(|claim| claim == "jti") || claims["jti"].take().is_string()
        );
        claims.as_object_mut().unwrap().remove("jti");
        claims
    }

    fn verifies(token: &str, key: &SigningKey) -> bool {
        let spki = key.public_pem();
        let spki: String = spki.lines().filter(|line| !line.starts_with('-')).collect();
        let public = ParsedPublicKey::new(
            &ECDSA_P256_SHA256_FIXED,
            crate::encoding::base64_decode(&spki).unwrap(),
        )
        .unwrap();
        let (signed, _) = token.rsplit_once('.').unwrap();
        public
            .verify_sig(signed.as_bytes(), &part(token, 2))
            .is_ok()
    }

    fn organization() -> Organization {
        Organization {
            permissions: vec!["org:posts:read".to_owned(), "org:posts:write".to_owned()],
            ..Organization::default()
        }
    }

    #[test]
    fn a_session_is_clerks_version_2() {
        let mint = Mint::default()
            .org(organization())
            .features(["u:beta"])
            .plans(["u:pro"]);
        assert_eq!(
            claims(&mint),
            json!({
                "azp": "http://localhost:3000", "exp": NOW + 60, "fea": "u:beta,o:posts", "fva": [0, -1], "iat": NOW,
                "iss": "https://issuer.test", "nbf": NOW - 10, "pla": "u:pro", "sid": Mint::SESSION, "sts": "active",
                "sub": Mint::USER, "v": 2,
                "o": {"id": "org_2doorward", "slg": "doorward", "rol": "admin", "per": "read,write", "fpm": "0,3"},
            })
        );
        let expected =
            json!({"alg": "ES256", "kid": KEY.kid(), "typ": "JWT", "cat": "cl_B7d4PD111AAA"});
        assert_eq!(header(&mint), expected);
        assert!(verifies(&token(&mint), &KEY));
    }

    #[test]
    fn a_version_1_session_prefixes_the_role_and_lists_the_permissions() {
        let claims = claims(&Mint::kind(Kind::SessionV1).org(organization()));
        assert_eq!(claims["org_role"], "org:admin");
        assert_eq!(
            claims["org_permissions"],
            json!(["org:posts:read", "org:posts:write"])
        );
        assert!(claims.get("v").is_none() && claims.get("o").is_none());
    }

    #[test]
    fn an_oauth_token_follows_rfc_9068() {
        let mint = Mint::kind(Kind::Oauth)
            .scopes(["a", "b"])
            .aud("https://api.test");
        assert_eq!(header(&mint)["typ"], "at+jwt");
        assert_eq!(
            claims(&mint),
            json!({
                "iss": "https://issuer.test", "sub": Mint::USER, "aud": "https://api.test", "iat": NOW,
                "nbf": NOW - 10, "exp": NOW + 3600, "client_id": Mint::CLIENT, "scope": "a b", "scp": ["a", "b"],
            })
        );
    }

    #[test]
    fn a_machine_token_names_a_machine_and_its_scopes() {
        let mint = Mint::kind(Kind::M2m).scopes(["mch_b"]);
        assert_eq!(header(&mint)["cat"], "cl_B7d4PD333AAA");
        let claims = claims(&mint);
        assert_eq!(claims["sub"], Mint::MACHINE);
        assert_eq!(
            (&claims["scopes"], &claims["aud"]),
            (&json!("mch_b"), &json!(["mch_b"]))
        );
    }

    #[test]
    fn ids_of_tokens_differ_and_carry_their_kind() {
        let id = |kind| {
            let claims: Value =
                serde_json::from_slice(&part(&token(&Mint::kind(kind)), 1)).unwrap();
            claims["jti"].as_str().unwrap().to_owned()
        };
        assert!(id(Kind::Oauth).starts_with("oat_") && id(Kind::M2m).starts_with("mt_"));
        assert_ne!(id(Kind::Session), id(Kind::Session));
    }

    #[test]
    fn a_plain_token_has_nothing_of_clerks() {
        let mint = Mint::kind(Kind::Oidc).sub("ada");
        assert!(header(&mint).get("cat").is_none());
        let iss = "https://issuer.test";
        assert_eq!(
            claims(&mint),
            json!({"iss": iss, "sub": "ada", "iat": NOW, "nbf": NOW - 10, "exp": NOW + 3600})
        );
        assert_eq!(
            header(&Mint::kind(Kind::Template))["cat"],
            "cl_B7d4PD222AAA"
        );
    }

    #[test]
    fn a_logout_token_is_no_access_token() {
        let mint = Mint::kind(Kind::Logout).sid("sess_a");
        assert_eq!(header(&mint)["typ"], "logout+jwt");
        let expected = json!({
            "iss": "https://issuer.test", "aud": Mint::CLIENT, "iat": NOW, "exp": NOW + 120, "sid": "sess_a",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        assert_eq!(claims(&mint), expected);
        assert_eq!(claims(&mint.sub("ada"))["sub"], "ada");
        assert_eq!(claims(&Mint::kind(Kind::Logout))["sub"], Mint::USER);
        let other = Mint::kind(Kind::Logout).client_id("c");
        assert_eq!(claims(&other)["aud"], "c");
    }

    #[test]
    fn what_a_kind_has_no_use_for_is_a_mistake() {
        let kind = Kind::ApiKey;
        let no = |member, kind| MintError::Member { member, kind };
        let defect = Defect::AlgNone;
        for (mint, expected) in [
            (
                Mint::kind(kind).alg(SigningAlgorithm::ES256),
                no("alg", kind),
            ),
            (Mint::kind(kind).header("typ", "x"), no("header", kind)),
            (Mint::kind(Kind::Opaque).name("x"), no("name", Kind::Opaque)),
            (Mint::default().prefix("x"), no("prefix", Kind::Session)),
            (
                Mint::kind(kind).defect(defect),
                MintError::Defect { defect, kind },
            ),
            (Mint::kind(kind).revocation_reason("x"), MintError::Reason),
            (Mint::kind(kind).prefix("a b"), MintError::Prefix),
        ] {
            assert_eq!(mint.check(), Err(expected));
        }
        assert_eq!(
            MintError::Defect { defect, kind }.to_string(),
            "a token of kind `api_key` cannot have the defect `alg_none`: it is nothing but random text"
        );
        let named = Mint::kind(kind).name("x").defect(Defect::Revoked);
        assert_eq!(named.revocation_reason("leaked").check(), Ok(()));
    }

    #[test]
    fn claims_override_and_without_has_the_last_word() {
        let mint = Mint::default()
            .claim("sub", 7)
            .claim("exp", 8)
            .without("exp")
            .without("jti")
            .header("typ", "x");
        let claims = claims(&mint);
        assert_eq!(
            (&claims["sub"], claims.get("exp"), claims.get("jti")),
            (&json!(7), None, None)
        );
        assert_eq!(header(&mint)["typ"], "x");
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(serde_json::from_str::<Mint>(r#"{"subject": "ada"}"#).is_err());
        assert!(serde_json::from_str::<Mint>(r#"{"org": {"rol": "admin"}}"#).is_err());
        for kind in Kind::ALL {
            let read: Mint = serde_json::from_value(json!({"kind": kind.as_str()})).unwrap();
            assert_eq!(read.kind, kind);
        }
    }

    #[test]
    fn every_defect_is_what_its_name_says() {
        for &defect in Defect::ALL {
            let read: Mint = serde_json::from_value(json!({"defect": defect.as_str()})).unwrap();
            assert_eq!(read.defect, Some(defect));
            let mint = Mint::defective(defect).aud("https://api.test");
            let token = token(&mint);
            if defect == Defect::Junk {
                assert!(token.split('.').all(|part| part.contains('!')));
                continue;
            }
            let right = verifies(&token, &KEY);
            let (header, claims) = (header(&mint), claims(&mint));
            let signature_is_right = match defect {
                Defect::Expired => claims["exp"] == NOW - HOUR && claims["iat"] == NOW - HOUR - 60,
                Defect::NotYetValid => {
                    claims["nbf"] == NOW + HOUR && claims["exp"] == NOW + HOUR + 60
                }
                Defect::IssuedInFuture => {
                    claims["iat"] == NOW + HOUR && claims.get("nbf").is_none()
                }
                Defect::UnknownKid => header["kid"] != KEY.kid(),
                Defect::NoKid => header.get("kid").is_none(),
                Defect::WrongIss => claims["iss"] != "https://issuer.test",
                Defect::WrongAud => claims["aud"] != "https://api.test",
                Defect::WrongAzp => claims["azp"] != Mint::PARTY,
                Defect::NoAzp => claims.get("azp").is_none(),
                Defect::NoExp => claims.get("exp").is_none(),
                Defect::NoSub => claims.get("sub").is_none(),
                Defect::Pending => claims["sts"] == "pending",
                Defect::StringExp => claims["exp"].as_str() == Some("1800000060"),
                Defect::CritUnknown => header["crit"][0] == "urn:doorward:unknown",
                Defect::LogoutTyp => header["typ"] == "logout+jwt",
                // What the issuer knows; the token does not.
                Defect::Revoked => true,
                Defect::DuplicateClaim => {
                    String::from_utf8(part(&token, 1))
                        .unwrap()
                        .matches(r#""sub":"#)
                        .count()
                        == 2
                }
                Defect::WrongKey => {
                    assert!(!right && header["kid"] == KEY.kid() && verifies(&token, &STRANGER));
                    continue;
                }
                Defect::EmbeddedJwk => {
                    assert!(
                        !right && header["jwk"] == STRANGER.jwk() && verifies(&token, &STRANGER)
                    );
                    continue;
                }
                Defect::AlgNone => {
                    assert!(header["alg"] == "none" && token.ends_with('.'));
                    continue;
                }
                Defect::HmacWithPublicKey => {
                    use aws_lc_rs::hmac;
                    let secret = hmac::Key::new(hmac::HMAC_SHA256, KEY.public_pem().as_bytes());
                    let (signed, _) = token.rsplit_once('.').unwrap();
                    assert!(header["alg"] == "HS256");
                    hmac::verify(&secret, signed.as_bytes(), &part(&token, 2)).unwrap();
                    continue;
                }
                Defect::BadSignature | Defect::Truncated => {
                    assert!(!right, "{defect}");
                    continue;
                }
                Defect::Junk => unreachable!("seen above"),
            };
            assert!(signature_is_right && right, "{defect}");
        }
    }
}
