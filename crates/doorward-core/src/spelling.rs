//! Keys as operators spell them: PEM, DER, JWK, JWKS (RFC 7468, RFC 5280 §4.1.2.7, RFC 8017 §A.1.1, RFC 7517).

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;

/// A public key, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point, each coordinate exactly as wide as the field. Not checked to lie on the curve.
    Ec {
        curve: EcCurve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    /// An encoded point. Not checked either.
    Ed25519([u8; 32]),
}

impl Material {
    /// The same for the same key, however it was spelled.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let parts: Vec<&[u8]> = match self {
            Self::Rsa { n, e } => vec![b"RSA", n, e],
            Self::Ec { x, y, .. } => vec![b"EC", x, y],
            Self::Ed25519(key) => vec![b"OKP", key],
        };
        // No part has a zero byte before it that is not its own, and lengths tell curves apart.
        crate::crypto::sha256(&parts.join(&0u8))
    }
}

/// The curves a token may be signed on (RFC 7518 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EcCurve {
    P256,
    P384,
    P521,
}

/// What a text turned out to be.
pub(crate) enum Spelled {
    /// JSON, without quotes around it: a JWK or a JWK set, to be read by `jwk.rs`.
    Json(String),
    /// One or more keys from PEM or DER.
    Keys(Vec<Material>),
}

/// Reads key material in any spelling an operator has: PEM (also on one line, quoted, indented, with `\n` written out),
/// DER, base64 of either, and JSON.
///
/// Of a certificate only the public key is taken. Nothing else in it is looked at: not its dates, its issuer, its
/// signature or its uses. Several certificates in one text are a chain more often than not, and a chain's upper part signs
/// certificates, not tokens: they are refused, and may be given one by one.
pub(crate) fn read(input: &[u8]) -> Result<Spelled, SpellingError> {
    if input.len() > MAX_INPUT {
        return Err(SpellingError::TooLong { bytes: input.len() });
    }
    read_bytes(input, 0)
}

/// Why a text is no usable public key. Never contains any of the text but a PEM label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpellingError {
    /// Nothing but blanks and quotes.
    Empty,
    /// More than 256 KiB.
    TooLong { bytes: usize },
    /// More than 200 keys.
    TooManyKeys,
    /// A private key, whole or in part.
    PrivateKey,
    /// A URL where a key should be.
    Url,
    /// A file's name where its content should be.
    Path,
    /// A publishable or secret API key.
    ApiKey,
    /// An elliptic curve point in compressed form.
    CompressedPoint,
    /// A known thing that is no key for us.
    Unsupported(String),
    /// PEM whose frame is broken.
    Pem(&'static str),
    /// A PEM body that is not base64.
    Base64,
    /// DER that breaks its rules.
    Der(&'static str),
    /// None of the spellings.
    Unrecognized,
}

impl fmt::Display for SpellingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the key is empty; expected {EXPECTED}"),
            Self::TooLong { bytes } => write!(
                f,
                "{bytes} bytes are too long for key material; at most {MAX_INPUT} are read"
            ),
            Self::TooManyKeys => write!(f, "more than {MAX_KEYS} keys in one text"),
            Self::PrivateKey => f.write_str(
                "this is a private key; a verifier needs the public half only. \
                 Treat it as compromised and rotate it, then give the new public key here",
            ),
            Self::Url => f.write_str(
                "this is a URL, not a key; to fetch keys from it, put it in the setting `jwks_url`",
            ),
            Self::Path => f.write_str(
                "this looks like the name of a file, not a key; read the file and give its content",
            ),
            Self::ApiKey => f.write_str(
                "this looks like a publishable or secret API key, which is no key material; \
                 it belongs in the setting `publishable_key` or `secret_key`",
            ),
            Self::CompressedPoint => f.write_str(
                "the elliptic curve point is compressed; expected it uncompressed \
                 (`openssl ec -pubin -conv_form uncompressed`)",
            ),
            Self::Unsupported(found) => {
                write!(
                    f,
                    "found {found}, which is not supported; expected {EXPECTED}"
                )
            }
            Self::Pem(why) => write!(f, "the PEM is broken: {why}"),
            Self::Base64 => f.write_str("what stands between the PEM lines is not base64"),
            Self::Der(why) => write!(f, "the key's DER encoding is broken: {why}"),
            Self::Unrecognized => {
                write!(f, "this is no key in any known form; expected {EXPECTED}")
            }
        }
    }
}

impl std::error::Error for SpellingError {}

// Texts.

