//! Keys, and what is made with them: headers, claims, tokens, and the files the cases go to.

use std::fmt::{self, Display};
use std::path::Path;

use aws_lc_rs::{digest, hmac};
use doorward_issuer::{SigningAlgorithm, SigningKey};
use serde::Serialize;
use serde_json::{Value, json};

use crate::forge::{Pss, Rsa};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "https://api.example";

/// A JSON object that may be as wrong as it likes: members in order, values as raw text, names as often as wanted.
#[derive(Clone)]
pub(crate) struct Object(Vec<(String, String)>);

impl Object {
    pub(crate) fn from(members: &[(&str, &str)]) -> Self {
        Self(
            members
                .iter()
                .map(|(name, raw)| ((*name).to_owned(), (*raw).to_owned()))
                .collect(),
        )
    }

    /// Replaces or adds a member; `raw` is JSON text, right or wrong.
    pub(crate) fn set(mut self, name: &str, raw: impl Display) -> Self {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, value)) => *value = raw.to_string(),
            None => self.0.push((name.to_owned(), raw.to_string())),
        }
        self
    }

    /// As [`Object::set`], with a string.
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.set(name, json!(text))
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    /// Puts a member first, whether or not the name is taken.
    pub(crate) fn before(mut self, name: &str, raw: impl Display) -> Self {
        self.0.insert(0, (name.to_owned(), raw.to_string()));
        self
    }

    /// Puts a member last, whether or not the name is taken.
    pub(crate) fn after(mut self, name: &str, raw: impl Display) -> Self {
        self.0.push((name.to_owned(), raw.to_string()));
        self
    }
}

/// Names may have escapes written out: they are put between quotes as they are.
impl Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(name, raw)| format!("\"{name}\":{raw}"))
            .collect();
        write!(f, "{{{}}}", members.join(","))
    }
}

/// The test keys.
pub(crate) struct Maker {
    keys: Vec<SigningKey>,
    stranger: SigningKey,
    pub(crate) rsa: Rsa,
    pub(crate) rsa_stranger: Rsa,
    pub(crate) rsa_small: Rsa,
    pub(crate) rsa_three: Rsa,
    pub(crate) rsa_public_pem: String,
}

impl Maker {
    pub(crate) fn load(folder: &Path) -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(format!("TEST-KEY-{name}.pem"))).expect(name)
        };
        let key =
            |name: &str, algorithm| SigningKey::from_pkcs8_pem(&read(name), algorithm).expect(name);
        use SigningAlgorithm::{ES256, ES384, ES512, EdDSA, RS256, RS384, RS512};
        Self {
            rsa_public_pem: key("rsa-2048", RS256).public_pem(),
            keys: vec![
                key("rsa-2048", RS256).with_kid("rsa"),
                key("rsa-2048", RS384).with_kid("rsa"),
                key("rsa-2048", RS512).with_kid("rsa"),
                key("p-256", ES256).with_kid("p256"),
                key("p-384", ES384).with_kid("p384"),
                key("p-521", ES512).with_kid("p521"),
                key("ed25519", EdDSA).with_kid("ed25519"),
            ],
            stranger: key("ed25519-stranger", EdDSA).with_kid("ed25519"),
            rsa: Rsa::from_pem(&read("rsa-2048")),
            rsa_stranger: Rsa::from_pem(&read("rsa-2048-stranger")),
            rsa_small: Rsa::from_pem(&read("rsa-1024")),
            rsa_three: Rsa::from_pem(&read("rsa-2048-exponent-3")),
        }
    }

    /// The signature of a right signer.
    pub(crate) fn sign(&self, algorithm: &str, input: &str) -> Vec<u8> {
        let hash = match algorithm {
            "PS256" => &digest::SHA256,
            "PS384" => &digest::SHA384,
            "PS512" => &digest::SHA512,
            _ => {
                let of = |key: &&SigningKey| key.algorithm().as_str() == algorithm;
                let key = self.keys.iter().find(of).expect(algorithm);
                return key.sign(input.as_bytes()).expect("it signs");
            }
        };
        self.rsa.pss(input.as_bytes(), &Pss::right(hash))
    }

    /// The signature of the other Ed25519 key.
    pub(crate) fn sign_as_stranger(&self, input: &str) -> Vec<u8> {
        self.stranger.sign(input.as_bytes()).expect("it signs")
    }

    /// Header and payload, signed by `algorithm`, whatever the header says.
    pub(crate) fn jws(&self, algorithm: &str, header: &impl Display, payload: &[u8]) -> String {
        let input = signing_input(&header.to_string(), payload);
        let signature = self.sign(algorithm, &input);
        format!("{input}.{}", b64(&signature))
    }

    /// These claims, signed by Ed25519.
    pub(crate) fn claims(&self, claims: &impl Display) -> String {
        self.payload(claims.to_string().as_bytes())
    }

    /// This payload, signed by Ed25519.
    pub(crate) fn payload(&self, payload: &[u8]) -> String {
        self.jws("EdDSA", &header("EdDSA"), payload)
    }

    /// The usual claims under this header, signed by Ed25519.
    pub(crate) fn header(&self, header: &impl Display) -> String {
        self.jws("EdDSA", header, claims().to_string().as_bytes())
    }

    /// The usual token.
    pub(crate) fn good(&self) -> String {
        self.claims(&claims())
    }

    /// The public half as a JWK without `alg` and `use`: its type alone says what it verifies.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let key = self.keys.iter().find(|key| key.kid() == kid).expect(kid);
        bare(key.jwk())
    }

    pub(crate) fn stranger_jwk(&self) -> Value {
        bare(self.stranger.jwk())
    }

    pub(crate) fn public_pem(&self, kid: &str) -> String {
        let key = self.keys.iter().find(|key| key.kid() == kid);
        key.expect(kid).public_pem()
    }

    /// All public keys.
    pub(crate) fn jwks(&self) -> Value {
        let kids = ["rsa", "p256", "p384", "p521", "ed25519"];
        json!({ "keys": kids.map(|kid| self.jwk(kid)) })
    }
}

