//! Verification as a pure function: what was presented, what is known and the time give a verdict
//! (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725).

use std::collections::HashMap;

use crate::claim_map::Mapped;
use crate::claims::{Claims, Parsed, Unverified};
use crate::credential::{self, Credential, Place, RequestHead};
use crate::decoders::{Decoder, Membership};
use crate::facts::{Facts, Known, Lookup};
use crate::identity::{Identity, Provenance};
use crate::introspection::{self, Answer, Judged};
use crate::issuer::{
    Audience, AuthorizedParties, AzpRule, Issuer, IssuerId, IssuerName, KeySource, WithoutAudience,
};
use crate::json;
use crate::jws::{Compact, Header};
use crate::kind::{KindSet, TokenKind};
use crate::rejection::{Reason, Rejection};
use crate::scope::ScopeHierarchy;
use crate::tenant::IssuerTemplate;
use crate::timestamp::Timestamp;

/// The trusted issuers, and what is accepted from them.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    by_name: HashMap<String, IssuerId>,
    templates: Vec<(IssuerTemplate, IssuerId)>,
    pinned_by_keys: Option<IssuerId>,
    /// Each decoder that is in use, once.
    decoders: Vec<Decoder>,
    /// Whether an issuer of no provider's can be asked about opaque tokens, which have no prefix then.
    asks_by_shape: bool,
    settings: Settings,
}

/// What holds for all issuers alike.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kinds of tokens that get past the door.
    pub accepts: KindSet,
    /// Whether a session with tasks left counts as signed in.
    pub allow_pending: bool,
    /// Names of session cookies, most wanted first. Empty: cookies are not read.
    pub cookies: Vec<String>,
    /// The longest token that is looked at, in bytes.
    pub max_token_bytes: usize,
    /// Which scopes hold others.
    pub scope_implies: ScopeHierarchy,
}

/// The default of [`Settings::max_token_bytes`].
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;

impl Default for Settings {
    fn default() -> Self {
        Self {
            accepts: KindSet::SESSION,
            allow_pending: false,
            cookies: Vec::new(),
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            scope_implies: ScopeHierarchy::default(),
        }
    }
}

/// A verdict, or the question it hangs on.
#[derive(Debug)]
pub enum Outcome {
    /// Somebody.
    Verified(Identity),
    /// Nobody, and why.
    Rejected(Rejection),
    /// Learn this fact and ask again.
    Needs(Lookup),
}

impl Verifier {
    /// A verifier for these issuers.
    ///
    /// # Errors
    /// A sentence that names the issuer and the setting that is unsafe or useless.
    pub fn new(issuers: Vec<Issuer>, settings: Settings) -> Result<Self, String> {
        if issuers.is_empty() {
            return Err("there is no issuer, so every token would be refused".to_owned());
        }
        if settings.accepts.is_empty() {
            return Err("`accepts` is empty, so every token would be refused".to_owned());
        }
        let mut by_name = HashMap::new();
        let (mut templates, mut pinned_by_keys) = (Vec::new(), None);
        for (position, issuer) in issuers.iter().enumerate() {
            let id = IssuerId(u32::try_from(position).map_err(|_| "too many issuers")?);
            let (label, taken) = match &issuer.name {
                IssuerName::Exact(name) => {
                    (name.as_str(), by_name.insert(name.clone(), id).is_some())
                }
                IssuerName::Template(template) => {
                    let same = |known: &IssuerTemplate| known.to_string() == template.to_string();
                    let taken = templates.iter().any(|(known, _)| same(known));
                    templates.push((template.clone(), id));
                    ("(a template)", taken)
                }
                IssuerName::PinnedByKeys => (
                    "(any, pinned by its keys)",
                    pinned_by_keys.replace(id).is_some(),
                ),
            };
            issuer
                .check()
                .map_err(|why| format!("issuer {label}: {why}"))?;
            let mut aliases = issuer.aliases.iter();
            let taken = taken || aliases.any(|name| by_name.insert(name.clone(), id).is_some());
            if taken {
                return Err(format!("issuer {label}: it is configured twice"));
            }
        }
        let mut decoders: Vec<Decoder> = issuers.iter().map(|issuer| issuer.decoder).collect();
        decoders.sort_unstable();
        decoders.dedup();
        let asked =
            |issuer: &Issuer| issuer.decoder == Decoder::Standard && !issuer.opaque.is_empty();
        let asks_by_shape = issuers.iter().any(asked);
        Ok(Self {
            issuers,
            by_name,
            templates,
            pinned_by_keys,
            decoders,
            asks_by_shape,
            settings,
        })
    }

