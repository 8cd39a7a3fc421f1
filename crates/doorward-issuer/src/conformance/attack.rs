//! What is tried: one row for each bad credential, and the controls that show a route refuses on purpose.

/// One thing that is tried on a route.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attack {
    /// Its stable name, which `waive` takes.
    pub name: &'static str,
    /// What is sent, in a few words.
    pub what: &'static str,
    /// How to mend an API that falls for it.
    pub mend: &'static str,
    pub(super) family: Family,
    pub(super) gravity: Gravity,
}

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Nothing was presented: 401 with a challenge that names no error (RFC 6750 §3).
    Absent,
    /// No token was presented, but something: 401, or 400 as a malformed request (RFC 6750 §3.1).
    Malformed,
    /// A bad token: 401.
    Bad,
    /// A good token: anything but 401.
    Good,
}

/// How bad it is to let it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gravity {
    /// A hole.
    Hole,
    /// Against the standard, though nobody gets in who could not by other means.
    Oddity,
}

impl Attack {
    /// Every attack, in the order in which they are tried.
    pub const ALL: &'static [Self] = ATTACKS;

    /// The attack of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|attack| attack.name == name)
    }
}

const fn row(
    name: &'static str,
    family: Family,
    gravity: Gravity,
    what: &'static str,
    mend: &'static str,
) -> Attack {
    Attack {
        name,
        what,
        mend,
        family,
        gravity,
    }
}

use Family::{Absent, Bad, Good, Malformed};
use Gravity::{Hole, Oddity};

const ALGORITHM: &str = "Allow the algorithms your issuer signs with and no others; never take the token's word for it.";
const SIGNATURE: &str = "Verify the signature with the issuer's published keys before reading anything else of the token.";
const OWN_KEYS: &str = "Take keys from the issuer you configured only; ignore `jwk`, `jku`, `x5c` and `x5u` in the token.";
const NOT_A_TOKEN: &str =
    "Refuse whatever is not `Authorization: Bearer` and one token that verifies.";

