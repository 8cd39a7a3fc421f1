//! Keys made at start, and tokens of the shape of a Clerk v2 session token with 900 bytes of claims.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const ISSUER: &str = "https://clerk.example.com";
pub const PARTY: &str = "https://app.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const KID: &str = "ins_2bWQPFTSvvPmNZyqcCCdeYhXMKx";
pub const PAYLOAD_BYTES: usize = 900;

/// A signing key of one algorithm.
pub enum Signer {
    Rs256(Box<RsaKeyPair>),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    pub fn rs256() -> Self {
        Self::Rs256(Box::new(
            RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
        ))
    }

    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    pub fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().expect("a key"))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    /// The public key, parsed as the engine does it.
    pub fn public(&self) -> ParsedPublicKey {
        match self {
            Self::Rs256(key) => {
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            }
            Self::Es256(key) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref())
            }
            Self::EdDsa(key) => ParsedPublicKey::new(&ED25519, key.public_key().as_ref()),
        }
        .expect("our own key")
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
        let mut jwk = match self {
            Self::Rs256(key) => {
                // RFC 8017 A.1.1 for 2048 bits: two headers of four bytes, a zero, n, a header of two bytes, e.
                let der = key.public_key().as_ref();
                json!({"kty": "RSA", "n": text(&der[9..265]), "e": text(&der[267..])})
            }
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Self::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// A key set with this key.
    pub fn jwks(&self) -> String {
        json!({ "keys": [self.jwk(KID)] }).to_string()
    }

    /// This key among `others` that no token names, in documents of 400 keys.
    pub fn jwks_among(&self, others: usize) -> Vec<String> {
        let strangers: Vec<Value> = (0..others)
            .map(|n| self.jwk(&format!("another-key-{n}")))
            .collect();
        let document = |keys: &[Value]| json!({ "keys": keys }).to_string();
        strangers
            .chunks(400)
            .map(document)
            .chain([self.jwks()])
            .collect()
    }

    /// A session token. `nonce` tells tokens apart; an `audience` takes room from the padding.
    pub fn token(&self, nonce: u32, audience: Option<&str>) -> String {
        let header =
            json!({"alg": self.algorithm(), "cat": "cl_B7d4PD111AAA", "kid": KID, "typ": "JWT"});
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
        let payload = payload(nonce, audience);
        let input = format!(
            "{}.{}",
            text(header.to_string().as_bytes()),
            text(payload.as_bytes())
        );
        let signature = self.sign(input.as_bytes());
        format!("{input}.{}", text(&signature))
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature)
                    .expect("a signature");
                signature
            }
            Self::Es256(key) => key
                .sign(&random, input)
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Self::EdDsa(key) => key.sign(input).as_ref().to_vec(),
        }
    }
}

fn payload(nonce: u32, audience: Option<&str>) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let mut claims = json!({
        "azp": PARTY,
        "email": "grace.hopper@example.com",
        "exp": now + 3600,
        "fea": "o:dashboard,o:impersonation,u:articles",
        "fva": [12, -1],
        "iat": now,
        "iss": ISSUER,
        "jti": format!("{nonce:08x}b7d54b1f9c0a"),
        "name": "Grace Hopper",
        "nbf": now - 10,
        "o": {
            "fpm": "3,2,0",
            "id": "org_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
            "per": "read,manage",
            "rol": "admin",
            "slg": "navy",
        },
        "picture": "https://img.example.com/eyJ0eXBlIjoiZGVmYXVsdCIsImlpZCI6Imluc18yYldRUEZUU3YifQ",
        "pla": "o:enterprise",
        "public_metadata": {"theme": "dark", "note": ""},
        "sid": "sess_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "sts": "active",
        "sub": "user_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "v": 2,
    });
    if let Some(audience) = audience {
        claims["aud"] = audience.into();
    }
    let padding = PAYLOAD_BYTES - claims.to_string().len();
    claims["public_metadata"]["note"] = "x".repeat(padding).into();
    let payload = claims.to_string();
    assert_eq!(payload.len(), PAYLOAD_BYTES);
    payload
}

/// The signing input and the signature of a token.
pub fn parts(token: &str) -> (Vec<u8>, Vec<u8>) {
    let (input, signature) = token.rsplit_once('.').expect("a token");
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
    (input.as_bytes().to_vec(), signature)
}