/// `depth` counts the layers of base64 taken off so far.
fn read_bytes(input: &[u8], depth: u8) -> Result<Spelled, SpellingError> {
    let text = std::str::from_utf8(input).ok();
    let binary = |c: char| c.is_control() && !c.is_whitespace();
    match text.map(trimmed).filter(|text| !text.contains(binary)) {
        Some(text) => read_text(text, depth),
        None if input.starts_with(OPENSSH_PRIVATE) => Err(SpellingError::PrivateKey),
        None if input.starts_with(b"\0\0\0") => unsupported("an SSH public key"),
        None if input.starts_with(b"\xff\xfe") || input.starts_with(b"\xfe\xff") => {
            unsupported("UTF-16 text (save it as UTF-8)")
        }
        None if input.first() == Some(&SEQUENCE) => Ok(Spelled::Keys(vec![key(input)?])),
        None => Err(SpellingError::Unrecognized),
    }
}

fn read_text(text: &str, depth: u8) -> Result<Spelled, SpellingError> {
    let text = unquoted(text);
    if text.is_empty() {
        return Err(SpellingError::Empty);
    }
    if text.starts_with(['{', '[']) {
        return Ok(Spelled::Json(json(&text)));
    }
    let text = unescaped(&text);
    if text.contains("-----") || text.contains("BEGIN ") {
        return Ok(Spelled::Keys(pem(&text)?));
    }
    if let Some(error) = known_stranger(&text) {
        return Err(error);
    }
    match base64(&text) {
        Some(bytes) if depth < MAX_LAYERS => read_bytes(&bytes, depth + 1),
        _ => Err(SpellingError::Unrecognized),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Takes off up to two pairs of quotes, as shells, YAML and `.env` files leave them.
fn unquoted(text: &str) -> Cow<'_, str> {
    if let Ok(inner) = serde_json::from_str::<String>(text) {
        return Cow::Owned(trimmed(&inner).to_owned());
    }
    let mut text = text;
    for _ in 0..2 {
        let bare = |quote: &&str| text.strip_prefix(*quote)?.strip_suffix(*quote);
        match ["\"", "'", "`", "\\\""].iter().find_map(bare) {
            Some(inner) => text = trimmed(inner),
            None => break,
        }
    }
    Cow::Borrowed(text)
}

/// Turns `\n`, `\r` and `\t` in letters (Docker's `--env-file`), a backslash at a line's end, and `\/` into what they mean.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\\' => {}
            'n' | 'r' | 't' if escaped => plain.push('\n'),
            _ if escaped && !c.is_whitespace() && c != '/' && c != '"' => plain.extend(['\\', c]),
            _ => plain.push(c),
        }
        escaped = c == '\\';
    }
    Cow::Owned(plain)
}

/// The first reading that is JSON: as it stands, as the inside of a JSON string, with `\n` written out. If none is, the
/// text as it stands, for `jwk.rs` to explain.
fn json(text: &str) -> String {
    let is_json = |text: &String| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let inside = || serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
    let plain = || Some(unescaped(text).into_owned());
    Some(text.to_owned())
        .filter(is_json)
        .or_else(|| inside().filter(is_json))
        .or_else(|| plain().filter(is_json))
        .unwrap_or_else(|| text.to_owned())
}

/// Base64 in either alphabet, padded or not, with blanks anywhere.
fn base64(text: &str) -> Option<Vec<u8>> {
    let standard = |c: char| match c {
        '-' => '+',
        '_' => '/',
        _ => c,
    };
    let letters: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(standard)
        .collect();
    let padding = letters.bytes().rev().take_while(|b| *b == b'=').count();
    let letters = letters.get(..letters.len() - padding.min(2))?;
    base64_simd::STANDARD_NO_PAD.decode_to_vec(letters).ok()
}

/// Things often pasted where a key should be.
fn known_stranger(text: &str) -> Option<SpellingError> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| text.ends_with(suffix));
    if starts(&["PuTTY-User-Key-File"]) {
        return Some(SpellingError::PrivateKey);
    }
    if starts(&["pk_", "sk_"]) {
        return Some(SpellingError::ApiKey);
    }
    if starts(&["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]) {
        return Some(SpellingError::Unsupported("an SSH public key".to_owned()));
    }
    if starts(&["eyJ"]) && text.matches('.').count() >= 2 {
        return Some(SpellingError::Unsupported("a token (JWT)".to_owned()));
    }
    // Base64 of DER, PEM or JSON begins with none of these.
    if starts(&["/", "./", "../", "~", ".\\", "file:"])
        || text.get(1..2) == Some(":")
        || (ends(&FILE_ENDINGS) && !text.contains("://"))
    {
        return Some(SpellingError::Path);
    }
    text.contains("://").then_some(SpellingError::Url)
}

fn unsupported<T>(found: impl Into<String>) -> Result<T, SpellingError> {
    Err(SpellingError::Unsupported(found.into()))
}

// PEM (RFC 7468 §3, read laxly: the lines may have been joined, and prose may stand outside the blocks).

