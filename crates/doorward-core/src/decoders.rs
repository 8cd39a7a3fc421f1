//! What is truly algorithmic about a provider's tokens. The one file of the core that may name providers.
//!
//! Clerk: session tokens of version 1 and 2, the category tag in the header, the prefixes of opaque tokens, and the
//! packed permissions of version 2.

use std::sync::OnceLock;

use crate::claim_map::Mapped;
use crate::claims::{self, Claims, ProviderClaims};
use crate::introspection::{self, Answer, Judged, senseless};
use crate::issuer::Issuer;
use crate::json::{self, Field};
use crate::kind::TokenKind;
use crate::rejection::{Reason, Rejection};
use crate::timestamp::Timestamp;

/// How to read an issuer's tokens beyond the registered claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Decoder {
    /// RFC 7519 and RFC 9068, nothing else.
    #[default]
    Standard,
    /// Clerk's session, machine, OAuth and template tokens.
    Clerk,
}

impl Decoder {
    /// Tells a JWT's kind from its header and its unverified subject. `None` is a kind nobody knows.
    ///
    /// RFC 8725 §3.11: the type is explicit. A missing `typ` and `JWT` are an ordinary token, `at+jwt` is an access
    /// token; a logout, DPoP or security event token is none of ours.
    pub(crate) fn kind(
        self,
        typ: Option<&str>,
        cat: Option<&str>,
        subject: Option<&str>,
    ) -> Option<TokenKind> {
        // RFC 7515 §4.1.9: `application/` may be left out, and media types ignore case.
        let is = |typ: &str, name: &str| {
            let media = typ
                .get(..APPLICATION.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(APPLICATION));
            let bare = if media {
                &typ[APPLICATION.len()..]
            } else {
                typ
            };
            bare.eq_ignore_ascii_case(name)
        };
        let by_type = match typ {
            None => TokenKind::Session,
            Some(typ) if is(typ, "jwt") => TokenKind::Session,
            Some(typ) if is(typ, "at+jwt") => TokenKind::Oauth,
            Some(_) => return None,
        };
        match self {
            Self::Standard => Some(by_type),
            Self::Clerk => {
                let machine = subject.is_some_and(|subject| subject.starts_with("mch_"));
                let claimed = if machine { TokenKind::M2m } else { by_type };
                match cat {
                    None => Some(claimed),
                    Some(tag) => {
                        let tagged = CATEGORIES.iter().find(|(known, _)| *known == tag)?.1;
                        match (tagged, claimed) {
                            (None, claimed) => Some(claimed),
                            (Some(TokenKind::Template), _) => Some(TokenKind::Template),
                            (Some(tagged), claimed) if tagged == claimed => Some(tagged),
                            // The tag and the claims contradict each other.
                            (Some(_), _) => None,
                        }
                    }
                }
            }
        }
    }

    /// Tells an opaque token's kind from its prefix.
    pub(crate) fn opaque_kind(self, token: &str) -> Option<TokenKind> {
        match self {
            Self::Standard => None,
            Self::Clerk => OPAQUE
                .iter()
                .find(|(prefix, _)| token.starts_with(prefix))
                .map(|(_, kind)| *kind),
        }
    }

    /// Who an issuer says an opaque token's bearer is.
    pub(crate) fn judge(
        self,
        kind: TokenKind,
        answer: &Answer,
        issuer: &Issuer,
    ) -> Result<Judged, Rejection> {
        match self {
            Self::Standard => introspection::judge(answer, issuer),
            Self::Clerk => clerk_answer(kind, answer, issuer),
        }
    }

    /// Whether a top-level `permissions` list is the provider's word. Clerk's permissions are those of the organization;
    /// a claim of that name is a custom one, and may repeat what users say of themselves.
    pub(crate) fn has_permissions_claim(self) -> bool {
        match self {
            Self::Standard => true,
            Self::Clerk => false,
        }
    }

