//! The one file that holds a private key, and the one in this crate that names a crypto crate: the key with which we
//! show an issuer who asks (`private_key_jwt`: RFC 7523 §2.2, OpenID Connect Core §9). Nobody's token is signed here.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, RsaEncoding, RsaKeyPair};
use base64_simd::URL_SAFE_NO_PAD;
use doorward_core::{Algorithm, Secret, Timestamp};
use serde_json::{Map, Value, json};

/// A client that shows who it is by signing a statement that is good for one question.
pub(crate) struct AssertingClient {
    pub(crate) client_id: String,
    /// What the issuer is called in the statement's `aud`.
    pub(crate) audience: String,
    pub(crate) key: SigningKey,
}

/// The `client_assertion_type` of a JWT.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a statement is good: as long as a question may take, and a clock be off.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

impl AssertingClient {
    /// A statement that was never made before.
    ///
    /// # Errors
    /// The crypto library cannot sign.
    pub(crate) fn assertion(&self, now: Timestamp) -> Result<String, &'static str> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), self.key.algorithm.as_str().into());
        if let Some(kid) = &self.key.kid {
            header.insert("kid".to_owned(), kid.as_str().into());
        }
        header.insert("typ".to_owned(), "JWT".into());
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now.as_secs(),
            "exp": now.plus(ASSERTION_LIFE).as_secs(),
            "jti": random_name()?,
        });
        let encode = |value: String| URL_SAFE_NO_PAD.encode_to_string(value);
        let signed = format!(
            "{}.{}",
            encode(Value::from(header).to_string()),
            encode(claims.to_string())
        );
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode_to_string(signature)
        ))
    }
}

/// A client's private key, with the one algorithm it signs with. `Debug` shows its name.
pub(crate) struct SigningKey {
    kid: Option<String>,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads keys from PEM (PKCS#8, PKCS#1 or SEC 1, several blocks), a JWK, a JWK set, or base64 of one of those. All must
    /// be sound; the first signs. `kid` names it where it does not name itself, `algorithm` narrows an RSA key's.
    ///
    /// # Errors
    /// What is wrong, without any of the key.
    pub(crate) fn first_of(
        texts: &[Secret],
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, String> {
        let mut keys = Vec::new();
        for text in texts {
            keys.extend(read(text.expose(), algorithm, 0)?);
        }
        let mut first = keys.into_iter().next().ok_or(EXPECTED)?;
        if first.kid.is_none() {
            first.kid = kid.map(str::to_owned);
        }
        Ok(first)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, &'static str> {
        const FAILED: &str = "the crypto library could not sign";
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding(self.algorithm), &random, message, &mut signature)
                    .map_err(|_| FAILED)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&random, message).map_err(|_| FAILED)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => {
                let signature = pair.try_sign(message).map_err(|_| FAILED)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The algorithms a client may sign with.
pub(crate) const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
];

const CURVE: &sig::EcdsaSigningAlgorithm = &sig::ECDSA_P256_SHA256_FIXED_SIGNING;
const EXPECTED: &str = "is no private key in PEM (PKCS#8, PKCS#1, SEC 1), JWK or JWK set";

fn read(text: &str, algorithm: Option<Algorithm>, depth: u8) -> Result<Vec<SigningKey>, String> {
    // As environment variables and `.env` files leave it.
    let text = text.trim().trim_matches(['"', '\'']).trim();
    if text.starts_with('{') {
        return read_json(text, algorithm);
    }
    let text = text.replace("\\n", "\n");
    if text.contains("-----BEGIN") {
        return read_pem(&text, algorithm);
    }
    let bare: String = text.split_ascii_whitespace().collect();
    let decoded = base64_simd::forgiving_decode_to_vec(bare.as_bytes())
        .ok()
        .filter(|bytes| !bytes.is_empty() && depth == 0)
        .ok_or(EXPECTED)?;
    match String::from_utf8(decoded) {
        Ok(inner) => read(&inner, algorithm, depth + 1),
        Err(error) => Ok(vec![from_der("PRIVATE KEY", error.as_bytes(), algorithm)?]),
    }
}

fn read_pem(text: &str, algorithm: Option<Algorithm>) -> Result<Vec<SigningKey>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let broken = || "is PEM that was cut off".to_owned();
        let (label, after) = after.split_once("-----").ok_or_else(broken)?;
        let (body, after) = after.split_once("-----END").ok_or_else(broken)?;
        rest = after;
        match label {
            // What `openssl ecparam -genkey` writes before the key.
            "EC PARAMETERS" => continue,
            "ENCRYPTED PRIVATE KEY" => {
                return Err(
                    "is encrypted with a password; decrypt it first (`openssl pkey`)".to_owned(),
                );
            }
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {}
            label if label.contains("PUBLIC") || label.contains("CERTIFICATE") => {
                return Err("is the public half; to sign takes the private key".to_owned());
            }
            _ => return Err(EXPECTED.to_owned()),
        }
        if body.contains("Proc-Type:") {
            return Err(
                "is encrypted with a password; decrypt it first (`openssl pkey`)".to_owned(),
            );
        }
        let body: String = body.split_ascii_whitespace().collect();
        let der = base64_simd::forgiving_decode_to_vec(body.as_bytes())
            .map_err(|_| "is PEM whose body is not base64".to_owned())?;
        keys.push(from_der(label, &der, algorithm)?);
    }
    Ok(keys)
}

