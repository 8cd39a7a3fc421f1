//! Every preset against tokens in its provider's shape: `vectors/providers/`.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use doorward::{
    Authenticator, Config, Identity, ManualClock, Policy, Preset, Rejection, Timestamp,
};
use doorward_issuer::{DevIssuer, Mint, SigningAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

const NOW: i64 = 1_800_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    preset: String,
    settings: Map<String, Value>,
    issuer: String,
    /// Where the preset would fetch the keys.
    keys: Option<String>,
    algorithm: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    mint: Option<Value>,
    token: Option<String>,
    #[serde(default, rename = "with")]
    changes: Map<String, Value>,
    accepts: Option<Vec<String>>,
    policy: Option<Demand>,
    expect: String,
    #[serde(default)]
    identity: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Demand {
    role: Option<String>,
    permission: Option<String>,
    organization: Option<String>,
    scopes: Vec<String>,
    deny_impersonation: bool,
}

#[test]
fn every_preset_judges_its_providers_tokens() {
    let (mut rows, mut wrong, mut seen) = (0, Vec::new(), BTreeSet::new());
    for (name, file) in files() {
        seen.insert(file.preset.clone());
        let issuer = DevIssuer::builder()
            .issuer(&file.issuer)
            .algorithms(&[SigningAlgorithm::from_name(&file.algorithm).unwrap()])
            .clock(|| NOW)
            .build()
            .unwrap();
        for case in &file.cases {
            rows += 1;
            let token = match (&case.token, &case.mint) {
                (Some(token), _) => token.clone(),
                (None, Some(mint)) => {
                    let mint: Mint = serde_json::from_value(mint.clone()).unwrap();
                    issuer.mint(&mint).unwrap()
                }
                (None, None) => panic!("{name} / {}: no token", case.name),
            };
            let auth = authenticator(&file, case, &issuer);
            let found = judge(&auth, case, &token);
            if let Some(difference) = compare(case, &found) {
                wrong.push(format!("{name} / {}: {difference}", case.name));
            }
        }
    }
    assert!(rows > 80, "only {rows} rows were found");
    let presets: BTreeSet<String> = Preset::names().map(str::to_owned).collect();
    assert_eq!(seen, presets, "every preset has vectors");
    assert!(
        wrong.is_empty(),
        "{} of {rows}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Without keys at hand, the preset knows where they are.
#[test]
fn every_preset_knows_where_keys_are() {
    for (name, file) in files() {
        let Some(url) = &file.keys else { continue };
        let config = Config::from_json(&settings(&file, &Map::new()).to_string()).unwrap();
        let auth = Authenticator::new(&config).unwrap();
        let status = auth.key_status();
        let source = status[0].1.as_ref().map(|status| status.source.clone());
        assert_eq!(source, Some(format!("jwks {url}")), "{name}");
    }
}

fn files() -> Vec<(String, File)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/providers");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let file = serde_json::from_str(&fs::read_to_string(&path).unwrap());
            files.push((
                name.clone(),
                file.unwrap_or_else(|error| panic!("{name}: {error}")),
            ));
        }
    }
    files
}

fn settings(file: &File, changes: &Map<String, Value>) -> Value {
    let mut settings = file.settings.clone();
    settings.insert("preset".to_owned(), file.preset.clone().into());
    settings.extend(changes.clone());
    settings.into()
}

fn authenticator(file: &File, case: &Case, issuer: &DevIssuer) -> Authenticator {
    let mut changes = case.changes.clone();
    if !file.settings.contains_key("shared_secret") {
        changes.insert("keys".to_owned(), issuer.jwks().to_string().into());
    }
    if let Some(accepts) = &case.accepts {
        changes.insert("accepts".to_owned(), accepts.clone().into());
    }
    let config = Config::from_json(&settings(file, &changes).to_string()).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    Authenticator::with_clock(&config, Arc::new(clock)).unwrap()
}

fn judge(auth: &Authenticator, case: &Case, token: &str) -> Result<Identity, Rejection> {
    let identity = auth.verify_blocking(token)?;
    if let Some(demand) = &case.policy {
        let mut policy = Policy::new().scopes(&demand.scopes);
        if let Some(role) = &demand.role {
            policy = policy.role(role);
        }
        if let Some(permission) = &demand.permission {
            policy = policy.permission(permission);
        }
        if let Some(organization) = &demand.organization {
            policy = policy.organization_is(organization);
        }
        if demand.deny_impersonation {
            policy = policy.deny_impersonation();
        }
        policy.permit(&identity)?;
    }
    Ok(identity)
}

fn compare(case: &Case, found: &Result<Identity, Rejection>) -> Option<String> {
    let verdict = match found {
        Ok(_) => "accept",
        Err(rejection) => rejection.reason().code(),
    };
    if verdict != case.expect {
        return Some(format!("{found:?}, expected {}", case.expect));
    }
    let identity = found.as_ref().ok()?;
    let differs = |(name, expected): (&String, &Value)| {
        let found = member(identity, name);
        (found != *expected).then(|| format!("{name} is {found}, expected {expected}"))
    };
    case.identity.iter().find_map(differs)
}

fn member(identity: &Identity, name: &str) -> Value {
    match name {
        "kind" => identity.kind().as_str().into(),
        "subject" => identity.subject().into(),
        "issuer" => identity.issuer().into(),
        "user_id" => identity.user_id().into(),
        "client_id" => identity.client_id().into(),
        "session_id" => identity.session_id().into(),
        "organization_id" => identity.organization_id().into(),
        "tenant" => identity.tenant().into(),
        "roles" => identity.roles().into(),
        "scopes" => identity.scopes().into(),
        "permissions" => identity.permissions().into(),
        "audience" => identity.claims().audience.clone().into(),
        other => panic!("{other} is not compared"),
    }
}
