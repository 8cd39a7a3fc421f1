//! `doorward dev`.

mod mcp;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use doorward::axum::{AuthLayer, Identity};
use doorward::{Authenticator, Config, IssuerConfig};
use doorward_issuer::{DevIssuer, Mint, SigningAlgorithm};
use serde_json::{Value, json};

use crate::output::{self, BOLD, DIM, Failure, paint};

/// Run a local issuer and a sample API behind it. Everything listens on this machine only.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The issuer's port; 0 takes a free one
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// The sample API's port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    api_port: u16,
    /// Leave the sample API out
    #[arg(long, conflicts_with = "mcp")]
    issuer_only: bool,
    /// Run a sample MCP server instead of the sample API, behind the OAuth server that MCP clients log in at
    #[arg(long)]
    mcp: bool,
    /// The MCP server's port; 0 takes a free one
    #[arg(long, default_value_t = mcp::DEFAULT_PORT, requires = "mcp")]
    mcp_port: u16,
    /// The algorithm to sign with
    #[arg(long, default_value = "RS256", value_parser = algorithm)]
    algorithm: SigningAlgorithm,
    /// The issuer's secret key, `sk_test_…`; a new one at every start unless this is said
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// So many users exist, for the lists of the Backend API; each is a member of an organization
    #[arg(long, default_value_t = 0)]
    users: u64,
    /// So many organizations exist
    #[arg(long, default_value_t = 0)]
    organizations: u64,
    /// Remember what exists at the Backend API in this file; a new one is made. In memory alone unless this is said
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Who and what exists from the start, as YAML or JSON; nothing is done where the state has something in it
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// How often the Backend API may be asked in ten seconds before it answers 429; as often as you like unless this is
    /// said
    #[arg(long, value_name = "REQUESTS")]
    rate_limit: Option<usize>,
    /// Post signed webhooks of what happens at the Backend API to this URL of this machine
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// The secret to sign them with, `whsec_…`; a new one at every start unless this is said
    #[arg(long, value_name = "SECRET", requires = "webhook_url")]
    webhook_secret: Option<String>,
}

/// Where `doorward token` looks for the issuer.
pub(crate) const DEFAULT_PORT: u16 = 4747;