    /// Reads what the provider says about organization, plans and factors. Only a session has them: what a machine or an
    /// application writes into its token under these names is its own word.
    pub(crate) fn decode(self, kind: TokenKind, claims: &ProviderClaims<'_>) -> Membership {
        match (self, kind, &claims.v) {
            (Self::Clerk, TokenKind::Session, Field::Absent) => version_1(claims),
            (Self::Clerk, TokenKind::Session, version) if *version == Field::Number(1.0) => {
                version_1(claims)
            }
            (Self::Clerk, TokenKind::Session, version) if *version == Field::Number(2.0) => {
                version_2(claims)
            }
            (Self::Clerk, TokenKind::Session, _) => Membership {
                flags: vec![UNKNOWN_VERSION],
                ..Membership::default()
            },
            _ => Membership::default(),
        }
    }
}

const APPLICATION: &str = "application/";

/// Clerk's category tags in the protected header; the last one says that the instance has opted out.
const CATEGORIES: [(&str, Option<TokenKind>); 4] = [
    ("cl_B7d4PD111AAA", Some(TokenKind::Session)),
    ("cl_B7d4PD222AAA", Some(TokenKind::Template)),
    ("cl_B7d4PD333AAA", Some(TokenKind::M2m)),
    ("cl_I7d4PD111III", None),
];

/// Clerk's opaque tokens; `m2m_` is the older spelling of `mt_`.
const OPAQUE: [(&str, TokenKind); 4] = [
    ("oat_", TokenKind::Oauth),
    ("ak_", TokenKind::ApiKey),
    ("mt_", TokenKind::M2m),
    ("m2m_", TokenKind::M2m),
];

/// What Clerk's Backend API answers about a token of each kind: the object's name, and how its subject may begin.
const ANSWERS: [(TokenKind, &str, &[&str]); 3] = [
    (TokenKind::Oauth, "clerk_idp_oauth_access_token", &["user_"]),
    (
        TokenKind::ApiKey,
        "api_key",
        &["user_", "org_", "mch_", "scim_"],
    ),
    (TokenKind::M2m, "machine_to_machine_token", &["mch_"]),
];

/// Clerk's endpoints answer 200 also about tokens that are worth nothing, so everything is judged here.
fn clerk_answer(kind: TokenKind, answer: &Answer, issuer: &Issuer) -> Result<Judged, Rejection> {
    if answer.flag("active")? == Some(false) {
        return Err(Reason::TokenInvalid.into());
    }
    let Some((_, object, prefixes)) = ANSWERS.iter().find(|(own, ..)| *own == kind) else {
        return Err(introspection::refuse_unasked(kind));
    };
    match answer.text("object")?.as_deref() {
        Some(found) if found == *object => {}
        found => {
            let found = found.map(json::short);
            return Err(senseless(format!(
                "`object` is {found:?}, expected {object:?}"
            )));
        }
    }
    match (answer.flag("revoked")?, answer.flag("expired")?) {
        (Some(true), _) => {
            let why = answer.text("revocation_reason")?.unwrap_or_default();
            return Err(
                Rejection::new(Reason::TokenRevoked).with_detail(json::short(&why).to_owned())
            );
        }
        (Some(false), Some(true)) => return Err(Reason::TokenExpired.into()),
        (Some(false), Some(false)) => {}
        _ => return Err(senseless("`revoked` or `expired` is missing")),
    }
    let subject = answer.text("subject")?.unwrap_or_default();
    let fits = |prefix: &&&str| subject.len() > prefix.len() && subject.starts_with(**prefix);
    if !prefixes.iter().any(|prefix| fits(&prefix)) {
        return Err(senseless(format!(
            "`subject` is {:?}",
            json::short(&subject)
        )));
    }
    let millis = |name: &str| match answer.get(name) {
        None => Ok(None),
        Some(value) => {
            let millis = value.as_i64().map(Timestamp::from_millis);
            let millis = millis.filter(|time| *time <= Timestamp::LAST);
            let wrong = || senseless(format!("`{name}` is no number of milliseconds since 1970"));
            millis.map(Some).ok_or_else(wrong)
        }
    };
    let expires_at = millis("expiration")?.unwrap_or(Timestamp::LAST);
    let mut claims = Claims::of(issuer.label(), subject, expires_at);
    claims.issued_at = millis("created_at")?;
    claims.token_id = answer.text("id")?;
    claims.client_id = answer.text("client_id")?;
    claims.audience = answer.texts("aud", false)?;
    claims.scopes = answer.texts("scopes", true)?;
    claims.actor = answer.actor()?;
    let belongs = |prefix: &str| {
        claims
            .subject
            .starts_with(prefix)
            .then(|| claims.subject.clone())
    };
    let mapped = Mapped {
        user_id: Some(belongs("user_")),
        organization_id: belongs("org_"),
        ..Mapped::default()
    };
    Ok(Judged { claims, mapped })
}

