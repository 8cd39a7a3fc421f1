//! Webhooks as Standard Webhooks 1.0.0 and Svix, its origin, sign them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! What is signed is the id, a dot, the timestamp, a dot, and the body's octets. Nothing parses the body before that;
//! [`WebhookEvent`] reads it afterwards.

use std::fmt;
use std::sync::Arc;

use base64_simd::{AsOut as _, STANDARD};

use crate::algorithm::Algorithm;
use crate::credential::RequestHead;
use crate::crypto::{self, HmacSha256, VerifyingKey};
use crate::jwk;
use crate::spelling::Material;
use crate::timestamp::Timestamp;
pub use crate::webhook_event::{MAX_TYPE_BYTES, Members, WebhookEvent};
pub use crate::webhook_rejection::{WebhookReason, WebhookRejection};

/// Verifies webhooks with one or several signing secrets, parsed once. Cheap to clone; `Debug` shows how many secrets of
/// which kind there are, and nothing of them.
///
/// ```
/// use doorward_core::webhook::{self, WebhookVerifier};
/// use doorward_core::Timestamp;
///
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// let now = Timestamp::from_secs(1_800_000_000);
/// let headers = webhook::sign(secret, "msg_1", now, b"{}")?;
///
/// let verifier = WebhookVerifier::new([secret])?;
/// let message = verifier.verify(&headers.standard().to_vec(), b"{}", now).map_err(|r| r.to_string())?;
/// assert_eq!(message.id(), "msg_1");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct WebhookVerifier {
    keys: Arc<[Key]>,
}

impl WebhookVerifier {
    /// A verifier for these signing secrets, any of which will do: while an endpoint's secret is rotated, give the old
    /// and the new one.
    ///
    /// A secret is `whsec_` and base64 (HMAC-SHA256), or `whpk_` and base64 (an Ed25519 public key); without a prefix it
    /// counts as `whsec_`. Either alphabet, padded or not, with blanks or quotes around it.
    ///
    /// # Errors
    /// A sentence for the operator: what was found, never the secret itself, and what would be right.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let mut keys = Vec::new();
        for secret in secrets {
            if keys.len() == MAX_SECRETS {
                return Err(format!("there are more than {MAX_SECRETS} signing secrets"));
            }
            let key = Key::read(secret.as_ref());
            keys.push(key.map_err(|why| format!("signing secret {}: {why}", keys.len() + 1))?);
        }
        if keys.is_empty() {
            return Err("there is no signing secret, so every webhook would be refused".to_owned());
        }
        Ok(Self { keys: keys.into() })
    }

    /// Judges one request. The body is the octets as they arrived.
    ///
    /// # Errors
    /// Why it is not a genuine message of the last five minutes.
    pub fn verify<H: RequestHead>(
        &self,
        head: &H,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookMessage, WebhookRejection> {
        self.judge(head, body, Some(now))
    }

    /// As [`WebhookVerifier::verify`], however long ago the message was signed: for deliveries that were stored with
    /// their headers and are looked at again. Whoever has a genuine message can send it again and again.
    ///
    /// # Errors
    /// Why it is not a genuine message.
    pub fn verify_ignoring_timestamp<H: RequestHead>(
        &self,
        head: &H,
        body: &[u8],
    ) -> Result<WebhookMessage, WebhookRejection> {
        self.judge(head, body, None)
    }

    /// The steps, cheapest first.
    fn judge<H: RequestHead>(
        &self,
        head: &H,
        body: &[u8],
        now: Option<Timestamp>,
    ) -> Result<WebhookMessage, WebhookRejection> {
        if body.len() > MAX_BODY_BYTES {
            return Err(body_too_large(body.len()));
        }
        let headers = Headers::find(head)?;
        let id = id(headers.id)?;
        let sent_at = timestamp(headers.timestamp)?;
        if let Some(now) = now {
            in_time(sent_at, now)?;
        }
        let signatures = Signatures::read(headers.signature)?;
        let content = Content {
            id: headers.id,
            timestamp: headers.timestamp,
            body,
        };
        match signatures.verified_by(&self.keys, content) {
            Some(secret_index) => Ok(WebhookMessage {
                id: id.to_owned(),
                sent_at,
                secret_index,
            }),
            None => Err(self.mismatch(&signatures)),
        }
    }

    fn mismatch(&self, signatures: &Signatures) -> WebhookRejection {
        let rejection = WebhookRejection::new(WebhookReason::SignatureMismatch);
        let shared = self.keys.iter().any(|key| matches!(key, Key::Shared(_)));
        let public = self.keys.iter().any(|key| matches!(key, Key::Public(_)));
        if signatures.shared == 0 && !public {
            return rejection.with_detail(
                "the message is signed with Ed25519 (`v1a`), and no public key (`whpk_…`) is configured",
            );
        }
        if signatures.public == 0 && !shared {
            return rejection.with_detail(
                "the message is signed with a shared secret (`v1`), and only public keys (`whpk_…`) are configured",
            );
        }
        rejection.with_detail(format!(
            "{} readable signatures, {} configured secrets",
            signatures.shared + signatures.public,
            self.keys.len()
        ))
    }
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookVerifier").field(&self.keys).finish()
    }
}

