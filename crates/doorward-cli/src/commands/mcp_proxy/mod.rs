//! `doorward mcp-proxy`.

mod assertion;
mod forward;
mod settings;
mod turns;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use axum::{Json, Router, body::Body};
use doorward::axum::Identity;
use doorward::core::Secret;
use doorward::mcp::{self, McpLayer};
use doorward::{Authenticator, Config, IssuerConfig, SecretText};
use doorward_issuer::authorization_server::axum::{router, router_with_source, source_in_header};
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AnyStore, AuthorizationServer, DiscoveryError, KeyRing, Pages, Sessions, Settings as Server,
    Upstream, UpstreamAuthentication,
};
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use super::webhooks::asked_to_end;
use crate::output::{self, BOLD, DIM, Failure, UNAVAILABLE, paint};
use crate::standing;
use crate::store::block_on;
use assertion::Assertions;
pub(crate) use settings::Arguments;
use settings::{Settings, Tokens};
use turns::Turns;

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let settings = arguments.read()?;
    output::log_to_stderr(as_json);
    block_on(serve(settings, arguments.check, as_json))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings, check: bool, as_json: bool) -> Result<(), Failure> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| {
        Failure::usage(format!("cannot listen on {}: {error}", settings.listen))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let public = settings
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", reachable(address)));
    let resource = format!("{public}{}", settings.path);
    let upstream = settings.upstream.clone();
    if settings.secret.is_none() {
        tracing::warn!("there is no secret: every token and session ends when this process does");
    }
    let app = assemble(settings, &public, &resource, address).await?;
    if check {
        return checked(&upstream, &resource, as_json).await;
    }
    announce(&resource, &upstream, as_json);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_end().await;
        let _ = stop.send(true);
    });
    let until = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(until(stopped.clone()));
    // Streams have no end of their own.
    tokio::select! {
        served = server => served.map_err(|error| Failure::usage(format!("cannot serve: {error}")))?,
        () = async { until(stopped.clone()).await; tokio::time::sleep(LAST_ANSWERS).await } => {}
    }
    Ok(())
}

/// Everything that answers.
async fn assemble(
    settings: Settings,
    public: &str,
    resource: &str,
    address: SocketAddr,
) -> Result<Router, Failure> {
    let wrong = |error: doorward_issuer::authorization_server::ConfigError| {
        Failure::usage(error.to_string())
    };
    let secret = match settings.secret {
        Some(secret) => secret,
        // What it is called does not matter: it is 256 random bits.
        None => Secret::new(doorward_issuer::new_webhook_secret().map_err(Failure::usage)?),
    };
    let mut config: Config = settings.resource;
    config.resource = Some(resource.to_owned());
    config.session_secret = Some(SecretText(secret.clone()));
    let (mut app, mut sessions) = (Router::new(), None);
    let remote = matches!(settings.tokens, Tokens::Elsewhere(_));
    match settings.tokens {
        Tokens::Elsewhere(issuers) => config.issuers = issuers,
        Tokens::Here {
            provider,
            client_id,
            client_secret,
        } => {
            let transport = Arc::new(HttpTransport::new(&HttpSettings::default()).map_err(wrong)?);
            let authentication = match client_secret {
                Some(secret) => UpstreamAuthentication::Basic(secret),
                None => UpstreamAuthentication::None,
            };
            let found =
                Upstream::discover(&*provider, &*client_id, authentication, &*transport).await;
            let found = found.map_err(|error| Failure {
                code: match error {
                    DiscoveryError::Unreachable(_) => UNAVAILABLE,
                    _ => output::USAGE,
                },
                message: format!("sign_in_at: {error}"),
            })?;
            let mut server = Server::new(public, resource, secret.clone(), found);
            server.scopes.clone_from(&settings.scopes);
            let server = AuthorizationServer::with_rotating_keys(server).map_err(wrong)?;
            if server.paths().contains(&settings.path) {
                return Err(Failure::usage(format!(
                    "path: {} is taken by the authorization server",
                    settings.path
                )));
            }
            let ring = KeyRing::new(&secret, &[]).map_err(wrong)?;
            let store = AnyStore::with_capacity(&settings.store, Some(ring), settings.capacity);
            let store = Arc::new(store.map_err(wrong)?);
            let pages = Pages::new(settings.page)
                .map_err(|error| Failure::usage(format!("page: {error}")))?;
            let (store_too, transport_too) = (Arc::clone(&store), Arc::clone(&transport));
            let own = server.clone();
            app = app.merge(match settings.client_address_header {
                None => router(own, store_too, transport_too, pages),
                Some(name) => {
                    let source = source_in_header(name);
                    router_with_source(own, store_too, transport_too, pages, source)
                }
            });
            sessions = Some(Sessions::new(server, store, transport));
            // The keys rotate, so they are fetched as anybody's are; from here, whatever stands in front.
            let mut issuer = IssuerConfig::new(public, resource);
            issuer.jwks_url = Some(format!("http://{}/jwks", reachable(address)));
            issuer.accepts = Some("oauth_token".into());
            config.issuers = vec![issuer];
        }
    }
    let auth = Authenticator::new(&config)?;
    if remote {
        app = app.merge(mcp::router(&auth));
    }
    let audience = settings.upstream.origin().ascii_serialization();
    let assertions = Assertions::new(
        settings.identity_key_file.as_deref(),
        public.to_owned(),
        audience,
    )?;
    let keys = assertions.keys();
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .build();
    let client = client.map_err(|error| Failure::usage(error.to_string()))?;
    let upstream = forward::Upstream {
        client,
        url: settings.upstream,
        authorization: settings.upstream_authorization,
        forward: settings.forward_headers,
        assertions,
        turns: Turns::new(settings.max_requests),
        max_body_bytes: settings.max_body_bytes,
        timeout: settings.timeout,
    };
    let layer = McpLayer::new(auth.clone())?.max_body_bytes(settings.max_body_bytes);
    let guard = Arc::new(Guard::new(
        public,
        address,
        &settings.allowed_hosts,
        settings.allowed_origins,
    ));
    let mut server = Router::new()
        .route(&settings.path, any(pass_on))
        .with_state(Arc::new(upstream));
    if let Some(sessions) = sessions {
        server = server.layer(standing::layer(sessions, auth));
    }
    let server = server
        .layer(layer)
        .layer(DefaultBodyLimit::max(settings.max_body_bytes))
        .layer(from_fn_with_state(guard, guarded));
    let identity = get(move || async move { Json(keys) });
    Ok(app.merge(server).route(assertion::KEYS, identity))
}