fn bare(mut jwk: Value) -> Value {
    let members = jwk.as_object_mut().expect("a JWK is an object");
    members.remove("alg");
    members.remove("use");
    jwk
}

pub(crate) fn rsa_jwk(rsa: &Rsa, kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "n": b64(&rsa.n), "e": b64(&rsa.e)})
}

pub(crate) fn kid_of(algorithm: &str) -> &'static str {
    match algorithm {
        "ES256" => "p256",
        "ES384" => "p384",
        "ES512" => "p521",
        "EdDSA" => "ed25519",
        _ => "rsa",
    }
}

/// The usual header.
pub(crate) fn header(algorithm: &str) -> Object {
    Object::from(&[])
        .text("alg", algorithm)
        .text("kid", kid_of(algorithm))
        .text("typ", "JWT")
}

/// The usual claims.
pub(crate) fn claims() -> Object {
    Object::from(&[])
        .text("iss", ISSUER)
        .text("sub", "user_ada")
        .text("aud", AUDIENCE)
        .set("iat", NOW - 10)
        .set("exp", NOW + 300)
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn b64_standard(bytes: impl AsRef<[u8]>) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

pub(crate) fn unb64(segment: &str) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(segment)
        .expect("base64url")
}

pub(crate) fn signing_input(header: &str, payload: &[u8]) -> String {
    format!("{}.{}", b64(header), b64(payload))
}

/// A token signed with a MAC, as an attacker who knows the public key can.
pub(crate) fn hmac_token(algorithm: &str, header: &impl Display, secret: &[u8]) -> String {
    let hash = match algorithm {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let input = signing_input(&header.to_string(), claims().to_string().as_bytes());
    let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
    format!("{input}.{}", b64(tag))
}

/// The three segments of a token.
pub(crate) fn segments(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three segments")
}

/// One issuer as a vector file describes it; what is left out has the default of the README.
pub(crate) fn issuer(keys: &Value, algorithms: &[&str]) -> Value {
    json!({"issuer": ISSUER, "audience": [AUDIENCE], "keys": keys, "algorithms": algorithms})
}

#[derive(Serialize)]
pub(crate) struct Case {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(rename = "with", skip_serializing_if = "Option::is_none")]
    overrides: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<f64>,
    expect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Value>,
}

impl Case {
    pub(crate) fn why(&mut self, comment: &str) -> &mut Self {
        self.comment = Some(comment.to_owned());
        self
    }

    /// Members that replace those of the file's first issuer and of its verifier.
    pub(crate) fn with(&mut self, overrides: Value) -> &mut Self {
        self.overrides = Some(overrides);
        self
    }

    pub(crate) fn keys(&mut self, keys: Value) -> &mut Self {
        self.keys = Some(keys);
        self
    }