/// A genuine message. Whether its id was seen before is for the receiver to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    id: String,
    sent_at: Timestamp,
    secret_index: usize,
}

impl WebhookMessage {
    /// The message's id, the same on every attempt to deliver it: the key to recognize what was already processed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When this attempt was signed, in whole seconds.
    pub fn sent_at(&self) -> Timestamp {
        self.sent_at
    }

    /// Which of the configured secrets verified it, from 0: a rotation is over when only the new one is used.
    pub fn secret_index(&self) -> usize {
        self.secret_index
    }
}

/// The three header values of a signed message.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookHeaders {
    id: String,
    timestamp: String,
    signature: String,
}

impl WebhookHeaders {
    /// From signatures that were made elsewhere, each as `version,base64`, for example with a private key.
    ///
    /// # Errors
    /// The id, the time or a signature cannot stand in a header of this kind.
    pub fn new<S: AsRef<str>>(
        id: &str,
        sent_at: Timestamp,
        signatures: impl IntoIterator<Item = S>,
    ) -> Result<Self, String> {
        self::id(id.as_bytes()).map_err(|rejection| rejection.to_string())?;
        let timestamp = sent_at.as_secs().to_string();
        self::timestamp(timestamp.as_bytes()).map_err(|rejection| rejection.to_string())?;
        let mut signature = String::new();
        for entry in signatures {
            if !signature.is_empty() {
                signature.push(' ');
            }
            signature.push_str(entry.as_ref());
        }
        Signatures::read(signature.as_bytes()).map_err(|rejection| rejection.to_string())?;
        Ok(Self {
            id: id.to_owned(),
            timestamp,
            signature,
        })
    }

    /// As header fields named `webhook-*` (Standard Webhooks).
    pub fn standard(&self) -> [(&'static str, String); 3] {
        self.named(STANDARD_FAMILY)
    }

    /// As header fields named `svix-*` (Svix, and so Clerk).
    pub fn svix(&self) -> [(&'static str, String); 3] {
        self.named(SVIX_FAMILY)
    }

    /// The value of the signature header, a list separated by spaces.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    fn named(&self, [id, timestamp, signature]: Family) -> [(&'static str, String); 3] {
        [
            (id, self.id.clone()),
            (timestamp, self.timestamp.clone()),
            (signature, self.signature.clone()),
        ]
    }
}

impl fmt::Debug for WebhookHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookHeaders")
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// Signs a message with a shared secret, as a provider does; the sender's other half of [`WebhookVerifier::verify`].
///
/// # Errors
/// The secret is none ([`WebhookVerifier::new`] says why), or the id or time cannot stand in a header.
pub fn sign(
    secret: &str,
    id: &str,
    sent_at: Timestamp,
    body: &[u8],
) -> Result<WebhookHeaders, String> {
    let key = match Key::read(secret).map_err(|why| format!("signing secret: {why}"))? {
        Key::Shared(key) => key,
        Key::Public(_) => {
            return Err("signing secret: a public key (`whpk_…`) verifies and cannot sign".into());
        }
    };
    let timestamp = sent_at.as_secs().to_string();
    let content = Content {
        id: id.as_bytes(),
        timestamp: timestamp.as_bytes(),
        body,
    };
    let tag = key.tag(&content.parts());
    let entry = format!("v1,{}", STANDARD.encode_to_string(tag));
    WebhookHeaders::new(id, sent_at, [entry])
}

/// What is signed, for those who sign with a key of their own: `id.timestamp.body`.
pub fn signed_content(id: &str, sent_at: Timestamp, body: &[u8]) -> Vec<u8> {
    let timestamp = sent_at.as_secs().to_string();
    let content = Content {
        id: id.as_bytes(),
        timestamp: timestamp.as_bytes(),
        body,
    };
    content.parts().concat()
}

/// One parsed secret.
enum Key {
    Shared(Box<HmacSha256>),
    Public(Box<VerifyingKey>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "whsec_…",
            Self::Public(_) => "whpk_…",
        })
    }
}