/// What a token says about the caller's place in an organization, and what they have paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) organization_id: Option<String>,
    pub(crate) organization_slug: Option<String>,
    pub(crate) raw_role: Option<String>,
    /// The lists, as the token packs them.
    packed: Packed,
    /// The lists, unpacked when somebody first asks.
    lists: OnceLock<Lists>,
    /// Minutes since the first and the second factor were verified, -1 for a factor that is not enrolled.
    pub(crate) factor_age: Option<[i64; 2]>,
    flags: Vec<&'static str>,
}

/// A token's lists before anybody has asked for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Packed {
    features: String,
    plans: String,
    /// Version 2: the names and the masks. Version 1: the list itself.
    permissions: Option<PackedPermissions>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PackedPermissions {
    Masks { names: String, masks: String },
    List(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lists {
    permissions: Vec<String>,
    features: Vec<String>,
    plans: Vec<String>,
    flags: Vec<&'static str>,
}

impl Membership {
    /// About how many bytes the lists may take once somebody asks for them: a mask of two bytes can grant a hundred.
    pub(crate) fn unpacked_weight(&self) -> usize {
        const TYPICAL_NAME: usize = 48;
        let entries = |list: &str| {
            let commas = list.bytes().filter(|byte| *byte == b',').count();
            if list.is_empty() { 0 } else { commas + 1 }
        };
        let (features, plans) = (entries(&self.packed.features), entries(&self.packed.plans));
        let permissions = match &self.packed.permissions {
            None => 0,
            Some(PackedPermissions::Masks { names, .. }) => features * entries(names),
            Some(PackedPermissions::List(list)) => list.len(),
        };
        (features + plans + permissions) * TYPICAL_NAME
    }

    pub(crate) fn permissions(&self) -> &[String] {
        &self.lists().permissions
    }

    pub(crate) fn features(&self) -> &[String] {
        &self.lists().features
    }

    pub(crate) fn plans(&self) -> &[String] {
        &self.lists().plans
    }

    pub(crate) fn flags(&self) -> &[&'static str] {
        &self.lists().flags
    }

    /// Most requests never ask, so verifying does not pay for it.
    fn lists(&self) -> &Lists {
        self.lists.get_or_init(|| {
            let owned = |list: &str| claims::split(list).into_iter().map(str::to_owned).collect();
            let mut flags = self.flags.clone();
            let permissions = match &self.packed.permissions {
                None => Vec::new(),
                Some(PackedPermissions::List(list)) => list.clone(),
                Some(PackedPermissions::Masks { names, masks }) => {
                    let features = claims::split(&self.packed.features);
                    let unpacked = unpack(&features, &claims::split(names), &claims::split(masks));
                    unpacked.unwrap_or_else(|| {
                        flags.push(MISALIGNED);
                        Vec::new()
                    })
                }
            };
            let (features, plans) = (owned(&self.packed.features), owned(&self.packed.plans));
            Lists {
                permissions,
                features,
                plans,
                flags,
            }
        })
    }
}

/// The packed permissions did not line up with the features, so none were granted.
const MISALIGNED: &str = "permissions_misaligned";
/// A claim of the organization had an impossible type or value, and was left out.
const MALFORMED: &str = "organization_malformed";
/// The session token's version is one nobody knows yet, so nothing of it is believed.
const UNKNOWN_VERSION: &str = "session_version_unknown";
/// A claim of a version 2 token pretended to be an organization claim of version 1, and was left out.
const SMUGGLED: &str = "organization_claims_ignored";

fn version_1(claims: &ProviderClaims<'_>) -> Membership {
    let mut membership = Membership {
        factor_age: factor_age(&claims.fva),
        ..Membership::default()
    };
    membership.organization_id = text(&claims.org_id, &mut membership.flags);
    membership.organization_slug = text(&claims.org_slug, &mut membership.flags);
    membership.raw_role = text(&claims.org_role, &mut membership.flags);
    match &claims.org_permissions {
        Field::List(list) => {
            let list = list
                .iter()
                .map(|permission| permission.clone().into_owned())
                .collect();
            membership.packed.permissions = Some(PackedPermissions::List(list));
        }
        Field::Absent => {}
        _ => membership.flags.push(MALFORMED),
    }
    if membership.organization_id.is_none() {
        // A role or permission without its organization means nothing.
        membership.raw_role = None;
        membership.packed.permissions = None;
    }
    membership
}

fn version_2(claims: &ProviderClaims<'_>) -> Membership {
    let owned = |field: &Field<'_>| field.text().unwrap_or_default().to_owned();
    let mut membership = Membership {
        packed: Packed {
            features: owned(&claims.fea),
            plans: owned(&claims.pla),
            permissions: None,
        },
        factor_age: factor_age(&claims.fva),
        ..Membership::default()
    };
    let smuggled = [
        &claims.org_id,
        &claims.org_slug,
        &claims.org_role,
        &claims.org_permissions,
    ];
    if smuggled.iter().any(|field| !field.is_absent()) {
        membership.flags.push(SMUGGLED);
    }
    let Some(organization) = &claims.o else {
        return membership;
    };
    if !organization.is_object() {
        membership.flags.push(MALFORMED);
        return membership;
    }
    membership.organization_id = text(organization.member("id"), &mut membership.flags);
    membership.organization_slug = text(organization.member("slg"), &mut membership.flags);
    membership.raw_role = text(organization.member("rol"), &mut membership.flags);
    if membership.organization_id.is_none() {
        // As in version 1: a role or permission without its organization means nothing.
        membership.raw_role = None;
        return membership;
    }
    let (names, masks) = (organization.member("per"), organization.member("fpm"));
    if names.is_absent() && masks.is_absent() {
        return membership;
    }
    let (names, masks) = (owned(names), owned(masks));
    membership.packed.permissions = Some(PackedPermissions::Masks { names, masks });
    membership
}

/// Unpacks `o.per` and `o.fpm` along `fea`: bit j of mask i grants permission j on feature i.
///
/// Clerk's own SDKs disagree on what mask i belongs to. One rule serves both readings: as many masks as features line
/// up with them all; as many masks as features of organization scope line up with those; anything else is a fault of
/// the token, and grants nothing.
fn unpack(features: &[&str], names: &[&str], masks: &[&str]) -> Option<Vec<String>> {
    if names.is_empty() || masks.is_empty() {
        return if names.is_empty() == masks.is_empty() {
            Some(Vec::new())
        } else {
            None
        };
    }
    let organization: Vec<&str> = features
        .iter()
        .copied()
        .filter(|f| organization_feature(f).is_some())
        .collect();
    let aligned = match masks.len() {
        n if n == features.len() => features,
        n if n == organization.len() => organization.as_slice(),
        _ => return None,
    };
    let mut permissions = Vec::new();
    for (feature, mask) in aligned.iter().zip(masks) {
        let (Some(feature), Some(bits)) =
            (organization_feature(feature), mask_bits(mask, names.len()))
        else {
            continue;
        };
        for (name, granted) in names.iter().zip(bits) {
            if granted && !name.is_empty() {
                permissions.push(format!("org:{feature}:{name}"));
            }
        }
    }
    Some(permissions)
}

/// The name of a feature whose scope includes the organization: `o:name`, `ou:name` or `uo:name`, no further colon.
fn organization_feature(entry: &str) -> Option<&str> {
    let (scope, name) = entry.split_once(':')?;
    (matches!(scope, "o" | "ou" | "uo") && !name.is_empty() && !name.contains(':')).then_some(name)
}

/// The lowest `count` bits of an unsigned decimal of any size, least significant first. `None` unless all digits.
fn mask_bits(mask: &str, count: usize) -> Option<Vec<bool>> {
    const MAX_DIGITS: usize = 1024;
    if mask.is_empty() || mask.len() > MAX_DIGITS || !mask.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    if let Ok(number) = mask.parse::<u128>() {
        return Some(
            (0..count)
                .map(|bit| bit < 128 && number >> bit & 1 == 1)
                .collect(),
        );
    }
    let mut digits: Vec<u8> = mask.bytes().map(|byte| byte - b'0').collect();
    Some((0..count).map(|_| halve(&mut digits)).collect())
}

/// Divides a decimal by two in place and returns the remainder.
fn halve(digits: &mut [u8]) -> bool {
    let mut carry = 0;
    for digit in digits {
        let value = carry * 10 + *digit;
        (*digit, carry) = (value / 2, value % 2);
    }
    carry == 1
}

fn factor_age(field: &Field<'_>) -> Option<[i64; 2]> {
    let Field::Numbers(numbers) = field else {
        return None;
    };
    let [first, second] = numbers.as_slice() else {
        return None;
    };
    let minutes =
        |age: f64| (age == -1.0 || (0.0..=1e15).contains(&age)).then_some(age.ceil() as i64);
    Some([minutes(*first)?, minutes(*second)?])
}

fn text(field: &Field<'_>, flags: &mut Vec<&'static str>) -> Option<String> {
    match field {
        Field::Text(text) if !text.is_empty() => Some(text.clone().into_owned()),
        Field::Absent | Field::Other("null") => None,
        _ => {
            flags.push(MALFORMED);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_unpack_as_worked_out() {
        let long: Vec<String> = (0..72).map(|n| format!("p{n}")).collect();
        let long = long.join(",");
        let power_70 = (1u128 << 70).to_string();
        let wide = format!("1{}", "0".repeat(200));
        let list = |text: &str| -> Vec<String> {
            text.split_whitespace()
                .map(|p| format!("org:{p}"))
                .collect()
        };
        for (fea, per, fpm, expected) in [
            (
                "o:dashboard,o:teams",
                "manage,read",
                "3,2",
                "dashboard:manage dashboard:read teams:read",
            ),
            (
                "u:beta,o:dashboard,o:teams",
                "manage,read",
                "0,3,2",
                "dashboard:manage dashboard:read teams:read",
            ),
            (
                "o:dashboard,u:beta,o:teams",
                "manage,read",
                "3,2",
                "dashboard:manage dashboard:read teams:read",
            ),
            (
                "ou:memberships,u:impersonation",
                "read,manage",
                "3,0",
                "memberships:read memberships:manage",
            ),
            ("o:a,o:b", "read,write", "0,1", "b:read"),
            ("o:a", "read", "7", "a:read"),
            ("o:a", "read,write", "-3", ""),
            ("o:a", "read,write", "+1", ""),
            ("o:a", "read,write", "1_0", ""),
            ("o:a", "read,write", "\u{ff13}", ""),
            ("o:a, o:b", "read, write", " 3, 1", "a:read a:write b:read"),
            ("dashboard,o:b", "read", "1,1", "b:read"),
            ("o:a:b,o:c", "read", "1,1", "c:read"),
            ("org:dashboard", "read", "1", ""),
            ("o:a,o:b", "read", "x,1", "b:read"),
            ("o:a", long.as_str(), power_70.as_str(), "a:p70"),
            ("o:a", "p0", wide.as_str(), ""),
        ] {
            let [fea, per, fpm] = [fea, per, fpm].map(claims::split);
            assert_eq!(unpack(&fea, &per, &fpm), Some(list(expected)));
        }
    }

    #[test]
    fn masks_that_line_up_with_nothing_grant_nothing() {
        assert_eq!(unpack(&["o:a", "u:b", "o:c"], &["read"], &["1"]), None);
        assert_eq!(unpack(&["o:a"], &["read"], &["1", "1"]), None);
        assert_eq!(unpack(&["o:a"], &[], &["1"]), None);
        assert_eq!(unpack(&["o:a"], &["read"], &[]), None);
        assert_eq!(unpack(&[], &[], &[]), Some(Vec::new()));
    }

    #[test]
    fn wide_masks_are_exact() {
        // 2^130 + 2^128 + 1, beyond what a u128 holds.
        let bits = mask_bits("1701411834604692317316873037158841057281", 131).unwrap();
        let set: Vec<usize> = bits
            .iter()
            .enumerate()
            .filter(|(_, bit)| **bit)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(set, [0, 128, 130]);
        assert_eq!(mask_bits(&"9".repeat(1025), 1), None);
    }

    #[test]
    fn kinds_are_told_apart() {
        let clerk = |typ, cat, sub| Decoder::Clerk.kind(typ, cat, Some(sub));
        let (session, template, machine, out) = (
            CATEGORIES[0].0,
            CATEGORIES[1].0,
            CATEGORIES[2].0,
            CATEGORIES[3].0,
        );
        for (typ, cat, sub, expected) in [
            (Some("JWT"), None, "user_1", Some(TokenKind::Session)),
            (None, Some(session), "user_1", Some(TokenKind::Session)),
            (Some("jwt"), Some(out), "user_1", Some(TokenKind::Session)),
            (
                Some("JWT"),
                Some(template),
                "user_1",
                Some(TokenKind::Template),
            ),
            (Some("at+jwt"), None, "user_1", Some(TokenKind::Oauth)),
            (
                Some("application/at+jwt"),
                None,
                "user_1",
                Some(TokenKind::Oauth),
            ),
            (Some("AT+JWT"), None, "user_1", Some(TokenKind::Oauth)),
            (Some("JWT"), Some(machine), "mch_1", Some(TokenKind::M2m)),
            (Some("JWT"), None, "mch_1", Some(TokenKind::M2m)),
            (Some("JWT"), Some(session), "mch_1", None),
            (Some("at+jwt"), Some(session), "user_1", None),
            (Some("JWT"), Some(machine), "user_1", None),
            (Some("JWT"), Some("cl_other"), "user_1", None),
            (Some("logout+jwt"), None, "user_1", None),
            (Some("dpop+jwt"), None, "user_1", None),
        ] {
            assert_eq!(clerk(typ, cat, sub), expected, "{typ:?} {cat:?} {sub}");
        }
        assert_eq!(
            Decoder::Standard.kind(Some("JWT"), Some("anything"), Some("mch_1")),
            Some(TokenKind::Session)
        );
    }

    #[test]
    fn factor_ages_are_two_numbers_or_nothing() {
        assert_eq!(factor_age(&Field::Numbers(vec![3.0, -1.0])), Some([3, -1]));
        for bad in [
            vec![],
            vec![1.0],
            vec![1.0, -2.0],
            vec![1.0, 2.0, 3.0],
            vec![f64::MAX, 0.0],
        ] {
            assert_eq!(factor_age(&Field::Numbers(bad)), None);
        }
    }
}