    /// The issuers, by [`IssuerId::index`].
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The ids of the issuers.
    pub fn issuer_ids(&self) -> impl Iterator<Item = IssuerId> + '_ {
        (0..self.issuers.len()).map(|index| IssuerId(index as u32))
    }

    /// What holds for all issuers alike.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Finds what a request presents.
    ///
    /// # Errors
    /// There is nothing, more than one thing, or something malformed.
    pub fn credential<'h, H: RequestHead>(
        &'h self,
        head: &'h H,
    ) -> Result<Credential<'h>, Rejection> {
        credential::extract(head, &self.settings.cookies)
    }

    /// The verdict on a credential.
    pub fn verify<F: Facts + ?Sized>(
        &self,
        credential: &Credential<'_>,
        facts: &F,
        now: Timestamp,
    ) -> Outcome {
        match self.judge(credential, facts, now) {
            Ok(identity) => Outcome::Verified(identity),
            Err(Halt::Reject(rejection)) => Outcome::Rejected(rejection),
            Err(Halt::Ask(lookup)) => Outcome::Needs(lookup),
        }
    }

    /// The verdict on a remembered identity, by what may have changed since: the time, the place of the credential, and
    /// what was revoked. Whether its keys still stand is the memory's business ([`Identity::provenance`]).
    pub fn recheck<F: Facts + ?Sized>(
        &self,
        identity: Identity,
        place: Place,
        facts: &F,
        now: Timestamp,
    ) -> Outcome {
        let judged = || {
            header_only(identity.kind(), place)?;
            let id = identity.provenance().issuer;
            in_time(identity.claims(), &self.issuers[id.index()], now)?;
            self.unrevoked(id, identity.claims(), facts)
        };
        match judged() {
            Ok(()) => Outcome::Verified(identity),
            Err(Halt::Reject(rejection)) => Outcome::Rejected(rejection),
            Err(Halt::Ask(lookup)) => Outcome::Needs(lookup),
        }
    }

    /// The one name of an issuer that a token may spell in several ways: the configured one, or the tenant's own.
    pub fn canonical<'n>(&'n self, id: IssuerId, name: &'n str) -> &'n str {
        match &self.issuers[id.index()].name {
            IssuerName::Exact(own) => own,
            IssuerName::Template(_) | IssuerName::PinnedByKeys => name,
        }
    }

    /// The trusted issuer of this name, in any of its spellings.
    pub fn issuer_named(&self, name: &str) -> Option<IssuerId> {
        self.resolve(name).map(|(id, _)| id)
    }

    /// The issuer that answers for a name, and the tenant in it: one of exactly this name, else one of a template, else the
    /// one whose keys name it.
    fn resolve<'n>(&self, name: &'n str) -> Option<(IssuerId, Option<&'n str>)> {
        let exact = || Some((*self.by_name.get(name)?, None));
        let of_a_tenant = || {
            let mut templates = self.templates.iter();
            templates.find_map(|(template, id)| Some((*id, Some(template.tenant(name)?))))
        };
        let pinned = || Some((self.pinned_by_keys.filter(|_| is_issuer_url(name))?, None));
        exact().or_else(of_a_tenant).or_else(pinned)
    }

    /// The steps of a verification, cheapest first, nothing fetched for a stranger.
    fn judge<F: Facts + ?Sized>(
        &self,
        credential: &Credential<'_>,
        facts: &F,
        now: Timestamp,
    ) -> Result<Identity, Halt> {
        let token = credential.token();
        self.small_enough(token)?;
        if let Some(asked) = self.opaque(token)? {
            return self.introspected(asked, credential.place(), facts, now);
        }
        let jws = Compact::split(token)?;
        let header_json = jws.header_json()?;
        let header = Header::parse(&header_json)?;
        let payload = jws.payload_bytes()?;
        let claims = Unverified::parse(&payload)?;

        let (id, issuer, tenant) = self.issuer(&claims)?;
        let tenant = tenant.map(str::to_owned);
        let kind = self.kind(issuer, &header, &claims, credential.place())?;
        let (evidence, generation) =
            signature(&jws, &header, id, issuer, tenant.as_deref(), facts)?;

        let claims = claims.verified(&evidence);
        claims.require(&issuer.required_claims)?;
        let (mut claims, membership) = decode(claims, kind, issuer)?;
        let (kind, mapped) =
            self.mapped(issuer, kind, credential.place(), &payload, &mut claims)?;
        in_time(&claims, issuer, now)?;
        for_us(&claims, kind, issuer)?;
        self.signed_in(&claims, kind)?;
        self.unrevoked(id, &claims, facts)?;
        let provenance = Provenance {
            issuer: id,
            tenant,
            generation,
        };
        let implied = self.settings.scope_implies.implied(&claims.scopes);
        Ok(Identity::new(
            &evidence, kind, claims, membership, mapped, implied, payload, provenance,
        ))
    }

    pub(crate) fn small_enough(&self, token: &str) -> Result<(), Rejection> {
        let (length, most) = (token.len(), self.settings.max_token_bytes);
        if length > most {
            return Err(Rejection::new(Reason::TokenTooLarge).with_detail(format!(
                "the token has {length} bytes, at most {most} are read"
            )));
        }
        Ok(())
    }

    /// Tells opaque tokens by their prefix, or by their shape where an issuer of no provider's can be asked. Such a
    /// token cannot be verified here: that takes the issuer's word.
    fn opaque(&self, token: &str) -> Result<Option<(IssuerId, &Issuer, TokenKind)>, Rejection> {
        let by_prefix = |decoder: &Decoder| Some((*decoder, decoder.opaque_kind(token)?));
        let by_shape = || {
            // RFC 7515 §3.1: a compact JWS has two dots.
            let dots = token.bytes().filter(|byte| *byte == b'.').take(3).count();
            (dots != 2).then_some((Decoder::Standard, TokenKind::Oauth))
        };
        let prefixed = self.decoders.iter().find_map(by_prefix);
        let by_shape = || self.asks_by_shape.then(by_shape)?;
        let Some((decoder, kind)) = prefixed.or_else(by_shape) else {
            return Ok(None);
        };
        if prefixed.is_some() && !self.settings.accepts.contains(kind) {
            return Err(self.not_accepted(kind));
        }
        let asked = |(_, issuer): &(IssuerId, &Issuer)| {
            issuer.decoder == decoder && issuer.opaque.contains(kind)
        };
        match self.issuer_ids().zip(&self.issuers).find(asked) {
            Some((id, issuer)) => Ok(Some((id, issuer, kind))),
            None if prefixed.is_some() => Err(introspection::refuse_unasked(kind)),
            None => Ok(None),
        }
    }

    /// The verdict on an opaque token, by its issuer's answer.
    fn introspected<F: Facts + ?Sized>(
        &self,
        (id, issuer, kind): (IssuerId, &Issuer, TokenKind),
        place: Place,
        facts: &F,
        now: Timestamp,
    ) -> Result<Identity, Halt> {
        header_only(kind, place)?;
        let answer = match facts.answer(id, kind) {
            Known::Yes(answer) => answer,
            Known::No => return Err(Rejection::new(Reason::TokenInvalid).into()),
            Known::NotYet => return Err(Halt::Ask(Lookup::Answer { issuer: id, kind })),
            Known::Unreachable(seconds) => {
                return Err(Rejection::new(Reason::VerificationUnavailable)
                    .with_retry_after(seconds)
                    .with_detail("the issuer cannot be asked about the token")
                    .into());
            }
        };
        let (evidence, generation) = answered(&answer, id, issuer, facts)?;
        let Judged { claims, mapped } = issuer.decoder.judge(kind, &answer, issuer)?;
        let kind = if mapped.machine { TokenKind::M2m } else { kind };
        if !self.settings.accepts.contains(kind) {
            return Err(self.not_accepted(kind).into());
        }
        introspection::require(&answer, &issuer.required_claims)?;
        in_time(&claims, issuer, now)?;
        for_us(&claims, kind, issuer)?;
        self.unrevoked(id, &claims, facts)?;
        let provenance = Provenance {
            issuer: id,
            tenant: None,
            generation,
        };
        let (raw, membership) = (answer.raw().to_vec(), Membership::default());
        let implied = self.settings.scope_implies.implied(&claims.scopes);
        Ok(Identity::new(
            &evidence, kind, claims, membership, mapped, implied, raw, provenance,
        ))
    }

    /// RFC 8725 §3.8: the issuer is found by exact match, and its keys are used for its tokens only. With a template
    /// comes the tenant.
    pub(crate) fn issuer<'c>(
        &self,
        claims: &'c Unverified<Parsed<'_>>,
    ) -> Result<(IssuerId, &Issuer, Option<&'c str>), Rejection> {
        let name = claims.issuer()?;
        let Some((id, tenant)) = self.resolve(name) else {
            return Err(Rejection::new(Reason::IssuerUnknown).with_detail(self.known_issuers(name)));
        };
        Ok((id, &self.issuers[id.index()], tenant))
    }

    fn known_issuers(&self, found: &str) -> String {
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).take(3).collect();
        let slash = |name: &&str| name.trim_end_matches('/') == found.trim_end_matches('/');
        let found = json::short(found);
        match names.iter().find(|name| slash(name)) {
            Some(name) => {
                format!("`iss` is {found:?}, configured is {name:?}: the slash at the end counts")
            }
            None => format!("`iss` is {found:?}, configured: {names:?}"),
        }
    }

    fn kind(
        &self,
        issuer: &Issuer,
        header: &Header<'_>,
        claims: &Unverified<Parsed<'_>>,
        place: Place,
    ) -> Result<TokenKind, Rejection> {
        let kind = issuer
            .decoder
            .kind(
                header.typ.as_deref(),
                header.cat.as_deref(),
                claims.subject(),
            )
            .ok_or_else(|| {
                let typ = header.typ.as_deref().map(json::short);
                let cat = header.cat.as_deref().map(json::short);
                Rejection::new(Reason::TokenKindUnknown)
                    .with_detail(format!("`typ` is {typ:?}, `cat` is {cat:?}"))
            })?;
        // Whether it is a machine's may show only later; until then it may be.
        if self.accepted(issuer, kind).is_err() && issuer.claim_map.knows_machines() {
            self.accepted(issuer, TokenKind::M2m)?;
        } else {
            self.accepted(issuer, kind)?;
        }
        header_only(kind, place)?;
        Ok(kind)
    }

    /// Reads what this issuer writes elsewhere. A machine shows itself only here, after the signature, so what was
    /// asked of the kind is asked again.
    fn mapped(
        &self,
        issuer: &Issuer,
        kind: TokenKind,
        place: Place,
        payload: &[u8],
        claims: &mut Claims,
    ) -> Result<(TokenKind, Mapped), Rejection> {
        if issuer.claim_map.is_empty() {
            return Ok((kind, Mapped::default()));
        }
        let mapped = issuer.claim_map.apply(payload, claims)?;
        let kind = if mapped.machine { TokenKind::M2m } else { kind };
        self.accepted(issuer, kind)?;
        header_only(kind, place)?;
        Ok((kind, mapped))
    }

    fn accepted(&self, issuer: &Issuer, kind: TokenKind) -> Result<(), Rejection> {
        if !self.settings.accepts.contains(kind) {
            return Err(self.not_accepted(kind));
        }
        if !issuer.token_types.contains(kind) {
            return Err(
                Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!(
                    "this issuer may issue {}, not a {kind}",
                    issuer.token_types
                )),
            );
        }
        Ok(())
    }

    fn not_accepted(&self, kind: TokenKind) -> Rejection {
        Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!(
            "the token is a {kind}, accepted: {}",
            self.settings.accepts
        ))
    }

    /// Asked last, and of good tokens only: strangers learn nothing from it and cause nothing by it.
    fn unrevoked<F: Facts + ?Sized>(
        &self,
        id: IssuerId,
        claims: &Claims,
        facts: &F,
    ) -> Result<(), Halt> {
        match facts.revoked(self.canonical(id, &claims.issuer), claims) {
            Known::No => Ok(()),
            Known::Yes(claim) => {
                let value = json::short(claim.of(claims).unwrap_or_default());
                Err(Rejection::new(Reason::TokenRevoked)
                    .with_detail(format!("`{claim}` {value:?} was revoked"))
                    .into())
            }
            Known::NotYet => Err(Halt::Ask(Lookup::Revocations)),
            Known::Unreachable(seconds) => Err(Rejection::new(Reason::VerificationUnavailable)
                .with_retry_after(seconds)
                .with_detail("nobody can tell whether the token was revoked")
                .into()),
        }
    }

    fn signed_in(&self, claims: &Claims, kind: TokenKind) -> Result<(), Rejection> {
        let pending =
            kind == TokenKind::Session && claims.session_status.as_deref() == Some("pending");
        if pending && !self.settings.allow_pending {
            return Err(Reason::SessionPending.into());
        }
        Ok(())
    }
}

