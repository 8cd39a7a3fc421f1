//! Replays the fuzzers' corpus, and every beginning of each of its files, on any toolchain.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(
    clippy::disallowed_methods,
    reason = "the engine reads no file; its tests do"
)]

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/targets.rs"]
mod targets;

#[test]
fn token() {
    replay("token", targets::token);
}

#[test]
fn header_json() {
    replay("header_json", targets::header_json);
}

#[test]
fn jwks() {
    replay("jwks", targets::jwks);
}

#[test]
fn authorization_cookie() {
    replay("authorization_cookie", targets::authorization_cookie);
}

#[test]
fn webhook() {
    replay("webhook", targets::webhook);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files: Vec<_> = fs::read_dir(folder.join(target)).unwrap().collect();
    assert!(files.len() > 10, "the corpus is not there");
    for file in files {
        let data = fs::read(file.unwrap().path()).unwrap();
        run(&data);
        for end in 0..data.len() {
            run(&data[..end]);
        }
    }
}
