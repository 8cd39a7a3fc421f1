//! What a request presents: one bearer token, in the Authorization header or a session cookie
//! (RFC 9110 §11.6.2, RFC 6750 §2.1, RFC 6265 §4.2 and §5.4).

use std::fmt;
use std::net::IpAddr;

use crate::crypto;
use crate::rejection::{Reason, Rejection};

/// The part of a request that verification may look at. An adapter lends it; nothing is copied.
///
/// Header field names are given in lower case; an implementation compares them without regard to case and yields the
/// field's values in the order of the request, one item for each field line.
pub trait RequestHead {
    /// The values of the header field `name`.
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The address at the other end of the connection, if the adapter knows it. No verdict depends on it: it only decides
    /// whose opaque tokens wait when too many are new. Asked for lazily.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

impl<H: RequestHead> RequestHead for &H {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        (**self).field(name)
    }

    fn peer(&self) -> Option<IpAddr> {
        (**self).peer()
    }
}

/// A list of pairs, as ASGI and most test clients have them.
impl<N: AsRef<str>, V: AsRef<[u8]>> RequestHead for [(N, V)] {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |(key, _): &&(N, V)| key.as_ref().eq_ignore_ascii_case(name);
        self.iter().filter(same).map(|(_, value)| value.as_ref())
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> RequestHead for Vec<(N, V)> {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.as_slice().field(name)
    }
}

/// Where a credential was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The Authorization header, or handed over directly.
    Header,
    /// A session cookie. Machines do not use cookies, so machine tokens are not taken from here.
    Cookie,
}

/// One presented token. `Debug` shows its place and length, never the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'h> {
    token: &'h str,
    place: Place,
}

impl<'h> Credential<'h> {
    /// A token that was handed over directly. White space around it is not forgiven.
    pub fn bearer(token: &'h str) -> Self {
        Self {
            token,
            place: Place::Header,
        }
    }

    /// The token, unverified.
    pub fn token(&self) -> &'h str {
        self.token
    }

    /// Where it was found.
    pub fn place(&self) -> Place {
        self.place
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Credential({:?}, {} bytes)",
            self.place,
            self.token.len()
        )
    }
}

/// Finds the credential of a request.
///
/// A Bearer token in the Authorization header wins, and a bad one is never rescued by a cookie. Another scheme leaves
/// the header to someone else, so the cookies are read. `cookies` are exact names, most wanted first.
pub(crate) fn extract<'h, H: RequestHead>(
    head: &'h H,
    cookies: &'h [String],
) -> Result<Credential<'h>, Rejection> {
    let mut fields = head.field("authorization");
    if let Some(value) = fields.next() {
        if fields.next().is_some() {
            // RFC 6750 §2: one method per request. Which of two would win differs between servers.
            return Err(Reason::MultipleCredentials.into());
        }
        if let Some(token) = bearer_token(value)? {
            return Ok(Credential {
                token,
                place: Place::Header,
            });
        }
    }
    for name in cookies {
        let found = head
            .field("cookie")
            .find_map(|line| cookie(line, name.as_bytes()));
        match found.map(std::str::from_utf8) {
            Some(Ok(token)) => {
                return Ok(Credential {
                    token,
                    place: Place::Cookie,
                });
            }
            Some(Err(_)) => {
                return Err(Rejection::new(Reason::TokenMalformed)
                    .with_detail("the session cookie is not ASCII"));
            }
            None => {}
        }
    }
    Err(Reason::CredentialsMissing.into())
}

/// The token of an Authorization value, or `None` if the value is empty or uses another scheme.
fn bearer_token(value: &[u8]) -> Result<Option<&str>, Rejection> {
    let malformed = |detail: &'static str| {
        Err(Rejection::new(Reason::AuthorizationMalformed).with_detail(detail))
    };
    let value = value.trim_ascii();
    let scheme_end = value
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        if scheme.len() >= 6 && scheme[..6].eq_ignore_ascii_case(b"bearer") && !is_token(scheme) {
            return malformed("after `Bearer` comes one space, then the token");
        }
        return Ok(None);
    }
    // RFC 9110 §11.4: 1*SP between scheme and token68. A tab is no SP.
    let first = rest
        .iter()
        .position(|byte| *byte != b' ')
        .unwrap_or(rest.len());
    let token = &rest[first..];
    if token.is_empty() {
        return malformed("there is no token after `Bearer`");
    }
    if !is_token68(token) {
        return malformed("the text after `Bearer` is not one token68");
    }
    match std::str::from_utf8(token) {
        Ok(token) => Ok(Some(token)),
        Err(_) => malformed("the token is not ASCII"),
    }
}

/// RFC 9110 §5.6.2: the letters of a scheme name.
fn is_token(text: &[u8]) -> bool {
    text.iter()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// RFC 9110 §11.2: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token68(text: &[u8]) -> bool {
    let body_end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    // Without an early exit the compiler looks at many bytes at once, and tokens are long.
    let letter = |byte: u8| {
        ((byte | 0x20).wrapping_sub(b'a') < 26)
            | (byte.wrapping_sub(b'-') < 13)
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    };
    body_end > 0
        && text[..body_end]
            .iter()
            .fold(true, |all, byte| all & letter(*byte))
}