/// Either a refusal or a question: both end a verification early.
pub(crate) enum Halt {
    Reject(Rejection),
    Ask(Lookup),
}

impl From<Rejection> for Halt {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(rejection)
    }
}

/// Evidence that a signature was verified with an issuer's key. Its field is private to this file, so nobody else can
/// make an [`Identity`].
pub(crate) struct SignatureValid(());

/// Checks the signature with the one key that the issuer binds to `kid` and algorithm.
pub(crate) fn signature<F: Facts + ?Sized>(
    jws: &Compact<'_>,
    header: &Header<'_>,
    id: IssuerId,
    issuer: &Issuer,
    tenant: Option<&str>,
    facts: &F,
) -> Result<(SignatureValid, u64), Halt> {
    let algorithm = header.algorithm;
    if !issuer.algorithms.contains(algorithm) {
        // RFC 8725 §3.1: allowed by the issuer's list, and below, by the key.
        return Err(Rejection::new(Reason::AlgorithmNotAllowed)
            .with_detail(format!(
                "the header says {algorithm}, this issuer signs with {}",
                issuer.algorithms
            ))
            .into());
    }
    let kid = header.kid.as_deref();
    let learned;
    let keys = match &issuer.keys {
        KeySource::SharedSecret(secret) => {
            let key = secret
                .mac(algorithm)
                .ok_or(Rejection::new(Reason::KeyUnsuitable))?;
            jws.verify_mac(key)?;
            return Ok((SignatureValid(()), 0));
        }
        KeySource::Static(keys) => keys,
        KeySource::Remote => match facts.keys(id, tenant, kid) {
            Known::Yes(keys) => {
                learned = keys;
                &*learned
            }
            Known::No => return Err(key_unknown(kid).into()),
            Known::NotYet => {
                return Err(Halt::Ask(Lookup::Keys {
                    issuer: id,
                    tenant: tenant.map(str::to_owned),
                    kid: kid.map(str::to_owned),
                }));
            }
            Known::Unreachable(seconds) => {
                return Err(Rejection::new(Reason::KeysUnavailable)
                    .with_retry_after(seconds)
                    .into());
            }
        },
    };
    let candidates = keys.candidates(kid);
    if candidates.is_empty() {
        return Err(key_unknown(kid).into());
    }
    jws.verify_with(algorithm, candidates.iter())?;
    Ok((SignatureValid(()), keys.generation()))
}

