//! The endpoint to which an issuer sends logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8): what comes
//! in a request's body, and what is answered.

use doorward_core::{Logout, Reason, Rejection};

use crate::authenticator::Authenticator;

/// The answer to a logout request, for any web framework to send as it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogoutReply {
    /// What was accepted, or why nothing was.
    pub verdict: Result<Logout, Rejection>,
    /// The HTTP status: 200; 400 for what is no logout token; 503 with `retry-after` if that cannot be told now, or if
    /// others do not know of it yet.
    pub status: u16,
    /// Header fields besides `content-length`, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Nothing, or a JSON object with an error (RFC 6749 §5.2).
    pub body: Vec<u8>,
}

/// The longest request, in bytes.
pub const MAX_LOGOUT_BYTES: usize = 64 * 1024;

impl Authenticator {
    /// Answers a logout request with this body, `application/x-www-form-urlencoded`, and revokes what it says is over.
    pub async fn answer_logout(&self, body: &[u8]) -> LogoutReply {
        LogoutReply::new(match logout_token(body) {
            Ok(token) => self.accept_logout(&token).await,
            Err(rejection) => Err(self.refuse(rejection)),
        })
    }

    /// As [`Authenticator::answer_logout`], blocking the thread.
    pub fn answer_logout_blocking(&self, body: &[u8]) -> LogoutReply {
        LogoutReply::new(match logout_token(body) {
            Ok(token) => self.accept_logout_blocking(&token),
            Err(rejection) => Err(self.refuse(rejection)),
        })
    }
}

/// The one `logout_token` of a request (§2.5).
fn logout_token(body: &[u8]) -> Result<String, Rejection> {
    if body.len() > MAX_LOGOUT_BYTES {
        let detail = format!("the body has {} bytes", body.len());
        return Err(Rejection::new(Reason::TokenTooLarge).with_detail(detail));
    }
    let mut tokens = url::form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        (None, _) => {
            Err(Rejection::new(Reason::TokenMalformed).with_detail("there is no `logout_token`"))
        }
        (Some(_), Some(_)) => Err(Rejection::new(Reason::MultipleCredentials)
            .with_detail("there is more than one `logout_token`")),
    }
}

impl LogoutReply {
    fn new(verdict: Result<Logout, Rejection>) -> Self {
        // §2.8: so that nobody on the way answers in our place.
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        let (status, body) = match &verdict {
            Ok(_) => (200, Vec::new()),
            Err(rejection) => {
                let unavailable = rejection.status() == 503;
                if let Some(seconds) = rejection.retry_after() {
                    headers.push(("retry-after", seconds.to_string()));
                }
                headers.push(("content-type", "application/json".to_owned()));
                let error = if unavailable {
                    "temporarily_unavailable"
                } else {
                    "invalid_request"
                };
                let description = rejection.reason().code();
                let body = serde_json::json!({"error": error, "error_description": description});
                let status = if unavailable { 503 } else { 400 };
                (status, body.to_string().into_bytes())
            }
        };
        Self {
            verdict,
            status,
            headers,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_token() {
        assert_eq!(
            logout_token(b"a=b&logout_token=x.y%2ez&c").unwrap(),
            "x.y.z"
        );
        for (body, reason) in [
            (&b""[..], Reason::TokenMalformed),
            (b"token=x", Reason::TokenMalformed),
            (b"\xff\xfe", Reason::TokenMalformed),
            (
                b"logout_token=x&logout_token=x",
                Reason::MultipleCredentials,
            ),
            (&[b'a'; MAX_LOGOUT_BYTES + 1], Reason::TokenTooLarge),
        ] {
            assert_eq!(logout_token(body).unwrap_err().reason(), reason);
        }
    }

    #[test]
    fn trouble_on_our_side_is_503() {
        let reply = LogoutReply::new(Err(Reason::KeysUnavailable.into()));
        assert_eq!(reply.status, 503);
        assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"));
        let reply = LogoutReply::new(Err(Reason::SignatureInvalid.into()));
        let body = r#"{"error":"invalid_request","error_description":"signature_invalid"}"#;
        assert_eq!((reply.status, reply.body), (400, body.as_bytes().to_vec()));
    }
}
