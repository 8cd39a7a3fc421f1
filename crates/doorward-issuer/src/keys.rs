//! Signing keys, generated or loaded (RFC 5208, RFC 7517).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
    VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoding::{base64, base64_decode, base64url};

/// A private key, with the one algorithm it signs with.
///
/// As the local issuer's it is a test key, made or read without ceremony, and its private half can be read back. The
/// [authorization server](crate::authorization_server) signs with a key that its operator keeps as such.
/// Its `kid` follows from its public key (RFC 7638), so a key loaded twice has one name.
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    pair: Pair,
    private_der: Vec<u8>,
    public_der: Vec<u8>,
}

impl SigningKey {
    /// Makes a new key. RSA keys have 2048 bits and take a tenth of a second or more.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let pair = match algorithm.family() {
            Family::Rsa(_) => Pair::Rsa(
                lc::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)
                    .map_err(|_| KeyError::Generate)?,
            ),
            Family::Ecdsa(curve) => {
                Pair::Ecdsa(EcdsaKeyPair::generate(curve.signing).map_err(|_| KeyError::Generate)?)
            }
            Family::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?)
            }
        };
        Self::from_pair(algorithm, pair)
    }

    /// Reads a private key from PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`), to sign with `algorithm`.
    pub fn from_pkcs8_pem(pem: &str, algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let body = pem
            .split_once(PRIVATE_BEGIN)
            .and_then(|(_, rest)| rest.split_once(PRIVATE_END))
            .map(|(body, _)| body)
            .ok_or(KeyError::Pem)?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_pkcs8_der(&base64_decode(&body).ok_or(KeyError::Pem)?, algorithm)
    }

    /// Reads a private key from PKCS#8 DER, to sign with `algorithm`.
    pub fn from_pkcs8_der(der: &[u8], algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let rejected = |_| KeyError::Rejected { algorithm };
        let pair = match algorithm.family() {
            Family::Rsa(_) => Pair::Rsa(lc::RsaKeyPair::from_pkcs8(der).map_err(rejected)?),
            Family::Ecdsa(curve) => {
                Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(curve.signing, der).map_err(rejected)?)
            }
            // OpenSSL writes Ed25519 keys without the public half, which the checked reader wants.
            Family::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected)?)
            }
        };
        Self::from_pair(algorithm, pair)
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// The key's name in the published set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public JSON Web Key, with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.pair.public_members(self.algorithm);
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm.as_str());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as SubjectPublicKeyInfo PEM.
    pub fn public_pem(&self) -> String {
        pem(
            "-----BEGIN PUBLIC KEY-----",
            "-----END PUBLIC KEY-----",
            &self.public_der,
        )
    }

    /// The private half, in PKCS#8.
    pub(crate) fn private_der(&self) -> &[u8] {
        &self.private_der
    }

    /// The private key as PKCS#8 PEM.
    pub fn private_pem(&self) -> String {
        pem(PRIVATE_BEGIN, PRIVATE_END, &self.private_der)
    }

    /// Signs, in the form JWS wants (RFC 7518 §3.4: raw `r || s` for ECDSA).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match (&self.pair, self.algorithm.family()) {
            (Pair::Rsa(pair), Family::Rsa(padding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
            (Pair::Ecdsa(pair), _) => Ok(pair
                .sign(&random, message)
                .map_err(|_| KeyError::Sign)?
                .as_ref()
                .to_vec()),
            (Pair::Ed25519(pair), _) => Ok(pair
                .try_sign(message)
                .map_err(|_| KeyError::Sign)?
                .as_ref()
                .to_vec()),
            (Pair::Rsa(_), _) => Err(KeyError::Sign),
        }
    }

    /// Whether this key made the signature.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        lc::UnparsedPublicKey::new(self.algorithm.verification(), &self.public_der)
            .verify(message, signature)
            .is_ok()
    }

    fn from_pair(algorithm: SigningAlgorithm, pair: Pair) -> Result<Self, KeyError> {
        let mut members = pair.public_members(algorithm);
        // RFC 7638 §3.2: the required members alone, in lexicographic order, without white space. `alg` is added so
        // that one RSA key used with two algorithms does not publish one name twice.
        members["alg"] = json!(algorithm.as_str());
        let members: std::collections::BTreeMap<String, Value> =
            serde_json::from_value(members).map_err(|_| KeyError::Generate)?;
        let canonical = serde_json::to_vec(&members).map_err(|_| KeyError::Generate)?;
        let thumbprint = digest(&SHA256, &canonical);
        let kid = thumbprint
            .as_ref()
            .iter()
            .take(8)
            .fold("dev_".to_owned(), |kid, byte| format!("{kid}{byte:02x}"));
        Ok(Self {
            kid,
            algorithm,
            private_der: pair.private_der()?,
            public_der: pair.public_der()?,
            pair,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// What the issuer can sign with (RFC 7518 §3.1, RFC 8037 §3.1). There is no `none` and no HMAC here; both exist only
/// as a [`Defect`](crate::Defect).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519.
    EdDSA,
}

impl SigningAlgorithm {
    /// Every algorithm, in the order of the RFC's table.
    pub const ALL: [Self; 10] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Reads a registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::RS256 => &lc::RSA_PKCS1_2048_8192_SHA256,
            Self::RS384 => &lc::RSA_PKCS1_2048_8192_SHA384,
            Self::RS512 => &lc::RSA_PKCS1_2048_8192_SHA512,
            Self::PS256 => &lc::RSA_PSS_2048_8192_SHA256,
            Self::PS384 => &lc::RSA_PSS_2048_8192_SHA384,
            Self::PS512 => &lc::RSA_PSS_2048_8192_SHA512,
            Self::ES256 => &lc::ECDSA_P256_SHA256_FIXED,
            Self::ES384 => &lc::ECDSA_P384_SHA384_FIXED,
            Self::ES512 => &lc::ECDSA_P521_SHA512_FIXED,
            Self::EdDSA => &lc::ED25519,
        }
    }

    fn family(self) -> Family {
        match self {
            Self::RS256 => Family::Rsa(&lc::RSA_PKCS1_SHA256),
            Self::RS384 => Family::Rsa(&lc::RSA_PKCS1_SHA384),
            Self::RS512 => Family::Rsa(&lc::RSA_PKCS1_SHA512),
            Self::PS256 => Family::Rsa(&lc::RSA_PSS_SHA256),
            Self::PS384 => Family::Rsa(&lc::RSA_PSS_SHA384),
            Self::PS512 => Family::Rsa(&lc::RSA_PSS_SHA512),
            Self::ES256 => Family::Ecdsa(Curve {
                name: "P-256",
                signing: &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
            }),
            Self::ES384 => Family::Ecdsa(Curve {
                name: "P-384",
                signing: &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
            }),
            Self::ES512 => Family::Ecdsa(Curve {
                name: "P-521",
                signing: &lc::ECDSA_P521_SHA512_FIXED_SIGNING,
            }),
            Self::EdDSA => Family::Ed25519,
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a key could not be made, read or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a PKCS#8 PEM block.
    #[error("expected a PEM block `-----BEGIN PRIVATE KEY-----` (PKCS#8) with base64 inside")]
    Pem,
    /// A PKCS#8 key of another type, curve or size.
    #[error("this private key cannot sign {algorithm}: another type, curve or size, or not PKCS#8")]
    Rejected {
        /// What it was asked to sign with.
        algorithm: SigningAlgorithm,
    },
    /// A secret key for the local issuer's back end that may be somebody's real one.
    #[error("expected a secret key for tests, `sk_test_` and letters, digits, `_` or `-`")]
    SecretKey,
    /// The cryptographic library could not make a key.
    #[error("a key could not be generated")]
    Generate,
    /// The cryptographic library could not sign.
    #[error("the key could not sign")]
    Sign,
}

enum Pair {
    Rsa(lc::RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    /// The members of the public JSON Web Key that its thumbprint covers.
    fn public_members(&self, algorithm: SigningAlgorithm) -> Value {
        match self {
            Self::Rsa(pair) => {
                let (modulus, exponent) =
                    rsa_components(pair.public_key().as_ref()).unwrap_or_default();
                json!({ "kty": "RSA", "n": base64url(modulus), "e": base64url(exponent) })
            }
            Self::Ecdsa(pair) => {
                let curve = match algorithm.family() {
                    Family::Ecdsa(curve) => curve.name,
                    Family::Rsa(_) | Family::Ed25519 => "",
                };
                // SEC 1 §2.3.3: 0x04, then both coordinates at full length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) })
            }
        }
    }

    fn private_der(&self) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Generate;
        Ok(match self {
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Self::Ecdsa(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
        })
    }

    fn public_der(&self) -> Result<Vec<u8>, KeyError> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| KeyError::Generate)?;
        Ok(der.as_ref().to_vec())
    }
}

enum Family {
    Rsa(&'static dyn lc::RsaEncoding),
    Ecdsa(Curve),
    Ed25519,
}

struct Curve {
    name: &'static str,
    signing: &'static EcdsaSigningAlgorithm,
}

/// Modulus and exponent out of RFC 8017's `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`.
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(0x30, der)?;
    let (modulus, rest) = der_value(0x02, sequence)?;
    let (exponent, _) = der_value(0x02, rest)?;
    // RFC 7518 §6.3.1.1: no sign octet in front.
    Some((
        modulus.strip_prefix(&[0]).unwrap_or(modulus),
        exponent.strip_prefix(&[0]).unwrap_or(exponent),
    ))
}

/// One DER value of the given tag, and what follows it.
fn der_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (
            octets
                .iter()
                .fold(0usize, |length, &octet| (length << 8) | usize::from(octet)),
            rest,
        )
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

pub(crate) fn pem(begin: &str, end: &str, der: &[u8]) -> String {
    let text = base64(der);
    let mut pem = format!("{begin}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + end + "\n"
}

const PRIVATE_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PRIVATE_END: &str = "-----END PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_published_pem_verifies_and_survives_pem() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pkcs8_pem(&key.private_pem(), algorithm).unwrap();
            assert_eq!(key.jwk(), again.jwk(), "{algorithm}");
            let signature = again.sign(b"doorward").unwrap();
            assert!(key.verifies(b"doorward", &signature), "{algorithm}");
            assert!(!key.verifies(b"doorwarD", &signature), "{algorithm}");
        }
    }

    #[test]
    fn a_jwk_has_the_members_of_its_type_and_no_private_one() {
        for (algorithm, members) in [
            (SigningAlgorithm::PS256, &["n", "e"][..]),
            (SigningAlgorithm::ES512, &["crv", "x", "y"]),
            (SigningAlgorithm::EdDSA, &["crv", "x"]),
        ] {
            let jwk = SigningKey::generate(algorithm).unwrap().jwk();
            let mut expected = [members, &["alg", "kid", "kty", "use"]].concat();
            expected.sort_unstable();
            let mut found: Vec<_> = jwk
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
        let wide = SigningKey::generate(SigningAlgorithm::ES512).unwrap().jwk();
        assert_eq!(
            wide["x"].as_str().unwrap().len(),
            88,
            "66 octets, leading zeros kept"
        );
    }

    #[test]
    fn an_rsa_key_publishes_2048_bits() {
        let jwk = SigningKey::generate(SigningAlgorithm::RS256).unwrap().jwk();
        assert_eq!(
            (jwk["n"].as_str().unwrap().len(), &jwk["e"]),
            (342, &json!("AQAB"))
        );
    }

    #[test]
    fn a_key_does_not_print_itself_and_a_wrong_one_is_refused() {
        let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!(
                "SigningKey {{ kid: {:?}, algorithm: ES256, .. }}",
                key.kid()
            )
        );
        let algorithm = SigningAlgorithm::ES384;
        let refused = SigningKey::from_pkcs8_pem(&key.private_pem(), algorithm).unwrap_err();
        assert_eq!(refused, KeyError::Rejected { algorithm });
        assert_eq!(
            SigningKey::from_pkcs8_pem(&key.public_pem(), algorithm).unwrap_err(),
            KeyError::Pem
        );
    }

    #[test]
    fn a_key_as_openssl_writes_it_is_read() {
        // RFC 8410 §10.3: the private key alone, without its public half.
        let private = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        let key = SigningKey::from_pkcs8_pem(private, SigningAlgorithm::EdDSA).unwrap();
        assert_eq!(
            (key.public_pem().as_str(), key.private_pem().as_str()),
            (public, private)
        );
    }
}
