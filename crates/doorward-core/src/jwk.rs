//! JSON Web Keys and key sets, parsed once into ready verifiers (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::base64url;
use crate::crypto::VerifyingKey;
use crate::json::{self, Field, FieldSeed, Name, Names};
use crate::spelling::{self, EcCurve, Material, Spelled, SpellingError};

/// A public key and what it may verify. The key decides the algorithm, never the token (RFC 8725 §3.1): `kty` and
/// `crv` bind the family, and `alg`, `use` and `key_ops` narrow it.
pub struct Jwk {
    kid: Option<String>,
    fingerprint: [u8; 32],
    verifiers: Vec<(Algorithm, VerifyingKey)>,
}

impl Jwk {
    /// The key's identifier within its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms it verifies.
    pub fn algorithms(&self) -> AlgorithmSet {
        self.verifiers
            .iter()
            .map(|(algorithm, _)| *algorithm)
            .collect()
    }

    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.verifiers
            .iter()
            .find(|(own, _)| *own == algorithm)
            .map(|(_, verifier)| verifier)
    }

    fn new(kid: Option<String>, material: &Material, wanted: AlgorithmSet) -> Result<Self, String> {
        sound(material)?;
        let family: AlgorithmSet = match material {
            Material::Rsa { .. } => AlgorithmSet::from_iter([
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ]),
            Material::Ec {
                curve: EcCurve::P256,
                ..
            } => Algorithm::ES256.into(),
            Material::Ec {
                curve: EcCurve::P384,
                ..
            } => Algorithm::ES384.into(),
            Material::Ec {
                curve: EcCurve::P521,
                ..
            } => Algorithm::ES512.into(),
            Material::Ed25519(_) => Algorithm::EdDSA.into(),
        };
        let usable = family.intersection(wanted);
        if usable.is_empty() {
            return Err(format!(
                "the key could verify {family}, which is not allowed here ({wanted})"
            ));
        }
        let verifiers = usable
            .iter()
            .map(|algorithm| Ok((algorithm, VerifyingKey::new(algorithm, material)?)))
            .collect::<Result<_, &'static str>>()?;
        Ok(Self {
            kid,
            fingerprint: material.fingerprint(),
            verifiers,
        })
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms())
            .finish()
    }
}

/// An issuer's keys. Lookup by `kid` costs the same for one key and for ten thousand.
pub struct JwkSet {
    keys: Vec<Jwk>,
    by_kid: HashMap<String, usize>,
    without_kid: Vec<usize>,
    skipped: Vec<String>,
    fingerprint: [u8; 32],
    generation: u64,
}

impl JwkSet {
    /// Reads a JWK set document, or a single JWK. Keys that cannot be used are left out and told of in
    /// [`JwkSet::skipped`], so that one broken key does not take the others down (RFC 7517 §5).
    ///
    /// # Errors
    /// [`KeyError`] if the text is no JWK set at all. A set without a usable key is not an error here.
    pub fn parse(json: &str, allowed: AlgorithmSet) -> Result<Self, KeyError> {
        let mut deserializer =
            serde_json::Deserializer::from_str(json.trim_start_matches('\u{feff}'));
        let members = deserializer
            .deserialize_any(SetVisitor)
            .and_then(|members| deserializer.end().map(|()| members))
            .map_err(|error| KeyError(format!("not a JWK set: {error}")))?;
        let mut set = Self {
            fingerprint: crate::crypto::sha256(json.as_bytes()),
            ..Self::empty()
        };
        for member in members {
            let label = member.label();
            match member.into_jwk(allowed) {
                Ok(jwk) => set.keys.push(jwk),
                Err(why) => set.skipped.push(format!("{label}: {why}")),
            }
        }
        set.index();
        Ok(set)
    }

    /// Reads keys as an operator spells them: PEM, DER or base64 of it, JWK, JWK set. Every key must be usable.
    ///
    /// # Errors
    /// [`KeyError`] that says what was found and what would be right. A private key is refused.
    pub fn read(input: &[u8], allowed: AlgorithmSet) -> Result<Self, KeyError> {
        Self::read_all([input], allowed)
    }