fn algorithm(name: &str) -> Result<SigningAlgorithm, String> {
    SigningAlgorithm::from_name(name)
        .ok_or_else(|| "expected RS256, ES256, EdDSA or another JWS algorithm".to_owned())
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let mut builder = DevIssuer::builder()
        .algorithms(&[arguments.algorithm])
        .people(arguments.users, arguments.organizations);
    if let Some(requests) = arguments.rate_limit {
        builder = builder.rate_limit(requests);
    }
    if let Some(key) = &arguments.secret_key {
        builder = builder.secret_key(key);
    }
    let issuer = builder
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let issuer = Arc::new(issuer);
    let served = issuer.serve(loopback(arguments.port)).map_err(|error| {
        Failure::usage(format!(
            "cannot listen on port {}: {error}; try --port 0",
            arguments.port
        ))
    })?;
    // Now that it has a URL, which stands in what a seed makes.
    prepare(&issuer, arguments)?;
    let secret = arguments.webhook_url.as_deref().map(|url| {
        let told = issuer.send_webhooks_to(url, arguments.webhook_secret.as_deref());
        told.map_err(|why| Failure::usage(format!("--webhook-url: {why}")))
    });
    let secret = secret.transpose()?;
    if arguments.issuer_only {
        announce(&issuer, None, secret.as_deref(), as_json);
        served.wait();
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?;
    runtime.block_on(async {
        let unusable =
            |error: std::io::Error| Failure::usage(format!("cannot serve the sample API: {error}"));
        if arguments.mcp {
            return serve_mcp(&issuer, arguments.mcp_port, as_json).await;
        }
        let app = sample(&issuer)?;
        let listener = tokio::net::TcpListener::bind(loopback(arguments.api_port))
            .await
            .map_err(unusable)?;
        let url = format!("http://{}", listener.local_addr().map_err(unusable)?);
        announce(&issuer, Some(&url), secret.as_deref(), as_json);
        axum::serve(listener, app).await.map_err(unusable)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_mcp(issuer: &DevIssuer, port: u16, as_json: bool) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(loopback(port)).await;
    let listener = listener.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on port {port}: {error}; try --mcp-port 0"
        ))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let base = format!("http://{address}");
    let routes = mcp::routes(issuer, &base).await?;
    announce_mcp(issuer, &base, as_json);
    mcp::serve(listener, routes).await
}

/// Opens the state and sows the seed.
fn prepare(issuer: &DevIssuer, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(file) = &arguments.state {
        let opened = issuer.open_state(file);
        opened.map_err(|error| Failure::usage(format!("--state: {error}")))?;
    }
    if let Some(file) = &arguments.seed {
        let told = |why: &dyn std::fmt::Display| {
            Failure::usage(format!("--seed: {}: {why}", file.display()))
        };
        let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
        issuer.seed(&text).map_err(|error| told(&error))?;
    }
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The smallest API that is worth protecting. It explains its refusals, because it is for development.
fn sample(issuer: &DevIssuer) -> Result<Router, Failure> {
    let mut trusted = IssuerConfig::preset("clerk");
    trusted.publishable_key = Some(issuer.publishable_key());
    trusted.authorized_parties = Some(Mint::PARTY.into());
    let mut config = Config::new([trusted]);
    config.explain = Some(true);
    let auth = Authenticator::new(&config)?;
    Ok(Router::new()
        .route("/me", get(me).layer(AuthLayer::required(auth.clone())))
        .route("/public", get(public).layer(AuthLayer::optional(auth))))
}

async fn me(caller: Identity) -> Json<Value> {
    Json(json!({
        "user_id": caller.user_id(),
        "session_id": caller.session_id(),
        "organization_id": caller.organization_id(),
        "role": caller.role(),
        "permissions": caller.permissions(),
        "expires_at": caller.expires_at().to_string(),
    }))
}

async fn public(caller: Option<Identity>) -> Json<Value> {
    Json(json!({ "hello": caller.as_ref().map_or("stranger", |caller| caller.subject()) }))
}

fn announce_mcp(issuer: &DevIssuer, base: &str, as_json: bool) {
    let url = issuer.issuer();
    if as_json {
        return output::line(
            &json!({
                "issuer": url,
                "publishable_key": issuer.publishable_key(),
                "secret_key": issuer.secret_key(),
                "mcp": mcp::url(base),
                "authorization_server": base,
            })
            .to_string(),
        );
    }
    output::line(&paint(
        BOLD,
        "An MCP server to log in to, with Doorward in front and a local issuer behind",
    ));
    row("MCP server", &mcp::url(base));
    row(
        "OAuth server",
        &format!("{base}/.well-known/oauth-authorization-server"),
    );
    row(
        "issuer",
        &format!("{url}   (people sign in here; open it in a browser)"),
    );
    output::line(&format!("\n{}", paint(BOLD, "Connect a client")));
    for (client, command) in mcp::commands(base) {
        output::line(&format!("  {}", paint(DIM, &format!("# {client}"))));
        output::line(&format!("  {command}"));
    }
    output::line(&paint(DIM, "\nCtrl-C ends it."));
}

fn row(name: &str, value: &str) {
    output::line(&format!("  {} {value}", paint(DIM, &format!("{name:<17}"))));
}

fn announce(issuer: &DevIssuer, api: Option<&str>, webhook_secret: Option<&str>, as_json: bool) {
    let (url, key) = (issuer.issuer(), issuer.publishable_key());
    if as_json {
        return output::line(
            &json!({
                "issuer": url,
                "publishable_key": key,
                "secret_key": issuer.secret_key(),
                "backend_api": format!("{url}/v1"),
                "webhook_secret": webhook_secret,
                "api": api,
            })
            .to_string(),
        );
    }
    output::line(&paint(
        BOLD,
        "Doorward's local issuer, with test keys that are good for nothing else",
    ));
    row("issuer", &format!("{url}   (open it in a browser)"));
    row("publishable key", &key);
    row("secret key", issuer.secret_key());
    row("keys", &format!("{url}/.well-known/jwks.json"));
    row("Backend API", &format!("{url}/v1"));
    if let Some(secret) = webhook_secret {
        row("webhook secret", secret);
    }
    if let Some(api) = api {
        row("sample API", &format!("{api}/me and {api}/public"));
        output::line(&format!("\n{}", paint(BOLD, "Try it")));
        let at = if url.ends_with(&format!(":{DEFAULT_PORT}")) {
            String::new()
        } else {
            format!(" --url {url}")
        };
        output::line(&format!("  curl -i {api}/me"));
        output::line(&format!(
            "  curl -i {api}/me -H \"Authorization: Bearer $(doorward token{at})\""
        ));
        output::line(&format!(
            "  curl -i {api}/me -H \"Authorization: Bearer $(doorward token{at} --defect expired)\""
        ));
    }
    output::line(&paint(DIM, "\nCtrl-C ends it."));
}