impl Key {
    /// Reads a secret as operators have it. No error repeats any of it.
    fn read(text: &str) -> Result<Self, String> {
        let text = unquoted(text.trim());
        if let Some(what) = something_else(text) {
            return Err(format!("found {what}; {EXPECTED}"));
        }
        // The prefix fixes the scheme: a public key never becomes the key of a MAC.
        if let Some(encoded) = text.strip_prefix("whpk_") {
            let bytes = base64(encoded)?;
            let length = bytes.len();
            let point: [u8; 32] = bytes.try_into().map_err(|_| {
                format!("found a public key (`whpk_…`) of {length} bytes; an Ed25519 key has 32")
            })?;
            let material = Material::Ed25519(point);
            jwk::sound(&material)?;
            let key = VerifyingKey::new(Algorithm::EdDSA, &material)?;
            return Ok(Self::Public(Box::new(key)));
        }
        let bytes = base64(text.strip_prefix("whsec_").unwrap_or(text))?;
        match bytes.len() {
            0 => Err(format!("found a prefix with nothing behind it; {EXPECTED}")),
            length @ ..MIN_SECRET_BYTES => Err(format!(
                "found a secret of {length} bytes, which can be guessed; expected {MIN_SECRET_BYTES} or more (providers make 24 to 64)"
            )),
            length if length > MAX_SECRET_BYTES => Err(format!(
                "found {length} bytes, which is no signing secret; expected at most {MAX_SECRET_BYTES}"
            )),
            _ => Ok(Self::Shared(Box::new(HmacSha256::new(&bytes)))),
        }
    }
}

/// What operators put there by mistake.
fn something_else(text: &str) -> Option<&'static str> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    let matched: &[(&[&str], &str)] = &[
        (
            &["sk_test_", "sk_live_", "ak_", "mt_", "ctx7sk_"],
            "an API secret key (`sk_…`), which signs no webhooks: take the signing secret from the webhook endpoint's own page, and rotate this key if it was exposed",
        ),
        (
            &["pk_test_", "pk_live_"],
            "a publishable key (`pk_…`), which is public: take the signing secret from the webhook endpoint's own page",
        ),
        (
            &["whsk_"],
            "a private signing key (`whsk_…`), which belongs to the sender alone: ask for a new pair, and give the public half (`whpk_…`) here",
        ),
        (
            &["ep_"],
            "the id of an endpoint (`ep_…`): the endpoint's signing secret stands on its own page",
        ),
        (&["app_", "ins_", "msg_"], "an id, not a secret"),
        (
            &["v1,", "v1a,"],
            "a signature, not the secret it was made with",
        ),
        (&["http://", "https://"], "a URL, not a secret"),
        (
            &["-----BEGIN"],
            "a PEM; an Ed25519 public key is written `whpk_` and base64 of its 32 bytes",
        ),
        (
            &["$", "{", "<", "whsec_...", "whsec_…", "whsec_xxxxxxxx"],
            "a placeholder that nobody filled in",
        ),
    ];
    if text.is_empty() {
        return Some("nothing");
    }
    let mut matched = matched.iter();
    matched.find_map(|(prefixes, what)| begins(prefixes).then_some(*what))
}

