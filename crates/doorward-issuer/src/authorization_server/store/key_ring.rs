//! The keys that records are sealed with: AES-256-GCM (NIST SP 800-38D) under keys derived by HKDF (RFC 5869).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use doorward_core::Secret;

use super::super::settings::ConfigError;
use super::Key;

/// What seals records and opens them: one current key, and old ones that only open. Cheap to clone.
///
/// Every record has a key of its own, derived from the ring's key, its kind and its name. So no key ever seals so much
/// that random nonces could meet, and a record that was moved to another name does not open there.
#[derive(Clone)]
pub struct KeyRing(Arc<[RingKey]>);

struct RingKey {
    id: KeyId,
    root: Prk,
}

type KeyId = [u8; 8];

/// A record that was opened.
pub(super) struct Opened {
    pub(super) value: Vec<u8>,
    /// Whether the current key had sealed it.
    pub(super) by_current: bool,
}

impl KeyRing {
    /// A ring of `current` and `old` keys, each of 32 random bytes at least, as text. Nothing but records is sealed with
    /// what follows from them; a secret that serves elsewhere is still better left there.
    ///
    /// # Errors
    /// A key is too short or has white space at an end, or there are too many.
    pub fn new(current: &Secret, old: &[Secret]) -> Result<Self, ConfigError> {
        if old.len() >= MAX_KEYS {
            return Err(ConfigError::new(format!(
                "`old_store_keys` has {} keys; {} are the most",
                old.len(),
                MAX_KEYS - 1
            )));
        }
        let named = std::iter::once(("store_key", current));
        let named = named.chain(old.iter().map(|key| ("old_store_keys", key)));
        let keys: Result<Vec<_>, _> = named.map(|(name, key)| RingKey::new(name, key)).collect();
        Ok(Self(keys?.into()))
    }

    /// Seals with the current key. `None` if the machine has no random numbers.
    pub(super) fn seal(&self, key: Key, value: &[u8]) -> Option<Vec<u8>> {
        let current = self.0.first()?;
        let mut text = value.to_vec();
        let head = current.head();
        let nonce = current
            .of(key)?
            .seal_in_place_append_tag(Aad::from(context(&head, key)), &mut text)
            .ok()?;
        Some([&head[..], nonce.as_ref(), &text].concat())
    }

