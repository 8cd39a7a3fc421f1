//! Opaque tokens and an endpoint on this machine: asked about, remembered, and in a crowd.
//!
//! Latencies here are of the wall clock, because waiting is what an answer costs; only the hits are CPU time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use doorward::{Authenticator, Config, ManualClock, RequestHead, Timestamp};
use serde_json::json;

use crate::Effort;
use crate::measure::{self, Case, Figure};

const NOW: i64 = 1_800_000_000;

pub(crate) fn section(effort: &Effort) -> Vec<Figure> {
    let mut figures = hits(effort);
    figures.extend(cold(effort));
    figures.extend(crowd(effort));
    figures.extend(herd());
    figures.extend(memory(effort));
    figures
}

/// Who is remembered, on the caller's CPU alone.
fn hits(effort: &Effort) -> Vec<Figure> {
    let endpoint = Endpoint::serve(Duration::ZERO);
    let auth = endpoint.auth(json!({}));
    auth.verify_blocking("good-1").expect("good");
    let head = Sent::from(Ipv4Addr::LOCALHOST, "good-1");
    let base = "opaque/hit";
    let mut cases = [
        Case::new(base, "opaque token, remembered", base, || {
            auth.verify_blocking("good-1").expect("good")
        }),
        Case::new(
            "opaque/hit-head",
            "opaque token, remembered, in a request",
            base,
            || auth.authenticate_blocking(&head).expect("good"),
        ),
    ];
    measure::measure(&mut cases, effort.rounds, effort.batch_us)
}

/// A token that nobody has asked about, beside a bare question over a kept connection.
fn cold(effort: &Effort) -> Vec<Figure> {
    let rounds = effort.rounds * 3;
    let mut all = Vec::new();
    for (delay, ids) in [
        (0, ["opaque/bare-0", "opaque/cold-0"]),
        (50, ["opaque/bare-50", "opaque/cold-50"]),
    ] {
        let endpoint = Endpoint::serve(Duration::from_millis(delay));
        let auth = endpoint.auth(json!({}));
        let mut bare = Bare::connect(endpoint.address);
        let mut samples = [Vec::new(), Vec::new()];
        for round in 0..rounds + 5 {
            endpoint.clock.advance(Duration::from_millis(10));
            let asked = wall(|| bare.ask(&format!("good-bare-{round}")));
            let verified = wall(|| {
                auth.verify_blocking(&format!("good-cold-{round}"))
                    .expect("good")
            });
            if round >= 5 {
                samples[0].push(asked);
                samples[1].push(verified);
            }
        }
        let labels = [
            (ids[0], "bare question, kept connection (wall)", ids[0]),
            (ids[1], "opaque token, not known yet (wall)", ids[0]),
        ];
        all.extend(measure::figures(&labels, &samples));
    }
    all
}

/// The 99th percentile of 16 known callers, alone and while 10,000 forged tokens are tried, in turn.
fn crowd(effort: &Effort) -> Vec<Figure> {
    let rounds = (effort.served_rounds / 3).max(2);
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (flood, samples) in samples.iter_mut().enumerate() {
            let endpoint = Endpoint::serve(Duration::from_millis(5));
            let auth = endpoint.auth(json!({}));
            samples.push(percentile_99(&auth, flood == 1));
        }
    }
    let base = "opaque/quiet-p99";
    let labels = [
        (base, "16 known callers, p99 (wall)", base),
        (
            "opaque/flood-p99",
            "… beside 10,000 forged tokens, p99 (wall)",
            base,
        ),
    ];
    measure::figures(&labels, &samples)
}

fn percentile_99(auth: &Authenticator, flooded: bool) -> f64 {
    let over = AtomicBool::new(false);
    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16_u8)
            .map(|caller| {
                let over = &over;
                scope.spawn(move || {
                    let address = Ipv4Addr::new(198, 51, 100, caller);
                    let head = Sent::from(address, &format!("good-{caller}"));
                    auth.authenticate_blocking(&head).expect("good");
                    let mut took = Vec::new();
                    while took.len() < 500 || !over.load(Ordering::Relaxed) {
                        took.push(wall(|| auth.authenticate_blocking(&head).expect("good")));
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    took
                })
            })
            .collect();
        if flooded {
            let flood: Vec<_> = (0..4)
                .map(|part| {
                    scope.spawn(move || {
                        for number in 0..2_500 {
                            let token = format!("evil-{part}-{number}");
                            let head = Sent::from(Ipv4Addr::new(192, 0, 2, 1), &token);
                            drop(auth.authenticate_blocking(&head));
                        }
                    })
                })
                .collect();
            flood
                .into_iter()
                .for_each(|part| part.join().expect("over"));
        }
        over.store(true, Ordering::Relaxed);
        let took = callers
            .into_iter()
            .map(|caller| caller.join().expect("over"));
        took.flatten().collect()
    });
    all.sort_by(f64::total_cmp);
    all[all.len() * 99 / 100]
}