/// What stands behind an issuer's answer: the connection it came over, or a signature (RFC 9701), as was agreed. A
/// signature that is not good is nobody's bad token.
fn answered<F: Facts + ?Sized>(
    answer: &Answer,
    id: IssuerId,
    issuer: &Issuer,
    facts: &F,
) -> Result<(SignatureValid, u64), Halt> {
    let (client_id, envelope) = match (&issuer.answers_signed_for, answer.envelope()) {
        (None, None) => return Ok((SignatureValid(()), 0)),
        (Some(client_id), Some(envelope)) => (client_id, envelope),
        (None, Some(_)) => return Err(introspection::senseless("it is signed, unasked").into()),
        (Some(_), None) => return Err(introspection::senseless("it is not signed").into()),
    };
    let ours = |rejection: Rejection| match rejection.status() {
        503 => rejection,
        _ => introspection::senseless(format!(
            "its signature is not good ({}: {})",
            rejection.reason().code(),
            rejection.detail()
        )),
    };
    let jws = Compact::split(envelope.compact()).map_err(ours)?;
    let header_json = jws.header_json().map_err(ours)?;
    let header = Header::parse(&header_json).map_err(ours)?;
    if !introspection::is_answer_type(header.typ.as_deref()) {
        // RFC 8725 §3.11: an access token of the same issuer is no answer, whatever is in it.
        let typ = header.typ.as_deref().map(json::short);
        return Err(introspection::senseless(format!(
            "its `typ` is {typ:?}, not \"token-introspection+jwt\""
        ))
        .into());
    }
    let verified = signature(&jws, &header, id, issuer, None, facts);
    let verified = verified.map_err(|halt| match halt {
        Halt::Reject(rejection) => Halt::Reject(ours(rejection)),
        ask => ask,
    })?;
    envelope.judge(issuer, client_id)?;
    Ok(verified)
}

