//! Documents that follow from the code. `make docs` rewrites them.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::path::Path;

use doorward::Reason;

#[test]
fn rejections() {
    let mut text = String::from(
        "# Rejections\n\n\
         Generated from the table in `crates/doorward-core/src/rejection.rs`; `make docs` rewrites this page.\n\n\
         Every refusal has a stable code. The caller gets the status, the challenge and the code; the operator's log \
         gets what was expected and what was found, and the hint below. Codes may be added, and are never renamed.\n\n",
    );
    for (status, heading) in [
        (400, "400: the request is malformed"),
        (401, "401: the credentials are missing or bad"),
        (403, "403: the caller is known and may not do this"),
        (503, "503: our trouble, not the caller's"),
    ] {
        let _ = write!(text, "## {heading}\n\n");
        for reason in Reason::ALL
            .iter()
            .filter(|reason| reason.status() == status)
        {
            let _ = write!(text, "### `{}`\n\n{}\n\n", reason.code(), reason.summary());
            let error = reason
                .error()
                .map(|error| format!("RFC 6750 error `{error}`"));
            let clerk = reason
                .clerk_code()
                .map(|code| format!("Clerk's code `{code}`"));
            let grpc = format!("gRPC status {}", reason.grpc_code());
            let codes: Vec<String> = [error, clerk, Some(grpc)].into_iter().flatten().collect();
            let _ = write!(
                text,
                "{}. To mend it: {}\n\n",
                codes.join(", "),
                reason.hint()
            );
        }
    }
    same_as_written("docs/rejections.md", text.trim_end());
}

fn same_as_written(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    let expected = format!("{expected}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is out of date: run `make docs`",
        path.display()
    );
}

#[test]
fn the_configuration_in_the_readme_is_valid() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    let config = doorward::Config::from_toml(toml).unwrap();
    assert_eq!(
        doorward::Authenticator::new(&config)
            .unwrap()
            .key_status()
            .len(),
        2
    );
}