/// One pair of quotes, which `docker --env-file` leaves in place.
fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text).trim()
}

/// Base64 as secrets come in: either alphabet, padding or none. Signatures are read strictly; this is the operator's.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > MAX_SECRET_TEXT {
        return Err(format!(
            "found {} characters, which is no signing secret",
            text.len()
        ));
    }
    let standard = text.bytes().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    let standard: Vec<u8> = standard.collect();
    let end = standard.iter().rposition(|byte| *byte != b'=');
    let body = &standard[..end.map_or(0, |last| last + 1)];
    if standard.len() - body.len() > 2 {
        return Err(format!("found too much padding (`=`); {EXPECTED}"));
    }
    if let Some(place) = body.iter().position(|byte| !is_base64_letter(*byte)) {
        return Err(format!("character {} is not base64; {EXPECTED}", place + 1));
    }
    base64_simd::forgiving_decode_to_vec(body)
        .map_err(|_| format!("the base64 breaks off in the middle of a byte; {EXPECTED}"))
}

fn is_base64_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// The three header values, of whichever family the request has.
struct Headers<'h> {
    id: &'h [u8],
    timestamp: &'h [u8],
    signature: &'h [u8],
}

type Family = [&'static str; 3];

const STANDARD_FAMILY: Family = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX_FAMILY: Family = ["svix-id", "svix-timestamp", "svix-signature"];

impl<'h> Headers<'h> {
    /// Finds one whole family that nothing contradicts. Nothing is put together from two, and nothing is chosen among
    /// several.
    fn find<H: RequestHead>(head: &'h H) -> Result<Self, WebhookRejection> {
        let svix = family(head, SVIX_FAMILY)?;
        let standard = family(head, STANDARD_FAMILY)?;
        for place in 0..3 {
            if svix[place].is_some() && standard[place].is_some() && svix[place] != standard[place]
            {
                return Err(
                    WebhookRejection::new(WebhookReason::HeadersConflict).with_detail(format!(
                        "`{}` and `{}` differ",
                        SVIX_FAMILY[place], STANDARD_FAMILY[place]
                    )),
                );
            }
        }
        let whole = |found: Found<'h>| match found {
            [Some(id), Some(timestamp), Some(signature)] => Some(Self {
                id,
                timestamp,
                signature,
            }),
            _ => None,
        };
        whole(svix).or_else(|| whole(standard)).ok_or_else(|| {
            let detail = match (first_missing(svix), first_missing(standard)) {
                (Some(0), Some(0)) => "there is neither a `webhook-id` nor a `svix-id`".to_owned(),
                (Some(0), place) => missing(STANDARD_FAMILY, place),
                (place, _) => missing(SVIX_FAMILY, place),
            };
            WebhookRejection::new(WebhookReason::HeadersMissing).with_detail(detail)
        })
    }
}

fn first_missing(found: Found<'_>) -> Option<usize> {
    found.iter().position(Option::is_none)
}

fn missing(names: Family, place: Option<usize>) -> String {
    format!("`{}` is missing", names[place.unwrap_or_default()])
}

type Found<'h> = [Option<&'h [u8]>; 3];

fn family<'h, H: RequestHead>(head: &'h H, names: Family) -> Result<Found<'h>, WebhookRejection> {
    let mut found = [None; 3];
    for (place, name) in names.into_iter().enumerate() {
        let mut fields = head.field(name);
        // RFC 9110 §5.5: blanks around a value are not part of it.
        found[place] = fields.next().map(without_blanks);
        if fields.next().is_some() {
            return Err(WebhookRejection::new(WebhookReason::HeadersRepeated)
                .with_detail(format!("`{name}` is there more than once")));
        }
    }
    Ok(found)
}

fn without_blanks(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !blank(byte));
    let end = value.iter().rposition(|byte| !blank(byte));
    match (start, end) {
        (Some(start), Some(end)) => &value[start..=end],
        _ => &[],
    }
}

