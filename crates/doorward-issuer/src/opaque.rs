//! Opaque tokens: random text, and what only the issuer knows about it.
//!
//! What is known stays here: a digest of the text, and the claims that a JWT would carry. From them follow the answers
//! of Clerk's verify endpoints and of introspection (RFC 7662 §2.2).

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::defect::Defect;
use crate::encoding::base64url;
use crate::keys::KeyError;
use crate::mint::{Kind, Mint, MintError};
use crate::revocation::{Revocation, Revocations};

/// A token that was issued.
pub(crate) struct Opaque {
    pub(crate) kind: Kind,
    pub(crate) claims: Map<String, Value>,
    /// The claims that were asked for beside the usual ones, as Clerk shows them.
    pub(crate) custom: Map<String, Value>,
    pub(crate) scopes: Vec<String>,
    name: String,
    pub(crate) description: Option<String>,
    /// Who made it, if not its subject.
    pub(crate) created_by: Option<String>,
    /// The text, of those that the Backend API made and shows again.
    pub(crate) secret: Option<String>,
    created_at: i64,
    pub(crate) updated_at: i64,
    used_at: Option<i64>,
    pub(crate) revoked: bool,
    revocation_reason: Option<String>,
}

impl Opaque {
    /// Makes a token: what its bearer gets, and, unless it is a stranger's, what to remember under which text.
    pub(crate) fn make(
        mint: &Mint,
        claims: Map<String, Value>,
        now: i64,
    ) -> Result<(String, Option<(String, Self)>), MintError> {
        let prefix = mint.prefix.as_deref().unwrap_or(mint.kind.prefix());
        let right = random_text(prefix)?;
        let given = match mint.defect {
            Some(Defect::WrongKey) => return Ok((right, None)),
            Some(Defect::BadSignature) => {
                let last = if right.ends_with('A') { 'B' } else { 'A' };
                format!("{}{last}", &right[..right.len() - 1])
            }
            Some(Defect::Truncated) => right[..right.len() - 9].to_owned(),
            Some(Defect::Junk) => format!("{prefix}not!a!token"),
            _ => right.clone(),
        };
        let opaque = Self {
            kind: mint.kind,
            created_at: claims.get("iat").and_then(Value::as_i64).unwrap_or(now),
            updated_at: now,
            used_at: None,
            claims,
            custom: mint.claims.clone(),
            scopes: mint.scopes.clone(),
            name: mint.name.as_deref().unwrap_or(Mint::NAME).to_owned(),
            description: None,
            created_by: None,
            secret: None,
            revoked: mint.defect == Some(Defect::Revoked),
            revocation_reason: mint.revocation_reason.clone(),
        };
        Ok((given, Some((right, opaque))))
    }

    pub(crate) fn revoke(&mut self, reason: Option<&str>, now: i64) {
        if !self.revoked {
            self.revoked = true;
            self.revocation_reason = reason.map(str::to_owned);
            self.updated_at = now;
        }
    }

    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// The object as the Backend API shows it now: it may have expired.
    pub(crate) fn shown(&self, now: i64) -> Option<Value> {
        let mut object = self.object()?;
        object["expired"] = json!(!in_time(&self.claims, now));
        Some(object)
    }

    /// What a file has to remember. Its digest says what the text was.
    fn stored(&self, digest: &Digest) -> Map<String, Value> {
        let stored = json!({
            "id": self.claim("jti"),
            "digest": base64url(digest),
            "kind": self.kind.as_str(),
            "claims": self.claims,
            "custom": self.custom,
            "scopes": self.scopes,
            "name": self.name,
            "description": self.description,
            "created_by": self.created_by,
            "secret": self.secret,
            "created_at": self.created_at,
            "updated_at": self.updated_at.saturating_mul(1000),
            "revoked": self.revoked,
            "revocation_reason": self.revocation_reason,
        });
        match stored {
            Value::Object(stored) => stored,
            _ => Map::new(),
        }
    }