    /// As [`JwkSet::read`], from several texts.
    ///
    /// # Errors
    /// As [`JwkSet::read`].
    pub fn read_all<'i>(
        inputs: impl IntoIterator<Item = &'i [u8]>,
        allowed: AlgorithmSet,
    ) -> Result<Self, KeyError> {
        let mut set = Self::empty();
        for input in inputs {
            match spelling::read(input).map_err(KeyError::from)? {
                Spelled::Keys(materials) => {
                    for material in materials {
                        set.keys
                            .push(Jwk::new(None, &material, allowed).map_err(KeyError)?);
                    }
                }
                Spelled::Json(json) => {
                    let read = Self::parse(&json, allowed)?;
                    set.keys.extend(read.keys);
                    set.skipped.extend(read.skipped);
                }
            }
        }
        set.drop_repeated();
        set.index();
        if set.without_kid.len() > crate::jws::MAX_KEYS_TRIED {
            return Err(KeyError(format!(
                "{} keys have no `kid`; at most {} can be tried for a token. Give them as JWKs with a `kid` each",
                set.without_kid.len(),
                crate::jws::MAX_KEYS_TRIED
            )));
        }
        if let Some(private) = set.skipped.iter().find(|why| why.contains(PRIVATE_KEY)) {
            return Err(KeyError(private.clone()));
        }
        if set.keys.is_empty() {
            return Err(KeyError(match set.skipped.as_slice() {
                [] => "the key set has no keys".to_owned(),
                reasons => reasons.join("; "),
            }));
        }
        Ok(set)
    }

    /// Marks the set with a generation, so that what was verified with it can be told from what an older or newer set
    /// verified. Static sets keep generation 0.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// See [`JwkSet::with_generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether both were parsed from the same document.
    pub fn same_document(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// The usable keys.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// What was left out, and why. Names keys by `kid` or position, never by their material.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Whether a token with this `kid` finds a key to be tried against.
    pub fn covers(&self, kid: Option<&str>) -> bool {
        !self.candidates(kid).is_empty()
    }

    /// The keys a token with this `kid` may be verified with: the key of that name; or, since PEM keys have no name,
    /// the nameless ones. A token without `kid` may try them all.
    pub(crate) fn candidates(&self, kid: Option<&str>) -> Candidates<'_> {
        match kid {
            None => Candidates::All(&self.keys),
            Some(kid) => match self.by_kid.get(kid) {
                Some(position) => Candidates::All(std::slice::from_ref(&self.keys[*position])),
                None => Candidates::Nameless {
                    keys: &self.keys,
                    positions: &self.without_kid,
                },
            },
        }
    }

    fn empty() -> Self {
        Self {
            keys: Vec::new(),
            by_kid: HashMap::new(),
            without_kid: Vec::new(),
            skipped: Vec::new(),
            fingerprint: [0; 32],
            generation: 0,
        }
    }

    /// Leaves out what was given twice: the same key under the same name, as when a PEM stands in two settings.
    fn drop_repeated(&mut self) {
        let mut seen = HashSet::new();
        self.keys
            .retain(|key| seen.insert((key.kid.clone(), key.fingerprint)));
    }

    /// Builds the look-ups. Two keys of one `kid` are ambiguous, and neither is used (RFC 7517 §4.5).
    fn index(&mut self) {
        let mut count: HashMap<&str, usize> = HashMap::new();
        for kid in self.keys.iter().filter_map(Jwk::kid) {
            *count.entry(kid).or_default() += 1;
        }
        let repeated: Vec<String> = count
            .into_iter()
            .filter(|(_, n)| *n > 1)
            .map(|(kid, _)| kid.to_owned())
            .collect();
        if !repeated.is_empty() {
            self.keys.retain(|key| {
                !key.kid()
                    .is_some_and(|kid| repeated.iter().any(|r| r == kid))
            });
            let why =
                |kid: &String| format!("{:?}: several keys have this `kid`", json::short(kid));
            self.skipped.extend(repeated.iter().map(why));
        }
        for (position, key) in self.keys.iter().enumerate() {
            match key.kid() {
                Some(kid) => drop(self.by_kid.insert(kid.to_owned(), position)),
                None => self.without_kid.push(position),
            }
        }
    }
}

impl fmt::Debug for JwkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwkSet")
            .field("keys", &self.keys)
            .field("skipped", &self.skipped)
            .field("generation", &self.generation)
            .finish()
    }
}

/// The keys to try, without copying them.
pub(crate) enum Candidates<'s> {
    All(&'s [Jwk]),
    Nameless {
        keys: &'s [Jwk],
        positions: &'s [usize],
    },
}

