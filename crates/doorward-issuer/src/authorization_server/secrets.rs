//! Everything random, keyed or hashed, from one secret of the operator's and one seed for each request.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use doorward_core::Secret;

use super::store::{Key, Kind};
use crate::encoding::{base64url, base64url_decode};

/// A keyed digest (HMAC-SHA256), good as a name and for nothing else.
pub type Digest = [u8; 32];

/// The time, and what is random about one request.
#[derive(Clone)]
pub struct Moment {
    pub(super) now: i64,
    seed: hmac::Key,
}

impl Moment {
    /// The time in seconds since 1970, and 32 bytes from a cryptographic random number generator, fresh for each
    /// request: who gives the same bytes twice gives the same codes twice.
    pub fn new(now: i64, seed: [u8; 32]) -> Self {
        Self {
            now,
            seed: hmac::Key::new(HMAC_SHA256, &seed),
        }
    }

    /// By the system's clock and random numbers, if it has both.
    pub fn of_the_system() -> Option<Self> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(Self::new(i64::try_from(now.as_secs()).ok()?, seed))
    }

    /// 256 bits that are random, one value for each label.
    pub(super) fn random(&self, label: &str) -> Digest {
        mac(&self.seed, &[label.as_bytes()])
    }

    /// The same as text.
    pub(super) fn random_text(&self, label: &str) -> String {
        base64url(self.random(label))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({})", self.now)
    }
}

/// The keys that follow from the operator's secret, one for each purpose.
pub(super) struct Keys {
    lookup: hmac::Key,
    family: hmac::Key,
    refresh: hmac::Key,
    form: hmac::Key,
}

impl Keys {
    /// Two servers may share a secret and a store. They share nothing that is kept there: a code or a family of the one,
    /// for its resource and with its scopes, is nothing to the other.
    pub(super) fn new(secret: &Secret, issuer: &str, resource: &str) -> Self {
        let root = hmac::Key::new(HMAC_SHA256, secret.expose().as_bytes());
        let own = mac(&root, &[issuer.as_bytes(), b"\0", resource.as_bytes()]);
        let root = hmac::Key::new(HMAC_SHA256, &own);
        let derived =
            |purpose: &str| hmac::Key::new(HMAC_SHA256, &mac(&root, &[purpose.as_bytes()]));
        Self {
            lookup: derived("doorward lookup key 1"),
            family: derived("doorward family 1"),
            refresh: derived("doorward refresh token 1"),
            form: derived("doorward form token 1"),
        }
    }

    /// The key under which something is kept.
    pub(super) fn key(&self, kind: Kind, name: &str) -> Key {
        let digest = mac(
            &self.lookup,
            &[kind.tag().as_bytes(), b"\0", name.as_bytes()],
        );
        Key { kind, digest }
    }

    /// The name of a window in which something is counted.
    pub(super) fn window(&self, what: &str, source: &str) -> Digest {
        mac(
            &self.lookup,
            &[b"\xff", what.as_bytes(), b"\0", source.as_bytes()],
        )
    }

    /// The form token that belongs to a transaction and the browser it was shown in.
    pub(super) fn form_token(&self, transaction: &str, browser: &str) -> String {
        base64url(mac(
            &self.form,
            &[transaction.as_bytes(), b"\0", browser.as_bytes()],
        ))
    }

    /// The family that a code opens: who has the code again finds the same.
    pub(super) fn family_of(&self, code: &str) -> FamilyId {
        FamilyId(mac(&self.family, &[code.as_bytes()]))
    }

    /// The name under which a family is kept. It stands in access tokens as `sid`.
    pub(super) fn family_key(&self, family: &FamilyId) -> Digest {
        self.key(Kind::Family, &base64url(family.0)).digest
    }

    /// The refresh token of a generation. It follows from the family and the generation, so who lost the answer is given
    /// the same one again, although nobody has kept it.
    pub(super) fn refresh_token(&self, family: &FamilyId, generation: u32) -> Secret {
        let named = [&family.0[..], &generation.to_be_bytes()].concat();
        let tag = mac(&self.refresh, &[&named]);
        Secret::new(format!(
            "{REFRESH_PREFIX}{}",
            base64url([&named[..], &tag].concat())
        ))
    }

    /// The family and generation of a refresh token that was made here.
    pub(super) fn read_refresh_token(&self, token: &str) -> Option<(FamilyId, u32)> {
        let bytes = base64url_decode(token.strip_prefix(REFRESH_PREFIX)?)?;
        let (named, tag) = bytes.split_at_checked(36)?;
        hmac::verify(&self.refresh, named, tag).ok()?;
        let (family, generation) = named.split_at(32);
        Some((
            FamilyId(family.try_into().ok()?),
            u32::from_be_bytes(generation.try_into().ok()?),
        ))
    }
}

/// What names a family in its refresh tokens. A secret: it is in no access token and no store.
pub(super) struct FamilyId([u8; 32]);

/// The S256 challenge of a PKCE verifier (RFC 7636 §4.2).
pub(super) fn s256(verifier: &str) -> String {
    base64url(digest(&SHA256, verifier.as_bytes()))
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.sign().as_ref());
    digest
}

/// Refresh tokens look like nothing else, so that a scanner for leaked secrets can find them.
pub(super) const REFRESH_PREFIX: &str = "dwr_";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(
            &Secret::from(secret),
            "https://a.example",
            "https://a.example/mcp",
        )
    }

    #[test]
    fn a_refresh_token_is_read_by_who_made_it_only() {
        let own = keys("a");
        let token = own.refresh_token(&own.family_of("code"), 7);
        let (family, generation) = own.read_refresh_token(token.expose()).unwrap();
        assert_eq!((family.0, generation), (own.family_of("code").0, 7));
        assert!(keys("b").read_refresh_token(token.expose()).is_none());
        let mut bytes = base64url_decode(&token.expose()[4..]).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let spoiled = format!("dwr_{}", base64url(&bytes));
            assert!(own.read_refresh_token(&spoiled).is_none(), "{at}");
            bytes[at] ^= 1;
        }
        for text in ["", "dwr_", "dwr_!", "dwr_AAAA", &token.expose()[4..]] {
            assert!(own.read_refresh_token(text).is_none(), "{text}");
        }
    }

    #[test]
    fn one_name_has_another_key_in_each_kind_and_under_each_secret() {
        let own = keys("a");
        let mut seen: Vec<_> = Kind::ALL.map(|kind| own.key(kind, "x").digest).to_vec();
        seen.push(keys("b").key(Kind::Client, "x").digest);
        seen.push(own.window("x", ""));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), Kind::ALL.len() + 2);
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(
            s256(verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
