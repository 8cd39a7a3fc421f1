//! An MCP server (rmcp on axum) behind doorward: who has no token learns where to get one, and a tool says what it takes.
//!
//! ```sh
//! DOORWARD_ISSUER=https://login.example.com DOORWARD_ACCEPTS=oauth_token \
//! DOORWARD_RESOURCE=http://127.0.0.1:8000/mcp DOORWARD_SCOPES_SUPPORTED="notes:read notes:write" \
//! DOORWARD_CHALLENGE_SCOPES=notes:read DOORWARD_SCOPE_IMPLIES='{"notes:write": ["notes:read"]}' \
//! DOORWARD_TOOL_SCOPES='{"add_note": ["notes:write"]}' DOORWARD_DEFAULT_TOOL_SCOPES=notes:read \
//! cargo run -p doorward --features rmcp --example mcp_server
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use doorward::mcp::{self, Caller, McpLayer};
use doorward::{Authenticator, Config, ConfigError};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};

/// Everybody's notes, by who they are.
#[derive(Clone, Default)]
struct Notes {
    kept: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Note {
    /// What to remember.
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(description = "Says who is calling")]
    async fn whoami(&self, caller: Caller) -> String {
        let client = caller.client_id().unwrap_or("nobody");
        format!("{} by {client}", caller.subject())
    }

    #[tool(description = "Lists your notes")]
    async fn list_notes(&self, caller: Caller) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(caller.subject())
            .map_or_else(String::new, |notes| notes.join("\n"))
    }

    #[tool(description = "Remembers a note")]
    async fn add_note(&self, caller: Caller, Parameters(note): Parameters<Note>) -> String {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let notes = kept.entry(caller.subject().to_owned()).or_default();
        notes.push(note.text);
        format!("{} notes", notes.len())
    }
}

#[tool_handler]
impl ServerHandler for Notes {}

/// The server behind the layer, at `/mcp`.
pub(crate) fn server(auth: &Authenticator) -> Result<Router, ConfigError> {
    let notes = Notes::default();
    let mut config = StreamableHttpServerConfig::default();
    config.json_response = true;
    let service = StreamableHttpService::new(
        move || Ok(notes.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    // rmcp compares the header fields with the body and refuses what differs.
    let layer = McpLayer::new(auth.clone())?.server_validates_headers();
    Ok(Router::new().nest_service("/mcp", service).layer(layer))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Authenticator::new(&Config::from_env()?)?;
    let app = server(&auth)?.merge(mcp::router(&auth));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
