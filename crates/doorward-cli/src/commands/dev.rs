//! `doorward dev`.

mod mcp;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use axum::routing::get;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use clap::Args;
use doorward::axum::{AuthLayer, Identity};
use doorward::{Authenticator, Config, IssuerConfig};
use doorward_issuer::tls::Tls;
use doorward_issuer::{DevIssuer, Mint, SigningAlgorithm};
use serde_json::{Value, json};
use tokio::net::TcpListener;

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
    /// Serve everything over HTTPS, at `localhost`, with a certificate that is made at every start
    #[arg(long)]
    tls: bool,
    /// Write the certificate of the authority to trust into this file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "doorward-dev-ca.pem",
        requires = "tls",
        conflicts_with = "tls_cert"
    )]
    tls_ca: PathBuf,
    /// A certificate of your own for `localhost` (PEM), as mkcert makes one, with those that vouch for it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
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
    let security = Security::of(arguments)?;
    let served = match &security {
        None => issuer.serve(loopback(arguments.port)),
        Some(security) => issuer.serve_tls(loopback(arguments.port), &security.tls),
    };
    let served = served.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on port {}: {error}; try --port 0",
            arguments.port
        ))
    })?;
    if let Some(security) = &security {
        security.write()?;
    }
    // Now that it has a URL, which stands in what a seed makes.
    prepare(&issuer, arguments)?;
    let secret = arguments.webhook_url.as_deref().map(|url| {
        let told = issuer.send_webhooks_to(url, arguments.webhook_secret.as_deref());
        told.map_err(|why| Failure::usage(format!("--webhook-url: {why}")))
    });
    let secret = secret.transpose()?;
    let told = Told {
        issuer: &issuer,
        webhook_secret: secret.as_deref(),
        security: security.as_ref(),
    };
    if arguments.issuer_only {
        told.announce(None, as_json);
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
            return serve_mcp(&told, arguments.mcp_port, as_json).await;
        }
        let app = sample(&issuer, security.as_ref())?;
        let listener = TcpListener::bind(loopback(arguments.api_port))
            .await
            .map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        told.announce(Some(&base(address, security.as_ref())), as_json);
        serve(listener, app, security.as_ref())
            .await
            .map_err(unusable)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// HTTPS, and where whom to trust is written.
struct Security {
    tls: Tls,
    authority: Option<PathBuf>,
}

impl Security {
    fn of(arguments: &Arguments) -> Result<Option<Self>, Failure> {
        let read = |flag: &str, file: &Path| {
            std::fs::read(file)
                .map_err(|error| Failure::usage(format!("{flag}: {}: {error}", file.display())))
        };
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let tls = Tls::from_pem(&read("--tls-cert", certificate)?, &read("--tls-key", key)?)
                .map_err(|error| Failure::usage(format!("--tls-cert, --tls-key: {error}")))?;
            return Ok(Some(Self {
                tls,
                authority: None,
            }));
        }
        if !arguments.tls {
            return Ok(None);
        }
        let tls = Tls::generate().map_err(|error| Failure::usage(format!("--tls: {error}")))?;
        let file = std::path::absolute(&arguments.tls_ca);
        let file = file.unwrap_or_else(|_| arguments.tls_ca.clone());
        // Whatever it is, it is not ours to overwrite.
        if std::fs::read(&file).is_ok_and(|old| !old.starts_with(b"-----BEGIN CERTIFICATE-----")) {
            return Err(Failure::usage(format!(
                "--tls-ca: {}: there is something else than a certificate in it",
                file.display()
            )));
        }
        Ok(Some(Self {
            tls,
            authority: Some(file),
        }))
    }

    /// Writes down whom to trust, now that it is served: the file may be that of another, who has the port.
    fn write(&self) -> Result<(), Failure> {
        let (Some(file), Some(authority)) = (&self.authority, self.tls.authority()) else {
            return Ok(());
        };
        std::fs::write(file, authority)
            .map_err(|error| Failure::usage(format!("--tls-ca: {}: {error}", file.display())))
    }
}

/// The URL of what listens there.
fn base(address: SocketAddr, security: Option<&Security>) -> String {
    match security {
        None => format!("http://{address}"),
        Some(_) => format!("https://localhost:{}", address.port()),
    }
}

