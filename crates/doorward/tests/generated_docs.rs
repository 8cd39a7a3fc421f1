//! Documents that follow from the code. `make docs` rewrites them.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::path::Path;

use doorward::{IssuerConfig, OneOrMany, Preset, Reason, WebhookReason};

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
    text.push_str(
        "## Webhooks\n\n\
         Generated from the table in `crates/doorward-core/src/webhook_rejection.rs`, in the order of the checks. A webhook \
         has no credentials, so there is no challenge: the sender gets the status and the code, and tries again later.\n\n",
    );
    for reason in WebhookReason::ALL {
        let _ = write!(
            text,
            "### `{}`\n\n{} HTTP status {}. To mend it: {}\n\n",
            reason.code(),
            reason.summary(),
            reason.status(),
            reason.hint()
        );
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

#[test]
fn providers() {
    let mut text = String::from(
        "# Providers\n\n\
         Generated from `crates/doorward/presets/*.toml`; `make docs` rewrites this page.\n\n\
         A preset is a piece of `doorward.toml` with holes. Fill them in and it is a configuration; what you set beside \
         it wins over it, so copying a preset and changing a line is always possible. In Python a preset is \
         `Issuer.preset(\"name\", …)` or `Authenticator.from_config({\"preset\": \"name\", …})`; in the environment, \
         `DOORWARD_PRESET=name` with `DOORWARD_<SETTING>` or the provider's own variables. A claim is named by its name, \
         or by a JSON Pointer (RFC 6901) where it begins with a slash.\n\n",
    );
    for name in Preset::names() {
        let preset = Preset::named(name).unwrap();
        let _ = write!(text, "## {}: `{name}`\n\n", preset.title);
        let audience = preset.alternatives.iter().all(|way| {
            let config = preset.outline(way).unwrap();
            config.audience.is_some() || name == "google"
        });
        let mut example = format!("[[issuer]]\npreset = \"{name}\"\n");
        for need in &preset.alternatives[0].needs {
            let value = match need.as_str() {
                "origin" => "publishable_key = \"pk_test_…\"".to_owned(),
                "issuer" => "issuer = \"https://login.example.com\"".to_owned(),
                "shared_secret" => continue,
                hole => format!("{hole} = \"{}\"", preset.holes[hole].example),
            };
            let _ = writeln!(example, "{value}");
        }
        if !audience {
            let _ = writeln!(example, "audience = \"https://api.example.com\"");
        }
        if name == "clerk" {
            let _ = writeln!(
                example,
                "authorized_parties = [\"https://app.example.com\"]"
            );
        }
        let _ = write!(text, "```toml\n{example}```\n\n");
        if !preset.notes.is_empty() {
            let _ = write!(text, "{}\n\n", preset.notes.trim());
        }
        if !preset.holes.is_empty() || !preset.environment.is_empty() {
            let _ = write!(text, "| setting | is | variable |\n|---|---|---|\n");
            let variables = |setting: &str| {
                let own = preset.environment.iter().filter(|(_, of)| *of == setting);
                let names: Vec<String> = own.map(|(name, _)| format!("`{name}`")).collect();
                names.join(", ")
            };
            for (setting, hole) in &preset.holes {
                let default = hole.default.as_ref().map(|is| format!("; default `{is}`"));
                let (about, default) = (&hole.about, default.unwrap_or_default());
                let _ = writeln!(
                    text,
                    "| `{setting}` | {about}, as `{}`{default} | {} |",
                    hole.example,
                    variables(setting)
                );
            }
            let mut others: Vec<&String> = preset.environment.values().collect();
            others.retain(|setting| !preset.holes.contains_key(*setting));
            others.dedup();
            for setting in others {
                let _ = writeln!(text, "| `{setting}` | | {} |", variables(setting));
            }
            text.push('\n');
        }
        for way in &preset.alternatives {
            let config = preset.outline(way).unwrap();
            let _ = write!(text, "With {}:\n\n", needs(&way.needs));
            for (label, value) in facts(&config) {
                let _ = writeln!(text, "- {label}: {value}");
            }
            text.push('\n');
        }
        let _ = write!(text, "Source: <{}>\n\n", preset.documentation);
    }
    same_as_written("docs/providers.md", text.trim_end());
}

fn needs(needs: &[String]) -> String {
    let names: Vec<String> = needs
        .iter()
        .map(|need| match need.as_str() {
            "origin" => "`publishable_key` or `issuer`".to_owned(),
            other => format!("`{other}`"),
        })
        .collect();
    names.join(" and ")
}

fn facts(config: &IssuerConfig) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| value.as_ref().map(|value| format!("`{value}`"));
    let list = |value: &Option<OneOrMany>| {
        let items = value.as_ref()?.items();
        let quoted: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
        Some(quoted.join(", "))
    };
    let rules = |rules: &Option<std::collections::BTreeMap<String, OneOrMany>>| {
        let rules = rules.as_ref()?.iter();
        let each: Vec<String> = rules
            .map(|(claim, values)| format!("`{claim}` = `{}`", values.items().join("` or `")))
            .collect();
        Some(each.join(", "))
    };
    let audience = match config.audience.as_ref().map(OneOrMany::items).as_deref() {
        None => "must be given".to_owned(),
        Some(["*"]) => "none".to_owned(),
        Some(_) => list(&config.audience).unwrap_or_default(),
    };
    let audience = match &config.audience_claim {
        Some(claim) => format!("{audience}, compared with `{claim}`"),
        None => audience,
    };
    let keys = match (config.discover, text(&config.jwks_url)) {
        (Some(true), _) => Some("by discovery".to_owned()),
        (_, None) if config.issuer_pinned_by_keys == Some(true) => Some("given".to_owned()),
        (_, None) => Some("the shared secret".to_owned()),
        (_, url) => url,
    };
    let issuer = match config.issuer_pinned_by_keys {
        Some(true) => Some("whichever the keys belong to".to_owned()),
        _ => text(&config.issuer),
    };
    [
        ("issuer", issuer),
        ("also spelled", list(&config.issuer_aliases)),
        ("keys", keys),
        ("algorithms", list(&config.algorithms)),
        ("audience", Some(audience)),
        ("accepts", list(&config.accepts)),
        (
            "user's id",
            Some(text(&config.user_id_claim).unwrap_or("`sub`".to_owned())),
        ),
        ("roles", text(&config.roles_claim)),
        ("scopes", text(&config.scopes_claim)),
        ("permissions", text(&config.permissions_claim)),
        ("organization", text(&config.organization_claim)),
        ("session", text(&config.session_claim)),
        ("client", text(&config.client_id_claim)),
        ("required", rules(&config.required_values)),
        ("a machine's, if", rules(&config.machine_values)),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}
