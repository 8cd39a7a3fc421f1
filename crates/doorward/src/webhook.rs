//! The signing secrets of webhooks, from the environment.

use std::collections::BTreeMap;

use doorward_core::WebhookVerifier;

use crate::config::ConfigError;

/// The variables that hold signing secrets.
pub(crate) const VARIABLES: [&str; 2] = [OURS, CLERKS];

const OURS: &str = "DOORWARD_WEBHOOK_SECRET";
const CLERKS: &str = "CLERK_WEBHOOK_SIGNING_SECRET";

/// A verifier of the webhooks whose signing secret is in `DOORWARD_WEBHOOK_SECRET` or `CLERK_WEBHOOK_SIGNING_SECRET`.
/// While a secret is rotated, the old one and the new one stand in one variable with a comma between.
///
/// # Errors
/// Neither variable is set, both say different things, or what they say is no signing secret.
pub fn webhooks_from_env() -> Result<WebhookVerifier, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if VARIABLES.contains(&name.as_str()) => {
                return Err(ConfigError::new(name, "the value is not UTF-8 text"));
            }
            Err(_) => {}
        }
    }
    webhooks_from_variables(variables)
}

/// As [`webhooks_from_env`], from these variables.
///
/// # Errors
/// As [`webhooks_from_env`].
pub fn webhooks_from_variables(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<WebhookVerifier, ConfigError> {
    let set = |(_, value): &(String, String)| !value.trim().is_empty();
    let variables: BTreeMap<String, String> = variables.into_iter().filter(set).collect();
    let (name, value) = match (variables.get(OURS), variables.get(CLERKS)) {
        (Some(ours), Some(clerks)) if ours != clerks => {
            return Err(ConfigError::new(
                OURS,
                format!(
                    "says something else than {CLERKS}; keep one of them, or put both secrets into one, with a comma between"
                ),
            ));
        }
        (Some(ours), _) => (OURS, ours),
        (None, Some(clerks)) => (CLERKS, clerks),
        (None, None) => return Err(unset(&variables)),
    };
    webhooks(name, value.split(','))
}

/// A verifier of these secrets, whose mistakes are `setting`'s.
///
/// # Errors
/// What was found in place of a signing secret, and what would be right. Never the secret.
pub fn webhooks<S: AsRef<str>>(
    setting: &str,
    secrets: impl IntoIterator<Item = S>,
) -> Result<WebhookVerifier, ConfigError> {
    WebhookVerifier::new(secrets).map_err(|why| ConfigError::new(setting, why))
}

fn unset(variables: &BTreeMap<String, String>) -> ConfigError {
    // What others call it, and slips of the pen.
    let near = |name: &&String| {
        let slip = |known| strsim::damerau_levenshtein(name, known) <= 3;
        VARIABLES.into_iter().any(slip) || OTHER_NAMES.contains(&name.as_str())
    };
    let found = variables.keys().find(near);
    ConfigError::new(
        CLERKS,
        match found {
            Some(found) => format!("is not set, and {found} is not read; rename it"),
            None => format!(
                "is not set, and {OURS} neither; copy the signing secret (`whsec_…`) from the webhook endpoint's page"
            ),
        },
    )
}

const OTHER_NAMES: [&str; 6] = [
    "CLERK_WEBHOOK_SECRET",
    "CLERK_SIGNING_SECRET",
    "DOORWARD_WEBHOOK_SIGNING_SECRET",
    "SVIX_SECRET",
    "SVIX_WEBHOOK_SECRET",
    "WEBHOOK_SECRET",
];

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn read(variables: &[(&str, &str)]) -> Result<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        webhooks_from_variables(variables.iter().map(own))
            .map(|verifier| format!("{verifier:?}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn reads_either_variable() {
        let one = Ok("WebhookVerifier([whsec_…])".to_owned());
        assert_eq!(read(&[(OURS, SECRET)]), one);
        assert_eq!(read(&[(CLERKS, SECRET), (OURS, " ")]), one);
        assert_eq!(read(&[(CLERKS, SECRET), (OURS, SECRET)]), one);
        let both = format!("{SECRET}, {OTHER}");
        assert_eq!(
            read(&[(CLERKS, &both)]),
            Ok("WebhookVerifier([whsec_…, whsec_…])".to_owned())
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (variables, said) in [
            (&[][..], "is not set"),
            (&[(CLERKS, "")], "is not set"),
            (
                &[("CLERK_WEBHOOK_SECRET", SECRET)],
                "CLERK_WEBHOOK_SECRET is not read",
            ),
            (
                &[("CLERK_WEBHOK_SIGNING_SECRET", SECRET)],
                "CLERK_WEBHOK_SIGNING_SECRET is not read",
            ),
            (&[(CLERKS, SECRET), (OURS, OTHER)], "something else"),
            (
                &[(CLERKS, "sk_test_abc")],
                "CLERK_WEBHOOK_SIGNING_SECRET: signing secret 1: found an API secret key",
            ),
            (
                &[(OURS, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,")],
                "signing secret 2: found nothing",
            ),
        ] {
            let error = read(variables).unwrap_err();
            assert!(error.contains(said), "{variables:?}: {error}");
            assert!(!error.contains("MfKQ"), "{error}");
        }
    }
}
