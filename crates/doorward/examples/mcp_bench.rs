//! Measures what the layer costs an MCP server: rmcp with a static check of the token, and rmcp behind doorward, by turns, over
//! real connections.
//!
//! `cargo run --release -p doorward --features rmcp --example mcp_bench`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a measurement"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use doorward::mcp::McpLayer;
use doorward::{Authenticator, Config};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde_json::json;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);

#[derive(Clone)]
struct Adder;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Pair {
    a: i64,
    b: i64,
}

#[tool_router]
impl Adder {
    #[tool(description = "Adds two numbers")]
    async fn add(&self, Parameters(pair): Parameters<Pair>) -> String {
        (pair.a + pair.b).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Adder {}

fn service() -> Router {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    let manager = Arc::new(LocalSessionManager::default());
    Router::new().nest_service(
        "/mcp",
        StreamableHttpService::new(|| Ok(Adder), manager, config),
    )
}

fn authenticator(issuer: &DevIssuer, tools: bool) -> Authenticator {
    let mut config = json!({
        "issuer": [{"issuer": "https://login.example.com", "keys": issuer.jwks().to_string(), "accepts": "oauth_token"}],
        "resource": RESOURCE,
    });
    if tools {
        config["tool_scopes"] = json!({"add": "notes:read"});
    }
    Authenticator::new(&Config::from_json(&config.to_string()).unwrap()).unwrap()
}

/// What everybody writes who only wants a check.
fn statically(token: &str) -> Router {
    let expected = format!("Bearer {token}");
    service().layer(from_fn(move |request: Request, next: Next| {
        let expected = expected.clone();
        async move {
            let given = request.headers().get("authorization");
            if given.is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            next.run(request).await
        }
    }))
}

fn serve(app: Router) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    address.recv().unwrap()
}

/// Requests each second over so many connections, for a round.
fn load(address: SocketAddr, request: &[u8], connections: usize) -> f64 {
    let start = Instant::now();
    let work = |_| {
        let request = request.to_vec();
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut done, mut buffer) = (0_u64, vec![0; 16 * 1024]);
            while start.elapsed() < ROUND {
                stream.write_all(&request).unwrap();
                let mut filled = 0;
                loop {
                    filled += stream.read(&mut buffer[filled..]).unwrap();
                    if is_whole(&buffer[..filled]) {
                        break;
                    }
                }
                assert!(
                    buffer.starts_with(b"HTTP/1.1 200"),
                    "{}",
                    String::from_utf8_lossy(&buffer[..filled])
                );
                done += 1;
            }
            done
        })
    };
    let threads: Vec<_> = (0..connections).map(work).collect();
    let done: u64 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    done as f64 / start.elapsed().as_secs_f64()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    match head.split_once("content-length: ") {
        Some((_, rest)) => body.len() >= rest.lines().next().unwrap().parse().unwrap(),
        None => body.ends_with("0\r\n\r\n"),
    }
}

fn main() {
    let issuer = DevIssuer::builder()
        .issuer("https://login.example.com")
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap();
    let mint = Mint::kind(Kind::Oauth)
        .aud(RESOURCE)
        .scopes(["notes:read"])
        .ttl(3600);
    let token = issuer.mint(&mint).unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "add", "arguments": {"a": 1, "b": 2}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let call = call.to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {token}\r\n\
         Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: add\r\n\
         Content-Length: {}\r\n\r\n{call}",
        call.len()
    );
    let guarded = |auth: Authenticator| McpLayer::new(auth).unwrap();
    let doors = [
        ("static check", serve(statically(&token))),
        (
            "doorward",
            serve(service().layer(guarded(authenticator(&issuer, false)))),
        ),
        (
            "doorward, tools by header",
            serve(
                service().layer(guarded(authenticator(&issuer, true)).server_validates_headers()),
            ),
        ),
        (
            "doorward, tools by body",
            serve(service().layer(guarded(authenticator(&issuer, true)))),
        ),
    ];
    for connections in [1, 16] {
        let mut rates = vec![Vec::new(); doors.len()];
        for _ in 0..ROUNDS {
            for (rates, (_, address)) in rates.iter_mut().zip(&doors) {
                rates.push(load(*address, request.as_bytes(), connections));
            }
        }
        println!("{connections} connections, requests/s (median of {ROUNDS} rounds by turns)");
        let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
        for ((name, _), rate) in doors.iter().zip(&medians) {
            println!("  {name:<28} {rate:>8.0}   {:.3}", rate / medians[0]);
        }
    }
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
