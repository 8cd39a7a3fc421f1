//! What a layer costs: a router's service called in process, and a server on the loopback interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tower::Service;

use crate::measure::{self, Figure};
use crate::peers::ready;

/// Bytes of a request head as a browser sends it, without `Authorization`.
const BROWSER: [(&str, &str); 6] = [
    ("host", "api.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("accept", "application/json"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("origin", "https://app.example.com"),
];

/// A handler that does nothing, so that only the way to it counts.
pub fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A handler that checks one signature and nothing else, the least that a server without a memory
/// can do.
pub fn hello_after(check: impl Fn() + Clone + Send + Sync + 'static) -> Router {
    let handler = move || {
        check();
        std::future::ready("hello")
    };
    Router::new().route("/", get(handler))
}

/// The value of an `Authorization` header.
pub fn authorization(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).expect("a header value")
}

/// A request as it leaves the HTTP parser.
pub fn request(authorization: Option<&HeaderValue>) -> Request {
    let mut request = Request::builder().uri("/");
    for (name, value) in BROWSER {
        request = request.header(name, HeaderValue::from_static(value));
    }
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value.clone());
    }
    request.body(Body::empty()).expect("a request")
}

/// Calls a router's service with a fresh request.
pub fn call(mut app: Router, token: &str) -> impl FnMut() {
    let value = authorization(token);
    move || {
        let response = ready(Service::<Request>::call(&mut app, request(Some(&value))));
        let response = response.expect("infallible");
        assert!(
            response.status().is_success(),
            "refused: {}",
            response.status()
        );
    }
}

/// The id and the name of an app, the id of the app it is compared with, and the app.
pub type Served = (&'static str, &'static str, &'static str, Router);

/// Serves the apps from one thread and measures that thread's CPU time per request, round by round.
pub fn served(apps: Vec<Served>, token: &str, rounds: usize) -> Vec<Figure> {
    const CONNECTIONS: usize = 16;
    const REQUESTS: usize = 4_000;
    let labels: Vec<_> = apps
        .iter()
        .map(|(id, name, base, _)| (*id, *name, *base))
        .collect();
    let (sender, receiver) = mpsc::channel();
    let routers: Vec<Router> = apps.into_iter().map(|(.., app)| app).collect();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(serve(routers, sender));
    });
    let addresses: Vec<SocketAddr> = labels
        .iter()
        .map(|_| receiver.recv().expect("bound"))
        .collect();
    let clock = thread_clock(&server);

    let request = head(token);
    let mut connections: Vec<Vec<TcpStream>> = addresses
        .iter()
        .map(|address| (0..CONNECTIONS).map(|_| connect(*address)).collect())
        .collect();
    let mut samples = vec![Vec::with_capacity(rounds); labels.len()];
    for round in 0..rounds + 1 {
        for (streams, samples) in connections.iter_mut().zip(&mut samples) {
            let start = measure::cpu_ns(clock);
            for _ in 0..REQUESTS / CONNECTIONS {
                streams
                    .iter_mut()
                    .for_each(|stream| stream.write_all(&request).expect("sent"));
                streams.iter_mut().for_each(answered);
            }
            let us = (measure::cpu_ns(clock) - start) as f64 / REQUESTS as f64 / 1000.0;
            if round > 0 {
                samples.push(us);
            }
        }
    }
    measure::figures(&labels, &samples)
}

async fn serve(routers: Vec<Router>, bound: mpsc::Sender<SocketAddr>) {
    let mut servers = Vec::new();
    for router in routers {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port");
        bound
            .send(listener.local_addr().expect("its address"))
            .expect("somebody waits");
        servers.push(tokio::spawn(async { axum::serve(listener, router).await }));
    }
    for server in servers {
        let _ = server.await;
    }
}

/// The CPU clock of a thread. It is as good as the thread, which lives until the process ends.
fn thread_clock(thread: &std::thread::JoinHandle<()>) -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: the thread has not been joined, and the pointer is to a live, writable clock id.
    let status = unsafe { libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) };
    assert_eq!(status, 0, "the thread has no clock");
    clock
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn head(token: &str) -> Vec<u8> {
    let mut head = "GET / HTTP/1.1\r\n".to_owned();
    for (name, value) in BROWSER {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("authorization: Bearer {token}\r\n\r\n");
    head.into_bytes()
}

/// Reads one whole answer, which must be a good one.
fn answered(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let mut length = 0;
    while !buffer[..length].ends_with(b"hello") {
        let read = stream.read(&mut buffer[length..]).expect("an answer");
        assert!(
            read > 0,
            "refused: {}",
            String::from_utf8_lossy(&buffer[..length])
        );
        length += read;
    }
    assert!(
        buffer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&buffer[..length])
    );
}
