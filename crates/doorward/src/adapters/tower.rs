//! A [`tower`](https://docs.rs/tower) layer for any HTTP service.
//!
//! It lends the request's head to the [`Authenticator`], puts an [`Admission`] with the [`Identity`] into the request's extensions, or
//! renders the refusal. It decides nothing itself.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
#[cfg(feature = "axum")]
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(feature = "axum")]
use ::axum::extract::ConnectInfo;
use doorward_core::{Identity, Policy, Rejection, RequestHead};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::authenticator::{Attempt, Authenticator};

/// Lends the header fields of an `http` request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'r>(pub &'r HeaderMap);

impl RequestHead for Head<'_> {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }
}

/// Lends a request's header fields, and the address it came from.
struct Lent<'r> {
    headers: &'r HeaderMap,
    extensions: &'r Extensions,
}

impl RequestHead for Lent<'_> {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .get_all(name)
            .into_iter()
            .map(HeaderValue::as_bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        let own = self.extensions.get::<Peer>().map(|peer| peer.0);
        #[cfg(feature = "axum")]
        let own = own.or_else(|| {
            let info = self.extensions.get::<ConnectInfo<SocketAddr>>()?;
            Some(info.0.ip())
        });
        own
    }
}

/// The address a request came from, for the layer to find in the request's extensions where the server puts it nowhere. With
/// axum, `into_make_service_with_connect_info::<SocketAddr>()` does as well. Only how many opaque tokens that are not known
/// one address may try depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// What the layer found out about a request, in its extensions; see [`identity`].
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who is calling; `None` if nobody said so and that is allowed.
    pub identity: Option<Identity>,
    pub(crate) auth: Authenticator,
}

/// Guards a service.
///
/// ```
/// # use doorward::{Authenticator, Policy};
/// # fn example(auth: Authenticator) {
/// use doorward::tower::AuthLayer;
///
/// let signed_in = AuthLayer::required(auth.clone());
/// let perhaps = AuthLayer::optional(auth.clone());
/// let admins = AuthLayer::required(auth).policy(Policy::new().role("org:admin"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthLayer {
    auth: Authenticator,
    absence_allowed: bool,
    policy: Option<Arc<Policy>>,
}

impl AuthLayer {
    /// Lets verified callers through, and nobody else.
    pub fn required(auth: Authenticator) -> Self {
        Self {
            auth,
            absence_allowed: false,
            policy: None,
        }
    }

    /// Lets verified callers through, and those who present no credentials at all. Bad credentials are still refused.
    pub fn optional(auth: Authenticator) -> Self {
        Self {
            auth,
            absence_allowed: true,
            policy: None,
        }
    }

    /// Demands more of a caller than to be verified.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    fn admit(&self, attempt: Result<Identity, Rejection>) -> Result<Admission, Rejection> {
        let identity = match attempt {
            Ok(identity) => Some(identity),
            Err(rejection) if self.absence_allowed && rejection.is_absence() => None,
            Err(rejection) => return Err(rejection),
        };
        if let (Some(identity), Some(policy)) = (&identity, &self.policy) {
            policy
                .permit(identity)
                .map_err(|rejection| self.auth.refuse(rejection))?;
        }
        Ok(Admission {
            identity,
            auth: self.auth.clone(),
        })
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            layer: self.clone(),
            inner,
        }
    }
}

/// A guarded service; see [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Auth<S> {
    layer: AuthLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Fetch §3.2.2: a preflight never carries credentials, and is answered by a CORS layer outside of this one. What
        // gets here goes no further, for not every service looks at the method before it acts.
        let preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if preflight && !self.layer.absence_allowed {
            let mut response = Response::new(R::from(String::new()));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return State::Refused {
                response: Some(response),
            }
            .into();
        }
        let verdict = match request.extensions().get::<Admission>() {
            // An outer layer has already verified this caller.
            Some(Admission {
                identity: Some(identity),
                auth,
            }) if auth.same_as(&self.layer.auth) => Ok(identity.clone()),
            _ => match self.layer.auth.try_authenticate(&Lent {
                headers: request.headers(),
                extensions: request.extensions(),
            }) {
                Attempt::Verified(identity) => Ok(identity),
                Attempt::Rejected(rejection) => Err(rejection),
                Attempt::Pending(_) => return self.call_later(request),
            },
        };
        match self.layer.admit(verdict) {
            Ok(admission) => {
                request.extensions_mut().insert(admission);
                State::Inner {
                    future: self.inner.call(request),
                }
                .into()
            }
            Err(rejection) => State::Refused {
                response: Some(refuse(&rejection)),
            }
            .into(),
        }
    }
}

impl<S> Auth<S> {
    /// The cold path: waits for the keys, then goes on as usual.
    fn call_later<B, R>(&mut self, mut request: Request<B>) -> AuthFuture<S::Future, R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        B: Send + 'static,
        R: From<String>,
    {
        // The service that was polled ready goes along; a clone stays behind.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        let future = async move {
            // The body need not be one that threads share, so nothing may be borrowed from the request meanwhile.
            let headers = request.headers().clone();
            let peer = Lent {
                headers: &headers,
                extensions: request.extensions(),
            }
            .peer();
            let mut extensions = Extensions::new();
            if let Some(address) = peer {
                extensions.insert(Peer(address));
            }
            let head = Lent {
                headers: &headers,
                extensions: &extensions,
            };
            let verdict = layer.auth.authenticate(&head).await;
            match layer.admit(verdict) {
                Ok(admission) => {
                    request.extensions_mut().insert(admission);
                    inner.call(request).await
                }
                Err(rejection) => Ok(refuse(&rejection)),
            }
        };
        State::Waiting {
            future: Box::pin(future),
        }
        .into()
    }
}

/// Who is calling, as the layer around a service found out; `None` without a layer, or if nobody said so.
pub fn identity(extensions: &Extensions) -> Option<&Identity> {
    extensions.get::<Admission>()?.identity.as_ref()
}

/// Renders a refusal.
pub fn refuse<R: From<String>>(rejection: &Rejection) -> Response<R> {
    let mut response = Response::new(R::from(rejection.body()));
    *response.status_mut() =
        StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(rejection.content_type()),
    );
    for (name, value) in rejection.headers() {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

pin_project! {
    /// The response of a guarded service. On the warm path it is the inner future, unboxed.
    pub struct AuthFuture<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, R, E> {
        Inner { #[pin] future: F },
        Refused { response: Option<Response<R>> },
        Waiting { future: Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>> },
    }
}

impl<F, R, E> From<State<F, R, E>> for AuthFuture<F, R, E> {
    fn from(state: State<F, R, E>) -> Self {
        Self { state }
    }
}

impl<F, R, E> Future for AuthFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Inner { future } => future.poll(context),
            Projected::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            Projected::Waiting { future } => future.as_mut().poll(context),
        }
    }
}

impl<F, R, E> fmt::Debug for AuthFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Inner { .. } => "AuthFuture(inner)",
            State::Refused { .. } => "AuthFuture(refused)",
            State::Waiting { .. } => "AuthFuture(waiting)",
        })
    }
}
