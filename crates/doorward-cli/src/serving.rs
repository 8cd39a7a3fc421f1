//! HTTP for strangers. `axum::serve` waits for a request's head as long as its sender likes.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Answers until told to stop, then ends what is under way. A connection on which no head arrives in time is closed, be
/// it new or kept alive.
pub(crate) async fn serve(listener: TcpListener, app: Router, stopped: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = until(stopped.clone()) => break,
        };
        let Ok((stream, _)) = accepted else {
            // No file descriptor is left, or the other end is gone already.
            tokio::time::sleep(REST).await;
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let stopped = stopped.clone();
        connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // How it ends is the other end's affair.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = until(stopped) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for the end.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Longer than the head of a webhook takes, and shorter than the 15 s after which its sender gives up.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

const REST: Duration = Duration::from_millis(50);
