//! The environment as a source of configuration.

use std::collections::BTreeMap;

use doorward_core::Secret;

use crate::config::{Config, ConfigError, IssuerConfig, OneOrMany, SecretText, unknown};

/// Every variable that is read, and what it sets. Variables of other programs are left alone; one that begins with
/// `DOORWARD_` and is not here is a mistake.
const VARIABLES: [(&str, Apply); 25] = [
    ("CLERK_PUBLISHABLE_KEY", |to, text| {
        to.clerk().publishable_key = Some(text)
    }),
    ("CLERK_SECRET_KEY", |to, text| {
        to.clerk().secret_key = Some(secret(&text))
    }),
    ("CLERK_JWT_KEY", |to, text| {
        to.clerk().keys = Some(OneOrMany::One(text))
    }),
    ("CLERK_AUTHORIZED_PARTIES", |to, text| {
        to.issuer().authorized_parties = Some(OneOrMany::One(text))
    }),
    ("CLERK_API_URL", |to, text| to.clerk().api_url = Some(text)),
    ("DOORWARD_PRESET", |to, text| {
        to.issuer().preset = Some(text)
    }),
    ("DOORWARD_ISSUER", |to, text| {
        to.issuer().issuer = Some(text)
    }),
    ("DOORWARD_AUDIENCE", |to, text| {
        to.issuer().audience = Some(list(&text))
    }),
    ("DOORWARD_KEYS", |to, text| {
        to.issuer().keys = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_KEYS_FILE", |to, text| {
        to.issuer().keys_file = Some(text)
    }),
    ("DOORWARD_JWKS_URL", |to, text| {
        to.issuer().jwks_url = Some(text)
    }),
    ("DOORWARD_SHARED_SECRET", |to, text| {
        to.issuer().shared_secret = Some(secret(&text))
    }),
    ("DOORWARD_ALGORITHMS", |to, text| {
        to.issuer().algorithms = Some(list(&text))
    }),
    ("DOORWARD_AUTHORIZED_PARTIES", |to, text| {
        to.issuer().authorized_parties = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_AZP", |to, text| to.issuer().azp = Some(text)),
    ("DOORWARD_TOKEN_TYPES", |to, text| {
        to.issuer().token_types = Some(list(&text))
    }),
    ("DOORWARD_REQUIRED_CLAIMS", |to, text| {
        to.issuer().required_claims = Some(list(&text))
    }),
    ("DOORWARD_ACCEPTS", |to, text| {
        to.config.accepts = Some(list(&text))
    }),
    ("DOORWARD_COOKIES", |to, text| {
        to.config.cookies = Some(list(&text))
    }),
    ("DOORWARD_LEEWAY", |to, text| {
        to.parsed(text, |config, value| config.leeway = Some(value))
    }),
    ("DOORWARD_ALLOW_PENDING", |to, text| {
        to.parsed(text, |config, value| config.allow_pending = Some(value))
    }),
    ("DOORWARD_EXPLAIN", |to, text| {
        to.parsed(text, |config, value| config.explain = Some(value))
    }),
    ("DOORWARD_PROBLEM_DETAILS", |to, text| {
        to.parsed(text, |config, value| config.problem_details = Some(value))
    }),
    ("DOORWARD_CACHE_BYTES", |to, text| {
        to.parsed(text, |config, value| config.cache_bytes = Some(value))
    }),
    ("DOORWARD_MAX_TOKEN_BYTES", |to, text| {
        to.parsed(text, |config, value| config.max_token_bytes = Some(value))
    }),
];

/// Variables that narrow what is accepted. An empty one is more likely a template gone wrong than a waiver.
const RESTRICTING: [&str; 7] = [
    "CLERK_AUTHORIZED_PARTIES",
    "DOORWARD_AUTHORIZED_PARTIES",
    "DOORWARD_AUDIENCE",
    "DOORWARD_ALGORITHMS",
    "DOORWARD_TOKEN_TYPES",
    "DOORWARD_REQUIRED_CLAIMS",
    "DOORWARD_ACCEPTS",
];

type Apply = fn(&mut Target, String);

/// The configuration under construction: it has one issuer, the environment's.
#[derive(Default)]
struct Target {
    config: Config,
    issuer: Option<IssuerConfig>,
    wrong: Option<String>,
}

impl Target {
    fn issuer(&mut self) -> &mut IssuerConfig {
        self.issuer.get_or_insert_default()
    }

    fn clerk(&mut self) -> &mut IssuerConfig {
        let issuer = self.issuer();
        issuer.preset.get_or_insert_with(|| "clerk".to_owned());
        issuer
    }

    fn parsed<T: std::str::FromStr>(&mut self, text: String, set: impl FnOnce(&mut Config, T)) {
        match text.trim().parse() {
            Ok(value) => set(&mut self.config, value),
            Err(_) => self.wrong = Some(text),
        }
    }
}

impl Config {
    /// Reads the process's environment; see [`Config::from_variables`].
    ///
    /// # Errors
    /// As [`Config::from_variables`].
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            // A name that is not UTF-8 is none of ours; a value of ours that is not would be a setting that is lost.
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if Self::reads_variable(&name) => {
                    return Err(ConfigError::new(name, "the value is not UTF-8 text"));
                }
                Err(_) => {}
            }
        }
        Self::from_variables(variables)
    }

    /// Whether an environment variable of this name would be read, or be refused as unknown.
    pub fn reads_variable(name: &str) -> bool {
        name.starts_with("DOORWARD_") || VARIABLES.iter().any(|(known, _)| *known == name)
    }

    /// Reads `CLERK_PUBLISHABLE_KEY`, `CLERK_SECRET_KEY`, `CLERK_JWT_KEY`, `CLERK_AUTHORIZED_PARTIES`,
    /// `CLERK_API_URL` and `DOORWARD_*`. `DOORWARD_CONFIG` names a `doorward.toml` to read instead of an issuer in the
    /// environment. An empty variable counts as not set, except for those that narrow
    /// what is accepted: there it is a mistake.
    ///
    /// # Errors
    /// Nothing names an issuer, a `DOORWARD_` variable is unknown, or a value cannot be read.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (empty, variables): (BTreeMap<String, String>, BTreeMap<String, String>) = variables
            .into_iter()
            .partition(|(_, value)| value.trim().is_empty());
        if let Some(name) = RESTRICTING.iter().find(|name| empty.contains_key(**name)) {
            return Err(ConfigError::new(
                *name,
                "is empty, which would waive a check; unset it or fill it in",
            ));
        }
        let known: Vec<&str> = VARIABLES
            .iter()
            .map(|(name, _)| *name)
            .chain([CONFIG_FILE])
            .collect();
        let stranger =
            |name: &&String| name.starts_with("DOORWARD_") && !known.contains(&name.as_str());
        if let Some(name) = variables.keys().find(stranger) {
            return Err(ConfigError::new(name.clone(), unknown(name, &known)));
        }
        let mut target = Target::default();
        if let Some(path) = variables.get(CONFIG_FILE) {
            target.config = Self::from_file(path)?;
        }
        for (name, apply) in VARIABLES {
            if let Some(value) = variables.get(name) {
                apply(&mut target, value.clone());
                if let Some(found) = target.wrong.take() {
                    return Err(ConfigError::new(
                        name,
                        format!("{found:?} cannot be read; see the documentation"),
                    ));
                }
            }
        }
        match target.issuer {
            Some(issuer) if target.config.issuers.is_empty() => target.config.issuers.push(issuer),
            Some(_) => {
                return Err(ConfigError::new(
                    CONFIG_FILE,
                    "the file and the environment both name an issuer; keep one of them",
                ));
            }
            None if target.config.issuers.is_empty() => {
                return Err(ConfigError::new(
                    "environment",
                    "names no issuer; set CLERK_PUBLISHABLE_KEY, CLERK_JWT_KEY or CLERK_SECRET_KEY, or \
                     DOORWARD_ISSUER and DOORWARD_AUDIENCE, or DOORWARD_CONFIG",
                ));
            }
            None => {}
        }
        Ok(target.config)
    }
}

