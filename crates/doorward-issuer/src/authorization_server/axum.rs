//! The server as axum routes: translation, and nothing decided.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::any;
use http::StatusCode;
use http::header::RETRY_AFTER;

use super::{AuthorizationServer, MAX_BODY, Moment, Pages, Store, Transport};

/// The routes of `server`, at [`AuthorizationServer::paths`], to be merged with those of the resource.
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

fn connection(parts: &Parts) -> Option<IpAddr> {
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(connection.0.ip())
}
