//! Asking an issuer about one token: bounded in time and size, and never mistaking its trouble for the caller's.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_core::{Answer, Secret, Timestamp, TokenKind};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::carrier::{self, Broken, SharedCarrier};
use crate::fetch::{FetchError, jitter};
use crate::freshness::FetchSettings;
use crate::signing::{ASSERTION_TYPE, AssertingClient};

/// Where and how an issuer is asked about tokens of one kind.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) kind: TokenKind,
    pub(crate) url: String,
    pub(crate) form: Form,
    pub(crate) auth: ClientAuth,
    pub(crate) headers: Vec<(String, Secret)>,
    /// Whether the answer must be a signed JWT (RFC 9701).
    pub(crate) signed: bool,
}

/// How the token is written down.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// `application/x-www-form-urlencoded`, as RFC 7662 §2.1 has it.
    Introspection,
    /// A JSON object with one member of this name.
    Json(String),
    /// Not in a body at all: the token is the credential of a question about its own subject (OpenID Connect Core §5.3.1).
    Userinfo,
}

/// How we show who asks (RFC 6749 §2.3.1, RFC 6750 §2.1, RFC 7523 §2.2).
#[derive(Clone)]
pub(crate) enum ClientAuth {
    None,
    /// A client that has no secret: only its name.
    Public(String),
    Bearer(Secret),
    Basic(String, Secret),
    Post(String, Secret),
    Assertion(Arc<AssertingClient>),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.url)
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Yes(Box<Answer>),
    /// It does not know the token.
    No,
    /// It could not be asked, or makes no sense; perhaps it said when to try again.
    Failed(FetchError, Option<Duration>),
}

/// The longest answer, in bytes.
const MAX_BYTES: usize = 64 * 1024;
const TRIES: u32 = 3;