/// A key in DER. Which kind of key PKCS#8 holds is told by trying: each reader refuses the others' keys.
fn from_der(label: &str, der: &[u8], algorithm: Option<Algorithm>) -> Result<SigningKey, String> {
    let pkcs8 = label == "PRIVATE KEY";
    let rsa = || match pkcs8 {
        true => RsaKeyPair::from_pkcs8(der).ok(),
        false => RsaKeyPair::from_der(der).ok(),
    };
    let ec = || match pkcs8 {
        true => EcdsaKeyPair::from_pkcs8(CURVE, der).ok(),
        false => EcdsaKeyPair::from_private_key_der(CURVE, der).ok(),
    };
    let ed = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
    let pair = rsa().map(Pair::Rsa);
    let pair = pair.or_else(|| ec().map(Pair::Ecdsa));
    let pair = pair.or_else(|| ed().map(Pair::Ed25519));
    let unusable = "is no RSA key of 2048 to 8192 bits, no key on P-256 and no Ed25519 key";
    finished(pair.ok_or(unusable)?, None, algorithm)
}

fn read_json(text: &str, algorithm: Option<Algorithm>) -> Result<Vec<SigningKey>, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "is no JSON".to_owned())?;
    match value.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.iter().map(|key| from_jwk(key, algorithm)).collect(),
        None => Ok(vec![from_jwk(&value, algorithm)?]),
    }
}

/// RFC 7518 §6, RFC 8037 §2.
fn from_jwk(jwk: &Value, algorithm: Option<Algorithm>) -> Result<SigningKey, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let octets = |name: &str| {
        let decoded = text(name).and_then(|text| URL_SAFE_NO_PAD.decode_to_vec(text).ok());
        decoded.ok_or_else(|| format!("is a JWK without a usable `{name}`"))
    };
    if text("d").is_none() {
        return Err(
            "is the public half (a JWK without `d`); to sign takes the private key".to_owned(),
        );
    }
    let pair = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let public_key = PublicKeyComponents {
                n: octets("n")?,
                e: octets("e")?,
            };
            let parts = KeyPairComponents {
                public_key,
                d: octets("d")?,
                p: octets("p")?,
                q: octets("q")?,
                dP: octets("dp")?,
                dQ: octets("dq")?,
                qInv: octets("qi")?,
            };
            RsaKeyPair::from_components(&parts).map(Pair::Rsa)
        }
        (Some("EC"), Some("P-256")) => {
            let point = [&[4][..], &octets("x")?, &octets("y")?].concat();
            EcdsaKeyPair::from_private_key_and_public_key(CURVE, &octets("d")?, &point)
                .map(Pair::Ecdsa)
        }
        (Some("OKP"), Some("Ed25519")) => {
            Ed25519KeyPair::from_seed_and_public_key(&octets("d")?, &octets("x")?)
                .map(Pair::Ed25519)
        }
        _ => return Err("is a JWK that is neither RSA, nor on P-256, nor Ed25519".to_owned()),
    };
    let pair = pair.map_err(|_| "is a JWK whose parts do not fit together")?;
    let own = match text("alg") {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or("is a JWK with an unknown `alg`")?),
    };
    if let (Some(own), Some(wanted)) = (own, algorithm)
        && own != wanted
    {
        return Err(format!(
            "signs {own} by its `alg`, and {wanted} is configured"
        ));
    }
    finished(pair, text("kid").map(str::to_owned), own.or(algorithm))
}