impl<'s> Candidates<'s> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::All(keys) => keys.is_empty(),
            Self::Nameless { positions, .. } => positions.is_empty(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'s Jwk> {
        let (named, keys, positions): (&'s [Jwk], &'s [Jwk], &'s [usize]) = match self {
            Self::All(keys) => (keys, &[], &[]),
            Self::Nameless { keys, positions } => (&[], keys, positions),
        };
        named
            .iter()
            .chain(positions.iter().map(|position| &keys[*position]))
    }
}

/// Why key material cannot be used, and what would be right. Never contains the material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

impl From<SpellingError> for KeyError {
    fn from(error: SpellingError) -> Self {
        Self(error.to_string())
    }
}

const PRIVATE_KEY: &str = "this is a private key; a verifier needs the public half only. Treat it as compromised and rotate it";

/// RFC 7518 §3.3 and RFC 8017 §3.1 for RSA; RFC 8032 §5.1 for Ed25519. Curve points are checked by the crypto crate.
pub(crate) fn sound(material: &Material) -> Result<(), String> {
    match material {
        Material::Rsa { n, e } => {
            let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if !(2048..=8192).contains(&bits) {
                return Err(format!(
                    "the RSA modulus has {bits} bits; 2048 to 8192 are allowed"
                ));
            }
            let exponent = e
                .iter()
                .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if e.len() > 4 || exponent < 65_537 || exponent % 2 == 0 {
                return Err("the RSA exponent is not an odd number from 65537 to 2^32".to_owned());
            }
            if n.last().is_some_and(|byte| byte % 2 == 0) || has_roca_fingerprint(n) {
                return Err(
                    "the RSA modulus is of a weak kind (even, or CVE-2017-15361)".to_owned(),
                );
            }
        }
        Material::Ed25519(key) => {
            if is_small_order(key) {
                return Err("the Ed25519 key is a point of small order".to_owned());
            }
        }
        Material::Ec { .. } => {}
    }
    Ok(())
}

/// Moduli of the flawed generator are, modulo each of these primes, a power of 65537; others are with odds of 2^-27.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.iter().all(|prime| {
        let residue = n
            .iter()
            .fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * (65_537 % prime) % prime;
            power == residue
        })
    })
}

/// The y coordinates of the points of order 1, 2, 4 and 8, and their non-canonical spellings; the sign bit is ignored.
fn is_small_order(key: &[u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *key;
    y[31] &= 0x7f;
    let top_is_ones = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff);
    // p - 1 and everything from p on, which would be a second spelling of a small y.
    let near_p = top_is_ones && y[0] >= 0xec;
    let zero_or_one = y[0] <= 1 && y[1..].iter().all(|byte| *byte == 0);
    near_p || zero_or_one || ORDER_8.contains(&y)
}

/// The members of one JWK before they mean anything.
#[derive(Default)]
struct RawJwk<'a> {
    position: usize,
    fields: HashMap<&'static str, Field<'a>>,
    broken: Option<String>,
}

const MEMBERS: [&str; 12] = [
    "kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y", "d", "k",
];

impl<'a> RawJwk<'a> {
    fn label(&self) -> String {
        match self.text("kid") {
            Ok(Some(kid)) => format!("key {:?}", json::short(kid)),
            _ => format!("key number {}", self.position + 1),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Field::Text(text)) => Ok(Some(text)),
            Some(other) => Err(format!(
                "`{name}` is {}, expected a string",
                other.type_name()
            )),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let text = self
            .text(name)?
            .ok_or_else(|| format!("`{name}` is missing"))?;
        base64url::decode(text.as_bytes())
            .map_err(|_| format!("`{name}` is not canonical base64url"))
    }