/// No dot: `a.1` signed with the body `x` would also be `a`, signed at `1` with the body `.x`.
fn id(value: &[u8]) -> Result<&str, WebhookRejection> {
    let fits = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'.' | b',');
    if (1..=MAX_ID_BYTES).contains(&value.len())
        && value.iter().all(fits)
        && let Ok(text) = std::str::from_utf8(value)
    {
        return Ok(text);
    }
    let malformed =
        |detail| Err(WebhookRejection::new(WebhookReason::IdMalformed).with_detail(detail));
    if value.is_empty() {
        return malformed("it is empty");
    }
    if value.len() > MAX_ID_BYTES {
        return malformed("it is longer than 255 bytes");
    }
    if value.contains(&b'.') {
        return malformed("it contains a dot");
    }
    if value.contains(&b',') {
        return malformed("it contains a comma");
    }
    malformed("it contains something else than visible ASCII characters")
}

/// One spelling for one moment: the octets are signed, and what is compared with the clock must be what was signed.
fn timestamp(value: &[u8]) -> Result<Timestamp, WebhookRejection> {
    let malformed =
        |detail| WebhookRejection::new(WebhookReason::TimestampMalformed).with_detail(detail);
    if value.is_empty() {
        return Err(malformed("it is empty"));
    }
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed("it contains something else than digits"));
    }
    if value.len() > 1 && value[0] == b'0' {
        return Err(malformed("it begins with a zero"));
    }
    if value.len() == 13 {
        return Err(malformed(
            "it has 13 digits: milliseconds, where seconds are meant",
        ));
    }
    let digits = std::str::from_utf8(value).ok();
    let seconds = digits.and_then(|digits| digits.parse().ok());
    let seconds = seconds.filter(|seconds| *seconds <= Timestamp::LAST.as_secs());
    let seconds = seconds.ok_or_else(|| malformed("it lies beyond the year 9999"))?;
    Ok(Timestamp::from_secs(seconds))
}

fn in_time(sent_at: Timestamp, now: Timestamp) -> Result<(), WebhookRejection> {
    let age = now.as_secs().saturating_sub(sent_at.as_secs());
    let (reason, by, word) = if age > TOLERANCE_SECONDS {
        (WebhookReason::TimestampTooOld, age, "ago")
    } else if age < -TOLERANCE_SECONDS {
        (
            WebhookReason::TimestampTooNew,
            age.saturating_neg(),
            "ahead",
        )
    } else {
        return Ok(());
    };
    Err(WebhookRejection::new(reason).with_detail(format!(
        "signed at {sent_at}, which is {by} s {word}; {TOLERANCE_SECONDS} s are tolerated"
    )))
}

/// The entries of the list that have a version we know and the length of its signatures.
struct Signatures {
    entries: Vec<Entry>,
    shared: usize,
    public: usize,
}

impl Signatures {
    fn read(list: &[u8]) -> Result<Self, WebhookRejection> {
        let malformed = |detail| {
            Err(WebhookRejection::new(WebhookReason::SignaturesMalformed).with_detail(detail))
        };
        if list.is_empty() {
            return malformed("the list is empty");
        }
        if list.len() > MAX_LIST_BYTES {
            return malformed("the list is longer than 8 KiB");
        }
        if entries(list).nth(MAX_SIGNATURES).is_some() {
            return malformed("the list has more than 32 entries");
        }
        let entries: Vec<Entry> = entries(list).filter_map(Entry::read).collect();
        let is_shared = |entry: &&Entry| matches!(entry, Entry::Shared(_));
        let shared = entries.iter().filter(is_shared).count();
        let public = entries.len() - shared;
        if entries.is_empty() {
            return malformed(
                "no entry is `v1,` or `v1a,` followed by padded base64 of the right length",
            );
        }
        Ok(Self {
            entries,
            shared,
            public,
        })
    }