async fn pass_on(
    State(upstream): State<Arc<forward::Upstream>>,
    caller: Identity,
    request: Request,
) -> Response<Body> {
    upstream.pass_on(caller, request).await
}

/// Which hosts this is, and which web pages may call it (Model Context Protocol, "Security Warning" of Streamable HTTP).
struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    fn new(public: &str, address: SocketAddr, more: &[String], origins: Vec<String>) -> Self {
        let authority = |url: &str| {
            let (_, rest) = url.split_once("://")?;
            rest.split('/').next().map(str::to_ascii_lowercase)
        };
        let port = address.port();
        let local = ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("{host}:{port}"));
        let named = more.iter().map(|host| host.to_ascii_lowercase());
        let hosts = authority(public).into_iter().chain(local).chain(named);
        let own = Url::parse(public).map(|url| url.origin().ascii_serialization());
        Self {
            hosts: hosts.collect(),
            origins: origins.into_iter().chain(own).collect(),
        }
    }

    /// The web page that asks, if one does and may.
    fn admit(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, &'static str> {
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            let value = values.next();
            values
                .next()
                .map_or(Ok(value), |_| Err("host_or_origin_repeated"))
        };
        let host = one(HOST)?.and_then(|host| host.to_str().ok());
        let host = host.map(str::to_ascii_lowercase);
        if !host.is_some_and(|host| self.hosts.contains(&host)) {
            return Err("host_not_allowed");
        }
        match one(ORIGIN)? {
            None => Ok(None),
            Some(origin)
                if self
                    .origins
                    .iter()
                    .any(|own| own.as_bytes() == origin.as_bytes()) =>
            {
                Ok(Some(origin.clone()))
            }
            Some(_) => Err("origin_not_allowed"),
        }
    }
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let origin = match guard.admit(request.headers()) {
        Ok(origin) => origin,
        Err(code) => return forward::trouble(StatusCode::FORBIDDEN, code),
    };
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key("access-control-request-method");
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert("access-control-allow-origin", origin);
        for (name, value) in CROSS_ORIGIN {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Fetch §3.2.3, for the pages that may call this.
const CROSS_ORIGIN: [(&str, &str); 5] = [
    ("access-control-allow-methods", "GET, POST, DELETE"),
    (
        "access-control-allow-headers",
        "authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id",
    ),
    (
        "access-control-expose-headers",
        "mcp-session-id, www-authenticate",
    ),
    ("access-control-max-age", "600"),
    ("vary", "origin"),
];

/// How this process reaches itself.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the MCP server answers at all; what it answers to a stranger is its own business.
async fn checked(upstream: &Url, resource: &str, as_json: bool) -> Result<(), Failure> {
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(CONNECT)
        .build();
    let client = client.map_err(|error| Failure::usage(error.to_string()))?;
    let answer = client
        .get(upstream.clone())
        .header("accept", "text/event-stream")
        .send()
        .await;
    if let Err(error) = answer {
        return Err(Failure {
            message: format!(
                "upstream: {upstream} does not answer: {}",
                error.without_url()
            ),
            code: UNAVAILABLE,
        });
    }
    if as_json {
        output::line(
            &json!({"resource": resource, "upstream": upstream.as_str(), "well": true}).to_string(),
        );
    } else {
        output::line(&format!("All well: {resource} is {upstream}"));
    }
    Ok(())
}

fn announce(resource: &str, upstream: &Url, as_json: bool) {
    if as_json {
        return output::line(
            &json!({"resource": resource, "upstream": upstream.as_str()}).to_string(),
        );
    }
    let row = |name: &str, value: &str| {
        output::line(&format!("  {} {value}", paint(DIM, &format!("{name:<10}"))));
    };
    output::line(&paint(BOLD, "Guarding an MCP server"));
    row("clients", resource);
    row("server", upstream.as_str());
    output::line(&paint(DIM, "\nCtrl-C ends it."));
}

/// How long a connection to the MCP server may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long those have who are being answered when the end is called.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