const CONFIG_FILE: &str = "DOORWARD_CONFIG";

fn secret(text: &str) -> SecretText {
    SecretText(Secret::new(text.trim()))
}

fn list(text: &str) -> OneOrMany {
    let split = OneOrMany::from(text).split();
    match split.as_slice() {
        [one] => OneOrMany::One(one.clone()),
        _ => OneOrMany::Many(split),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(
            variables
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn clerk_variables_choose_the_preset() {
        let config = read(&[
            ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"),
            (
                "CLERK_AUTHORIZED_PARTIES",
                "http://localhost:3000,https://app.example",
            ),
            ("CLERK_JWT_KEY", ""),
            ("HOME", "/home/someone"),
        ])
        .unwrap();
        let issuer = &config.issuers[0];
        assert_eq!(issuer.preset.as_deref(), Some("clerk"));
        assert_eq!(issuer.keys, None);
        assert_eq!(issuer.authorized_parties.as_ref().unwrap().split().len(), 2);
    }

    #[test]
    fn a_typo_is_a_mistake() {
        let error = read(&[("DOORWARD_ISUER", "https://a.example")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("did you mean \"DOORWARD_ISSUER\"?"),
            "{error}"
        );
        let error = read(&[("DOORWARD_LEEWAY", "five")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("DOORWARD_LEEWAY") && error.contains("five"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_environment_says_what_is_missing() {
        let error = read(&[]).unwrap_err().to_string();
        assert!(
            error.contains("CLERK_PUBLISHABLE_KEY") && error.contains("DOORWARD_ISSUER"),
            "{error}"
        );
    }
}