static ATTACKS: &[Attack] = &[
    row(
        "no_credentials",
        Absent,
        Hole,
        "no credentials at all",
        "Put the guard in front of this route; if it is meant for everybody, name it public.",
    ),
    row(
        "head",
        Malformed,
        Hole,
        "HEAD instead of GET, without credentials",
        "Guard paths rather than methods: most frameworks answer HEAD where there is a GET.",
    ),
    row(
        "trailing_slash",
        Malformed,
        Oddity,
        "the path with a slash at its end, or without the one it has, and no credentials",
        "Have the guard and the router read paths alike; if that path is a page of its own, waive this.",
    ),
    row(
        "method_override",
        Malformed,
        Hole,
        "fields that make another method of it (X-HTTP-Method-Override), without credentials",
        "Ask for credentials whatever the method is said to be; drop these fields at the edge.",
    ),
    row(
        "made_up_identity",
        Malformed,
        Hole,
        "fields in which a proxy names the user (X-Forwarded-User, X-User-Id), without credentials",
        "Believe such fields from your own proxy only, and have it remove those that came from outside.",
    ),
    row("basic", Malformed, Hole, "Basic credentials", NOT_A_TOKEN),
    row(
        "bearer_without_token",
        Malformed,
        Hole,
        "the word Bearer alone",
        NOT_A_TOKEN,
    ),
    row(
        "empty_authorization",
        Malformed,
        Hole,
        "an empty Authorization field",
        NOT_A_TOKEN,
    ),
    row(
        "two_authorizations",
        Malformed,
        Hole,
        "two Authorization fields, both junk",
        NOT_A_TOKEN,
    ),
    row(
        "junk",
        Malformed,
        Hole,
        "three parts that are not base64url",
        NOT_A_TOKEN,
    ),
    row(
        "opaque",
        Malformed,
        Hole,
        "a word that nobody issued",
        NOT_A_TOKEN,
    ),
    row(
        "api_key_junk",
        Malformed,
        Hole,
        "a made-up API key where the document wants one",
        "Compare the API key with those you gave out, in constant time.",
    ),
    row(
        "alg_none",
        Bad,
        Hole,
        "a token with `alg: none` and no signature (RFC 8725 §2.1)",
        ALGORITHM,
    ),
    row(
        "alg_none_spelling",
        Bad,
        Hole,
        "a token with `alg: nOnE` and no signature",
        ALGORITHM,
    ),
    row(
        "no_signature",
        Bad,
        Hole,
        "a token with the right header and no signature",
        SIGNATURE,
    ),
    row(
        "zero_signature",
        Bad,
        Hole,
        "a token with an ECDSA signature of zeros (CVE-2022-21449)",
        SIGNATURE,
    ),
    row(
        "stranger_key",
        Bad,
        Hole,
        "a token signed by a stranger in the issuer's name",
        SIGNATURE,
    ),
    row(
        "unknown_kid",
        Bad,
        Hole,
        "a token signed by a stranger under a `kid` nobody published",
        "Refuse a token whose `kid` is not published; fetch the keys again at most now and then.",
    ),
    row(
        "embedded_jwk",
        Bad,
        Hole,
        "a token signed by a stranger whose key is in its `jwk` (RFC 7515 §4.1.3)",
        OWN_KEYS,
    ),
    row(
        "hmac_empty_key",
        Bad,
        Hole,
        "an HS256 token keyed with nothing, whose `kid` names an empty file",
        "Never use `kid` as a path or in a query; an HMAC key has 32 bytes or more.",
    ),
    row(
        "hmac_weak_secret",
        Bad,
        Hole,
        "an HS256 token keyed with the word `secret`",
        "Use a random HMAC key of 32 bytes or more, or a public key algorithm.",
    ),
    row(
        "hmac_with_public_key",
        Bad,
        Hole,
        "an HS256 token keyed with the issuer's public key (RFC 8725 §2.1)",
        ALGORITHM,
    ),
    row(
        "bad_signature",
        Bad,
        Hole,
        "a good token with one bit of its signature changed",
        SIGNATURE,
    ),
    row(
        "truncated",
        Bad,
        Hole,
        "a good token without its end",
        SIGNATURE,
    ),
    row(
        "payload_changed",
        Bad,
        Hole,
        "a good token's signature under another subject",
        SIGNATURE,
    ),
    row(
        "expired",
        Bad,
        Hole,
        "a token that expired an hour ago",
        "Check `exp`, with a leeway of seconds.",
    ),
    row(
        "not_yet_valid",
        Bad,
        Hole,
        "a token that is valid in an hour",
        "Check `nbf`, with a leeway of seconds.",
    ),
    row(
        "issued_in_future",
        Bad,
        Oddity,
        "a token issued an hour from now",
        "Refuse an `iat` that lies in the future.",
    ),
    row(
        "wrong_iss",
        Bad,
        Hole,
        "a token with another issuer in `iss`, rightly signed",
        "Compare `iss` letter by letter with the issuer whose keys you use.",
    ),
    row(
        "wrong_aud",
        Bad,
        Hole,
        "a token for another audience",
        "Check that `aud` names this API.",
    ),
    row(
        "wrong_azp",
        Bad,
        Hole,
        "a token for another origin (`azp`)",
        "Set the authorized parties to your frontends' origins.",
    ),
    row(
        "no_exp",
        Bad,
        Hole,
        "a token without `exp`, valid for ever",
        "Require `exp`.",
    ),
    row(
        "no_sub",
        Bad,
        Hole,
        "a token without `sub`",
        "Require `sub`.",
    ),
    row(
        "pending",
        Bad,
        Hole,
        "a session with tasks left (`sts: pending`)",
        "Treat a pending session as signed out.",
    ),
    row(
        "string_exp",
        Bad,
        Oddity,
        "a token whose `exp` is a string (RFC 7519 §2)",
        "Refuse an `exp` that is no number.",
    ),
    row(
        "crit_unknown",
        Bad,
        Hole,
        "a token with a critical extension nobody knows (RFC 7515 §4.1.11)",
        "Refuse a token whose `crit` names what you do not implement.",
    ),
    row(
        "logout_typ",
        Bad,
        Hole,
        "a token whose `typ` says it is for logging out (RFC 8725 §3.11)",
        "Accept the token types meant for this API and no others.",
    ),
    row(
        "duplicate_claim",
        Bad,
        Oddity,
        "a token with `sub` twice",
        "Refuse a claims set that names one claim twice: two readers would see two subjects.",
    ),
    row(
        "token_in_query",
        Bad,
        Hole,
        "a good token in the query string",
        "Do not read tokens from the URL: it ends in logs, histories and Referer fields (RFC 9700 §4.3.2).",
    ),
    row(
        "good_then_junk",
        Malformed,
        Oddity,
        "two Authorization fields, a good one first",
        "Refuse a request with two Authorization fields: a proxy may read the other one.",
    ),
    row(
        "junk_then_good",
        Malformed,
        Oddity,
        "two Authorization fields, a good one last",
        "Refuse a request with two Authorization fields: a proxy may read the other one.",
    ),
    row(
        "good_token",
        Good,
        Hole,
        "a good token",
        "Give a token that this API takes (issuer, audience, authorized party, kind) and that outlives the run: while \
         the good one is refused, the refusals of the others prove nothing.",
    ),
    row(
        "lower_case_scheme",
        Good,
        Oddity,
        "a good token after `bearer`",
        "Compare the scheme without regard to case (RFC 9110 §11.1).",
    ),
];