fn finished(
    pair: Pair,
    kid: Option<String>,
    algorithm: Option<Algorithm>,
) -> Result<SigningKey, String> {
    let (fits, default): (&[Algorithm], _) = match pair {
        Pair::Rsa(_) => (&[Algorithm::RS256, Algorithm::PS256], Algorithm::RS256),
        Pair::Ecdsa(_) => (&[Algorithm::ES256], Algorithm::ES256),
        Pair::Ed25519(_) => (&[Algorithm::EdDSA], Algorithm::EdDSA),
    };
    let algorithm = algorithm.unwrap_or(default);
    if !fits.contains(&algorithm) {
        return Err(format!(
            "cannot sign {algorithm}: a key of its type signs {default}"
        ));
    }
    Ok(SigningKey {
        kid,
        algorithm,
        pair,
    })
}

fn padding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::PS256 => &sig::RSA_PSS_SHA256,
        _ => &sig::RSA_PKCS1_SHA256,
    }
}

/// A secret that this process alone has: 256 random bits, as text.
pub(crate) fn random_secret() -> Option<Secret> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode_to_string(bytes)))
}

/// 128 random bits, as text.
fn random_name() -> Result<String, &'static str> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system has no random numbers")?;
    Ok(URL_SAFE_NO_PAD.encode_to_string(bytes))
}

#[cfg(test)]
mod tests {
    use doorward_core::{AlgorithmSet, JwkSet, jws};
    use doorward_issuer::{SigningAlgorithm, SigningKey as TestKey};

    use super::*;

