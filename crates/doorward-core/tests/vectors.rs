//! Every case of `vectors/{jwt,credential,policy,introspection}/`, through the public API. `vectors/README.md` explains the files.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(
    clippy::disallowed_methods,
    reason = "the engine reads no file; its tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_core::{
    Algorithm, AlgorithmSet, Answer, Audience, AuthorizedParties, AzpRule, Credential, Decoder,
    Facts, Identity, Issuer, IssuerId, IssuerName, JwkSet, KeySource, KindSet, Known, Level,
    Lookup, Outcome, Policy, Reason, Reverification, ScopeHierarchy, Secret, Settings,
    SharedSecret, Timestamp, TokenKind, Verifier,
};
use serde::Deserialize;
use serde_json::{Value, json};

macro_rules! vectors {
    ($($name:ident: $path:literal,)+) => {
        const FILES: &[&str] = &[$($path),+];
        mod files { $(#[test] fn $name() { super::run($path); })+ }
    };
}

vectors! {
    algorithm: "jwt/algorithm.json",
    claims: "jwt/claims.json",
    clerk_permissions: "jwt/clerk_permissions.json",
    clerk_sessions: "jwt/clerk_sessions.json",
    confusion: "jwt/confusion.json",
    encoding: "jwt/encoding.json",
    header: "jwt/header.json",
    issuer_audience: "jwt/issuer_audience.json",
    json: "jwt/json.json",
    keys: "jwt/keys.json",
    kinds: "jwt/kinds.json",
    matrix: "jwt/matrix.json",
    party: "jwt/party.json",
    signature: "jwt/signature.json",
    structure: "jwt/structure.json",
    time: "jwt/time.json",
    credential_cookie: "credential/cookie.json",
    credential_header: "credential/header.json",
    policy: "policy/policy.json",
    introspection_clerk: "introspection/clerk.json",
    introspection_rfc7662: "introspection/rfc7662.json",
    introspection_rfc9701: "introspection/rfc9701.json",
}

#[test]
fn every_file_has_a_test() {
    let listed: BTreeSet<String> = FILES.iter().map(|path| (*path).to_owned()).collect();
    let found: BTreeSet<String> = ["jwt", "credential", "policy", "introspection"]
        .into_iter()
        .flat_map(|folder| {
            fs::read_dir(root().join(folder))
                .unwrap()
                .map(move |entry| (folder, entry.unwrap().file_name().into_string().unwrap()))
        })
        .map(|(folder, name)| format!("{folder}/{name}"))
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn every_reason_has_a_case() {
    let expected: BTreeSet<String> = FILES
        .iter()
        .flat_map(|path| read(path).cases)
        .map(|case| case.expect)
        .collect();
    let lacking: Vec<&str> = Reason::ALL
        .iter()
        // What an adapter says: a verifier is not told where a request comes from, nor what its body is.
        .filter(|reason| ![Reason::CrossOrigin, Reason::CallMalformed].contains(reason))
        .map(|reason| reason.code())
        .filter(|code| !expected.contains(*code))
        .collect();
    assert!(lacking.is_empty(), "no case ends with {lacking:?}");
}

/// A refusal proves something only beside a case that differs in that one thing and is accepted.
#[test]
fn every_file_has_controls() {
    for path in FILES {
        let cases = read(path).cases;
        let accepted = cases.iter().filter(|case| case.expect == "accept").count();
        assert!(
            accepted > 0 && accepted < cases.len(),
            "{path}: {accepted} of {} cases are accepted",
            cases.len()
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "description")]
    _description: String,
    now: f64,
    verifier: Value,
    #[serde(default)]
    tokens: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
    #[serde(default)]
    with: Value,
    token: Option<Value>,
    head: Option<Vec<(String, String)>>,
    policy: Option<Demands>,
    keys: Option<Value>,
    /// What the issuer says of the opaque token: an object, `{"text": …}` where it is no JSON, `{"jwt": …}` where it is
    /// signed, or the state of not knowing.
    answer: Option<Value>,
    now: Option<f64>,
    expect: String,
    identity: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifierSetup {
    issuers: Vec<IssuerSetup>,
    accepts: Option<Vec<String>>,
    #[serde(default)]
    allow_pending: bool,
    #[serde(default)]
    cookies: Vec<String>,
    max_token_bytes: Option<usize>,
    #[serde(default)]
    scope_implies: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerSetup {
    issuer: Option<String>,
    audience: Option<Vec<String>>,
    #[serde(default)]
    keys: Value,
    shared_secret: Option<String>,
    algorithms: Vec<String>,
    #[serde(default)]
    authorized_parties: Vec<String>,
    azp: Option<String>,
    decoder: Option<String>,
    #[serde(default)]
    required_claims: Vec<String>,
    token_types: Option<Vec<String>>,
    leeway: Option<f64>,
    #[serde(default)]
    opaque: Vec<String>,
    answers_signed_for: Option<String>,
    #[serde(default)]
    clients_without_audience: Vec<String>,
    #[serde(default)]
    dangerously_accept_tokens_without_audience: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Demands {
    accepts: Option<Vec<String>>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    any_scope: Vec<String>,
    role: Option<String>,
    #[serde(default)]
    permissions: Vec<String>,
    feature: Option<String>,
    plan: Option<String>,
    reverification: Option<Value>,
    organization: Option<Value>,
    #[serde(default)]
    deny_impersonation: bool,
}

fn run(path: &str) {
    let file = read(path);
    let wrong: Vec<String> = file
        .cases
        .iter()
        .filter_map(|case| {
            let found = judge(&file, case);
            let (found, identity) = match &found {
                Ok(identity) => ("accept", Some(identity)),
                Err(code) => (code.as_str(), None),
            };
            if found != case.expect {
                return Some(format!("{}: {found}, expected {}", case.name, case.expect));
            }
            let (wanted, identity) = (case.identity.as_ref()?, identity?);
            let fields = fields(identity);
            wanted
                .iter()
                .find(|(name, value)| fields.get(*name) != Some(*value))
                .map(|(name, value)| {
                    format!(
                        "{}: {name} is {}, expected {value}",
                        case.name, fields[name]
                    )
                })
        })
        .collect();
    let (count, total) = (wrong.len(), file.cases.len());
    assert!(
        wrong.is_empty(),
        "{path}: {count} of {total} cases differ:\n  {}",
        wrong.join("\n  ")
    );
}

/// The identity, or the code that the case ends with.
fn judge(file: &File, case: &Case) -> Result<Identity, String> {
    let mut setup = file.verifier.clone();
    overlay(&mut setup, &case.with);
    let verifier = verifier(serde_json::from_value(setup).unwrap());
    let now = Timestamp::from_millis((case.now.unwrap_or(file.now) * 1000.0).round() as i64);
    let facts = facts(case.keys.as_ref(), case.answer.as_ref(), now);
    let head: Vec<(String, Vec<u8>)>;
    let token;
    let credential = match (&case.head, &case.token) {
        (Some(fields), None) => {
            head = fields
                .iter()
                .map(|(name, value)| (name.clone(), latin_1(&fill(value, &file.tokens))))
                .collect();
            verifier.credential(&head).map_err(|r| r.reason().code())?
        }
        (None, Some(value)) => {
            token = fill(&expand(value), &file.tokens);
            Credential::bearer(&token)
        }
        _ => panic!("{}: either a token or a head", case.name),
    };
    let identity = match verifier.verify(&credential, &facts, now) {
        Outcome::Verified(identity) => identity,
        Outcome::Rejected(rejection) => return Err(rejection.reason().code().to_owned()),
        Outcome::Needs(Lookup::Keys { .. }) => return Err("needs_keys".to_owned()),
        Outcome::Needs(_) => return Err("needs_answer".to_owned()),
    };
    if let Some(demands) = &case.policy {
        policy(demands)
            .permit(&identity)
            .map_err(|rejection| rejection.reason().code().to_owned())?;
    }
    Ok(identity)
}

/// `with.issuer` replaces members of the first issuer, the rest of `with` members of the verifier.
fn overlay(verifier: &mut Value, with: &Value) {
    for (name, value) in with.as_object().into_iter().flatten() {
        if name == "issuer" {
            for (name, value) in value.as_object().unwrap() {
                verifier["issuers"][0][name] = value.clone();
            }
        } else {
            verifier[name] = value.clone();
        }
    }
}

fn verifier(setup: VerifierSetup) -> Verifier {
    let mut settings = Settings {
        allow_pending: setup.allow_pending,
        cookies: setup.cookies,
        scope_implies: ScopeHierarchy::new(setup.scope_implies),
        ..Settings::default()
    };
    if let Some(accepts) = setup.accepts {
        settings.accepts = kinds(&accepts);
    }
    if let Some(bytes) = setup.max_token_bytes {
        settings.max_token_bytes = bytes;
    }
    Verifier::new(setup.issuers.into_iter().map(issuer).collect(), settings).unwrap()
}

fn issuer(setup: IssuerSetup) -> Issuer {
    let algorithms: AlgorithmSet = setup
        .algorithms
        .iter()
        .map(|name| Algorithm::from_name(name).unwrap())
        .collect();
    let keys = match (&setup.shared_secret, &setup.keys) {
        (Some(secret), _) => {
            let secret = Secret::new(secret.as_str());
            KeySource::SharedSecret(SharedSecret::new(&secret, algorithms).unwrap())
        }
        (None, Value::Null) => KeySource::Remote,
        (None, Value::String(pem)) => {
            KeySource::Static(JwkSet::read(pem.as_bytes(), algorithms).unwrap())
        }
        // Read as a fetched set is: keys that cannot be used are left out.
        (None, set) => KeySource::Static(JwkSet::parse(&set.to_string(), algorithms).unwrap()),
    };
    let audience = setup.audience.map_or(Audience::Any, Audience::OneOf);
    let mut issuer = Issuer::new("", audience, keys, algorithms);
    issuer.name = setup
        .issuer
        .map_or(IssuerName::PinnedByKeys, IssuerName::Exact);
    issuer.authorized_parties = AuthorizedParties {
        parties: setup.authorized_parties,
        rule: match setup.azp.as_deref() {
            None | Some("off") => AzpRule::Off,
            Some("if_present") => AzpRule::IfPresent,
            Some("require") => AzpRule::Require,
            Some(other) => panic!("azp {other}"),
        },
    };
    issuer.required_claims = setup.required_claims;
    issuer.decoder = match setup.decoder.as_deref() {
        None | Some("standard") => Decoder::Standard,
        Some("clerk") => Decoder::Clerk,
        Some(other) => panic!("decoder {other}"),
    };
    if let Some(types) = setup.token_types {
        issuer.token_types = kinds(&types);
    }
    issuer.opaque = kinds(&setup.opaque);
    issuer.answers_signed_for = setup.answers_signed_for;
    issuer.without_audience.clients = setup.clients_without_audience;
    if setup.dangerously_accept_tokens_without_audience {
        issuer.without_audience.kinds = TokenKind::ALL.into_iter().collect();
    }
    if let Some(seconds) = setup.leeway {
        issuer.leeway = Duration::from_secs_f64(seconds);
    }
    issuer
}

fn kinds(names: &[String]) -> KindSet {
    names
        .iter()
        .map(|name| TokenKind::from_name(name).unwrap())
        .collect()
}

fn policy(demands: &Demands) -> Policy {
    let mut policy = Policy::new().scopes(demands.scopes.clone());
    if !demands.any_scope.is_empty() {
        policy = policy.any_scope(demands.any_scope.clone());
    }
    if let Some(kinds) = &demands.accepts {
        policy = policy.accepts(kinds.iter().map(|name| TokenKind::from_name(name).unwrap()));
    }
    if let Some(role) = &demands.role {
        policy = policy.role(role);
    }
    for permission in &demands.permissions {
        policy = policy.permission(permission);
    }
    if let Some(feature) = &demands.feature {
        policy = policy.feature(feature);
    }
    if let Some(plan) = &demands.plan {
        policy = policy.plan(plan);
    }
    if let Some(rule) = &demands.reverification {
        policy = policy.reverification(match rule {
            Value::String(name) => Reverification::from_name(name).unwrap(),
            rule => Reverification {
                level: Level::from_name(rule["level"].as_str().unwrap()).unwrap(),
                after_minutes: rule["after_minutes"].as_u64().unwrap() as u32,
            },
        });
    }
    match &demands.organization {
        None => {}
        Some(Value::String(id_or_slug)) => policy = policy.organization_is(id_or_slug),
        Some(_) => policy = policy.organization(),
    }
    if demands.deny_impersonation {
        policy = policy.deny_impersonation();
    }
    policy
}

/// What is known of a published key set, and of an opaque token.
struct Published(Known<Arc<JwkSet>>, Known<Arc<Answer>>);

impl Facts for Published {
    fn keys(&self, _: IssuerId, _: Option<&str>, _: Option<&str>) -> Known<Arc<JwkSet>> {
        self.0.clone()
    }

    fn answer(&self, _: IssuerId, _: TokenKind) -> Known<Arc<Answer>> {
        self.1.clone()
    }
}

fn facts(keys: Option<&Value>, answer: Option<&Value>, now: Timestamp) -> Published {
    let answer = answer.map_or(Known::NotYet, |answer| known_answer(answer, now));
    Published(known_keys(keys), answer)
}

fn known_answer(answer: &Value, now: Timestamp) -> Known<Arc<Answer>> {
    if let Some(jwt) = answer.get("jwt").and_then(Value::as_str) {
        let read = Answer::signed(jwt.as_bytes(), now);
        return read.map_or(Known::Unreachable(5), |answer| Known::Yes(Arc::new(answer)));
    }
    let text = match answer {
        Value::String(state) => match state.as_str() {
            "unknown" => return Known::No,
            "not_yet" => return Known::NotYet,
            "unreachable" => return Known::Unreachable(5),
            other => panic!("answer {other}"),
        },
        answer => answer
            .get("text")
            .and_then(Value::as_str)
            .map_or(answer.to_string(), str::to_owned),
    };
    // A driver that cannot read an answer has none.
    Answer::parse(text.as_bytes())
        .map_or(Known::Unreachable(5), |answer| Known::Yes(Arc::new(answer)))
}

fn known_keys(keys: Option<&Value>) -> Known<Arc<JwkSet>> {
    match keys {
        None => Known::NotYet,
        Some(Value::String(state)) => match state.as_str() {
            "unknown" => Known::No,
            "not_yet" => Known::NotYet,
            "unreachable" => Known::Unreachable(5),
            other => panic!("keys {other}"),
        },
        Some(set) => {
            let set = JwkSet::parse(&set.to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
            Known::Yes(Arc::new(set))
        }
    }
}

/// An identity, as the vectors spell it.
fn fields(identity: &Identity) -> BTreeMap<String, Value> {
    let claims = identity.claims();
    let actor = identity.actor().map(|actor| {
        json!({
            "subject": actor.subject, "issuer": actor.issuer,
            "session_id": actor.session_id, "kind": actor.kind,
        })
    });
    let seconds = |time: Timestamp| match time.as_millis() % 1000 {
        0 => json!(time.as_secs()),
        _ => json!(time.as_secs_f64()),
    };
    let fields = json!({
        "kind": identity.kind().as_str(),
        "subject": identity.subject(),
        "issuer": identity.issuer(),
        "user_id": identity.user_id(),
        "session_id": identity.session_id(),
        "session_status": identity.session_status(),
        "client_id": identity.client_id(),
        "organization_id": identity.organization_id(),
        "organization_slug": identity.organization_slug(),
        "role": identity.role(),
        "raw_role": identity.raw_role(),
        "permissions": identity.permissions(),
        "scopes": identity.scopes(),
        "features": identity.features(),
        "plans": identity.plans(),
        "actor": actor,
        "authorized_party": claims.authorized_party,
        "audience": claims.audience,
        "token_id": identity.token_id(),
        "issued_at": identity.issued_at().map(seconds),
        "expires_at": seconds(identity.expires_at()),
        "flags": identity.flags(),
    });
    serde_json::from_value(fields).unwrap()
}

/// A token's text, however it is written down.
fn expand(token: &Value) -> String {
    match token {
        Value::String(text) => text.clone(),
        long => {
            let text = |name: &str| long[name].as_str().unwrap();
            let times = long["times"].as_u64().unwrap() as usize;
            [
                text("prefix"),
                &text("repeat").repeat(times),
                text("suffix"),
            ]
            .concat()
        }
    }
}

/// Puts the file's tokens in the place of their names.
fn fill(text: &str, tokens: &BTreeMap<String, Value>) -> String {
    tokens.iter().fold(text.to_owned(), |text, (name, token)| {
        text.replace(&format!("<{name}>"), &expand(token))
    })
}

/// A header value's letters U+0000 to U+00FF are its bytes.
fn latin_1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect()
}

fn read(path: &str) -> File {
    let text = fs::read_to_string(root().join(path)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}