    /// Reads what [`Opaque::stored`] wrote.
    #[cfg(feature = "sqlite")]
    fn restored(stored: &Map<String, Value>) -> Option<(Digest, Self)> {
        let text = |name: &str| Some(stored.get(name)?.as_str()?.to_owned());
        let object = |name: &str| stored.get(name)?.as_object().cloned();
        let number = |name: &str| stored.get(name)?.as_i64();
        let digest = base64_simd::URL_SAFE_NO_PAD
            .decode_to_vec(text("digest")?)
            .ok()?;
        let kind = text("kind")?;
        let scopes = stored.get("scopes")?.as_array()?.iter();
        let opaque = Self {
            kind: Kind::ALL.into_iter().find(|known| known.as_str() == kind)?,
            claims: object("claims")?,
            custom: object("custom")?,
            scopes: scopes
                .filter_map(|scope| Some(scope.as_str()?.to_owned()))
                .collect(),
            name: text("name")?,
            description: text("description"),
            created_by: text("created_by"),
            secret: text("secret"),
            created_at: number("created_at")?,
            updated_at: number("updated_at")? / 1000,
            used_at: None,
            revoked: stored.get("revoked")?.as_bool()?,
            revocation_reason: text("revocation_reason"),
        };
        Some((digest.try_into().ok()?, opaque))
    }

    /// The object that Clerk's verify endpoint for this kind answers with; times in milliseconds.
    fn object(&self) -> Option<Value> {
        let claim = |name: &str| self.claims.get(name).cloned().unwrap_or_default();
        let mut object = json!({
            "id": claim("jti"),
            "subject": claim("sub"),
            "scopes": self.scopes,
            "revoked": self.revoked,
            "revocation_reason": self.revocation_reason,
            "expired": false,
            "expiration": match claim("exp") {
                Value::String(digits) => json!(digits + "000"),
                exp => milliseconds(exp.as_i64()),
            },
            "created_at": milliseconds(Some(self.created_at)),
            "updated_at": milliseconds(Some(self.updated_at)),
        });
        let custom = if self.custom.is_empty() {
            Value::Null
        } else {
            json!(self.custom)
        };
        match self.kind {
            Kind::ApiKey => {
                let creator = claim("sub");
                let person = creator.as_str().is_some_and(|sub| sub.starts_with("user_"));
                object["object"] = json!("api_key");
                object["type"] = json!("api_key");
                object["name"] = json!(self.name);
                object["description"] = json!(self.description);
                object["claims"] = custom;
                object["created_by"] = match &self.created_by {
                    Some(creator) => json!(creator),
                    None if person => creator,
                    None => Value::Null,
                };
                object["last_used_at"] = milliseconds(self.used_at);
            }
            Kind::M2mOpaque => {
                object["object"] = json!("machine_to_machine_token");
                object["claims"] = custom;
                object["last_used_at"] = milliseconds(self.used_at);
            }
            Kind::OauthOpaque => {
                object["object"] = json!("clerk_idp_oauth_access_token");
                object["client_id"] = claim("client_id");
                for name in ["aud", "act"] {
                    if let Some(value) = self.claims.get(name) {
                        object[name] = value.clone();
                    }
                }
            }
            _ => return None,
        }
        if let Some(members) = object.as_object_mut() {
            // A token without a subject is a defect; `null` would be another.
            members.retain(|name, value| name != "subject" || !value.is_null());
        }
        Some(object)
    }

    /// Whether the issuer stands by it.
    fn is_active(&self, revocations: &Revocations, now: i64) -> bool {
        !self.revoked && in_time(&self.claims, now) && !revocations.cover_for_good(&self.claims)
    }
}

/// Whether `exp` and `nbf` allow it now (RFC 7662 §2.2: the issuer checks them before it says active).
pub(crate) fn in_time(claims: &Map<String, Value>, now: i64) -> bool {
    let time = |name: &str| {
        let value = claims.get(name)?;
        // The defect `string_exp` writes digits.
        let digits = || value.as_str().and_then(|digits| digits.parse().ok());
        Some(value.as_f64().or_else(digits).unwrap_or(f64::NAN))
    };
    let now = now as f64;
    time("exp").is_none_or(|exp| now < exp) && time("nbf").is_none_or(|nbf| nbf <= now)
}