    fn into_jwk(self, allowed: AlgorithmSet) -> Result<Jwk, String> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        if self.fields.contains_key("d") {
            return Err(PRIVATE_KEY.to_owned());
        }
        let material = self.material()?;
        if let Some(intended) = self.text("use")?
            && intended != "sig"
        {
            return Err(format!(
                "`use` is {:?}, expected \"sig\"",
                json::short(intended)
            ));
        }
        match self.fields.get("key_ops") {
            None => {}
            Some(Field::List(operations)) if operations.iter().any(|op| op == "verify") => {}
            Some(_) => return Err("`key_ops` does not include \"verify\"".to_owned()),
        }
        let wanted = match self.text("alg")? {
            None => allowed,
            Some(name) => match Algorithm::from_name(name) {
                Some(algorithm) if allowed.contains(algorithm) => algorithm.into(),
                Some(algorithm) => {
                    return Err(format!(
                        "the key is for {algorithm}, which is not allowed here ({allowed})"
                    ));
                }
                None => {
                    return Err(format!(
                        "`alg` {:?} is no signature algorithm",
                        json::short(name)
                    ));
                }
            },
        };
        let kid = self.text("kid")?.map(str::to_owned);
        Jwk::new(kid, &material, wanted)
    }

    fn material(&self) -> Result<Material, String> {
        let kty = self.text("kty")?.ok_or("`kty` is missing")?;
        let crv = self.text("crv")?;
        match (kty, crv) {
            ("RSA", _) => {
                let trimmed = |name| {
                    let bytes = self.bytes(name)?;
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    Ok::<_, String>(bytes[zeros..].to_vec())
                };
                Ok(Material::Rsa {
                    n: trimmed("n")?,
                    e: trimmed("e")?,
                })
            }
            ("EC", Some(curve)) => {
                let (curve, width) = match curve {
                    "P-256" => (EcCurve::P256, 32),
                    "P-384" => (EcCurve::P384, 48),
                    "P-521" => (EcCurve::P521, 66),
                    other => {
                        return Err(format!("`crv` {:?} is not supported", json::short(other)));
                    }
                };
                let (x, y) = (self.bytes("x")?, self.bytes("y")?);
                if x.len() != width || y.len() != width {
                    return Err(format!(
                        "`x` and `y` are exactly {width} bytes on this curve"
                    ));
                }
                Ok(Material::Ec { curve, x, y })
            }
            ("OKP", Some("Ed25519")) => {
                let x: Result<[u8; 32], _> = self.bytes("x")?.try_into();
                Ok(Material::Ed25519(
                    x.map_err(|_| "`x` is exactly 32 bytes on this curve")?,
                ))
            }
            ("oct", _) => Err("a symmetric key has no place in a public key set".to_owned()),
            ("EC" | "OKP", None) => Err("`crv` is missing".to_owned()),
            (kty, crv) => {
                let curve = crv
                    .map(|c| format!(" with `crv` {:?}", json::short(c)))
                    .unwrap_or_default();
                Err(format!(
                    "`kty` {:?}{curve} is not supported",
                    json::short(kty)
                ))
            }
        }
    }
}

/// Reads `{"keys": [...]}`, or one JWK, or a bare list of JWKs.
struct SetVisitor;

impl<'de> Visitor<'de> for SetVisitor {
    type Value = Vec<RawJwk<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWK set, an object with a list `keys`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = sequence.next_element_seed(JwkSeed {
            position: keys.len(),
        })? {
            keys.push(key);
        }
        Ok(keys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = None;
        let mut single = RawJwk::default();
        let mut names = Names::default();
        while let Some(Name(name)) = map.next_key()? {
            if name == "keys" {
                keys = Some(map.next_value_seed(KeysSeed)?);
            } else {
                single.member(&name, map.next_value_seed(FieldSeed { depth: 1 })?);
            }
            names.insert(name)?;
        }
        match keys {
            Some(keys) => Ok(keys),
            None if names.contains("kty") => Ok(vec![single]),
            None => Err(A::Error::custom("there is no member `keys`")),
        }
    }
}

impl<'a> RawJwk<'a> {
    fn member(&mut self, name: &str, value: Field<'a>) {
        if let Some(known) = MEMBERS.iter().find(|known| **known == name) {
            self.fields.insert(known, value);
        }
    }
}

struct KeysSeed;

impl<'de> DeserializeSeed<'de> for KeysSeed {
    type Value = Vec<RawJwk<'de>>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(SetVisitor)
    }
}

struct JwkSeed {
    position: usize,
}

impl<'de> DeserializeSeed<'de> for JwkSeed {
    type Value = RawJwk<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A member of `keys` that is no object is a broken key, not a broken set; so is one that repeats a name.
impl<'de> Visitor<'de> for JwkSeed {
    type Value = RawJwk<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWK")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawJwk<'de>, A::Error> {
        let mut jwk = RawJwk {
            position: self.position,
            ..RawJwk::default()
        };
        let mut names = Names::default();
        while let Some(Name(name)) = map.next_key()? {
            jwk.member(&name, map.next_value_seed(FieldSeed { depth: 2 })?);
            if let Err(error) = names.insert::<serde_json::Error>(name) {
                jwk.broken = Some(error.to_string());
            }
        }
        Ok(jwk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<RawJwk<'de>, A::Error> {
        FieldSeed { depth: 2 }.visit_seq(sequence)?;
        Ok(self.broken("a list"))
    }

