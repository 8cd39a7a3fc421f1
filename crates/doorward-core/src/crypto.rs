//! The one file that names a crypto crate. Signatures, digests and their exact input shapes
//! (RFC 7518 §3, RFC 8037 §3.1, RFC 8017 §8).

use std::fmt;

use aws_lc_rs::signature::{self as sig, ParsedPublicKey, RsaPublicKeyComponents};
use aws_lc_rs::{constant_time, digest, hmac};

use crate::algorithm::Algorithm;
use crate::spelling::{EcCurve, Material};

/// One public key, parsed once, ready to verify one algorithm. Safe and contention-free to share between threads.
pub(crate) struct VerifyingKey {
    parsed: ParsedPublicKey,
    signature_length: usize,
}

impl VerifyingKey {
    /// Prepares `material` for `algorithm`; the two must belong together.
    pub(crate) fn new(algorithm: Algorithm, material: &Material) -> Result<Self, &'static str> {
        let rejected = |_| "the key is not a valid public key of its type";
        let (parsed, signature_length) = match (algorithm, material) {
            (_, Material::Rsa { n, e }) => {
                let parameters =
                    rsa_parameters(algorithm).ok_or("an RSA key verifies RS* and PS* only")?;
                let parsed = RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(parameters)
                    .map_err(rejected)?;
                (parsed, n.len())
            }
            (_, Material::Ec { curve, x, y }) => {
                let (parameters, own) = ec_parameters(*curve);
                if algorithm != own {
                    return Err("an elliptic curve key verifies the one algorithm of its curve");
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (
                    ParsedPublicKey::new(parameters, point).map_err(rejected)?,
                    2 * x.len(),
                )
            }
            (Algorithm::EdDSA, Material::Ed25519(key)) => (
                ParsedPublicKey::new(&sig::ED25519, key).map_err(rejected)?,
                64,
            ),
            (_, Material::Ed25519(_)) => return Err("an Ed25519 key verifies EdDSA only"),
        };
        Ok(Self {
            parsed,
            signature_length,
        })
    }

    /// Whether `signature` over `message` is this key's. A signature of a wrong width is refused before any arithmetic
    /// (RFC 7518 §3.4: R and S are exactly as wide as the curve's order; RFC 8017 §8.2.2: as wide as the modulus).
    #[inline]
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_length
            && self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}-byte signatures)", self.signature_length)
    }
}

/// One shared secret, ready to verify one MAC algorithm.
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    /// Prepares a secret. RFC 7518 §3.2: it is at least as long as the hash.
    pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, &'static str> {
        let (parameters, least) = match algorithm {
            Algorithm::HS256 => (hmac::HMAC_SHA256, 32),
            Algorithm::HS384 => (hmac::HMAC_SHA384, 48),
            Algorithm::HS512 => (hmac::HMAC_SHA512, 64),
            _ => return Err("a shared secret verifies HS256, HS384 and HS512 only"),
        };
        if secret.len() < least {
            return Err("a shared secret is at least as long as the hash: 32, 48 or 64 bytes");
        }
        Ok(Self(hmac::Key::new(parameters, secret)))
    }

    /// Whether `tag` over `message` is this secret's, in constant time.
    pub(crate) fn verifies(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// One shared secret of a webhook endpoint (RFC 2104), which may be shorter than a JWS would want it.
pub(crate) struct HmacSha256(hmac::Key);

impl HmacSha256 {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The tag over the parts, one after the other.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        fixed(context.sign().as_ref())
    }
}

/// Whether two tags are the same, in constant time.
pub(crate) fn equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-1 of `data`, for labels that a protocol made of it. Never for protection.
pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    fixed(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static sig::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &sig::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &sig::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &sig::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &sig::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ec_parameters(curve: EcCurve) -> (&'static sig::EcdsaVerificationAlgorithm, Algorithm) {
    match curve {
        EcCurve::P256 => (&sig::ECDSA_P256_SHA256_FIXED, Algorithm::ES256),
        EcCurve::P384 => (&sig::ECDSA_P384_SHA384_FIXED, Algorithm::ES384),
        EcCurve::P521 => (&sig::ECDSA_P521_SHA512_FIXED, Algorithm::ES512),
    }
}
