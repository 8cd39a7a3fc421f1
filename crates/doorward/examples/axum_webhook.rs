//! An endpoint for Clerk's webhooks. The signing secret comes from `CLERK_WEBHOOK_SIGNING_SECRET`. Prints its URL.

use axum::routing::post;
use axum::{Json, Router};
use doorward::WebhookVerifier;
use doorward::axum::Webhook;
use doorward_clerk::{ClerkEvent, ClerkEventType};
use serde_json::{Value, json};

/// Every genuine event is answered with 200, also those that mean nothing here: a refusal would be tried again for days.
async fn clerk(event: Webhook<ClerkEvent>) -> Json<Value> {
    let did = match event.kind() {
        ClerkEventType::UserCreated | ClerkEventType::UserUpdated => "stored",
        ClerkEventType::UserDeleted => "removed",
        _ => "ignored",
    };
    let email = event.user().and_then(|user| user.primary_email_address());
    Json(json!({ "id": event.message.id(), "did": did, "user": event.data_id(), "email": email }))
}

pub(crate) fn app(verifier: WebhookVerifier) -> Router {
    Router::new()
        .route("/webhooks/clerk", post(clerk))
        .with_state(verifier)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app(doorward::webhooks_from_env()?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    #[allow(clippy::print_stdout, reason = "it is a program")]
    {
        println!(
            "{}",
            json!({ "url": format!("http://{}", listener.local_addr()?) })
        );
    }
    axum::serve(listener, app).await?;
    Ok(())
}