/// A thousand who come with one token at once: how many questions that makes.
fn herd() -> Vec<Figure> {
    let endpoint = Endpoint::serve(Duration::from_millis(50));
    let auth = endpoint.auth(json!({}));
    std::thread::scope(|scope| {
        for _ in 0..1_000 {
            scope.spawn(|| auth.verify_blocking("good-one").expect("good"));
        }
    });
    let asked = endpoint.asked.load(Ordering::SeqCst) as f64;
    vec![count(
        "opaque/herd",
        "questions for 1,000 at once with one token",
        asked,
    )]
}

/// How much a million tokens take where `cache_bytes` allows 256 MiB, and how many of them are remembered.
fn memory(effort: &Effort) -> Vec<Figure> {
    const THREADS: usize = 32;
    let tokens = if effort.rounds > 20 {
        1_000_000
    } else {
        20_000
    };
    let endpoint = Endpoint::serve(Duration::ZERO);
    let auth = endpoint.auth(json!({"cache_bytes": 256 << 20, "answer_ttl": 86_400}));
    auth.verify_blocking("good-first").expect("good");
    let before = resident();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= tokens {
                        break;
                    }
                    // So that the bucket for strangers is never empty.
                    endpoint.clock.advance(Duration::from_millis(5));
                    auth.verify_blocking(&format!("good-{number:010}-abcdefghijklmnop"))
                        .expect("good");
                }
            });
        }
    });
    let grown = (resident() - before) as f64 / f64::from(1 << 20);
    vec![
        count(
            "opaque/memory",
            "MiB for 1,000,000 tokens, 256 allowed",
            grown,
        ),
        count(
            "opaque/remembered",
            "tokens remembered of those",
            auth.remembered_tokens() as f64,
        ),
    ]
}

/// A figure that is no time.
fn count(id: &'static str, name: &'static str, value: f64) -> Figure {
    Figure {
        id,
        name,
        base: id,
        us: value,
        minimum: value,
        ratio: 1.0,
        over: 0.0,
    }
}

fn wall<R>(once: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    std::hint::black_box(once());
    start.elapsed().as_secs_f64() * 1e6
}

/// Bytes of this process in memory.
fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: i64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4096
}

/// An endpoint that knows every token beginning with `good`.
struct Endpoint {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    clock: Arc<ManualClock>,
}

impl Endpoint {
    fn serve(delay: Duration) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let app = axum::Router::new()
                    .fallback(answer)
                    .with_state((delay, counted));
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                axum::serve(listener, app).await.expect("served");
            });
        });
        Self {
            address,
            asked,
            clock: Arc::new(ManualClock::at(Timestamp::from_secs(NOW))),
        }
    }

    fn auth(&self, changes: serde_json::Value) -> Authenticator {
        let mut settings = json!({
            "issuer": "https://login.example.com", "audience": "my-api", "accepts": "oauth_token",
            "jwks_url": "https://login.example.com/jwks",
            "introspection_url": format!("http://{}/introspect", self.address),
        });
        for (name, value) in changes.as_object().expect("an object") {
            settings[name] = value.clone();
        }
        let config = Config::from_json(&settings.to_string()).expect("good settings");
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        Authenticator::with_clock(&config, clock).expect("good settings")
    }
}

async fn answer(
    State((delay, asked)): State<(Duration, Arc<AtomicUsize>)>,
    body: axum::body::Bytes,
) -> String {
    asked.fetch_add(1, Ordering::SeqCst);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if !body.starts_with(b"token=good") {
        return r#"{"active":false}"#.to_owned();
    }
    json!({
        "active": true, "sub": "user_2bWQPFTSvvPmNZyqcCCdeYhXMKx", "aud": "my-api",
        "iss": "https://login.example.com", "client_id": "web", "scope": "read write",
        "iat": NOW - 10, "exp": NOW + 10_000_000, "jti": "0195f1c4-7d0e-7c3b-9c55-1f0c8d4c2a11",
    })
    .to_string()
}

/// The least that a question can cost: written and read by hand.
struct Bare(std::net::TcpStream, SocketAddr);

impl Bare {
    fn connect(address: SocketAddr) -> Self {
        let stream = std::net::TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self(stream, address)
    }

    fn ask(&mut self, token: &str) {
        use std::io::{Read, Write};
        let body = format!("token={token}&token_type_hint=access_token");
        let request = format!(
            "POST /introspect HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            self.1,
            body.len()
        );
        self.0.write_all(request.as_bytes()).expect("sent");
        let (mut buffer, mut read) = ([0; 4096], 0);
        while !buffer[..read].ends_with(b"}") {
            read += self.0.read(&mut buffer[read..]).expect("an answer");
        }
    }
}

struct Sent {
    peer: IpAddr,
    authorization: String,
}

impl Sent {
    fn from(peer: Ipv4Addr, token: &str) -> Self {
        Self {
            peer: peer.into(),
            authorization: format!("Bearer {token}"),
        }
    }
}

impl RequestHead for Sent {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        (name == "authorization")
            .then_some(self.authorization.as_bytes())
            .into_iter()
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer)
    }
}
