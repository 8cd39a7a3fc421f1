//! The server as axum routes: translation, and nothing decided.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tower_layer::Layer;
use tower_service::Service;

use super::{AuthorizationServer, MAX_BODY, Moment, Pages, Sessions, Standing, Store, Transport};

/// The routes of `server`, at [`AuthorizationServer::paths`], to be merged with those of the resource. The resource's
/// metadata (RFC 9728) are among them: a second router for those, such as `doorward::mcp::router`, has no place beside this
/// one, and axum panics where two routers have one path.
///
/// The address of a caller is the connection's, where the application is served
/// `into_make_service_with_connect_info::<SocketAddr>()`; behind a proxy that is the proxy's, so that all callers are
/// counted as one: see [`router_with_source`].
pub fn router<S, T>(
    server: AuthorizationServer,
    store: Arc<S>,
    upstream: Arc<T>,
    pages: Pages,
) -> Router
where
    S: Store + 'static,
    T: Transport + 'static,
{
    router_with_source(server, store, upstream, pages, connection)
}

/// As [`router`], with another word on the address of a caller: a header that the proxy in front sets, and nobody else
/// can.
pub fn router_with_source<S, T, A>(
    server: AuthorizationServer,
    store: Arc<S>,
    upstream: Arc<T>,
    pages: Pages,
    source: A,
) -> Router
where
    S: Store + 'static,
    T: Transport + 'static,
    A: Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
{
    let paths = server.paths();
    let source = Arc::new(source);
    let handler = any(move |request: Request| {
        let (server, store, upstream) = (server.clone(), Arc::clone(&store), Arc::clone(&upstream));
        let (pages, source) = (pages.clone(), Arc::clone(&source));
        async move {
            let (parts, body) = request.into_parts();
            let source = source(&parts);
            let Ok(body) = to_bytes(body, MAX_BODY).await else {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            let Some(moment) = Moment::of_the_system() else {
                return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response();
            };
            let request = http::Request::from_parts(parts, body.to_vec());
            let reply = server
                .handle(request, source, moment)
                .run(&*store, &*upstream)
                .await;
            pages.answer(reply).map(Body::from)
        }
    });
    paths.into_iter().fold(Router::new(), |router, path| {
        router.route(&path, handler.clone())
    })
}

/// For [`router_with_source`]: the address that the nearest proxy wrote last into this header, such as `x-forwarded-for`
/// or `x-real-ip`; without the header, or with something else in it, the connection's. A header that no proxy sets is
/// everybody's to write.
pub fn source_in_header(name: HeaderName) -> impl Fn(&Parts) -> Option<IpAddr> + Send + Sync {
    move |parts| {
        let said = parts.headers.get_all(&name).iter().next_back();
        let said = said.and_then(|value| value.to_str().ok());
        let last = said.and_then(|said| said.rsplit(',').next()).map(str::trim);
        let address = last.and_then(|last| {
            let with_port = || last.parse().ok().map(|address: SocketAddr| address.ip());
            last.parse().ok().or_else(with_port)
        });
        address.or_else(|| connection(parts))
    }
}

/// A layer for the resource, inside the one that verifies access tokens: it lets through whose family
/// [stands](Sessions::check), answers 401 where it has ended, and 503 while nobody knows.
///
/// `sid` tells a verified token's `sid`; a request without one, such as that of a client that acts for itself, has nothing
/// to be checked. With Doorward's own layer outside of this one it is
/// `|parts| doorward::tower::identity(&parts.extensions)?.session_id().map(str::to_owned)`.
pub struct CheckLayer<S, T, F>(Arc<Check<S, T, F>>);

struct Check<S, T, F> {
    sessions: Arc<Sessions<S, T>>,
    sid: F,
    refusal: Refusal,
}

/// What a refused request is answered with.
type Refusal = Box<dyn Fn(Standing) -> Response + Send + Sync>;

impl<S, T, F> CheckLayer<S, T, F>
where
    S: Store,
    T: Transport,
    F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
{
    /// A layer that asks these sessions.
    pub fn new(sessions: Arc<Sessions<S, T>>, sid: F) -> Self {
        let metadata = sessions.server().resource_metadata_url();
        let challenge = format!(
            r#"Bearer error="invalid_token", error_description="the session has ended", resource_metadata="{metadata}""#
        );
        // A URL that was parsed has nothing in it that a header may not have.
        let challenge = HeaderValue::from_str(&challenge)
            .unwrap_or_else(|_| HeaderValue::from_static(r#"Bearer error="invalid_token""#));
        Self::refusing(sessions, sid, move |standing| match standing {
            Standing::Ended => {
                let challenge = [(WWW_AUTHENTICATE, challenge.clone())];
                (StatusCode::UNAUTHORIZED, challenge).into_response()
            }
            _ => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response(),
        })
    }

    /// As [`CheckLayer::new`], with words of one's own for whose family has [ended](Standing::Ended), or may have
    /// ([`Standing::Unknown`]).
    pub fn refusing(
        sessions: Arc<Sessions<S, T>>,
        sid: F,
        refusal: impl Fn(Standing) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Check {
            sessions,
            sid,
            refusal: Box::new(refusal),
        }))
    }
}

impl<S, T, F> Clone for CheckLayer<S, T, F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, T, F> fmt::Debug for CheckLayer<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckLayer").field(&self.0.sessions).finish()
    }
}

