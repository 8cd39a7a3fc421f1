//! Keeps a table of Clerk's users. The signing secret comes from `CLERK_WEBHOOK_SIGNING_SECRET`, the database from
//! `DATABASE_URL`. Prints its URL.

use std::time::SystemTime;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use doorward::WebhookVerifier;
use doorward::axum::SignedBody;
use doorward_core::Timestamp;
use doorward_sync::{
    Database, Handled, Handler, Inbox, Message, Schema, Tables, Transaction, Worker,
};

/// Runs once for each message, in the transaction that marks it as done.
struct Welcome;

impl Handler for Welcome {
    fn handle<'a>(&'a self, message: &'a Message, tx: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async move {
            if message.kind() == "user.created" {
                let sql = "INSERT INTO mails (message_id) VALUES ($1)";
                match tx {
                    Transaction::Sqlite(tx) => {
                        sqlx::query(sql)
                            .bind(message.id())
                            .execute(&mut **tx)
                            .await?;
                    }
                    Transaction::Postgres(tx) => {
                        sqlx::query(sql)
                            .bind(message.id())
                            .execute(&mut **tx)
                            .await?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// On disk before it is answered, handled after.
async fn clerk(State(inbox): State<Inbox>, signed: SignedBody) -> Result<&'static str, StatusCode> {
    let message =
        Message::new(signed.message.id(), &signed.body).map_err(|_| StatusCode::BAD_REQUEST)?;
    // The sender comes again.
    let stored = inbox.accept(&message, now()).await;
    stored.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("ok")
}

#[derive(Clone, FromRef)]
struct App {
    verifier: WebhookVerifier,
    inbox: Inbox,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verifier = doorward::webhooks_from_env()?;
    let database = Database::connect(&std::env::var("DATABASE_URL")?).await?;
    let schema = Schema::default();
    schema.migrate(&database, now()).await?;
    let mails = "CREATE TABLE IF NOT EXISTS mails (message_id TEXT)";
    match &database {
        Database::Sqlite(pool) => {
            sqlx::query(mails).execute(pool).await?;
        }
        Database::Postgres(pool) => {
            sqlx::query(mails).execute(pool).await?;
        }
    }
    let inbox = Inbox::new(database, &schema);
    let worker = Worker::new(inbox.clone())
        .tables(Tables::default())
        .handler(Welcome);
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move { worker.run(now, |_| {}, stopped).await });

    let app = Router::new()
        .route("/webhooks/clerk", post(clerk))
        .with_state(App { verifier, inbox });
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    #[allow(clippy::print_stdout, reason = "it is a program")]
    {
        println!("{{\"url\": \"http://{}\"}}", listener.local_addr()?);
    }
    axum::serve(listener, app).await?;
    Ok(())
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
