//! JSON Web Signature, compact serialization (RFC 7515 §7.1), as far as an issuer reads and writes it.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::UnparsedPublicKey;
use serde_json::{Map, Value};

use crate::encoding::{base64url, base64url_decode};
use crate::keys::{KeyError, SigningAlgorithm, SigningKey};

/// The parts of a JWS. That they are read says nothing about the signature.
pub(crate) struct Compact<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// What the signature covers.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| serde_json::from_slice(&base64url_decode(part)?).ok();
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed,
            signature: base64url_decode(signature)?,
        })
    }

    /// The algorithm, if it is one that an issuer signs with and nothing in the header is critical.
    pub(crate) fn algorithm(&self) -> Option<SigningAlgorithm> {
        if self.header.contains_key("crit") {
            return None;
        }
        SigningAlgorithm::from_name(self.text("alg")?)
    }

    /// A header parameter that is a string.
    pub(crate) fn text(&self, parameter: &str) -> Option<&str> {
        self.header.get(parameter)?.as_str()
    }

    /// Whether this public key made the signature.
    pub(crate) fn signed_by(&self, jwk: &Value) -> bool {
        let Some(algorithm) = self.algorithm() else {
            return false;
        };
        let fits = jwk
            .get("alg")
            .is_none_or(|alg| alg.as_str() == Some(algorithm.as_str()));
        let Some(key) = public_key(jwk, algorithm).filter(|_| fits) else {
            return false;
        };
        UnparsedPublicKey::new(algorithm.verification(), key)
            .verify(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

/// Signs `claims`; `alg` and `kid` follow from the key.
pub(crate) fn sign(typ: &str, claims: &Value, key: &SigningKey) -> Result<String, KeyError> {
    let header =
        serde_json::json!({ "alg": key.algorithm().as_str(), "kid": key.kid(), "typ": typ });
    let signed = format!(
        "{}.{}",
        base64url(header.to_string()),
        base64url(claims.to_string())
    );
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", base64url(signature)))
}

/// A JSON Web Key in the form that the cryptographic library reads, if it is one for this algorithm (RFC 7518 §6).
fn public_key(jwk: &Value, algorithm: SigningAlgorithm) -> Option<Vec<u8>> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let octets = |name: &str| text(name).and_then(base64url_decode);
    let point = |curve: &str| {
        let found = text("kty") == Some("EC") && text("crv") == Some(curve);
        found.then(|| Some([&[4][..], octets("x")?.as_slice(), &octets("y")?].concat()))?
    };
    match algorithm {
        SigningAlgorithm::ES256 => point("P-256"),
        SigningAlgorithm::ES384 => point("P-384"),
        SigningAlgorithm::ES512 => point("P-521"),
        SigningAlgorithm::EdDSA => {
            let found = text("kty") == Some("OKP") && text("crv") == Some("Ed25519");
            found.then(|| octets("x"))?
        }
        _ if text("kty") == Some("RSA") => {
            let components = PublicKeyComponents {
                n: octets("n")?,
                e: octets("e")?,
            };
            let der: PublicKeyX509Der<'_> = components.as_der().ok()?;
            Some(der.as_ref().to_vec())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_algorithm_is_read_with_the_key_that_signed_and_no_other() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let text = sign("JWT", &json!({"sub": "ada"}), &key).unwrap();
            let read = Compact::read(&text).unwrap();
            assert_eq!(read.claims["sub"], "ada");
            assert!(read.signed_by(&key.jwk()), "{algorithm}");
            let mut other = key.jwk();
            other["alg"] = json!("HS256");
            assert!(!read.signed_by(&other), "{algorithm}");
            let (header, signature) = (text.split('.').next(), text.rsplit('.').next());
            let claims = base64url(r#"{"sub":"bob"}"#);
            let spoiled = format!("{}.{claims}.{}", header.unwrap(), signature.unwrap());
            let spoiled = Compact::read(&spoiled).unwrap();
            assert!(!spoiled.signed_by(&key.jwk()), "{algorithm}");
        }
        let stranger = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
        let key = SigningKey::generate(SigningAlgorithm::EdDSA).unwrap();
        let text = sign("JWT", &json!({}), &key).unwrap();
        assert!(!Compact::read(&text).unwrap().signed_by(&stranger.jwk()));
    }

    #[test]
    fn what_is_no_jws_is_not_read() {
        for text in ["", "a", "a.b", "a.b.c", "..", "e30.e30.!", "bnVsbA.e30."] {
            assert!(Compact::read(text).is_none(), "{text}");
        }
        let none = Compact::read("eyJhbGciOiJub25lIn0.e30.").unwrap();
        assert!(none.algorithm().is_none() && !none.signed_by(&json!({})));
    }
}
