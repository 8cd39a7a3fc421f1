//! Somebody else's HTTP client in the place of ours: a proxy that only it knows, a pool that is shared, a test's own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{RequestBuilder, Response};

use crate::fetch::reason;

/// One request to an issuer.
pub struct CarriedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Where.
    pub url: String,
    /// Its header fields. They may hold secrets.
    pub headers: Vec<(String, String)>,
    /// Its body, which may hold a token.
    pub body: Vec<u8>,
}

/// The issuer's answer. Redirects are not followed: whoever carries, follows or does not.
pub struct CarriedResponse {
    /// The status.
    pub status: u16,
    /// Its header fields.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is on its way.
pub type Carried = Pin<Box<dyn Future<Output = Result<CarriedResponse, String>> + Send>>;

/// Who carries requests to issuers. Asked on a helper thread; one that is too slow is left behind at the deadline.
pub trait Carrier: Send + Sync {
    /// Carries one; the error says why there is no answer.
    fn carry(&self, request: CarriedRequest) -> Carried;
}

/// A [`Carrier`] as a setting.
#[derive(Clone)]
pub struct SharedCarrier(pub Arc<dyn Carrier>);

impl PartialEq for SharedCarrier {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedCarrier {}

impl fmt::Debug for SharedCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedCarrier")
    }
}

impl fmt::Debug for CarriedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CarriedRequest({})", self.method)
    }
}

impl fmt::Debug for CarriedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.body.len();
        write!(f, "CarriedResponse({}, {length} bytes)", self.status)
    }
}

/// Why there is no answer, and whether another try may help.
pub(crate) struct Broken {
    pub(crate) why: String,
    pub(crate) retry: bool,
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self {
            why: reason(&error),
            retry: (error.is_connect() || error.is_request()) && !error.is_redirect(),
        }
    }
}

/// Sends a request, by the carrier if there is one.
pub(crate) async fn send(
    carrier: Option<&SharedCarrier>,
    request: RequestBuilder,
) -> Result<Response, Broken> {
    let Some(SharedCarrier(carrier)) = carrier else {
        return Ok(request.send().await?);
    };
    let request = request.build()?;
    // Our own client adds this by itself.
    let mut headers = vec![("user-agent".to_owned(), USER_AGENT.to_owned())];
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.push((name.as_str().to_owned(), value));
    }
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let carried = carrier.carry(CarriedRequest {
        method: request.method().to_string(),
        url: request.url().to_string(),
        headers,
        body: body.unwrap_or_default().to_vec(),
    });
    let lost = |why: String| Broken { why, retry: false };
    let answer = carried.await.map_err(lost)?;
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(answer.body);
    let response = response.map_err(|_| lost("the answer is no HTTP".to_owned()))?;
    Ok(response.into())
}

pub(crate) const USER_AGENT: &str = concat!("doorward/", env!("CARGO_PKG_VERSION"));