fn pem(text: &str) -> Result<Vec<Material>, SpellingError> {
    let broken = |why| move || SpellingError::Pem(why);
    if labels(text).any(|label| label.contains("PRIVATE")) {
        return Err(SpellingError::PrivateKey);
    }
    let (mut keys, mut certificates) = (Vec::new(), 0);
    let mut rest = text;
    while let Some((outside, after)) = rest.split_once("-----BEGIN") {
        if labels(outside).next().is_some() {
            break;
        }
        let (label, after) = after
            .split_once("-----")
            .ok_or_else(broken("a BEGIN line does not end in five dashes"))?;
        if !matches!(
            squeezed(label).as_str(),
            "PUBLICKEY" | "RSAPUBLICKEY" | "CERTIFICATE" | "X509CERTIFICATE"
        ) {
            return unsupported(shown(label));
        }
        let (body, after) = after
            .split_once("-----END")
            .ok_or_else(broken("an END line is missing; was the text cut off?"))?;
        let (end, after) = after
            .split_once("-----")
            .ok_or_else(broken("an END line does not end in five dashes"))?;
        if squeezed(label) != squeezed(end) {
            return Err(SpellingError::Pem(
                "the BEGIN and END lines have different labels",
            ));
        }
        if squeezed(label).ends_with("CERTIFICATE") {
            certificates += 1;
        }
        if certificates > 1 {
            return Err(SpellingError::Pem(
                "there are several certificates, probably a chain; give the one that signs tokens, or several as a list",
            ));
        }
        if keys.len() == MAX_KEYS {
            return Err(SpellingError::TooManyKeys);
        }
        // The structure decides what it is: the labels of the two forms of RSA keys are often confused.
        let body = Some(body)
            .filter(|body| !body.contains("-----"))
            .and_then(base64);
        keys.push(key(&body.ok_or(SpellingError::Base64)?)?);
        rest = after;
    }
    match labels(rest).next() {
        Some(label) if label.contains("SSH2") => unsupported("an SSH public key"),
        Some(_) => Err(SpellingError::Pem(
            "a BEGIN or END line stands alone or has not five dashes on each side",
        )),
        None if keys.is_empty() => Err(SpellingError::Pem("there is no BEGIN line")),
        None => Ok(keys),
    }
}

/// The label after every BEGIN and END that dashes introduce, without blanks, however broken the line.
fn labels(text: &str) -> impl Iterator<Item = String> + '_ {
    let starts = ["BEGIN", "END"]
        .into_iter()
        .flat_map(|word| text.match_indices(word));
    let dashed = |at: usize| {
        text.get(..at)
            .is_some_and(|before| before.trim_end().ends_with('-'))
    };
    starts
        .filter(move |(at, _)| dashed(*at))
        .filter_map(|(at, word)| text.get(at + word.len()..))
        .map(|after| squeezed(after.split('-').next().unwrap_or_default()))
}

fn squeezed(label: &str) -> String {
    label
        .chars()
        .filter(|c| !c.is_whitespace())
        .take(64)
        .collect()
}

/// A label for an error. What does not look like one is not repeated, for it may be anything.
fn shown(label: &str) -> String {
    let label = label.trim();
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ';
    if label.len() <= 32 && label.bytes().all(plain) {
        format!("PEM with the label `{label}`")
    } else {
        "PEM with an unknown label".to_owned()
    }
}

// Keys in DER (RFC 5280 §4.1, RFC 8017 §A.1.1, RFC 5480 §2, RFC 8410 §3).

/// SubjectPublicKeyInfo, RSAPublicKey or Certificate, told apart by how they begin.
fn key(der: &[u8]) -> Result<Material, SpellingError> {
    if begins_as_private(der) {
        return Err(SpellingError::PrivateKey);
    }
    let outer = Der::only(der, SEQUENCE)?;
    if outer.peek() == Some(INTEGER) {
        return rsa(outer);
    }
    match Der(outer.0).take(SEQUENCE)?.peek() {
        Some(OID) => public_key_info(outer),
        Some(VERSION | INTEGER) => certificate(outer),
        _ => Err(SpellingError::Der("neither a public key nor a certificate")),
    }
}

/// Whether this begins as PKCS#8, PKCS#1 or SEC 1 put a private key, or a PKCS#12 archive; even if cut off.
fn begins_as_private(der: &[u8]) -> bool {
    let after_header = match der {
        [SEQUENCE, length, rest @ ..] if *length < 0x80 => rest,
        [SEQUENCE, length, rest @ ..] => rest.get(usize::from(length & 0x7f)..).unwrap_or(&[]),
        _ => &[],
    };
    // A version; or the password-based ciphers of EncryptedPrivateKeyInfo (RFC 8018 §A, RFC 7292 §C).
    let encrypted = |oid: &[u8]| oid.starts_with(PKCS5) || oid.starts_with(PKCS12_PBE);
    let cipher = || Der(after_header).take(SEQUENCE).ok()?.take(OID).ok();
    matches!(after_header, [INTEGER, 1, 0 | 1 | 3, ..])
        || cipher().is_some_and(|oid| encrypted(oid.0))
}

