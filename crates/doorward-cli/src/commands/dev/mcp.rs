//! `doorward dev --mcp`: an MCP server with tools that anybody may try, behind the OAuth server, behind the local issuer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use doorward::mcp::McpLayer;
use doorward::{Authenticator, Config, Identity, IssuerConfig, Secret, tower};
use doorward_issuer::authorization_server::axum::router;
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AuthorizationServer, MemoryStore, PageSettings, Pages, Registration, Sessions, Settings,
    Upstream, UpstreamAuthentication, UpstreamCheck,
};
use doorward_issuer::{Client, DevIssuer, SigningAlgorithm, SigningKey};
use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use crate::output::Failure;
use crate::standing;

/// Where it listens, unless said otherwise: a client keeps the URL.
pub(super) const DEFAULT_PORT: u16 = 4748;

/// The routes of the MCP server and of the OAuth server before it, at `base`. An `authority` is one to trust (PEM).
pub(super) async fn routes(
    issuer: &DevIssuer,
    base: &str,
    authority: Option<&str>,
) -> Result<Router, Failure> {
    let failed = |why: String| Failure::usage(format!("cannot serve MCP: {why}"));
    let resource = format!("{base}{PATH}");
    let mut client = Client::with_secret(CLIENT, random()?);
    client.redirect_uris = vec![format!("{base}/callback")];
    let client = issuer
        .register(client)
        .map_err(|error| failed(error.to_string()))?;
    let mut calls = HttpSettings::default();
    calls.certificate_authorities = authority.map(|pem| pem.as_bytes().to_vec());
    let transport = HttpTransport::new(&calls).map_err(|error| failed(error.to_string()))?;
    let secret = Secret::new(client.client_secret.unwrap_or_default());
    let signed_in_at = issuer.issuer();
    let upstream = Upstream::discover(
        &signed_in_at,
        CLIENT,
        UpstreamAuthentication::Basic(secret),
        &transport,
    );
    let upstream = upstream.await.map_err(|error| failed(error.to_string()))?;

    let mut settings = Settings::new(base, resource.as_str(), Secret::new(random()?), upstream);
    settings.scopes = SCOPES.map(|(scope, _)| scope.to_owned()).to_vec();
    // What is revoked here is seen here at once.
    settings.upstream_check = UpstreamCheck::Always;
    // Everybody is one source here, and tests come in crowds.
    settings.registration = Registration::Open {
        lifetime: 86_400,
        each_minute: CROWD,
        all_each_minute: CROWD,
    };
    settings.custom_schemes = ["cursor", "vscode"].map(str::to_owned).to_vec();
    let key =
        SigningKey::generate(SigningAlgorithm::ES256).map_err(|error| failed(error.to_string()))?;
    let server =
        AuthorizationServer::new(settings, vec![key]).map_err(|error| failed(error.to_string()))?;

    let mut pages = PageSettings::default();
    pages.name = Some("Doorward's sample tools".to_owned());
    pages.scopes = SCOPES
        .map(|(scope, words)| (scope.to_owned(), words.to_owned()))
        .into();
    let pages = Pages::new(pages).map_err(|error| failed(error.to_string()))?;

    let mut trusted = IssuerConfig::preset("oidc");
    trusted.issuer = Some(base.to_owned());
    trusted.keys = Some(server.jwks().to_string().as_str().into());
    trusted.accepts = Some("oauth_token".into());
    let mut config = Config::new([trusted]);
    config.explain = Some(true);
    config.resource = Some(resource);
    config.scopes_supported = Some(SCOPES.map(|(scope, _)| scope.to_owned()).to_vec().into());
    config.tool_scopes = Some(
        [("whoami", SCOPES[0].0), ("add", SCOPES[1].0)]
            .map(|(tool, scope)| (tool.to_owned(), scope.into()))
            .into(),
    );
    let auth = Authenticator::new(&config)?;

    let (store, transport) = (Arc::new(MemoryStore::default()), Arc::new(transport));
    let sessions = Sessions::new(server.clone(), Arc::clone(&store), Arc::clone(&transport));
    let stands = standing::layer(sessions, auth.clone());
    let tools = StreamableHttpService::new(
        || Ok(Tools),
        Arc::new(NeverSessionManager::default()),
        StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true),
    );
    let protected = Router::new()
        .route_service(PATH, tools)
        .layer(stands)
        .layer(McpLayer::new(auth)?.server_validates_headers());
    Ok(router(server, store, transport, pages).merge(protected))
}

/// The commands that connect clients.
pub(super) fn commands(base: &str) -> [(&'static str, String); 3] {
    let url = format!("{base}{PATH}");
    [
        (
            "Claude Code",
            format!("claude mcp add --transport http doorward-dev {url}"),
        ),
        (
            "MCP Inspector",
            format!(
                "npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list"
            ),
        ),
        ("anything with stdio", format!("npx mcp-remote {url}")),
    ]
}

/// The MCP server's URL.
pub(super) fn url(base: &str) -> String {
    format!("{base}{PATH}")
}

/// Tools that need nothing but somebody to call them.
#[derive(Clone, Copy)]
struct Tools;

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                "doorward-dev",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Tools to try signing in with: who is calling, and a sum.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<Parts>();
        let caller = parts
            .and_then(|parts| tower::identity(&parts.extensions))
            .ok_or_else(|| ErrorData::internal_error("nobody is calling", None))?;
        let arguments = call.arguments.unwrap_or_default();
        let told = match call.name.as_ref() {
            "whoami" => who(caller),
            "add" => sum(&arguments)?,
            name => {
                let why = format!(
                    "there is no tool {:?}",
                    name.chars().take(80).collect::<String>()
                );
                return Err(ErrorData::invalid_params(why, None));
            }
        };
        Ok(CallToolResult::structured(told).into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }
}

fn tools() -> Vec<Tool> {
    let number = json!({ "type": "number" });
    vec![
        Tool::new(
            "whoami",
            "Who is calling: user, client and scopes, as the access token says them.",
            schema(json!({}), json!([])),
        ),
        Tool::new(
            "add",
            "Adds two numbers.",
            schema(json!({ "a": number, "b": number }), json!(["a", "b"])),
        ),
    ]
}

fn schema(properties: Value, required: Value) -> Arc<JsonObject> {
    let members = [
        ("type", json!("object")),
        ("properties", properties),
        ("required", required),
        ("additionalProperties", json!(false)),
    ];
    let members: BTreeMap<_, _> = members.into();
    Arc::new(
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn who(caller: &Identity) -> Value {
    json!({
        "user": caller.subject(),
        "client": caller.client_id(),
        "scopes": caller.scopes(),
        "expires_at": caller.expires_at().to_string(),
    })
}

fn sum(arguments: &JsonObject) -> Result<Value, ErrorData> {
    let number = |name: &str| {
        let value = arguments.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| ErrorData::invalid_params(format!("{name} is no number"), None))
    };
    Ok(json!({ "sum": number("a")? + number("b")? }))
}

fn random() -> Result<String, Failure> {
    use std::fmt::Write as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::usage(error.to_string()))?;
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

const PATH: &str = "/mcp";
const CLIENT: &str = "doorward-mcp";
const CROWD: u32 = 10_000;
const SCOPES: [(&str, &str); 2] = [
    ("me:read", "Know who you are"),
    ("numbers:add", "Add numbers for you"),
];