/// Serves until the process ends.
async fn serve(
    listener: TcpListener,
    routes: Router,
    security: Option<&Security>,
) -> std::io::Result<()> {
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    match security {
        None => axum::serve(listener, service).await,
        // A tap, because it hands on the address of whoever connects.
        Some(security) => {
            let listener = security.tls.listener(listener).tap_io(|_| ());
            axum::serve(listener, service).await
        }
    }
}

async fn serve_mcp(told: &Told<'_>, port: u16, as_json: bool) -> Result<(), Failure> {
    let unusable = |error: std::io::Error| Failure::usage(format!("cannot serve MCP: {error}"));
    let listener = TcpListener::bind(loopback(port)).await;
    let listener = listener.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on port {port}: {error}; try --mcp-port 0"
        ))
    })?;
    let base = base(listener.local_addr().map_err(unusable)?, told.security);
    let authority = told.security.and_then(|security| security.tls.authority());
    let routes = mcp::routes(told.issuer, &base, authority).await?;
    told.announce_mcp(&base, as_json);
    serve(listener, routes, told.security)
        .await
        .map_err(unusable)
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
fn sample(issuer: &DevIssuer, security: Option<&Security>) -> Result<Router, Failure> {
    let mut trusted = IssuerConfig::preset("clerk");
    trusted.publishable_key = Some(issuer.publishable_key());
    trusted.authorized_parties = Some(Mint::PARTY.into());
    let mut config = Config::new([trusted]);
    config.explain = Some(true);
    let authority = security.and_then(|security| security.tls.authority());
    config.certificate_authorities = authority.map(str::to_owned);
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

/// What a terminal or a program is told at the start.
struct Told<'t> {
    issuer: &'t DevIssuer,
    webhook_secret: Option<&'t str>,
    security: Option<&'t Security>,
}

impl Told<'_> {
    fn announce_mcp(&self, base: &str, as_json: bool) {
        let url = self.issuer.issuer();
        if as_json {
            return output::line(
                &json!({
                    "issuer": url,
                    "publishable_key": self.issuer.publishable_key(),
                    "secret_key": self.issuer.secret_key(),
                    "mcp": mcp::url(base),
                    "authorization_server": base,
                    "certificate_authority": self.authority(),
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
        self.show_authority();
        output::line(&format!("\n{}", paint(BOLD, "Connect a client")));
        if let Some(file) = self.authority() {
            output::line(&format!("  export NODE_EXTRA_CA_CERTS='{file}'"));
        }
        for (client, command) in mcp::commands(base) {
            output::line(&format!("  {}", paint(DIM, &format!("# {client}"))));
            output::line(&format!("  {command}"));
        }
        output::line(&paint(DIM, "\nCtrl-C ends it."));
    }

    fn announce(&self, api: Option<&str>, as_json: bool) {
        let issuer = self.issuer;
        let (url, key) = (issuer.issuer(), issuer.publishable_key());
        if as_json {
            return output::line(
                &json!({
                    "issuer": url,
                    "publishable_key": key,
                    "secret_key": issuer.secret_key(),
                    "backend_api": format!("{url}/v1"),
                    "webhook_secret": self.webhook_secret,
                    "api": api,
                    "certificate_authority": self.authority(),
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
        if let Some(secret) = self.webhook_secret {
            row("webhook secret", secret);
        }
        self.show_authority();
        if let Some(api) = api {
            row("sample API", &format!("{api}/me and {api}/public"));
            output::line(&format!("\n{}", paint(BOLD, "Try it")));
            if let Some(file) = self.authority() {
                output::line(&format!("  export SSL_CERT_FILE='{file}'"));
            }
            let at = if url == format!("http://{}", loopback(DEFAULT_PORT)) {
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

    /// The file with the authority to trust.
    fn authority(&self) -> Option<String> {
        let file = self.security?.authority.as_ref()?;
        Some(file.display().to_string())
    }

    fn show_authority(&self) {
        if let Some(file) = self.authority() {
            row("authority", &format!("{file}   (trust it)"));
        }
    }
}

fn row(name: &str, value: &str) {
    output::line(&format!("  {} {value}", paint(DIM, &format!("{name:<17}"))));
}