fn certificate(mut outer: Der<'_>) -> Result<Material, SpellingError> {
    let mut body = outer.take(SEQUENCE)?;
    outer.take(SEQUENCE)?;
    outer.take(BIT_STRING)?;
    outer.end()?;
    if body.peek() == Some(VERSION) {
        body.take(VERSION)?;
    }
    body.take(INTEGER)?; // serialNumber
    for _ in ["signature", "issuer", "validity", "subject"] {
        body.take(SEQUENCE)?;
    }
    public_key_info(body.take(SEQUENCE)?)
}

fn public_key_info(mut info: Der<'_>) -> Result<Material, SpellingError> {
    let mut algorithm = info.take(SEQUENCE)?;
    let name = algorithm.take(OID)?.0;
    let bits = info.take(BIT_STRING)?.0;
    info.end()?;
    let [0, public @ ..] = bits else {
        return Err(SpellingError::Der("a bit string that is not whole bytes"));
    };
    match name {
        RSA_ENCRYPTION => {
            if algorithm.peek().is_some() && !algorithm.take(NULL)?.0.is_empty() {
                return Err(SpellingError::Der("a NULL that is not empty"));
            }
            algorithm.end()?;
            rsa(Der::only(public, SEQUENCE)?)
        }
        // Its parameters may narrow the hash; the issuer's algorithms do that here.
        RSASSA_PSS => rsa(Der::only(public, SEQUENCE)?),
        EC_PUBLIC_KEY => {
            if algorithm.peek() == Some(SEQUENCE) {
                return unsupported("an elliptic curve given by its parameters, not by its name");
            }
            let curve = algorithm.take(OID)?.0;
            algorithm.end()?;
            ec(curve, public)
        }
        ED25519 => {
            algorithm.end()?;
            let point = public.try_into();
            point
                .map(Material::Ed25519)
                .map_err(|_| SpellingError::Der("not 32 bytes of Ed25519"))
        }
        _ => unsupported(named(name).unwrap_or("a key of an unknown algorithm")),
    }
}

fn rsa(mut key: Der<'_>) -> Result<Material, SpellingError> {
    let n = key.positive()?.to_vec();
    let e = key.positive()?.to_vec();
    key.end()?;
    Ok(Material::Rsa { n, e })
}

fn ec(curve: &[u8], point: &[u8]) -> Result<Material, SpellingError> {
    let (curve, width) = match curve {
        PRIME256V1 => (EcCurve::P256, 32),
        SECP384R1 => (EcCurve::P384, 48),
        SECP521R1 => (EcCurve::P521, 66),
        _ => return unsupported(named(curve).unwrap_or("a key on an unknown curve")),
    };
    match point {
        [4, xy @ ..] if xy.len() == 2 * width => {
            let (x, y) = xy.split_at(width);
            Ok(Material::Ec {
                curve,
                x: x.to_vec(),
                y: y.to_vec(),
            })
        }
        [2 | 3, x @ ..] if x.len() == width => Err(SpellingError::CompressedPoint),
        _ => Err(SpellingError::Der(
            "a point that is not as wide as its curve",
        )),
    }
}

fn named(oid: &[u8]) -> Option<&'static str> {
    STRANGERS
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, name)| *name)
}

/// A strict reader of DER: one-byte tags, definite lengths of the shortest form (X.690 §10.1).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the one element that `bytes` are, with nothing after it.
    fn only(bytes: &'a [u8], tag: u8) -> Result<Self, SpellingError> {
        let mut all = Self(bytes);
        let content = all.take(tag)?;
        all.end().map(|()| content)
    }

    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<Self, SpellingError> {
        const CUT_OFF: SpellingError = SpellingError::Der("it ends too early; was it cut off?");
        let (found, rest) = self.0.split_first().ok_or(CUT_OFF)?;
        if *found != tag {
            return Err(SpellingError::Der(
                "an element of another type than expected",
            ));
        }
        let (first, rest) = rest.split_first().ok_or(CUT_OFF)?;
        let (length, rest) = match *first {
            short @ ..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x83 => {
                let (digits, rest) = rest
                    .split_at_checked(usize::from(long & 0x7f))
                    .ok_or(CUT_OFF)?;
                let length = digits
                    .iter()
                    .fold(0, |value, byte| value << 8 | usize::from(*byte));
                if length < 0x80 || digits.first() == Some(&0) {
                    return Err(SpellingError::Der("a length not in its shortest form"));
                }
                (length, rest)
            }
            _ => {
                return Err(SpellingError::Der(
                    "a length that is indefinite or too large",
                ));
            }
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(Self(content))
    }

    /// A positive integer, without its sign byte.
    fn positive(&mut self) -> Result<&'a [u8], SpellingError> {
        match self.take(INTEGER)?.0 {
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Ok(rest),
            rest @ [1..=0x7f, ..] => Ok(rest),
            _ => Err(SpellingError::Der(
                "an integer that is not positive or not in its shortest form",
            )),
        }
    }

    fn end(&self) -> Result<(), SpellingError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(SpellingError::Der("something follows where it should end")),
        }
    }
}