/// What was issued and what was revoked. Bounded by count, oldest out; what expired a day ago is forgotten too.
#[derive(Default)]
pub(crate) struct Tokens {
    next: u64,
    /// In the order of issue.
    issued: BTreeMap<u64, (Digest, Opaque)>,
    by_digest: HashMap<Digest, u64>,
    pub(crate) revocations: Revocations,
}

impl Tokens {
    pub(crate) fn add(&mut self, token: &str, opaque: Opaque, now: i64) {
        if self.is_full() {
            // First those that nobody can use: an API key may be older than all of them.
            self.issued
                .retain(|_, (_, opaque)| in_time(&opaque.claims, now) && !opaque.revoked);
            self.by_digest = self
                .issued
                .iter()
                .map(|(number, (digest, _))| (*digest, *number))
                .collect();
        }
        while let Some(oldest) = self.issued.first_entry() {
            let stale = is_stale(&oldest.get().1, now);
            if !stale && self.by_digest.len() < MAX_TOKENS {
                break;
            }
            let (digest, _) = oldest.remove();
            self.by_digest.remove(&digest);
        }
        let digest = digest_of(token);
        self.issued.insert(self.next, (digest, opaque));
        self.by_digest.insert(digest, self.next);
        self.next += 1;
    }

    /// Whether the next one takes the place of another.
    pub(crate) fn is_full(&self) -> bool {
        self.by_digest.len() >= MAX_TOKENS
    }

    /// Whether a token with this digest, in base64url, is known.
    pub(crate) fn knows(&self, digest: &str) -> bool {
        let digest = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(digest);
        let digest = digest.ok().and_then(|digest| Digest::try_from(digest).ok());
        digest.is_some_and(|digest| self.by_digest.contains_key(&digest))
    }

    /// How many are known.
    pub(crate) fn count(&self) -> usize {
        self.issued.len()
    }

    pub(crate) fn find(&self, token: &str, now: i64) -> Option<&Opaque> {
        let number = self.by_digest.get(&digest_of(token))?;
        let (_, opaque) = self.issued.get(number)?;
        (!is_stale(opaque, now)).then_some(opaque)
    }

    /// The tokens of a kind, oldest first.
    pub(crate) fn of(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Opaque> {
        let issued = self.issued.values().map(|(_, opaque)| opaque);
        issued.filter(move |opaque| opaque.kind == kind)
    }

    /// The token of this kind with this id.
    pub(crate) fn named(&mut self, kind: Kind, id: &str) -> Option<&mut Opaque> {
        let mut issued = self.issued.values_mut().map(|(_, opaque)| opaque);
        issued.find(|opaque| opaque.kind == kind && opaque.claim("jti") == Some(id))
    }

    /// What a file has to remember of it.
    pub(crate) fn stored(&self, kind: Kind, id: &str) -> Option<Map<String, Value>> {
        let mut issued = self.issued.values();
        let same = |opaque: &Opaque| opaque.kind == kind && opaque.claim("jti") == Some(id);
        let (digest, opaque) = issued.find(|(_, opaque)| same(opaque))?;
        Some(opaque.stored(digest))
    }

    /// Knows a token again, from what a file remembered of it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn restore(&mut self, stored: &Map<String, Value>) {
        if let Some((digest, opaque)) = Opaque::restored(stored)
            && self.by_digest.len() < MAX_TOKENS
        {
            self.issued.insert(self.next, (digest, opaque));
            self.by_digest.insert(digest, self.next);
            self.next += 1;
        }
    }

    /// Forgets the token of this kind with this id.
    pub(crate) fn forget(&mut self, kind: Kind, id: &str) {
        let same = |opaque: &Opaque| opaque.kind == kind && opaque.claim("jti") == Some(id);
        let mut issued = self.issued.iter();
        let found = issued.find(|(_, (_, opaque))| same(opaque));
        if let Some((number, digest)) = found.map(|(number, (digest, _))| (*number, *digest)) {
            self.issued.remove(&number);
            self.by_digest.remove(&digest);
        }
    }

    /// The token's claims, if the issuer stands by it.
    pub(crate) fn active(&self, token: &str, now: i64) -> Option<&Opaque> {
        self.find(token, now)
            .filter(|opaque| opaque.is_active(&self.revocations, now))
    }