    /// What the issuer says of the opaque token.
    pub(crate) fn answer(&mut self, answer: Value) -> &mut Self {
        self.answer = Some(answer);
        self
    }

    pub(crate) fn now(&mut self, now: f64) -> &mut Self {
        self.now = Some(now);
        self
    }

    pub(crate) fn identity(&mut self, identity: Value) -> &mut Self {
        self.identity = Some(identity);
        self
    }
}

/// One file of vectors.
#[derive(Serialize)]
pub(crate) struct Group {
    #[serde(skip)]
    pub(crate) path: &'static str,
    description: &'static str,
    now: i64,
    verifier: Value,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    tokens: serde_json::Map<String, Value>,
    pub(crate) cases: Vec<Case>,
}

impl Group {
    pub(crate) fn new(path: &'static str, description: &'static str, verifier: Value) -> Self {
        Self {
            path,
            description,
            now: NOW,
            verifier,
            tokens: serde_json::Map::new(),
            cases: Vec::new(),
        }
    }

    /// A group with one issuer that has every public key and every asymmetric algorithm.
    pub(crate) fn usual(path: &'static str, description: &'static str, maker: &Maker) -> Self {
        let all = [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA",
        ];
        let verifier = json!({ "issuers": [issuer(&maker.jwks(), &all)] });
        Self::new(path, description, verifier)
    }

    /// As [`Group::usual`], with nothing but the Ed25519 key.
    pub(crate) fn plain(path: &'static str, description: &'static str, maker: &Maker) -> Self {
        let keys = json!({ "keys": [maker.jwk("ed25519")] });
        let verifier = json!({ "issuers": [issuer(&keys, &["EdDSA"])] });
        Self::new(path, description, verifier)
    }

    /// Sets a member of the verifier.
    pub(crate) fn verifier_member(&mut self, name: &str, value: Value) {
        self.verifier[name] = value;
    }

    pub(crate) fn token(&mut self, name: &str, token: impl Into<String>) {
        self.tokens.insert(name.to_owned(), compact(&token.into()));
    }

    pub(crate) fn accept(
        &mut self,
        name: impl Into<String>,
        token: impl Into<String>,
    ) -> &mut Case {
        self.refuse(name, token, "accept")
    }

    /// A case that ends as `expect` says: a reason's code, `accept`, or `needs_keys`.
    pub(crate) fn refuse(
        &mut self,
        name: impl Into<String>,
        token: impl Into<String>,
        expect: &str,
    ) -> &mut Case {
        let case = self.case(name.into(), expect);
        case.token = Some(compact(&token.into()));
        case
    }

    /// A request head; `<name>` in a value stands for a token of the file.
    pub(crate) fn head(&mut self, name: &str, head: &[(&str, &str)], expect: &str) -> &mut Case {
        let case = self.case(name.to_owned(), expect);
        case.head = Some(json!(head));
        case
    }

    /// What a policy says to a verified token of the file.
    pub(crate) fn policy(
        &mut self,
        name: &str,
        token: &str,
        policy: Value,
        expect: &str,
    ) -> &mut Case {
        let case = self.case(name.to_owned(), expect);
        case.token = Some(json!(format!("<{token}>")));
        case.policy = Some(policy);
        case
    }

    fn case(&mut self, name: String, expect: &str) -> &mut Case {
        let taken = self.cases.iter().any(|case| case.name == name);
        assert!(!taken, "{}: {name:?} twice", self.path);
        self.cases.push(Case {
            name,
            comment: None,
            overrides: None,
            token: None,
            head: None,
            policy: None,
            keys: None,
            answer: None,
            now: None,
            expect: expect.to_owned(),
            identity: None,
        });
        self.cases.last_mut().expect("just pushed")
    }
}

/// Says a long repetition in few words.
pub(crate) fn compact(token: &str) -> Value {
    const LONG: usize = 3000;
    if token.len() < LONG || !token.is_ascii() {
        return json!(token);
    }
    let bytes = token.as_bytes();
    for period in 1..=16 {
        let mut start = 0;
        for end in period..=bytes.len() {
            if end < bytes.len() && bytes[end] == bytes[end - period] {
                continue;
            }
            let times = (end - start) / period;
            if times * period > bytes.len() / 2 {
                let unit = &token[start..start + period];
                let rest = start + times * period;
                return json!({
                    "prefix": token[..start], "repeat": unit, "times": times, "suffix": token[rest..],
                });
            }
            start = end + 1 - period;
        }
    }
    json!(token)
}
