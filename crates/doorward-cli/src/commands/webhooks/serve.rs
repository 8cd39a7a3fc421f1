//! `doorward webhooks serve`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use doorward::core::{Secret, WebhookVerifier, webhook};
use doorward_sync::{Inbox, InboxSettings, Notify, Tables, Worker};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::Metrics;
use super::outlets::{Forward, Revoke, Stream};
use super::receive::{Receiver, admin, webhooks};
use crate::output::{self, BOLD, DIM, Failure, paint};
use crate::serving;
use crate::store::{Store, block_on, duration, now};

/// Receive webhooks: verify them, keep each once, and keep the tables in step. The signing secret is read from
/// `CLERK_WEBHOOK_SIGNING_SECRET` or `DOORWARD_WEBHOOK_SECRET`; several are separated by commas.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8484")]
    listen: SocketAddr,
    /// Where health and metrics are told; by default where webhooks are received
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// The path that webhooks are sent to
    #[arg(long, default_value = "/webhooks/clerk", value_parser = path)]
    path: String,
    /// Handle each message before its sender is answered, not after
    #[arg(long)]
    inline: bool,
    /// Keep the table of sessions as well
    #[arg(long)]
    sessions: bool,
    /// Expect the tables to be there, and create nothing
    #[arg(long)]
    no_migrate: bool,
    /// How many workers handle messages; 0 leaves that to other processes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=64))]
    workers: u8,
    /// How long a handled message is remembered
    #[arg(long, default_value = "7d", value_parser = duration)]
    retention: Duration,
    /// How long a worker may hold a message
    #[arg(long, default_value = "60s", value_parser = duration)]
    lease: Duration,
    /// After so many failures a message becomes a dead letter
    #[arg(long, default_value_t = 8)]
    max_failures: u32,
    /// Post each message to this URL as well, signed anew with the first shared signing secret
    #[arg(long, value_name = "URL")]
    forward: Option<String>,
    /// Add each message to a stream of this Redis as well
    #[arg(
        long,
        value_name = "URL",
        env = "DOORWARD_REDIS",
        hide_env_values = true
    )]
    redis: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME", default_value = "doorward:webhooks")]
    redis_stream: String,
    /// Revoke the tokens of sessions that end and of users who are deleted, in this store, which your APIs follow
    #[arg(
        long,
        value_name = "URL",
        env = "DOORWARD_REVOCATION_STORE",
        hide_env_values = true
    )]
    revocation_store: Option<String>,
    /// How long such a revocation is kept: as long as your longest token lives
    #[arg(long, default_value = "1d", value_parser = duration)]
    revocation_retention: Duration,
    /// Notify this channel of the PostgreSQL database as well
    #[arg(long, value_name = "CHANNEL")]
    notify: Option<String>,
}

fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    if !text.starts_with('/') || !text.bytes().all(plain) {
        return Err("expected a path such as /webhooks/clerk".to_owned());
    }
    if ["/healthz", "/readyz", "/metrics"].contains(&text) {
        return Err("that path is taken".to_owned());
    }
    Ok(text.to_owned())
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let verifier = doorward::webhooks_from_env()?;
    output::log_to_stderr(as_json);
    block_on(serve(arguments, verifier, as_json))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    arguments: &Arguments,
    verifier: WebhookVerifier,
    as_json: bool,
) -> Result<(), Failure> {
    let (database, schema) = if arguments.no_migrate {
        arguments.store.open_migrated().await?
    } else {
        let (database, schema) = arguments.store.create().await?;
        schema.migrate(&database, now()).await?;
        (database, schema)
    };
    let settings = InboxSettings {
        lease: arguments.lease,
        max_failures: arguments.max_failures,
        retention: arguments.retention,
        ..InboxSettings::default()
    };
    let inbox = Inbox::with_settings(database.clone(), &schema, settings)?;
    let mut tables = Tables::default();
    if arguments.sessions {
        tables = tables.with_sessions();
    }
    let mut worker = Worker::new(inbox.clone()).tables(tables);
    if let Some(url) = &arguments.forward {
        worker = worker.outlet(Forward::new(url, signing_secret())?);
    }
    if let Some(url) = &arguments.redis {
        worker = worker.outlet(Stream::new(url, &arguments.redis_stream)?);
    }
    if let Some(url) = &arguments.revocation_store {
        worker = worker.outlet(Revoke::new(url, arguments.revocation_retention)?);
    }
    if let Some(channel) = &arguments.notify {
        worker = worker.handler(Notify::new(&database, channel)?);
    }

    let metrics = Arc::new(Metrics::new());
    let receiver = Receiver {
        verifier,
        inbox: inbox.clone(),
        schema,
        inline: arguments.inline.then(|| worker.clone()),
        metrics: Arc::clone(&metrics),
    };
    let receiver = Arc::new(receiver);
    let mut app = webhooks(&arguments.path, Arc::clone(&receiver));
    let listener = listen(arguments.listen).await?;
    let admin_listener = match arguments.admin_listen {
        Some(address) => Some(listen(address).await?),
        None => {
            app = app.merge(admin(Arc::clone(&receiver)));
            None
        }
    };
    announce(arguments, &listener, admin_listener.as_ref(), as_json)?;

    let (stop, stopped) = watch::channel(false);
    let mut workers = Vec::new();
    for _ in 0..arguments.workers {
        let (worker, metrics, stopped) = (worker.clone(), Arc::clone(&metrics), stopped.clone());
        workers.push(tokio::spawn(async move {
            worker.run(now, |turn| metrics.handled(turn), stopped).await;
        }));
    }
    let admin_server = admin_listener.map(|listener| {
        let app = admin(Arc::clone(&receiver));
        tokio::spawn(serving::serve(listener, app, stopped.clone()))
    });
    let ending = stop.clone();
    tokio::spawn(async move {
        asked_to_end().await;
        let _ = ending.send(true);
    });
    // Whoever keeps a connection open must not keep us from ending.
    tokio::select! {
        () = serving::serve(listener, app, stopped.clone()) => {}
        () = async { serving::until(stopped.clone()).await; tokio::time::sleep(LAST_ANSWERS).await } => {}
    }
    let _ = stop.send(true);
    for worker in workers {
        let _ = worker.await;
    }
    if let Some(server) = admin_server {
        server.abort();
    }
    database.close().await;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {address}: {error}")))
}

fn announce(
    arguments: &Arguments,
    listener: &TcpListener,
    admin: Option<&TcpListener>,
    as_json: bool,
) -> Result<(), Failure> {
    let url = |listener: &TcpListener| {
        let address = listener.local_addr();
        let address = address.map_err(|error| Failure::usage(error.to_string()))?;
        Ok::<_, Failure>(format!("http://{address}"))
    };
    let base = url(listener)?;
    let admin = admin.map_or_else(|| Ok(base.clone()), url)?;
    let webhooks = format!("{base}{}", arguments.path);
    if as_json {
        let told = json!({ "webhooks": webhooks, "admin": admin });
        output::line(&told.to_string());
        return Ok(());
    }
    let row = |name: &str, value: &str| {
        output::line(&format!("  {} {value}", paint(DIM, &format!("{name:<10}"))));
    };
    output::line(&paint(BOLD, "Receiving webhooks"));
    row("webhooks", &webhooks);
    row("health", &format!("{admin}/healthz and {admin}/readyz"));
    row("metrics", &format!("{admin}/metrics"));
    let when = if arguments.inline { "before" } else { "after" };
    row("handled", &format!("{when} the answer"));
    output::line(&paint(DIM, "\nCtrl-C ends it."));
    Ok(())
}

/// Ctrl-C, or what a process manager sends.
pub(crate) async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// The secret to sign with when a message is passed on: the first one that can, for a public key only verifies.
pub(super) fn signing_secret() -> Option<Secret> {
    let value = ["DOORWARD_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"]
        .into_iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        })?;
    let signs = |secret: &&str| webhook::sign(secret, "msg_1", now(), b"").is_ok();
    value.split(',').find(signs).map(Secret::from)
}

/// How long those have who are being answered when the end is called.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