    /// What a verify endpoint says of a token of this kind (of any of them, if none is named), to this machine or to
    /// the instance itself; nothing of a token that is unknown, expired or revoked.
    pub(crate) fn verify(
        &mut self,
        token: &str,
        kind: Option<Kind>,
        machine: Option<&str>,
        now: i64,
    ) -> Option<Value> {
        let opaque = self.active(token, now)?;
        if kind.is_some_and(|kind| kind != opaque.kind) {
            return None;
        }
        if machine.is_some_and(|machine| !opaque.scopes.iter().any(|scope| scope == machine)) {
            return None;
        }
        let object = opaque.object()?;
        let number = self.by_digest.get(&digest_of(token))?;
        self.issued.get_mut(number)?.1.used_at = Some(now);
        Some(object)
    }

    /// Revokes and says how many of the known opaque tokens that struck.
    pub(crate) fn revoke(&mut self, what: &Revocation, reason: Option<&str>, now: i64) -> usize {
        let digest = match what {
            Revocation::Token(token) => Some(digest_of(token)),
            _ => None,
        };
        let mut struck = 0;
        for (known, opaque) in self.issued.values_mut() {
            let meant = match (digest, what.claim()) {
                (Some(digest), _) => *known == digest,
                (None, Some((name, value))) => opaque.claim(name) == Some(value),
                (None, None) => false,
            };
            if meant && !is_stale(opaque, now) {
                opaque.revoke(reason, now);
                struck += 1;
            }
        }
        if let Some((name, value)) = what.claim() {
            self.revocations.add(name, value, now);
        }
        struck
    }
}

/// A prefix and 256 random bits.
pub(crate) fn random_text(prefix: &str) -> Result<String, KeyError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(format!("{prefix}{}", base64url(bytes)))
}

fn is_stale(opaque: &Opaque, now: i64) -> bool {
    let exp = opaque.claims.get("exp").and_then(Value::as_i64);
    exp.is_some_and(|exp| exp.saturating_add(MEMORY) < now)
}

fn milliseconds(seconds: Option<i64>) -> Value {
    json!(seconds.map(|seconds| seconds.saturating_mul(1000)))
}

pub(crate) type Digest = [u8; 32];