impl<S, T, F, I> Layer<I> for CheckLayer<S, T, F> {
    type Service = Checked<S, T, F, I>;

    fn layer(&self, inner: I) -> Self::Service {
        Checked {
            layer: self.clone(),
            inner,
        }
    }
}

/// What a [`CheckLayer`] makes of a service.
pub struct Checked<S, T, F, I> {
    layer: CheckLayer<S, T, F>,
    inner: I,
}

impl<S, T, F, I: Clone> Clone for Checked<S, T, F, I> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<S, T, F, I> fmt::Debug for Checked<S, T, F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}

impl<S, T, F, I> Service<Request> for Checked<S, T, F, I>
where
    S: Store + 'static,
    T: Transport + 'static,
    F: Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    I: Service<Request, Response = Response> + Clone + Send + 'static,
    I::Future: Send,
{
    type Response = Response;
    type Error = I::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, I::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), I::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that is ready is used, and a copy of it is there for the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let check = Arc::clone(&self.layer.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let standing = match (check.sid)(&parts) {
                None => Standing::Stands,
                Some(sid) => check.sessions.check(&sid).await,
            };
            match standing {
                Standing::Stands => inner.call(Request::from_parts(parts, body)).await,
                refused => Ok((check.refusal)(refused)),
            }
        })
    }
}

fn connection(parts: &Parts) -> Option<IpAddr> {
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(connection.0.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_proxy_has_the_last_word_on_an_address() {
        let source = source_in_header(HeaderName::from_static("x-forwarded-for"));
        let told = |lines: &[&str]| {
            let mut request = Request::builder();
            for line in lines {
                request = request.header("x-forwarded-for", *line);
            }
            let mut parts = request.body(Body::empty()).unwrap().into_parts().0;
            let connection: SocketAddr = "127.0.0.1:9".parse().unwrap();
            parts.extensions.insert(ConnectInfo(connection));
            source(&parts).unwrap().to_string()
        };
        assert_eq!(told(&["192.0.2.1"]), "192.0.2.1");
        assert_eq!(told(&["10.0.0.1, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(told(&["10.0.0.1", "2001:db8::1"]), "2001:db8::1");
        assert_eq!(told(&["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(told(&["192.0.2.1:443"]), "192.0.2.1");
        for nothing in [&[][..], &["unknown"], &["192.0.2.1, "]] {
            assert_eq!(told(nothing), "127.0.0.1");
        }
    }
}