    /// The first secret that made one of the signatures. A bad entry never spoils a good one.
    fn verified_by(&self, keys: &[Key], content: Content<'_>) -> Option<usize> {
        let parts = content.parts();
        // Ed25519 reads its message twice, so it wants it in one piece.
        let mut joined = None;
        let mut budget = MAX_PUBLIC_KEY_CHECKS;
        keys.iter().position(|key| match key {
            Key::Shared(key) if self.shared > 0 => {
                let expected = key.tag(&parts);
                self.entries.iter().any(
                    |entry| matches!(entry, Entry::Shared(tag) if crypto::equal(&expected, tag)),
                )
            }
            Key::Public(key) if self.public > 0 => {
                let message = joined.get_or_insert_with(|| parts.concat());
                self.entries.iter().any(|entry| match entry {
                    Entry::Public(signature) if budget > 0 => {
                        budget -= 1;
                        key.verifies(message, signature)
                    }
                    _ => false,
                })
            }
            _ => false,
        })
    }
}

/// The spec's separator is one space; more than one is nobody's attack.
fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b' ')
        .filter(|entry| !entry.is_empty())
}

/// One signature, decoded.
enum Entry {
    Shared([u8; 32]),
    Public([u8; 64]),
}

impl Entry {
    /// `None` for a version that is not ours, and for what is not canonical padded base64 of its signature's length.
    fn read(entry: &[u8]) -> Option<Self> {
        if let Some(encoded) = entry.strip_prefix(b"v1,") {
            return Some(Self::Shared(decoded(encoded)?));
        }
        let encoded = entry.strip_prefix(b"v1a,")?;
        Some(Self::Public(decoded(encoded)?))
    }
}

fn decoded<const N: usize>(encoded: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if encoded.len() != STANDARD.encoded_length(N) || STANDARD.decoded_length(encoded).ok()? != N {
        return None;
    }
    STANDARD
        .decode(encoded, bytes.as_mut_slice().as_out())
        .ok()?;
    Some(bytes)
}

/// What is signed, as the octets that arrived.
#[derive(Clone, Copy)]
struct Content<'h> {
    id: &'h [u8],
    timestamp: &'h [u8],
    body: &'h [u8],
}

impl<'h> Content<'h> {
    fn parts(&self) -> [&'h [u8]; 5] {
        [self.id, b".", self.timestamp, b".", self.body]
    }
}

/// The refusal of a body of `bytes` bytes or more, for those who stop reading before the end.
pub fn body_too_large(bytes: usize) -> WebhookRejection {
    WebhookRejection::new(WebhookReason::BodyTooLarge).with_detail(format!(
        "the body has {bytes} bytes or more, at most {MAX_BODY_BYTES} are read"
    ))
}

/// The largest body that is looked at. Providers' events have a few kilobytes, and the specification advises 20.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How far a timestamp may lie from now, either way.
pub const TOLERANCE_SECONDS: i64 = 300;

/// How many secrets a verifier takes.
pub const MAX_SECRETS: usize = 8;

/// How many entries the list of signatures may have: a provider sends one for each secret that is being rotated.
pub const MAX_SIGNATURES: usize = 32;

/// The longest list of signatures.
pub const MAX_LIST_BYTES: usize = 8 * 1024;

/// The longest id of a message. Whoever remembers messages keeps it in a column of a database.
pub const MAX_ID_BYTES: usize = 255;

/// A MAC is made once for each secret; a public key checks each entry anew, so a stranger gets so many.
const MAX_PUBLIC_KEY_CHECKS: usize = 16;

/// The specification asks for 24 to 64 bytes; some providers make less.
const MIN_SECRET_BYTES: usize = 16;
const MAX_SECRET_BYTES: usize = 512;
const MAX_SECRET_TEXT: usize = 1024;

