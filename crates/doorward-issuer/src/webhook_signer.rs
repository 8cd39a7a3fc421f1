//! Signs webhooks as a provider does (Standard Webhooks 1.0.0, and Svix), also with a private key.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{hmac, rand};

use crate::encoding::{base64, base64_decode};

/// The signing half of a webhook endpoint: its secrets, of which each signs. While one is rotated there are two.
///
/// `Debug` shows how many there are.
pub struct WebhookSigner {
    keys: Vec<Key>,
}

enum Key {
    /// `v1`
    Shared(Box<hmac::Key>),
    /// `v1a`
    Private(Box<Ed25519KeyPair>),
}

impl WebhookSigner {
    /// A signer with these secrets: `whsec_` and base64 of a shared secret, or `whsk_` and base64 of an Ed25519 private
    /// key (its seed and its public half, 64 bytes).
    ///
    /// # Errors
    /// What is no secret, by its position. Never the secret.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let read = |(place, secret): (usize, S)| {
            Key::read(secret.as_ref().trim())
                .map_err(|why| format!("signing secret {}: {why}", place + 1))
        };
        let keys: Vec<Key> = secrets
            .into_iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err("there is no signing secret".to_owned());
        }
        Ok(Self { keys })
    }

    /// The value of the signature header, `v1,…` or `v1a,…` for each secret.
    ///
    /// What is signed is `id.seconds.body`; `seconds` are those since 1970. Nothing is checked: a test may want an id with
    /// a dot.
    pub fn signature(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut content = format!("{id}.{seconds}.").into_bytes();
        content.extend_from_slice(body);
        let sign = |key: &Key| match key {
            Key::Shared(key) => format!("v1,{}", base64(hmac::sign(key, &content).as_ref())),
            Key::Private(key) => format!("v1a,{}", base64(key.sign(&content).as_ref())),
        };
        let entries: Vec<String> = self.keys.iter().map(sign).collect();
        entries.join(" ")
    }

    /// The header fields of a message: both families, `svix-*` and `webhook-*`, as Clerk sends them.
    pub fn headers(&self, id: &str, seconds: i64, body: &[u8]) -> Vec<(&'static str, String)> {
        let values = [
            id.to_owned(),
            seconds.to_string(),
            self.signature(id, seconds, body),
        ];
        let families = [
            ["svix-id", "svix-timestamp", "svix-signature"],
            ["webhook-id", "webhook-timestamp", "webhook-signature"],
        ];
        let pairs = families
            .into_iter()
            .flat_map(|names| names.into_iter().zip(values.iter().cloned()));
        pairs.collect()
    }
}

impl fmt::Debug for WebhookSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSigner({} secrets)", self.keys.len())
    }
}

/// A new shared secret, `whsec_…` of 32 random bytes.
///
/// # Errors
/// The machine has no randomness.
pub fn new_webhook_secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    Ok(format!("whsec_{}", base64(&bytes)))
}

/// A new Ed25519 pair: `whsk_…` to sign with, and `whpk_…` to verify with.
///
/// # Errors
/// The machine has no randomness.
pub fn new_webhook_key_pair() -> Result<(String, String), String> {
    let mut seed = [0; 32];
    rand::fill(&mut seed).map_err(|_| "no randomness".to_owned())?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
        .map_err(|_| "the seed makes no key".to_owned())?;
    let public = pair.public_key().as_ref();
    let private = [&seed, public].concat();
    Ok((
        format!("whsk_{}", base64(&private)),
        format!("whpk_{}", base64(public)),
    ))
}

impl Key {
    fn read(secret: &str) -> Result<Self, &'static str> {
        if let Some(encoded) = secret.strip_prefix("whsk_") {
            let bytes = base64_decode(encoded).ok_or("the private key is not base64")?;
            let (seed, public) = bytes
                .split_at_checked(32)
                .filter(|(_, public)| public.len() == 32)
                .ok_or("a private key (`whsk_…`) has 64 bytes, its seed and its public half")?;
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public)
                .map_err(|_| "the two halves of the private key do not belong together")?;
            return Ok(Self::Private(Box::new(pair)));
        }
        if secret.starts_with("whpk_") {
            return Err("a public key (`whpk_…`) verifies and cannot sign");
        }
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        match base64_decode(encoded) {
            Some(bytes) if !bytes.is_empty() => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
                Ok(Self::Shared(Box::new(key)))
            }
            _ => Err("expected `whsec_` or `whsk_` and base64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

    #[test]
    fn signs_as_others_have_printed() {
        let signer = WebhookSigner::new([
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
        ])
        .unwrap();
        assert_eq!(
            signer.signature(ID, 1_614_265_330, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= \
             v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
        let headers = signer.headers(ID, 1_614_265_330, BODY);
        assert_eq!(headers.len(), 6);
        assert_eq!(headers[4], ("webhook-timestamp", "1614265330".to_owned()));
        assert_eq!(format!("{signer:?}"), "WebhookSigner(2 secrets)");
    }

    #[test]
    fn makes_secrets_that_sign() {
        let (private, public) = new_webhook_key_pair().unwrap();
        let shared = new_webhook_secret().unwrap();
        assert!(public.starts_with("whpk_") && public.len() == 49);
        assert_eq!(shared.len(), "whsec_".len() + 44);
        let signer = WebhookSigner::new([&private, &shared]).unwrap();
        let list = signer.signature("m", 1, b"");
        assert!(list.starts_with("v1a,") && list.contains(" v1,"));
        assert_ne!(shared, new_webhook_secret().unwrap());
    }

    #[test]
    fn says_what_cannot_sign() {
        for (secret, said) in [
            ("", "expected"),
            ("whsec_", "expected"),
            ("whsec_***", "expected"),
            (
                "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
                "cannot sign",
            ),
            (
                "whsk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
                "64 bytes",
            ),
            (
                "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfWKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
                "belong together",
            ),
        ] {
            let error = WebhookSigner::new([secret]).unwrap_err();
            assert!(error.contains(said), "{secret}: {error}");
            assert!(
                !error.contains("KIDij2HK") && !error.contains("1SiA4o9"),
                "{error}"
            );
        }
        let none: [&str; 0] = [];
        assert!(WebhookSigner::new(none).is_err());
    }
}