    fn visit_unit<E>(self) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("a boolean"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<RawJwk<'de>, E> {
        Ok(self.broken("a string"))
    }
}

impl JwkSeed {
    fn broken<'a>(&self, found: &str) -> RawJwk<'a> {
        let broken = Some(format!("it is {found}, expected an object"));
        RawJwk {
            position: self.position,
            broken,
            ..RawJwk::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.2: a published example key.
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ed"}"#;
    const ALL: AlgorithmSet = AlgorithmSet::ASYMMETRIC;

    #[test]
    fn one_broken_key_does_not_spoil_the_set() {
        let json = format!(
            r#"{{"keys":[null,1,"x",[],{{}},{{"kty":"oct","k":"AA"}},{{"kty":"RSA","n":"AQAB","e":"AQAB"}},{{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"d","kid":"d"}},{ED25519}]}}"#
        );
        let set = JwkSet::parse(&json, ALL).unwrap();
        assert_eq!(set.keys().len(), 1);
        assert_eq!(set.skipped().len(), 8, "{:#?}", set.skipped());
        assert!(set.covers(Some("ed")) && set.covers(None) && !set.covers(Some("other")));
    }

    #[test]
    fn a_jwk_alone_and_a_list_are_sets_too() {
        assert_eq!(JwkSet::parse(ED25519, ALL).unwrap().keys().len(), 1);
        assert_eq!(
            JwkSet::parse(&format!("[{ED25519}]"), ALL)
                .unwrap()
                .keys()
                .len(),
            1
        );
        assert!(JwkSet::parse("{}", ALL).is_err());
        assert!(JwkSet::parse(r#"{"keys":{}}"#, ALL).is_err());
        assert!(JwkSet::parse("<html>", ALL).is_err());
    }

    #[test]
    fn use_alg_and_key_ops_are_heard() {
        for (member, usable) in [
            (r#""use":"sig""#, true),
            (r#""use":"enc""#, false),
            (r#""key_ops":["verify"]"#, true),
            (r#""key_ops":["sign"]"#, false),
            (r#""key_ops":[]"#, false),
            (r#""alg":"EdDSA""#, true),
            (r#""alg":"ES256""#, false),
            (r#""alg":"HS256""#, false),
            (r#""d":"AA""#, false),
        ] {
            let json = ED25519.replacen('{', &format!("{{{member},"), 1);
            assert_eq!(
                !JwkSet::parse(&json, ALL).unwrap().keys().is_empty(),
                usable,
                "{member}"
            );
        }
    }

    #[test]
    fn a_repeated_kid_is_ambiguous() {
        let set = JwkSet::parse(&format!(r#"{{"keys":[{ED25519},{ED25519}]}}"#), ALL).unwrap();
        assert!(set.keys().is_empty() && set.skipped().len() == 1);
    }

    #[test]
    fn a_key_that_may_verify_nothing_here_is_refused() {
        let only_rsa = AlgorithmSet::from(Algorithm::RS256);
        let error = JwkSet::read(ED25519.as_bytes(), only_rsa).unwrap_err();
        assert!(error.to_string().contains("EdDSA"), "{error}");
    }

    #[test]
    fn a_private_jwk_asks_for_rotation() {
        let json = ED25519.replacen('{', r#"{"d":"AA","#, 1);
        assert!(
            JwkSet::read(json.as_bytes(), ALL)
                .unwrap_err()
                .to_string()
                .contains("rotate")
        );
    }

    #[test]
    fn small_order_points_are_no_keys() {
        let point = |first: u8, rest: u8, last: u8| {
            let mut key = [rest; 32];
            (key[0], key[31]) = (first, last);
            key
        };
        for key in [
            point(0, 0, 0),
            point(1, 0, 0x80),
            point(0xec, 0xff, 0x7f),
            point(0xee, 0xff, 0xff),
        ] {
            assert!(is_small_order(&key));
        }
        assert!(!is_small_order(&point(9, 0, 0)));
    }
}
