//! An HTTP server that answers as it is told, and writes down what arrived, byte by byte.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "not every test file does everything")]
pub(crate) enum Reply {
    /// Answers: status, header fields, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Answers when the head has arrived, and then reads the rest.
    EarlyAnswer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Answers, and closes the connection.
    AnswerAndClose(u16, Vec<u8>),
    /// Closes the connection without an answer.
    Close,
    /// Promises a body and closes the connection in the middle of it.
    CloseInBody(u16),
    /// Says nothing.
    Hang,
}

/// What arrived.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "not every test file looks at everything")]
pub(crate) struct Arrived {
    pub(crate) at: Instant,
    /// Which of the server's connections brought it.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

#[allow(dead_code, reason = "not every test file looks at everything")]
impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Arrived>>>,
}

type Decide = Arc<dyn Fn(&Arrived) -> Reply + Send + Sync>;

#[allow(dead_code, reason = "not every test file starts it each way")]
impl Server {
    /// A server that gives these replies in turn, and the last of them from then on.
    pub(crate) async fn replying(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::deciding(move |_| {
            let mut replies = replies.lock().unwrap();
            match replies.len() {
                1 => replies[0].clone(),
                _ => replies.pop_front().unwrap(),
            }
        })
        .await
    }

    pub(crate) async fn deciding(
        decide: impl Fn(&Arrived) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listening(decide, None).await
    }

    /// As [`Self::deciding`], over TLS.
    pub(crate) async fn listening(
        decide: impl Fn(&Arrived) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (decide, entries): (Decide, _) = (Arc::new(decide), Arc::clone(&log));
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connection += 1;
                let (decide, entries) = (Arc::clone(&decide), Arc::clone(&entries));
                match tls.clone() {
                    None => drop(tokio::spawn(serve(stream, connection, decide, entries))),
                    Some(tls) => drop(tokio::spawn(async move {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, connection, decide, entries).await;
                        }
                    })),
                }
            }
        });
        Self { url, log }
    }

    /// Everything that arrived, in order; a request is here from its first byte on.
    pub(crate) fn log(&self) -> Vec<Arrived> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        let log = self.log();
        log.iter()
            .filter(|arrived| arrived.method == method)
            .count()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    decide: Decide,
    log: Arc<Mutex<Vec<Arrived>>>,
) {
    let mut unread = Vec::new();
    loop {
        let mut index = None;
        let end = loop {
            if let Some(end) = find(&unread, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
            let mut log = log.lock().unwrap();
            let index = *index.get_or_insert(log.len());
            if index == log.len() {
                let first = String::from_utf8_lossy(&unread).into_owned();
                let mut words = first.split(' ').map(str::to_owned);
                log.push(Arrived {
                    at: Instant::now(),
                    connection,
                    method: words.next().unwrap_or_default(),
                    target: words.next().unwrap_or_default(),
                    head: first,
                    body: Vec::new(),
                });
            }
        };
        let index = index.unwrap_or_else(|| log.lock().unwrap().len() - 1);
        let head = String::from_utf8(unread.drain(..end).collect()).unwrap();
        let mut arrived = {
            let mut log = log.lock().unwrap();
            let mut words = head.split(' ').map(str::to_owned);
            log[index].method = words.next().unwrap();
            log[index].target = words.next().unwrap();
            log[index].head.clone_from(&head);
            log[index].clone()
        };
        let length = arrived
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        let chunked = arrived.header("transfer-encoding").is_some();
        let early = decide_early(&decide, &arrived);
        if let Some(Reply::EarlyAnswer(status, headers, body)) = &early {
            drop(stream.write_all(&answer(*status, headers, body)).await);
        }
        let complete = |unread: &[u8]| match chunked {
            true => find(unread, b"0\r\n\r\n").map(|end| end + 5),
            false => (unread.len() >= length).then_some(length),
        };
        let end = loop {
            if let Some(end) = complete(&unread) {
                break end;
            }
            if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
        };
        arrived.body = unread.drain(..end).collect();
        log.lock().unwrap()[index].body.clone_from(&arrived.body);
        if early.is_some() {
            continue;
        }
        match decide(&arrived) {
            Reply::Answer(status, headers, body) | Reply::EarlyAnswer(status, headers, body) => {
                if stream
                    .write_all(&answer(status, &headers, &body))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Reply::AnswerAndClose(status, body) => {
                drop(stream.write_all(&answer(status, &[], &body)).await);
                return;
            }
            Reply::Close => return,
            Reply::CloseInBody(status) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\n{{\"id\":");
                drop(stream.write_all(head.as_bytes()).await);
                return;
            }
            Reply::Hang => tokio::time::sleep(Duration::from_secs(600)).await,
        }
    }
}

/// A request that is to be answered early has said so in its target.
fn decide_early(decide: &Decide, arrived: &Arrived) -> Option<Reply> {
    arrived.target.contains("early").then(|| decide(arrived))
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if status != 204 {
        text += &format!("content-length: {}\r\n", body.len());
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
