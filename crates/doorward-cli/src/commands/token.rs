//! `doorward token`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::dev::DEFAULT_PORT;
use crate::output::{self, Failure, UNAVAILABLE};

/// Mint a token from the local issuer (`doorward dev`).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the local issuer listens
    #[arg(long, default_value_t = format!("http://127.0.0.1:{DEFAULT_PORT}"))]
    url: String,
    /// What to mint: session, session_v1, oauth, m2m, template, oidc or logout; random text that the issuer has to be
    /// asked about: api_key, oauth_opaque, m2m_opaque or opaque
    #[arg(long)]
    kind: Option<String>,
    /// The subject
    #[arg(long)]
    sub: Option<String>,
    /// The session
    #[arg(long)]
    sid: Option<String>,
    /// The OAuth client it is given to
    #[arg(long)]
    client_id: Option<String>,
    /// The name of an API key
    #[arg(long)]
    name: Option<String>,
    /// The origin it is made for
    #[arg(long)]
    azp: Option<String>,
    /// The audience
    #[arg(long)]
    aud: Option<String>,
    /// Seconds until it expires; negative for one that has expired. An API key does not expire unless this is said
    #[arg(long, allow_negative_numbers = true)]
    ttl: Option<i64>,
    /// The active organization's id
    #[arg(long)]
    org: Option<String>,
    /// The role in the active organization
    #[arg(long, requires = "org", default_value = "admin")]
    role: String,
    /// A permission in the active organization, as in org:posts:read; may be repeated
    #[arg(long = "permission", requires = "org", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// A scope; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A further claim, name=value; the value is read as JSON if it is JSON; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// What shall be wrong with it: expired, revoked, wrong_key, alg_none, …; an unknown name lists them all
    #[arg(long)]
    defect: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let answer = ask(&arguments.url, &arguments.specification()?.to_string())?;
    if as_json {
        output::document(&answer);
    } else {
        output::line(answer["token"].as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn specification(&self) -> Result<Value, Failure> {
        let mut spec = Map::new();
        let texts = [
            ("kind", &self.kind),
            ("sub", &self.sub),
            ("sid", &self.sid),
            ("client_id", &self.client_id),
            ("name", &self.name),
            ("azp", &self.azp),
            ("aud", &self.aud),
            ("defect", &self.defect),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                spec.insert(name.to_owned(), value.clone().into());
            }
        }
        if let Some(ttl) = self.ttl {
            spec.insert("ttl".to_owned(), ttl.into());
        }
        if let Some(org) = &self.org {
            let slug = org.trim_start_matches("org_");
            let organization = json!({ "id": org, "slug": slug, "role": self.role, "permissions": self.permissions });
            spec.insert("org".to_owned(), organization);
        }
        if !self.scopes.is_empty() {
            spec.insert("scopes".to_owned(), self.scopes.clone().into());
        }
        let mut claims = Map::new();
        for claim in &self.claims {
            let (name, value) = claim
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--claim {claim:?} is not NAME=VALUE")))?;
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            claims.insert(name.to_owned(), value);
        }
        if !claims.is_empty() {
            spec.insert("claims".to_owned(), claims.into());
        }
        Ok(spec.into())
    }
}

fn ask(url: &str, specification: &str) -> Result<Value, Failure> {
    let away = |error: &dyn std::fmt::Display| Failure {
        message: format!(
            "there is no local issuer at {url} ({error}); start one with `doorward dev`"
        ),
        code: UNAVAILABLE,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| away(&error))?;
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let request = client
            .post(format!("{}/dev/mint", url.trim_end_matches('/')))
            .header("content-type", "application/json")
            .body(specification.to_owned());
        let response = request.send().await.map_err(|error| away(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| away(&error))?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| away(&"it answers no JSON"))?;
        match status.is_success() {
            true => Ok(answer),
            false => Err(Failure::usage(
                answer["message"].as_str().map_or(text, str::to_owned),
            )),
        }
    })
}