const MAX_INPUT: usize = 256 * 1024;
const MAX_KEYS: usize = 200;
/// Base64 of a bare base64 body is what a copied Kubernetes secret may be.
const MAX_LAYERS: u8 = 2;

const EXPECTED: &str =
    "a public key or certificate in PEM or DER, base64 of it, a JWK or a JWK set";
const FILE_ENDINGS: [&str; 9] = [
    ".pem", ".der", ".crt", ".cer", ".key", ".pub", ".json", ".jwk", ".jwks",
];
const OPENSSH_PRIVATE: &[u8] = b"openssh-key-v1\0";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, the version of a certificate.
const VERSION: u8 = 0xa0;

const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"; // 1.2.840.113549.1.1.1
const RSASSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"; // 1.2.840.113549.1.1.10
const PKCS5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05"; // 1.2.840.113549.1.5
const PKCS12_PBE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"; // 1.2.840.113549.1.12.1
const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01"; // 1.2.840.10045.2.1
const PRIME256V1: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"; // 1.2.840.10045.3.1.7
const SECP384R1: &[u8] = b"\x2b\x81\x04\x00\x22"; // 1.3.132.0.34
const SECP521R1: &[u8] = b"\x2b\x81\x04\x00\x23"; // 1.3.132.0.35
const ED25519: &[u8] = b"\x2b\x65\x70"; // 1.3.101.112