const EXPECTED: &str = "expected `whsec_` and base64, as the webhook endpoint's page shows it";

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: Timestamp = Timestamp::from_secs(1_614_265_330);

    fn refused(secret: &str) -> String {
        WebhookVerifier::new([secret]).unwrap_err()
    }

    #[test]
    fn signs_as_the_specification_does() {
        let headers = sign(
            SECRET,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            NOW,
            br#"{"test": 2432232314}"#,
        )
        .unwrap();
        assert_eq!(
            headers.signature(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert!(!format!("{headers:?}").contains("g0hM"));
    }

    #[test]
    fn reads_every_spelling_of_a_secret() {
        // 20 bytes, whose base64 has padding and both special letters.
        let spellings = [
            "whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/8=",
            "whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/8",
            "whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_8=",
            "-_-_-_-_-_-_-_-_-_-_-_-_-_8",
            " whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/8=\n",
            "\"whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/8=\"",
            "'+/+/+/+/+/+/+/+/+/+/+/+/+/8='",
        ];
        let signed = sign(spellings[0], "m", NOW, b"x").unwrap();
        for spelling in spellings {
            let verifier = WebhookVerifier::new([spelling]).unwrap();
            let head = signed.svix().to_vec();
            assert!(verifier.verify(&head, b"x", NOW).is_ok(), "{spelling}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_secret() {
        for (secret, said) in [
            ("", "nothing"),
            ("  ", "nothing"),
            ("\"\"", "nothing"),
            ("whsec_", "nothing behind it"),
            ("whsec_AAAA", "3 bytes"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*", "character 32"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA", "breaks off"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw===", "padding"),
            ("sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "API secret key"),
            ("pk_live_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "publishable"),
            ("ep_2abcdefghijklmnopqrstuvwxyz", "id of an endpoint"),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "private"),
            ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "24 bytes"),
            (
                "whpk_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "small order",
            ),
            ("https://example.com/hook", "URL"),
            (
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                "signature",
            ),
            ("whsec_...", "placeholder"),
            ("${CLERK_WEBHOOK_SIGNING_SECRET}", "placeholder"),
            ("whsec_\u{fc}", "character 1"),
        ] {
            let error = refused(secret);
            assert!(error.contains(said), "{secret:?}: {error}");
            assert!(error.starts_with("signing secret 1: "), "{error}");
            for part in ["MfKQ9r8G", "abcdefghij"] {
                assert!(!error.contains(part), "{error}");
            }
        }
        assert!(refused(&"A".repeat(2000)).contains("2000 characters"));
        assert!(refused(&"A".repeat(1000)).contains("750 bytes"));
        let many = vec![SECRET; MAX_SECRETS + 1];
        assert!(
            WebhookVerifier::new(many)
                .unwrap_err()
                .contains("more than 8")
        );
        let none: [&str; 0] = [];
        assert!(
            WebhookVerifier::new(none)
                .unwrap_err()
                .contains("no signing secret")
        );
        let second = WebhookVerifier::new([SECRET, "whsec_"]).unwrap_err();
        assert!(second.starts_with("signing secret 2: "), "{second}");
    }

    #[test]
    fn shows_nothing_of_its_secrets() {
        let verifier =
            WebhookVerifier::new([SECRET, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="])
                .unwrap();
        assert_eq!(
            format!("{verifier:?}"),
            "WebhookVerifier([whsec_…, whpk_…])"
        );
    }

    #[test]
    fn signs_nothing_that_would_be_refused() {
        for (id, sent_at) in [("", NOW), ("a.b", NOW), ("a b", NOW), ("a\r\nb", NOW)] {
            assert!(sign(SECRET, id, sent_at, b"").is_err(), "{id:?}");
        }
        assert!(sign(SECRET, "m", Timestamp::from_secs(-1), b"").is_err());
        assert!(
            sign(
                "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
                "m",
                NOW,
                b""
            )
            .is_err()
        );
        let none: [&str; 0] = [];
        assert!(WebhookHeaders::new("m", NOW, none).is_err());
        assert!(WebhookHeaders::new("m", NOW, ["v1,\r\nx"]).is_err());
    }

    #[test]
    fn a_public_key_is_asked_so_often_and_no_more() {
        let verifier = WebhookVerifier::new(vec![
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
            MAX_SECRETS
        ])
        .unwrap();
        let good = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        let bad = format!("v1a,{}", STANDARD.encode_to_string([7; 64]));
        let judged = |bad_ones: usize| {
            let mut list = vec![bad.as_str(); bad_ones];
            list.push(good);
            let headers = WebhookHeaders::new("msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, list).unwrap();
            verifier.verify(
                &headers.standard().to_vec(),
                br#"{"test": 2432232314}"#,
                NOW,
            )
        };
        assert!(judged(MAX_PUBLIC_KEY_CHECKS - 1).is_ok());
        assert!(judged(MAX_PUBLIC_KEY_CHECKS).is_err());
    }
}
