//! The server as axum routes: translation, and nothing decided.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};

use super::{AuthorizationServer, ConsentPrompt, MAX_BODY, Moment, Reply, Store, Transport};

/// The routes of `server`, at [`AuthorizationServer::paths`], to be merged with those of the resource.
///
/// `page` renders the consent page; it escapes what a client said of itself. The address of a caller is the connection's,
/// where the application is served `into_make_service_with_connect_info::<SocketAddr>()`; behind a proxy that is the
/// proxy's, so that all callers are counted as one: see [`router_with_source`].
pub fn router<S, T, P>(
    server: AuthorizationServer,
    store: Arc<S>,
    upstream: Arc<T>,
    page: P,
) -> Router
where
    S: Store + 'static,
    T: Transport + 'static,
    P: Fn(&ConsentPrompt) -> String + Send + Sync + 'static,
{
    router_with_source(server, store, upstream, page, connection)
}

/// As [`router`], with another word on the address of a caller: a header that the proxy in front sets, and nobody else
/// can.
pub fn router_with_source<S, T, P, A>(
    server: AuthorizationServer,
    store: Arc<S>,
    upstream: Arc<T>,
    page: P,
    source: A,
) -> Router
where
    S: Store + 'static,
    T: Transport + 'static,
    P: Fn(&ConsentPrompt) -> String + Send + Sync + 'static,
    A: Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
{
    let paths = server.paths();
    let (page, source) = (Arc::new(page), Arc::new(source));
    let handler = any(move |request: Request| {
        let (server, store, upstream) = (server.clone(), Arc::clone(&store), Arc::clone(&upstream));
        let (page, source) = (Arc::clone(&page), Arc::clone(&source));
        async move {
            let (parts, body) = request.into_parts();
            let source = source(&parts);
            let Ok(body) = to_bytes(body, MAX_BODY).await else {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            let Some(moment) = moment() else {
                return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response();
            };
            let request = http::Request::from_parts(parts, body.to_vec());
            match server
                .handle(request, source, moment)
                .run(&*store, &*upstream)
                .await
            {
                Reply::Response(response) => response.map(Body::from),
                Reply::Consent(prompt) => asked(&prompt, page(&prompt)),
            }
        }
    });
    paths.into_iter().fold(Router::new(), |router, path| {
        router.route(&path, handler.clone())
    })
}

fn asked(prompt: &ConsentPrompt, page: String) -> Response {
    let mut response = ([(CACHE_CONTROL, "no-store")], Html(page)).into_response();
    response.headers_mut().extend(prompt.headers());
    response
}

fn connection(parts: &Parts) -> Option<IpAddr> {
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(connection.0.ip())
}

/// The system's clock and random numbers.
fn moment() -> Option<Moment> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Moment::new(i64::try_from(now.as_secs()).ok()?, seed))
}
