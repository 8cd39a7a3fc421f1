//! Where processes share what was revoked: the address an operator writes, and what each kind of store can do.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use doorward_core::{Revocation, RevokedClaim, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::is_fit;

/// A kind of store. Each is opened twice, to read and to write, so that nobody who writes waits for one who listens.
pub(crate) trait Store: Sized + Send {
    /// Opens it, and makes what is missing.
    fn open(url: &str) -> impl Future<Output = Result<Self, String>> + Send;

    /// Begins to read everything that is not over. Whatever is written after this was called comes with a page or with
    /// `news`.
    fn rewind(&mut self) -> impl Future<Output = Result<(), String>> + Send;

    /// The next page; `None` after the last one.
    fn page(
        &mut self,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Vec<Revocation>>, String>> + Send;

    /// Waits for what is new, for a second at most. Nothing new is a sign of life.
    fn news(&mut self) -> impl Future<Output = Result<Vec<Revocation>, String>> + Send;

    /// Writes, and forgets what is over at `now`. Nothing is kept for longer than `retention`.
    fn put(
        &mut self,
        revocations: &[Revocation],
        now: Timestamp,
        retention: Duration,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Where a store is. It may hold a password, so it prints without.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    url: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Postgres,
    Sqlite,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

impl Address {
    /// Reads `redis://…`, `rediss://…`, `valkey://…`, `postgres://…` or `sqlite:…`.
    pub(crate) fn read(url: &Secret) -> Result<Self, String> {
        let text = url.expose();
        // A mistyped scheme may have a password behind it.
        let kind = match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("redis" | "rediss" | "valkey" | "valkeys") => Kind::Redis,
            Some("postgres" | "postgresql") => Kind::Postgres,
            Some("sqlite") => Kind::Sqlite,
            _ => return Err(format!("is of a kind that is not known; {EXPECTED}")),
        };
        if leaks(text) {
            return Err(
                "has an @ where no host is: write / as %2F and # as %23 in a password".to_owned(),
            );
        }
        // Valkey speaks the protocol, and the client knows it by the older name.
        let text = match text.strip_prefix("valkey") {
            Some(rest) => format!("redis{rest}"),
            None => text.to_owned(),
        };
        match kind {
            #[cfg(feature = "redis")]
            Kind::Redis => super::redis::check(&text)?,
            #[cfg(feature = "postgres")]
            Kind::Postgres => super::postgres::check(&text)?,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => super::sqlite::check(&text)?,
            #[allow(unreachable_patterns, reason = "a build may have all of them")]
            kind => {
                let name = kind.as_str();
                return Err(format!(
                    "this build of Doorward has no {name}: switch its feature `{name}` on"
                ));
            }
        }
        Ok(Self {
            kind,
            url: Secret::new(text),
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.expose()
    }
}

/// The longest record, in bytes: six for each byte of its texts, and what is around them.
const MAX_RECORD: usize = 7000;
const EXPECTED: &str =
    "write redis://host:6379/0, postgres://user@host/database or sqlite:///path/to/file";

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match url::Url::parse(self.url()) {
            Ok(url) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                write!(f, "{}://{host}{port}{}", url.scheme(), url.path())
            }
            Err(_) => f.write_str(self.kind.as_str()),
        }
    }
}

/// Whether a part that would be shown may be a piece of a password.
fn leaks(text: &str) -> bool {
    let after_the_host = text.split_once("://").map_or(text, |(_, rest)| {
        rest.split_once(['/', '?', '#'])
            .map_or("", |(_, rest)| rest)
    });
    after_the_host.contains('@')
}

/// A revocation as it is written down: a JSON object. Members that a later release adds are passed over.
#[derive(Serialize, Deserialize)]
pub(crate) struct Written {
    claim: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_until: Option<i64>,
    /// Milliseconds since 1970.
    expires_at: i64,
}

/// Writes one down.
pub(crate) fn write(revocation: &Revocation) -> String {
    let written = Written {
        claim: revocation.claim.as_str().to_owned(),
        value: revocation.value.clone(),
        iss: revocation.issuer.clone(),
        issued_until: revocation.issued_until.map(Timestamp::as_millis),
        expires_at: revocation.expires_at.as_millis(),
    };
    serde_json::to_string(&written).unwrap_or_default()
}

/// Reads one. `None` for what this release would not have written, which somebody else may have.
pub(crate) fn read(text: &str) -> Option<Revocation> {
    if text.len() > MAX_RECORD {
        return None;
    }
    let written: Written = serde_json::from_str(text).ok()?;
    let texts = [Some(&written.value), written.iss.as_ref()];
    if texts.into_iter().flatten().any(|text| !is_fit(text)) {
        return None;
    }
    let claim = RevokedClaim::from_name(&written.claim)?;
    let end = Timestamp::from_millis(written.expires_at);
    let mut revocation = Revocation::new(claim, written.value, end);
    revocation.issuer = written.iss;
    revocation.issued_until = written.issued_until.map(Timestamp::from_millis);
    Some(revocation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let plain = Revocation::new(RevokedClaim::TokenId, "a\"b", Timestamp::from_millis(5));
        let whole = plain
            .clone()
            .of("https://a")
            .until(Timestamp::from_millis(-3));
        for revocation in [plain, whole] {
            assert_eq!(read(&write(&revocation)), Some(revocation));
        }
        for foreign in [
            "",
            "{}",
            "[]",
            r#"{"claim": "aud", "value": "a", "expires_at": 1}"#,
            r#"{"claim": "sub", "value": "", "expires_at": 1}"#,
        ] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
        let long = Revocation::new(RevokedClaim::Subject, "a".repeat(513), Timestamp::LAST);
        assert_eq!(read(&write(&long)), None);
        let longest = Revocation::new(RevokedClaim::Subject, "\u{1}".repeat(512), Timestamp::LAST);
        assert_eq!(read(&write(&longest)), Some(longest));
        assert!(read(r#"{"claim": "jti", "value": "a", "expires_at": 1, "why": "x"}"#).is_some());
    }

    #[test]
    fn an_address_is_told_by_its_scheme_and_hides_its_password() {
        let read = |text: &str| Address::read(&Secret::new(text));
        let hidden = ["postgres://u:1/hunter2@h/d", "redis://u:1#hunter2@h/0"];
        for wrong in ["", "nonsense", "mysql://h/d", "http://h"]
            .into_iter()
            .chain(hidden)
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        #[cfg(feature = "redis")]
        {
            let address = read("valkey://:hunter2@h:1/0").unwrap();
            assert_eq!(
                format!("{address} {address:?}"),
                "redis://h:1/0 redis://h:1/0"
            );
        }
        #[cfg(not(feature = "redis"))]
        assert!(read("redis://h").unwrap_err().contains("feature"));
    }
}