fn key_unknown(kid: Option<&str>) -> Rejection {
    Rejection::new(Reason::KeyUnknown).with_detail(match kid {
        Some(kid) => format!(
            "the issuer publishes no key with `kid` {:?}",
            json::short(kid)
        ),
        None => "the token names no key, and the issuer has none".to_owned(),
    })
}

fn decode(
    claims: Parsed<'_>,
    kind: TokenKind,
    issuer: &Issuer,
) -> Result<(Claims, Membership), Rejection> {
    let (mut claims, provider) = claims.into_claims()?;
    if !issuer.decoder.has_permissions_claim() {
        claims.permissions.clear();
    }
    Ok((claims, issuer.decoder.decode(kind, &provider)))
}

/// RFC 7519 §4.1.4 to §4.1.6, with the issuer's leeway and no rounding in the holder's favour.
fn in_time(claims: &Claims, issuer: &Issuer, now: Timestamp) -> Result<(), Rejection> {
    let leeway = issuer.leeway;
    let too_early = |time: Timestamp| now.plus(leeway) < time;
    let explain = |reason: Reason, name: &str, time: Timestamp| {
        let by = seconds(now.millis_since(time).unsigned_abs());
        let side = if time <= now { "ago" } else { "ahead" };
        Rejection::new(reason).with_detail(format!(
            "`{name}` is {time}, {by} s {side}; now is {now}, the leeway is {} s",
            seconds(u64::try_from(leeway.as_millis()).unwrap_or(u64::MAX)),
        ))
    };
    if now >= claims.expires_at.plus(leeway) {
        return Err(explain(Reason::TokenExpired, "exp", claims.expires_at));
    }
    if let Some(not_before) = claims.not_before.filter(|time| too_early(*time)) {
        return Err(explain(Reason::TokenNotYetValid, "nbf", not_before));
    }
    if let Some(issued_at) = claims.issued_at.filter(|time| too_early(*time)) {
        return Err(explain(Reason::TokenIssuedInFuture, "iat", issued_at));
    }
    Ok(())
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// RFC 7519 §4.1.3 and RFC 8725 §3.9 for `aud`; OpenID Connect Core §2 for `azp`; RFC 7800 §3.1 for `cnf`.
fn for_us(claims: &Claims, kind: TokenKind, issuer: &Issuer) -> Result<(), Rejection> {
    if claims.sender_constrained {
        return Err(Reason::SenderConstrained.into());
    }
    if let Audience::OneOf(wanted) = &issuer.audience {
        if claims.audience.is_empty() {
            without_audience(claims.client_id.as_deref(), kind, &issuer.without_audience)?;
        } else if !claims
            .audience
            .iter()
            .any(|audience| wanted.contains(audience))
        {
            let found: Vec<&str> = claims
                .audience
                .iter()
                .take(3)
                .map(|a| json::short(a))
                .collect();
            return Err(Rejection::new(Reason::AudienceMismatch)
                .with_detail(format!("`aud` is {found:?}, expected one of {wanted:?}")));
        }
    }
    let party = claims.authorized_party.as_deref();
    match (kind, issuer.decoder) {
        (TokenKind::Session | TokenKind::Template, _) => {
            authorized_party(party, &issuer.authorized_parties)?;
        }
        // RFC 9068 has no `azp`; a token that has one all the same is made for that party and no other. A provider's
        // decoder knows better what its own tokens have.
        (TokenKind::Oauth, Decoder::Standard) if party.is_some() => {
            authorized_party(party, &issuer.authorized_parties)?;
        }
        _ => {}
    }
    Ok(())
}

/// What is left to go by is whom the token was made for: a client that is ours asks for nobody else's tokens.
fn without_audience(
    client: Option<&str>,
    kind: TokenKind,
    allowed: &WithoutAudience,
) -> Result<(), Rejection> {
    if allowed.kinds.contains(kind) {
        return Ok(());
    }
    match client {
        Some(client) if allowed.clients.iter().any(|own| own == client) => Ok(()),
        Some(client) if !allowed.clients.is_empty() => Err(Rejection::new(Reason::ClientMismatch)
            .with_detail(format!(
                "there is no `aud`, and `client_id` is {:?}, allowed: {:?}",
                json::short(client),
                allowed.clients
            ))),
        _ => Err(Reason::AudienceMissing.into()),
    }
}

fn authorized_party(found: Option<&str>, wanted: &AuthorizedParties) -> Result<(), Rejection> {
    match (wanted.rule, found) {
        (AzpRule::Off, _) | (AzpRule::IfPresent, None) => Ok(()),
        (AzpRule::Require, None) => Err(Reason::PartyMissing.into()),
        (_, Some(party)) if wanted.parties.iter().any(|own| own == party) => Ok(()),
        (_, Some(party)) => Err(Rejection::new(Reason::PartyMismatch).with_detail(format!(
            "`azp` is {:?}, authorized: {:?}",
            json::short(party),
            wanted.parties
        ))),
    }
}

fn header_only(kind: TokenKind, place: Place) -> Result<(), Rejection> {
    if place == Place::Cookie && kind != TokenKind::Session {
        return Err(
            Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!(
                "a {kind} is accepted in the Authorization header, not in a cookie"
            )),
        );
    }
    Ok(())
}

/// RFC 8414 §2: an issuer is an `https` URL; `http` only on the loopback interface, for local work.
fn is_issuer_url(name: &str) -> bool {
    name.strip_prefix("https://")
        .is_some_and(|host| !host.is_empty())
        || ["http://localhost", "http://127.0.0.1", "http://[::1]"]
            .iter()
            .any(|local| {
                name.strip_prefix(local)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
            })
}
