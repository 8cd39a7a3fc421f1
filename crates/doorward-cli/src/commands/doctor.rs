//! `doorward doctor`.

use std::process::ExitCode;

use clap::Args;
use doorward::core::{AzpRule, Decoder, Issuer, IssuerName, KeySource, jws};
use doorward::{Authenticator, EndpointStatus, KeyStatus, Reason, RevocationStatus};
use serde_json::{Value, json};

use crate::output::{self, BAD, DIM, Failure, GOOD, ODD, paint};
use crate::settings::Settings;

/// Check the configuration and the live set-up.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A token that ought to be accepted, or "-" to read it from standard input
    #[arg(long)]
    token: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    examine(arguments, &mut report)?;
    if as_json {
        output::document(&report.to_json());
    } else {
        report.print();
    }
    Ok(if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn examine(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    let found = match arguments.settings.find() {
        Ok(found) => found,
        Err(failure) => {
            report.fail(
                "configuration",
                failure.message,
                "Mend the setting that is named.",
            );
            return Ok(());
        }
    };
    let auth = match Authenticator::new(&found.config) {
        Ok(auth) => auth,
        Err(error) => {
            report.fail(
                "configuration",
                format!("{}: {error}", found.origin),
                "Mend the setting that is named.",
            );
            return Ok(());
        }
    };
    report.ok("configuration", format!("read from {}", found.origin));
    if std::env::var("CLERK_JWT_KEY").is_ok_and(|key| key.contains("\\n")) {
        report.ok(
            "CLERK_JWT_KEY",
            "has \\n written out as two letters; it is read all the same".to_owned(),
        );
    }
    auth.refresh_blocking();
    for (issuer, (name, status)) in auth.verifier().issuers().iter().zip(auth.key_status()) {
        spelling(&name, issuer, report);
        keys(&name, issuer, status.as_ref(), report);
        parties(&name, issuer, report);
    }
    revocation(&auth.revocation_status(), report);
    if let Some(token) = &arguments.token {
        judge(&auth, &output::token(Some(token))?, report);
    }
    let status = auth.status();
    for endpoint in &status.endpoints {
        asked(endpoint, report);
    }
    report.status = serde_json::to_value(&status).ok();
    Ok(())
}

fn spelling(name: &str, issuer: &Issuer, report: &mut Report) {
    let slash = name.ends_with('/');
    match (&issuer.name, issuer.decoder) {
        (IssuerName::PinnedByKeys, _) => {
            report.warn(
                "issuer",
                "any https issuer is taken, because the keys belong to one instance".to_owned(),
                "Set CLERK_PUBLISHABLE_KEY or DOORWARD_ISSUER to compare `iss` as well.",
            );
        }
        (_, Decoder::Clerk) if slash => report.fail(
            "issuer",
            format!("{name} ends in a slash, which this provider's tokens never do"),
            "Remove the slash: `iss` is compared letter by letter.",
        ),
        _ if slash => report.ok("issuer", format!("{name} (the slash at the end counts)")),
        _ => report.ok("issuer", name.to_owned()),
    }
}

fn keys(name: &str, issuer: &Issuer, status: Option<&KeyStatus>, report: &mut Report) {
    let list = |kids: Vec<Option<&str>>| {
        kids.into_iter()
            .map(|kid| kid.unwrap_or("(no kid)"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (&issuer.keys, status) {
        (KeySource::Static(set), _) => {
            let kids = list(set.keys().iter().map(|key| key.kid()).collect());
            report.ok("keys", format!("{} configured: {kids}", set.keys().len()));
            skipped(set.skipped(), report);
        }
        (KeySource::Remote, Some(status)) => remote(name, status, report),
        _ => report.ok("keys", "a shared secret".to_owned()),
    }
}

fn remote(name: &str, status: &KeyStatus, report: &mut Report) {
    if let Some(error) = &status.last_error {
        let mend = "Check the URL, the network and the proxy from this machine; the issuer's spelling decides where \
                    discovery looks.";
        return report.fail("keys", format!("{name}: {error}"), mend);
    }
    let kids: Vec<&str> = status
        .keys
        .iter()
        .map(|kid| kid.as_deref().unwrap_or("(no kid)"))
        .collect();
    report.ok(
        "keys",
        format!("{} from {}: {}", kids.len(), status.source, kids.join(", ")),
    );
    skipped(&status.skipped, report);
    match status.clock_ahead_seconds {
        Some(ahead) if ahead.abs() > 30.0 => report.fail(
            "clock",
            format!("the issuer's clock is {ahead:+.1} s from ours"),
            "Synchronize this machine's clock (NTP); tokens will look expired or not yet valid.",
        ),
        Some(ahead) if ahead.abs() > 3.0 => report.warn(
            "clock",
            format!("the issuer's clock is {ahead:+.1} s from ours"),
            "Synchronize this machine's clock, before it is further off than the leeway.",
        ),
        Some(_) => report.ok("clock", "agrees with the issuer's".to_owned()),
        None => report.warn(
            "clock",
            "the issuer sent no Date to compare".to_owned(),
            "Check the clock by hand.",
        ),
    }
}

fn skipped(skipped: &[String], report: &mut Report) {
    for why in skipped {
        report.warn(
            "keys",
            format!("left out: {why}"),
            "Harmless unless tokens are signed with this key.",
        );
    }
}

fn revocation(status: &RevocationStatus, report: &mut Report) {
    let Some(store) = &status.store else { return };
    let place = format!("{} ({})", store.address, status.on_outage);
    match &store.last_error {
        None => report.ok(
            "revocations",
            format!("{} known, shared by {place}", status.entries),
        ),
        Some(error) => report.fail(
            "revocations",
            format!("{place}: {error}"),
            "Check the address, the password and the network from this machine.",
        ),
    }
}

fn asked(endpoint: &EndpointStatus, report: &mut Report) {
    let EndpointStatus { url, kind, .. } = endpoint;
    match &endpoint.last_error {
        Some(error) => report.fail(
            "opaque tokens",
            format!("{url} about a {kind}: {error}"),
            "Check the URL and the secret with which it is asked.",
        ),
        None if endpoint.asked > 0 => {
            report.ok("opaque tokens", format!("{url} answers about a {kind}"));
        }
        None => report.ok(
            "opaque tokens",
            format!("{url} is asked about a {kind}; give one with --token to try"),
        ),
    }
}

fn parties(name: &str, issuer: &Issuer, report: &mut Report) {
    match (issuer.authorized_parties.rule, issuer.decoder) {
        (AzpRule::Off, Decoder::Clerk) => report.warn(
            "authorized parties",
            format!("{name}: none are set, so tokens made for any origin are taken"),
            "Set CLERK_AUTHORIZED_PARTIES to your frontends' origins.",
        ),
        (AzpRule::Off, _) => {}
        (rule, _) => {
            let parties = issuer.authorized_parties.parties.join(", ");
            report.ok("authorized parties", format!("{parties} ({rule:?})"));
        }
    }
}

/// Verifies a token; where it is refused, says which of the parts above it disagrees with.
fn judge(auth: &Authenticator, token: &str, report: &mut Report) {
    match auth.verify_blocking(token) {
        Ok(identity) => report.ok(
            "token",
            format!("accepted: {} {}", identity.kind(), identity.subject()),
        ),
        Err(rejection) => {
            let mut found = rejection.to_string();
            if rejection.reason() == Reason::KeyUnknown
                && let Ok((header, _)) = jws::decode_unverified(token)
            {
                found = format!("{found}; its header is {header}");
            }
            report.fail("token", found, rejection.hint());
        }
    }
}

#[derive(Default)]
struct Report {
    checks: Vec<Check>,
    /// How the authenticator was at the end.
    status: Option<Value>,
}

struct Check {
    state: State,
    subject: &'static str,
    found: String,
    mend: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

impl Report {
    fn ok(&mut self, subject: &'static str, found: String) {
        self.checks.push(Check {
            state: State::Ok,
            subject,
            found,
            mend: String::new(),
        });
    }

    fn warn(&mut self, subject: &'static str, found: String, mend: &str) {
        self.checks.push(Check {
            state: State::Warn,
            subject,
            found,
            mend: mend.to_owned(),
        });
    }

    fn fail(&mut self, subject: &'static str, found: String, mend: &str) {
        self.checks.push(Check {
            state: State::Fail,
            subject,
            found,
            mend: mend.to_owned(),
        });
    }

    fn failed(&self) -> bool {
        self.checks.iter().any(|check| check.state == State::Fail)
    }

    fn print(&self) {
        for check in &self.checks {
            let state = match check.state {
                State::Ok => paint(GOOD, "ok  "),
                State::Warn => paint(ODD, "warn"),
                State::Fail => paint(BAD, "fail"),
            };
            output::line(&format!("{state}  {:<18} {}", check.subject, check.found));
            if !check.mend.is_empty() {
                output::line(&format!("      {:<18} {}", "", paint(DIM, &check.mend)));
            }
        }
    }

    fn to_json(&self) -> Value {
        let check = |check: &Check| {
            let state = match check.state {
                State::Ok => "ok",
                State::Warn => "warn",
                State::Fail => "fail",
            };
            json!({ "state": state, "subject": check.subject, "found": check.found, "mend": check.mend })
        };
        let checks: Vec<Value> = self.checks.iter().map(check).collect();
        json!({ "ok": !self.failed(), "checks": checks, "status": self.status })
    }
}
