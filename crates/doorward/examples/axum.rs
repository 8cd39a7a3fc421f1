//! An API behind Doorward: public, signed in, and members who may delete posts.
//!
//! Configured by the environment, for example `CLERK_PUBLISHABLE_KEY` and `CLERK_AUTHORIZED_PARTIES`. Prints its URL.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::routing::{delete, get};
use axum::{Json, Router};
use doorward::axum::{AuthLayer, Demand, Identity, Permitted};
use doorward::{Authenticator, Config, Policy};
use serde_json::{Value, json};

async fn public(caller: Option<Identity>) -> Json<Value> {
    Json(json!({ "hello": caller.as_ref().map_or("stranger", |caller| caller.subject()) }))
}

async fn me(caller: Identity) -> Json<Value> {
    Json(
        json!({ "user_id": caller.user_id(), "organization": caller.organization_id(), "role": caller.role() }),
    )
}

struct DeletePosts;

impl Demand for DeletePosts {
    fn policy() -> &'static Policy {
        static POLICY: LazyLock<Policy> =
            LazyLock::new(|| Policy::new().permission("org:posts:delete"));
        &POLICY
    }
}

async fn delete_post(Path(post): Path<u64>, caller: Permitted<DeletePosts>) -> Json<Value> {
    Json(json!({ "deleted": post, "by": caller.subject() }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Authenticator::new(&Config::from_env()?)?;
    let guarded = Router::new()
        .route("/me", get(me))
        .route("/posts/{post}", delete(delete_post))
        .layer(AuthLayer::required(auth.clone()));
    let app = Router::new()
        .route("/public", get(public).layer(AuthLayer::optional(auth)))
        .merge(guarded);

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