    /// RFC 8037 §A.1 and RFC 7515 §A.3.1: examples, and so good for nothing else.
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"e1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    fn read_one(text: &str, algorithm: Option<Algorithm>) -> Result<SigningKey, String> {
        SigningKey::first_of(&[Secret::new(text)], None, algorithm)
    }

    fn asserting(key: SigningKey) -> AssertingClient {
        AssertingClient {
            client_id: "my-api".to_owned(),
            audience: "https://login.example.com".to_owned(),
            key,
        }
    }

    fn verified(assertion: &str, jwk: &Value) -> Value {
        let keys = JwkSet::parse(&jwk.to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
        let payload = jws::verify(assertion, &keys, AlgorithmSet::ASYMMETRIC).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    #[test]
    fn an_assertion_says_who_asks_whom_once_and_for_a_minute() {
        for (test, algorithm) in [
            (SigningAlgorithm::RS256, Algorithm::RS256),
            (SigningAlgorithm::PS256, Algorithm::PS256),
            (SigningAlgorithm::ES256, Algorithm::ES256),
            (SigningAlgorithm::EdDSA, Algorithm::EdDSA),
        ] {
            let test = TestKey::generate(test).unwrap();
            let key = Secret::new(test.private_pem());
            let key = SigningKey::first_of(&[key], Some(test.kid()), Some(algorithm)).unwrap();
            let client = asserting(key);
            let now = Timestamp::from_secs(1_800_000_000);
            let assertion = client.assertion(now).unwrap();
            let mut claims = verified(&assertion, &test.jwk());
            let jti = claims["jti"].take();
            let expected = json!({
                "iss": "my-api", "sub": "my-api", "aud": "https://login.example.com",
                "iat": 1_800_000_000, "exp": 1_800_000_060, "jti": null,
            });
            assert_eq!(claims, expected, "{algorithm}");
            assert!(jti.as_str().unwrap().len() >= 22);
            let another = verified(&client.assertion(now).unwrap(), &test.jwk());
            assert_ne!(another["jti"], jti);
            let (header, _) = jws::decode_unverified(&assertion).unwrap();
            let header: Value = serde_json::from_str(&header).unwrap();
            assert_eq!(
                header,
                json!({"alg": algorithm.as_str(), "kid": test.kid(), "typ": "JWT"})
            );
        }
    }

    #[test]
    fn keys_come_in_the_spellings_of_operators() {
        let test = TestKey::generate(SigningAlgorithm::ES256).unwrap();
        let pem = test.private_pem();
        for text in [
            pem.replace('\n', "\\n"),
            format!("\"{pem}\""),
            base64_simd::STANDARD.encode_to_string(&pem),
            pem.lines().filter(|line| !line.starts_with('-')).collect(),
        ] {
            let key = read_one(&text, None).unwrap();
            let assertion = asserting(key).assertion(Timestamp::from_secs(0)).unwrap();
            verified(&assertion, &test.jwk());
        }
        for (text, algorithm) in [(ED25519, Algorithm::EdDSA), (P256, Algorithm::ES256)] {
            let key = read_one(text, None).unwrap();
            assert_eq!(key.algorithm, algorithm);
            let assertion = asserting(key).assertion(Timestamp::from_secs(0)).unwrap();
            let mut public: Value = serde_json::from_str(text).unwrap();
            public.as_object_mut().unwrap().remove("d");
            verified(&assertion, &public);
        }
        // The new key first, the old one still among the published ones: the first signs.
        let set = format!(r#"{{"keys":[{ED25519},{P256}]}}"#);
        let key = read_one(&set, None).unwrap();
        assert_eq!(
            (key.kid.as_deref(), key.algorithm),
            (Some("e1"), Algorithm::EdDSA)
        );
        let rsa = TestKey::generate(SigningAlgorithm::RS256)
            .unwrap()
            .private_pem();
        assert_eq!(read_one(&rsa, None).unwrap().algorithm, Algorithm::RS256);
        assert_eq!(
            read_one(&rsa, Some(Algorithm::PS256)).unwrap().algorithm,
            Algorithm::PS256
        );
    }

    #[test]
    fn what_cannot_sign_is_named_and_never_shown() {
        let test = TestKey::generate(SigningAlgorithm::ES256).unwrap();
        let wide = TestKey::generate(SigningAlgorithm::ES384)
            .unwrap()
            .private_pem();
        let pem = test.private_pem();
        let cut = pem[..pem.len() / 2].to_owned();
        let without_d = P256.replace("\"d\"", "\"x_d\"");
        let strange_alg = ED25519.replace("\"kid\"", "\"alg\":\"RS256\",\"kid\"");
        let unfit = P256.replace("jpsQ", "jpsR");
        for (text, expected) in [
            ("", "no private key"),
            ("hunter2", "no RSA key"),
            ("{}", "public half"),
            ("{", "no JSON"),
            (test.public_pem().as_str(), "public half"),
            (without_d.as_str(), "public half"),
            (unfit.as_str(), "do not fit"),
            (strange_alg.as_str(), "cannot sign RS256"),
            (wide.as_str(), "P-256"),
            (cut.as_str(), "cut off"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                "password",
            ),
        ] {
            let error = read_one(text, None).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(error.len() < 120, "{error}");
        }
        let error = read_one(&pem, Some(Algorithm::RS256)).unwrap_err();
        assert!(error.contains("cannot sign RS256"), "{error}");
        let key = read_one(ED25519, None).unwrap();
        assert_eq!(
            format!("{key:?}"),
            r#"SigningKey { kid: Some("e1"), algorithm: EdDSA, .. }"#
        );
    }
}
