//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0 §2.5): the issuer tells an application of this machine
//! that somebody has left.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use url::{Host, Url, form_urlencoded};

use crate::issuer::DevIssuer;
use crate::mint::{Kind, Mint, MintError};

impl DevIssuer {
    /// Mints a logout token and posts it to a URL of this machine; answers with the status it was answered with.
    ///
    /// `mint` says who leaves (`sub`, `sid`) and whose application hears of it (`client_id`, or `aud`); whatever its
    /// kind, a token of [`Kind::Logout`] is sent. This blocks for five seconds at most, and revokes nothing.
    pub fn send_logout(&self, url: &str, mint: &Mint) -> Result<u16, LogoutError> {
        let target = Target::read(url)?;
        let mint = Mint {
            kind: Kind::Logout,
            ..mint.clone()
        };
        let token = self.mint(&mint)?;
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", &token)
            .finish();
        target.post("application/x-www-form-urlencoded", &[], body.as_bytes())
    }
}

/// Why nobody was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// A URL that leads elsewhere.
    #[error("expected an http URL of this machine: http://127.0.0.1:3000/logout")]
    Url,
    /// The token could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// No answer, or none that is HTTP.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// A URL of this machine that is posted to.
pub(crate) struct Target {
    addresses: Vec<SocketAddr>,
    authority: String,
    path: String,
}

impl Target {
    pub(crate) fn read(url: &str) -> Result<Self, LogoutError> {
        let url = Url::parse(url).map_err(|_| LogoutError::Url)?;
        let loopback = match url.host() {
            Some(Host::Domain("localhost")) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Some(Host::Ipv4(address)) if address.is_loopback() => vec![address.into()],
            Some(Host::Ipv6(address)) if address.is_loopback() => vec![address.into()],
            _ => return Err(LogoutError::Url),
        };
        let port = url.port_or_known_default().ok_or(LogoutError::Url)?;
        let named = !url.username().is_empty() || url.password().is_some();
        if url.scheme() != "http" || named {
            return Err(LogoutError::Url);
        }
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Self {
            addresses: { loopback }
                .drain(..)
                .map(|address| SocketAddr::new(address, port))
                .collect(),
            authority: format!("{}:{port}", url.host_str().unwrap_or_default()),
            path: format!("{}{}", url.path(), query.unwrap_or_default()),
        })
    }

    /// Posts a body, and says with which status it was answered. This blocks for five seconds at most.
    pub(crate) fn post(
        &self,
        content_type: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<u16, LogoutError> {
        let failed = |error: std::io::Error| LogoutError::NoAnswer(error.to_string());
        let deadline = Instant::now() + PATIENCE;
        let left = || {
            deadline
                .saturating_duration_since(Instant::now())
                .max(MOMENT)
        };
        let connect = |address| TcpStream::connect_timeout(address, left());
        let mut tried = self.addresses.iter().map(connect);
        let first = tried
            .next()
            .unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into()));
        let mut stream = first
            .or_else(|error| tried.next().unwrap_or(Err(error)))
            .map_err(failed)?;
        stream.set_write_timeout(Some(left())).map_err(failed)?;
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: {content_type}\r\n\
             content-length: {}\r\nuser-agent: doorward-issuer\r\nconnection: close\r\n",
            self.path,
            self.authority,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).map_err(failed)?;
        stream.write_all(body).map_err(failed)?;
        let mut seen = Vec::new();
        // The status line is all that is wanted of the answer.
        while !seen.contains(&b'\n') {
            if seen.len() > MAX_STATUS_LINE || Instant::now() >= deadline {
                return Err(LogoutError::NoAnswer("none within five seconds".to_owned()));
            }
            stream.set_read_timeout(Some(left())).map_err(failed)?;
            let mut piece = [0; 256];
            match stream.read(&mut piece).map_err(failed)? {
                0 => {
                    return Err(LogoutError::NoAnswer(
                        "the connection was closed".to_owned(),
                    ));
                }
                count => seen.extend(&piece[..count]),
            }
        }
        let line = String::from_utf8_lossy(&seen);
        let mut words = line.split_ascii_whitespace();
        let http = words
            .next()
            .is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().and_then(|status| status.parse().ok());
        status
            .filter(|status| http && (100..600).contains(status))
            .ok_or_else(|| LogoutError::NoAnswer("what came is not HTTP".to_owned()))
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// A timeout of zero would be none.
const MOMENT: Duration = Duration::from_millis(1);
const MAX_STATUS_LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_beyond_this_machine_is_told() {
        for url in [
            "http://127.0.0.1:3000/logout?a=b",
            "http://localhost/x",
            "http://[::1]:1/",
            "http://127.9.9.9/",
        ] {
            assert!(Target::read(url).is_ok(), "{url}");
        }
        for url in [
            "https://127.0.0.1/",
            "http://example.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "http://user@127.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "ftp://127.0.0.1/",
            "/logout",
            "",
        ] {
            assert!(matches!(Target::read(url), Err(LogoutError::Url)), "{url}");
        }
        let target = Target::read("http://127.0.0.1:3000/a%0d%0ab?c=d#e").unwrap();
        assert_eq!(
            (target.path.as_str(), target.authority.as_str()),
            ("/a%0d%0ab?c=d", "127.0.0.1:3000")
        );
    }
}
