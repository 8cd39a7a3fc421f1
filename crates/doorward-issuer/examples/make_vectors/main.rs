//! Writes the test vectors in `vectors/` anew: `cargo run -p doorward-issuer --example make_vectors`.
//!
//! What is expected of a token is written down beside it, from the standards and from Clerk's documentation; it is never
//! asked of the engine. ECDSA signatures are random, so a run changes those tokens; everything else comes out the same.

#![expect(clippy::print_stdout, reason = "a program")]

mod answers;
mod clerk;
mod forge;
mod maker;
mod requests;
mod signatures;
mod statements;
mod tokens;
mod webhooks;

use std::fs;
use std::path::Path;

use maker::Maker;
use serde::Serialize;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let maker = Maker::load(&folder.join("keys"));
    let groups = [
        signatures::algorithm(&maker),
        signatures::confusion(&maker),
        signatures::signature(&maker),
        signatures::keys(&maker),
        tokens::head(&maker),
        tokens::encoding(&maker),
        tokens::payload_json(&maker),
        tokens::structure(&maker),
        statements::members(&maker),
        statements::time(&maker),
        statements::issuer_audience(&maker),
        statements::party(&maker),
        statements::kinds(&maker),
        statements::matrix(&maker),
        clerk::sessions(&maker),
        clerk::permissions(&maker),
        requests::headers(&maker),
        requests::cookies(&maker),
        requests::policies(&maker),
        answers::signed(&maker),
    ];
    let mut total = 0;
    for group in groups {
        write(&folder.join(group.path), &group)?;
        total += group.cases.len();
        println!("{:5} {}", group.cases.len(), group.path);
    }
    for group in webhooks::groups(&maker) {
        write(&folder.join(group.path), &group)?;
        total += group.cases.len();
        println!("{:5} {}", group.cases.len(), group.path);
    }
    let jwks = serde_json::to_string_pretty(&maker.jwks())?;
    fs::write(
        folder.join("keys/TEST-KEYS-public.jwks.json"),
        format!("{jwks}\n"),
    )?;
    println!("{total:5} in all");
    Ok(())
}

fn write(path: &Path, group: &impl Serialize) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().expect("a folder"))?;
    fs::write(path, format!("{}\n", serde_json::to_string_pretty(group)?))
}