pub(crate) fn digest_of(text: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

const MAX_TOKENS: usize = 10_000;
/// Seconds after its expiry in which a token is remembered.
const MEMORY: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DevIssuer;

    const NOW: i64 = 1_800_000_000;

    fn opaque(mint: &Mint) -> (String, Option<(String, Opaque)>) {
        let claims = mint.all_claims("https://issuer.test", NOW).unwrap();
        Opaque::make(mint, claims, NOW).unwrap()
    }

    fn issue(tokens: &mut Tokens, mint: &Mint, now: i64) -> String {
        let (given, known) = opaque(mint);
        if let Some((right, opaque)) = known {
            tokens.add(&right, opaque, now);
        }
        given
    }

    #[test]
    fn a_token_is_a_prefix_and_256_random_bits() {
        for (kind, prefix) in [
            (Kind::ApiKey, "ak_"),
            (Kind::OauthOpaque, "oat_"),
            (Kind::M2mOpaque, "mt_"),
            (Kind::Opaque, ""),
        ] {
            let (one, _) = opaque(&Mint::kind(kind));
            let (other, _) = opaque(&Mint::kind(kind));
            assert!(one.starts_with(prefix) && one != other);
            assert_eq!(one.len(), prefix.len() + 43);
        }
        let (legacy, _) = opaque(&Mint::kind(Kind::M2mOpaque).prefix("m2m_"));
        assert!(legacy.starts_with("m2m_"));
    }

    #[test]
    fn an_api_key_is_answered_as_documented() {
        let mut tokens = Tokens::default();
        let mint = Mint::kind(Kind::ApiKey)
            .sub("user_ada")
            .scopes(["read"])
            .claim("team", "blue")
            .name("ci");
        let token = issue(&mut tokens, &mint, NOW);
        let mut object = tokens
            .verify(&token, Some(Kind::ApiKey), None, NOW + 5)
            .unwrap();
        let id = object["id"].take();
        let id = id.as_str().unwrap().strip_prefix("ak_").unwrap();
        assert!(id.len() == 32 && id.chars().all(|letter| letter.is_ascii_hexdigit()));
        let created = NOW * 1000;
        assert_eq!(
            object,
            json!({
                "object": "api_key", "id": null, "type": "api_key", "subject": "user_ada", "name": "ci",
                "description": null, "claims": {"team": "blue"}, "scopes": ["read"], "revoked": false,
                "revocation_reason": null, "expired": false, "expiration": null, "created_by": "user_ada",
                "last_used_at": null, "created_at": created, "updated_at": created,
            })
        );
        let again = tokens.verify(&token, None, None, NOW + 6).unwrap();
        assert_eq!(again["last_used_at"], (NOW + 5) * 1000);
        let plain = issue(
            &mut tokens,
            &Mint::kind(Kind::ApiKey).sub("org_a").ttl(60),
            NOW,
        );
        let plain = tokens.verify(&plain, None, None, NOW).unwrap();
        assert_eq!(
            (&plain["claims"], &plain["created_by"], &plain["expiration"]),
            (&Value::Null, &Value::Null, &json!((NOW + 60) * 1000))
        );
    }

    #[test]
    fn the_other_kinds_are_answered_as_documented() {
        let mut tokens = Tokens::default();
        let mint = Mint::kind(Kind::OauthOpaque).scopes(["a", "b"]);
        let token = issue(&mut tokens, &mint, NOW);
        let mut object = tokens
            .verify(&token, Some(Kind::OauthOpaque), None, NOW)
            .unwrap();
        assert!(object["id"].take().as_str().unwrap().starts_with("oat_"));
        let (created, expiration) = (NOW * 1000, (NOW + 3600) * 1000);
        assert_eq!(
            object,
            json!({
                "object": "clerk_idp_oauth_access_token", "id": null, "client_id": Mint::CLIENT,
                "subject": Mint::USER, "scopes": ["a", "b"], "revoked": false, "revocation_reason": null,
                "expired": false, "expiration": expiration, "created_at": created, "updated_at": created,
            })
        );
        let aimed = issue(&mut tokens, &mint.aud("https://api.test"), NOW);
        let aimed = tokens.verify(&aimed, None, None, NOW).unwrap();
        assert_eq!(aimed["aud"], "https://api.test");

        let mint = Mint::kind(Kind::M2mOpaque).scopes(["mch_b"]);
        let token = issue(&mut tokens, &mint, NOW);
        let mut object = tokens
            .verify(&token, Some(Kind::M2mOpaque), None, NOW)
            .unwrap();
        assert!(object["id"].take().as_str().unwrap().starts_with("mt_"));
        assert_eq!(
            object,
            json!({
                "object": "machine_to_machine_token", "id": null, "subject": Mint::MACHINE, "claims": null,
                "scopes": ["mch_b"], "revoked": false, "revocation_reason": null, "expired": false,
                "expiration": expiration, "last_used_at": null, "created_at": created, "updated_at": created,
            })
        );
        assert!(tokens.verify(&token, None, Some("mch_b"), NOW).is_some());
        assert!(tokens.verify(&token, None, Some("mch_c"), NOW).is_none());
        assert!(
            tokens
                .verify(&token, Some(Kind::ApiKey), None, NOW)
                .is_none()
        );
        let generic = issue(&mut tokens, &Mint::kind(Kind::Opaque), NOW);
        assert!(tokens.verify(&generic, None, None, NOW).is_none());
        assert!(tokens.active(&generic, NOW).is_some());
    }

    #[test]
    fn every_defect_is_a_refusal_a_wrong_answer_or_a_mistake() {
        let mut tokens = Tokens::default();
        for kind in [
            Kind::ApiKey,
            Kind::OauthOpaque,
            Kind::M2mOpaque,
            Kind::Opaque,
        ] {
            for &defect in Defect::ALL {
                let mint = Mint::kind(kind).defect(defect).aud("https://api.test");
                if mint.check().is_err() {
                    continue;
                }
                let token = issue(&mut tokens, &mint, NOW);
                let active = tokens.active(&token, NOW);
                let (sub, exp) = (
                    active.and_then(|opaque| opaque.claim("sub")),
                    active.and_then(|opaque| opaque.claims.get("exp")),
                );
                let right = match defect {
                    Defect::Expired
                    | Defect::NotYetValid
                    | Defect::Revoked
                    | Defect::WrongKey
                    | Defect::BadSignature
                    | Defect::Truncated
                    | Defect::Junk => active.is_none(),
                    Defect::NoSub => active.is_some() && sub.is_none(),
                    Defect::NoExp => active.is_some() && exp.is_none(),
                    Defect::StringExp => exp.is_some_and(Value::is_string),
                    Defect::WrongIss => active.unwrap().claims["iss"] != "https://issuer.test",
                    Defect::WrongAud => active.unwrap().claims["aud"] != "https://api.test",
                    Defect::IssuedInFuture => active.unwrap().claims["iat"] == NOW + 3600,
                    _ => false,
                };
                assert!(right, "{} {defect}", kind.as_str());
            }
        }
    }

    #[test]
    fn a_revoked_token_is_unknown_to_the_endpoint_and_says_why_to_the_log() {
        let mut tokens = Tokens::default();
        let token = issue(&mut tokens, &Mint::kind(Kind::ApiKey), NOW);
        assert_eq!(
            tokens.revoke(&Revocation::Token(token.clone()), Some("leaked"), NOW),
            1
        );
        assert!(tokens.verify(&token, None, None, NOW).is_none());
        let object = tokens.find(&token, NOW).unwrap().object().unwrap();
        assert_eq!(
            (&object["revoked"], &object["revocation_reason"]),
            (&json!(true), &json!("leaked"))
        );
        assert_eq!(
            tokens.revoke(&Revocation::Token("x".to_owned()), None, NOW),
            0
        );
    }

    #[test]
    fn a_subjects_tokens_are_revoked_and_later_ones_are_not() {
        let mut tokens = Tokens::default();
        let ada = Mint::kind(Kind::Opaque).sub("ada");
        let before = [issue(&mut tokens, &ada, NOW), issue(&mut tokens, &ada, NOW)];
        let other = issue(&mut tokens, &Mint::kind(Kind::Opaque).sub("bob"), NOW);
        assert_eq!(
            tokens.revoke(&Revocation::Sub("ada".to_owned()), None, NOW),
            2
        );
        assert!(
            before
                .iter()
                .all(|token| tokens.active(token, NOW).is_none())
        );
        let after = issue(&mut tokens, &ada, NOW);
        assert!(tokens.active(&other, NOW).is_some() && tokens.active(&after, NOW).is_some());
        let session = Mint::kind(Kind::Opaque).sid("sess_a");
        assert_eq!(
            tokens.revoke(&Revocation::Sid("sess_a".to_owned()), None, NOW),
            0
        );
        let dead = issue(&mut tokens, &session, NOW);
        assert!(
            tokens.active(&dead, NOW).is_none(),
            "a session that ended stays so"
        );
    }

    #[test]
    fn the_store_is_bounded_by_count_and_age() {
        let mut tokens = Tokens::default();
        let lasting = Mint::kind(Kind::ApiKey);
        let first = issue(&mut tokens, &lasting, NOW);
        for _ in 1..MAX_TOKENS {
            issue(&mut tokens, &lasting, NOW);
        }
        assert!(tokens.find(&first, NOW).is_some());
        issue(&mut tokens, &lasting, NOW);
        assert!(tokens.find(&first, NOW).is_none());
        assert_eq!(
            (tokens.count(), tokens.by_digest.len()),
            (MAX_TOKENS, MAX_TOKENS)
        );

        let mut tokens = Tokens::default();
        let short = issue(&mut tokens, &lasting.ttl(60), NOW);
        let late = NOW + 60 + MEMORY;
        assert!(tokens.find(&short, late).is_some() && tokens.find(&short, late + 1).is_none());
        issue(&mut tokens, &Mint::kind(Kind::ApiKey), late + 1);
        assert_eq!(tokens.count(), 1);
    }

    #[test]
    fn a_store_holds_no_token() {
        let issuer = DevIssuer::new().unwrap();
        let token = issuer.mint(&Mint::kind(Kind::ApiKey)).unwrap();
        assert!(!format!("{issuer:?}").contains(&token));
    }
}