const STRANGERS: [(&[u8], &str); 8] = [
    (
        b"\x2b\x65\x6e",
        "an X25519 key (for key agreement, not signatures)",
    ),
    (
        b"\x2b\x65\x6f",
        "an X448 key (for key agreement, not signatures)",
    ),
    (b"\x2b\x65\x71", "an Ed448 key"),
    (b"\x2b\x81\x04\x00\x0a", "a key on the curve secp256k1"),
    (b"\x2b\x81\x04\x00\x21", "a key on the curve P-224"),
    (b"\x2a\x86\x48\xce\x38\x04\x01", "a DSA key"),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01",
        "a Diffie-Hellman key",
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07",
        "an RSA key for encryption only (OAEP)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use SpellingError as E;

    // Test keys, made with the openssl command; their private halves are gone.
    const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfQr77S+F/kElTkeneUv1wUEEH8YeWytXLrOHj4bDpS51+YYI43/jSY/goEueleYKQfe7finHlIQ+oTzCZCcUnA==";
    const P384: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEj8iJG61XwQuasOSOJuDtEaSUI2mjnodB3Fi3g+W/816mtLYW8JzPdEW8CXDJlVHYK4eK6sNUxPaqhg0XfDYHaoyTVbYdhaau7ya/sMT263+GJH1XjR347F1P0JU9PWUq";
    const P521: &str = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQANGrxPNKKtQgnRp5u3UHN57n6kzd4n2ABuSQ4IhI9WGVOim+AL6OxyxHW2ZThDw9L9wPOtsF1IANGogda9jOvxK0A3yc7+y4Lbq44xFnL5G8P5Z0NCHhE4mRiaplDyMkoOV/P1GjgsQ0g3sYkpolho7wMCCvfFlsXDwrAUa3FByaIPjo=";
    const ED: &str = "MCowBQYDK2VwAyEAJ5UVit+HnvI9rR+pSkY3i2jNnEyAlpGwQgdKImTjIWE=";
    const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkZfQbY1ENphNWJRLh76W54R7Mg5sk7vUtyU6Bn0HcxZCbmIzvRONE4ZmfsZjXDq9LgkWuPf7V5LVBA8zl8WzlS2MLS9FL9oASwzp328nHnUfJD8nnyYB0PKGbzA4CktK1b7ej7fX/bed+6tfYj7RG0v4nYrjjjSFL/BugWnlbtUku2cqfbFHtFg5zAV0N5R986a2UOgxyUAWfOUF8/tiJiImTWWeK/dgEG2uqov3gcLnovAwxFM7t6thDOYTMooAUUOAlwe5t6CcUIjazvlnfCOon751KzM4rbKAPXLU11cMpy/wwjmVI08Ym9Q3KShvBRlhmMCMX8yxLObxEECNqQIDAQAB";
    const PSS: &str = "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBALwNoGwnh5R1LWu9vjglx55kYLIPg8rTRA2smlqgGuywVByXmIawl0OZH6eZpUEaHmyvO4GuLOhzqPpzCeDOjsOureVSsGgO5iZslh6gvMKXjHnW8ZQrbLw5Dg9C646EwTKbSymsk3PXHZfZ9vDqNki/gTkOJmNhBpErz0nq1aRTsOf3KBz1EV/4JlXsF4wgvV8s18rG/IDGrkygLYku+pMdUbAR9iyxGvt+cqoo9L1R5LG/xcsTAQgjDdUelaEkL5fE7fXz0ZfzrInzqZaf+6r00nAFto55UoQGIYsZVTchkKgGimh1qGHrJSCHdJnyZ2djWk+BCMJO+t8FnU+Y7H8CAwEAAQ==";
    /// Self-signed, with the key `P256`.
    const CERTIFICATE: &str = "MIIBkDCCATWgAwIBAgIUZnHZpLd6YmTmBIGjZp88H+RLa9YwCgYIKoZIzj0EAwIwHDEaMBgGA1UEAwwRZG9vcndhcmQgdGVzdCBrZXkwIBcNMjYxMTIxMDcxNTEzWhgPMjEyNjEwMjgwNzE1MTNaMBwxGjAYBgNVBAMMEWRvb3J3YXJkIHRlc3Qga2V5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfQr77S+F/kElTkeneUv1wUEEH8YeWytXLrOHj4bDpS51+YYI43/jSY/goEueleYKQfe7finHlIQ+oTzCZCcUnKNTMFEwHQYDVR0OBBYEFGFRVEe6ti33/cPbBQ+flrZTgnarMB8GA1UdIwQYMBaAFGFRVEe6ti33/cPbBQ+flrZTgnarMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAOG4uPCpQHR4Ja2Q0IpFfuhJ43NfPOkEIdlpJTm3OXjeAiEAi8nGuSol9eOTgipTmak1OwuyWJsojioFlH2HAhJkzow=";
    /// The key `P256`, compressed.
    const COMPRESSED: &str =
        "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACfQr77S+F/kElTkeneUv1wUEEH8YeWytXLrOHj4bDpS4=";
    const SECP256K1: &str = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE1f3eJI+WV2PMWxA0uFQmJFwqH3zqD3hywhWt6jn6KRJpVgMl2wOQDSgnroj+l7nicIzGgC25ivyJLG9FDV7sww==";
    const X25519: &str = "MCowBQYDK2VuAyEARp4PH4cEeLDYfkiEO2Bay5gZwVDhjxemik+wdOG1ygs=";
    const ED448: &str = "MEMwBQYDK2VxAzoAgYM8UOrdmPQ47ivWFqjQD9nKvU+lT59/h3b0IrWdBIOKfRujVYRkOVi30yZTLHGarLYyJMQfRr0A";

    fn der(body: &str) -> Vec<u8> {
        base64(body).unwrap()
    }

    fn encoded(bytes: impl AsRef<[u8]>) -> String {
        base64_simd::STANDARD.encode_to_string(bytes)
    }

    /// PEM with lines of 64 letters.
    fn framed(label: &str, body: &str) -> String {
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    fn keys(input: impl AsRef<[u8]>) -> Vec<Material> {
        match read(input.as_ref()) {
            Ok(Spelled::Keys(keys)) => keys,
            Ok(Spelled::Json(_)) => panic!("JSON"),
            Err(error) => panic!("{error} in {}", String::from_utf8_lossy(input.as_ref())),
        }
    }

    fn error(input: impl AsRef<[u8]>) -> SpellingError {
        read(input.as_ref())
            .err()
            .unwrap_or_else(|| panic!("{:?}", input.as_ref()))
    }

    fn point(curve: EcCurve, body: &str, width: usize) -> Material {
        let der = der(body);
        let (rest, y) = der.split_at(der.len() - width);
        Material::Ec {
            curve,
            x: rest[rest.len() - width..].to_vec(),
            y: y.to_vec(),
        }
    }

    fn p256() -> Material {
        point(EcCurve::P256, P256, 32)
    }

    #[test]
    fn takes_every_kind_of_key_apart() {
        assert!(keys(P256) == [p256()]);
        assert!(keys(P384) == [point(EcCurve::P384, P384, 48)]);
        assert!(keys(P521) == [point(EcCurve::P521, P521, 66)]);
        assert!(keys(ED) == [Material::Ed25519(der(ED)[12..].try_into().unwrap())]);
        for body in [RSA, PSS] {
            let Material::Rsa { n, e } = keys(body).remove(0) else {
                panic!()
            };
            assert!(
                e == [1, 0, 1] && n.len() == 256 && n == der(body)[der(body).len() - 261..][..256]
            );
        }
        // PKCS#1 is what SubjectPublicKeyInfo wraps.
        let pkcs1 = encoded(&der(RSA)[24..]);
        assert!(keys(&pkcs1) == keys(RSA) && keys(framed("RSA PUBLIC KEY", &pkcs1)) == keys(RSA));
        assert!(
            keys(framed("RSA PUBLIC KEY", RSA)) == keys(RSA) && keys(&der(RSA)[24..]) == keys(RSA)
        );
        assert!(keys(framed("CERTIFICATE", CERTIFICATE)) == [p256()]);
    }

    #[test]
    fn takes_every_spelling() {
        for (label, body) in [("PUBLIC KEY", P256), ("CERTIFICATE", CERTIFICATE)] {
            let pem = framed(label, body);
            let line = pem.trim().replace('\n', "");
            let letters = pem.replace('\n', "\\n");
            let url_safe = body.replace('+', "-").replace('/', "_");
            let spellings = [
                pem.clone(),
                pem.replace('\n', "\r\n"),
                pem.replace('\n', "\r"),
                pem.replace('\n', " "),
                pem.replace('\n', "\n    "),
                format!("\u{feff}\n\t {pem} \n\n"),
                format!("subject=CN = some prose\n{pem}more prose"),
                line.replace(' ', ""),
                letters.replace("\\n", "\\r\\n"),
                letters.replace("\\n", "\\\\n"),
                pem.replace('\n', "\\\n"),
                format!("\"{letters}\""),
                format!("'{letters}'"),
                format!("'\"{pem}\"'"),
                format!("\\\"{letters}\\\""),
                serde_json::to_string(&pem).unwrap(),
                letters.replace('/', "\\/"),
                line,
                letters,
                body.to_owned(),
                body.trim_end_matches('=').to_owned(),
                url_safe.trim_end_matches('=').to_owned(),
                url_safe,
                format!("\" {body} \""),
                format!("{}\n{}", &body[..40], &body[40..]),
                encoded(&pem),
                encoded(body),
                encoded(encoded(&pem)),
            ];
            for spelling in spellings {
                assert!(keys(&spelling) == [p256()], "{spelling}");
            }
            assert!(keys(der(body)) == [p256()]);
        }
        let chain = [
            framed("CERTIFICATE", CERTIFICATE),
            framed("CERTIFICATE", CERTIFICATE),
        ]
        .concat();
        assert!(
            matches!(read(chain.as_bytes()), Err(SpellingError::Pem(why)) if why.contains("chain"))
        );
        let several = [framed("PUBLIC KEY", ED), framed("CERTIFICATE", CERTIFICATE)].concat();
        assert!(keys(several.replace('\n', "")) == [keys(ED).remove(0), p256()]);
    }

    #[test]
    fn hands_json_on_without_its_wrapping() {
        let jwk = r#"{"kty":"OKP","x":"a"}"#;
        for spelling in [
            jwk.to_owned(),
            format!("\u{feff} {jwk}\n"),
            format!("'{jwk}'"),
            format!("\"{jwk}\""),
            serde_json::to_string(jwk).unwrap(),
            jwk.replace('"', "\\\""),
            encoded(jwk),
        ] {
            assert!(matches!(read(spelling.as_bytes()), Ok(Spelled::Json(json)) if json == jwk));
        }
        let lettered = "{\\n  \"keys\": []\\n}";
        assert!(
            matches!(read(lettered.as_bytes()), Ok(Spelled::Json(json)) if json == "{\n  \"keys\": []\n}")
        );
        assert!(matches!(read(b"[{]"), Ok(Spelled::Json(json)) if json == "[{]"));
    }

    #[test]
    fn refuses_every_private_key() {
        for kind in ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH ", "DSA "] {
            let pem = framed(&format!("{kind}PRIVATE KEY"), "AAAA");
            for spelling in [
                pem.replace('\n', ""),
                pem.replace('\n', "\\n"),
                pem.replace("-----", "--"),
            ] {
                assert_eq!(error(&spelling), E::PrivateKey, "{spelling}");
            }
            assert_eq!(error(&pem[..30]), E::PrivateKey);
            assert_eq!(error(encoded(&pem)), E::PrivateKey);
            assert_eq!(error(framed("PUBLIC KEY", P256) + &pem), E::PrivateKey);
        }
        assert_eq!(
            error("-----BEGIN PGP PRIVATE KEY BLOCK-----"),
            E::PrivateKey
        );
        assert_eq!(error(encoded(b"openssh-key-v1\0none")), E::PrivateKey);
        let ciphered = [
            &b"\x30\x12\x30\x0d\x06\x09"[..],
            PKCS5,
            b"\x0d\x30\x00\x04\x01\x07",
        ]
        .concat();
        for der in [
            &b"\x30\x07\x02\x01\x00\x30\x00\x04\x00"[..], // PKCS#8
            b"\x30\x06\x02\x01\x00\x02\x01\x05",          // PKCS#1
            b"\x30\x05\x02\x01\x01\x04\x00",              // SEC 1
            b"\x30\x82\x04\xa5\x02\x01\x00\x02\x82",      // cut off
            ciphered.as_slice(),
        ] {
            assert_eq!(error(der), E::PrivateKey, "{der:x?}");
            assert_eq!(error(encoded(der)), E::PrivateKey);
            assert_eq!(error(framed("PUBLIC KEY", &encoded(der))), E::PrivateKey);
        }
        assert!(E::PrivateKey.to_string().contains("rotate"));
    }

    #[test]
    fn names_what_it_does_not_take() {
        for (input, expected) in [
            ("ssh-rsa AAAAB3NzaC1yc2E me@host", "SSH"),
            ("AAAAB3NzaC1yc2EAAAADAQAB", "SSH"),
            (
                "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----",
                "SSH",
            ),
            (
                "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1",
                "`PGP PUBLIC KEY BLOCK`",
            ),
            (
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----",
                "`EC PARAMETERS`",
            ),
            ("-----BEGIN MFkwEwYH-----\n", "unknown label"),
            ("https://example.com/.well-known/jwks.json", "jwks_url"),
            ("'http://example.com/key.pem'", "jwks_url"),
            ("/etc/keys/public.pem", "file"),
            ("keys/public.pem", "file"),
            ("C:\\keys\\public", "file"),
            ("pk_test_ZXhhbXBsZQ", "publishable or secret API key"),
            ("sk_live_abc", "secret_key"),
            ("eyJhbGciOiJub25lIn0.e30.", "token"),
            (SECP256K1, "secp256k1"),
            (X25519, "X25519"),
            (ED448, "Ed448"),
            (COMPRESSED, "compressed"),
            ("hunter2", "expected a public key"),
            (" \"\" ", "empty"),
        ] {
            let told = error(input).to_string();
            assert!(told.contains(expected), "{input}: {told}");
            assert!(!told.contains("AAAA") && !told.contains("MFkw") && !told.contains("example"));
        }
        assert_eq!(
            error(b"\xff\xfeM\0F\0"),
            E::Unsupported("UTF-16 text (save it as UTF-8)".to_owned())
        );
    }

    #[test]
    fn refuses_broken_frames() {
        let pem = framed("PUBLIC KEY", P256);
        assert!(matches!(error(&pem[..100]), E::Pem(_)));
        assert!(matches!(error(&pem[30..]), E::Pem(_)));
        assert!(matches!(
            error(pem.replace("END PUBLIC", "END RSA PUBLIC")),
            E::Pem(_)
        ));
        assert!(matches!(error(pem.replace("-----", "----")), E::Pem(_)));
        assert!(matches!(
            error(pem.clone() + &pem.replace("-----", "----")),
            E::Pem(_)
        ));
        assert_eq!(error(pem.replace('M', "*")), E::Base64);
        assert_eq!(
            error(pem.replace("-----END PUBLIC KEY-----\n", "") + &pem),
            E::Base64
        );
        assert_eq!(keys(pem.replace('\n', "").repeat(MAX_KEYS)).len(), MAX_KEYS);
        assert_eq!(error(pem.repeat(MAX_KEYS + 1)), E::TooManyKeys);
        assert!(matches!(
            error(" ".repeat(MAX_INPUT + 1)),
            E::TooLong { .. }
        ));
    }

    #[test]
    fn der_is_strict_and_never_panics() {
        for body in [P256, P384, P521, ED, RSA, PSS, CERTIFICATE] {
            let der = der(body);
            for end in 0..der.len() {
                assert!(key(&der[..end]).is_err() && read(&der[..end]).is_err());
            }
            assert_eq!(
                key(&[&der[..], &[0]].concat()).err(),
                Some(E::Der("something follows where it should end"))
            );
            for (position, value) in
                (0..der.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte)))
            {
                let mut mutated = der.clone();
                mutated[position] = value;
                let _ = key(&mutated);
            }
        }
        for length in [
            &b"\x30\x80\x00\x00"[..],
            b"\x30\x81\x01\x00",
            b"\x30\x82\x00\x80",
            b"\x30\x84\x00\x00\x00\x01",
        ] {
            assert!(matches!(key(length), Err(E::Der(_))));
        }
        for integers in [
            &b"\x02\x00\x02\x01\x05"[..],
            b"\x02\x01\x80\x02\x01\x05",
            b"\x02\x02\x00\x05\x02\x01\x05",
            b"\x02\x01\x05\x02\x01\x00",
        ] {
            assert!(
                matches!(rsa(Der(integers)), Err(E::Der(_))),
                "{integers:x?}"
            );
        }
    }
}