    /// Opens what one of the keys has sealed under this name.
    pub(super) fn open(&self, key: Key, sealed: &[u8]) -> Option<Opened> {
        let (head, rest) = sealed.split_at_checked(HEAD)?;
        let (nonce, text) = rest.split_at_checked(NONCE)?;
        let place = self.0.iter().position(|known| known.head() == head)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let aad = Aad::from(context(head, key));
        let value = self.0.get(place)?.of(key)?;
        let value = value.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(value);
        Some(Opened {
            value: text,
            by_current: place == 0,
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

impl RingKey {
    fn new(name: &str, secret: &Secret) -> Result<Self, ConfigError> {
        let secret = secret.expose();
        // A line break that came along from a file would make it another key than the same without.
        if secret.trim() != secret {
            return Err(ConfigError::new(format!(
                "`{name}` has a key that begins or ends with white space; leave it out"
            )));
        }
        let secret = secret.as_bytes();
        if secret.len() < MIN_KEY {
            return Err(ConfigError::new(format!(
                "`{name}` has a key of {} bytes; {MIN_KEY} random ones at least are needed",
                secret.len()
            )));
        }
        let root = Salt::new(HKDF_SHA256, SALT).extract(secret);
        let mut id = [0; 32];
        derive(&root, &[b"key id"], &mut id)
            .ok_or_else(|| ConfigError::new(format!("`{name}` cannot be derived from")))?;
        let [a, b, c, d, e, f, g, h, ..] = id;
        Ok(Self {
            id: [a, b, c, d, e, f, g, h],
            root,
        })
    }

    fn of(&self, key: Key) -> Option<RandomizedNonceKey> {
        let mut bytes = [0; 32];
        let parts = [b"record ", key.kind.tag().as_bytes(), b"\0", &key.digest];
        derive(&self.root, &parts, &mut bytes)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()
    }

    /// The first bytes of what it seals.
    fn head(&self) -> [u8; HEAD] {
        let mut head = [VERSION; HEAD];
        head[1..].copy_from_slice(&self.id);
        head
    }
}

fn derive(root: &Prk, info: &[&[u8]], out: &mut [u8; 32]) -> Option<()> {
    root.expand(info, HKDF_SHA256).ok()?.fill(out).ok()
}

/// What is authenticated with a record: how it is sealed and with which key, what it is and whose.
fn context(head: &[u8], key: Key) -> Vec<u8> {
    [head, key.kind.tag().as_bytes(), b"\0", &key.digest].concat()
}

const SALT: &[u8] = b"doorward authorization server store 1";
/// Of the format: version, key id, nonce, ciphertext, tag.
const VERSION: u8 = 1;
const HEAD: usize = 1 + size_of::<KeyId>();
const NONCE: usize = 12;
const MIN_KEY: usize = 32;
const MAX_KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn ring(current: &str, old: &[&str]) -> KeyRing {
        let long = |name: &str| Secret::new(name.repeat(32));
        let old: Vec<_> = old.iter().map(|name| long(name)).collect();
        KeyRing::new(&long(current), &old).unwrap()
    }

    fn key(kind: Kind, name: u8) -> Key {
        Key {
            kind,
            digest: [name; 32],
        }
    }

    #[test]
    fn what_was_sealed_opens_under_its_own_name_only() {
        let (ring, at) = (ring("a", &[]), key(Kind::Client, 1));
        let sealed = ring.seal(at, b"value").unwrap();
        let opened = ring.open(at, &sealed).unwrap();
        assert!(opened.value == b"value" && opened.by_current);
        assert!(ring.open(key(Kind::Client, 2), &sealed).is_none());
        assert!(ring.open(key(Kind::Login, 1), &sealed).is_none());
        assert_ne!(ring.seal(at, b"value").unwrap(), sealed, "a nonce is fresh");
        assert_eq!(
            ring.open(at, &ring.seal(at, b"").unwrap()).unwrap().value,
            b""
        );
    }

    #[test]
    fn what_was_tampered_with_or_cut_does_not_open() {
        let (ring, at) = (ring("a", &[]), key(Kind::Code, 1));
        let mut sealed = ring.seal(at, b"value").unwrap();
        for place in 0..sealed.len() {
            sealed[place] ^= 1;
            assert!(ring.open(at, &sealed).is_none(), "{place}");
            sealed[place] ^= 1;
            assert!(ring.open(at, &sealed[..place]).is_none(), "{place}");
        }
        assert!(ring.open(at, b"{\"a\": 1}").is_none());
        assert!(ring.open(at, &sealed).is_some());
    }

    #[test]
    fn an_old_key_opens_and_does_not_seal() {
        let at = key(Kind::Family, 1);
        let sealed = ring("a", &[]).seal(at, b"value").unwrap();
        let turned = ring("b", &["a"]);
        assert!(!turned.open(at, &sealed).unwrap().by_current);
        let fresh = turned.seal(at, b"value").unwrap();
        assert!(turned.open(at, &fresh).unwrap().by_current);
        assert!(ring("a", &[]).open(at, &fresh).is_none());
        assert!(ring("b", &[]).open(at, &sealed).is_none());
    }

    #[test]
    fn a_ring_wants_long_keys_and_shows_none() {
        let good = Secret::new("hunter2-".repeat(4));
        let short = KeyRing::new(&Secret::from("hunter2"), &[]).unwrap_err();
        assert!(
            short
                .to_string()
                .starts_with("`store_key` has a key of 7 bytes")
        );
        let short = KeyRing::new(&good, &[Secret::from("hunter2")]).unwrap_err();
        assert!(short.to_string().starts_with("`old_store_keys`"));
        let broken = Secret::new(format!("{}\n", good.expose()));
        let broken = KeyRing::new(&broken, &[]).unwrap_err().to_string();
        assert!(broken.contains("white space"), "{broken}");
        assert!(KeyRing::new(&good, &vec![good.clone(); 16]).is_err());
        let ring = KeyRing::new(&good, std::slice::from_ref(&good)).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing(2 keys)");
    }
}