/// The first value of the cookie `name` in one Cookie field line. Never fails: whatever else is in the line, however
/// malformed, is somebody else's cookie. An empty value counts as absent.
fn cookie<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    line.split(|byte| *byte == b';').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        let value = unquoted.unwrap_or(value);
        (key == name && !value.is_empty()).then_some(value)
    })
}

/// The suffix that Clerk-style session cookies carry when several applications share a domain: the first eight letters
/// of the base64url SHA-1 of the whole publishable key. SHA-1 is a label here, not a protection.
pub fn cookie_suffix(publishable_key: &str) -> String {
    let mut encoded = crate::base64url::encode(&crypto::sha1(publishable_key.as_bytes()));
    encoded.truncate(8);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(head: &[(&str, &str)]) -> Result<(String, Place), Reason> {
        let head: Vec<(&str, &[u8])> = head.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        let cookies = ["__session_QvfNY2dr".to_owned(), "__session".to_owned()];
        extract(&head, &cookies)
            .map(|c| (c.token().to_owned(), c.place()))
            .map_err(|rejection| rejection.reason())
    }

    #[test]
    fn takes_any_spelling_of_the_scheme() {
        for value in [
            "Bearer T",
            "bearer T",
            "BEARER T",
            "Bearer   T",
            "  Bearer T ",
        ] {
            assert_eq!(
                found(&[("Authorization", value)]),
                Ok(("T".into(), Place::Header)),
                "{value}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_one_token() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer T extra",
            "Bearer T,U",
            "Bearer \"T\"",
            "Bearer\tT",
            "Bearer =",
            "Bearer T\u{e9}",
            "Bearer Bearer T",
            "Bearer:T",
        ] {
            let expected = Err(Reason::AuthorizationMalformed);
            assert_eq!(
                found(&[("authorization", value), ("cookie", "__session=C")]),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn leaves_other_schemes_to_others() {
        let cookie = ("cookie", "__session=C");
        for value in ["Basic dTpw", "Token T", "", "BearerToken T"] {
            assert_eq!(
                found(&[("authorization", value), cookie]),
                Ok(("C".into(), Place::Cookie)),
                "{value}"
            );
            assert_eq!(
                found(&[("authorization", value)]),
                Err(Reason::CredentialsMissing)
            );
        }
    }

    #[test]
    fn token68_is_what_the_rfc_says() {
        for byte in 0..=255_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token68(&[byte]), allowed, "{byte:#x}");
        }
        assert!(is_token68(b"a==") && !is_token68(b"=") && !is_token68(b"a=b") && !is_token68(b""));
    }

    #[test]
    fn two_authorization_headers_are_refused() {
        let two = [("authorization", "Bearer T"), ("Authorization", "Bearer T")];
        assert_eq!(found(&two), Err(Reason::MultipleCredentials));
    }

    #[test]
    fn reads_cookies_past_foreign_ones() {
        for (line, token) in [
            ("__session=C", "C"),
            ("a=b; __session=C; __session=D", "C"),
            (
                "prefs={\"a\":[1]}; bare; a(b)=1; k[0]=x; \u{e9}=\u{e9}; __session=C",
                "C",
            ),
            ("__sessionfoo=X; __session_other=Y; __session=C", "C"),
            ("__session=C; __session_QvfNY2dr=S", "S"),
            ("__session=\"C\"", "C"),
            ("__session=; __session=C", "C"),
        ] {
            assert_eq!(
                found(&[("cookie", line)]),
                Ok((token.into(), Place::Cookie)),
                "{line}"
            );
        }
        assert_eq!(
            found(&[("cookie", "a=b"), ("cookie", "__session=C")])
                .unwrap()
                .0,
            "C"
        );
        for line in ["", "__session", "__session=", "x__session=C", "__SESSION=C"] {
            assert_eq!(
                found(&[("cookie", line)]),
                Err(Reason::CredentialsMissing),
                "{line}"
            );
        }
    }

    #[test]
    fn the_cookie_suffix_matches_its_vectors() {
        for (key, suffix) in [
            ("pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "QvfNY2dr"),
            (
                "pk_live_ZmFrZS1jbGVyay10ZXN0LmNsZXJrLmFjY291bnRzLmRldiQ=",
                "qReyu04C",
            ),
            (
                "pk_test_ZW5vdWdoLWFscGFjYS04Mi5jbGVyay5hY2NvdW50cy5sY2xjbGVyay5jb20k",
                "jtYvyt_H",
            ),
            (
                "pk_test_eHh4eHh4LXhhYWFhYS1hYS5jbGVyay5hY2NvdW50cy5sY2xjbGVyay5jb20k",
                "tZJdb-5s",
            ),
        ] {
            assert_eq!(cookie_suffix(key), suffix);
        }
    }
}