impl Endpoint {
    /// Asks, with up to three tries where another can help.
    /// `now` is the wall clock's when the question was put.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        settings: &FetchSettings,
        token: &Secret,
        now: Timestamp,
    ) -> Said {
        let (carrier, deadline) = (settings.carrier.as_ref(), settings.total_timeout);
        let start = Instant::now();
        let asked = async {
            let mut attempt = 1;
            loop {
                let (error, wait) = match self
                    .once(client, carrier, token, now.plus(start.elapsed()))
                    .await
                {
                    Ok(said) => return said,
                    Err(failure) => failure,
                };
                let pause = wait.map(|wait| wait.mul_f64(0.5 + jitter()) * attempt);
                match pause {
                    Some(pause) if attempt < TRIES && start.elapsed() + pause < deadline => {
                        tokio::time::sleep(pause).await;
                        attempt += 1;
                    }
                    _ => return Said::Failed(error, wait),
                }
            }
        };
        tokio::time::timeout(deadline, asked)
            .await
            .unwrap_or_else(|_| {
                let why = format!("no complete answer within {deadline:?}");
                Said::Failed(self.unreachable(why), None)
            })
    }

    async fn once(
        &self,
        client: &Client,
        carrier: Option<&SharedCarrier>,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Said, (FetchError, Option<Duration>)> {
        const PAUSE: Duration = Duration::from_millis(100);
        const LONGEST_PAUSE: Duration = Duration::from_secs(60);
        let broken = |broken: Broken| (self.unreachable(broken.why), broken.retry.then_some(PAUSE));
        let unusable = |why: String| FetchError::Unusable {
            url: self.url.clone(),
            why,
        };
        let request = self.request(client, token, now);
        let request = request.map_err(|why| (self.unreachable(why.to_owned()), None))?;
        let mut response = carrier::send(carrier, request).await.map_err(broken)?;
        let status = response.status();
        let refused = FetchError::Status {
            url: self.url.clone(),
            status: status.as_u16(),
        };
        match status {
            status if status.is_success() => {}
            // RFC 7662 §2.2 answers 200 about every token; 400 and 404 are a provider's own way of not knowing one.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST
                if matches!(self.form, Form::Json(_)) =>
            {
                return Ok(Said::No);
            }
            // RFC 6750 §3.1: the token is not good, or not good for this.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                if matches!(self.form, Form::Userinfo) =>
            {
                return Ok(Said::No);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let asked = response.headers().get(RETRY_AFTER);
                let seconds = asked.and_then(|value| value.to_str().ok()?.parse().ok());
                let pause = seconds
                    .map_or(PAUSE, Duration::from_secs)
                    .min(LONGEST_PAUSE);
                return Err((refused, Some(pause)));
            }
            status if status.is_server_error() => return Err((refused, Some(PAUSE))),
            // 401 and 403 are about our own credentials, which another try does not mend.
            _ => return Err((refused, None)),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(error.into()))?
        {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err((unusable(format!("longer than {MAX_BYTES} bytes")), None));
            }
            body.extend_from_slice(&chunk);
        }
        let answer = match self.signed {
            true => Answer::signed(&body, now),
            false => Answer::parse(&body).map_err(|why| self.explained(&body, why)),
        };
        match answer {
            Ok(answer) => Ok(Said::Yes(Box::new(answer))),
            Err(why) => Err((unusable(why), None)),
        }
    }

    /// Says of a body that is no plain JSON what it may be instead.
    fn explained(&self, body: &[u8], why: String) -> String {
        let dots = body.iter().filter(|byte| **byte == b'.').count();
        // `ey` is how base64url of `{"` begins.
        match (&self.form, body.starts_with(b"ey"), dots) {
            (Form::Userinfo, true, 2 | 4) => {
                "it is signed or encrypted; register the client without \
                 `userinfo_signed_response_alg` and `userinfo_encrypted_response_alg`"
                    .to_owned()
            }
            (_, true, 2) => {
                "it is signed; set `introspection_response` to \"jwt\" to have it verified"
                    .to_owned()
            }
            (_, true, 4) => "it is encrypted, and nobody here could read it; register the client \
                             without `introspection_encrypted_response_alg`"
                .to_owned(),
            _ => why,
        }
    }

    fn request(
        &self,
        client: &Client,
        token: &Secret,
        now: Timestamp,
    ) -> Result<RequestBuilder, &'static str> {
        let accepted = match self.signed {
            true => "application/token-introspection+jwt",
            false => "application/json",
        };
        if let Form::Userinfo = self.form {
            let bearer = format!("Bearer {}", token.expose());
            return Ok(client
                .get(&self.url)
                .header(ACCEPT, accepted)
                .header(AUTHORIZATION, bearer));
        }
        let assertion;
        let mut request = client.post(&self.url).header(ACCEPT, accepted);
        let mut fields = vec![("token", token.expose())];
        match &self.auth {
            ClientAuth::None => {}
            ClientAuth::Public(id) => fields.push(("client_id", id.as_str())),
            ClientAuth::Bearer(secret) => {
                request = request.header(AUTHORIZATION, format!("Bearer {}", secret.expose()));
            }
            // RFC 6749 §2.3.1: both are form-encoded first.
            ClientAuth::Basic(id, secret) => {
                let encode = |text: &str| -> String { form_urlencoded(text) };
                request = request.basic_auth(encode(id), Some(encode(secret.expose())));
            }
            ClientAuth::Post(id, secret) => {
                fields.extend([
                    ("client_id", id.as_str()),
                    ("client_secret", secret.expose()),
                ]);
            }
            // A try of its own has a statement of its own: issuers take each once.
            ClientAuth::Assertion(client) => {
                assertion = client.assertion(now)?;
                fields.extend([
                    ("client_id", client.client_id.as_str()),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", &assertion),
                ]);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        Ok(match &self.form {
            Form::Introspection => {
                fields.push(("token_type_hint", "access_token"));
                let body = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(body)
            }
            Form::Json(member) => {
                let mut object = serde_json::Map::new();
                object.insert(member.clone(), token.expose().into());
                request
                    .header(CONTENT_TYPE, "application/json")
                    .body(serde_json::Value::Object(object).to_string())
            }
            Form::Userinfo => request,
        })
    }

    fn unreachable(&self, why: String) -> FetchError {
        FetchError::Unreachable {
            url: self.url.clone(),
            why,
        }
    }
}

fn form_urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_a_jwt_is_told_from_garbage() {
        let endpoint = |form| Endpoint {
            kind: TokenKind::Oauth,
            url: String::new(),
            form,
            auth: ClientAuth::None,
            headers: Vec::new(),
            signed: false,
        };
        for (form, body, expected) in [
            (
                Form::Introspection,
                "eyJ.eyJ.c2ln",
                "introspection_response",
            ),
            (Form::Introspection, "eyJ.a.b.c.d", "encrypted"),
            (
                Form::Userinfo,
                "eyJ.eyJ.c2ln",
                "userinfo_signed_response_alg",
            ),
            (Form::Userinfo, "eyJ.a.b.c.d", "userinfo_encrypted"),
            (Form::Introspection, "a.b.c", "no JSON"),
        ] {
            let said = endpoint(form).explained(body.as_bytes(), "no JSON".to_owned());
            assert!(said.contains(expected), "{body}: {said}");
        }
    }
}
